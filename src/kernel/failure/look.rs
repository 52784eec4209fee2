//! How failures look: colours, headlines, and lines of a cell with marks below.

use std::fmt::Write;

// From the 256 colours, since JupyterLab has one set for its light and dark themes, and terminals have their own:
// these are legible on both.
pub const RED: &str = "\x1b[1;38;5;196m";
pub const BLUE: &str = "\x1b[1;38;5;32m";
pub const GREEN: &str = "\x1b[1;38;5;64m";
pub const BOLD: &str = "\x1b[1m";
pub const PLAIN: &str = "\x1b[0m";

/// How many columns of a line are shown.
const WIDTH: usize = 100;
/// How many of them before the first mark, if the line is longer.
const LEAD: usize = 40;
const TAB: usize = 4;
/// How many lines of a note.
const NOTE: usize = 12;

/// A stretch of one line, counted from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    pub line: usize,
    pub start: usize,
    /// Exclusive.
    pub end: usize,
    pub label: String,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// What is wrong.
    Primary,
    /// What has to do with it.
    Secondary,
    /// What would mend it.
    Added,
}

impl Mark {
    pub fn new(line: usize, start: usize, end: usize, label: &str) -> Self {
        Self { line, start, end, label: label.to_string(), kind: Kind::Primary }
    }
}

/// The first line of a traceback.
pub fn headline(name: &str, text: &str) -> String {
    let color = if name == "warning" { BLUE } else { RED };
    format!("{color}{name}{PLAIN}: {BOLD}{}{PLAIN}", printable(text))
}

/// A way out, or what else is to be said.
pub fn note(kind: &str, text: &str) -> String {
    let indent = " ".repeat(kind.len() + 6);
    let lines: Vec<String> = printable(text.trim_end()).lines().take(NOTE).map(str::to_string).collect();
    format!("  = {BOLD}{kind}{PLAIN}: {}", lines.join(&format!("\n{indent}")))
}

/// Which place in which cell.
pub fn place(cell: Option<u64>, line: usize) -> String {
    cell.map_or_else(|| format!("cell line {line}"), |cell| format!("cell [{cell}] line {line}"))
}

/// The marked lines of a cell.
pub fn excerpt(cell: Option<u64>, code: &str, marks: &[Mark]) -> String {
    let first = marks.iter().find(|mark| mark.kind == Kind::Primary).or(marks.first());
    let Some(first) = first else { return String::new() };
    let mut numbers: Vec<usize> = marks.iter().map(|mark| mark.line).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let gutter = " ".repeat(numbers.last().map_or(1, |number| number.to_string().len()));
    let mut text = format!("{gutter} {BLUE}-->{PLAIN} {}\n{gutter} {BLUE}|{PLAIN}", place(cell, first.line));
    let mut previous = None;
    for number in numbers {
        if previous.is_some_and(|previous| previous + 1 < number) {
            let _ = write!(text, "\n{BLUE}...{PLAIN}");
        }
        previous = Some(number);
        let here: Vec<&Mark> = marks.iter().filter(|mark| mark.line == number).collect();
        let line = Line::new(code.lines().nth(number.saturating_sub(1)).unwrap_or_default(), &here);
        line.write(&mut text, number, &gutter, &here);
    }
    text
}

/// One line of code with marks below, as a suggestion would have it.
pub fn line(code: &str, number: usize, marks: &[Mark]) -> String {
    let gutter = " ".repeat(number.to_string().len());
    let marks: Vec<&Mark> = marks.iter().collect();
    let mut text = format!("{gutter} {BLUE}|{PLAIN}");
    Line::new(code, &marks).write(&mut text, number, &gutter, &marks);
    text
}

/// A line of code as it is shown.
struct Line {
    text: String,
    /// For each of its characters, and for the end, the column where it is shown.
    columns: Vec<usize>,
}

impl Line {
    fn new(code: &str, marks: &[&Mark]) -> Self {
        let mut columns = vec![0];
        let mut text = String::new();
        for c in code.chars() {
            let at = columns.last().copied().unwrap_or_default();
            match c {
                '\t' => text.push_str(&" ".repeat(TAB - at % TAB)),
                c if c.is_control() => text.push('\u{fffd}'),
                c => text.push(c),
            }
            columns.push(if c == '\t' { at + TAB - at % TAB } else { at + width(c) });
        }
        let mut line = Self { text, columns };
        if line.columns.last().is_some_and(|width| *width > WIDTH) {
            line.shorten(marks);
        }
        line
    }

    /// Leaves of a long line what stands around the first mark.
    fn shorten(&mut self, marks: &[&Mark]) {
        let first = marks.iter().map(|mark| self.column(mark.start)).min().unwrap_or_default();
        let from = if first < WIDTH - LEAD { 0 } else { first - LEAD };
        let mut shown = String::new();
        let mut at = 0;
        for c in self.text.chars() {
            if (from..from + WIDTH).contains(&at) {
                shown.push(c);
            }
            at += width(c);
        }
        let before = if from > 0 { "..." } else { "" };
        let after = if at > from + WIDTH { "..." } else { "" };
        self.text = format!("{before}{shown}{after}");
        for column in &mut self.columns {
            *column = column.saturating_sub(from).min(WIDTH) + before.len();
        }
    }

    fn write(&self, text: &mut String, number: usize, gutter: &str, marks: &[&Mark]) {
        let width = gutter.len();
        let _ = write!(text, "\n{BLUE}{number:>width$} |{PLAIN} {}", self.text);
        for row in self.rows(marks) {
            let _ = write!(text, "\n{gutter} {BLUE}|{PLAIN} {row}");
        }
    }

    fn column(&self, at: usize) -> usize {
        self.columns.get(at.saturating_sub(1)).or(self.columns.last()).copied().unwrap_or_default()
    }

    /// The marks, the label of the last one beside them and the other labels below.
    fn rows(&self, marks: &[&Mark]) -> Vec<String> {
        let mut marks = marks.to_vec();
        if marks.is_empty() {
            return Vec::new();
        }
        marks.sort_by_key(|mark| (mark.start, mark.kind == Kind::Primary));
        let mut row = String::new();
        let mut at = 0;
        for mark in &marks {
            let (start, end) = (self.column(mark.start), self.column(mark.end));
            // Marks may overlap: the later one goes on where the earlier one ends.
            let from = start.max(at);
            let to = end.max(start + 1);
            if to > from {
                let sign = mark.sign().repeat(to - from);
                let _ = write!(row, "{}{}{sign}{PLAIN}", " ".repeat(from - at), mark.color());
                at = to;
            }
        }
        let mut labels: Vec<_> = marks.iter().filter(|mark| !mark.label.is_empty()).collect();
        if let Some(last) = labels.pop_if(|last| Some(**last) == marks.last().copied()) {
            let _ = write!(row, " {}", last.labelled());
        }
        let below = labels.into_iter().rev().map(|mark| " ".repeat(self.column(mark.start)) + &mark.labelled());
        std::iter::once(row).chain(below).collect()
    }
}

impl Mark {
    fn sign(&self) -> &'static str {
        match self.kind {
            Kind::Primary => "^",
            Kind::Secondary => "-",
            Kind::Added => "+",
        }
    }

    /// In the colour of text: small coloured letters are hard to read.
    fn labelled(&self) -> String {
        let label = printable(&self.label).replace('\n', " ");
        if self.kind == Kind::Primary { format!("{BOLD}{label}{PLAIN}") } else { label }
    }

    fn color(&self) -> &'static str {
        match self.kind {
            Kind::Primary => RED,
            Kind::Secondary => BLUE,
            Kind::Added => GREEN,
        }
    }
}

/// Text without what would steer a terminal.
pub fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

/// How wide a character is shown, roughly as Unicode's tables say.
fn width(c: char) -> usize {
    match u32::from(c) {
        0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f => 2,
        0xff00..=0xff60 | 0x1f300..=0x1faff | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A traceback without its colours.
    pub fn plain(text: &str) -> String {
        [RED, BLUE, GREEN, BOLD, PLAIN].iter().fold(text.to_string(), |text, color| text.replace(color, ""))
    }

    #[test]
    fn marks_stand_below_what_they_mean() {
        let code = "a\n\tlet größe: u8 = \"x\";\nb\nc\nd";
        let mut kind = Mark::new(2, 13, 15, "expected due to this");
        kind.kind = Kind::Secondary;
        let marks = [Mark::new(2, 18, 21, "expected `u8`, found `&str`"), kind, Mark::new(5, 1, 9, "")];
        let expected = " --> cell line 2\n  |\n2 |     let größe: u8 = \"x\";\n  |                --   ^^^ expected `u8`, found \
                        `&str`\n  |                expected due to this\n...\n5 | d\n  | ^";
        let expected = expected.replacen(" -->", "  -->", 1);
        assert_eq!(plain(&excerpt(None, code, &marks)), expected);
        assert!(plain(&excerpt(Some(7), code, &marks)).starts_with("  --> cell [7] line 2\n"));
        assert_eq!(excerpt(None, code, &[]), "");
    }

    #[test]
    fn wide_and_strange_characters() {
        let shown = plain(&excerpt(None, "日本\x1b; x", &[Mark::new(1, 6, 7, "")]));
        assert!(shown.ends_with("1 | 日本\u{fffd}; x\n  |        ^"), "{shown}");
    }

    #[test]
    fn long_lines_are_cut_around_the_mark() {
        let code = format!("{}here{}", "a".repeat(5_000), "b".repeat(5_000));
        let shown = plain(&excerpt(None, &code, &[Mark::new(1, 5_001, 5_005, "label")]));
        let lines: Vec<_> = shown.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() < WIDTH + 15), "{shown}");
        let at = lines[2].find("here").unwrap_or_default();
        assert_eq!(lines[3].find("^^^^ label"), Some(at), "{shown}");
        assert!(lines[2].starts_with("1 | ...aaa") && lines[2].ends_with("bbb..."), "{shown}");
    }

    #[test]
    fn long_lines_with_an_early_mark_keep_their_beginning() {
        let code = format!("x.y({})", "1, ".repeat(1_000));
        let shown = plain(&excerpt(None, &code, &[Mark::new(1, 3, 3_000, "")]));
        assert!(shown.contains("1 | x.y(1, 1, ") && shown.ends_with(&"^".repeat(WIDTH - 2)), "{shown}");
    }
}
