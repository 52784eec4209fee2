//! How much memory was taken, and what becomes of it between two steps.

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

/// While it lives, the process keeps the memory of a training step for the next one.
///
/// It would go back to the system in between, and each of its pages would have to be cleared when it comes again: a thousand
/// pages a step of a small network, ten thousand of a large one.
#[derive(Debug)]
pub(crate) struct KeptMemory(());

/// Blocks below this come out of the memory that is kept: the largest that glibc takes, and where its own adaptation ends.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const BLOCK: libc::c_int = 32 << 20;

impl KeptMemory {
    pub(crate) fn new() -> Self {
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        // SAFETY: each sets one number of the allocator's, which other threads read as it was or as it is.
        unsafe {
            if libc::mallopt(libc::M_MMAP_THRESHOLD, BLOCK) == 1 {
                libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
            }
        }
        Self(())
    }
}

impl Drop for KeptMemory {
    /// What is not in use goes back to the system, now and from now on.
    fn drop(&mut self) {
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        // SAFETY: as above; the second touches free memory alone, under the allocator's locks.
        unsafe {
            // Twice a block, as glibc itself would have it.
            libc::mallopt(libc::M_TRIM_THRESHOLD, 2 * BLOCK);
            libc::malloc_trim(0);
        }
    }
}
