//! Charts and numbers in words.

use super::axis::{Scale, grouped};
use super::chart::{Chart, Series, Style};

impl Chart {
    /// What the chart shows, for a terminal and for those who cannot see it.
    pub(super) fn in_words(&self) -> String {
        let named = |label: &str, other: &str| if label.is_empty() { other.to_string() } else { label.to_string() };
        let log = |scale: Scale| if scale == Scale::Log { " (logarithmic)" } else { "" };
        let (x, y) = (named(&self.x_label, "x"), named(&self.y_label, "y"));
        let mut lines = vec![format!("{y}{} against {x}{}", log(self.y_scale), log(self.x_scale))];
        lines.extend(self.series.iter().map(|series| series.in_words(self.y_scale)));
        lines.join("\n")
    }
}

impl Series {
    fn in_words(&self, scale: Scale) -> String {
        let shown: Vec<f64> = self.ys.iter().copied().filter(|&y| scale.place(y).is_some()).collect();
        let count = grouped(&self.ys.len().to_string());
        let name = if self.name.is_empty() { String::new() } else { format!("{}: ", self.name) };
        let gaps = match self.ys.len() - shown.len() {
            0 => String::new(),
            gaps => format!(", {} of them not drawn", grouped(&gaps.to_string())),
        };
        let (Some(&first), Some(&last)) = (shown.first(), shown.last()) else {
            return format!("{name}{count} points{gaps}");
        };
        let (low, high) = shown.iter().fold((first, first), |(low, high), &y| (low.min(y), high.max(y)));
        let way = match self.style {
            Style::Line => format!(", from {} to {}", digits(first), digits(last)),
            Style::Points => String::new(),
        };
        format!("{name}{count} points{way}, lowest {}, highest {}{gaps}", digits(low), digits(high))
    }
}

/// Four significant digits at most.
pub(crate) fn digits(value: f64) -> String {
    let size = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    if !(-4.0..6.0).contains(&size) {
        return format!("{value:.3e}");
    }
    let decimals = (3.0 - size).max(0.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { grouped(&text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits() {
        let written = [0.0, 1.0, 0.01, 12_345.6, 0.000_123_456, 1e-9, -2.5].map(digits);
        assert_eq!(written, ["0", "1", "0.01", "12,346", "0.0001235", "1.000e-9", "-2.5"]);
    }
}
