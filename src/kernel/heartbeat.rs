//! The heartbeat channel: says what it hears, to whom it hears it from. A ROUTER does that for frames of any kind, where
//! a REP socket falls silent after some that no REQ socket sends.

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
