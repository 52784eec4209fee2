//! The kernel's log: its own standard error, which front ends show in a terminal or a file.

use super::lock;
use std::fmt::Display;
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Writes a line. A log that nobody reads any more must not end the kernel, so that failure is no failure.
pub fn line(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "noisebook: {text}");
}

const PERIOD: Duration = Duration::from_secs(10);
const LINES: u64 = 5;

/// Says which messages were dropped, a few lines at a time, whatever comes in.
#[derive(Default)]
pub struct Drops {
    period: Mutex<Option<Period>>,
}

struct Period {
    begin: Instant,
    count: u64,
}

impl Drops {
    pub fn say(&self, channel: &str, why: impl Display) {
        for text in self.lines(channel, &why, Instant::now()) {
            line(text);
        }
    }

    fn lines(&self, channel: &str, why: &dyn Display, now: Instant) -> Vec<String> {
        let mut period = lock(&self.period);
        let mut lines = Vec::new();
        if let Some(Period { count, .. }) = period.take_if(|period| now.duration_since(period.begin) >= PERIOD)
            && count > LINES
        {
            lines.push(format!("{} more messages were dropped", count - LINES));
        }
        let period = period.get_or_insert(Period { begin: now, count: 0 });
        period.count += 1;
        if period.count <= LINES {
            lines.push(format!("a message on the {channel} channel was dropped: {why}"));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_drops_are_a_few_lines() {
        let (drops, begin) = (Drops::default(), Instant::now());
        let lines: Vec<_> = (0..10_000).flat_map(|_| drops.lines("shell", &"no delimiter", begin)).collect();
        assert_eq!(lines.len() as u64, LINES);
        assert_eq!(lines[0], "a message on the shell channel was dropped: no delimiter");
        let lines = drops.lines("control", &"a wrong signature", begin + PERIOD);
        assert_eq!(
            lines,
            ["9995 more messages were dropped", "a message on the control channel was dropped: a wrong signature"]
        );
    }
}
