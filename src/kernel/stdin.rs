//! The stdin channel: the kernel's questions on behalf of a cell that reads (input.rs), and the reader's answers.

use super::input::REQUESTS;
use super::{Kernel, Result, channels};

/// The channel's sockets, for one thread.
pub struct Stdin {
    socket: zmq::Socket,
    requests: zmq::Socket,
}

impl Stdin {
    pub fn new(zmq: &zmq::Context, socket: zmq::Socket) -> Result<Self> {
        let requests = zmq.socket(zmq::PULL)?;
        requests.bind(REQUESTS)?;
        Ok(Self { socket, requests })
    }

    /// Serves the channel until the sockets fail.
    pub fn run(&self, kernel: &Kernel) -> Result<()> {
        loop {
            let [answered, asked] = channels::wait([&self.socket, &self.requests])?;
            if asked {
                self.socket.send_multipart(channels::receive(&self.requests)?, 0)?;
            }
            if answered {
                match kernel.signer.decode(channels::receive(&self.socket)?) {
                    Ok(message) if message.kind() == "input_reply" => {
                        if !kernel.shared.input.reply(message.text("value").unwrap_or_default()) {
                            kernel.drops.say("stdin", "nobody waits for an input_reply");
                        }
                    }
                    Ok(message) => kernel.drops.say("stdin", format_args!("nobody waits for a {}", message.kind())),
                    Err(error) => kernel.drops.say("stdin", error),
                }
            }
        }
    }
}
