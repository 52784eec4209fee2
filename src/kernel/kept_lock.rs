//! The versions of the crate's dependencies, while evcxr looks at `:dep` lines.
//!
//! It asks cargo about each of them, with a manifest that has no other, and cargo removes from the lock file what that one
//! does not need. Then it would take the newest versions of all the rest, and compile the crate again, for minutes.

use std::io;
use std::path::PathBuf;

/// A copy of a lock file.
pub struct KeptLock {
    lock: PathBuf,
    copy: PathBuf,
}

impl KeptLock {
    pub fn of(lock: PathBuf) -> io::Result<Self> {
        let copy = lock.with_extension("kept");
        std::fs::copy(&lock, &copy)?;
        Ok(Self { lock, copy })
    }

    /// The line for evcxr, behind the `:dep` lines, that puts the file back before anything is built. No path of a session has
    /// a space.
    pub fn command(&self) -> String {
        format!("!cp '{}' '{}'", self.copy.display(), self.lock.display())
    }

    pub fn restore(&self) -> io::Result<()> {
        std::fs::copy(&self.copy, &self.lock).map(drop)
    }
}
