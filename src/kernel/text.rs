//! Raw bytes of a stream on their way to text.

use std::time::{Duration, Instant};

/// How long text waits for more, so that a hundred short lines become one message.
pub const GATHER: Duration = Duration::from_millis(25);
/// How long the text of a panic waits for the cell to end by it.
const HOLD_PANIC: Duration = Duration::from_secs(3);
const LARGE: usize = 32 * 1024;

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

    /// Splits off what begins with the first or the last panic's message.
    fn split_panic(&mut self, last: bool) -> Option<Self> {
        let at = find_panic(&self.bytes, last)?;
        Some(Self { bytes: self.bytes.split_off(at), since: self.since })
    }
}

/// Standard error: as text, but a panic's message is held back until it is known whether the cell ended by it.
#[derive(Default)]
pub struct ErrorText {
    text: Text,
    panic: Text,
    /// A panic that was held so long that it was shown; the traceback needs it still.
    shown_panic: String,
}

impl ErrorText {
    pub fn push(&mut self, bytes: &[u8]) {
        if self.panic.is_empty() {
            self.text.push(bytes);
            if let Some(panic) = self.text.split_panic(false) {
                self.panic = Text { since: Some(Instant::now()), ..panic };
            }
        } else {
            self.panic.push(bytes);
        }
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
            self.shown_panic = panic;
        }
        if force || self.text.is_due() { self.text.take() } else { String::new() }
    }

    /// The cell ended by a panic: its message, and what stood on standard error before it.
    pub fn take_panic(&mut self) -> (String, String) {
        let last = self.panic.split_panic(true).map(|mut panic| panic.take_all()).unwrap_or_default();
        self.text.push(&std::mem::take(&mut self.panic.bytes));
        self.panic.since = None;
        let shown = std::mem::take(&mut self.shown_panic);
        (self.text.take_all(), if last.is_empty() { shown } else { last })
    }

    /// The cell ended otherwise: all that is left.
    pub fn take_all(&mut self) -> String {
        let panic = self.panic.take_all();
        self.text.push(panic.as_bytes());
        self.shown_panic.clear();
        self.text.take_all()
    }
}

fn unfinished_character(bytes: &[u8]) -> usize {
    let tail = &bytes[bytes.len().saturating_sub(3)..];
    (0..tail.len())
        .find(|&at| std::str::from_utf8(&tail[at..]).is_err_and(|e| e.error_len().is_none() && e.valid_up_to() == 0))
        .map_or(0, |at| tail.len() - at)
}

/// Where the first or last panic's message begins, with the empty line before it.
fn find_panic(bytes: &[u8], last: bool) -> Option<usize> {
    let mut found = None;
    let mut start = 0;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        if line.starts_with(b"thread '") && line.windows(12).any(|window| window == b" panicked at") {
            let blank = start >= 1 && bytes[start - 1] == b'\n' && (start < 2 || bytes[start - 2] == b'\n');
            found = Some(start - usize::from(blank));
            if !last {
                break;
            }
        }
        start += line.len();
    }
    found
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
}
