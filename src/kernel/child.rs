//! What the process that runs the cells does.
//!
//! evcxr reads its child's standard output line by line, which would hold back partial lines and mix the cell's text
//! with its own control lines. So the child puts pipes in place of its standard output and error and hands their other
//! ends to the kernel, together with its real standard output. The kernel reads raw bytes, and passes on to evcxr what
//! is meant for evcxr (pump.rs). The pipes are read from outside, so nothing that was written before a crash is lost.
//! On its standard input evcxr names the cells to run. A cell that reads shall not find those lines, so they are read
//! here, in place of evcxr's own loop, and the cell's standard input is the front end's (input.rs).

use super::{crash, input, link};
use std::ffi::{CStr, CString, c_void};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// The variable that names the inherited socket, for the library's displays too.
pub const SOCKET_VARIABLE: &str = "NOISEBOOK_SOCKET";

/// In evcxr's child process, runs cells until the kernel has enough of it; elsewhere does nothing.
///
/// Must come first, while the process has one thread.
pub fn start() {
    if std::env::var_os("EVCXR_IS_RUNTIME").is_none() {
        return;
    }
    let Some(socket) = std::env::var(SOCKET_VARIABLE).ok().and_then(|text| text.parse::<RawFd>().ok()) else {
        return;
    };
    let cells = connect(socket).unwrap_or_else(|error| {
        eprintln!("noisebook: the process for the cells could not reach the kernel: {error}");
        std::process::exit(1);
    });
    // evcxr asks for backtraces. They would show no line of a cell (cells have no debug information), and take seconds.
    // SAFETY: no other thread runs yet.
    unsafe { std::env::set_var("RUST_BACKTRACE", "0") };
    load_libtorch();
    run_cells(cells, socket);
}

/// Gives where evcxr names the cells.
fn connect(socket: RawFd) -> io::Result<File> {
    // The kernel asks for an interrupt by message; Ctrl-C in the terminal of a front end must not end the variables.
    // SAFETY: these calls take numbers only.
    unsafe {
        libc::signal(libc::SIGINT, libc::SIG_IGN);
        check(libc::fcntl(socket, libc::F_SETFD, libc::FD_CLOEXEC))?;
    }
    let (out_read, out_write) = pipe()?;
    let (err_read, err_write) = pipe()?;
    let (in_read, in_write) = pipe()?;
    // Closed when this process ends, whoever else still holds the others.
    let (alive_read, alive_write) = pipe()?;
    let (real_stdin, real_stdout) = (duplicate(0)?, duplicate(1)?);
    let ends = [&out_read, &err_read, &alive_read, &real_stdout, &in_write].map(|fd| fd.as_raw_fd());
    link::send_ends(socket, std::process::id(), ends)?;
    let nothing = File::open("/dev/null")?;
    // SAFETY: these are open descriptors; dup2 clears the close-on-exec flag of the copies, as standard streams need.
    unsafe {
        check(libc::dup2(nothing.as_raw_fd(), 0))?;
        check(libc::dup2(out_write.as_raw_fd(), 1))?;
        check(libc::dup2(err_write.as_raw_fd(), 2))?;
    }
    std::mem::forget(alive_write);
    input::answer_reads(socket, in_read);
    crash::prepare();
    Ok(real_stdin.into())
}

/// Takes the variables, or null, and gives them back.
type CellFunction = unsafe extern "C" fn(*mut c_void) -> *mut c_void;

/// Runs what evcxr names, line by line: `LOAD_AND_RUN library function`. Never returns.
fn run_cells(cells: File, socket: RawFd) -> ! {
    let mut variables = std::ptr::null_mut();
    for line in BufReader::new(cells).lines() {
        let Ok(line) = line else { break };
        let mut words = line.split(' ');
        if let (Some("LOAD_AND_RUN"), Some(library), Some(function)) = (words.next(), words.next(), words.next()) {
            link::send_begun(socket, library.as_bytes());
            // Each time, since libraries that a cell loads may set handlers of their own.
            crash::watch();
            match load(library, function) {
                // SAFETY: evcxr has generated the function, for this pointer.
                Ok(cell) => variables = unsafe { cell(variables) },
                Err(error) => end(&line, &error),
            }
            println!("EVCXR_EXECUTION_COMPLETE");
        } else {
            end(&line, "it is none");
        }
    }
    std::process::exit(0)
}

/// The kernel understands these words (failure/death.rs).
fn end(line: &str, error: &str) -> ! {
    eprintln!("While processing instruction `{line:?}`, got error: {error}");
    std::process::exit(99)
}

/// The function of a compiled cell; its library stays loaded, since its values have code in it.
fn load(library: &str, function: &str) -> Result<CellFunction, String> {
    let text = |text: &str| CString::new(text).map_err(|error| error.to_string());
    let (library, function) = (text(library)?, text(function)?);
    // SAFETY: the paths are C strings; the library's constructors are those of the cell; evcxr has generated a function
    // of this type under this name.
    unsafe {
        let handle = libc::dlopen(library.as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL);
        if handle.is_null() {
            return Err(loader_error());
        }
        let symbol = libc::dlsym(handle, function.as_ptr());
        if symbol.is_null() {
            return Err(loader_error());
        }
        Ok(std::mem::transmute::<*mut c_void, CellFunction>(symbol))
    }
}

fn loader_error() -> String {
    // SAFETY: the result is null or a C string that lives until the next call for the loader.
    unsafe {
        let text = libc::dlerror();
        if text.is_null() { String::new() } else { CStr::from_ptr(text).to_string_lossy().into_owned() }
    }
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

/// A copy that is not inherited.
fn duplicate(descriptor: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the result is a new descriptor that nobody else owns.
    unsafe { Ok(OwnedFd::from_raw_fd(check(libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 3))?)) }
}

fn check(status: libc::c_int) -> io::Result<libc::c_int> {
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(status) }
}
