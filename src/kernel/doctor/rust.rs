//! What compiles cells: Rust, the source of its standard library, a linker.

use super::ask::{Answer, ask};
use super::report::Check;
use std::path::Path;

const NEEDED: &str = env!("CARGO_PKG_RUST_VERSION");
const RUSTUP: &str = "install Rust with rustup (https://rustup.rs)";
const COMPILER: &str = "sudo apt install gcc libc6-dev (Debian, Ubuntu) or sudo dnf install gcc (Fedora)";

/// rustc and cargo.
pub fn check() -> Check {
    judge(&ask("rustc", &["--version"], 10), &ask("cargo", &["--version"], 10))
}

fn judge(rustc: &Answer, cargo: &Answer) -> Check {
    let (rustc, cargo) = match (rustc, cargo) {
        (Ok(rustc), Ok(cargo)) => (version(rustc), version(cargo)),
        (Err(silence), _) => return Check::failed(format!("rustc {silence}"), RUSTUP),
        (_, Err(silence)) => return Check::failed(format!("cargo {silence}"), RUSTUP),
    };
    if numbers(rustc) < numbers(NEEDED) {
        return Check::failed(format!("rustc {rustc}, and {NEEDED} or later is needed"), "rustup update stable");
    }
    Check::fine(format!("rustc {rustc}, cargo {cargo}"))
}

fn version(answer: &str) -> &str {
    answer.split_whitespace().nth(1).unwrap_or("of an unknown version")
}

/// Major and minor; nothing is less than any version.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    parts.next().flatten().zip(parts.next().flatten())
}

/// The source of the standard library, which rust-analyzer reads.
pub fn check_sources() -> Check {
    match ask("rustc", &["--print", "sysroot"], 10) {
        Ok(sysroot) => judge_sources(Path::new(sysroot.trim()), ask("rustup", &["--version"], 10).is_ok()),
        Err(silence) => Check::failed(format!("rustc {silence}"), RUSTUP),
    }
}

fn judge_sources(sysroot: &Path, rustup: bool) -> Check {
    if sysroot.join("lib/rustlib/src/rust/library/core").is_dir() {
        return Check::fine("the source of the standard library is there");
    }
    let mend = if rustup { "rustup component add rust-src" } else { "sudo apt install rust-src, or use rustup" };
    Check::warning("no source of the standard library: completion and inspection know little", mend)
}

/// Links a program of one line: some systems have `cc` and lack what it needs.
pub fn check_linker() -> Check {
    let folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => return Check::failed(format!("no temporary folder: {error}"), "unset TMPDIR, or free some disk"),
    };
    let (source, program) = (folder.path().join("a.c"), folder.path().join("a"));
    if let Err(error) = std::fs::write(&source, "int main(void) { return 0; }\n") {
        return Check::failed(format!("{}: {error}", source.display()), "unset TMPDIR, or free some disk");
    }
    let linked = ask("cc", &[&source.to_string_lossy(), "-o", &program.to_string_lossy()], 20);
    judge_linker(&ask("cc", &["--version"], 10), &linked)
}

fn judge_linker(version: &Answer, linked: &Answer) -> Check {
    match (version, linked) {
        (Ok(version), Ok(_)) => Check::fine(version.lines().next().unwrap_or("cc").to_string()),
        (Err(silence), _) => Check::failed(format!("cc {silence}"), COMPILER),
        (_, Err(silence)) => Check::failed(format!("cc links no program: it {silence}"), COMPILER),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::ask::Silence;
    use super::super::report::Mark;
    use super::*;

    fn said(text: &str) -> Answer {
        Ok(text.to_string())
    }

    #[test]
    fn rust_must_be_there_and_new_enough() {
        let cargo = said("cargo 1.95.0 (a b)");
        let check = judge(&said("rustc 1.95.0 (59807616e 2026-04-14)"), &cargo);
        assert_eq!(check, Check::fine("rustc 1.95.0, cargo 1.95.0"));
        assert_eq!(judge(&said("rustc 2.0.0-nightly (a b)"), &cargo).mark, Mark::Fine);
        for old in ["rustc 1.94.2 (a b)", "rustc 0.99.0", "nonsense"] {
            let check = judge(&said(old), &cargo);
            assert_eq!((check.mark, check.mend.as_deref()), (Mark::Failed, Some("rustup update stable")), "{old}");
        }
        let toolchain = Silence::Failed("error: toolchain 'x' is not installed".to_string());
        assert_eq!(judge(&Err(toolchain), &cargo).found, "rustc failed: error: toolchain 'x' is not installed");
        assert_eq!(judge(&said("rustc 1.95.0"), &Err(Silence::Missing)).found, "cargo was not found");
    }

    #[test]
    fn sources_lie_below_the_sysroot() {
        let folder = tempfile::tempdir().unwrap();
        let check = judge_sources(folder.path(), true);
        assert_eq!((check.mark, check.mend.unwrap().as_str()), (Mark::Warning, "rustup component add rust-src"));
        assert!(judge_sources(folder.path(), false).mend.unwrap().contains("apt install rust-src"));
        std::fs::create_dir_all(folder.path().join("lib/rustlib/src/rust/library/core")).unwrap();
        assert_eq!(judge_sources(folder.path(), true).mark, Mark::Fine);
    }

    #[test]
    fn a_linker_must_link() {
        assert_eq!(judge_linker(&said("cc 12\nmore"), &said("")), Check::fine("cc 12"));
        assert_eq!(judge_linker(&Err(Silence::Missing), &Err(Silence::Missing)).found, "cc was not found");
        let check = judge_linker(&said("cc 12"), &Err(Silence::Failed("cannot find Scrt1.o".to_string())));
        assert_eq!(
            (check.mark, check.found.as_str()),
            (Mark::Failed, "cc links no program: it failed: cannot find Scrt1.o")
        );
    }
}
