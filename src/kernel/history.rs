//! What was run: the cells of this session and, from a file, of those before it.

use super::history_file::HistoryFile;
use super::{glob, lock, log};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Mutex;

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Counted from 1 over all sessions of the user.
    pub session: i64,
    /// Counted from 1 in the session.
    pub line: u64,
    pub input: String,
    /// The text of its value, in the session that runs.
    pub output: Option<String>,
}

/// The cells of this session, and where the others are.
pub struct History {
    /// None where the user's folder is not known.
    file: Option<HistoryFile>,
    own: Mutex<Own>,
}

#[derive(Default)]
struct Own {
    /// None until the first cell, which takes the next free number.
    session: Option<i64>,
    cells: Vec<Entry>,
    /// The log was told once that the file cannot be written.
    told: bool,
}

/// How many cells a request gets that does not say.
const USUAL: u64 = 10;

impl History {
    pub fn new(file: Option<HistoryFile>) -> Self {
        Self { file, own: Mutex::default() }
    }

    /// Keeps a cell that begins. A history that cannot be written is no reason to trouble anybody.
    pub fn add(&self, line: u64, input: &str) {
        let mut own = lock(&self.own);
        match self.file.as_ref().map(|file| file.append(own.session, line, input)) {
            Some(Ok(session)) => own.session = Some(session),
            Some(Err(error)) if !std::mem::replace(&mut own.told, true) => {
                log::line(format_args!("a cell is not in the history's file: {error}"));
            }
            _ => {}
        }
        own.cells.push(Entry { session: 0, line, input: input.to_string(), output: None });
    }

    /// The value of the cell that began last.
    pub fn set_output(&self, output: Option<String>) {
        if let Some(entry) = lock(&self.own).cells.last_mut() {
            entry.output = output;
        }
    }

    /// The content of the reply to a `history_request`.
    pub fn answer(&self, request: &Value) -> Value {
        let number = |name: &str| request.get(name).and_then(Value::as_i64);
        let count = request.get("n").and_then(Value::as_u64);
        let (cells, own) = self.cells();
        let found = match request.get("hist_access_type").and_then(Value::as_str) {
            Some("tail") => last(cells, count.unwrap_or(USUAL)),
            Some("range") => range(cells, own, number("session").unwrap_or(0), number("start"), number("stop")),
            Some("search") => {
                let pattern = request.get("pattern").and_then(Value::as_str).unwrap_or("*");
                let unique = request.get("unique").and_then(Value::as_bool).unwrap_or(false);
                last(search(cells, pattern, unique), count.unwrap_or(u64::MAX))
            }
            _ => Vec::new(),
        };
        // The text that was sent is the text that was run: `raw` makes no difference.
        let output = request.get("output").and_then(Value::as_bool).unwrap_or(false);
        let row = |Entry { session, line, input, output: value }| match output {
            true => json!([session, line, [input, value]]),
            false => json!([session, line, input]),
        };
        json!({ "status": "ok", "history": found.into_iter().map(row).collect::<Vec<_>>() })
    }

    /// All cells in the order of their numbers, and the number of this session.
    fn cells(&self) -> (Vec<Entry>, i64) {
        let mut cells = self.file.as_ref().map(HistoryFile::read).unwrap_or_default();
        let own = lock(&self.own);
        let next = cells.iter().map(|entry| entry.session).max().unwrap_or(0) + 1;
        let session = own.session.unwrap_or(next);
        cells.retain(|entry| entry.session != session);
        cells.extend(own.cells.iter().cloned().map(|entry| Entry { session, ..entry }));
        cells.sort_by_key(|entry| (entry.session, entry.line));
        (cells, session)
    }
}

fn last(mut cells: Vec<Entry>, count: u64) -> Vec<Entry> {
    let first = cells.len().saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
    cells.split_off(first)
}

/// The lines from `start` to before `stop` of a session; 0 is this one, -1 the one before it.
fn range(cells: Vec<Entry>, own: i64, session: i64, start: Option<i64>, stop: Option<i64>) -> Vec<Entry> {
    let session = if session < 0 {
        let mut earlier: Vec<i64> = cells.iter().map(|entry| entry.session).filter(|&other| other < own).collect();
        earlier.dedup();
        let back = usize::try_from(session.unsigned_abs()).unwrap_or(usize::MAX);
        match earlier.len().checked_sub(back) {
            Some(at) => earlier[at],
            None => return Vec::new(),
        }
    } else if session == 0 {
        own
    } else {
        session
    };
    let end =
        cells.iter().filter(|entry| entry.session == session).map(|entry| entry.line as i64).max().unwrap_or(0) + 1;
    // Below zero they count from the end, as in IPython.
    let place = |at: i64| if at < 0 { end.saturating_add(at) } else { at };
    let (start, stop) = (place(start.unwrap_or(0)), place(stop.unwrap_or(end)));
    let inside = |entry: &Entry| entry.session == session && (start..stop).contains(&(entry.line as i64));
    cells.into_iter().filter(inside).collect()
}

fn search(mut cells: Vec<Entry>, pattern: &str, unique: bool) -> Vec<Entry> {
    cells.retain(|entry| glob::matches(pattern, &entry.input));
    if unique {
        let mut seen = HashSet::new();
        // The last of those that are the same.
        cells.reverse();
        cells.retain(|entry| seen.insert(entry.input.clone()));
        cells.reverse();
    }
    cells
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ask(history: &History, request: Value) -> Vec<Value> {
        let reply = history.answer(&request);
        assert_eq!(reply["status"], "ok");
        reply["history"].as_array().unwrap().clone()
    }

    /// Two sessions before this one, and three cells in it.
    fn history(folder: &tempfile::TempDir) -> History {
        let file = || Some(HistoryFile::new(folder.path().join("deep/history.jsonl")));
        for cells in [&["one", "two"][..], &["two", "three"]] {
            let history = History::new(file());
            (1..).zip(cells).for_each(|(line, input)| history.add(line, input));
        }
        let history = History::new(file());
        history.add(1, "let x = 1;");
        history.add(2, "x");
        history.set_output(Some("1".into()));
        history.add(3, "two");
        history
    }

    #[test]
    fn the_tail_reaches_into_earlier_sessions() {
        let folder = tempfile::tempdir().unwrap();
        let history = history(&folder);
        let tail = ask(&history, json!({ "hist_access_type": "tail", "n": 4, "raw": true, "output": false }));
        assert_eq!(
            tail,
            [json!([2, 2, "three"]), json!([3, 1, "let x = 1;"]), json!([3, 2, "x"]), json!([3, 3, "two"])]
        );
        let tail = ask(&history, json!({ "hist_access_type": "tail", "n": 2, "output": true }));
        assert_eq!(tail, [json!([3, 2, ["x", "1"]]), json!([3, 3, ["two", null]])]);
        assert_eq!(ask(&history, json!({ "hist_access_type": "tail" })).len(), 7);
        assert_eq!(ask(&history, json!({ "hist_access_type": "tail", "n": 0 })).len(), 0);
    }

    #[test]
    fn ranges_are_of_one_session() {
        let folder = tempfile::tempdir().unwrap();
        let history = history(&folder);
        let lines = |session: i64, start: Option<i64>, stop: Option<i64>| {
            let request = json!({ "hist_access_type": "range", "session": session, "start": start, "stop": stop });
            let rows = ask(&history, request);
            rows.iter().map(|row| (row[0].as_i64().unwrap(), row[1].as_i64().unwrap())).collect::<Vec<_>>()
        };
        assert_eq!(lines(0, Some(1), Some(3)), [(3, 1), (3, 2)]);
        assert_eq!(lines(3, Some(2), None), [(3, 2), (3, 3)]);
        assert_eq!(lines(0, Some(-1), None), [(3, 3)]);
        assert_eq!(lines(-1, None, None), [(2, 1), (2, 2)]);
        assert_eq!(lines(-2, Some(2), Some(9)), [(1, 2)]);
        assert_eq!(lines(1, Some(1), Some(2)), [(1, 1)]);
        for session in [-3, 4, i64::MIN, i64::MAX] {
            assert_eq!(lines(session, None, None), []);
        }
        assert_eq!(lines(0, Some(i64::MIN), Some(i64::MAX)).len(), 3);
    }

    #[test]
    fn a_search_is_for_a_pattern() {
        let folder = tempfile::tempdir().unwrap();
        let history = history(&folder);
        let found = |more: Value| {
            let mut request = json!({ "hist_access_type": "search" });
            request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            ask(&history, request).iter().map(|row| row.as_array().unwrap()[..2].to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(found(json!({ "pattern": "two" })).len(), 3);
        assert_eq!(found(json!({ "pattern": "two", "unique": true })), [[json!(3), json!(3)]]);
        assert_eq!(found(json!({ "pattern": "t*", "n": 2 })), [[json!(2), json!(2)], [json!(3), json!(3)]]);
        assert_eq!(found(json!({ "pattern": "nothing" })).len(), 0);
        assert_eq!(found(json!({})).len(), 7);
    }

    #[test]
    fn odd_requests_find_nothing() {
        let history = History::new(None);
        history.add(1, "x");
        for request in [json!({}), json!({ "hist_access_type": 3 }), json!({ "hist_access_type": "else" })] {
            assert_eq!(ask(&history, request).len(), 0);
        }
        let request = json!({ "hist_access_type": "tail", "n": "many", "output": 5, "raw": [] });
        assert_eq!(ask(&history, request), [json!([1, 1, "x"])]);
    }
}
