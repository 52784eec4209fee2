//! One line in a terminal that says how far training is.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(250);

/// The line, on stderr, where that is a terminal.
#[derive(Debug)]
pub(in crate::train) struct Progress {
    terminal: bool,
    last: Option<Instant>,
}

impl Progress {
    pub(in crate::train) fn new() -> Self {
        Self { terminal: stderr().is_terminal(), last: None }
    }

    /// Whether a new line would be written now.
    pub(in crate::train) fn due(&self) -> bool {
        self.terminal && self.last.is_none_or(|last| last.elapsed() >= INTERVAL)
    }

    pub(in crate::train) fn update(&mut self, line: &str) {
        self.last = Some(Instant::now());
        // Back to the start, and away with what is left of a longer line. A terminal that is gone costs nothing.
        let _ = write!(stderr(), "\r{line}\u{1b}[K").and_then(|()| stderr().flush());
    }
}

impl Drop for Progress {
    /// The line goes: the run says the same, and more.
    fn drop(&mut self) {
        if self.last.is_some() {
            let _ = write!(stderr(), "\r\u{1b}[K");
        }
    }
}

/// 1:02:03, 2:03 or 3 s.
pub(in crate::train) fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_read_at_a_glance() {
        assert_eq!([3.4, 61.0, 3_723.0].map(clock), ["3 s", "1:01", "1:02:03"]);
    }

    #[test]
    fn where_there_is_no_terminal_nothing_is_written() {
        assert!(!Progress { terminal: false, last: None }.due());
    }
}
