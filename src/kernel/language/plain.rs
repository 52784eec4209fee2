//! The HTML of a docstring as plain text.

/// What is no tag, with a line for each block. A line break in a paragraph is a space.
pub fn text(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut code = false;
    for part in html.split('<') {
        let (tag, content) = part.split_once('>').unwrap_or(("", part));
        match tag.split(' ').next().unwrap_or_default() {
            "pre" | "/pre" => {
                code = tag.starts_with("pre");
                end_block(&mut text);
            }
            "p" | "/p" | "ul" | "/ul" | "ol" | "/ol" | "h3" | "h4" | "h5" | "hr" | "blockquote" => end_block(&mut text),
            "/h3" | "/h4" | "/h5" => text.push_str(":\n"),
            "li" => {
                if !text.ends_with("\n\n") {
                    text.truncate(text.trim_end().len());
                    text.push('\n');
                }
                text.push_str("- ");
            }
            "br" => text.push('\n'),
            _ => {}
        }
        let content = content.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
        if code {
            // Lines that were left out may have stood before it.
            let begins = text.is_empty() || text.ends_with('\n');
            text.push_str(if begins { content.trim_start_matches('\n') } else { &content });
        } else if text.ends_with(['\n', ' ']) {
            text.push_str(content.replace('\n', " ").trim_start());
        } else {
            text.push_str(&content.replace('\n', " "));
        }
    }
    text.trim().to_string()
}

/// Begins a new paragraph, unless one has begun.
fn end_block(text: &mut String) {
    text.truncate(text.trim_end_matches(' ').len());
    // A heading's text follows it, and an item's stands in its line.
    if !text.is_empty() && !text.ends_with("\n\n") && !text.ends_with(":\n") && !text.ends_with("\n-") {
        text.truncate(text.trim_end().len());
        text.push_str("\n\n");
    } else if text.ends_with("\n-") {
        text.push(' ');
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn blocks_have_lines_of_their_own() {
        let html = "<pre><code class=\"language-rust\">a::b\n</code></pre>\n<pre><code class=\"language-rust\">pub fn c(d: &amp;[u8]) -&gt; \
                    Vec&lt;i32&gt;\n</code></pre>\n<hr />\n<p>One\n<em>line</em>.</p>\n<ul>\n<li>first</li>\n<li>\n<p>second</p>\n\
                    </li>\n</ul>\n<h4>Errors</h4>\n<p>None.</p>\n<pre><code>if a {\n    b();\n}\n</code></pre>\n";
        assert_eq!(
            text(html),
            "a::b\n\npub fn c(d: &[u8]) -> Vec<i32>\n\nOne line.\n\n- first\n- second\n\nErrors:\nNone.\n\nif a {\n    b();\n}"
        );
    }
}
