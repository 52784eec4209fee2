//! The build of the cells, prepared while a kernel runs: after the crate, Rust or libtorch has changed.

use super::failure::{Failure, INTERRUPTED};
use super::pump::Shared;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// A process that prepares.
pub struct Preparing {
    /// What it says; the end of it is the end of the process.
    lines: Receiver<String>,
    announced: bool,
}

impl Preparing {
    /// Starts a process of its own: evcxr's build folder is chosen by a variable of the whole process.
    pub fn start() -> Self {
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let child = std::env::current_exe().and_then(|program| {
                Command::new(program).arg("prepare").stderr(Stdio::piped()).stdout(Stdio::null()).spawn()
            });
            let mut child = match child {
                Ok(child) => child,
                Err(error) => return drop(sender.send(error.to_string())),
            };
            for line in child.stderr.take().into_iter().flat_map(|err| BufReader::new(err).lines()) {
                let _ = line.map(|line| sender.send(line));
            }
            let _ = child.wait();
        });
        Self { lines, announced: false }
    }

    /// Waits for the end, and shows in the cell what is done meanwhile. An interrupt ends the waiting alone.
    pub fn wait(&mut self, shared: &Shared) -> Result<(), Failure> {
        if !std::mem::replace(&mut self.announced, true) {
            let text = "The crate, Rust or libtorch is not the one that cells were last built with, so that is built again, \
                        once. It takes minutes.\n";
            shared.output.stream("stderr", text.to_string());
        }
        loop {
            match self.lines.recv_timeout(Duration::from_millis(50)) {
                Ok(line) => shared.output.stream("stderr", format!("{line}\n")),
                Err(RecvTimeoutError::Timeout) if shared.interrupts.asked() => {
                    break Err(Failure::plain(
                        INTERRUPTED,
                        "the build goes on. Run the cell again, and it waits for the rest",
                    ));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break Ok(()),
            }
        }
    }
}
