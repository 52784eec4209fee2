//! Signals that end the process of the cells: it says first where it stood.
//!
//! evcxr's own handlers print a stack of Rust's and evcxr's functions, after seconds, and none if the stack is used up.

use libc::{c_int, c_void, siginfo_t};
use std::ffi::CStr;
use std::io::Write;

/// Signals by which the process ends of itself.
const SIGNALS: [c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT];

/// How far from the stack's end an access is still one that the stack has grown to.
const NEAR: usize = 1 << 20;

/// How many calls are looked at.
const CALLS: usize = 64;

/// Handlers run on this stack, as the usual one may be used up.
const STACK: usize = 256 * 1024;

/// Seconds after which a handler that hangs is ended: it was interrupted anywhere, also while it held a lock.
const PATIENCE: u32 = 3;

/// Gives this thread, which will run the cells, a stack for its handlers.
pub fn prepare() {
    let space = Box::leak(vec![0_u8; STACK].into_boxed_slice()).as_mut_ptr().cast();
    let stack = libc::stack_t { ss_sp: space, ss_flags: 0, ss_size: STACK };
    // SAFETY: the pointer and the length describe the space, which is never freed.
    unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) };
    // The first call loads a library, which a handler should not do.
    let mut one = [std::ptr::null_mut(); 1];
    // SAFETY: the pointer and the length describe `one`.
    unsafe { libc::backtrace(one.as_mut_ptr(), 1) };
}

/// Handles the signals from now on.
pub fn watch() {
    // SAFETY: all zeros is a valid sigaction; the handler has the signature that SA_SIGINFO asks for.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handle as extern "C" fn(c_int, *mut siginfo_t, *mut c_void) as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESETHAND | libc::SA_NODEFER;
        for signal in SIGNALS {
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
    }
}

/// Writes `11;stack;7:1a2b 7:3c4d ` in an escape sequence (failure/death.rs), and lets the signal do what it does.
extern "C" fn handle(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let mut text = Buffer { bytes: [0; 4096], length: 0 };
    // SAFETY: the system gives both pointers, and the handler was reset to the default when it was called.
    let address = unsafe {
        libc::signal(libc::SIGALRM, libc::SIG_DFL);
        libc::alarm(PATIENCE);
        (*info).si_addr() as usize
    };
    let full = matches!(signal, libc::SIGSEGV | libc::SIGBUS)
        && stack_pointer(context).is_some_and(|stack| address.abs_diff(stack) < NEAR);
    let _ = write!(text, "\n\x1b]noisebook-crash;{signal};{};", if full { "stack" } else { "memory" });
    write_frames(&mut text);
    let _ = writeln!(text, "\x07");
    // SAFETY: the pointer and the length describe the text.
    unsafe {
        libc::write(2, text.bytes.as_ptr().cast(), text.length);
        libc::alarm(0);
        libc::raise(signal);
    }
}

fn write_frames(text: &mut Buffer) {
    let mut calls = [std::ptr::null_mut(); CALLS];
    // SAFETY: the pointer and the length describe `calls`.
    let count = unsafe { libc::backtrace(calls.as_mut_ptr(), CALLS as c_int) };
    for &call in calls.iter().take(count as usize) {
        // SAFETY: all zeros is a valid Dl_info; the name that it gets lives as long as the library.
        let (file, base) = unsafe {
            let mut place: libc::Dl_info = std::mem::zeroed();
            if libc::dladdr(call, &raw mut place) == 0 || place.dli_fname.is_null() {
                continue;
            }
            (CStr::from_ptr(place.dli_fname), place.dli_fbase)
        };
        let file = file.to_str().unwrap_or_default();
        if let Some((_, number)) = file.rsplit_once("/libcode_") {
            let _ = write!(text, "{}:{:x} ", number.trim_end_matches(".so"), call as usize - base as usize);
        }
    }
}

/// The stack pointer when the signal came.
fn stack_pointer(context: *mut c_void) -> Option<usize> {
    let context: *const libc::ucontext_t = context.cast();
    // SAFETY: the system gives a handler that asks for it a valid context.
    #[cfg(target_arch = "x86_64")]
    return Some(unsafe { (*context).uc_mcontext.gregs[libc::REG_RSP as usize] } as usize);
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    return Some(unsafe { (*context).uc_mcontext.sp } as usize);
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return None;
}

/// Text without allocations. What does not fit is left out.
struct Buffer {
    bytes: [u8; 4096],
    length: usize,
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let room = self.bytes.len() - self.length - 2;
        let count = bytes.len().min(room);
        self.bytes[self.length..self.length + count].copy_from_slice(&bytes[..count]);
        self.length += count;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
