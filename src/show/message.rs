//! What a frame says.

use serde_json::{Map, Value};
use std::io::{Error, Result};

/// What kind of Jupyter message a frame becomes.
///
/// ```
/// assert_eq!(noisebook::show::frame::MessageKind::ClearOutput.name(), "clear_output");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// A picture in the middle of a cell.
    DisplayData,
    /// The value of a cell's last expression.
    ExecuteResult,
    /// A new state of a picture that is there already.
    UpdateDisplayData,
    /// Takes away what the cell has shown.
    ClearOutput,
}

impl MessageKind {
    const ALL: [Self; 4] = [Self::DisplayData, Self::ExecuteResult, Self::UpdateDisplayData, Self::ClearOutput];

    /// The name in Jupyter's protocol.
    ///
    /// ```
    /// assert_eq!(noisebook::show::frame::MessageKind::DisplayData.name(), "display_data");
    /// ```
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DisplayData => "display_data",
            Self::ExecuteResult => "execute_result",
            Self::UpdateDisplayData => "update_display_data",
            Self::ClearOutput => "clear_output",
        }
    }
}

/// What a frame says: the payload of its packets is this, as JSON.
///
/// ```
/// use noisebook::show::frame::{Message, MessageKind};
/// let message = Message::new(MessageKind::DisplayData);
/// assert_eq!(Message::from_json(&message.to_json())?, message);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The Jupyter message that it becomes.
    pub kind: MessageKind,
    /// One value in several MIME types.
    pub data: Map<String, Value>,
    /// For a MIME type, what else a front end should know: the width and height of a picture.
    pub metadata: Map<String, Value>,
    /// The name under which the picture can be updated; it goes to `transient.display_id`.
    pub display_id: Option<String>,
    /// For `clear_output`: wait until the next output comes.
    pub wait: bool,
}

impl Message {
    /// An empty message.
    ///
    /// ```
    /// use noisebook::show::frame::{Message, MessageKind};
    /// assert!(Message::new(MessageKind::ClearOutput).data.is_empty());
    /// ```
    #[must_use]
    pub fn new(kind: MessageKind) -> Self {
        Self { kind, data: Map::new(), metadata: Map::new(), display_id: None, wait: false }
    }

    /// The payload.
    ///
    /// ```
    /// use noisebook::show::frame::{Message, MessageKind};
    /// let payload = Message::new(MessageKind::ClearOutput).to_json();
    /// assert_eq!(payload, br#"{"msg_type":"clear_output","data":{},"metadata":{},"wait":false}"#);
    /// ```
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut object = Map::new();
        object.insert("msg_type".into(), self.kind.name().into());
        object.insert("data".into(), self.data.clone().into());
        object.insert("metadata".into(), self.metadata.clone().into());
        if let Some(id) = &self.display_id {
            object.insert("display_id".into(), id.clone().into());
        }
        if self.kind == MessageKind::ClearOutput {
            object.insert("wait".into(), self.wait.into());
        }
        Value::Object(object).to_string().into_bytes()
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// What is not JSON, or names no kind of message.
    ///
    /// ```
    /// use noisebook::show::frame::Message;
    /// assert!(Message::from_json(b"[]").is_err());
    /// ```
    pub fn from_json(payload: &[u8]) -> Result<Self> {
        let mut value: Value = serde_json::from_slice(payload)?;
        let name = value.get("msg_type").and_then(Value::as_str).unwrap_or_default();
        let Some(kind) = MessageKind::ALL.into_iter().find(|kind| kind.name() == name) else {
            return Err(Error::other(format!("no message is called '{name}'")));
        };
        let mut map = |key: &str| match value.get_mut(key).map(Value::take) {
            Some(Value::Object(map)) => map,
            _ => Map::new(),
        };
        let (data, metadata) = (map("data"), map("metadata"));
        let display_id = value.get("display_id").and_then(Value::as_str).map(str::to_string);
        let wait = value.get("wait").and_then(Value::as_bool).unwrap_or(false);
        Ok(Self { kind, data, metadata, display_id, wait })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_message_survives_the_way() {
        let mut message = Message::new(MessageKind::UpdateDisplayData);
        message.data.insert("text/plain".into(), "a \"quoted\" é".into());
        message.metadata.insert("image/png".into(), serde_json::json!({"width": 3}));
        message.display_id = Some("abc".into());
        assert_eq!(Message::from_json(&message.to_json()).unwrap(), message);
        assert!(Message::from_json(b"{\"msg_type\":\"stream\"}").is_err());
    }
}
