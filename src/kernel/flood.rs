//! How much of a cell's output is shown. A cell that prints without end must not fill the memory of the kernel, of the
//! server behind it and of the browser.
//!
//! What stays below the limits is shown whole. Above them only the last of it is kept, and shown when the cell ends or
//! prints less; a notice in the place of the rest says how much that was.

use crate::show::frame::{Message, MessageKind};
use serde_json::Value;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

const MB: usize = 1_000_000;
/// Text: so many bytes at once, and so many a second after that.
const TEXT: Meter = Meter::new(8 * MB, MB);
/// Displays, which are larger, and fewer. A message costs a browser something even if it is small.
const DISPLAYS: Meter = Meter::new(256 * MB, 8 * MB);
const DISPLAY_COST: usize = 64_000;
/// How much of the last text is kept, and how many displays.
const KEPT_TEXT: usize = 16_000;
const KEPT_DISPLAYS: usize = 8;
/// How often the notice counts on, and a picture moves that is updated all the time.
const PERIOD: Duration = Duration::from_millis(500);

/// What is to be published.
#[derive(Debug, PartialEq)]
pub enum Piece {
    Text { stream: &'static str, text: String },
    Display(Message),
}

/// A bucket that leaks: full, it takes nothing until it is half empty, so that a flood is not shown in shreds.
#[derive(Clone)]
struct Meter {
    capacity: f64,
    /// A second.
    leak: f64,
    level: f64,
    since: Option<Instant>,
    full: bool,
}

impl Meter {
    const fn new(capacity: usize, leak: usize) -> Self {
        Self { capacity: capacity as f64, leak: leak as f64, level: 0.0, since: None, full: false }
    }

    fn admits(&mut self, size: usize, now: Instant) -> bool {
        let passed = now.duration_since(self.since.unwrap_or(now)).as_secs_f64();
        self.since = Some(now);
        self.level = (self.level - passed * self.leak).max(0.0);
        self.full &= self.level > self.capacity / 2.0;
        self.level += size as f64;
        if self.level > self.capacity {
            self.full = true;
            // What is not shown does not make the next text wait longer.
            self.level = self.capacity;
        }
        !self.full
    }
}

/// The limits of one cell, and what they hold back.
pub struct Flood {
    text: Meter,
    displays: Meter,
    kept: VecDeque<(&'static str, String)>,
    kept_length: usize,
    kept_displays: Vec<Message>,
    left_out: LeftOut,
    notice: Option<(String, Instant)>,
    moved: Option<Instant>,
}

#[derive(Clone, Copy, Default)]
struct LeftOut {
    bytes: usize,
    displays: usize,
}

impl Default for Flood {
    fn default() -> Self {
        Self {
            text: TEXT,
            displays: DISPLAYS,
            kept: VecDeque::new(),
            kept_length: 0,
            kept_displays: Vec::new(),
            left_out: LeftOut::default(),
            notice: None,
            moved: None,
        }
    }
}

impl Flood {
    /// Takes text; gives what is to be shown now.
    pub fn text(&mut self, stream: &'static str, text: String, now: Instant) -> Vec<Piece> {
        if self.text.admits(text.len(), now) {
            let mut pieces = self.release(now);
            pieces.push(Piece::Text { stream, text });
            return pieces;
        }
        self.kept_length += text.len();
        self.kept.push_back((stream, text));
        while let Some((_, first)) = self.kept.front()
            && self.kept_length - first.len() >= KEPT_TEXT
        {
            self.kept_length -= first.len();
            self.left_out.bytes += first.len();
            self.kept.pop_front();
        }
        self.notice(now, false).into_iter().collect()
    }

    /// Takes a display; gives what is to be shown now.
    pub fn display(&mut self, mut message: Message, now: Instant) -> Vec<Piece> {
        let size: usize = message.data.values().filter_map(Value::as_str).map(str::len).sum();
        if self.displays.admits(size + DISPLAY_COST, now) {
            let mut pieces = self.release(now);
            pieces.push(Piece::Display(message));
            return pieces;
        }
        match message.kind {
            MessageKind::ClearOutput => self.kept_displays.clear(),
            MessageKind::UpdateDisplayData => {
                let kept = self.kept_displays.iter().position(|kept| kept.display_id == message.display_id);
                // An update of what was never shown would show nothing.
                if let Some(kept) = kept.map(|at| self.kept_displays.remove(at))
                    && kept.kind == MessageKind::DisplayData
                {
                    message.kind = kept.kind;
                } else if self.moved.is_none_or(|moved| now.duration_since(moved) >= PERIOD) {
                    self.moved = Some(now);
                    return vec![Piece::Display(message)];
                }
            }
            _ => {}
        }
        self.kept_displays.push(message);
        if self.kept_displays.len() <= KEPT_DISPLAYS {
            return Vec::new();
        }
        self.kept_displays.remove(0);
        self.left_out.displays += 1;
        self.notice(now, false).into_iter().collect()
    }

    /// The cell has ended: gives what was held back. Threads that print later begin anew.
    pub fn end(&mut self, now: Instant) -> Vec<Piece> {
        let pieces = self.release(now);
        *self = Self::default();
        pieces
    }

    fn release(&mut self, now: Instant) -> Vec<Piece> {
        let whole = self.left_out.bytes == 0;
        let mut pieces = Vec::new();
        for (stream, text) in std::mem::take(&mut self.kept) {
            match pieces.last_mut() {
                Some(Piece::Text { stream: last, text: joined }) if *last == stream => joined.push_str(&text),
                _ => pieces.push(Piece::Text { stream, text }),
            }
        }
        // After a hole, the text begins at a line.
        if let Some(Piece::Text { text, .. }) = pieces.first_mut()
            && !whole
        {
            let long = text.len().saturating_sub(KEPT_TEXT);
            let line = text.as_bytes()[long..].iter().position(|&byte| byte == b'\n').map_or(0, |at| long + at + 1);
            self.left_out.bytes += line;
            text.drain(..line);
        }
        self.kept_length = 0;
        let notice = self.notice(now, true);
        self.notice = None;
        self.left_out = LeftOut::default();
        let displays = std::mem::take(&mut self.kept_displays).into_iter().map(Piece::Display);
        notice.into_iter().chain(pieces).chain(displays).collect()
    }

    /// The notice, if something was left out and it is time to say so, or the last time.
    fn notice(&mut self, now: Instant, last: bool) -> Option<Piece> {
        if self.left_out.bytes == 0 && self.left_out.displays == 0 {
            return None;
        }
        let kind = match &self.notice {
            None => MessageKind::DisplayData,
            Some((_, said)) if last || now.duration_since(*said) >= PERIOD => MessageKind::UpdateDisplayData,
            Some(_) => return None,
        };
        let id = self.notice.take().map_or_else(|| uuid::Uuid::new_v4().to_string(), |(id, _)| id);
        let mut message = Message::new(kind);
        message.data.insert("text/plain".to_string(), self.left_out.to_string().into());
        message.display_id = Some(id.clone());
        self.notice = Some((id, now));
        Some(Piece::Display(message))
    }
}

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let text = (self.bytes > 0).then(|| format!("{:.1} MB of text", self.bytes as f64 / MB as f64));
        let displays = match self.displays {
            0 => None,
            1 => Some("1 display".to_string()),
            more => Some(format!("{more} displays")),
        };
        let what = [text, displays].into_iter().flatten().collect::<Vec<_>>().join(" and ");
        write!(f, "[noisebook left out {what} here, which came too fast to be shown. The last of it is below.]")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn shown(pieces: &[Piece]) -> String {
        let text = |piece: &Piece| match piece {
            Piece::Text { text, .. } => Some(text.clone()),
            Piece::Display(_) => None,
        };
        pieces.iter().filter_map(text).collect()
    }

    fn said(piece: &Piece) -> (&str, &str) {
        let Piece::Display(message) = piece else { panic!("{piece:?}") };
        (message.kind.name(), message.data["text/plain"].as_str().unwrap())
    }

    #[test]
    fn below_the_limit_nothing_is_lost() {
        let (mut flood, begin) = (Flood::default(), Instant::now());
        let line = "x".repeat(99_999) + "\n";
        // Eight megabytes at once, then one a second.
        for index in 0..80 {
            assert_eq!(shown(&flood.text("stdout", line.clone(), begin)), line, "{index}");
        }
        for tenth in 1..600 {
            let now = begin + seconds(f64::from(tenth) / 9.9);
            assert_eq!(shown(&flood.text("stdout", line.clone(), now)), line, "{tenth}");
        }
        assert_eq!(flood.end(begin + seconds(61.0)), []);
    }

    #[test]
    fn a_flood_shows_its_beginning_and_its_end() {
        let (mut flood, begin) = (Flood::default(), Instant::now());
        let mut pieces = Vec::new();
        let total = 100_000;
        for index in 0..total {
            let stream = if index == total - 1 { "stderr" } else { "stdout" };
            let now = begin + seconds(f64::from(index) / 1_000_000.0);
            pieces.extend(flood.text(stream, format!("{index:0999}\n"), now));
        }
        let first = pieces.iter().position(|piece| matches!(piece, Piece::Display(_))).unwrap();
        let shown_at_once = shown(&pieces[..first]).len();
        assert!((8 * MB..8 * MB + 20_000).contains(&shown_at_once), "{shown_at_once}");
        assert!(shown(&pieces[first..]).is_empty());
        let end = flood.end(begin + seconds(0.2));
        let (kind, text) = said(&end[0]);
        assert_eq!(kind, "update_display_data");
        assert!(text.starts_with("[noisebook left out 92.0 MB of text here"), "{text}");
        let [Piece::Text { stream: "stdout", text: out }, Piece::Text { stream: "stderr", text: err }] = &end[1..]
        else {
            panic!("{end:?}")
        };
        assert!(out.starts_with('0') && out.len() >= KEPT_TEXT - 2_000);
        assert_eq!(err, &format!("{:0999}\n", total - 1));
        // The next text is shown again.
        assert_eq!(shown(&flood.text("stdout", "more".into(), begin + seconds(0.3))), "more");
    }

    #[test]
    fn a_cell_that_prints_less_is_shown_again() {
        let (mut flood, begin) = (Flood::default(), Instant::now());
        flood.text("stdout", "a".repeat(8 * MB), begin);
        assert_eq!(flood.text("stdout", "held\n".into(), begin), []);
        assert_eq!(shown(&flood.text("stdout", "b".into(), begin + seconds(4.1))), "held\nb");
    }

    #[test]
    fn displays_have_a_limit_too() {
        let (mut flood, now) = (Flood::default(), Instant::now());
        let display = |number: usize| {
            let mut message = Message::new(MessageKind::DisplayData);
            message.data.insert("text/plain".into(), number.to_string().into());
            message
        };
        let pieces: Vec<_> = (0..5_000).flat_map(|number| flood.display(display(number), now)).collect();
        let (kind, text) = said(pieces.last().unwrap());
        assert_eq!((kind, text.contains("left out 1 display ")), ("display_data", true));
        let count = pieces.len() - 1;
        assert!(count > 3_900 && count < 4_000, "{count}");
        // A picture that moves goes on to move, more slowly, and its last state is shown.
        let update = |number: usize| Message {
            kind: MessageKind::UpdateDisplayData,
            display_id: Some("figure".into()),
            ..display(number)
        };
        let later = |number: usize| now + seconds(number as f64 / 1000.0);
        let moved: Vec<_> = (0..1_100).flat_map(|number| flood.display(update(number), later(number))).collect();
        assert_eq!(moved.iter().filter(|piece| said(piece).0 == "update_display_data").count(), 3);
        let end = flood.end(later(1_100));
        assert!(
            said(&end[0]).1.contains(&format!("left out {} displays", 5_000 - count - KEPT_DISPLAYS + 1)),
            "{end:?}"
        );
        assert_eq!(said(end.last().unwrap()), ("update_display_data", "1099"));
    }
}
