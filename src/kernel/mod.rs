//! The Jupyter kernel.
//!
//! # Layout
//! - `connection`, `wire`, `message`: Jupyter's messages. `channels`: the sockets. `shell`, `control`, `iopub`, `stdin`,
//!   `heartbeat`: one thread for each channel; `output`, `flood`: what is broadcast. `queue`, `worker`: the thread that
//!   runs the cells. `pager`, `expressions`: what their replies say.
//! - `history`, `history_file`, `glob`; `completeness`: requests that need no cell. `log`: what the kernel says itself.
//! - `session`: evcxr in this process, which compiles the cells. `child`, `crash`: the process that runs them. `link`: the
//!   socket between the two; `pump`, `splitter`, `text`: what comes out of it. `input`: what it reads. `value`: values that
//!   are errors. `failure`: a cell's errors.
//!   `interrupts`, `processes`: how cells and builds are stopped; `builds`: what a build shows.
//! - `cell`, `types`: a cell's source, and the types of its variables. `notebook`: what the cells have made. `language`:
//!   completion and inspection.
//! - `warm`, `preparing`, `clone`, `kept_lock`, `source`, `cell_rustc`, `environment`: the prepared build. `kernelspec`: the registration.
//! - `doctor`: `noisebook doctor`, which looks at all that the kernel needs.

mod builds;
mod cell;
mod cell_rustc;
mod channels;
pub mod child;
mod clone;
mod completeness;
mod connection;
mod control;
mod crash;
pub mod doctor;
mod environment;
mod expressions;
mod failure;
mod flood;
mod glob;
mod heartbeat;
mod history;
mod history_file;
mod input;
mod interrupts;
mod iopub;
mod kept_lock;
mod kernelspec;
mod language;
mod link;
mod log;
mod message;
mod notebook;
mod output;
mod pager;
mod preparing;
mod processes;
mod pump;
mod queue;
mod session;
mod shell;
mod source;
mod splitter;
mod stdin;
mod text;
mod types;
mod value;
mod warm;
mod wire;
mod worker;

use channels::Channels;
use connection::Connection;
use history::History;
use history_file::HistoryFile;
use input::Asker;
use iopub::Iopub;
use language::Language;
use log::Drops;
use message::Author;
use output::{Output, Publisher};
use pump::{Pump, Shared};
use shell::{Replies, Shell};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use stdin::Stdin;
use warm::{SessionFolder, Warm};
use wire::Signer;
use worker::Worker;

pub type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// What the channels' threads share.
pub struct Kernel {
    zmq: zmq::Context,
    signer: Signer,
    author: Author,
    publisher: Publisher,
    history: Arc<History>,
    drops: Arc<Drops>,
    shared: Arc<Shared>,
    /// Removed at the end.
    folder: Arc<SessionFolder>,
}

impl Kernel {
    /// Ends the kernel, the process of the cells, and leaves nothing behind.
    fn exit(&self, code: i32) -> ! {
        processes::end_all();
        self.folder.remove();
        std::process::exit(code);
    }
}

/// Serves one front end until it asks for the end.
///
/// # Safety
/// No other thread may run yet: the environment is changed.
pub unsafe fn run(connection_file: &Path) -> Result<()> {
    let connection = Connection::read(connection_file)?;
    ignore_ctrl_c();
    log_panics();
    // SAFETY: the caller's promise.
    unsafe {
        deepen_stacks();
        environment::set_up();
    }
    let warm = Warm::locate()?;
    if warm.is_ready() {
        // SAFETY: the caller's promise.
        unsafe { environment::restore(&warm.environment())? };
    }
    let folder = warm.new_session()?;
    // SAFETY: the caller's promise.
    unsafe {
        environment::hide_sources(&warm.no_sources())?;
        std::env::set_var("EVCXR_TMPDIR", folder.path());
    }
    serve(&connection, warm, folder)
}

fn serve(connection: &Connection, warm: Warm, folder: SessionFolder) -> Result<()> {
    let zmq = zmq::Context::new();
    let channels = Channels::bind(&zmq, connection)?;
    let (signer, author, drops) = (Signer::new(&connection.key)?, Author::new(), Arc::new(Drops::default()));
    let iopub = Iopub::new(&zmq, channels.iopub, signer.clone(), author.clone(), drops.clone())?;
    let publisher = Publisher::new(Some(Iopub::inlet(&zmq)?), signer.clone(), author.clone());
    let shell = Shell::new(&zmq, channels.shell)?;
    let stdin = Stdin::new(&zmq, channels.stdin)?;
    heartbeat::start(channels.heartbeat);
    let history = Arc::new(History::new(HistoryFile::of_user()));
    let shared = Arc::new(Shared::new(Output::new(publisher.clone()))?);
    shared.input.connect(Asker::connect(&zmq, signer.clone(), author.clone())?);
    let folder = Arc::new(folder);
    let kernel =
        Kernel { zmq, signer, author, publisher, history: history.clone(), drops, shared: shared.clone(), folder };
    let (language, answering) =
        Language::new(Replies::connect(&kernel)?, shared.clone(), kernel.folder.path().join("language"));
    let pump = Pump::new(shared.clone());
    let queue = Arc::new(queue::Queue::default());
    let replies = Replies::connect(&kernel)?;
    let worker = Worker { queue: queue.clone(), shared, replies, warm, language: language.clone(), history, count: 0 };
    let folder = kernel.folder.clone();
    kernel.publisher.status(&serde_json::json!({}), "starting");
    let kernel = Arc::new(kernel);
    end_with_parent(kernel.clone());
    spawn(&kernel, "pump", move || pump.run());
    spawn(&kernel, "language", answering);
    spawn(&kernel, "worker", move || worker.run(&folder));
    serve_channel(&kernel, "iopub", move |_| iopub.run());
    serve_channel(&kernel, "stdin", move |kernel| stdin.run(kernel));
    serve_channel(&kernel, "control", move |kernel| control::run(kernel, &channels.control));
    if let Err(error) = shell.run(&kernel, &queue, &language) {
        log::line(format_args!("the shell channel failed: {error}"));
        kernel.exit(1);
    }
    Ok(())
}

/// Starts the thread of a channel; without one of its channels the kernel ends.
fn serve_channel(kernel: &Arc<Kernel>, name: &'static str, run: impl FnOnce(&Kernel) -> Result<()> + Send + 'static) {
    let served = kernel.clone();
    spawn(kernel, name, move || {
        if let Err(error) = run(&served) {
            log::line(format_args!("the {name} channel failed: {error}"));
            served.exit(1);
        }
    });
}

/// Starts a thread that the kernel cannot do without: if it panics, the kernel ends, and the front end starts another.
fn spawn(kernel: &Arc<Kernel>, name: &'static str, work: impl FnOnce() + Send + 'static) {
    let kernel = kernel.clone();
    std::thread::spawn(move || {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err() {
            log::line(format_args!("the {name} failed"));
            kernel.exit(1);
        }
    });
}

/// Registers the kernel and prepares the build of the cells.
///
/// # Safety
/// No other thread may run yet: the environment is changed.
pub unsafe fn install(prefix: Option<&Path>) -> Result<()> {
    let folder = kernelspec::install(prefix)?;
    println!("The kernel \"Rust (noisebook)\" is registered in {}", folder.display());
    // SAFETY: the caller's promise.
    unsafe { prepare() }
}

/// Prepares the build of the cells, unless that was done.
///
/// # Safety
/// No other thread may run yet: the environment is changed.
pub unsafe fn prepare() -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { environment::set_up() };
    let warm = Warm::locate()?;
    let _lock = warm.lock()?;
    if warm.is_ready() {
        println!("The build of the cells is ready, in {}", warm.root().display());
        return Ok(());
    }
    println!("Compiling the crate for notebook cells, in {}: minutes the first time", warm.root().display());
    let begin = Instant::now();
    let template = warm.lay_out()?;
    warm.fetch()?;
    // SAFETY: the caller's promise.
    unsafe {
        environment::hide_sources(&warm.no_sources())?;
        std::env::set_var("EVCXR_TMPDIR", &template);
    }
    let nowhere = Publisher::new(None, Signer::new("")?, Author::new());
    let shared = Arc::new(Shared::new(Output::new(nowhere))?);
    let pump = Pump::new(shared.clone());
    std::thread::spawn(move || pump.run());
    session::prepare(&warm, shared, &template)?;
    println!("Notebooks can start: ready after {:.0} s", begin.elapsed().as_secs_f64());
    Ok(())
}

/// The process for completion and inspection, which works in this folder.
///
/// # Safety
/// No other thread may run yet: the environment is changed.
pub unsafe fn language(folder: &Path) -> Result<()> {
    ignore_ctrl_c();
    log_panics();
    // SAFETY: the caller's promise.
    unsafe { environment::set_up() };
    language::answer_questions(folder)
}

/// Ends the kernel when the front end that started it has gone without a word. A kernel that was started by hand stays.
fn end_with_parent(kernel: Arc<Kernel>) {
    if std::env::var_os("JPY_PARENT_PID").is_none() {
        return;
    }
    let parent = std::os::unix::process::parent_id();
    std::thread::spawn(move || {
        while std::os::unix::process::parent_id() == parent {
            std::thread::sleep(Duration::from_secs(1));
        }
        kernel.exit(0);
    });
}

/// Gives the threads to come a stack for deeply nested code: rust-analyzer drops syntax trees in a thread of its own, and
/// would take the kernel with it. The standard library reads the variable when the first thread starts, and only then.
///
/// # Safety
/// No other thread may run yet: the environment is changed.
unsafe fn deepen_stacks() {
    const VARIABLE: &str = "RUST_MIN_STACK";
    if std::env::var_os(VARIABLE).is_none() {
        // SAFETY: the caller's promise; the thread between the two calls does nothing.
        unsafe {
            std::env::set_var(VARIABLE, (64 * 1024 * 1024).to_string());
            let _ = std::thread::spawn(|| ()).join();
            // Nothing that the kernel starts shall inherit it.
            std::env::remove_var(VARIABLE);
        }
    }
}

/// A panic, rust-analyzer's say, is a line of the log. What it means for the notebook is told where it is caught.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| log::line(format_args!("{panic}").to_string().replace('\n', " "))));
}

/// Front ends ask for an interrupt by message; Ctrl-C in their terminal reaches the whole process group.
fn ignore_ctrl_c() {
    // SAFETY: takes numbers only.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
