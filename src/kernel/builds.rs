//! What the build of a dependency does, shown in the cell while it goes on.

use super::processes;
use super::pump::Shared;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the build is looked after.
const LOOK: Duration = Duration::from_millis(100);

/// Tells of a build until it is dropped.
pub struct Progress {
    /// Closed at the end.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Says what is added, and then what is compiled. evcxr keeps what cargo says to itself, so the compilers that run are
    /// asked for their crates.
    pub fn of(dependencies: &[String], shared: Arc<Shared>) -> Self {
        let show = move |line: String| shared.output.stream("stdout", format!("{line}\n"));
        for dependency in dependencies {
            show(format!("Adding {}", dependency.trim_start().trim_start_matches(":dep").trim()));
        }
        let (end, ended) = channel();
        let begin = Instant::now();
        let thread = std::thread::spawn(move || {
            let mut seen = HashSet::new();
            while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                for name in processes::compiled_crates() {
                    if seen.insert(name.clone()) {
                        show(format!("Compiling {name}"));
                    }
                }
            }
            show(format!("Took {:.1} s", begin.elapsed().as_secs_f64()));
        });
        Self { end: Some(end), thread: Some(thread) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end = None;
        // It has nothing to wait for, and a panic in it would be no reason for another.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
