//! Disk, memory, and variables that change how cells are built or run.

use super::Context;
use super::report::{Check, size};
use crate::kernel::environment;
use std::ffi::CString;
use std::path::{Path, PathBuf};

const GB: u64 = 1_000_000_000;

/// Room where builds and sessions lie.
pub fn check_disk() -> Check {
    let folder = match environment::user_folder("XDG_CACHE_HOME", ".cache") {
        Ok(folder) => folder,
        Err(error) => return Check::failed(error.to_string(), "export HOME=/home/you"),
    };
    // The folder itself may still have to be made.
    let there = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    match free(there) {
        Some(free) => judge_disk(&folder, free),
        None => Check::warning(format!("{}: {}", there.display(), std::io::Error::last_os_error()), "look at the disk"),
    }
}

fn judge_disk(folder: &Path, free: u64) -> Check {
    let found = format!("{} free for {}", size(free), folder.display());
    let mend = "free some disk, or let XDG_CACHE_HOME name a folder on a larger one, and install again";
    match free {
        0..GB => Check::failed(found, mend),
        GB..5_000_000_000 => Check::warning(found, mend),
        _ => Check::fine(found),
    }
}

fn free(folder: &Path) -> Option<u64> {
    let path = CString::new(folder.as_os_str().as_encoded_bytes()).ok()?;
    let mut system = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path is a C string, and `system` is read only where the call has filled it.
    let system = unsafe {
        if libc::statvfs(path.as_ptr(), system.as_mut_ptr()) != 0 {
            return None;
        }
        system.assume_init()
    };
    Some(system.f_bavail * system.f_frsize)
}

/// Memory that is free for rustc, rust-analyzer and the cells.
pub fn check_memory() -> Check {
    let group = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = group.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let group = Path::new("/sys/fs/cgroup").join(group);
    judge_memory(&std::fs::read_to_string("/proc/meminfo").unwrap_or_default(), &group)
}

/// `group` is the folder of the control group, which containers limit the memory with.
fn judge_memory(meminfo: &str, group: &Path) -> Check {
    let Some(available) = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:")).and_then(kilobytes)
    else {
        return Check::fine("not known on this system");
    };
    let number = |name: &str| std::fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    let limit = number("memory.max").map(|max| max.saturating_sub(number("memory.current").unwrap_or(0)));
    let available = limit.unwrap_or(available).min(available);
    let found = format!("{} available", size(available));
    if available < 4 * GB {
        let mend = "close other notebooks and programs: a session takes 1 to 2 GB, and the first build 2 to 4 GB";
        return Check::warning(found, mend);
    }
    Check::fine(found)
}

fn kilobytes(text: &str) -> Option<u64> {
    Some(text.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Variables that make cells fail, build again or run slowly. The kernel removes or replaces many others itself.
pub fn check_variables(context: &Context) -> Check {
    judge_variables(&context.variables, context.libtorch.as_deref().and_then(Path::parent))
}

fn judge_variables(variables: &[(String, String)], libtorch: Option<&Path>) -> Check {
    let mut names = Vec::new();
    let mut reasons = Vec::new();
    for (name, value) in variables {
        if let Some(reason) = harm(name, value, libtorch) {
            names.push(name.as_str());
            reasons.push(format!("{name}={value}: {reason}"));
        }
    }
    match names.as_slice() {
        [] => Check::fine("no variable is in the way"),
        names => Check::warning(reasons.join("; "), format!("unset {}, and start Jupyter again", names.join(" "))),
    }
}

fn harm(name: &str, value: &str, libtorch: Option<&Path>) -> Option<&'static str> {
    if name.starts_with("CARGO_PROFILE_DEV_") {
        return Some("the dependencies are compiled again in each session, or cells do not compile");
    }
    if name.starts_with("CARGO_TARGET_") && name.ends_with("_LINKER") && find(value).is_none() {
        return Some("there is no such linker, so cells do not compile");
    }
    match name {
        "LIBTORCH" if libtorch.is_some_and(|ours| !is_same(ours, Path::new(value))) => {
            Some("not used: the kernel keeps to the libtorch that it was built with (make builds it again)")
        }
        "OMP_WAIT_POLICY" if value.eq_ignore_ascii_case("active") => {
            Some("threads that wait spin, and training may take ten times as long")
        }
        _ => None,
    }
}

fn is_same(a: &Path, b: &Path) -> bool {
    a == b || a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // An absolute name replaces the folder.
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::report::Mark;
    use super::*;

    #[test]
    fn disks_run_full_in_two_steps() {
        let judged = |free| judge_disk(Path::new("/cache"), free);
        assert_eq!([GB - 1, GB, 5 * GB - 1, 5 * GB].map(|free| judged(free).mark), {
            [Mark::Failed, Mark::Warning, Mark::Warning, Mark::Fine]
        });
        assert_eq!(judged(12_300_000_000).found, "12.3 GB free for /cache");
        assert!(free(Path::new("/")).is_some() && free(Path::new("/no/such folder")).is_none());
    }

    #[test]
    fn memory_is_what_the_machine_and_the_container_leave() {
        let folder = tempfile::tempdir().unwrap();
        let meminfo = "MemTotal:       24000000 kB\nMemAvailable:   10000000 kB\n";
        assert_eq!(judge_memory(meminfo, folder.path()), Check::fine("10.2 GB available"));
        assert_eq!(judge_memory("", folder.path()).mark, Mark::Fine);
        std::fs::write(folder.path().join("memory.max"), "max\n").unwrap();
        assert_eq!(judge_memory(meminfo, folder.path()).mark, Mark::Fine);
        std::fs::write(folder.path().join("memory.max"), "4000000000\n").unwrap();
        std::fs::write(folder.path().join("memory.current"), "1500000000\n").unwrap();
        let check = judge_memory(meminfo, folder.path());
        assert_eq!((check.mark, check.found.as_str()), (Mark::Warning, "2.5 GB available"));
    }

    #[test]
    fn only_variables_that_do_harm_are_named() {
        let judged = |name: &str, value: &str| {
            let variables = [("HOME".to_string(), "/root".to_string()), (name.to_string(), value.to_string())];
            judge_variables(&variables, Some(Path::new("/torch")))
        };
        for (name, value) in [
            ("RUSTFLAGS", "-Ctarget-cpu=native"),
            ("CARGO_TARGET_DIR", "/target"),
            ("LIBTORCH", "/torch"),
            ("OMP_WAIT_POLICY", "passive"),
            ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER", "sh"),
            ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER", "/bin/sh"),
        ] {
            assert_eq!(judged(name, value).mark, Mark::Fine, "{name}");
        }
        for (name, value) in [
            ("CARGO_PROFILE_DEV_DEBUG", "2"),
            ("LIBTORCH", "/other"),
            ("OMP_WAIT_POLICY", "ACTIVE"),
            ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER", "/nowhere/ld"),
        ] {
            let check = judged(name, value);
            assert!(check.mark == Mark::Warning && check.found.starts_with(&format!("{name}={value}: ")), "{check:?}");
            assert_eq!(check.mend, Some(format!("unset {name}, and start Jupyter again")));
        }
    }
}
