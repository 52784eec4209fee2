//! One look for all figures: sizes, colours, and the SVG around a drawing.
//!
//! A figure lies on a light or a dark page and does not know on which, so its background is transparent, its text is a
//! grey that stands out on both (4.4 to 1 on white, 4.2 to 1 on #111), and its lines have at least 3 to 1 on both. A name
//! stands beside each line, so that nobody has to tell the colours apart.

use super::Bundle;
use std::fmt::Write;

/// The colour of text, of axes and, thinner, of grid lines.
pub(super) const TEXT: &str = "#777777";

/// The colours of lines and points, in order.
pub(super) const SERIES: [&str; 10] =
    ["#1177cc", "#dd5500", "#b2239d", "#3ea0b2", "#9485f4", "#eb2273", "#ac647c", "#7e693c", "#7c47ed", "#0d9e4c"];

/// Of so many colours any two differ to colour-blind eyes too. Between two pages there is no room for more: what has a colour
/// after them has another shape as well, triangles for dots and dashes for a line.
const PLAIN: usize = 6;

/// Whether the series at this place has the other shape.
pub(super) fn is_marked(index: usize) -> bool {
    index % SERIES.len() >= PLAIN
}

/// A path of dots: strokes of no length with round ends, or triangles.
pub(super) fn dots(
    dots: impl Iterator<Item = (f64, f64)>,
    size: f64,
    opacity: f64,
    index: usize,
    attributes: &str,
) -> String {
    let (colour, mut path) = (SERIES[index % SERIES.len()], String::new());
    if is_marked(index) {
        let (side, height) = (1.3 * size, 1.13 * size);
        for (x, y) in dots {
            let _ = write!(path, "M{x:.1} {:.1}l{:.1} {height:.1}h-{side:.1}z", y - 0.6 * height, 0.5 * side);
        }
    } else {
        for (x, y) in dots {
            let _ = write!(path, "M{x:.1} {y:.1}h0");
        }
    }
    if path.is_empty() {
        return path;
    }
    let paint = if is_marked(index) {
        format!("fill=\"{colour}\" fill-opacity=\"{opacity}\"")
    } else {
        let stroke = format!("stroke=\"{colour}\" stroke-width=\"{size:.1}\"");
        format!("fill=\"none\" {stroke} stroke-linecap=\"round\" stroke-opacity=\"{opacity}\"")
    };
    format!("<path {attributes}{paint} d=\"{path}\"/>\n")
}

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
    /// A whole SVG, as narrow as the page at most. It needs no ids, so that two figures in one page cannot meet.
    pub(super) fn svg(&self) -> String {
        let (width, height) = (self.width.ceil(), self.height.ceil());
        let alternative = escape(&self.alternative);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" style=\"max-width:100%;height:auto\" role=\"img\" aria-label=\"{alternative}\" font-family=\"{FONTS}\" \
             font-size=\"{LABEL_SIZE}\" fill=\"{TEXT}\">\n<desc>{alternative}</desc>\n{}</svg>\n",
            self.body
        )
    }

    pub(super) fn bundle(&self) -> Bundle {
        Bundle::text(&self.text).svg(self.svg())
    }

    /// The same drawing below a title, which takes the width that there is, or as it is when the title is empty.
    pub(super) fn titled(self, title: &str, available: f64) -> Self {
        if title.is_empty() {
            return self;
        }
        let lines = wrap(title, self.width.max(available), BOLD * TITLE_SIZE);
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

/// Lines of text, the first at a point and the others below it.
pub(super) fn text_lines(x: f64, y: f64, anchor: &str, leading: f64, lines: &[&str]) -> String {
    lines.iter().enumerate().map(|(index, line)| text(x, y + leading * index as f64, anchor, line)).collect()
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

/// Lines that are no wider than this, but for single words.
pub(super) fn wrap(text: &str, width: f64, size: f64) -> Vec<String> {
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

    /// OKLab (Ottosson 2020) of a colour, seen as by `eyes`, a matrix on linear red, green and blue.
    fn seen(hex: &str, eyes: [[f64; 3]; 3]) -> [f64; 3] {
        let linear = [1, 3, 5].map(|at| {
            let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        });
        let product =
            |matrix: [[f64; 3]; 3], v: [f64; 3]| matrix.map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum());
        let lms = product(
            [
                [0.412_221_470_8, 0.536_332_536_3, 0.051_445_992_9],
                [0.211_903_498_2, 0.680_699_545_1, 0.107_396_956_6],
                [0.088_302_461_9, 0.281_718_837_6, 0.629_978_700_5],
            ],
            product(eyes, linear).map(|share: f64| share.clamp(0.0, 1.0)),
        );
        product(
            [
                [0.210_454_255_3, 0.793_617_785, -0.004_072_046_8],
                [1.977_998_495_1, -2.428_592_205, 0.450_593_709_9],
                [0.025_904_037_1, 0.782_771_766_2, -0.808_675_766],
            ],
            lms.map(f64::cbrt),
        )
    }

    /// As all eyes see them, and those without the cones for long or for middle waves (Machado et al. 2009, severity 1).
    #[test]
    fn colours_of_one_shape_differ_to_all_eyes() {
        let all = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let protanopia = [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ];
        let deuteranopia =
            [[0.367_322, 0.860_646, -0.227_968], [0.280_085, 0.672_501, 0.047_413], [-0.011_820, 0.042_940, 0.968_881]];
        for (eyes, plain, marked) in [(all, 0.13, 0.12), (protanopia, 0.085, 0.08), (deuteranopia, 0.085, 0.065)] {
            for (i, one) in SERIES.iter().enumerate() {
                for (j, other) in SERIES.iter().enumerate().take(i) {
                    let (a, b) = (seen(one, eyes), seen(other, eyes));
                    let apart = (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>().sqrt();
                    let least = if i < PLAIN { plain } else { marked };
                    assert!(is_marked(i) != is_marked(j) || apart >= least, "{one} and {other}: {apart}");
                }
            }
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
            empty.titled(title, 420.0)
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
