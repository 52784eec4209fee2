//! rust-analyzer's documentation as a reader wants it.

use super::plain;
use serde_json::{Map, Value};

/// As MIME types and their contents, from rust-analyzer's HTML. None if there is no documentation.
pub fn bundle(html: &str) -> Option<Map<String, Value>> {
    if html.is_empty() || html.starts_with("<p>No documentation found</p>") {
        return None;
    }
    let html = small_headings(&with_own_brackets(&without_private_fields(&without_hidden_lines(html))));
    // The place of what a cell defines is a name that evcxr gave it.
    let html =
        html.strip_prefix("<pre><code class=\"language-rust\">ctx\n</code></pre>\n").unwrap_or(&html).to_string();
    Some(Map::from_iter([("text/plain".into(), plain::text(&html).into()), ("text/html".into(), html.into())]))
}

/// Examples have lines for the compiler alone.
fn without_hidden_lines(text: &str) -> String {
    let hidden = |line: &str| line == "#" || line.starts_with("# ");
    let mut lines = Vec::new();
    for line in text.lines() {
        // The first or last line of an example may stand beside a tag.
        let (tag, rest) = line.rfind("<code>").map_or(("", line), |at| line.split_at(at + "<code>".len()));
        if !hidden(rest) {
            lines.push(line);
        } else if !tag.is_empty() {
            lines.push(tag);
        }
    }
    lines.join("\n")
}

/// A struct is shown with its first fields, which are nobody's business unless they are public.
fn without_private_fields(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let open = lines.iter().position(|line| line.contains("struct ") && line.ends_with('{'));
    let close = open.and_then(|open| Some(open + lines[open..].iter().position(|line| *line == "}")?));
    let (Some(open), Some(close)) = (open, close) else { return text.to_string() };
    let public: Vec<&str> =
        lines[open + 1..close].iter().copied().filter(|line| line.trim_start().starts_with("pub ")).collect();
    let head = lines[open].trim_end_matches('{').trim_end();
    let body = if public.is_empty() { vec![head] } else { [vec![lines[open]], public, vec!["}"]].concat() };
    [&lines[..open], &body, &lines[close + 1..]].concat().join("\n")
}

/// Links that lead nowhere are none: to this crate's pages, of which the web has no copy for the notebook; to names that
/// were not found; and ranges such as [0, 1], which Markdown takes for links.
fn with_own_brackets(html: &str) -> String {
    let mut kept = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(start) = rest.find("<a href=\"") {
        let link = &rest[start..];
        let (Some(open), Some(close)) = (link.find('>'), link.find("</a>")) else { break };
        if close < open {
            break;
        }
        let (target, text) = (&link["<a href=\"".len()..open], &link[open + 1..close]);
        kept.push_str(&rest[..start]);
        if target.contains("://") && !target.contains("/noisebook/") {
            kept.push_str(&link[..close + "</a>".len()]);
        } else if target.trim_end_matches('"').replace("%20", " ") == text {
            kept.push_str(&format!("[{text}]"));
        } else {
            kept.push_str(text);
        }
        rest = &link[close + "</a>".len()..];
    }
    kept.push_str(rest);
    kept
}

/// A page's headings are too large beside a cell.
fn small_headings(html: &str) -> String {
    html.replace("<h1>", "<h4>").replace("</h1>", "</h4>").replace("<h2>", "<h5>").replace("</h2>", "</h5>")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_docstring_reads_well() {
        let html = "<pre><code class=\"language-rust\">ctx\n</code></pre>\n<p>See <a href=\"https://x/noisebook/f\"><code>f</code></a>,\n\
                    <a href=\"https://x/std/g\">g</a>, <a href=\"`h`\"><code>h</code></a> in <a href=\"-1,%201\">-1, 1</a>.</p>\n\
                    <h1>Errors</h1>\n<p>None.</p>\n<pre><code># use a::b;\nb();\n# Ok(())\n</code></pre>";
        let bundle = bundle(html).unwrap();
        assert_eq!(bundle["text/plain"], "See f, g, h in [-1, 1].\n\nErrors:\nNone.\n\nb();");
        assert_eq!(
            bundle["text/html"],
            "<p>See <code>f</code>,\n<a href=\"https://x/std/g\">g</a>, <code>h</code> in [-1, 1].</p>\n<h4>Errors</h4>\n\
             <p>None.</p>\n<pre><code>\nb();\n</code></pre>"
        );
        assert!(super::bundle("<p>No documentation found</p>\n").is_none());
    }

    #[test]
    fn private_fields_are_left_out() {
        let text = "a\n\npub struct Trainer {\n    pub(super) lr: f64,\n    /* … */\n}\n\nTrains {\n}";
        assert_eq!(without_private_fields(text), "a\n\npub struct Trainer\n\nTrains {\n}");
        let text = "<code>pub struct Batch {\n    pub images: Tensor,\n    seed: u64,\n}\n</code>";
        assert_eq!(without_private_fields(text), "<code>pub struct Batch {\n    pub images: Tensor,\n}\n</code>");
    }
}
