//! rust-analyzer's documentation as a reader wants it.

use serde_json::{Map, Value};

/// As MIME types and their contents, from rust-analyzer's text and its HTML. None if there is no documentation.
pub fn bundle(plain: &str, html: &str) -> Option<Map<String, Value>> {
    if plain.is_empty() || plain == "No documentation found" {
        return None;
    }
    let html = small_headings(&without_own_links(&without_private_fields(&without_hidden_lines(html))));
    let plain = with_headings(&without_private_fields(&without_hidden_lines(plain)), &html);
    // The place of what a cell defines is a name that evcxr gave it.
    let plain = plain.strip_prefix("ctx\n").unwrap_or(&plain).trim().to_string();
    let html =
        html.strip_prefix("<pre><code class=\"language-rust\">ctx\n</code></pre>\n").unwrap_or(&html).to_string();
    Some(Map::from_iter([("text/plain".into(), plain.into()), ("text/html".into(), html.into())]))
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

/// Links to this crate's pages, which are nowhere on the web for the copy that the notebook uses.
fn without_own_links(html: &str) -> String {
    let mut kept = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(start) = rest.find("<a href=\"") {
        let link = &rest[start..];
        let (Some(open), Some(close)) = (link.find('>'), link.find("</a>")) else { break };
        kept.push_str(&rest[..start]);
        if link[..open].contains("/noisebook/") && open < close {
            kept.push_str(&link[open + 1..close]);
        } else {
            kept.push_str(&link[..close + "</a>".len()]);
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

/// The plain text has its headings run into what follows them.
fn with_headings(plain: &str, html: &str) -> String {
    let mut text = plain.to_string();
    for part in html.split("<h4>").skip(1) {
        let heading = part.split("</h4>").next().unwrap_or_default();
        text = text.replace(&format!("\n\n{heading}"), &format!("\n\n{heading}:\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_docstring_reads_well() {
        let html = "<pre><code class=\"language-rust\">ctx\n</code></pre>\n<p>See <a href=\"https://x/noisebook/f\"><code>f</code></a>, \
                    <a href=\"https://x/std/g\">g</a>.</p>\n<h1>Errors</h1>\n<p>None.</p>\n<pre><code># use a::b;\nb();\n# Ok(())\n</code></pre>";
        let plain = "ctx\n\nSee f, g.\n\nErrorsNone.\n\n# use a::b;\nb();\n# Ok(())";
        let bundle = bundle(plain, html).unwrap();
        assert_eq!(bundle["text/plain"], "See f, g.\n\nErrors:\nNone.\n\nb();");
        assert_eq!(
            bundle["text/html"],
            "<p>See <code>f</code>, <a href=\"https://x/std/g\">g</a>.</p>\n<h4>Errors</h4>\n<p>None.</p>\n\
             <pre><code>\nb();\n</code></pre>"
        );
        assert!(super::bundle("No documentation found", "").is_none());
    }

    #[test]
    fn private_fields_are_left_out() {
        let text = "a\n\npub struct Trainer {\n    pub(super) lr: f64,\n    /* … */\n}\n\nTrains {\n}";
        assert_eq!(without_private_fields(text), "a\n\npub struct Trainer\n\nTrains {\n}");
        let text = "<code>pub struct Batch {\n    pub images: Tensor,\n    seed: u64,\n}\n</code>";
        assert_eq!(without_private_fields(text), "<code>pub struct Batch {\n    pub images: Tensor,\n}\n</code>");
    }
}
