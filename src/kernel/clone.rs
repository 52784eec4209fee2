//! Copies of a build directory that cost little: large files that cargo never changes in place become hard links.

use std::fs::{self, File, FileTimes, Metadata};
use std::io;
use std::path::Path;

/// Files below this size are copied, which takes as long as linking them; cargo rewrites some of those in place.
const LINKED_FROM: u64 = 16 * 1024;

/// Clones `from` into `to`, without what belongs to evcxr's own crate. Times of change are kept: cargo goes by them.
pub fn clone_build(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if is_cells(&name.to_string_lossy()) {
            continue;
        }
        let (source, target) = (entry.path(), to.join(&name));
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            clone_build(&source, &target)?;
        } else if metadata.is_file() {
            clone_file(&source, &target, &metadata)?;
        }
    }
    Ok(())
}

/// Whether a file or folder is about a cell: of no use to another session.
fn is_cells(name: &str) -> bool {
    matches!(name, "incremental" | "libctx.so" | "ctx.d") || name.starts_with("ctx-") || name.starts_with("libcode_")
}

fn clone_file(source: &Path, target: &Path, metadata: &Metadata) -> io::Result<()> {
    if let Ok(there) = fs::metadata(target) {
        if there.len() == metadata.len() && there.modified()? == metadata.modified()? {
            return Ok(());
        }
        // Never written over: it may be a link to a file that others use.
        fs::remove_file(target)?;
    }
    if metadata.len() >= LINKED_FROM && is_product(source) && fs::hard_link(source, target).is_ok() {
        return Ok(());
    }
    fs::copy(source, target)?;
    let times = FileTimes::new().set_modified(metadata.modified()?).set_accessed(metadata.modified()?);
    File::options().append(true).open(target)?.set_times(times)
}

/// Compilers and linkers write these anew or rename them into place, never into the old file.
fn is_product(path: &Path) -> bool {
    match path.extension() {
        Some(extension) => ["rlib", "rmeta", "so", "a", "o"].iter().any(|known| extension == *known),
        None => path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("build")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn only_large_products_are_shared() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("deps/ctx-1")).unwrap();
        let large = vec![7; LINKED_FROM as usize];
        for (name, content) in [
            ("libtch.rlib", &large[..]),
            ("large.json", &large),
            ("small.rlib", b"x"),
            ("libcode_1.so", &large),
            ("ctx-1/a", b"x"),
        ] {
            fs::write(from.join("deps").join(name), content).unwrap();
        }
        clone_build(&from, &to).unwrap();
        // A second time, over what is there: nothing is written into a file that others use.
        fs::write(from.join("deps/small.rlib"), b"changed").unwrap();
        clone_build(&from, &to).unwrap();
        assert_eq!(fs::read(to.join("deps/libtch.rlib")).unwrap(), large);
        assert_eq!(fs::read(to.join("deps/small.rlib")).unwrap(), b"changed");
        let metadata = |root: &Path, name: &str| fs::metadata(root.join("deps").join(name));
        for (name, shared) in [("libtch.rlib", true), ("large.json", false), ("small.rlib", false)] {
            let (old, new) = (metadata(&from, name).unwrap(), metadata(&to, name).unwrap());
            assert_eq!(old.ino() == new.ino(), shared, "{name}");
            assert_eq!(old.modified().unwrap(), new.modified().unwrap(), "{name}");
        }
        assert!(metadata(&to, "libcode_1.so").is_err() && metadata(&to, "ctx-1").is_err());
    }
}
