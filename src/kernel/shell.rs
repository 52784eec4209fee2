//! The shell channel. Cells go to their own thread; all else is answered at once, also while a cell runs.

use super::completeness::{self, Completeness};
use super::language::Language;
use super::message::{Author, Message, PROTOCOL};
use super::output::Publisher;
use super::queue::Queue;
use super::wire::Signer;
use super::{Kernel, Result, channels, log};
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
            log::line(format_args!("{kind} was not sent: {error}"));
        }
    }
}

/// The shell's sockets, for one thread.
pub struct Shell {
    socket: zmq::Socket,
    replies: zmq::Socket,
}

impl Shell {
    pub fn new(zmq: &zmq::Context, socket: zmq::Socket) -> Result<Self> {
        let replies = zmq.socket(zmq::PULL)?;
        replies.bind(REPLIES)?;
        Ok(Self { socket, replies })
    }

    /// Serves the channel until the sockets fail.
    pub fn run(&self, kernel: &Kernel, queue: &Arc<Queue>, language: &Language) -> Result<()> {
        loop {
            let [asked, answered] = channels::wait([&self.socket, &self.replies])?;
            if answered {
                self.socket.send_multipart(channels::receive(&self.replies)?, 0)?;
            }
            if asked {
                match kernel.signer.decode(channels::receive(&self.socket)?) {
                    Ok(request) if request.kind() == "execute_request" => {
                        kernel.shared.interrupts.arrived();
                        queue.push(request);
                    }
                    Ok(request) if matches!(request.kind(), "complete_request" | "inspect_request") => {
                        language.ask(request);
                    }
                    Ok(request) => kernel.answer(&self.socket, &request),
                    Err(error) => kernel.drops.say("shell", error),
                }
            }
        }
    }
}

/// The content of the reply to a request that needs no cell; none if the request is unknown.
pub fn content(kernel: &Kernel, request: &Message) -> Option<(&'static str, Value)> {
    Some(match request.kind() {
        "kernel_info_request" => ("kernel_info_reply", kernel_info()),
        // The kernel opens no comms, and takes none.
        "comm_info_request" => ("comm_info_reply", json!({ "status": "ok", "comms": {} })),
        "history_request" => ("history_reply", kernel.history.answer(&request.content)),
        "is_complete_request" => ("is_complete_reply", is_complete(request)),
        _ => return None,
    })
}

fn is_complete(request: &Message) -> Value {
    match request.text("code").map(completeness::of) {
        Some(Completeness::Complete) => json!({ "status": "complete" }),
        Some(Completeness::Incomplete { indent }) => json!({ "status": "incomplete", "indent": indent }),
        Some(Completeness::Invalid) => json!({ "status": "invalid" }),
        Some(Completeness::Unknown) | None => json!({ "status": "unknown" }),
    }
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
        // Of those that the protocol knows, which are subshells and debugging.
        "supported_features": [],
        "help_links": [],
    })
}
