//! The names of what is drawn: beside the picture, each at its line's end, or in rows below where they are long or many.

use super::chart::Style;
use super::look::{self, LABEL_SIZE, SERIES, is_marked, shorten, text_lines, text_width, wrap};

/// How wide names beside a picture are, where no word is longer.
const WIDEST: f64 = 150.0;
/// As high is a name of one line.
const LINE: f64 = 16.0;
/// From a line of a name to the next.
const LEADING: f64 = 13.5;
/// More lines of one name are too many beside a picture.
const MOST_LINES: usize = 3;
const SWATCH: f64 = 12.0;
/// From the swatch to its name.
const AFTER_SWATCH: f64 = 4.0;
/// Between names of one row.
const GAP: f64 = 18.0;

pub(super) struct Legend {
    names: Vec<Name>,
    is_below: bool,
}

struct Name {
    lines: Vec<String>,
    /// Says its colour and shape.
    index: usize,
    style: Style,
    /// Where it stands, if in a row below.
    at: (f64, f64),
}

impl Name {
    fn height(&self) -> f64 {
        LINE + LEADING * (self.lines.len() - 1) as f64
    }

    fn width(&self) -> f64 {
        self.lines.iter().map(|line| text_width(line, LABEL_SIZE)).fold(0.0, f64::max)
    }

    /// Its swatch from `x`, in the middle of its first line.
    fn svg(&self, x: f64, y: f64) -> String {
        let lines: Vec<&str> = self.lines.iter().map(String::as_str).collect();
        swatch(x, y, self.index, self.style) + &text_lines(x + SWATCH + AFTER_SWATCH, y + 4.0, "start", LEADING, &lines)
    }
}

impl Legend {
    /// Of names with their places among the colours, for a picture of this size. What has no name is left out.
    pub(super) fn new<'a>(
        named: impl Iterator<Item = (&'a str, usize, Style)> + Clone,
        (width, height): (f64, f64),
    ) -> Self {
        let names = |room: f64| -> Vec<Name> {
            let named = named.clone().filter(|(name, ..)| !name.is_empty());
            named
                .map(|(name, index, style)| Name { lines: wrap(name, room, LABEL_SIZE), index, style, at: (0.0, 0.0) })
                .collect()
        };
        let words = named.clone().flat_map(|(name, ..)| name.split_whitespace());
        let word = words.map(|word| text_width(word, LABEL_SIZE)).fold(0.0, f64::max);
        let room = WIDEST.min(width / 4.0).max(word);
        let beside = names(room);
        let high: f64 = beside.iter().map(Name::height).sum();
        if room <= width / 3.0 && high <= height && beside.iter().all(|name| name.lines.len() <= MOST_LINES) {
            return Self { names: beside, is_below: false };
        }
        let room = (width - SWATCH - AFTER_SWATCH).max(0.0);
        let mut names = names(room);
        let (mut x, mut y, mut row) = (0.0, 0.0, 0.0_f64);
        for name in &mut names {
            // A word that is wider than the whole picture.
            for line in &mut name.lines {
                *line = shorten(line, room, LABEL_SIZE);
            }
            let wide = SWATCH + AFTER_SWATCH + name.width();
            if x > 0.0 && x + wide > width {
                (x, y, row) = (0.0, y + row, 0.0);
            }
            name.at = (x, y);
            (x, row) = (x + wide + GAP, row.max(name.height()));
        }
        Self { names, is_below: true }
    }

    /// How much room it takes at the right.
    pub(super) fn beside(&self) -> f64 {
        let widest = self.names.iter().map(Name::width).fold(0.0, f64::max);
        if self.is_below || widest == 0.0 { 0.0 } else { SWATCH + 12.0 + widest }
    }

    /// How much room it takes below.
    pub(super) fn below(&self) -> f64 {
        let lowest = self.names.iter().map(|name| name.at.1 + name.height()).fold(0.0, f64::max);
        if self.is_below { lowest + 4.0 } else { 0.0 }
    }

    /// The names from `x` and above `bottom`, each as near as can be to the height that `wanted` says of its place in the order
    /// of names and among the colours; or in rows from the point `rows`.
    pub(super) fn svg(
        &self,
        x: f64,
        bottom: f64,
        rows: (f64, f64),
        wanted: impl Fn(usize, usize) -> Option<f64>,
    ) -> String {
        if self.is_below {
            let at = |name: &Name| name.svg(rows.0 + name.at.0, rows.1 + name.at.1 + LINE / 2.0);
            return self.names.iter().map(at).collect();
        }
        let names = self.names.iter().enumerate();
        let ends = names.filter_map(|(order, name)| Some((order, wanted(order, name.index)?))).collect();
        let placed = apart(ends, &|order| self.names[order].height(), bottom);
        placed.into_iter().map(|(order, y)| self.names[order].svg(x + 6.0, y)).collect()
    }

    /// Heights from `top`, one name below another.
    pub(super) fn stacked(top: f64) -> impl Fn(usize, usize) -> Option<f64> {
        move |order, _| Some(top + LINE * (order as f64 + 0.5))
    }
}

/// Names at their lines' ends, moved as far as it takes to keep them off one another.
fn apart(mut ends: Vec<(usize, f64)>, height: &dyn Fn(usize) -> f64, bottom: f64) -> Vec<(usize, f64)> {
    ends.sort_by(|a, b| a.1.total_cmp(&b.1));
    for index in 1..ends.len() {
        let (before, at) = ends[index - 1];
        ends[index].1 = ends[index].1.max(at + height(before));
    }
    let mut limit = bottom + LINE;
    for end in ends.iter_mut().rev() {
        end.1 = end.1.min(limit - height(end.0));
        limit = end.1;
    }
    ends
}

/// What the series at this place looks like.
fn swatch(x: f64, y: f64, index: usize, style: Style) -> String {
    let colour = SERIES[index % SERIES.len()];
    match style {
        Style::Line | Style::Lines { .. } | Style::Faint | Style::Measured => {
            let dashes = dashes(index);
            let width = if style == Style::Faint { 1.2 } else { 2.5 };
            format!("<path stroke=\"{colour}\" stroke-width=\"{width}\"{dashes} d=\"M{x:.1} {y:.1}h{SWATCH}\"/>\n")
        }
        Style::Points | Style::Bars if is_marked(index) => {
            look::dots([(x + SWATCH / 2.0, y)].into_iter(), 7.0, 1.0, index, "")
        }
        Style::Points | Style::Bars => {
            format!("<circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>\n", x + SWATCH / 2.0)
        }
    }
}

/// The dashes of a line that shares its kind of colour with another.
pub(super) fn dashes(index: usize) -> &'static str {
    if is_marked(index) { " stroke-dasharray=\"5 4\"" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_off_one_another_and_inside() {
        // The third name has two lines.
        let height = |order| if order == 2 { LINE + LEADING } else { LINE };
        let placed = apart(vec![(0, 100.0), (1, 100.0), (2, 20.0), (3, 98.0), (4, 25.0)], &height, 110.0);
        for pair in placed.windows(2) {
            assert!(pair[1].1 - pair[0].1 >= height(pair[0].0) - 1e-9, "{placed:?}");
        }
        assert!(placed.iter().all(|end| end.1 <= 110.0));
        assert_eq!(placed[0], (2, 20.0));
        let last = apart(vec![(2, 110.0)], &height, 110.0);
        assert_eq!(last, [(2, 110.0 - LEADING)]);
    }

    /// No name is cut, whatever the width, as long as its words fit into the picture.
    #[test]
    fn long_names_go_on_in_the_next_line_or_below() {
        let names = ["a rather long name of a line that says what it is", "DPM-Solver++(2M)", "loss"];
        for width in [120.0, 200.0, 320.0, 420.0, 640.0] {
            let named = names.iter().enumerate().map(|(index, &name)| (name, index, Style::Line));
            let legend = Legend::new(named, (width, 150.0));
            let said: Vec<String> = legend.names.iter().map(|name| name.lines.join(" ")).collect();
            assert!(said[0] == names[0] && said[2] == names[2], "{width}: {said:?}");
            assert_eq!(said[1] == names[1], width > 130.0, "{width}: {said:?}");
            assert!(legend.beside() <= width / 3.0 + 24.0, "{width}: {}", legend.beside());
            assert_eq!(legend.below() > 0.0, width < 640.0, "{width}");
            for name in legend.names.iter().filter(|_| legend.is_below) {
                assert!(name.at.0 + SWATCH + AFTER_SWATCH + name.width() <= width, "{width}: {said:?}");
            }
        }
    }

    #[test]
    fn more_names_than_fit_beside_stand_below() {
        let named = |count| (0..count).map(|index| ("loss", index, Style::Line));
        assert_eq!(Legend::new(named(6), (420.0, 100.0)).below(), 0.0);
        let below = Legend::new(named(7), (420.0, 100.0));
        assert_eq!((below.beside(), below.below()), (0.0, LINE + 4.0));
    }
}
