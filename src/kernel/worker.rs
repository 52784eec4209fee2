//! The thread that runs the cells, one after the other.

use super::failure::Failure;
use super::history::History;
use super::interrupts::{self, Interrupted};
use super::language::Language;
use super::message::Message;
use super::preparing::Preparing;
use super::pump::Shared;
use super::queue::Queue;
use super::session::Session;
use super::shell::Replies;
use super::warm::{SessionFolder, Warm};
use super::{Result, expressions, lock, log, pager};
use crate::show::frame::{self, MessageKind};
use serde_json::{Value, json};
use std::sync::Arc;

/// Runs cells for the front end.
pub struct Worker {
    pub queue: Arc<Queue>,
    pub shared: Arc<Shared>,
    pub replies: Replies,
    pub warm: Warm,
    pub language: Language,
    pub history: Arc<History>,
    /// Counts cells from 1.
    pub count: u64,
}

/// A session, or why there is none.
type Started = std::result::Result<Session, String>;

impl Worker {
    /// Never returns.
    pub fn run(mut self, folder: &SessionFolder) {
        let mut preparing = if self.warm.is_ready() { None } else { Some(Preparing::start()) };
        let mut session = if preparing.is_none() { self.start(folder) } else { Err(String::new()) };
        loop {
            let request = self.queue.next();
            let stored = self.begin(&request);
            if session.is_err() && preparing.is_none() {
                // It failed before. What was in the way may be gone.
                if self.warm.is_ready() {
                    session = self.start(folder);
                } else {
                    preparing = Some(Preparing::start());
                }
            }
            let waited = preparing.as_mut().map_or(Ok(()), |preparing| preparing.wait(&self.shared));
            if waited.is_ok() && preparing.take().is_some() {
                session = self.start(folder);
            }
            let result = waited.and_then(|()| self.evaluate(&request, &mut session));
            let value = self.shared.output.end();
            if stored {
                self.history.set_output(value);
            }
            self.end(&request, result);
            if let Ok(session) = &mut session {
                *lock(&self.language.notebook) = session.notebook();
            }
        }
    }

    fn start(&self, folder: &SessionFolder) -> Started {
        // evcxr begins with a cell of its own, whose value nobody asked for.
        self.shared.output.hold_value();
        let start = || -> Result<Session> {
            self.warm.fill(folder.path())?;
            Session::start(self.shared.clone(), folder.path(), &self.warm)
        };
        let session = start();
        self.shared.output.take_value();
        session.map_err(|error| {
            // At the end of a kernel that has just begun, the folder goes first.
            if folder.path().exists() {
                log::line(format_args!("cells cannot be run: {error}"));
            }
            error.to_string()
        })
    }

    /// Announces a cell; true if it is kept in the history.
    fn begin(&mut self, request: &Message) -> bool {
        let code = request.text("code").unwrap_or_default();
        let silent = request.flag("silent", false);
        let stored = !silent && request.flag("store_history", true);
        if stored {
            self.count += 1;
            self.history.add(self.count, code);
        }
        // Before the front end hears of the cell: it may interrupt at once, or may have done so.
        let early = self.shared.interrupts.taken(1);
        self.shared.begin();
        self.shared.input.begin(request);
        if early {
            interrupts::ask(&self.shared);
        }
        let publisher = &self.replies.publisher;
        publisher.status(&request.header, "busy");
        self.shared.output.begin(request, self.count, silent);
        if !silent {
            publisher.publish(&request.header, "execute_input", json!({ "code": code, "execution_count": self.count }));
        }
        stored
    }

    /// Replies.
    fn end(&self, request: &Message, result: std::result::Result<Value, Failure>) {
        let asked = self.shared.interrupts.end() != Interrupted::Not;
        let result = if asked && result.is_ok() { Err(Failure::interrupted(Interrupted::Running)) } else { result };
        // A failed cell takes those with it that wait behind it now, and none that a client sends once it knows.
        let stop = asked || result.is_err() && request.flag("stop_on_error", true);
        let aborted = if stop { self.queue.take_all() } else { Vec::new() };
        self.shared.interrupts.taken(aborted.len());
        let (status, answer) = match result {
            Ok(answer) => ("ok", answer),
            Err(failure) => {
                let content = failure.content();
                self.shared.output.error(content.clone());
                ("error", content)
            }
        };
        let mut content =
            json!({ "status": status, "execution_count": self.count, "payload": [], "user_expressions": {} });
        answer.as_object().into_iter().flatten().for_each(|(name, value)| content[name] = value.clone());
        self.replies.send(request, "execute_reply", content);
        self.replies.publisher.status(&request.header, "idle");
        for request in aborted {
            self.replies.publisher.status(&request.header, "busy");
            self.replies.send(&request, "execute_reply", json!({ "status": "aborted" }));
            self.replies.publisher.status(&request.header, "idle");
        }
    }

    /// Runs a cell; gives what its reply says besides that all went well.
    fn evaluate(&self, request: &Message, session: &mut Started) -> std::result::Result<Value, Failure> {
        let Some(code) = request.text("code") else {
            let code = request.content.get("code").unwrap_or(&Value::Null);
            return Err(Failure::plain("InvalidRequest", &format!("code = {code}: it must be a text")));
        };
        if let Some(name) = pager::name(code) {
            let Some(page) = self.language.document(name) else {
                return Err(Failure::plain("NotFound", &format!("there is no documentation of `{name}`")));
            };
            let mut answer = frame::Message::new(MessageKind::ExecuteResult);
            answer.data = page;
            return Ok(json!({ "payload": [pager::payload(code, answer)] }));
        }
        let session = match session {
            Ok(session) => session,
            Err(reason) => return Err(Failure::plain("KernelError", &format!("cells cannot be run: {reason}"))),
        };
        let output = &self.shared.output;
        if pager::is_asked_for(code) {
            output.hold_value();
        }
        let result = session.execute(code);
        let answer = output.take_value().map(|answer| pager::payload(code, answer));
        result?;
        let payload: Vec<Value> = answer.into_iter().collect();
        Ok(json!({ "payload": payload, "user_expressions": expressions::evaluate(session, output, request) }))
    }
}
