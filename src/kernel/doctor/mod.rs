//! `noisebook doctor`: one line for each thing that the kernel needs, with the mend where something is amiss.
//!
//! Each check is a function of facts, found apart. The checks run side by side, each with a time limit, and none needs
//! what another one looks for.

mod ask;
mod build;
mod explain;
mod jupyter;
mod report;
mod rust;
mod system;
mod torch;

pub use torch::load;

use super::environment;
use report::{Check, Mark};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// What one check may take. The longest one loads libtorch with CUDA from a cold disk.
const LIMIT: Duration = Duration::from_secs(60);

/// What is known from the start.
struct Context {
    /// The environment before the kernel's own changes.
    variables: Vec<(String, String)>,
    /// libtorch's libraries, as this program was built.
    libtorch: Option<PathBuf>,
    /// This program, as one types it.
    command: String,
}

type Look = fn(&Context) -> Check;

const CHECKS: [(&str, Look); 11] = [
    ("Rust", |_| rust::check()),
    ("rust-src", |_| rust::check_sources()),
    ("linker", |_| rust::check_linker()),
    ("libtorch", torch::check),
    ("CUDA", torch::check_cuda),
    ("Jupyter", |_| jupyter::check()),
    ("kernelspec", jupyter::check_kernelspec),
    ("build", build::check),
    ("disk", |_| system::check_disk()),
    ("memory", |_| system::check_memory()),
    ("environment", system::check_variables),
];

/// Prints what was found, or what commonly fails.
///
/// # Safety
/// No other thread may run yet: the environment is changed.
pub unsafe fn run(explain: bool) -> ExitCode {
    if explain {
        print(&explain::text());
        return ExitCode::SUCCESS;
    }
    let variables = std::env::vars_os().map(|(name, value)| [name, value].map(|text| text.to_string_lossy().into()));
    let context = Arc::new(Context {
        variables: variables.map(|[name, value]| (name, value)).collect(),
        libtorch: environment::libtorch_lib().map(PathBuf::from),
        command: std::env::args().next().unwrap_or_else(|| "noisebook".to_string()),
    });
    // SAFETY: the caller's promise.
    unsafe {
        environment::set_up();
        // A toolchain that is named and not there is a finding, not something to install.
        std::env::set_var("RUSTUP_AUTO_INSTALL", "0");
    }
    let colors = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let pending = CHECKS.map(|(name, check)| (name, start(check, context.clone())));
    let mut marks = Vec::new();
    for (name, check) in pending {
        let check = check.recv_timeout(LIMIT).unwrap_or_else(|_| {
            Check::failed("this check came to no end", "look at what hangs: a network drive, a driver, a full disk")
        });
        print(&check.lines(name, colors));
        marks.push(check.mark);
    }
    print(&format!("\n{}\n", summary(&marks, &context.command)));
    if marks.contains(&Mark::Failed) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn start(check: Look, context: Arc<Context>) -> Receiver<Check> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(check(&context)));
    receiver
}

/// Whoever reads may be gone, as in `noisebook doctor | head -1`.
fn print(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn summary(marks: &[Mark], command: &str) -> String {
    let count = |wanted| marks.iter().filter(|mark| **mark == wanted).count();
    let counted = match (count(Mark::Failed), count(Mark::Warning)) {
        (0, 0) => "Everything is in order.".to_string(),
        (0, warnings) => format!("Nothing failed; warnings: {warnings}."),
        (failed, 0) => format!("Failed: {failed}."),
        (failed, warnings) => format!("Failed: {failed}; warnings: {warnings}."),
    };
    format!("{counted} '{command} doctor --explain' explains messages that users often see.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts() {
        let said = |marks: &[Mark]| summary(marks, "x").split(" 'x").next().map(str::to_string);
        assert_eq!(said(&[Mark::Fine]).as_deref(), Some("Everything is in order."));
        assert_eq!(said(&[Mark::Fine, Mark::Warning]).as_deref(), Some("Nothing failed; warnings: 1."));
        assert_eq!(said(&[Mark::Failed, Mark::Warning]).as_deref(), Some("Failed: 1; warnings: 1."));
    }
}
