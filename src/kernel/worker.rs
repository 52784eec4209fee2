//! The thread that runs the cells, one after the other.

use super::failure::{Failure, INTERRUPTED};
use super::language::Language;
use super::message::Message;
use super::preparing::Preparing;
use super::pump::Shared;
use super::queue::Queue;
use super::session::Session;
use super::shell::Replies;
use super::warm::{SessionFolder, Warm};
use super::{Result, lock};
use serde_json::{Value, json};
use std::sync::Arc;

/// Runs cells for the front end.
pub struct Worker {
    pub queue: Arc<Queue>,
    pub shared: Arc<Shared>,
    pub replies: Replies,
    pub warm: Warm,
    pub language: Language,
    /// Counts cells from 1.
    pub count: u64,
}

impl Worker {
    /// Never returns.
    pub fn run(mut self, folder: &SessionFolder) {
        let mut preparing = if self.warm.is_ready() { None } else { Some(Preparing::start()) };
        let mut session = if preparing.is_none() { self.start(folder) } else { Err(String::new()) };
        loop {
            let request = self.queue.next();
            self.begin(&request);
            let waited = preparing.as_mut().map_or(Ok(()), |preparing| preparing.wait(&self.shared));
            if waited.is_ok() && preparing.take().is_some() {
                session = self.start(folder);
            }
            let code = request.content.get("code").and_then(Value::as_str).unwrap_or_default();
            let result = waited.and_then(|()| match &mut session {
                Ok(session) => session.execute(code),
                Err(reason) => Err(Failure::plain("KernelError", &format!("cells cannot be run: {reason}"))),
            });
            self.end(&request, result);
            if let Ok(session) = &mut session {
                *lock(&self.language.notebook) = session.notebook();
            }
        }
    }

    fn start(&self, folder: &SessionFolder) -> std::result::Result<Session, String> {
        let start = || -> Result<Session> {
            self.warm.fill(folder.path())?;
            Session::start(self.shared.clone(), folder.path(), &self.warm)
        };
        start().map_err(|error| {
            eprintln!("noisebook: cells cannot be run: {error}");
            error.to_string()
        })
    }

    fn begin(&mut self, request: &Message) {
        let code = request.content.get("code").and_then(Value::as_str).unwrap_or_default();
        let silent = request.flag("silent", false);
        if !silent && request.flag("store_history", true) {
            self.count += 1;
        }
        let publisher = &self.replies.publisher;
        publisher.status(&request.header, "busy");
        self.shared.output.begin(request, self.count, silent);
        if !silent {
            publisher.publish(&request.header, "execute_input", json!({ "code": code, "execution_count": self.count }));
        }
    }

    fn end(&self, request: &Message, result: std::result::Result<(), Failure>) {
        // A failed cell takes those with it that wait behind it now, and none that a client sends once it knows.
        let interrupted = result.as_ref().is_err_and(|failure| failure.name == INTERRUPTED);
        let stop = interrupted || result.is_err() && request.flag("stop_on_error", true);
        let aborted = if stop { self.queue.take_all() } else { Vec::new() };
        match result {
            Ok(()) => {
                let content =
                    json!({ "status": "ok", "execution_count": self.count, "payload": [], "user_expressions": {} });
                self.replies.send(request, "execute_reply", content);
            }
            Err(Failure { name, value, traceback }) => {
                self.shared.output.error(&name, &value, &traceback);
                let content = json!({
                    "status": "error", "execution_count": self.count, "ename": name, "evalue": value,
                    "traceback": traceback, "payload": [], "user_expressions": {},
                });
                self.replies.send(request, "execute_reply", content);
            }
        }
        self.replies.publisher.status(&request.header, "idle");
        for request in aborted {
            self.replies.publisher.status(&request.header, "busy");
            self.replies.send(&request, "execute_reply", json!({ "status": "aborted" }));
            self.replies.publisher.status(&request.header, "idle");
        }
    }
}
