//! The command `noisebook`: the Jupyter kernel and its installation.

mod kernel;

/// What cells and kernel say to each other. Taken from the library it would bring libtorch along, which takes a quarter
/// of a second to load, and without which not even `noisebook doctor` would start.
mod show {
    #[allow(dead_code, reason = "the half that sends is the library's")]
    pub mod frame;
    #[allow(dead_code, reason = "as above")]
    mod message;
}

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Learn and build diffusion models one visible step at a time, in Jupyter, in Rust.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Registers the kernel with Jupyter and prepares the build of notebook cells.
    Install {
        /// Registers in DIR/share/jupyter instead of the user's own folder.
        #[arg(long, value_name = "DIR")]
        prefix: Option<PathBuf>,
    },
    /// Looks at all that the kernel needs and says how to mend what is amiss. Exit status 1 if a check failed.
    Doctor {
        /// Explains messages that users often see, instead.
        #[arg(long)]
        explain: bool,
    },
    /// Loads libtorch and counts CUDA devices, for `doctor`.
    #[command(hide = true)]
    LoadLibtorch { folder: PathBuf },
    /// Prepares the build of notebook cells and registers nothing.
    #[command(hide = true)]
    Prepare,
    /// Answers a kernel's questions about source.
    #[command(hide = true)]
    Language { folder: PathBuf },
    /// Runs the kernel; this is what Jupyter calls.
    Kernel {
        /// What Jupyter wrote: addresses and the key.
        #[arg(short = 'f', long, value_name = "FILE")]
        connection_file: PathBuf,
    },
}

fn main() -> ExitCode {
    kernel::child::start();
    evcxr::runtime_hook();
    let result = match Arguments::parse().command {
        // SAFETY: this is the only thread.
        Command::Install { prefix } => unsafe { kernel::install(prefix.as_deref()) },
        // SAFETY: this is the only thread.
        Command::Doctor { explain } => return unsafe { kernel::doctor::run(explain) },
        Command::LoadLibtorch { folder } => kernel::doctor::load(&folder),
        // SAFETY: this is the only thread.
        Command::Prepare => unsafe { kernel::prepare() },
        // SAFETY: this is the only thread.
        Command::Language { folder } => unsafe { kernel::language(&folder) },
        // SAFETY: this is the only thread.
        Command::Kernel { connection_file } => unsafe { kernel::run(&connection_file) },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("noisebook: {error}");
            ExitCode::FAILURE
        }
    }
}
