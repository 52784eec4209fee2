//! rust-analyzer's documentation as a reader wants it.

/// What is known about a name.
pub struct Documentation {
    text: String,
}

impl Documentation {
    pub fn parse(markdown: &str) -> Option<Self> {
        (!markdown.trim().is_empty() && !markdown.contains("No documentation found")).then(|| Self { text: markdown.to_string() })
    }
    pub fn shortened(self) -> Self { self }
    pub fn plain(&self) -> String { self.text.clone() }
    pub fn markdown(&self) -> String { self.text.clone() }
}
