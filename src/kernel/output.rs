//! What the front end sees of a cell: its streams and displays, in the order in which they happen.

use super::lock;
use super::message::{Author, Message};
use super::wire::Signer;
use crate::show::frame::{self, MessageKind};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex};

/// The socket on which everything is published, for all threads.
///
/// libzmq allows a socket to change threads behind a full memory barrier, which the mutex is.
#[derive(Clone)]
pub struct Publisher {
    /// None where nobody listens: while a build is prepared.
    socket: Option<Arc<Mutex<zmq::Socket>>>,
    signer: Signer,
    author: Author,
}

impl Publisher {
    pub fn new(socket: Option<zmq::Socket>, signer: Signer, author: Author) -> Self {
        Self { socket: socket.map(|socket| Arc::new(Mutex::new(socket))), signer, author }
    }

    pub fn publish(&self, parent: &Value, kind: &str, content: Value) {
        let Some(socket) = &self.socket else {
            // What goes wrong while a build is prepared belongs in the terminal.
            return content.get("text").and_then(Value::as_str).map_or((), |text| eprint!("{text}"));
        };
        let message = self.author.broadcast(parent, kind, content);
        if let Err(error) = lock(socket).send_multipart(self.signer.encode(&message), 0) {
            eprintln!("noisebook: a message of type {kind} was not sent: {error}");
        }
    }

    pub fn status(&self, parent: &Value, state: &str) {
        self.publish(parent, "status", json!({ "execution_state": state }));
    }
}

/// Publishes on behalf of the cell that runs, or that ran last: threads of a cell may print after its end.
pub struct Output {
    publisher: Publisher,
    cell: Mutex<Cell>,
}

struct Cell {
    parent: Value,
    count: u64,
    silent: bool,
}

impl Output {
    pub fn new(publisher: Publisher) -> Self {
        Self { publisher, cell: Mutex::new(Cell { parent: json!({}), count: 0, silent: false }) }
    }

    /// From now on everything belongs to this cell.
    pub fn begin(&self, request: &Message, count: u64, silent: bool) {
        *lock(&self.cell) = Cell { parent: request.header.clone(), count, silent };
    }

    pub fn stream(&self, name: &str, text: String) {
        if !text.is_empty() {
            self.publish("stream", |_| json!({ "name": name, "text": text }));
        }
    }

    /// A display of the library.
    pub fn display(&self, message: frame::Message) {
        let frame::Message { kind, data, metadata, display_id, wait } = message;
        let transient = display_id.map_or_else(|| json!({}), |id| json!({ "display_id": id }));
        self.publish(kind.name(), |count| match kind {
            MessageKind::ClearOutput => json!({ "wait": wait }),
            MessageKind::ExecuteResult => {
                json!({ "execution_count": count, "data": data, "metadata": metadata, "transient": transient })
            }
            _ => json!({ "data": data, "metadata": metadata, "transient": transient }),
        });
    }

    /// MIME types and texts in evcxr's manner; JSON types are parsed. The value `()` shows nothing.
    pub fn bundle(&self, kind: MessageKind, contents: Vec<(String, String)>) {
        if matches!(contents.as_slice(), [(mime, text)] if mime == "text/plain" && text == "()") {
            return;
        }
        let mut message = frame::Message::new(kind);
        message.data = contents.into_iter().map(|(mime, text)| parse(mime, text)).collect::<Map<_, _>>();
        self.display(message);
    }

    pub fn error(&self, name: &str, value: &str, traceback: &[String]) {
        self.publish("error", |_| json!({ "ename": name, "evalue": value, "traceback": traceback }));
    }

    fn publish(&self, kind: &str, content: impl FnOnce(u64) -> Value) {
        let cell = lock(&self.cell);
        if !cell.silent {
            self.publisher.publish(&cell.parent, kind, content(cell.count));
        }
    }
}

fn parse(mime: String, text: String) -> (String, Value) {
    let value = if mime.contains("json") { serde_json::from_str(&text).ok() } else { None };
    (mime, value.unwrap_or(Value::String(text)))
}
