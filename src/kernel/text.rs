//! Raw bytes of a stream on their way to text.

use std::time::{Duration, Instant};

/// How long text waits for more, so that a hundred short lines become one message.
pub const GATHER: Duration = Duration::from_millis(25);
/// How long the text of a panic waits for the cell to end by it.
const HOLD_PANIC: Duration = Duration::from_secs(3);
const LARGE: usize = 32 * 1024;
/// How much of it is held. More is shown, and belongs to the flood that it is.
const LARGEST_PANIC: usize = 256 * 1024;

/// Text that was read and not shown yet.
#[derive(Default)]
pub struct Text {
    bytes: Vec<u8>,
    since: Option<Instant>,
}

impl Text {
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if !bytes.is_empty() {
            self.since.get_or_insert_with(Instant::now);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether it has waited long enough, or is long.
    pub fn is_due(&self) -> bool {
        self.bytes.len() >= LARGE || self.since.is_some_and(|since| since.elapsed() >= GATHER)
    }

    /// What can be shown. A character whose last bytes have not come is kept; bytes that are no UTF-8 are replaced.
    pub fn take(&mut self) -> String {
        let kept = unfinished_character(&self.bytes);
        let tail = self.bytes.split_off(self.bytes.len() - kept);
        let text = String::from_utf8_lossy(&self.bytes).into_owned();
        self.bytes = tail;
        self.since = None;
        text
    }

    /// Everything; nothing more will come.
    pub fn take_all(&mut self) -> String {
        self.since = None;
        String::from_utf8_lossy(&std::mem::take(&mut self.bytes)).into_owned()
    }

    fn split_off(&mut self, at: usize) -> Self {
        Self { bytes: self.bytes.split_off(at), since: self.since }
    }
}

/// Standard error: as text, but a panic's message and what else may be the last words of the process are held back until
/// it is known whether the cell ended by it.
#[derive(Default)]
pub struct ErrorText {
    text: Text,
    /// How much of the text was held.
    released: usize,
    /// What is held back, and all that came after it.
    panic: Text,
    /// A panic that was held so long that it was shown; the traceback needs it still.
    shown_panic: String,
}

impl ErrorText {
    pub fn push(&mut self, bytes: &[u8]) {
        if self.panic.is_empty() {
            self.text.push(bytes);
            if let Some(at) = last_words(&self.text.bytes[self.released..]) {
                self.panic = Text { since: Some(Instant::now()), ..self.text.split_off(self.released + at) };
            }
        } else {
            self.panic.push(bytes);
            if self.panic.bytes.len() > LARGEST_PANIC {
                self.release_panic();
            }
        }
    }

    /// Panics that were caught come before the last one, and are text.
    fn release_panic(&mut self) {
        let mut shown = std::mem::take(&mut self.panic);
        match panics(&shown.bytes).last().filter(|at| shown.bytes.len() - at <= LARGEST_PANIC) {
            Some(at) => self.panic = Text { bytes: shown.bytes.split_off(at), since: shown.since },
            None => self.shown_panic = String::from_utf8_lossy(&shown.bytes[..LARGEST_PANIC]).into_owned(),
        }
        self.text.push(&shown.bytes);
        self.released = self.text.bytes.len();
    }

    pub fn has_text(&self) -> bool {
        !self.text.is_empty()
    }

    pub fn waits(&self) -> bool {
        !self.text.is_empty() || !self.panic.is_empty()
    }

    /// What can be shown now if it is due, or in any case if `force`.
    pub fn take(&mut self, force: bool) -> String {
        if self.panic.since.is_some_and(|since| since.elapsed() >= HOLD_PANIC) {
            let panic = self.panic.take_all();
            self.text.push(panic.as_bytes());
            self.released = self.text.bytes.len();
            self.shown_panic = panic;
        }
        if !force && !self.text.is_due() {
            return String::new();
        }
        self.released = 0;
        self.text.take()
    }

    /// The cell ended by a panic: its message, and what else stood on standard error.
    pub fn take_panic(&mut self) -> (String, String) {
        let mut panic = std::mem::take(&mut self.panic);
        let last = panics(&panic.bytes).last();
        let mut last = last.map(|at| panic.split_off(at)).unwrap_or_default();
        let after = end(&last.bytes).map(|at| last.split_off(at)).unwrap_or_default();
        self.text.push(&panic.bytes);
        self.text.push(&after.bytes);
        self.released = 0;
        let (last, shown) = (last.take_all(), std::mem::take(&mut self.shown_panic));
        (self.text.take_all(), if last.is_empty() { shown } else { last })
    }

    /// The process has ended: its last words, and what stood on standard error before them.
    pub fn take_last_words(&mut self) -> (String, String) {
        self.shown_panic.clear();
        self.released = 0;
        (self.text.take_all(), self.panic.take_all())
    }

    /// The cell ended otherwise: all that is left.
    pub fn take_all(&mut self) -> String {
        let panic = self.panic.take_all();
        self.text.push(panic.as_bytes());
        self.shown_panic.clear();
        self.released = 0;
        self.text.take_all()
    }
}

fn unfinished_character(bytes: &[u8]) -> usize {
    let tail = &bytes[bytes.len().saturating_sub(3)..];
    (0..tail.len())
        .find(|&at| std::str::from_utf8(&tail[at..]).is_err_and(|e| e.error_len().is_none() && e.valid_up_to() == 0))
        .map_or(0, |at| tail.len() - at)
}

/// How a process announces that it ends, at the beginning of a line.
const LAST_WORDS: [&[u8]; 4] =
    [b"terminate called ", b"memory allocation of ", b"fatal runtime error: ", b"While processing instruction "];
/// How the signal handler does so (crash.rs).
const CRASH: &[u8] = b"\x1b]noisebook-crash;";
/// What the panic hook writes behind a message, and how that ends (failure/panic.rs).
const FRAMES: &[u8] = b"\n\x1b]noisebook-frames;";
const END: &[u8] = b"\x07\n";

/// Where the last words begin, if these are some. The panic of a thread that is known not to be the cell's is none.
fn last_words(bytes: &[u8]) -> Option<usize> {
    let panic = panics(bytes).find(|at| {
        let text = bytes[*at..].trim_ascii_start();
        text.starts_with(b"thread 'main'") || find(text, FRAMES).is_none()
    });
    let word = lines(bytes).find(|(_, line)| LAST_WORDS.iter().any(|start| line.starts_with(start)));
    [panic, word.map(|(at, _)| at), find(bytes, CRASH)].into_iter().flatten().min()
}

/// Where the messages of panics begin, with the empty line before each.
fn panics(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let panics =
        lines(bytes).filter(|(_, line)| line.starts_with(b"thread '") && find(line, b" panicked at").is_some());
    panics.map(|(start, _)| {
        let blank = start >= 1 && bytes[start - 1] == b'\n' && (start < 2 || bytes[start - 2] == b'\n');
        start - usize::from(blank)
    })
}

/// Where a panic's message ends, if the hook wrote it.
fn end(panic: &[u8]) -> Option<usize> {
    let frames = find(panic, FRAMES)?;
    Some(frames + find(&panic[frames..], END)? + END.len())
}

/// The lines of a text, and where they begin.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut start = 0;
    bytes.split_inclusive(|&byte| byte == b'\n').map(move |line| {
        start += line.len();
        (start - line.len(), line)
    })
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_stay_whole() {
        let text = "aé€😀b".as_bytes();
        for cut in 0..=text.len() {
            let mut gathered = Text::default();
            gathered.push(&text[..cut]);
            let first = gathered.take();
            gathered.push(&text[cut..]);
            assert_eq!(first + &gathered.take(), "aé€😀b");
        }
        let mut broken = Text::default();
        broken.push(b"a\xff\xfeb\xc3");
        assert_eq!(broken.take(), "a\u{fffd}\u{fffd}b");
        assert_eq!(broken.take_all(), "\u{fffd}");
    }

    #[test]
    fn panics_without_end_are_text() {
        let mut stderr = ErrorText::default();
        let caught = format!("\nthread 'main' (5) panicked at src/lib.rs:3:1:\n{}\n", "x".repeat(1_000));
        let mut shown = String::new();
        for _ in 0..2_000 {
            stderr.push(caught.as_bytes());
            shown += &stderr.take(true);
            assert!(stderr.panic.bytes.len() <= LARGEST_PANIC + caught.len());
        }
        let (text, panic) = stderr.take_panic();
        assert_eq!(panic, caught);
        assert_eq!(shown + &text, caught.repeat(1_999));
        // One panic with a message without end: the beginning of it is the traceback's.
        stderr.push(caught.as_bytes());
        (0..1_000).for_each(|_| stderr.push("é".repeat(1_000).as_bytes()));
        assert!(stderr.take(true).len() > LARGEST_PANIC);
        stderr.push(b"more");
        let (text, panic) = stderr.take_panic();
        assert_eq!(text, "more");
        assert!(panic.starts_with(&caught) && panic.len() < LARGEST_PANIC + 4, "{}", panic.len());
    }

    #[test]
    fn a_panic_waits_for_the_end() {
        let mut stderr = ErrorText::default();
        stderr.push(b"before\n\nthread 'main' (5) panicked at src/lib.rs:3:1:\nfirst\n");
        assert_eq!(stderr.take(true), "before\n");
        stderr.push(b"between\n\nthread 'main' (5) panicked at src/lib.rs:4:1:\nsecond\n");
        assert_eq!(stderr.take(true), "");
        let (text, panic) = stderr.take_panic();
        assert_eq!(text, "\nthread 'main' (5) panicked at src/lib.rs:3:1:\nfirst\nbetween\n");
        assert_eq!(panic, "\nthread 'main' (5) panicked at src/lib.rs:4:1:\nsecond\n");
        assert!(!stderr.waits());
        stderr.push(b"\nthread '<unnamed>' (6) panicked at a.rs:1:1:\ncaught\n");
        assert_eq!(stderr.take(true), "");
        assert_eq!(stderr.take_all(), "\nthread '<unnamed>' (6) panicked at a.rs:1:1:\ncaught\n");
    }

    #[test]
    fn text_after_a_panic_is_no_part_of_it() {
        let mut stderr = ErrorText::default();
        let panic = "\nthread 'main' panicked at a.rs:1:1:\nfirst\n\x1b]noisebook-frames;7:1a \x07\n";
        stderr.push(format!("before\n{panic}after\n").as_bytes());
        assert_eq!(stderr.take_panic(), ("before\nafter\n".to_string(), panic.to_string()));
        // That of another thread does not wait.
        let other = panic.replace("main", "worker");
        stderr.push(other.as_bytes());
        assert_eq!(stderr.take(true), other);
    }

    #[test]
    fn last_words_wait_too() {
        let mut stderr = ErrorText::default();
        let words = "terminate called after throwing an instance of 'c10::Error'\n  what():  wrong\n";
        stderr.push(format!("before\n{words}").as_bytes());
        assert_eq!(stderr.take(true), "before\n");
        assert_eq!(stderr.take_last_words(), (String::new(), words.to_string()));
        stderr.push(b"one memory allocation of 7 bytes failed\n");
        assert_eq!(stderr.take_last_words().1, "");
    }
}
