//! The thread that runs the cells, one after the other.

use super::failure::Failure;
use super::language::Language;
use super::message::Message;
use super::pump::Shared;
use super::queue::Queue;
use super::session::Session;
use super::shell::Replies;
use super::warm::{SessionFolder, Warm};
use super::{Result, Status};
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
    pub language: Language,
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
        self.warm.fill(folder.path())?;
        Session::start(self.shared.clone(), folder.path(), &self.warm)
    }

    fn execute(&mut self, request: &Message, session: &mut std::result::Result<Session, String>) {
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
        self.status.running.store(true, Ordering::SeqCst);
        let result = match session {
            Ok(session) => session.execute(code),
            Err(reason) => Err(Failure::plain("KernelError", &format!("cells cannot be run: {reason}"))),
        };
        self.status.running.store(false, Ordering::SeqCst);
        // A failed cell takes those with it that wait behind it now, and none that a client sends once it knows.
        let stop = result.is_err() && request.flag("stop_on_error", true);
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
        if let Ok(session) = session {
            *super::lock(&self.language.notebook) = session.notebook();
        }
        for request in aborted {
            self.replies.publisher.status(&request.header, "busy");
            self.replies.send(&request, "execute_reply", json!({ "status": "aborted", "execution_count": self.count }));
            self.replies.publisher.status(&request.header, "idle");
        }
    }
}
