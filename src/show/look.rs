//! One look for all figures: sizes, colours, and the SVG around a drawing.
//!
//! A figure lies on a light or a dark page and does not know on which, so its background is transparent, its text is a
//! grey that stands out on both (4.4 to 1 on white, 4.2 to 1 on #111), and its lines have at least 3 to 1 on both. A name
//! stands beside each line, so that nobody has to tell the colours apart.

use super::Bundle;

/// The colour of text, of axes and, thinner, of grid lines.
pub(super) const TEXT: &str = "#777777";

/// The colours of lines and points, in order.
pub(super) const SERIES: [&str; 6] = ["#1177cc", "#dd5500", "#8a3ffc", "#1f9e86", "#a5794c", "#cc4488"];

/// The font size of labels and captions, in pixels.
pub(super) const LABEL_SIZE: f64 = 12.0;

/// The font size of titles.
pub(super) const TITLE_SIZE: f64 = 14.0;

/// A figure is no wider than a notebook's column.
pub(super) const PAGE_WIDTH: f64 = 760.0;

const TITLE_LINE: f64 = 19.0;

const FONTS: &str = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";

/// The inside of an SVG with its size, and what it says in words.
#[derive(Debug)]
pub(super) struct Drawing {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) body: String,
    /// For a terminal.
    pub(super) text: String,
    /// For those who cannot see it.
    pub(super) alternative: String,
}

impl Drawing {
    /// A whole SVG. It needs no ids, so that two figures in one page cannot meet.
    pub(super) fn svg(&self) -> String {
        let (width, height) = (self.width.ceil(), self.height.ceil());
        let alternative = escape(&self.alternative);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{alternative}\" font-family=\"{FONTS}\" \
             font-size=\"{LABEL_SIZE}\" fill=\"{TEXT}\">\n<desc>{alternative}</desc>\n{}</svg>\n",
            self.body
        )
    }

    pub(super) fn bundle(&self) -> Bundle {
        Bundle::text(&self.text).svg(self.svg())
    }

    /// The same drawing below a title, or as it is when the title is empty.
    pub(super) fn titled(self, title: &str) -> Self {
        if title.is_empty() {
            return self;
        }
        let lines = wrap(title, self.width.max(NARROWEST_TITLE), BOLD * TITLE_SIZE);
        let room = TITLE_LINE * lines.len() as f64 + 5.0;
        let widest = lines.iter().map(|line| text_width(line, BOLD * TITLE_SIZE)).fold(self.width, f64::max);
        let mut body = String::new();
        for (index, line) in lines.iter().enumerate() {
            let y = TITLE_LINE * index as f64 + TITLE_SIZE;
            body += &format!(
                "<text x=\"0\" y=\"{y}\" font-size=\"{TITLE_SIZE}\" font-weight=\"600\">{}</text>\n",
                escape(line)
            );
        }
        body += &self.moved(0.0, room);
        Self {
            width: widest,
            height: self.height + room,
            body,
            text: format!("{title}\n{}", self.text),
            alternative: format!("{title}. {}", self.alternative),
        }
    }

    /// The body at another place.
    pub(super) fn moved(&self, x: f64, y: f64) -> String {
        format!("<g transform=\"translate({x:.1} {y:.1})\">\n{}</g>\n", self.body)
    }
}

/// A line of text at a point; `anchor` is `start`, `middle` or `end`.
pub(super) fn text(x: f64, y: f64, anchor: &str, content: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>\n", escape(content))
}

/// Text for XML or HTML, in elements and in attributes. Characters that XML 1.0 cannot hold are replaced.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            '\t' | '\n' => escaped.push(character),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// How much wider bold letters are, in the widest of the usual fonts.
const BOLD: f64 = 1.15;
/// A title is not wrapped to less than this, however narrow the picture.
const NARROWEST_TITLE: f64 = 420.0;

/// An estimate, on the wide side: there is no font to measure with.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    text.chars().map(|character| width_in_ems(character) * size).sum()
}

fn width_in_ems(character: char) -> f64 {
    match character {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.34,
        'f' | 't' | 'r' | ' ' | '(' | ')' | '[' | ']' | '-' | '/' => 0.42,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 0.95,
        'A'..='Z' => 0.72,
        '\u{1100}'.. => {
            if character < '\u{2e80}' {
                0.8
            } else {
                1.0
            }
        }
        _ => 0.62,
    }
}

/// Cuts a text that is too wide, and says so with an ellipsis.
pub(super) fn shorten(text: &str, width: f64, size: f64) -> String {
    if text_width(text, size) <= width {
        return text.to_string();
    }
    let mut short = String::new();
    let mut room = width - width_in_ems('…') * size;
    for character in text.chars() {
        room -= width_in_ems(character) * size;
        if room < 0.0 {
            break;
        }
        short.push(character);
    }
    short.trim_end().to_string() + "…"
}

fn wrap(text: &str, width: f64, size: f64) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let longer = if lines[last].is_empty() { word.to_string() } else { format!("{} {word}", lines[last]) };
        if lines[last].is_empty() || text_width(&longer, size) <= width {
            lines[last] = longer;
        } else {
            lines.push(word.to_string());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(hex: &str) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap_or(0)) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn least_contrast(colour: &str) -> f64 {
        let own = luminance(colour) + 0.05;
        (1.05 / own).min(own / (luminance("#111111") + 0.05))
    }

    #[test]
    fn everything_stands_out_on_light_and_on_dark() {
        assert!(least_contrast(TEXT) >= 4.0, "{}", least_contrast(TEXT));
        for colour in SERIES {
            assert!(least_contrast(colour) >= 3.0, "{colour}: {}", least_contrast(colour));
        }
    }

    #[test]
    fn text_of_a_user_stays_text() {
        assert_eq!(escape("a<b & \"c\" 'd'\u{1}"), "a&lt;b &amp; &quot;c&quot; &#39;d&#39;\u{fffd}");
    }

    #[test]
    fn long_titles_go_on_in_the_next_line() {
        let drawing = |title: &str| {
            let empty =
                Drawing { width: 300.0, height: 10.0, body: String::new(), text: "t".into(), alternative: "a".into() };
            empty.titled(title)
        };
        assert_eq!(drawing("").height, 10.0);
        let one = drawing("short").height;
        let long = drawing("a title that has far more to say than would ever go into one line of a picture");
        assert!(long.height > one);
        assert!(long.svg().matches("<text").count() >= 2);
        assert_eq!(long.svg().matches("<g").count(), long.svg().matches("</g>").count());
    }

    #[test]
    fn shortened_text_fits() {
        let short = shorten("a rather long name of a line", 80.0, LABEL_SIZE);
        assert!(short.ends_with('…') && text_width(&short, LABEL_SIZE) <= 80.0, "{short}");
        assert_eq!(shorten("loss", 80.0, LABEL_SIZE), "loss");
    }
}
