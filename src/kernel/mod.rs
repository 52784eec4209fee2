//! The Jupyter kernel.
//!
//! # Layout
//! - `connection`, `wire`, `message`: Jupyter's messages. `shell`, `control`, `heartbeat`: one thread for each channel;
//!   `output`: what is broadcast. `queue`, `worker`: the thread that runs the cells.
//! - `session`: evcxr in this process, which compiles the cells. `child`: the process that runs them. `link`: the
//!   socket between the two; `pump`, `splitter`, `text`: what comes out of it. `failure`: a cell's errors.
//! - `warm`, `clone`, `source`, `cell_rustc`, `environment`: the prepared build. `kernelspec`: the registration.
//! - `doctor`: `noisebook doctor`, which looks at all that the kernel needs.

mod cell_rustc;
pub mod child;
mod clone;
mod connection;
mod control;
pub mod doctor;
mod environment;
mod failure;
mod heartbeat;
mod kernelspec;
mod link;
mod message;
mod output;
mod pump;
mod queue;
mod session;
mod shell;
mod source;
mod splitter;
mod text;
mod warm;
mod wire;
mod worker;

use connection::Connection;
use message::Author;
use output::{Output, Publisher};
use pump::{Pump, Shared};
use shell::{Replies, Shell};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
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
    shared: Arc<Shared>,
    status: Arc<Status>,
    /// Removed at the end.
    folder: Arc<SessionFolder>,
}

/// What the kernel is doing.
#[derive(Default)]
pub struct Status {
    running: AtomicBool,
}

impl Kernel {
    /// Ends the kernel, the process of the cells, and leaves nothing behind.
    fn exit(&self, code: i32) -> ! {
        if let Some(pid) = *lock(&self.shared.pid) {
            // SAFETY: the process is a child of this one and was not waited for, so the number is still its own.
            unsafe { libc::kill(pid as libc::pid_t, libc::SIGKILL) };
        }
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
    // SAFETY: the caller's promise.
    unsafe { environment::set_up() };
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
    let bind = |kind, channel: &str| -> Result<zmq::Socket> {
        let socket = zmq.socket(kind)?;
        // Nothing is dropped for a front end that reads slowly: it would wait for ever for a lost "idle".
        socket.set_sndhwm(0)?;
        let endpoint = connection.endpoint(channel)?;
        socket.bind(&endpoint).map_err(|error| format!("{endpoint}: {error}"))?;
        Ok(socket)
    };
    let (signer, author) = (Signer::new(&connection.key)?, Author::new());
    let publisher = Publisher::new(Some(bind(zmq::PUB, "iopub")?), signer.clone(), author.clone());
    let shell = Shell::bind(&zmq, &connection.endpoint("shell")?)?;
    let control = bind(zmq::ROUTER, "control")?;
    let _stdin = bind(zmq::ROUTER, "stdin")?;
    heartbeat::start(bind(zmq::REP, "hb")?);
    let shared = Arc::new(Shared::new(Output::new(publisher.clone()))?);
    let folder = Arc::new(folder);
    let status = Arc::new(Status::default());
    let kernel = Kernel { zmq, signer, author, publisher, shared: shared.clone(), status: status.clone(), folder };
    let pump = Pump::new(shared.clone());
    let queue = Arc::new(queue::Queue::default());
    let worker = Worker { queue: queue.clone(), shared, status, replies: Replies::connect(&kernel)?, warm, count: 0 };
    let folder = kernel.folder.clone();
    kernel.publisher.status(&serde_json::json!({}), "starting");
    let kernel = Arc::new(kernel);
    end_with_parent(kernel.clone());
    spawn(&kernel, "pump", move || pump.run());
    spawn(&kernel, "worker", move || worker.run(&folder));
    std::thread::spawn({
        let kernel = kernel.clone();
        move || {
            if let Err(error) = control::run(&kernel, &control) {
                eprintln!("noisebook: the control channel failed: {error}");
                kernel.exit(1);
            }
        }
    });
    if let Err(error) = shell.run(&kernel, &queue) {
        eprintln!("noisebook: the shell channel failed: {error}");
        kernel.exit(1);
    }
    Ok(())
}

/// Starts a thread that the kernel cannot do without: if it panics, the kernel ends, and the front end starts another.
fn spawn(kernel: &Arc<Kernel>, name: &'static str, work: impl FnOnce() + Send + 'static) {
    let kernel = kernel.clone();
    std::thread::spawn(move || {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err() {
            eprintln!("noisebook: the {name} failed");
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
    println!("Preparing the build of the cells in {}: minutes the first time", warm.root().display());
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
    println!("Ready after {:.0} s", begin.elapsed().as_secs_f64());
    Ok(())
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

/// Front ends ask for an interrupt by message; Ctrl-C in their terminal reaches the whole process group.
fn ignore_ctrl_c() {
    // SAFETY: takes numbers only.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
