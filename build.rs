//! Gives binaries, tests and examples an rpath to libtorch, and the kernel the crate's own source.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // tch's own rpath does not reach the crates that depend on it.
    if let Ok(libtorch) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{libtorch}");
        println!("cargo::rustc-env=NOISEBOOK_LIBTORCH={libtorch}");
    }
    if std::env::var_os("CARGO_FEATURE_KERNEL").is_some() {
        list_source();
    }
}

/// Lists what Cargo.toml's `include` names, for `noisebook install`.
fn list_source() {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap_or_default();
    let include = manifest.lines().find_map(|line| line.strip_prefix("include = [")).unwrap_or_default();
    let mut files = Vec::new();
    for name in include.split('"').filter_map(|part| part.strip_prefix('/')) {
        // Licences are not needed to compile; a name with a star is one of them.
        if !name.contains('*') && root.join(name).exists() {
            println!("cargo::rerun-if-changed={name}");
            collect(&root.join(name), &mut files);
        }
    }
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(&root).unwrap_or(file);
        let _ = writeln!(list, "({:?}, include_bytes!({:?})),", name.display().to_string(), file.display().to_string());
    }
    list.push_str("]\n");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    if let Err(error) = std::fs::write(out.join("source.rs"), list) {
        println!("cargo::error=the list of the crate's files could not be written: {error}");
    }
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    match std::fs::read_dir(path) {
        Ok(entries) => entries.flatten().for_each(|entry| collect(&entry.path(), files)),
        Err(_) => files.push(path.to_path_buf()),
    }
}
