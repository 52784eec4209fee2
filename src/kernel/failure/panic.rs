//! Panics, as the hook in the process of the cells writes them (panic_hook.rs), or as std does without it.
//!
//! ```text
//! thread 'main' (12) panicked at src/lib.rs:5:2:
//! index out of bounds: the len is 2 but the index is 5
//! \x1b]noisebook-frames;7:1a2b 7:3c4d \x07
//! ```

use super::look::{self, Kind, Mark};
use super::sources::{Frame, Sources, Spot};
use super::{Failure, torch};
use std::ops::Range;

const FRAMES: &str = "\x1b]noisebook-frames;";
const END: char = '\x07';

/// A cell may have set a panic hook of its own.
const MUTE: &str = "the cell panicked without a message";

/// How many calls are shown: the innermost ones, and the one in the cell at hand.
const CALLS: usize = 4;

/// A panic's message.
pub struct Panic<'a> {
    /// The name of its thread; the cell itself runs in `main`.
    thread: &'a str,
    /// File, line and column.
    place: &'a str,
    message: String,
    frames: Vec<Frame>,
    /// Where in the text it stands.
    range: Range<usize>,
}

impl<'a> Panic<'a> {
    /// All panics in a text.
    pub fn all(text: &'a str) -> Vec<Self> {
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(panic) = Self::first(text, from) {
            from = panic.range.end;
            found.push(panic);
        }
        found
    }

    fn first(text: &'a str, from: usize) -> Option<Self> {
        let mut start = from;
        let header = text.get(from..)?.split_inclusive('\n').find(|line| {
            start += line.len();
            line.starts_with("thread '") && line.contains(" panicked at ")
        })?;
        let begin = start - header.len();
        let (name, place) = header.split_once(" panicked at ")?;
        let thread = name.strip_prefix("thread '")?.split('\'').next()?;
        let rest = &text[start..];
        let framed = rest.find(FRAMES).filter(|at| rest.find("\nthread '").is_none_or(|next| *at <= next));
        let (message, frames, end) = match framed.and_then(|at| Some((at, at + rest[at..].find(END)?))) {
            Some((at, end)) => (&rest[..at], frames(&rest[at + FRAMES.len()..end]), end + 1),
            None => {
                let next = ["\nthread '", "\nthread caused "].iter().filter_map(|next| rest.find(next)).min();
                let end = next.map_or(rest.len(), |at| at + 1);
                (&rest[..end], Vec::new(), end)
            }
        };
        let message = message.lines().take_while(|line| *line != "stack backtrace:");
        let message = message.filter(|line| !line.starts_with("note: run with `RUST_BACKTRACE"));
        let message = message.collect::<Vec<_>>().join("\n").trim_end().to_string();
        let before = &text[from..begin];
        let blank = usize::from(before.ends_with("\n\n") || before == "\n");
        let newline = usize::from(rest[end..].starts_with('\n'));
        let range = begin - blank..start + end + newline;
        Some(Self { thread, place: place.trim_end().trim_end_matches(':'), message, frames, range })
    }

    /// The message, without C++.
    pub fn said(&self) -> torch::Said {
        torch::plain(if self.message.is_empty() { MUTE } else { &self.message })
    }

    /// The calls that led to it, the innermost first.
    pub fn calls(&self, sources: &Sources) -> Vec<Spot> {
        let mut calls = sources.stack(&self.frames);
        // Where the panic itself lies in a cell, its place is known better, as that of the call of a macro.
        if let Some(exact) = self.spot(sources) {
            calls.splice(..calls.len().min(1), [exact]);
        }
        calls
    }

    fn spot(&self, sources: &Sources) -> Option<Spot> {
        let (line, column) = position(self.place)?;
        sources.locate_in_build(&self.frames, line, column)
    }

    /// As it is shown when the cell does not end by it.
    fn shown(&self, sources: &Sources) -> String {
        let spot = self.spot(sources).or_else(|| sources.stack(&self.frames).into_iter().next());
        let place = spot.map_or_else(|| in_crate(self.place), |spot| look::place(spot.cell, spot.line));
        format!("\nthread '{}' panicked at {place}:\n{}\n", self.thread, self.said().text)
    }
}

/// The failure of a cell that ended by the last panic in this text.
pub fn failure(text: &str, sources: &Sources) -> Failure {
    let panics = Panic::all(text);
    let Some(panic) = panics.last() else { return Failure::plain("Panic", MUTE) };
    let said = panic.said();
    let mut failure = Failure::plain("Panic", &said.text);
    let calls = panic.calls(sources);
    if calls.is_empty() && !panic.place.starts_with("src/lib.rs:") {
        failure.traceback.push(format!("  {}-->{} {}", look::BLUE, look::PLAIN, in_crate(panic.place)));
    }
    failure.traceback.extend(excerpts(&calls));
    failure.traceback.extend(said.help.map(|help| look::note("help", &help)));
    failure
}

/// Lines of cells, from the place of the failure to the call in the cell at hand.
pub fn excerpts(calls: &[Spot]) -> Vec<String> {
    let mut shown: Vec<&Spot> = Vec::new();
    for call in calls {
        // A function that calls itself stands here many times.
        if !shown.iter().any(|other| (other.cell, other.line) == (call.cell, call.line)) {
            shown.push(call);
        }
    }
    let left_out = shown.len().saturating_sub(CALLS);
    shown.drain(shown.len().saturating_sub(1 + left_out)..shown.len().saturating_sub(1));
    let mut excerpts = Vec::new();
    for (index, spot) in shown.iter().enumerate() {
        let mut mark = Mark::new(spot.line, spot.column, spot.column + 1, "");
        if index > 0 {
            mark.label = "called from here".to_string();
            mark.kind = Kind::Secondary;
        }
        if index + 1 == shown.len() && left_out > 0 {
            excerpts.push(format!("  {left_out} more calls"));
        }
        excerpts.push(look::excerpt(spot.cell, &spot.code, &[mark]));
    }
    excerpts
}

/// Standard error with its panics in the words of the notebook.
pub fn readable(text: String, sources: &Sources) -> String {
    let panics = Panic::all(&text);
    if panics.is_empty() {
        return text;
    }
    let mut shown = String::with_capacity(text.len());
    let mut copied = 0;
    for panic in panics {
        shown.push_str(&text[copied..panic.range.start]);
        shown.push_str(&panic.shown(sources));
        copied = panic.range.end;
    }
    shown.push_str(&text[copied..]);
    shown
}

/// What is left of a text without its panics.
pub fn without(text: &str) -> String {
    let mut rest = String::new();
    let mut copied = 0;
    for panic in Panic::all(text) {
        rest.push_str(&text[copied..panic.range.start]);
        copied = panic.range.end;
    }
    rest + &text[copied..]
}

/// A place in a crate, without the folder where cargo or rustup keeps it.
fn in_crate(place: &str) -> String {
    let kept = place.split_once("/registry/src/").and_then(|(_, rest)| rest.split_once('/'));
    let kept = kept.or_else(|| place.split_once("/library/"));
    kept.map_or(place, |(_, rest)| rest).to_string()
}

/// Line and column of a place in a generated source.
pub fn position(place: &str) -> Option<(usize, usize)> {
    let (line, column) = place.strip_prefix("src/lib.rs:")?.split_once(':')?;
    Some((line.parse().ok()?, column.parse().ok()?))
}

/// `7:1a2b 7:3c4d `: the numbers of libraries, and addresses in them.
pub fn frames(text: &str) -> Vec<Frame> {
    let frame = |text: &str| {
        let (library, address) = text.split_once(':')?;
        Some((library.parse().ok()?, u64::from_str_radix(address, 16).ok()?))
    };
    text.split(' ').filter_map(frame).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::look::tests::plain;
    use super::*;
    use crate::kernel::cell::Changed;

    const MARKED: &str =
        "\nthread 'main' (5) panicked at /a/tensor.rs:5:2:\nno\nthread\n\x1b]noisebook-frames;7:1a 12:ff \x07\n";

    #[test]
    fn panics_are_cut_out_of_text() {
        let text = format!("before\n{MARKED}between\n{MARKED}after\n");
        let panics = Panic::all(&text);
        assert_eq!(panics.len(), 2);
        for panic in &panics {
            assert_eq!((panic.thread, panic.place, panic.message.as_str()), ("main", "/a/tensor.rs:5:2", "no\nthread"));
            assert_eq!(panic.frames, [(7, 0x1a), (12, 0xff)]);
        }
        assert_eq!(without(&text), "before\nbetween\nafter\n");
        let shown = "\nthread 'main' panicked at /a/tensor.rs:5:2:\nno\nthread\n";
        assert_eq!(readable(text, &Sources::default()), format!("before\n{shown}between\n{shown}after\n"));
    }

    #[test]
    fn stds_own_messages_are_understood() {
        let text = "x\n\nthread '<unnamed>' (5) panicked at src/lib.rs:5:2:\nfirst\nnote: run with `RUST_BACKTRACE=1` \
                    environment variable to display a backtrace\n\nthread 'a' panicked at core.rs:1:1:\nsecond\n\
                    stack backtrace:\n   0: f\n";
        let panics = Panic::all(text);
        let messages: Vec<_> = panics.iter().map(|panic| panic.message.as_str()).collect();
        assert_eq!(messages, ["first", "second"]);
        assert_eq!(without(text), "x\n");
    }

    #[test]
    fn a_panic_points_into_the_cell() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("src")).unwrap();
        let generated = "mod x {}\npub fn f() {\nlet a = 1;\nv[3]; \nv[4]\n}";
        std::fs::write(folder.path().join("src/lib.rs"), generated).unwrap();
        let sources = Sources::default();
        sources.at_hand(1, &Changed::not("let a = 1;\nv[3]; v[4]"));
        sources.begun(&folder.path().join("target/triple/debug/libcode_7.so"));
        let text = "\nthread 'main' (5) panicked at src/lib.rs:5:2:\nindex out of bounds\n";
        let failure = failure(text, &sources);
        assert_eq!((failure.name.as_str(), failure.value.as_str()), ("Panic", "index out of bounds"));
        let expected = "Panic: index out of bounds\n  --> cell line 2\n  |\n2 | v[3]; v[4]\n  |        ^";
        assert_eq!(plain(&failure.traceback.join("\n")), expected);
        assert_eq!(
            readable(text.to_string(), &sources),
            "\nthread 'main' panicked at cell line 2:\nindex out of bounds\n"
        );
        assert_eq!(position("src/lib.rs:5:2"), Some((5, 2)));
        assert_eq!(position("/a/src/lib.rs:5:2"), None);
    }

    #[test]
    fn a_panic_elsewhere_names_the_place() {
        let shown = failure(MARKED, &Sources::default());
        assert_eq!(shown.value, "no");
        assert_eq!(plain(&shown.traceback.join("\n")), "Panic: no\nthread\n  --> /a/tensor.rs:5:2");
        assert_eq!(failure("", &Sources::default()).value, MUTE);
    }

    #[test]
    fn places_in_crates_are_short() {
        let crates = "/root/.cargo/registry/src/index-1949/tch-0.24.0/src/tensor.rs:5:2";
        assert_eq!(in_crate(crates), "tch-0.24.0/src/tensor.rs:5:2");
        assert_eq!(in_crate("/rustc/5980/library/core/src/panicking.rs:1:1"), "core/src/panicking.rs:1:1");
        assert_eq!(in_crate("/a/b.rs:1:1"), "/a/b.rs:1:1");
    }

    #[test]
    fn a_function_that_calls_itself_is_shown_once() {
        let spot = |line| Spot { cell: None, code: "a\nb\nc\nd\ne\nf\ng".into(), line, column: 1 };
        let lines = [1, 2, 1, 2, 3, 4, 5, 6].map(spot);
        let shown = plain(&excerpts(&lines).join("\n"));
        let places: Vec<_> = shown.lines().filter(|line| line.contains("cell line") || line.contains("more")).collect();
        assert_eq!(
            places,
            ["  --> cell line 1", "  --> cell line 2", "  --> cell line 3", "  2 more calls", "  --> cell line 6"]
        );
        assert_eq!(shown.matches("called from here").count(), 3);
    }
}
