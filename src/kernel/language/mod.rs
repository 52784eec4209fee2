//! Completion and inspection, in a process of their own.
//!
//! rust-analyzer knows the answers, once it has read the standard library, the crate and all its dependencies, which takes
//! tens of seconds and a gigabyte of memory. In another process, at a low priority, that keeps no cell waiting; questions
//! are answered while a cell runs; and whatever happens to rust-analyzer, the variables are safe. It starts when the
//! kernel has been idle for a moment, or is asked: where a program runs one cell after the other, nobody asks.

mod documentation;
mod members;
mod plain;
mod process;

use super::cell;
use super::message::Message;
use super::notebook::Notebook;
use super::pump::Shared;
use super::shell::Replies;
use super::{Result, environment, lock, log};
use ra_ap_syntax::ast::{self, AstToken};
use ra_ap_syntax::{Edition, SourceFile, SyntaxKind, SyntaxToken, TextSize};
use serde_json::{Map, Value, json};
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub use process::run as answer_questions;

/// How long a front end waits for an answer while a cell runs. Later ones are thrown away.
const PATIENCE: Duration = Duration::from_millis(900);

/// How long it waits otherwise: at the beginning rust-analyzer still reads.
const IDLE_PATIENCE: Duration = Duration::from_secs(14);

/// How long a cell waits that asks for documentation: rust-analyzer may still be reading.
const LONG_PATIENCE: Duration = Duration::from_secs(60);

/// How often is looked whether the kernel is idle. Idle twice in a row, it has somebody who reads or types.
const LOOK: Duration = Duration::from_secs(1);

/// Documentation as MIME types and their contents.
pub type Page = Map<String, Value>;

enum Request {
    /// From a front end.
    Answer(Box<Message>),
    /// From a cell: what is this?
    Document(String, Sender<Option<Page>>),
}

/// Where requests go.
#[derive(Clone)]
pub struct Language {
    requests: Sender<Request>,
    /// As of the last cell.
    pub notebook: Arc<Mutex<Notebook>>,
}

impl Language {
    /// And the work of the thread that answers, which starts the process that knows.
    pub fn new(replies: Replies, shared: Arc<Shared>, folder: PathBuf) -> (Self, impl FnOnce() + Send + 'static) {
        let (requests, received) = channel();
        let notebook = Arc::new(Mutex::new(Notebook::default()));
        let answering = Answering { replies, shared, notebook: notebook.clone(), folder, process: None, count: 0 };
        (Self { requests, notebook }, move || answering.run(&received))
    }

    pub fn ask(&self, request: Message) {
        // Without the thread the kernel ends.
        let _ = self.requests.send(Request::Answer(Box::new(request)));
    }

    /// Waits for the documentation of a name.
    pub fn document(&self, name: &str) -> Option<Page> {
        let (sender, page) = channel();
        self.requests.send(Request::Document(name.to_string(), sender)).ok()?;
        page.recv().ok()?
    }
}

struct Answering {
    replies: Replies,
    shared: Arc<Shared>,
    notebook: Arc<Mutex<Notebook>>,
    folder: PathBuf,
    process: Option<Process>,
    /// Numbers the questions.
    count: u64,
}

struct Process {
    questions: ChildStdin,
    answers: Receiver<Value>,
    /// The last question has no answer yet. Another one might fill the pipe.
    open: bool,
}

impl Answering {
    fn run(mut self, requests: &Receiver<Request>) {
        let mut idle = 0;
        loop {
            let received = if idle < 2 {
                requests.recv_timeout(LOOK)
            } else {
                requests.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            let request = match received {
                Ok(Request::Answer(request)) => request,
                Ok(Request::Document(name, page)) => {
                    let _ = page.send(self.documentation(&name, name.len(), LONG_PATIENCE));
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => {
                    idle = if self.shared.interrupts.idle() { idle + 1 } else { 0 };
                    if idle == 2 {
                        self.ready();
                    }
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            self.replies.publisher.status(&request.header, "busy");
            let code = request.content.get("code").and_then(Value::as_str).unwrap_or_default();
            let cursor =
                request.content.get("cursor_pos").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
            let cursor = cursor.map_or(code.len(), |cursor| byte_offset(code, cursor));
            if request.kind() == "inspect_request" {
                let content = self.inspect(code, cursor);
                self.replies.send(&request, "inspect_reply", content);
            } else {
                let content = self.complete(code, cursor);
                self.replies.send(&request, "complete_reply", content);
            }
            self.replies.publisher.status(&request.header, "idle");
        }
    }

    /// Starts the process, unless there is one.
    fn ready(&mut self) {
        if self.process.is_none() {
            self.process = self.start().map_err(|error| log::line(format_args!("no completion: {error}"))).ok();
        }
    }

    fn start(&self) -> Result<Process> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("language").arg(&self.folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.env_remove(environment::SOURCES).env("EVCXR_TMPDIR", &self.folder);
        // SAFETY: the closure runs between fork and exec, and makes two system calls that are safe there.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                libc::setpriority(libc::PRIO_PROCESS, 0, 15);
                Ok(())
            });
        }
        let mut child = command.spawn()?;
        let (Some(questions), Some(out)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the process has no streams".into());
        };
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(std::result::Result::ok) {
                if let Ok(answer) = serde_json::from_str(&line) {
                    let _ = sender.send(answer);
                }
            }
            let _ = child.wait();
        });
        Ok(Process { questions, answers, open: false })
    }

    fn complete(&mut self, code: &str, cursor: usize) -> Value {
        let answer = self.ask("complete", code, cursor, self.patience());
        let matches = answer.as_ref().and_then(|answer| answer["matches"].as_array()).cloned();
        if let (Some(matches), Some(answer)) = (matches.filter(|matches| !matches.is_empty()), answer) {
            let place = |name: &str| answer[name].as_u64().map_or(cursor, |at| at as usize).min(code.len());
            let (start, end) = (characters(code, place("start")), characters(code, place("end")));
            let types: Vec<_> = matches
                .iter()
                .map(|item| json!({ "start": start, "end": end, "text": item["text"], "type": item["kind"] }))
                .collect();
            let texts: Vec<_> = matches.iter().map(|item| item["text"].clone()).collect();
            return json!({
                "status": "ok", "matches": texts, "cursor_start": start, "cursor_end": end,
                "metadata": { "_jupyter_types_experimental": types },
            });
        }
        // rust-analyzer is not ready, or knows nothing: at least the variables, where one can stand.
        let start = word(code, cursor).start;
        let typed = if code[..start].ends_with([':', '.']) { "" } else { &code[start..cursor] };
        let notebook = lock(&self.notebook);
        let names: Vec<_> = if typed.is_empty() { Vec::new() } else { notebook.names(typed).collect() };
        json!({
            "status": "ok", "matches": names, "metadata": {},
            "cursor_start": characters(code, start), "cursor_end": characters(code, cursor),
        })
    }

    fn inspect(&mut self, code: &str, cursor: usize) -> Value {
        if is_text(code, cursor) {
            return json!({ "status": "ok", "found": false, "data": {}, "metadata": {} });
        }
        let end = word(code, cursor).end;
        // With its parenthesis, a method is told from a field.
        let end = end + usize::from(code[end..].starts_with('('));
        let data = self.documentation(code, end, self.patience()).unwrap_or_default();
        json!({ "status": "ok", "found": !data.is_empty(), "data": data, "metadata": {} })
    }

    fn patience(&self) -> Duration {
        if self.shared.interrupts.at_hand() { PATIENCE } else { IDLE_PATIENCE }
    }

    fn documentation(&mut self, code: &str, end: usize, patience: Duration) -> Option<Page> {
        let answer = self.ask("inspect", code, end, patience)?;
        documentation::bundle(answer["html"].as_str()?)
    }

    /// The process's answer, if it comes in time. A process that has ended is started again for the next question.
    fn ask(&mut self, what: &str, code: &str, at: usize, patience: Duration) -> Option<Value> {
        self.ready();
        let begin = Instant::now();
        if self.process.as_ref()?.open {
            self.answer(begin, patience)?;
        }
        let process = self.process.as_mut()?;
        self.count += 1;
        let notebook = lock(&self.notebook).clone();
        let question = json!({
            "id": self.count, "what": what, "code": code, "at": at,
            "before": notebook.source(), "dependencies": notebook.dependencies(),
        });
        if writeln!(process.questions, "{question}").is_err() {
            self.process = None;
            return None;
        }
        process.open = true;
        self.answer(begin, patience)
    }

    /// The answer to the last question, if it comes in time.
    fn answer(&mut self, begin: Instant, patience: Duration) -> Option<Value> {
        let process = self.process.as_mut()?;
        while let Some(left) = patience.checked_sub(begin.elapsed()) {
            match process.answers.recv_timeout(left) {
                Ok(answer) if answer["id"] == self.count => {
                    process.open = false;
                    return Some(answer);
                }
                Ok(_late) => {}
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => {
                    self.process = None;
                    return None;
                }
            }
        }
        None
    }
}

/// The byte at which the character number `index` begins.
fn byte_offset(code: &str, index: usize) -> usize {
    code.char_indices().nth(index).map_or(code.len(), |(at, _)| at)
}

/// How many characters come before a byte.
fn characters(code: &str, byte: usize) -> usize {
    code.get(..byte).unwrap_or(code).chars().count()
}

/// Whether the cursor is in a text or in a comment, whose words are no names.
fn is_text(code: &str, cursor: usize) -> bool {
    let before = format!("{}{}", cell::BEFORE, &code[..cursor]);
    let begun = SourceFile::parse(&before, Edition::Edition2024).syntax_node().last_token();
    let whole = SourceFile::parse(&format!("{}{code}", cell::BEFORE), Edition::Edition2024).syntax_node();
    let at = TextSize::try_from(before.len()).unwrap_or_default();
    let text = |token: &SyntaxToken| ast::AnyString::can_cast(token.kind()) || token.kind() == SyntaxKind::COMMENT;
    // Behind the end of one, or before the beginning, it is not.
    begun.is_some_and(|token| text(&token)) && whole.token_at_offset(at).any(|token| text(&token))
}

/// The name at the cursor, or an empty range.
fn word(code: &str, cursor: usize) -> Range<usize> {
    let part = |c: &char| c.is_alphanumeric() || *c == '_';
    let before: usize = code[..cursor].chars().rev().take_while(part).map(char::len_utf8).sum();
    let after: usize = code[cursor..].chars().take_while(part).map(char::len_utf8).sum();
    cursor - before..cursor + after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_comments_hold_no_names() {
        let code = "let a = \"Dataset\"; // Dataset\nDataset";
        let at = |found: usize| code.match_indices("Dataset").nth(found).map(|(at, _)| at + 3);
        assert_eq!([0, 1, 2].map(|found| at(found).map(|at| is_text(code, at))), [Some(true), Some(true), Some(false)]);
        assert!(!is_text(code, 0) && !is_text(code, code.len()) && !is_text("", 0));
    }

    #[test]
    fn cursors_count_characters() {
        let code = "let é = größe_2.x";
        assert_eq!(byte_offset(code, 8), 9);
        assert_eq!(characters(code, 9), 8);
        assert_eq!(&code[word(code, byte_offset(code, 10))], "größe_2");
        assert_eq!(word(code, byte_offset(code, 7)).len(), 0);
        assert_eq!(byte_offset(code, 1_000), code.len());
    }
}
