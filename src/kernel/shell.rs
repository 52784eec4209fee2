//! The shell channel. Cells go to their own thread; all else is answered at once, also while a cell runs.

use super::language::Language;
use super::message::{Author, Message, PROTOCOL};
use super::output::Publisher;
use super::queue::Queue;
use super::wire::Signer;
use super::{Kernel, Result};
use serde_json::{Value, json};
use std::sync::Arc;

/// The address at which other threads hand replies to the thread that owns the shell's socket.
const REPLIES: &str = "inproc://shell-replies";

/// Sends shell replies from another thread, and broadcasts.
pub struct Replies {
    socket: zmq::Socket,
    signer: Signer,
    author: Author,
    pub publisher: Publisher,
}

impl Replies {
    pub fn connect(kernel: &Kernel) -> Result<Self> {
        let socket = kernel.zmq.socket(zmq::PUSH)?;
        socket.connect(REPLIES)?;
        let (signer, author) = (kernel.signer.clone(), kernel.author.clone());
        Ok(Self { socket, signer, author, publisher: kernel.publisher.clone() })
    }

    pub fn send(&self, request: &Message, kind: &str, content: Value) {
        let reply = self.author.reply(request, kind, content);
        if let Err(error) = self.socket.send_multipart(self.signer.encode(&reply), 0) {
            eprintln!("noisebook: {kind} was not sent: {error}");
        }
    }
}

/// The shell's sockets, for one thread.
pub struct Shell {
    socket: zmq::Socket,
    replies: zmq::Socket,
}

impl Shell {
    pub fn bind(zmq: &zmq::Context, endpoint: &str) -> Result<Self> {
        let socket = zmq.socket(zmq::ROUTER)?;
        socket.bind(endpoint)?;
        let replies = zmq.socket(zmq::PULL)?;
        replies.bind(REPLIES)?;
        Ok(Self { socket, replies })
    }

    /// Serves the channel until the sockets fail.
    pub fn run(&self, kernel: &Kernel, queue: &Arc<Queue>, language: &Language) -> Result<()> {
        loop {
            let mut entries = [self.socket.as_poll_item(zmq::POLLIN), self.replies.as_poll_item(zmq::POLLIN)];
            zmq::poll(&mut entries, -1)?;
            let (asked, answered) = (entries[0].is_readable(), entries[1].is_readable());
            if answered {
                self.socket.send_multipart(self.replies.recv_multipart(0)?, 0)?;
            }
            if asked {
                match kernel.signer.decode(self.socket.recv_multipart(0)?) {
                    Ok(request) if request.kind() == "execute_request" => queue.push(request),
                    Ok(request) if matches!(request.kind(), "complete_request" | "inspect_request") => {
                        language.ask(request);
                    }
                    Ok(request) => kernel.answer(&self.socket, &request),
                    Err(error) => eprintln!("noisebook: a message on the shell channel was dropped: {error}"),
                }
            }
        }
    }
}

/// The content of the reply to a request that needs no cell; none if the request is unknown.
pub fn content(request: &Message) -> Option<(&'static str, Value)> {
    Some(match request.kind() {
        "kernel_info_request" => ("kernel_info_reply", kernel_info()),
        "comm_info_request" => ("comm_info_reply", json!({ "status": "ok", "comms": {} })),
        "history_request" => ("history_reply", json!({ "status": "ok", "history": [] })),
        "is_complete_request" => ("is_complete_reply", json!({ "status": "unknown" })),
        _ => return None,
    })
}

fn kernel_info() -> Value {
    json!({
        "status": "ok",
        "protocol_version": PROTOCOL,
        "implementation": "noisebook",
        "implementation_version": env!("CARGO_PKG_VERSION"),
        "language_info": {
            "name": "rust",
            "version": env!("CARGO_PKG_RUST_VERSION"),
            "mimetype": "text/rust",
            "file_extension": ".rs",
            "pygments_lexer": "rust",
            "codemirror_mode": "rust",
        },
        "banner": concat!("noisebook ", env!("CARGO_PKG_VERSION"), ": diffusion models in Rust"),
        "debugger": false,
        "help_links": [],
    })
}
