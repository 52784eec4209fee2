//! The iopub channel: one thread owns its socket, sends what the others publish, and greets who subscribes.
//!
//! All threads publish through one inner socket (output.rs), so that messages keep the order in which they were made:
//! what a cell shows comes before the word that it is done.

use super::log::Drops;
use super::message::Author;
use super::wire::Signer;
use super::{Result, channels};
use serde_json::json;
use std::sync::Arc;

const MESSAGES: &str = "inproc://iopub";
const SUBSCRIBE: u8 = 1;
const UNSUBSCRIBE: u8 = 0;

/// The sockets of the channel's thread.
pub struct Iopub {
    socket: zmq::Socket,
    messages: zmq::Socket,
    signer: Signer,
    author: Author,
    drops: Arc<Drops>,
}

impl Iopub {
    pub fn new(
        zmq: &zmq::Context,
        socket: zmq::Socket,
        signer: Signer,
        author: Author,
        drops: Arc<Drops>,
    ) -> Result<Self> {
        let messages = zmq.socket(zmq::PULL)?;
        messages.bind(MESSAGES)?;
        Ok(Self { socket, messages, signer, author, drops })
    }

    /// Where other threads send what is to be published, whole and signed.
    pub fn inlet(zmq: &zmq::Context) -> Result<zmq::Socket> {
        let socket = zmq.socket(zmq::PUSH)?;
        socket.connect(MESSAGES)?;
        Ok(socket)
    }

    /// Serves the channel until its sockets fail.
    pub fn run(&self) -> Result<()> {
        loop {
            let [subscribed, published] = channels::wait([&self.socket, &self.messages])?;
            // First, so that the greeting comes before anything else.
            if subscribed {
                self.greet(&channels::receive(&self.socket)?)?;
            }
            if published {
                self.socket.send_multipart(channels::receive(&self.messages)?, 0)?;
            }
        }
    }

    /// Tells a new subscriber that it is heard from now on (JEP 65).
    fn greet(&self, frames: &[Vec<u8>]) -> Result<()> {
        match frames {
            [frame] if frame.first() == Some(&SUBSCRIBE) => {
                let topic = &frame[1..];
                let content = json!({ "subscription": String::from_utf8_lossy(topic) });
                let mut message = self.author.broadcast(&json!({}), "iopub_welcome", content);
                message.identities = vec![topic.to_vec()];
                self.socket.send_multipart(self.signer.encode(&message), 0)?;
            }
            [frame] if frame.first() == Some(&UNSUBSCRIBE) => {}
            _ => self.drops.say("iopub", "it is no subscription"),
        }
        Ok(())
    }
}
