//! The prepared build that sessions are cloned from.

use super::Context;
use super::ask::{Answer, ask};
use super::report::{Check, size};
use crate::kernel::warm::{self, Warm};
use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Without one of these no session starts.
const PARTS: [&str; 5] = ["crate/Cargo.toml", "template/target", "cell-rustc", ".cargo/config.toml", "Cargo.lock"];

/// Whether the build for this crate, Rust and libtorch is ready.
pub fn check(context: &Context) -> Check {
    match Warm::locate() {
        Ok(warm) => {
            let manifest = warm.crate_folder().join("Cargo.toml");
            let arguments = ["metadata", "--offline", "--format-version", "1", "--manifest-path"];
            let sources = ask("cargo", &[&arguments[..], &[&manifest.to_string_lossy()]].concat(), 20);
            judge(warm.root(), warm.toolchain(), &sources, &context.command)
        }
        Err(error) => Check::failed(format!("it cannot be looked for: {error}"), "mend what is above first"),
    }
}

/// `sources` is whether cargo finds all dependencies without a network.
fn judge(root: &Path, toolchain: &str, sources: &Answer, command: &str) -> Check {
    let install = format!("{command} install");
    if !root.join("ready").exists() {
        if is_locked(&root.join("lock")) {
            return Check::warning("being prepared right now", "wait a few minutes");
        }
        let mend = format!("{install} (minutes; otherwise the next session does it)");
        return Check::warning(format!("not ready: {}", why_not(root, toolchain)), mend);
    }
    if let Some(part) = PARTS.iter().find(|part| !root.join(part).exists()) {
        let mend = format!("rm -r {}, then {install}", root.display());
        return Check::failed(format!("{} is incomplete: there is no {part}", root.display()), mend);
    }
    if let Err(silence) = sources {
        let mend = format!("cargo fetch --manifest-path {}/crate/Cargo.toml", root.display());
        return Check::failed(format!("the sources of the dependencies are not at hand: cargo {silence}"), mend);
    }
    let (running, stale): (Vec<_>, Vec<_>) = warm::sessions(root).partition(|session| !warm::is_stale(session));
    let stale =
        if stale.is_empty() { String::new() } else { format!(", {} stale (the next one removes them)", stale.len()) };
    let bytes = disk(root, &mut HashSet::new());
    Check::fine(format!("ready in {}, {}; sessions: {}{stale}", root.display(), size(bytes), running.len()))
}

/// What has changed since another build was made.
fn why_not(root: &Path, toolchain: &str) -> String {
    let others = root.parent().and_then(|cache| fs::read_dir(cache).ok()).into_iter().flatten().flatten();
    let mut ready: Vec<_> = others
        .filter_map(|other| {
            let path = other.path().join("ready");
            Some((path.metadata().ok()?.modified().ok()?, fs::read_to_string(path).ok()?))
        })
        .collect();
    ready.sort();
    let Some((_, latest)) = ready.last() else { return "it was never made here".to_string() };
    if ready.iter().any(|(_, other)| other == toolchain) {
        return "the crate has changed since".to_string();
    }
    let release = |text: &str| text.lines().find_map(|line| Some(line.strip_prefix("release: ")?.to_string()));
    match (release(latest), release(toolchain)) {
        (Some(then), Some(now)) if then != now => format!("it was made with Rust {then}, and this is {now}"),
        _ => "Rust or libtorch has changed since".to_string(),
    }
}

fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Bytes on the disk; a file with several names counts once.
fn disk(path: &Path, seen: &mut HashSet<(u64, u64)>) -> u64 {
    let Ok(metadata) = path.symlink_metadata() else { return 0 };
    if !metadata.is_dir() {
        return if seen.insert((metadata.dev(), metadata.ino())) { metadata.blocks() * 512 } else { 0 };
    }
    fs::read_dir(path).into_iter().flatten().flatten().map(|entry| disk(&entry.path(), seen)).sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::ask::Silence;
    use super::super::report::Mark;
    use super::*;

    const NOW: &str = "2\n/torch\nrustc 1.96.0\nrelease: 1.96.0\n";

    fn judged(root: &Path) -> Check {
        judge(root, NOW, &Ok(String::new()), "noisebook")
    }

    #[test]
    fn a_build_that_is_not_ready_says_what_has_changed() {
        let cache = tempfile::tempdir().unwrap();
        let root = cache.path().join("new");
        assert_eq!(judged(&root).found, "not ready: it was never made here");
        let other = |name: &str, toolchain: &str| {
            fs::create_dir(cache.path().join(name)).unwrap();
            fs::write(cache.path().join(name).join("ready"), toolchain).unwrap();
        };
        other("a", &NOW.replace("1.96", "1.95"));
        let check = judged(&root);
        assert_eq!(check.found, "not ready: it was made with Rust 1.95.0, and this is 1.96.0");
        assert!(check.mark == Mark::Warning && check.mend.unwrap().starts_with("noisebook install"));
        other("b", NOW);
        assert_eq!(judged(&root).found, "not ready: the crate has changed since");
    }

    #[test]
    fn another_libtorch_is_a_change_too() {
        let cache = tempfile::tempdir().unwrap();
        fs::create_dir(cache.path().join("a")).unwrap();
        fs::write(cache.path().join("a/ready"), NOW.replace("/torch", "/other")).unwrap();
        assert_eq!(judged(&cache.path().join("new")).found, "not ready: Rust or libtorch has changed since");
    }

    #[test]
    fn a_build_that_somebody_prepares_is_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let file = File::create(root.path().join("lock")).unwrap();
        file.lock().unwrap();
        assert_eq!(judged(root.path()).found, "being prepared right now");
        file.unlock().unwrap();
        assert!(judged(root.path()).found.starts_with("not ready"));
    }

    #[test]
    fn a_ready_build_is_whole_and_counts_its_sessions() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("ready"), NOW).unwrap();
        let check = judged(root.path());
        assert!(check.mark == Mark::Failed && check.mend.unwrap().starts_with("rm -r "), "{}", check.found);
        for part in PARTS {
            fs::create_dir_all(root.path().join(part)).unwrap();
        }
        let gone = judge(root.path(), NOW, &Err(Silence::Failed("no matching package".to_string())), "noisebook");
        assert!(gone.mark == Mark::Failed && gone.mend.unwrap().starts_with("cargo fetch --manifest-path"));
        let [running, _stale] = ["one", "two"].map(|session| {
            let folder = root.path().join("sessions").join(session);
            fs::create_dir_all(&folder).unwrap();
            fs::File::create(folder.join(warm::LOCK)).unwrap()
        });
        running.lock().unwrap();
        let check = judged(root.path());
        assert!(check.mark == Mark::Fine, "{check:?}");
        assert!(check.found.ends_with("sessions: 1, 1 stale (the next one removes them)"), "{check:?}");
    }

    #[test]
    fn links_take_no_room() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("a")).unwrap();
        fs::write(root.path().join("a/file"), vec![1; 100_000]).unwrap();
        let before = disk(root.path(), &mut HashSet::new());
        fs::hard_link(root.path().join("a/file"), root.path().join("link")).unwrap();
        assert_eq!(disk(root.path(), &mut HashSet::new()), before);
        assert!((100_000..200_000).contains(&before), "{before}");
    }
}
