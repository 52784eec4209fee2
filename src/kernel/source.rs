//! The crate's own source and its compiled bindings to libtorch, inside the program: cells depend on a copy of them, so
//! the clone may move or go.

use super::Result;
use std::path::Path;

/// Paths and contents, listed by build.rs.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/source.rs"));

/// The manifest names a program; cells need none of it, and so a change of the kernel leaves their build as it is.
const MAIN: (&str, &[u8]) = ("src/main.rs", b"fn main() {}\n");

/// The archive `libtch.a` that torch-sys compiled, and what is linked with it, if build.rs found them.
pub const BINDINGS: Option<(&[u8], &[&str])> = include!(concat!(env!("OUT_DIR"), "/bindings.rs"));

/// All that cells need, in the order of the paths.
pub fn files() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    let library = FILES.iter().copied().filter(|(path, _)| *path != MAIN.0 && !path.starts_with("src/kernel/"));
    library.chain([MAIN])
}

/// Writes the crate into a folder.
pub fn write(folder: &Path) -> Result<()> {
    for (path, content) in files() {
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
