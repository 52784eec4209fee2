//! What rustc says of a cell, from its JSON to a traceback.

use super::look::{self, Kind, Mark};
use super::python;
use super::sources::Spot;
use super::words;
use serde_json::Value;

/// How many notes of one error are shown.
const NOTES: usize = 4;
/// How many alternatives of one suggestion.
const ALTERNATIVES: usize = 3;

/// One error.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// `error` or `warning`.
    level: &'static str,
    pub code: Option<String>,
    pub message: String,
    /// The marks of each cell that it speaks of, that of the error first.
    marked: Vec<Marked>,
    notes: Vec<String>,
}

#[derive(Clone, Debug)]
struct Marked {
    cell: Option<u64>,
    code: String,
    marks: Vec<Mark>,
}

/// A note as it is shown.
struct Note {
    text: String,
    /// It shows the line as it should be.
    corrected: bool,
}

/// Maps lines and columns of a checked file to cells.
pub struct Places<'a> {
    /// How the file's name ends.
    pub file: &'a str,
    pub find: &'a dyn Fn(usize, usize) -> Option<Spot>,
}

impl Diagnostic {
    /// An error of our own.
    pub fn new(message: &str, code: &str, marks: Vec<Mark>) -> Self {
        let marked = Marked { cell: None, code: code.to_string(), marks };
        let marked = if marked.marks.is_empty() { Vec::new() } else { vec![marked] };
        Self { level: "error", code: None, message: message.to_string(), marked, notes: Vec::new() }
    }

    pub fn with_note(mut self, kind: &str, text: &str) -> Self {
        self.notes.push(look::note(kind, text));
        self
    }

    /// From one line of rustc's output; None if it is no error.
    pub fn from_json(json: &Value, places: &Places<'_>) -> Option<Self> {
        (json["level"] == "error").then(|| Self::read(json, "error", places)).flatten()
    }

    /// The same for a warning about a value that should not be thrown away.
    pub fn unused(json: &Value, places: &Places<'_>) -> Option<Self> {
        let unused = json["code"]["code"] == "unused_must_use" && json["level"] == "warning";
        let mut warning = unused.then(|| Self::read(json, "warning", places)).flatten()?;
        warning.code = None;
        if warning.message.contains("`Result`") {
            warning.notes.clear();
            return Some(warning.with_note("help", "put `?` behind it, or an error is not noticed"));
        }
        // The help is how to throw the value away.
        warning.notes.truncate(1);
        Some(warning)
    }

    fn read(json: &Value, level: &'static str, places: &Places<'_>) -> Option<Self> {
        let message = json["message"].as_str()?;
        if message.starts_with("aborting due to") {
            return None;
        }
        let code = json["code"]["code"].as_str().map(str::to_string);
        let mut diagnostic = Self { level, code, message: words::mend(message), marked: Vec::new(), notes: Vec::new() };
        for span in spans(json) {
            if let Some((spot, mark)) = places.mark(span) {
                diagnostic.mark(spot, mark);
            }
        }
        diagnostic.marked.iter_mut().for_each(Marked::forget_doubles);
        diagnostic.marked.sort_by_key(|marked| !marked.marks.iter().any(|mark| mark.kind == Kind::Primary));
        let said: Vec<String> = diagnostic.labels().chain([message.to_string()]).collect();
        let children = json["children"].as_array().into_iter().flatten();
        let notes = children.filter_map(|child| note(child, places, &said));
        let notes: Vec<Note> = notes.take(NOTES).collect();
        let corrected = notes.iter().any(|note| note.corrected);
        diagnostic.notes = notes.into_iter().map(|note| note.text).collect();
        if let Some(way) = diagnostic.habit(message) {
            // rustc guesses at something else.
            diagnostic.notes.clear();
            return Some(diagnostic.with_note("help", way));
        }
        match words::way_out(diagnostic.code.as_deref(), message) {
            // The corrected line says more.
            Some(way) if !corrected => Some(diagnostic.with_note("help", &way)),
            _ => Some(diagnostic),
        }
    }

    /// Whether it points into this cell, and not only into earlier ones.
    pub fn is_here(&self) -> bool {
        self.marked.first().is_none_or(|marked| marked.cell.is_none())
    }

    /// Where it points to: the primary mark.
    pub fn place(&self) -> Option<(usize, usize)> {
        let mark = self.marked.first()?.marks.iter().find(|mark| mark.kind == Kind::Primary)?;
        Some((mark.line, mark.start))
    }

    /// What Python has in this place.
    fn habit(&self, message: &str) -> Option<&'static str> {
        let (line, start) = self.place()?;
        let line = self.marked.first()?.code.lines().nth(line.checked_sub(1)?)?;
        let before = line.char_indices().nth(start.checked_sub(1)?).map_or(line, |(at, _)| &line[..at]);
        python::way_out(self.code.as_deref(), message, before, line)
    }

    fn labels(&self) -> impl Iterator<Item = String> {
        self.marked.iter().flat_map(|marked| &marked.marks).map(|mark| mark.label.clone())
    }

    fn mark(&mut self, spot: Spot, mark: Mark) {
        match self.marked.iter_mut().find(|marked| (marked.cell, &marked.code) == (spot.cell, &spot.code)) {
            Some(marked) => marked.marks.push(mark),
            None => self.marked.push(Marked { cell: spot.cell, code: spot.code, marks: vec![mark] }),
        }
    }

    /// The error as the front end shows it.
    pub fn text(&self) -> String {
        let name = self.code.as_ref().map_or_else(|| self.level.to_string(), |code| format!("{}[{code}]", self.level));
        let mut text = look::headline(&name, &self.message);
        for Marked { cell, code, marks } in &self.marked {
            text.push('\n');
            text.push_str(&look::excerpt(*cell, code, marks));
        }
        for note in &self.notes {
            text.push('\n');
            text.push_str(note);
        }
        text
    }
}

impl Marked {
    /// At one place the primary mark says enough: what lies behind the cell is marked at its end.
    fn forget_doubles(&mut self) {
        let primary: Vec<_> = self.marks.iter().filter(|mark| mark.kind == Kind::Primary).cloned().collect();
        let other = |mark: &Mark| primary.iter().all(|first| (first.line, first.start) != (mark.line, mark.start));
        self.marks.retain(|mark| mark.kind == Kind::Primary || other(mark));
    }
}

impl Places<'_> {
    /// The mark for a span, if it lies in a cell; for a span inside a macro, the call of the macro.
    fn mark(&self, span: &Value) -> Option<(Spot, Mark)> {
        let number = |name: &str| span[name].as_u64().and_then(|number| usize::try_from(number).ok());
        let inside = span["file_name"].as_str().is_some_and(|file| file.ends_with(self.file));
        let spot = if inside { (self.find)(number("line_start")?, number("column_start")?) } else { None };
        let Some(spot) = spot else {
            let call = &span["expansion"]["span"];
            let (spot, mut mark) = if call.is_null() { None } else { self.mark(call) }?;
            mark.kind = kind(span);
            mark.label = label(span);
            return Some((spot, mark));
        };
        let one_line = number("line_start") == number("line_end");
        let width = number("column_end")?.saturating_sub(number("column_start")?);
        let end = if one_line { spot.column + width } else { usize::MAX };
        let mark = Mark { line: spot.line, start: spot.column, end, label: label(span), kind: kind(span) };
        Some((spot, mark))
    }
}

fn spans(json: &Value) -> &[Value] {
    json["spans"].as_array().map_or(&[], Vec::as_slice)
}

fn kind(span: &Value) -> Kind {
    if span["is_primary"] == true { Kind::Primary } else { Kind::Secondary }
}

fn label(span: &Value) -> String {
    words::mend(span["label"].as_str().unwrap_or_default())
}

/// A note or a help, unless what is `said` already says it.
fn note(child: &Value, places: &Places<'_>, said: &[String]) -> Option<Note> {
    let (level, message) = (child["level"].as_str()?, child["message"].as_str()?);
    // Where a variable of an earlier cell should change, its `let` is not there to be corrected.
    let elsewhere = message == "consider changing this to be mutable";
    if words::is_noise(message) || said.iter().any(|said| said == message) {
        return None;
    }
    let text = words::mend(message);
    let replaced: Vec<(&Value, &str)> =
        spans(child).iter().filter_map(|span| Some((span, span["suggested_replacement"].as_str()?))).collect();
    if let Some(shown) = corrected(&replaced, places) {
        return Some(Note { text: format!("{}\n{shown}", look::note(level, &text)), corrected: true });
    }
    if elsewhere {
        return None;
    }
    let mut suggested: Vec<&str> = replaced.iter().map(|(_, text)| text.trim()).collect();
    suggested.retain(|suggested| !suggested.is_empty() && !text.contains(suggested));
    let more = suggested.len() > ALTERNATIVES;
    suggested.truncate(ALTERNATIVES);
    let suggested: Vec<String> = suggested.iter().map(|text| format!("`{text}`")).collect();
    let text = match suggested.join(" or ") {
        none if none.is_empty() => text,
        all if more => format!("{text}: {all} or others"),
        all => format!("{text}: {all}"),
    };
    Some(Note { text: look::note(level, &text), corrected: false })
}

/// The line as a suggestion would have it, if it is one line of the cell at hand.
fn corrected(replaced: &[(&Value, &str)], places: &Places<'_>) -> Option<String> {
    let mut parts = Vec::new();
    for (span, text) in replaced {
        let (spot, mark) = places.mark(span)?;
        // Alternatives for one place are no parts of one suggestion.
        let again = parts.iter().any(|(_, earlier, _): &(Spot, Mark, &str)| earlier.start == mark.start);
        if text.contains('\n') || mark.end == usize::MAX || spot.cell.is_some() || again {
            return None;
        }
        parts.push((spot, mark, *text));
    }
    parts.sort_by_key(|(_, mark, _)| mark.start);
    let (Spot { code, line, .. }, ..) = parts.first()?;
    if parts.iter().any(|(spot, ..)| spot.line != *line) {
        return None;
    }
    let old: Vec<char> = code.lines().nth(line - 1)?.chars().collect();
    let (mut new, mut marks, mut copied) = (String::new(), Vec::new(), 0);
    for (_, mark, text) in &parts {
        new.extend(old.get(copied..mark.start - 1)?);
        let start = new.chars().count() + 1;
        new.push_str(text);
        let end = start + text.trim_end().chars().count();
        marks.push(Mark { line: *line, start, end, label: String::new(), kind: Kind::Added });
        copied = mark.end - 1;
    }
    new.extend(old.get(copied..)?);
    marks.retain(|mark| mark.end > mark.start);
    Some(look::line(&new, *line, &marks))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::look::tests::plain;
    use super::*;
    use serde_json::json;

    fn span(line: usize, columns: (usize, usize), label: Option<&str>, replacement: Option<&str>) -> Value {
        json!({
            "file_name": "src/check.rs", "line_start": line + 10, "line_end": line + 10, "column_start": columns.0,
            "column_end": columns.1, "is_primary": label != Some("secondary"), "label": label,
            "suggested_replacement": replacement, "expansion": null,
        })
    }

    fn read(json: &Value) -> Diagnostic {
        let code = "let x = 1;\nlet y = x;";
        let find = |line: usize, column| {
            let line = line.checked_sub(10)?;
            (line > 0).then(|| Spot { cell: None, code: code.to_string(), line, column })
        };
        Diagnostic::from_json(json, &Places { file: "src/check.rs", find: &find }).unwrap()
    }

    #[test]
    fn an_error_is_said_once() {
        let help = json!({
            "level": "help", "message": "consider cloning", "spans": [span(2, (10, 10), None, Some(".clone()"))],
        });
        let note = json!({ "level": "note", "message": "said", "spans": [] });
        let diagnostic = read(&json!({
            "level": "error", "message": "wrong", "code": { "code": "E0001" },
            "spans": [
                span(2, (9, 10), Some("said"), None), span(1, (5, 6), Some("secondary"), None),
                span(2, (9, 10), Some("secondary"), None),
            ],
            "children": [help, note],
        }));
        let expected = "error[E0001]: wrong\n  --> cell line 2\n  |\n1 | let x = 1;\n  |     - secondary\n\
                        2 | let y = x;\n  |         ^ said\n  = help: consider cloning\n  |\n\
                        2 | let y = x.clone();\n  |          ++++++++";
        assert_eq!(plain(&diagnostic.text()), expected);
        assert_eq!(diagnostic.place(), Some((2, 9)));
    }

    #[test]
    fn lines_to_add_and_alternatives_are_named() {
        let outside = |text| span(0, (1, 1), None, Some(text));
        let spans = [outside("use a::A;\n"), outside("use b::A;\n")];
        let help = json!({ "level": "help", "message": "consider importing one of these", "spans": spans });
        let diagnostic =
            read(&json!({ "level": "error", "message": "m", "code": null, "spans": [], "children": [help] }));
        let expected = "error: m\n  = help: consider importing one of these: `use a::A;` or `use b::A;`";
        assert_eq!(plain(&diagnostic.text()), expected);
    }

    #[test]
    fn warnings_are_none() {
        let find = |_, _| None;
        let places = Places { file: "a.rs", find: &find };
        assert!(Diagnostic::from_json(&json!({ "level": "warning", "message": "m" }), &places).is_none());
        let end = json!({ "level": "error", "message": "aborting due to 2 previous errors" });
        assert!(Diagnostic::from_json(&end, &places).is_none());
    }
}
