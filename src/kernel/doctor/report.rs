//! One line of the report.

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Fine,
    /// It works, but something will be slow, missing or short.
    Warning,
    /// Cells cannot run, or not for long.
    Failed,
}

/// What was found, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    pub mark: Mark,
    pub found: String,
    pub mend: Option<String>,
}

impl Check {
    pub fn fine(found: impl Into<String>) -> Self {
        Self { mark: Mark::Fine, found: found.into(), mend: None }
    }

    pub fn warning(found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { mark: Mark::Warning, found: found.into(), mend: Some(mend.into()) }
    }

    pub fn failed(found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { mark: Mark::Failed, found: found.into(), mend: Some(mend.into()) }
    }

    /// The mark, the name and what was found in columns, and the mend below.
    pub fn lines(&self, name: &str, colors: bool) -> String {
        let (word, color) = match self.mark {
            Mark::Fine => ("ok", "\x1b[32m"),
            Mark::Warning => ("warning", "\x1b[33m"),
            Mark::Failed => ("failed", "\x1b[31m"),
        };
        let (begin, end) = if colors { (color, "\x1b[0m") } else { ("", "") };
        let mut text = format!("{begin}{word:<7}{end}  {name:<11}  {}\n", self.found);
        if let Some(mend) = &self.mend {
            text.push_str(&format!("{:22}mend: {mend}\n", ""));
        }
        text
    }
}

/// Bytes as people say them.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{} MB", bytes.div_ceil(1_000_000)),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_colors_only_color() {
        let plain = Check::failed("nothing", "make").lines("disk", false);
        assert_eq!(plain, "failed   disk         nothing\n                      mend: make\n");
        let colored = Check::failed("nothing", "make").lines("disk", true);
        assert_eq!(colored.replace("\x1b[31m", "").replace("\x1b[0m", ""), plain);
        let fine = Check::fine("nothing").lines("environment", false);
        assert_eq!(fine.find("nothing"), plain.find("nothing"));
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!([0, 1, 62_400_000, 1_250_000_000].map(size), ["0 MB", "1 MB", "63 MB", "1.2 GB"]);
    }
}
