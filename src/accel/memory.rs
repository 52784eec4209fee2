//! How much memory was taken.

/// The most memory that this process ever held, in bytes (its peak resident set). What lies on a GPU is not part of it.
///
/// ```
/// let before = noisebook::accel::peak_memory();
/// let zeros = vec![1_u8; 1 << 26];
/// assert!(noisebook::accel::peak_memory() >= before.max(zeros.len() as u64));
/// ```
#[must_use]
pub fn peak_memory() -> u64 {
    // SAFETY: all of the structure are numbers, which getrusage sets.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    // In kilobytes on Linux, in bytes on a Mac.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1_024 };
    usage.ru_maxrss.unsigned_abs() * unit
}
