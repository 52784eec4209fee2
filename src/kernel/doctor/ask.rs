//! Asks other programs, which may be missing, fail or hang.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// What a program wrote on its standard output, or why that is not known.
pub type Answer = Result<String, Silence>;

/// Why a program gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silence {
    /// It is not on the PATH, or cannot be run.
    Missing,
    /// It did not end in so many seconds.
    Late(u64),
    /// It failed, with this as the telling line of its standard error.
    Failed(String),
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "was not found"),
            Self::Late(seconds) => write!(f, "did not answer in {seconds} s"),
            Self::Failed(line) => write!(f, "failed: {line}"),
        }
    }
}

/// Most of what is kept of an answer.
const LONGEST: u64 = 4 << 20;

/// Runs a program for at most so many seconds.
pub fn ask(program: impl AsRef<OsStr>, arguments: &[&str], seconds: u64) -> Answer {
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own, so that what it starts can be ended with it.
    let mut child = command.process_group(0).spawn().map_err(|_| Silence::Missing)?;
    let texts = [child.stdout.take().map(OwnedFd::from), child.stderr.take().map(OwnedFd::from)].map(read);
    let [out, err] = texts.map(|text| text.recv_timeout(end.saturating_duration_since(Instant::now())));
    let (Ok(out), Ok(err), Some(status)) = (out, err, wait(&mut child, end)) else {
        // SAFETY: takes numbers only. Whatever is left of the group keeps its number from being given to another.
        unsafe { libc::kill(-(child.id() as libc::pid_t), libc::SIGKILL) };
        wait(&mut child, Instant::now() + Duration::from_secs(1));
        return Err(Silence::Late(seconds));
    };
    if status.success() { Ok(out) } else { Err(Silence::Failed(telling_line(&err, status))) }
}

fn read(stream: Option<OwnedFd>) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(stream) = stream {
            // What came before an error is all there is.
            let _ = File::from(stream).take(LONGEST).read_to_end(&mut bytes);
        }
        sender.send(String::from_utf8_lossy(&bytes).into_owned())
    });
    receiver
}

fn wait(child: &mut Child, end: Instant) -> Option<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Err(_) => return None,
            Ok(None) if Instant::now() >= end => return None,
            Ok(None) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// The first line that names an error, else the last one.
fn telling_line(text: &str, status: ExitStatus) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let found = lines.clone().find(|line| line.to_lowercase().contains("error")).or_else(|| lines.next_back());
    found.map_or_else(|| status.to_string(), str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_answer_fail_or_are_missing() {
        assert_eq!(ask("echo", &["a"], 10), Ok("a\n".to_string()));
        assert_eq!(ask("/no/such program", &[], 10), Err(Silence::Missing));
        let failing = "echo first >&2; echo 'error: why' >&2; echo last >&2; exit 3";
        assert_eq!(ask("sh", &["-c", failing], 10), Err(Silence::Failed("error: why".to_string())));
        assert_eq!(ask("sh", &["-c", "exit 3"], 10), Err(Silence::Failed("exit status: 3".to_string())));
    }

    #[test]
    fn nothing_hangs() {
        let begin = Instant::now();
        // The second one ends, but leaves a process that holds its output; the third one closes it and stays.
        for script in ["sleep 30", "sleep 30 & exit 0", "exec >&- 2>&-; sleep 30"] {
            assert_eq!(ask("sh", &["-c", script], 1), Err(Silence::Late(1)), "{script}");
        }
        assert!(begin.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn long_answers_come_whole() {
        let answer = ask("sh", &["-c", "yes | head -c 300000"], 10);
        assert_eq!(answer.map(|text| text.len()), Ok(300_000));
    }
}
