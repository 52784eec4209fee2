//! Messages and their headers.

use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// The version of Jupyter's messaging protocol that this kernel speaks.
pub const PROTOCOL: &str = "5.5";

/// One message, without its signature.
#[derive(Clone, Debug)]
pub struct Message {
    /// Whom a ROUTER socket answers, or the topic of a broadcast.
    pub identities: Vec<Vec<u8>>,
    pub header: Value,
    pub parent: Value,
    pub metadata: Value,
    pub content: Value,
}

impl Message {
    pub fn kind(&self) -> &str {
        self.header.get("msg_type").and_then(Value::as_str).unwrap_or_default()
    }

    /// A text in the content.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.content.get(name).and_then(Value::as_str)
    }

    /// Whether a field of the content is true; `default` if it is absent.
    pub fn flag(&self, name: &str, default: bool) -> bool {
        self.content.get(name).and_then(Value::as_bool).unwrap_or(default)
    }
}

/// Makes messages of one kernel: they carry its session, which is its own and not the client's.
#[derive(Clone, Debug)]
pub struct Author {
    session: String,
}

impl Author {
    pub fn new() -> Self {
        Self { session: uuid::Uuid::new_v4().to_string() }
    }

    pub fn reply(&self, request: &Message, kind: &str, content: Value) -> Message {
        Message {
            identities: request.identities.clone(),
            header: self.header(kind),
            parent: request.header.clone(),
            metadata: json!({}),
            content,
        }
    }

    pub fn broadcast(&self, parent: &Value, kind: &str, content: Value) -> Message {
        Message {
            identities: vec![format!("kernel.{}.{kind}", self.session).into_bytes()],
            header: self.header(kind),
            parent: parent.clone(),
            metadata: json!({}),
            content,
        }
    }

    fn header(&self, kind: &str) -> Value {
        json!({
            "msg_id": uuid::Uuid::new_v4().to_string(),
            "session": self.session,
            "username": "kernel",
            "date": timestamp(SystemTime::now()),
            "msg_type": kind,
            "version": PROTOCOL,
        })
    }
}

/// A time as ISO 8601 in UTC.
fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Howard Hinnant's civil_from_days, for days since 1970: eras of 400 years that begin on 1 March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let micros = since.subsec_micros();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn timestamps_are_iso_8601() {
        let at = |seconds| timestamp(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(at(951_827_696), "2000-02-29T12:34:56.000000Z");
        assert_eq!(at(1_735_689_599), "2024-12-31T23:59:59.000000Z");
    }
}
