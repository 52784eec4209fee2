//! The processes that this one has started: cargo, rustc and what they start.

use std::collections::HashMap;
use std::fs;

/// The name of this program's processes: the one that runs the cells, and the one that knows the language.
const OURS: &str = "noisebook";

/// Ends all builds; true if there were any. cargo is stopped first, so that it starts no more compilers; alone it would leave its own running.
pub fn end_builds() -> bool {
    end(is_build)
}

fn is_build(process: &Process) -> bool {
    process.name != OURS
}

fn end(chosen: impl Fn(&Process) -> bool) -> bool {
    let mut all = descendants(&chosen);
    all.iter().for_each(|process| signal(*process, libc::SIGSTOP));
    all.extend(descendants(&chosen));
    all.iter().for_each(|process| signal(*process, libc::SIGKILL));
    !all.is_empty()
}

/// The crates that are being compiled.
pub fn compiled_crates() -> Vec<String> {
    descendants(is_build)
        .into_iter()
        .filter_map(|process| crate_of(&fs::read(format!("/proc/{process}/cmdline")).ok()?))
        .collect()
}

/// From the arguments of a rustc, each ended by a zero byte. Cells, and what cargo asks rustc about, are none.
fn crate_of(arguments: &[u8]) -> Option<String> {
    let mut arguments = arguments.split(|&byte| byte == 0).map(String::from_utf8_lossy);
    arguments.find(|argument| argument == "--crate-name")?;
    let name = arguments.next()?;
    (!["ctx", "___"].contains(&name.as_ref())).then(|| name.replace("build_script_build", "a build script"))
}

/// Ends everything that was started from here.
pub fn end_all() {
    descendants(|_| true).into_iter().for_each(|process| signal(process, libc::SIGKILL));
}

struct Process {
    name: String,
    parent: i32,
}

/// The children that are `chosen`, and all that descends from them.
fn descendants(chosen: impl Fn(&Process) -> bool) -> Vec<i32> {
    let processes = all();
    let this = std::process::id() as i32;
    let mut found: Vec<i32> = processes
        .iter()
        .filter(|(_, process)| process.parent == this && chosen(process))
        .map(|(number, _)| *number)
        .collect();
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(processes.iter().filter(|(_, process)| process.parent == parent).map(|(number, _)| *number));
        next += 1;
    }
    found
}

fn all() -> HashMap<i32, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers
        .filter_map(|number: i32| Some((number, read(&fs::read_to_string(format!("/proc/{number}/stat")).ok()?)?)))
        .collect()
}

/// From `/proc/<number>/stat`: `12 (name) S 1 ...`, where the name may hold anything.
fn read(stat: &str) -> Option<Process> {
    let (start, rest) = stat.rsplit_once(") ")?;
    let name = start.split_once('(')?.1.to_string();
    Some(Process { name, parent: rest.split(' ').nth(1)?.parse().ok()? })
}

/// Ends one process.
pub fn kill(process: u32) {
    signal(process as i32, libc::SIGKILL);
}

fn signal(process: i32, signal: i32) {
    // SAFETY: takes numbers only. A process that has ended meanwhile is not found.
    unsafe { libc::kill(process, signal) };
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::process::Command;

    #[test]
    fn names_may_hold_anything() {
        let process = read("12 (a) b (c) S 7 12 12 0").unwrap();
        assert_eq!((process.name.as_str(), process.parent), ("a) b (c", 7));
        assert!(read("nonsense").is_none());
    }

    #[test]
    fn a_compiler_names_its_crate() {
        assert_eq!(crate_of(b"rustc\0--crate-name\0itoa\0--edition=2021\0"), Some("itoa".into()));
        assert_eq!(crate_of(b"rustc\0--crate-name\0ctx\0"), None);
        assert_eq!(crate_of(b"cargo\0build\0"), None);
    }

    #[test]
    fn a_build_ends_with_all_that_it_started() {
        // A name of its own: other tests start processes too.
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("a-build");
        std::os::unix::fs::symlink("/bin/sh", &program).unwrap();
        let mut build = Command::new(&program).args(["-c", "sleep 100 & sleep 100 & wait"]).spawn().unwrap();
        let ours = |process: &Process| process.name == "a-build";
        while descendants(ours).len() < 3 {
            std::thread::yield_now();
        }
        assert!(end(ours));
        assert!(!build.wait().unwrap().success());
        assert!(descendants(ours).is_empty());
    }
}
