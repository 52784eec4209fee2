//! What the front end sees of a cell: its streams and displays, in the order in which they happen.

use super::flood::{Flood, Piece};
use super::message::{Author, Message};
use super::wire::Signer;
use super::{lock, log, value};
use crate::show::frame::{self, MessageKind};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Where everything is published, for all threads: the way to the iopub channel's own thread (iopub.rs).
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
            log::line(format_args!("a message of type {kind} was not sent: {error}"));
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

#[derive(Default)]
struct Cell {
    parent: Value,
    count: u64,
    silent: bool,
    flood: Flood,
    /// The value of the last expression: kept here and not shown, while somebody asks for it.
    held: Option<Option<frame::Message>>,
    /// It as text, for the history.
    text: Option<String>,
}

/// Longer values are not kept for the history.
const LONGEST_TEXT: usize = 10_000;

impl Output {
    pub fn new(publisher: Publisher) -> Self {
        Self { publisher, cell: Mutex::new(Cell { parent: json!({}), ..Cell::default() }) }
    }

    /// From now on everything belongs to this cell.
    pub fn begin(&self, request: &Message, count: u64, silent: bool) {
        self.end();
        *lock(&self.cell) = Cell { parent: request.header.clone(), count, silent, ..Cell::default() };
    }

    /// The number of this cell.
    pub fn count(&self) -> u64 {
        lock(&self.cell).count
    }

    /// Nothing is held back any more: the cell has ended. Gives its value as text.
    pub fn end(&self) -> Option<String> {
        let mut cell = lock(&self.cell);
        let pieces = cell.flood.end(Instant::now());
        self.show(&cell, pieces);
        cell.text.take()
    }

    /// From now on the cell's value is not shown.
    pub fn hold_value(&self) {
        lock(&self.cell).held = Some(None);
    }

    /// The value that was held; none if the cell has none. Later ones are shown.
    pub fn take_value(&self) -> Option<frame::Message> {
        lock(&self.cell).held.take().flatten()
    }

    pub fn stream(&self, name: &'static str, text: String) {
        let mut cell = lock(&self.cell);
        if !text.is_empty() && !cell.silent {
            let pieces = cell.flood.text(name, text, Instant::now());
            self.show(&cell, pieces);
        }
    }

    /// A display of the library.
    pub fn display(&self, mut message: frame::Message) {
        let mut cell = lock(&self.cell);
        if message.kind == MessageKind::ExecuteResult {
            if let Some(error) = value::error(&message.data) {
                message.data = error;
            }
            if let Some(held) = &mut cell.held {
                *held = Some(message);
                return;
            }
            let text = message.data.get("text/plain").and_then(Value::as_str);
            cell.text = text.filter(|text| text.len() <= LONGEST_TEXT).map(str::to_string);
            // One a cell: it counts for no flood.
            self.show(&cell, vec![Piece::Display(message)]);
        } else if !cell.silent {
            let pieces = cell.flood.display(message, Instant::now());
            self.show(&cell, pieces);
        }
    }

    /// MIME types and texts in evcxr's manner; JSON types are parsed. The value `()` shows nothing.
    pub fn bundle(&self, kind: MessageKind, contents: Vec<(String, String)>) {
        let nothing = matches!(contents.as_slice(), [(mime, text)] if mime == "text/plain" && text == "()");
        if nothing && lock(&self.cell).held.is_none() {
            return;
        }
        let mut message = frame::Message::new(kind);
        message.data = contents.into_iter().map(|(mime, text)| parse(mime, text)).collect::<Map<_, _>>();
        self.display(message);
    }

    pub fn error(&self, content: Value) {
        self.publish(&lock(&self.cell), "error", content);
    }

    fn show(&self, cell: &Cell, pieces: Vec<Piece>) {
        for piece in pieces {
            match piece {
                Piece::Text { stream, text } => self.publish(cell, "stream", json!({ "name": stream, "text": text })),
                Piece::Display(message) => {
                    let frame::Message { kind, data, metadata, display_id, wait } = message;
                    let transient = display_id.map_or_else(|| json!({}), |id| json!({ "display_id": id }));
                    let content = match kind {
                        MessageKind::ClearOutput => json!({ "wait": wait }),
                        MessageKind::ExecuteResult => json!({
                            "execution_count": cell.count, "data": data, "metadata": metadata, "transient": transient
                        }),
                        _ => json!({ "data": data, "metadata": metadata, "transient": transient }),
                    };
                    self.publish(cell, kind.name(), content);
                }
            }
        }
    }

    fn publish(&self, cell: &Cell, kind: &str, content: Value) {
        if !cell.silent {
            self.publisher.publish(&cell.parent, kind, content);
        }
    }
}

fn parse(mime: String, text: String) -> (String, Value) {
    let value = if mime.contains("json") { serde_json::from_str(&text).ok() } else { None };
    (mime, value.unwrap_or(Value::String(text)))
}
