//! A cell's failure as the front end shows it: a name, one line of text and a traceback that points into the cell.
//!
//! - `syntax`, `check`, `diagnostic`, `words`: what does not compile. `kept`, `gone`: variables that cannot be kept, and
//!   those that are no more.
//! - `panic`, `frames`, `sources`: panics, and which line of which cell they come from. `torch`: libtorch's messages.
//! - `death`: the end of the process. `look`: colours and marks.

pub mod check;
mod death;
mod diagnostic;
mod frames;
mod gone;
mod kept;
mod look;
mod panic;
mod python;
mod sources;
mod syntax;
mod torch;
mod words;

pub use death::Memory;
pub use diagnostic::Diagnostic;
pub use gone::{End, Ended, Gone};
pub use panic::readable;
pub use sources::{BUILDS, Sources, number};
pub use syntax::problem;

use super::interrupts::Interrupted;
use diagnostic::Places;
use look::Mark;
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub use death::NAME as PROCESS_ENDED;

/// The name of an interrupt's error.
pub const INTERRUPTED: &str = "Interrupted";

/// Run once in each process of the cells, as a cell.
pub const PANIC_HOOK: &str = include_str!("panic_hook.rs");

/// In bytes.
const LONGEST: usize = 100_000;

/// How many errors of one cell are shown.
const ERRORS: usize = 5;

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
        let text = look::printable(text.trim_end());
        let value = text.lines().next().unwrap_or_default().to_string();
        Self { name: name.to_string(), value, traceback: vec![look::headline(name, &text)] }
    }

    /// The content of an `error` message. Nobody reads a million letters.
    pub fn content(self) -> Value {
        let Self { name, value, traceback } = self;
        let traceback: Vec<_> = traceback.into_iter().map(shortened).collect();
        json!({ "ename": name, "evalue": shortened(value), "traceback": traceback })
    }

    /// For a cell that does not compile.
    pub fn compilation(errors: &[Diagnostic]) -> Self {
        let value = errors.first().map(|error| error.message.lines().next().unwrap_or_default().to_string());
        let mut traceback: Vec<String> = errors.iter().take(ERRORS).map(Diagnostic::text).collect();
        if errors.len() > ERRORS {
            traceback.push(format!("and {} more errors", errors.len() - ERRORS));
        }
        Self { name: "CompilationError".to_string(), value: value.unwrap_or_default(), traceback }
    }

    /// From what evcxr says of a cell in which rustc finds nothing wrong. `code` is the cell without its commands;
    /// `unnamed` are its variables whose types have no names, with these types; `generated` is what was compiled last.
    pub fn from_evcxr(
        error: &evcxr::Error,
        code: &str,
        unnamed: &[(String, String)],
        generated: &str,
        sources: &Sources,
    ) -> Self {
        let text = error.to_string();
        if let Some(failure) = kept::failure(&text, code, unnamed) {
            return failure;
        }
        let evcxr::Error::CompilationErrors(errors) = error else {
            return Self::plain("CompilationError", &words::command(&text));
        };
        let find = |line, column| sources.locate(generated, line, column);
        let places = Places { file: "src/lib.rs", find: &find };
        let said: Vec<_> = errors.iter().filter_map(|error| Diagnostic::from_json(&error.json, &places)).collect();
        if said.is_empty() {
            return Self::plain("CompilationError", "evcxr could not compile this cell, and does not say why");
        }
        Self::compilation(&said)
    }

    /// For a command (`:dep`, `!ls`) that failed.
    pub fn command(error: &evcxr::Error, commands: &str) -> Self {
        let (text, place) = match error {
            // Of the command itself, or of a crate that it asks for and that does not compile.
            evcxr::Error::CompilationErrors(errors) => {
                let said =
                    errors.iter().map(|error| error.message()).filter(|said| !said.starts_with("Some errors have"));
                let place = errors.iter().find_map(|error| error.spanned_messages().first()?.span);
                (said.collect::<Vec<_>>().join("\n"), place)
            }
            other => (other.to_string(), None),
        };
        let text = words::command(&text);
        let mut failure = Self::plain("CommandError", &text);
        if let Some(span) = place {
            // evcxr leaves out the last character.
            let end = if span.start_column > 1 { span.end_column + 1 } else { span.end_column };
            let mark = Mark::new(span.start_line, span.start_column, end, "");
            failure.traceback.push(look::excerpt(None, commands, &[mark]));
        }
        failure
    }

    /// The process has ended; and the text that belongs on its standard error.
    pub fn death(status: &str, words: &str, memory: &Memory, sources: &Sources) -> (Self, String) {
        death::failure(status, words, memory, sources)
    }

    /// From the text of a panic.
    pub fn from_panic(text: &str, sources: &Sources) -> Self {
        panic::failure(text, sources)
    }

    /// From the error at a `?`, as the cell wrote it (cell_rustc.rs): the place, then the error and what caused it, each
    /// with a `+` before it and its further lines indented.
    pub fn from_error(block: &str, sources: &Sources) -> Self {
        let (place, text) = block.split_once('\n').unwrap_or(("", block));
        let mut parts: Vec<String> = Vec::new();
        for line in text.lines() {
            match (line.strip_prefix('+'), parts.last_mut()) {
                (None, Some(part)) => part.extend(["\n", line.strip_prefix(' ').unwrap_or(line)]),
                (begin, _) => parts.push(begin.unwrap_or(line).to_string()),
            }
        }
        let said = parts.first().map(|text| torch::plain(text));
        let text = said.as_ref().map(|said| said.text.as_str()).filter(|text| !text.is_empty());
        let mut failure = Self::plain("Error", text.unwrap_or("the cell returned an error at a `?`"));
        // Many errors repeat in their own text what caused them.
        parts.dedup_by(|cause, error| error.ends_with(cause.as_str()));
        failure.traceback.extend(parts.iter().skip(1).map(|cause| look::note("caused by", &torch::plain(cause).text)));
        let spot = panic::position(place).and_then(|(line, column)| sources.locate_in_build(&[], line, column));
        failure.traceback.extend(panic::excerpts(spot.as_slice()));
        failure.traceback.extend(said.and_then(|said| said.help).map(|help| look::note("help", &help)));
        failure
    }

    /// For a cell that was interrupted.
    pub fn interrupted(how: Interrupted) -> Self {
        let text = match how {
            Interrupted::Not | Interrupted::Running => "the cell was asked to stop, and has stopped",
            Interrupted::Compiling => "the build was stopped before the cell ran",
            Interrupted::Killed => "the cell did not look for interrupts, so its process was ended at the second one",
        };
        Self::plain(INTERRUPTED, text)
    }

    /// Says which variables are gone with the cell, if any are.
    pub fn with_lost(mut self, lost: &[String]) -> Self {
        if !lost.is_empty() {
            let names = lost.join(", ");
            self.traceback.push(format!("Variables that are gone: {names}. Definitions of earlier cells are kept."));
        }
        self
    }
}

/// What an error says, without libtorch's stacks.
pub fn in_words(text: &str) -> String {
    look::printable(&torch::plain(text).text)
}

/// Of a cell that was left before its end, what is gone with it.
pub fn left_behind(lost: &BTreeSet<String>) -> Option<String> {
    let names: Vec<_> = lost.iter().map(|name| format!("`{name}`")).collect();
    let names = names.join(", ");
    (!lost.is_empty()).then(|| format!("The cell did not come to its end, so what it bound or moved is gone: {names}."))
}

fn shortened(mut text: String) -> String {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::look::tests::plain;
    use super::*;

    fn text(failure: &Failure) -> String {
        plain(&failure.traceback.join("\n"))
    }

    #[test]
    fn an_error_at_a_question_mark_is_its_text() {
        let sources = Sources::default();
        let failure = Failure::from_error("src/lib.rs:5:2\n+levels = 1: a rule", &sources);
        assert_eq!((failure.name.as_str(), failure.value.as_str()), ("Error", "levels = 1: a rule"));
        assert_eq!(text(&failure), "Error: levels = 1: a rule");
        let failure = Failure::from_error("x\n+two\n lines\n+cause\n of it\n+cause\n of it\n+root", &sources);
        assert_eq!(failure.value, "two");
        assert_eq!(
            text(&failure),
            "Error: two\nlines\n  = caused by: cause\n               of it\n  = caused by: root"
        );
        let failure = Failure::from_error("x\n+io: not found\n+not found", &sources);
        assert_eq!(text(&failure), "Error: io: not found");
        assert_eq!(Failure::from_error("", &sources).value, "the cell returned an error at a `?`");
    }

    #[test]
    fn a_message_without_end_is_cut() {
        let content = Failure::plain("Error", &"é".repeat(LONGEST)).content();
        let value = content["evalue"].as_str().map(str::len);
        assert!(value.is_some_and(|length| length <= LONGEST + 3), "{value:?}");
        assert!(content.to_string().len() < 3 * LONGEST);
    }

    #[test]
    fn a_few_errors_are_enough() {
        let errors: Vec<_> = (1..=7).map(|n| Diagnostic::new(&format!("wrong {n}"), "", Vec::new())).collect();
        let failure = Failure::compilation(&errors);
        assert_eq!(failure.value, "wrong 1");
        assert!(text(&failure).ends_with("error: wrong 5\nand 2 more errors"));
    }
}
