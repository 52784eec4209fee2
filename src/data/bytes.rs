//! Room for the bytes of many images: in memory, or, where they would not fit, in a file that the system pages in.

use super::cache;
use crate::{Error, Result};
use std::fs::File;
use std::ops::{Deref, DerefMut};
use std::os::fd::AsRawFd;
use std::ptr::NonNull;

/// Bytes, in memory or on disk; they look the same.
#[derive(Debug)]
pub(super) enum Bytes {
    Memory(Vec<u8>),
    Disk(Mapping),
}

impl Bytes {
    /// This many zeros: on disk where that is asked for, or where they would take more than half of the free memory.
    pub(super) fn zeroed(length: usize, on_disk: bool) -> Result<Self> {
        if on_disk || length as u64 > free_memory() / 2 {
            return Ok(Self::Disk(Mapping::new(length)?));
        }
        Ok(Self::Memory(vec![0; length]))
    }

    pub(super) fn on_disk(&self) -> bool {
        matches!(self, Self::Disk(_))
    }

    /// Keeps the first bytes alone.
    pub(super) fn truncate(&mut self, length: usize) {
        match self {
            Self::Memory(bytes) => {
                bytes.truncate(length);
                bytes.shrink_to_fit();
            }
            Self::Disk(mapping) => mapping.used = mapping.used.min(length),
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Memory(bytes) => bytes,
            Self::Disk(mapping) => mapping.slice(),
        }
    }
}

impl DerefMut for Bytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Memory(bytes) => bytes,
            Self::Disk(mapping) => mapping.slice_mut(),
        }
    }
}

/// A file without a name, mapped into memory: it is gone with the last who uses it, also after a crash.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<u8>,
    length: usize,
    used: usize,
}

// SAFETY: the mapping is this value's alone; shared references only read it.
unsafe impl Send for Mapping {}
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(length: usize) -> Result<Self> {
        let folder = cache::folder()?;
        let failed = |error: std::io::Error| {
            let rule =
                format!("{length} bytes of images do not fit there: {error}; set XDG_CACHE_HOME to a roomier place");
            Error::argument("folder", folder.display(), rule)
        };
        let path = folder.join(format!("images-{}-{:x}", std::process::id(), &raw const folder as usize));
        let file = File::options().read(true).write(true).create_new(true).open(&path).map_err(failed)?;
        std::fs::remove_file(&path).map_err(failed)?;
        reserve(&file, length).map_err(failed)?;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping of a file that nobody else can open; `length` is at least 1.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), length.max(1), access, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        match NonNull::new(start.cast::<u8>()) {
            Some(start) if start.as_ptr().cast::<libc::c_void>() != libc::MAP_FAILED => {
                Ok(Self { start, length: length.max(1), used: length })
            }
            _ => Err(failed(std::io::Error::last_os_error())),
        }
    }

    fn slice(&self) -> &[u8] {
        // SAFETY: `used` is at most the mapping's length, and the mapping lives as long as self.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.used) }
    }

    fn slice_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `slice`, and self is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.used) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length, and unmapped once.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

/// Takes the room now: writing into a mapping that the disk has no room for would end the process.
#[cfg(target_os = "linux")]
fn reserve(file: &File, length: usize) -> std::io::Result<()> {
    // SAFETY: plain numbers, and a file that is open.
    match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, length.max(1) as libc::off_t) } {
        0 => Ok(()),
        code => Err(std::io::Error::from_raw_os_error(code)),
    }
}

#[cfg(not(target_os = "linux"))]
fn reserve(file: &File, length: usize) -> std::io::Result<()> {
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), length.max(1) as u64), &mut &*file).map(|_| ())
}

/// The bytes of memory that are free, or can be made so; where the system does not say, as many as there may be.
fn free_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kilobytes.map_or(u64::MAX, |kilobytes| kilobytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disk_and_memory_look_the_same() {
        for on_disk in [false, true] {
            let mut bytes = Bytes::zeroed(10_000, on_disk).unwrap();
            assert_eq!((bytes.on_disk(), bytes.len(), bytes.iter().any(|&byte| byte != 0)), (on_disk, 10_000, false));
            bytes[9_999] = 7;
            bytes[3] = 5;
            assert_eq!((bytes[9_999], bytes[3]), (7, 5));
            bytes.truncate(4);
            assert_eq!(&bytes[..], [0, 0, 0, 5]);
        }
        assert!(Bytes::zeroed(0, true).unwrap().is_empty());
    }

    #[test]
    fn what_no_disk_holds_is_an_error() {
        let error = Bytes::zeroed(1 << 60, false).unwrap_err().to_string();
        assert!(error.contains("1152921504606846976 bytes of images do not fit there: "), "{error}");
        assert!(error.ends_with("; set XDG_CACHE_HOME to a roomier place"), "{error}");
    }
}
