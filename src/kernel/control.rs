//! The control channel: what must be answered whatever a cell does.

use super::{Kernel, Result, interrupts};
use serde_json::json;
use std::time::Duration;

/// Serves the channel until its socket fails.
pub fn run(kernel: &Kernel, socket: &zmq::Socket) -> Result<()> {
    loop {
        match kernel.signer.decode(socket.recv_multipart(0)?) {
            Ok(request) => kernel.answer(socket, &request),
            Err(error) => eprintln!("noisebook: a message on the control channel was dropped: {error}"),
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
            _ => super::shell::content(request),
        };
        match content {
            Some((kind, content)) => {
                let reply = self.author.reply(request, kind, content);
                if let Err(error) = socket.send_multipart(self.signer.encode(&reply), 0) {
                    eprintln!("noisebook: {kind} was not sent: {error}");
                }
            }
            None => eprintln!("noisebook: no reply to {}: it is not known here", request.kind()),
        }
        self.publisher.status(&request.header, "idle");
        if shutdown {
            // zmq sends from a thread of its own.
            std::thread::sleep(Duration::from_millis(100));
            self.exit(0);
        }
    }
}
