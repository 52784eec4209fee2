//! A cell's failure as the front end shows it: a name, one line of text and a traceback that points into the cell.

use super::cell::Changed;
use super::interrupts::Interrupted;
use evcxr::CompilationError;
use serde_json::{Value, json};

/// The name of an interrupt's error.
pub const INTERRUPTED: &str = "Interrupted";

const RED: &str = "\x1b[1;31m";
const BLUE: &str = "\x1b[1;34m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";
/// In bytes.
const LONGEST: usize = 100_000;

/// Why a cell failed.
#[derive(Debug)]
pub struct Failure {
    pub name: String,
    pub value: String,
    pub traceback: Vec<String>,
}

impl Failure {
    /// A failure with nothing more to say than its text.
    pub fn plain(name: &str, text: &str) -> Self {
        let text = text.trim_end();
        let value = text.lines().next().unwrap_or_default().to_string();
        Self { name: name.to_string(), value, traceback: vec![headline(name, text)] }
    }

    /// The content of an `error` message. Nobody reads a million letters.
    pub fn content(self) -> Value {
        let Self { name, value, traceback } = self;
        let traceback: Vec<_> = traceback.into_iter().map(shortened).collect();
        json!({ "ename": name, "evalue": shortened(value), "traceback": traceback })
    }

    /// From what evcxr says.
    pub fn from_evcxr(error: &evcxr::Error, cell: &Changed) -> Self {
        match error {
            evcxr::Error::CompilationErrors(errors) => Self::compilation(errors, cell),
            evcxr::Error::SubprocessTerminated(text) => {
                let status = text.lines().last().unwrap_or_default().replace("Subprocess terminated with status: ", "");
                Self::plain("ProcessEnded", &format!("the process that runs the cells has ended ({status})"))
            }
            other => Self::plain("Error", &other.to_string()),
        }
    }

    /// For a cell that was interrupted.
    pub fn interrupted(how: Interrupted) -> Self {
        let text = match how {
            Interrupted::Not | Interrupted::Running => "the cell was asked to stop, and kept what it had",
            Interrupted::Compiling => "the build was stopped before the cell ran",
            Interrupted::Killed => "the cell did not look for interrupts, so its process was ended at the second one",
        };
        Self::plain(INTERRUPTED, text)
    }

    /// Says which variables are gone with the cell, if any are.
    pub fn with_lost(mut self, lost: &[String]) -> Self {
        if !lost.is_empty() {
            let names = lost.join(", ");
            self.traceback.push(format!("Variables that are gone: {names}. Definitions and `use` lines are kept."));
        }
        self
    }

    /// From the text of a panic; `generated` is the source that ran, where the panic's line is counted.
    pub fn from_panic(text: &str, cell: &Changed, generated: &str) -> Self {
        let text: Vec<&str> =
            text.trim().lines().filter(|line| !line.starts_with("note: run with `RUST_BACKTRACE")).collect();
        let Some((place, message)) = text.split_first() else {
            return Self::plain("Panic", "the cell panicked");
        };
        let message = message.join("\n");
        let mut failure = Self::plain("Panic", &message);
        let place = place.split_once(" panicked at ").map_or("", |(_, place)| place.trim_end_matches(':'));
        match line_of_cell(place, &cell.code, generated).and_then(|(line, column)| cell.place(line, column)) {
            Some((line, column)) => failure.traceback.push(excerpt(&cell.original, line, column, 1, "", RED)),
            None if place.starts_with("src/lib.rs:") || place.is_empty() => {}
            None => failure.traceback.push(format!("{BLUE}  -->{PLAIN} {place}")),
        }
        failure
    }

    fn compilation(errors: &[CompilationError], cell: &Changed) -> Self {
        let serious: Vec<_> = errors.iter().filter(|error| error.level() == "error").collect();
        let shown = if serious.is_empty() { errors.iter().collect() } else { serious };
        let value = shown.first().map(|error| error.message()).unwrap_or_default();
        let traceback = shown.iter().map(|error| compilation_error(error, cell)).collect();
        Self { name: "CompilationError".to_string(), value: first_line(&value), traceback }
    }
}

fn compilation_error(error: &CompilationError, cell: &Changed) -> String {
    let name = error.code().map_or_else(|| "error".to_string(), |code| format!("error[{code}]"));
    let mut lines = vec![headline(&name, &error.message())];
    for message in error.spanned_messages().iter().chain(error.help_spanned()) {
        if let Some(span) = message.span
            && let Some((line, column)) = cell.place(span.start_line, span.start_column)
        {
            let color = if message.is_primary { RED } else { BLUE };
            let width =
                if span.end_line == span.start_line { span.end_column.saturating_sub(span.start_column) } else { 1 };
            lines.push(excerpt(&cell.original, line, column, width, &message.label, color));
        }
    }
    if let Some(hint) = error.evcxr_extra_hint() {
        lines.push(format!("  = {BOLD}note{PLAIN}: {hint}"));
    }
    lines.extend(error.help().iter().map(|help| format!("  = {BOLD}help{PLAIN}: {help}")));
    lines.join("\n")
}

fn headline(name: &str, text: &str) -> String {
    format!("{RED}{name}{PLAIN}: {BOLD}{text}{PLAIN}")
}

fn shortened(mut text: String) -> String {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
    text
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_string()
}

/// A line of the cell with marks below; lines and columns count from 1.
fn excerpt(code: &str, line: usize, column: usize, width: usize, label: &str, color: &str) -> String {
    let text = code.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    // Tabs stay tabs, so that the marks stand below what they mean.
    let indent: String = text.chars().take(column.saturating_sub(1)).map(|c| if c == '\t' { c } else { ' ' }).collect();
    let marks = "^".repeat(width.clamp(1, text.chars().count().saturating_sub(column.saturating_sub(1)).max(1)));
    format!(
        "{gutter} {BLUE}-->{PLAIN} cell line {line}\n{gutter} {BLUE}|{PLAIN}\n\
         {BLUE}{number} |{PLAIN} {text}\n{gutter} {BLUE}|{PLAIN} {indent}{color}{marks} {label}{PLAIN}"
    )
}

/// The cell's line and column of a place in the generated source, found by the text of the line: the generated code
/// holds the cell's lines as they are, in their order.
fn line_of_cell(place: &str, code: &str, generated: &str) -> Option<(usize, usize)> {
    let mut parts = place.strip_prefix("src/lib.rs:")?.split(':');
    let line: usize = parts.next()?.parse().ok()?;
    let column: usize = parts.next()?.parse().ok()?;
    let text = generated.lines().nth(line.checked_sub(1)?)?;
    if text.trim().is_empty() {
        return None;
    }
    let earlier = generated.lines().take(line.saturating_sub(1)).filter(|other| other == &text).count();
    let same: Vec<usize> = (1..).zip(code.lines()).filter(|(_, other)| *other == text).map(|(n, _)| n).collect();
    let found = same.get(earlier).or(same.last()).copied();
    // Statements that share a line of the cell are generated on lines of their own.
    found.map(|line| (line, column)).or_else(|| {
        (1..).zip(code.lines()).find_map(|(n, other)| {
            let at = other.find(text.trim())?;
            let indent = text.len() - text.trim_start().len();
            Some((n, other[..at].chars().count() + column.saturating_sub(indent)))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(failure: &Failure) -> String {
        let mut text = failure.traceback.join("\n");
        for color in [RED, BLUE, BOLD, PLAIN] {
            text = text.replace(color, "");
        }
        text
    }

    #[test]
    fn a_panic_points_into_the_cell() {
        let code = "let a = 1;\nlet v: Vec<u8> = vec![];\n    v[3]; v[4]";
        let generated = "mod x {}\npub fn f() {\nlet v: Vec<u8> = vec![];\n    v[3];\nv[4]\n}";
        let text = "\nthread 'main' (5) panicked at src/lib.rs:5:2:\nindex out of bounds\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        let failure = Failure::from_panic(text, &Changed::not(code), generated);
        assert_eq!((failure.name.as_str(), failure.value.as_str()), ("Panic", "index out of bounds"));
        let expected = "Panic: index out of bounds\n  --> cell line 3\n  |\n3 |     v[3]; v[4]\n  |            ^ ";
        assert_eq!(plain(&failure), expected);
    }

    #[test]
    fn a_message_without_end_is_cut() {
        let content = Failure::plain("Error", &"é".repeat(LONGEST)).content();
        let value = content["evalue"].as_str().map(str::len);
        assert!(value.is_some_and(|length| length <= LONGEST + 3), "{value:?}");
        assert!(content.to_string().len() < 3 * LONGEST);
    }

    #[test]
    fn a_panic_elsewhere_names_the_place() {
        let text = "thread '<unnamed>' (5) panicked at /a/b.rs:1:2:\none\ntwo\n";
        let failure = Failure::from_panic(text, &Changed::not("f()"), "");
        assert_eq!(failure.value, "one");
        assert_eq!(plain(&failure), "Panic: one\ntwo\n  --> /a/b.rs:1:2");
        assert_eq!(Failure::from_panic("", &Changed::not("f()"), "").value, "the cell panicked");
    }
}
