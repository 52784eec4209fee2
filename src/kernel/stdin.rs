//! The stdin channel: the kernel asks for no input, so whatever comes is dropped.

use super::{Kernel, Result, channels};

/// Drains the channel until its socket fails.
pub fn run(kernel: &Kernel, socket: &zmq::Socket) -> Result<()> {
    loop {
        match kernel.signer.decode(channels::receive(socket)?) {
            Ok(message) => kernel.drops.say("stdin", format_args!("nobody waits for a {}", message.kind())),
            Err(error) => kernel.drops.say("stdin", error),
        }
    }
}
