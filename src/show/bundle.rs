//! One value in several MIME types.

use super::look::escape;
use super::place::Place;
use crate::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Map, Value, json};
use std::path::Path;

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
    /// Where it is drawn, if that is in the running cell.
    place: Option<Place>,
}

/// The ends of files' names, and what they hold.
const FORMS: [(&str, &str); 5] = [
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("html", "text/html"),
    ("json", "application/json"),
    ("txt", "text/plain"),
];

/// What cannot stand in an address between double quotes.
const QUOTED: &AsciiSet = &CONTROLS.add(b'%').add(b'"').add(b'#').add(b'<').add(b'>').add(b'&');

impl Bundle {
    /// Begins with the plain text, a few useful lines for a terminal.
    ///
    /// ```
    /// assert_eq!(noisebook::show::Bundle::text("loss 0.1").plain_text(), "loss 0.1");
    /// ```
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        let bundle = Self { data: Map::new(), metadata: Map::new(), place: None };
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

    /// Adds a drawing. A notebook gets it as an image in HTML, with its `aria-label` as alternative text.
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

    /// Writes it to a file, in the form that the end of its name asks for: `svg`, `png`, `html`, `json` or `txt`. Which of
    /// them a value has:
    ///
    /// | what it draws | forms |
    /// |---|---|
    /// | a grid of images: a data set, samples, their way, a step, nearest images | `svg`, `png`, `txt` |
    /// | charts, points, figures of several parts: a schedule, a run, an animation | `svg`, `txt` |
    /// | a table, or a table and images: networks, reports, evaluations | `html`, `txt` |
    /// | nothing: a model | `txt` |
    /// | what one put together oneself | what one gave it, and `txt` |
    ///
    /// Of an `svg`, browsers and programs such as Inkscape or `rsvg-convert` make a `png`.
    ///
    /// # Errors
    /// A form that this value does not have; a file that cannot be written.
    ///
    /// ```
    /// use noisebook::show::{Chart, Show};
    /// let path = std::env::temp_dir().join(format!("noisebook-curve-{}.svg", std::process::id()));
    /// Chart::new("a line").line("", &[0.0, 1.0], &[0.0, 1.0]).bundle()?.save(&path)?;
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let refuse = |rule: String| Error::argument("path", path.display(), rule);
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let mut has = FORMS.into_iter().filter(|(_, mime)| self.get(mime).is_some());
        let Some((_, mime)) = has.clone().find(|(form, _)| *form == ending) else {
            let forms = has.by_ref().map(|(form, _)| form).collect::<Vec<_>>().join(", ");
            return Err(refuse(format!("this can be written as {forms}")));
        };
        let bytes = match self.get(mime) {
            Some(Value::String(text)) if mime == "image/png" => STANDARD.decode(text).map_err(Error::display)?,
            Some(Value::String(text)) if mime == "text/html" => {
                // A page of its own says how its letters are written.
                format!("<!doctype html>\n<meta charset=\"utf-8\">\n{text}\n").into_bytes()
            }
            Some(Value::String(text)) => text.clone().into_bytes(),
            other => other.map(Value::to_string).unwrap_or_default().into_bytes(),
        };
        std::fs::write(path, bytes).map_err(|error| refuse(format!("cannot be written: {error}")))
    }

    /// The HTML, or the drawing as an image in HTML.
    ///
    /// JupyterLab draws no SVG of a notebook that was not run or trusted on the same machine, neither as `image/svg+xml` nor
    /// inside HTML, but images of data addresses.
    pub(crate) fn to_html(&self) -> Option<String> {
        let text = |mime: &str| self.get(mime).and_then(Value::as_str);
        let svg = match (text("text/html"), text("image/svg+xml")) {
            (Some(html), _) => return Some(html.to_string()),
            (None, svg) => svg?,
        };
        // A picture of its own, unlike a part of a page, has to say what it is.
        let (before, root) = svg.split_at(svg.find("<svg")?);
        let head = root.split_once('>').map_or(root, |(head, _)| head);
        let named = if head.contains(" xmlns=") { "" } else { " xmlns=\"http://www.w3.org/2000/svg\"" };
        let attribute = |name: &str| head.split_once(&format!(" {name}=\""))?.1.split_once('"').map(|(value, _)| value);
        // The size, so that a page does not jump while it is drawn again.
        let size = |name: &str| attribute(name).map(|value| format!(" {name}=\"{value}\"")).unwrap_or_default();
        Some(format!(
            "<img alt=\"{}\"{}{} style=\"max-width:100%;height:auto\" src=\"data:image/svg+xml,{}\">",
            attribute("aria-label").map_or_else(|| escape(self.plain_text()), str::to_string),
            size("width"),
            size("height"),
            utf8_percent_encode(&format!("{before}<svg{named}{}", root["<svg".len()..].trim_end()), QUOTED)
        ))
    }

    /// What goes to a front end: a drawing as HTML, and not twice, which would double the size of a notebook.
    pub(super) fn published(&self) -> Map<String, Value> {
        let others = self.data.iter().filter(|(mime, _)| *mime != "image/svg+xml");
        let mut data: Map<_, _> = others.map(|(mime, value)| (mime.clone(), value.clone())).collect();
        if let (None, Some(html)) = (data.get("text/html"), self.to_html()) {
            data.insert("text/html".to_string(), Value::String(html));
        }
        data
    }

    pub(super) fn metadata(&self) -> &Map<String, Value> {
        &self.metadata
    }

    /// The same, to be drawn in the place of a figure that the cell shows already.
    pub(crate) fn in_place(mut self, place: Option<&Place>) -> Self {
        self.place = place.cloned();
        self
    }

    pub(super) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    fn with(mut self, mime: &str, value: Value) -> Self {
        self.data.insert(mime.into(), value);
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn notebooks_get_a_drawing_as_an_image() {
        let svg = "<?xml version=\"1.0\"?>\n<svg width=\"8\" height=\"9\" aria-label=\"a &lt; b\">\n<text fill='#777'>50 % \u{3b2} & more</text></svg>\n";
        let bundle = Bundle::text("a dot").png(b"\x89PNG", 1, 1).svg(svg);
        let image = "<img alt=\"a &lt; b\" width=\"8\" height=\"9\" style=\"max-width:100%;height:auto\" \
                     src=\"data:image/svg+xml,%3C?xml version=%221.0%22?%3E%0A%3Csvg xmlns=%22http://www.w3.org/2000/svg%22 \
                     width=%228%22 height=%229%22 aria-label=%22a %26lt; b%22%3E%0A\
                     %3Ctext fill='%23777'%3E50 %25 %CE%B2 %26 more%3C/text%3E%3C/svg%3E\">";
        assert_eq!(bundle.published()["text/html"], image);
        assert_eq!(bundle.published().keys().collect::<Vec<_>>(), ["text/plain", "image/png", "text/html"]);
        let both = bundle.html("<b>mine</b>").published();
        assert_eq!(both["text/html"], "<b>mine</b>");
        let bare = Bundle::text("\"a\" dot").svg("<svg xmlns='http://www.w3.org/2000/svg'/>").to_html().unwrap();
        let source = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E";
        let style = "max-width:100%;height:auto";
        assert_eq!(bare, format!("<img alt=\"&quot;a&quot; dot\" style=\"{style}\" src=\"{source}\">"));
    }

    #[test]
    fn files_hold_what_their_names_say() {
        let folder = std::env::temp_dir().join(format!("noisebook-saved-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let bundle = Bundle::text("a dot").png(b"\x89PNG", 1, 1).svg("<svg/>");
        for (name, bytes) in [("a.png", b"\x89PNG".as_slice()), ("a.SVG", b"<svg/>"), ("a.txt", b"a dot")] {
            bundle.save(folder.join(name)).unwrap();
            assert_eq!(std::fs::read(folder.join(name)).unwrap(), bytes);
        }
        let said = bundle.save("a.jpeg").unwrap_err().to_string();
        assert_eq!(said, "path = a.jpeg: this can be written as svg, png, txt");
        let nowhere = folder.join("none").join("a.svg");
        let said = bundle.save(&nowhere).unwrap_err().to_string();
        assert!(said.starts_with(&format!("path = {}: cannot be written: ", nowhere.display())), "{said}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
