//! A cell's value that is an error: `Err(...)`, which looks like any other value, and which nobody should overlook.

use super::failure;
use serde_json::{Map, Value};

/// What is said below it.
const NOTES: &str = "  = note: the cell ran to its end, and what it made is kept: this error is its value\n  \
                     = help: with `?` behind it the cell stops at the error, and *Run All* with it";

/// The value as it is shown, if it is an error: a text alone, as `Debug` or the library write an error.
pub fn error(data: &Map<String, Value>) -> Option<Map<String, Value>> {
    let text = data.get("text/plain").filter(|_| data.len() == 1)?.as_str()?;
    let inside = text.strip_prefix("Err(")?.trim_end().strip_suffix(')')?;
    let said = failure::in_words(&unquoted(inside));
    let text = format!("Err: {said}\n{NOTES}");
    let html = format!(
        "<pre style=\"border-left: 3px solid #d62728; padding-left: 0.6em; white-space: pre-wrap\">{}</pre>",
        escaped(&text)
    );
    Some(Map::from_iter([("text/plain".into(), text.into()), ("text/html".into(), html.into())]))
}

/// A text as it is, and not as `Debug` writes it.
fn unquoted(text: &str) -> String {
    let quoted = text.starts_with('"').then(|| serde_json::from_str(text.trim_end().trim_end_matches(',')).ok());
    quoted.flatten().unwrap_or_else(|| text.to_string())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Option<String> {
        let shown = error(&Map::from_iter([("text/plain".to_string(), text.into())]))?;
        Some(shown.get("text/plain")?.as_str()?.lines().next()?.to_string())
    }

    #[test]
    fn errors_are_told_from_values() {
        for (text, expected) in [
            ("Err(\"a \\\"b\\\"\\nc\")", Some("Err: a \"b\"")),
            ("Err(ParseIntError { kind: InvalidDigit })", Some("Err: ParseIntError { kind: InvalidDigit }")),
            ("Err(levels = 0: a rule)", Some("Err: levels = 0: a rule")),
            ("Err(())", Some("Err: ()")),
            ("Ok(1)", None),
            ("\"Err(1)\"", None),
            ("Error", None),
        ] {
            assert_eq!(said(text).as_deref(), expected, "{text}");
        }
        let torch =
            said("Err(Torch(\"shape '[2]' is invalid\\nException raised from f at x.h:1 (most recent call first)\"))");
        assert_eq!(torch.as_deref(), Some("Err: libtorch: shape '[2]' is invalid"));
        // A picture speaks for itself.
        let picture =
            Map::from_iter([("text/plain".to_string(), "Err(1)".into()), ("image/png".to_string(), "".into())]);
        assert!(error(&picture).is_none());
    }

    #[test]
    fn the_page_is_escaped() {
        let shown = error(&Map::from_iter([("text/plain".to_string(), "Err(\"<b>&\")".into())]));
        assert!(shown.is_some_and(|shown| shown["text/html"].to_string().contains("Err: &lt;b&gt;&amp;\\n")));
    }
}
