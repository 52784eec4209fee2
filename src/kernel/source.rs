//! The crate's own source and its compiled bindings to libtorch, inside the program: cells depend on a copy of them, so
//! the clone may move or go.

use super::Result;
use std::path::Path;

/// Paths and contents, listed by build.rs.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/source.rs"));

/// The archive `libtch.a` that torch-sys compiled, and what is linked with it, if build.rs found them.
pub const BINDINGS: Option<(&[u8], &[&str])> = include!(concat!(env!("OUT_DIR"), "/bindings.rs"));

/// All files, in the order of their paths.
pub fn files() -> &'static [(&'static str, &'static [u8])] {
    FILES
}

/// Writes the crate into a folder.
pub fn write(folder: &Path) -> Result<()> {
    for (path, content) in FILES {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&path, content).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// The versions of the crate's dependencies, which cells use too.
pub fn lock_file() -> &'static [u8] {
    FILES.iter().find(|(path, _)| *path == "Cargo.lock").map_or(b"", |(_, content)| content)
}
