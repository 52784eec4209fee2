//! What the process that runs the cells does before anything else.
//!
//! evcxr reads its child's standard output line by line, which would hold back partial lines and mix the cell's text
//! with its own control lines. So the child puts pipes in place of its standard output and error and hands their other
//! ends to the kernel, together with its real standard output. The kernel reads raw bytes, and passes on to evcxr what
//! is meant for evcxr (pump.rs). The pipes are read from outside, so nothing that was written before a crash is lost.
//! Its standard input, by which evcxr starts cells, passes through a thread that tells the kernel.

use super::{crash, link};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// The variable that names the inherited socket, for the library's displays too.
pub const SOCKET_VARIABLE: &str = "NOISEBOOK_SOCKET";

/// In evcxr's child process, connects to the kernel; elsewhere does nothing.
///
/// Must come before `evcxr::runtime_hook`, while the process has one thread.
pub fn start() {
    if std::env::var_os("EVCXR_IS_RUNTIME").is_none() {
        return;
    }
    let Some(socket) = std::env::var(SOCKET_VARIABLE).ok().and_then(|text| text.parse::<RawFd>().ok()) else {
        return;
    };
    if let Err(error) = connect(socket) {
        eprintln!("noisebook: the process for the cells could not reach the kernel: {error}");
        std::process::exit(1);
    }
    // evcxr asks for backtraces. They would show no line of a cell (cells have no debug information), and take seconds.
    // SAFETY: no other thread runs yet.
    unsafe { std::env::set_var("RUST_BACKTRACE", "0") };
    load_libtorch();
}

fn connect(socket: RawFd) -> io::Result<()> {
    // The kernel asks for an interrupt by message; Ctrl-C in the terminal of a front end must not end the variables.
    // SAFETY: these calls take numbers only.
    unsafe {
        libc::signal(libc::SIGINT, libc::SIG_IGN);
        check(libc::fcntl(socket, libc::F_SETFD, libc::FD_CLOEXEC))?;
    }
    let (out_read, out_write) = pipe()?;
    let (err_read, err_write) = pipe()?;
    // Closed when this process ends, whoever else still holds the others.
    let (alive_read, alive_write) = pipe()?;
    // SAFETY: the result is a new descriptor that nobody else owns.
    let real_stdout = unsafe { OwnedFd::from_raw_fd(check(libc::fcntl(1, libc::F_DUPFD_CLOEXEC, 3))?) };
    let ends = [&out_read, &err_read, &alive_read, &real_stdout].map(|fd| fd.as_raw_fd());
    link::send_ends(socket, std::process::id(), ends)?;
    // SAFETY: both are open descriptors; dup2 clears the close-on-exec flag of the copies, as standard streams need.
    unsafe {
        check(libc::dup2(out_write.as_raw_fd(), 1))?;
        check(libc::dup2(err_write.as_raw_fd(), 2))?;
    }
    std::mem::forget(alive_write);
    crash::prepare();
    announce_runs(socket)
}

/// Tells the kernel when a compiled cell begins to run, which evcxr asks for by a line on standard input.
fn announce_runs(socket: RawFd) -> io::Result<()> {
    let (read, write) = pipe()?;
    // SAFETY: the result is a new descriptor that nobody else owns.
    let real_stdin = unsafe { OwnedFd::from_raw_fd(check(libc::fcntl(0, libc::F_DUPFD_CLOEXEC, 3))?) };
    // SAFETY: an open descriptor.
    unsafe { check(libc::dup2(read.as_raw_fd(), 0))? };
    std::thread::spawn(move || {
        let mut input = BufReader::new(File::from(real_stdin));
        let mut output = File::from(write);
        let mut line = Vec::new();
        // At the end of the input `output` is closed, and evcxr's loop ends.
        while input.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            if let Some(run) = line.strip_prefix(b"LOAD_AND_RUN ") {
                link::send_begun(socket, run.split(|&byte| byte == b' ').next().unwrap_or_default());
                // Each time, since evcxr sets handlers of its own when it begins to listen.
                crash::watch();
            }
            if output.write_all(&line).is_err() {
                break;
            }
            line.clear();
        }
    });
    Ok(())
}

/// Loads libtorch while nobody waits, so that the first cell that uses it need not.
fn load_libtorch() {
    let Some(folder) = super::environment::libtorch_lib() else { return };
    std::thread::spawn(move || {
        let Ok(path) = std::ffi::CString::new(format!("{folder}/libtorch.so")) else { return };
        // SAFETY: the path is a C string; the library's constructors are those that a cell would run.
        unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_LAZY) };
    });
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for two; on success both are new descriptors that nobody else owns.
    unsafe {
        check(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC))?;
        Ok((OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])))
    }
}

fn check(status: libc::c_int) -> io::Result<libc::c_int> {
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(status) }
}
