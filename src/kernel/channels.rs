//! The five sockets of a kernel.

use super::Result;
use super::connection::Connection;

/// A larger message ends the connection that it comes on, before it fills the memory. No cell is that long.
const LARGEST_MESSAGE: i64 = 64 * 1024 * 1024;
/// For channels on which nothing long has business.
const LARGEST_WORD: i64 = 64 * 1024;

/// The sockets, bound to the addresses of the connection file and to nothing else.
pub struct Channels {
    pub shell: zmq::Socket,
    pub control: zmq::Socket,
    pub stdin: zmq::Socket,
    pub heartbeat: zmq::Socket,
    pub iopub: zmq::Socket,
}

impl Channels {
    pub fn bind(zmq: &zmq::Context, connection: &Connection) -> Result<Self> {
        let bind = |kind, channel: &str, largest| -> Result<zmq::Socket> {
            let socket = zmq.socket(kind)?;
            // Nothing is dropped for a front end that reads slowly: it would wait for ever for a lost "idle".
            socket.set_sndhwm(0)?;
            socket.set_maxmsgsize(largest)?;
            match kind {
                // A front end that connects again, under its old name, gets its replies.
                zmq::ROUTER => socket.set_router_handover(true)?,
                // Every subscription is heard of, not only the first to a topic.
                zmq::XPUB => socket.set_xpub_verbose(true)?,
                _ => {}
            }
            let endpoint = connection.endpoint(channel)?;
            socket.bind(&endpoint).map_err(|error| format!("{endpoint}: {error}"))?;
            Ok(socket)
        };
        Ok(Self {
            shell: bind(zmq::ROUTER, "shell", LARGEST_MESSAGE)?,
            control: bind(zmq::ROUTER, "control", LARGEST_MESSAGE)?,
            stdin: bind(zmq::ROUTER, "stdin", LARGEST_MESSAGE)?,
            heartbeat: bind(zmq::ROUTER, "hb", LARGEST_WORD)?,
            iopub: bind(zmq::XPUB, "iopub", LARGEST_WORD)?,
        })
    }
}

/// The next message of a socket.
pub fn receive(socket: &zmq::Socket) -> zmq::Result<Vec<Vec<u8>>> {
    unless_interrupted(|| socket.recv_multipart(0))
}

/// Waits until one of the sockets can be read; says which.
pub fn wait<const N: usize>(sockets: [&zmq::Socket; N]) -> zmq::Result<[bool; N]> {
    let mut entries = sockets.map(|socket| socket.as_poll_item(zmq::POLLIN));
    unless_interrupted(|| zmq::poll(&mut entries, -1))?;
    Ok(entries.map(|entry| entry.is_readable()))
}

/// A process that was stopped and goes on finds its waiting calls interrupted: that is no failure.
fn unless_interrupted<T>(mut call: impl FnMut() -> zmq::Result<T>) -> zmq::Result<T> {
    loop {
        match call() {
            Err(zmq::Error::EINTR) => {}
            result => return result,
        }
    }
}
