//! The control channel: what must be answered whatever a cell does.

use super::{Kernel, Result, channels, interrupts, log};
use serde_json::{Value, json};
use std::time::Duration;

/// Serves the channel until its socket fails.
pub fn run(kernel: &Kernel, socket: &zmq::Socket) -> Result<()> {
    loop {
        match kernel.signer.decode(channels::receive(socket)?) {
            Ok(request) => kernel.answer(socket, &request),
            Err(error) => kernel.drops.say("control", error),
        }
    }
}

impl Kernel {
    /// Answers anything but a cell, on the socket that it came from.
    pub fn answer(&self, socket: &zmq::Socket, request: &super::message::Message) {
        self.publisher.status(&request.header, "busy");
        let shutdown = request.kind() == "shutdown_request";
        let content = match request.kind() {
            "interrupt_request" => {
                interrupts::ask(&self.shared);
                Some(("interrupt_reply", json!({ "status": "ok" })))
            }
            "shutdown_request" => {
                let content = json!({ "status": "ok", "restart": request.flag("restart", false) });
                self.publisher.publish(&request.header, "shutdown_reply", content.clone());
                Some(("shutdown_reply", content))
            }
            // No target is known here: the front end hears at once that its comm is closed.
            "comm_open" => {
                let id = request.content.get("comm_id").cloned().unwrap_or(Value::Null);
                self.publisher.publish(&request.header, "comm_close", json!({ "comm_id": id, "data": {} }));
                None
            }
            // To a comm that was closed: nobody waits for an answer.
            "comm_msg" | "comm_close" => None,
            kind => {
                let content = super::shell::content(self, request);
                if content.is_none() {
                    self.drops.say("shell or control", format_args!("{kind} is not known here"));
                }
                content
            }
        };
        if let Some((kind, content)) = content {
            let reply = self.author.reply(request, kind, content);
            if let Err(error) = socket.send_multipart(self.signer.encode(&reply), 0) {
                log::line(format_args!("{kind} was not sent: {error}"));
            }
        }
        self.publisher.status(&request.header, "idle");
        if shutdown {
            // zmq sends from a thread of its own.
            std::thread::sleep(Duration::from_millis(100));
            self.exit(0);
        }
    }
}
