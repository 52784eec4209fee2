//! The thread that runs the cells, one after the other.

use super::failure::Failure;
use super::history::History;
use super::message::Message;
use super::pump::Shared;
use super::queue::Queue;
use super::session::Session;
use super::shell::Replies;
use super::warm::{SessionFolder, Warm};
use super::{Result, Status, expressions, pager};
use serde_json::{Value, json};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Runs cells for the front end.
pub struct Worker {
    pub queue: Arc<Queue>,
    pub shared: Arc<Shared>,
    pub status: Arc<Status>,
    pub replies: Replies,
    pub warm: Warm,
    pub history: Arc<History>,
    /// Counts cells from 1.
    pub count: u64,
}

impl Worker {
    /// Never returns.
    pub fn run(mut self, folder: &SessionFolder) {
        let mut session = self.start(folder).map_err(|error| {
            eprintln!("noisebook: cells cannot be run: {error}");
            error.to_string()
        });
        if let Ok(session) = &mut session {
            while self.queue.is_empty() && session.warm_up() {}
        }
        loop {
            let request = self.queue.next();
            self.execute(&request, &mut session);
        }
    }

    fn start(&self, folder: &SessionFolder) -> Result<Session> {
        if !self.warm.is_ready() {
            eprintln!("noisebook: preparing the build of the cells, once; this takes minutes");
            // In a process of its own: evcxr's build folder is chosen by a variable of the whole process.
            let status = Command::new(std::env::current_exe()?).arg("prepare").status()?;
            if !status.success() {
                return Err("the build of the cells could not be prepared; the kernel's log says why".into());
            }
        }
        self.warm.fill(folder)?;
        Session::start(self.shared.clone(), folder.path(), &self.warm)
    }

    fn execute(&mut self, request: &Message, session: &mut std::result::Result<Session, String>) {
        let code = request.text("code").unwrap_or_default();
        let silent = request.flag("silent", false);
        let stored = !silent && request.flag("store_history", true);
        if stored {
            self.count += 1;
            self.history.add(self.count, code);
        }
        let publisher = &self.replies.publisher;
        publisher.status(&request.header, "busy");
        self.shared.output.begin(request, self.count, silent);
        if !silent {
            publisher.publish(&request.header, "execute_input", json!({ "code": code, "execution_count": self.count }));
        }
        self.status.running.store(true, Ordering::SeqCst);
        let result = self.evaluate(request, session);
        self.status.running.store(false, Ordering::SeqCst);
        let value = self.shared.output.end();
        if stored {
            self.history.set_output(value);
        }
        // A failed cell takes those with it that wait behind it now, and none that a client sends once it knows.
        let stop = result.is_err() && request.flag("stop_on_error", true);
        let aborted = if stop { self.queue.take_all() } else { Vec::new() };
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
            self.replies.send(&request, "execute_reply", json!({ "status": "aborted", "execution_count": self.count }));
            self.replies.publisher.status(&request.header, "idle");
        }
    }

    /// Runs a cell; gives what its reply says besides that all went well.
    fn evaluate(
        &self,
        request: &Message,
        session: &mut std::result::Result<Session, String>,
    ) -> std::result::Result<Value, Failure> {
        let Some(code) = request.text("code") else {
            let code = request.content.get("code").unwrap_or(&Value::Null);
            return Err(Failure::plain("InvalidRequest", &format!("code = {code}: it must be a text")));
        };
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
