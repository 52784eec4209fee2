//! The heartbeat channel: says what it hears.

use super::{channels, log};

/// Starts the thread, which lives as long as the kernel.
pub fn start(socket: zmq::Socket) {
    std::thread::spawn(move || {
        let serve = || -> zmq::Result<()> {
            loop {
                socket.send_multipart(channels::receive(&socket)?, 0)?;
            }
        };
        if let Err(error) = serve() {
            log::line(format_args!("the heartbeat channel failed: {error}"));
        }
    });
}
