//! Takes a child's standard output apart: text, evcxr's control lines, MIME blocks and the markers of displays.
//!
//! The stream is raw: no newline is waited for, and a control line is found even where it is glued to the end of other
//! text. Only what may still become something else is held back until more comes, or until `flush`.

use crate::show::frame::{FrameId, MARKER_LENGTH};

const EVCXR: &[u8] = b"EVCXR_";
const END_CONTENT: &[u8] = b"EVCXR_END_CONTENT\n";
const LONGEST_CONTROL_LINE: usize = 1_024;
/// A MIME block that goes on after that is text.
const LARGEST_BLOCK: usize = 64 * 1024 * 1024;

/// A piece of the stream.
#[derive(Debug, PartialEq)]
pub enum Piece {
    /// Raw text.
    Text(Vec<u8>),
    /// A line for evcxr, without its newline.
    Control(Control),
    /// Where a display belongs.
    Marker(FrameId),
    /// A MIME block in evcxr's convention, printed by another crate or by evcxr itself.
    Block { mime: String, content: String },
}

/// The lines that the generated code and evcxr's child tell evcxr by.
#[derive(Debug, PartialEq)]
pub enum Control {
    Complete,
    Panic,
    UserError,
    /// For evcxr alone: a variable changed its type, an input is asked for.
    Other(String),
}

impl Control {
    fn parse(line: &str) -> Option<Self> {
        match line {
            "EVCXR_EXECUTION_COMPLETE" => Some(Self::Complete),
            "EVCXR_PANIC_NOTIFICATION" => Some(Self::Panic),
            "EVCXR_ERROR_OCCURRED" => Some(Self::UserError),
            _ if line.starts_with("EVCXR_VARIABLE_CHANGED_TYPE:") || line.starts_with("EVCXR_INPUT_REQUEST") => {
                Some(Self::Other(line.to_string()))
            }
            _ => None,
        }
    }

    /// The line as evcxr waits for it.
    pub fn line(&self) -> &str {
        match self {
            Self::Complete => "EVCXR_EXECUTION_COMPLETE",
            Self::Panic => "EVCXR_PANIC_NOTIFICATION",
            Self::UserError => "EVCXR_ERROR_OCCURRED",
            Self::Other(line) => line,
        }
    }
}

/// Splits one stream.
#[derive(Default)]
pub struct Splitter {
    held: Vec<u8>,
    /// How much of `held` was searched for the end of a block.
    searched: usize,
}

enum Step {
    /// The first `n` bytes are text.
    Text(usize),
    /// A piece of `n` bytes.
    Whole(usize, Piece),
    /// What is there may be the beginning of something: wait.
    Wait,
}

impl Splitter {
    /// Takes what was read, gives the pieces that are certain.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Piece> {
        self.held.extend_from_slice(bytes);
        let mut pieces = Vec::new();
        let mut at = 0;
        let mut text = Vec::new();
        while at < self.held.len() {
            match step(&self.held[at..], if at == 0 { self.searched } else { 0 }) {
                Step::Text(length) => {
                    text.extend_from_slice(&self.held[at..at + length]);
                    at += length;
                }
                Step::Whole(length, piece) => {
                    if !text.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut text)));
                    }
                    pieces.push(piece);
                    at += length;
                }
                Step::Wait => break,
            }
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        self.held.drain(..at);
        self.searched = if begins_block(&self.held) { self.held.len() } else { 0 };
        pieces
    }

    /// Gives up waiting: what is held back is text after all. An open MIME block stays, since its end must come.
    pub fn flush(&mut self) -> Option<Piece> {
        if self.held.is_empty() || begins_block(&self.held) {
            return None;
        }
        Some(Piece::Text(std::mem::take(&mut self.held)))
    }

    /// Whether something is held back that `flush` would give.
    pub fn waits(&self) -> bool {
        !self.held.is_empty() && !begins_block(&self.held)
    }
}

fn step(bytes: &[u8], searched: usize) -> Step {
    let start = bytes.iter().position(|&byte| byte == b'E' || byte == 0x1b).unwrap_or(bytes.len());
    if start > 0 {
        return Step::Text(start);
    }
    if bytes[0] == 0x1b {
        return match FrameId::find(&bytes[..bytes.len().min(MARKER_LENGTH)]) {
            Some((_, id)) => Step::Whole(MARKER_LENGTH, Piece::Marker(id)),
            None if FrameId::unfinished(bytes) == bytes.len() => Step::Wait,
            None => Step::Text(1),
        };
    }
    if bytes.len() < EVCXR.len() {
        return if EVCXR.starts_with(bytes) { Step::Wait } else { Step::Text(1) };
    }
    if !bytes.starts_with(EVCXR) {
        return Step::Text(1);
    }
    let Some(end) = bytes.iter().take(LONGEST_CONTROL_LINE).position(|&byte| byte == b'\n') else {
        return if bytes.len() < LONGEST_CONTROL_LINE { Step::Wait } else { Step::Text(EVCXR.len()) };
    };
    let line = String::from_utf8_lossy(&bytes[..end]);
    if let Some(mime) = line.strip_prefix("EVCXR_BEGIN_CONTENT ") {
        return block(mime.trim(), &bytes[end + 1..], end + 1, searched);
    }
    match Control::parse(&line) {
        Some(control) => Step::Whole(end + 1, Piece::Control(control)),
        None => Step::Text(EVCXR.len()),
    }
}

/// A MIME block whose first line takes `before` bytes. A panic inside ends it, as in evcxr, and so does the cell's end.
fn block(mime: &str, body: &[u8], before: usize, searched: usize) -> Step {
    let stops: [&[u8]; 2] = [b"EVCXR_PANIC_NOTIFICATION\n", b"EVCXR_EXECUTION_COMPLETE\n"];
    // The last bytes that were searched may be the beginning of an end.
    let start = searched.saturating_sub(before + LONGEST_CONTROL_LINE);
    let find = |pattern| find(&body[start..], pattern).map(|at| start + at);
    let stop = stops.iter().filter_map(|stop| find(stop)).min();
    let (length, end) = match (find(END_CONTENT), stop) {
        (Some(end), Some(stop)) if stop < end => (stop, stop),
        (None, Some(stop)) => (stop, stop),
        (Some(end), _) => (end, end + END_CONTENT.len()),
        (None, None) if body.len() > LARGEST_BLOCK => return Step::Text(EVCXR.len()),
        (None, None) => return Step::Wait,
    };
    let content = &body[..length];
    let content = String::from_utf8_lossy(content.strip_suffix(b"\n").unwrap_or(content)).into_owned();
    Step::Whole(before + end, Piece::Block { mime: mime.to_string(), content })
}

fn begins_block(bytes: &[u8]) -> bool {
    bytes.starts_with(b"EVCXR_BEGIN_CONTENT ") && bytes.contains(&b'\n')
}

fn find(text: &[u8], pattern: &[u8]) -> Option<usize> {
    text.windows(pattern.len()).position(|window| window == pattern)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text(text: &str) -> Piece {
        Piece::Text(text.as_bytes().to_vec())
    }

    /// All pieces of a stream that comes in chunks of `size` bytes, neighbouring texts joined.
    fn split(stream: &[u8], size: usize) -> Vec<Piece> {
        let mut splitter = Splitter::default();
        let mut pieces: Vec<Piece> = Vec::new();
        let found: Vec<Piece> = stream.chunks(size).flat_map(|chunk| splitter.push(chunk)).collect();
        for piece in found.into_iter().chain(splitter.flush()) {
            match (pieces.last_mut(), piece) {
                (Some(Piece::Text(last)), Piece::Text(more)) => last.extend(more),
                (_, piece) => pieces.push(piece),
            }
        }
        pieces
    }

    #[test]
    fn pieces_do_not_depend_on_the_chunks() {
        let id = FrameId::random().unwrap();
        let stream = format!(
            "a\rEVCXR_b {}c\x1b[0mpartialEVCXR_BEGIN_CONTENT text/html\n<b>\né</b>\nEVCXR_END_CONTENT\n\
             EVCXR_ERROR_OCCURRED\nEVCXR_VARIABLE_CHANGED_TYPE:x\nlastEVCXR_EXECUTION_COMPLETE\n",
            id.marker()
        );
        let expected = [
            text("a\rEVCXR_b "),
            Piece::Marker(id),
            text("c\x1b[0mpartial"),
            Piece::Block { mime: "text/html".into(), content: "<b>\né</b>".into() },
            Piece::Control(Control::UserError),
            Piece::Control(Control::Other("EVCXR_VARIABLE_CHANGED_TYPE:x".into())),
            text("last"),
            Piece::Control(Control::Complete),
        ];
        for size in 1..=stream.len() {
            assert_eq!(split(stream.as_bytes(), size), expected, "chunks of {size}");
        }
    }

    #[test]
    fn partial_text_does_not_wait_for_a_newline() {
        let mut splitter = Splitter::default();
        assert_eq!(splitter.push(b"loss 0.1"), [text("loss 0.1")]);
        assert_eq!(splitter.push(b"THE E"), [text("THE ")]);
        assert!(splitter.waits());
        assert_eq!(splitter.flush(), Some(text("E")));
        assert_eq!(splitter.push(b"VCXR_EXECUTION_COMPLETE\n"), [text("VCXR_EXECUTION_COMPLETE\n")]);
    }

    #[test]
    fn a_panic_ends_a_block() {
        let stream = b"EVCXR_BEGIN_CONTENT text/plain\nhalf\nEVCXR_PANIC_NOTIFICATION\nEVCXR_EXECUTION_COMPLETE\n";
        let expected = [
            Piece::Block { mime: "text/plain".into(), content: "half".into() },
            Piece::Control(Control::Panic),
            Piece::Control(Control::Complete),
        ];
        assert_eq!(split(stream, stream.len()), expected);
    }

    #[test]
    fn a_block_without_end_is_text() {
        let mut splitter = Splitter::default();
        assert_eq!(splitter.push(b"EVCXR_BEGIN_CONTENT text/html\n"), []);
        let chunk = vec![b'x'; 64 * 1024];
        for _ in 0..LARGEST_BLOCK / chunk.len() {
            assert_eq!(splitter.push(&chunk), []);
        }
        let [Piece::Text(text)] = &splitter.push(&chunk)[..] else { panic!("no text") };
        assert_eq!(text.len(), LARGEST_BLOCK + chunk.len() + 30);
        assert_eq!(splitter.push(b"more"), [self::text("more")]);
    }

    #[test]
    fn bytes_of_any_kind_pass() {
        let stream: Vec<u8> = (0..=255).cycle().take(5_000).collect();
        assert_eq!(split(&stream, 7), [Piece::Text(stream.clone())]);
        let long = [b"EVCXR_".repeat(400), b"\n".to_vec()].concat();
        assert_eq!(split(&long, 100), [Piece::Text(long.clone())]);
    }
}
