// Runs as a cell, once in each process of the cells, whose std all cells share. A panic then says on standard error, too,
// at which addresses of the cells' libraries it happened (panic.rs).
{
    use std::ffi::{CStr, c_char, c_int, c_void};
    use std::fmt::Write as _;
    use std::io::Write as _;

    #[repr(C)]
    struct Place {
        file: *const c_char,
        base: *const c_void,
        symbol: *const c_char,
        address: *const c_void,
    }

    unsafe extern "C" {
        fn backtrace(buffer: *mut *const c_void, size: c_int) -> c_int;
        fn dladdr(address: *const c_void, place: *mut Place) -> c_int;
        fn gettid() -> c_int;
    }

    fn frames() -> String {
        let mut stack = [std::ptr::null(); 256];
        let mut frames = String::new();
        // SAFETY: the pointer and the length describe `stack`.
        let count = unsafe { backtrace(stack.as_mut_ptr(), stack.len() as c_int) };
        for &address in stack.iter().take(count as usize) {
            let mut place = Place { file: std::ptr::null(), base: std::ptr::null(), symbol: std::ptr::null(), address };
            // SAFETY: `place` is what the C library calls Dl_info; the name that it gets lives as long as the library.
            let file = unsafe {
                if dladdr(address, &raw mut place) == 0 || place.file.is_null() {
                    continue;
                }
                CStr::from_ptr(place.file).to_string_lossy()
            };
            if let Some((_, number)) = file.rsplit_once("/libcode_") {
                let offset = address as usize - place.base as usize;
                let _ = write!(frames, "{}:{offset:x} ", number.trim_end_matches(".so"));
            }
        }
        frames
    }

    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        // SAFETY: the call takes and touches nothing.
        let first = unsafe { gettid() } as u32 == std::process::id();
        let name = if first { "main" } else { thread.name().unwrap_or("<unnamed>") };
        let message = panic.payload_as_str().unwrap_or("a value that is no text (std::panic::panic_any)");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text =
            format!("\nthread '{name}' panicked at {place}:\n{message}\n\x1b]noisebook-frames;{}\x07\n", frames());
        let _ = std::io::stderr().write_all(text.as_bytes());
    }));
}
