//! One value in several MIME types.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// What a value looks like, in every form that a front end may choose from. There is always a plain text.
///
/// ```
/// use noisebook::show::Bundle;
/// let bundle = Bundle::text("3 images").html("<b>3</b> images");
/// assert_eq!(bundle.plain_text(), "3 images");
/// assert_eq!(bundle.get("text/html").unwrap(), "<b>3</b> images");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    data: Map<String, Value>,
    metadata: Map<String, Value>,
}

impl Bundle {
    /// Begins with the plain text, a few useful lines for a terminal.
    ///
    /// ```
    /// assert_eq!(noisebook::show::Bundle::text("loss 0.1").plain_text(), "loss 0.1");
    /// ```
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        let bundle = Self { data: Map::new(), metadata: Map::new() };
        bundle.with("text/plain", Value::String(text.into()))
    }

    /// Adds HTML. It must need no script: Jupyter takes scripts out of notebooks that it does not trust.
    ///
    /// ```
    /// let bundle = noisebook::show::Bundle::text("a").html("<i>a</i>");
    /// assert!(bundle.get("text/html").is_some());
    /// ```
    #[must_use]
    pub fn html(self, html: impl Into<String>) -> Self {
        self.with("text/html", Value::String(html.into()))
    }

    /// Adds a drawing.
    ///
    /// ```
    /// let bundle = noisebook::show::Bundle::text("nothing").svg("<svg xmlns='http://www.w3.org/2000/svg'/>");
    /// assert!(bundle.get("image/svg+xml").is_some());
    /// ```
    #[must_use]
    pub fn svg(self, svg: impl Into<String>) -> Self {
        self.with("image/svg+xml", Value::String(svg.into()))
    }

    /// Adds the bytes of a PNG file, with the size in which it should be shown: half its own on dense screens.
    ///
    /// ```
    /// let bundle = noisebook::show::Bundle::text("a dot").png(b"\x89PNG", 8, 8);
    /// assert_eq!(bundle.get("image/png").unwrap(), "iVBORw==");
    /// ```
    #[must_use]
    pub fn png(self, bytes: impl AsRef<[u8]>, width: u32, height: u32) -> Self {
        let mut bundle = self.with("image/png", Value::String(STANDARD.encode(bytes)));
        bundle.metadata.insert("image/png".into(), json!({ "width": width, "height": height }));
        bundle
    }

    /// Adds the value itself, for programs that read the notebook.
    ///
    /// ```
    /// let bundle = noisebook::show::Bundle::text("loss 0.5").json(serde_json::json!({ "loss": 0.5 }));
    /// assert_eq!(bundle.get("application/json").unwrap()["loss"], 0.5);
    /// ```
    #[must_use]
    pub fn json(self, value: Value) -> Self {
        self.with("application/json", value)
    }

    /// The plain text.
    ///
    /// ```
    /// assert_eq!(noisebook::show::Bundle::text("hello").plain_text(), "hello");
    /// ```
    #[must_use]
    pub fn plain_text(&self) -> &str {
        self.get("text/plain").and_then(Value::as_str).unwrap_or_default()
    }

    /// What stands under a MIME type: text, base64 of a binary format, or JSON.
    ///
    /// ```
    /// assert!(noisebook::show::Bundle::text("hello").get("image/png").is_none());
    /// ```
    #[must_use]
    pub fn get(&self, mime: &str) -> Option<&Value> {
        self.data.get(mime)
    }

    pub(super) fn data(&self) -> &Map<String, Value> {
        &self.data
    }

    pub(super) fn metadata(&self) -> &Map<String, Value> {
        &self.metadata
    }

    fn with(mut self, mime: &str, value: Value) -> Self {
        self.data.insert(mime.into(), value);
        self
    }
}
