//! The end of the process that runs the cells.

use super::look;
use super::panic::{self, Panic};
use super::sources::{Frame, Sources};
use super::{Failure, torch};

/// The name of such a failure.
pub const NAME: &str = "ProcessEnded";

/// What the signal handler writes (crash.rs): `11;stack;7:1a `.
const CRASH: &str = "\x1b]noisebook-crash;";
const END: char = '\x07';

/// What is known of the system's memory.
pub struct Memory {
    /// How often the system has killed a process for want of memory.
    kills: u64,
}

impl Memory {
    pub fn look() -> Self {
        let counters = std::fs::read_to_string("/proc/vmstat").unwrap_or_default();
        let kills = counters.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok());
        Self { kills: kills.unwrap_or_default() }
    }

    /// How many bytes there are, for this process.
    pub fn total() -> Option<u64> {
        let machine = std::fs::read_to_string("/proc/meminfo").ok()?;
        let machine = machine.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
        let machine: u64 = machine?.trim().parse().ok()?;
        Some((machine * 1024).min(limit().unwrap_or(u64::MAX)))
    }
}

/// What the control groups of this process allow it, the old kind's and the new kind's.
fn limit() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let limits = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (kind, group) = (parts.next()?, parts.next()?);
        let file = match kind {
            "" => format!("/sys/fs/cgroup{group}/memory.max"),
            "memory" => format!("/sys/fs/cgroup/memory{group}/memory.limit_in_bytes"),
            _ => return None,
        };
        std::fs::read_to_string(file).ok()?.trim().parse().ok()
    });
    limits.min()
}

/// `1536` as `1.5 KiB`.
pub fn size(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let unit = (bytes.max(1).ilog2() / 10) as usize;
    match units.get(unit) {
        Some(name) if unit > 0 => format!("{:.1} {name}", bytes as f64 / 1024_f64.powi(unit as i32)),
        _ => format!("{bytes} bytes"),
    }
}

/// The last words of a process: what stood on its standard error since it began to fail.
struct LastWords<'a> {
    panics: Vec<Panic<'a>>,
    /// The signal handler's frames, and whether the stack was used up.
    crash: Option<(bool, Vec<Frame>)>,
    /// What a C++ exception says that nobody caught.
    exception: Option<String>,
    /// How many bytes could not be allocated.
    allocation: Option<u64>,
    /// The cell's library could not be loaded.
    not_loaded: bool,
    /// All else.
    rest: String,
}

/// The failure of a cell in which the process has ended, and the text that belongs on its standard error. `memory` was
/// looked at before the cell.
pub fn failure(status: &str, words: &str, memory: &Memory, sources: &Sources) -> (Failure, String) {
    let words = LastWords::read(words);
    let status = status.lines().last().unwrap_or_default().replace("Subprocess terminated with status: ", "");
    let (text, help) = reason(&status, &words, memory);
    let mut failure = Failure::plain(NAME, &text);
    let frames = words.crash.as_ref().map(|(_, frames)| frames.as_slice()).unwrap_or_default();
    let calls = words.panics.first().map_or_else(|| sources.stack(frames), |panic| panic.calls(sources));
    failure.traceback.extend(panic::excerpts(&calls));
    failure.traceback.extend(help.map(|help| look::note("help", &help)));
    (failure, words.rest)
}

fn reason(status: &str, words: &LastWords<'_>, memory: &Memory) -> (String, Option<String>) {
    if words.not_loaded {
        return ("the cell could not be loaded: it calls an `extern` function that no library has".to_string(), None);
    }
    if let Some(code) = status.strip_prefix("exit status: ") {
        return (format!("the cell ended its process: std::process::exit({code}), or a library did so"), None);
    }
    let signal = status.split(['(', ')']).nth(1).unwrap_or(status);
    let has = Memory::total().map_or_else(|| "little".to_string(), size);
    let lower = "lower batch_size, base_channels or the size of the images, or make fewer large variables";
    let text = match signal {
        "SIGKILL" if Memory::look().kills > memory.kills => {
            let text =
                format!("memory has run out, so the system killed the process of the cells; this machine has {has}");
            return (text, Some(lower.to_string()));
        }
        "SIGKILL" => {
            let text = format!(
                "the process of the cells was killed (SIGKILL): if nobody did so by hand, memory has run out; this \
                 machine has {has}"
            );
            return (text, Some(lower.to_string()));
        }
        "SIGSEGV" | "SIGBUS" if words.crash.as_ref().is_some_and(|(stack, _)| *stack) => {
            let help = "end the recursion earlier, or keep large arrays in a Vec or a Box";
            return (
                "the stack is used up: calls are nested too deep (stack overflow)".to_string(),
                Some(help.to_string()),
            );
        }
        "SIGSEGV" | "SIGBUS" if words.crash.is_none() => {
            format!("the cell used memory that is not its own, or all of a thread's stack ({signal})")
        }
        "SIGSEGV" | "SIGBUS" => {
            format!("the cell used memory that is not its own: unsafe code or a library is wrong ({signal})")
        }
        "SIGILL" => "the cell met an instruction that this processor does not know (SIGILL)".to_string(),
        "SIGFPE" => "the cell made a forbidden calculation, such as a division by zero in C (SIGFPE)".to_string(),
        "SIGABRT" => return abort(words),
        _ => format!("the process of the cells was ended from outside ({signal})"),
    };
    (text, None)
}

fn abort(words: &LastWords<'_>) -> (String, Option<String>) {
    if let Some(bytes) = words.allocation {
        let said = torch::out_of_memory(bytes);
        return (said.text, said.help);
    }
    if let Some(exception) = &words.exception {
        let said = torch::plain(exception);
        return (format!("C++ code failed and nobody caught it: {}", said.text), said.help);
    }
    match words.panics.as_slice() {
        [first, .., last] => {
            let text = format!("a panic could not be handled ({}): {}", last.said().text, first.said().text);
            (text, Some("let no `drop` and no `extern \"C\"` function panic".to_string()))
        }
        _ => ("the cell ended its process: std::process::abort(), or a library did so (SIGABRT)".to_string(), None),
    }
}

impl<'a> LastWords<'a> {
    fn read(text: &'a str) -> Self {
        let panics = Panic::all(text);
        // Only where a panic could not be handled do the panics belong to the end.
        let unhandled = text.contains("thread caused non-unwinding panic");
        let mut rest = if unhandled { panic::without(text) } else { text.to_string() };
        let panics = if unhandled { panics } else { Vec::new() };
        let crash = cut(&mut rest, CRASH, |rest| rest.find(END).map(|end| end + 1)).map(|crash| {
            let mut parts = crash.trim_end_matches(END).split(';').skip(1);
            (parts.next() == Some("stack"), panic::frames(parts.next().unwrap_or_default()))
        });
        let exception = cut(&mut rest, "terminate called ", |rest| Some(rest.len()));
        let allocation = cut(&mut rest, "memory allocation of ", |rest| rest.find('\n').map(|end| end + 1));
        let line = |rest: &str| Some(rest.find('\n').map_or(rest.len(), |end| end + 1));
        let not_loaded = cut(&mut rest, "While processing instruction ", line).is_some();
        for start in ["thread caused non-unwinding panic", "note: run with `RUST_BACKTRACE", "fatal runtime error: "] {
            cut(&mut rest, start, line);
        }
        let exception = exception.map(|text| match text.split_once("what():") {
            Some((_, what)) => what.trim().to_string(),
            None => text.lines().next().unwrap_or_default().to_string(),
        });
        let allocation = allocation.and_then(|text| text.split(' ').next()?.parse().ok());
        let rest = if rest.trim().is_empty() { String::new() } else { rest };
        Self { panics, crash, exception, allocation, not_loaded, rest }
    }
}

/// Takes out of a text what begins with `start`, and gives what follows that.
fn cut(text: &mut String, start: &str, length: impl Fn(&str) -> Option<usize>) -> Option<String> {
    let begin = text.find(start)?;
    let content = begin + start.len();
    let end = content + length(&text[content..])?;
    let taken = text[content..end].to_string();
    text.replace_range(begin..end, "");
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::super::look::tests::plain;
    use super::*;

    fn said(status: &str, words: &str) -> (String, String) {
        let status = format!("Subprocess terminated with status: {status}");
        let (failure, rest) = failure(&status, words, &Memory::look(), &Sources::default());
        assert_eq!(failure.name, NAME);
        (plain(&failure.traceback.join("\n")), rest)
    }

    #[test]
    fn each_end_has_its_words() {
        for (status, words, expected) in [
            ("exit status: 3", "", "std::process::exit(3)"),
            (
                "exit status: 99",
                "While processing instruction `Ok(\"LOAD_AND_RUN /a.so f\")`, got error: Message(\"/a.so: \
                undefined symbol: nope\")\n",
                "that no library has",
            ),
            ("signal: 9 (SIGKILL)", "", "memory has run out; this machine has "),
            ("signal: 15 (SIGTERM)", "", "ended from outside (SIGTERM)"),
            ("signal: 11 (SIGSEGV)", "", "or all of a thread's stack (SIGSEGV)"),
            ("signal: 11 (SIGSEGV)", "\x1b]noisebook-crash;11;stack;1:2 \x07\n", "the stack is used up"),
            ("signal: 11 (SIGSEGV)", "\x1b]noisebook-crash;11;memory;1:2 \x07\n", "unsafe code"),
            ("signal: 7 (SIGBUS) (core dumped)", "\x1b]noisebook-crash;7;memory;\x07\n", "(SIGBUS)"),
            ("signal: 4 (SIGILL)", "\x1b]noisebook-crash;4;memory;\x07", "(SIGILL)"),
            ("signal: 6 (SIGABRT)", "", "std::process::abort()"),
            (
                "signal: 6 (SIGABRT)",
                "memory allocation of 70368744177664 bytes failed\nnote: run with `RUST_BACKTRACE=1` \
                environment variable to display a backtrace\n",
                "64.0 TiB more were asked for",
            ),
            (
                "signal: 6 (SIGABRT)",
                "terminate called after throwing an instance of 'c10::Error'\n  what():  wrong shape\n\
                Exception raised from f at a.cpp:1 (most recent call first):\nframe #0: x\n",
                "caught it: libtorch: wrong shape",
            ),
            ("signal: 6 (SIGABRT)", "terminate called without an active exception\n", "without an active exception"),
            (
                "signal: 6 (SIGABRT)",
                "\nthread 'main' (5) panicked at src/lib.rs:1:1:\nfirst\n\nthread 'main' (5) panicked at \
                core.rs:2:2:\npanic in a destructor during cleanup\nthread caused non-unwinding panic. aborting.\n",
                "(panic in a destructor during cleanup): first",
            ),
        ] {
            let (text, rest) = said(status, words);
            assert!(text.contains(expected), "{status} {words}: {text}");
            assert!(!text.contains("frame #0") && !text.contains('\x1b'), "{text}");
            assert_eq!(rest, "", "{status} {words}");
        }
    }

    #[test]
    fn what_does_not_belong_to_the_end_is_shown() {
        let words = "\nthread 'a' (5) panicked at src/lib.rs:1:1:\ncaught\nmore\n";
        let (text, rest) = said("signal: 9 (SIGKILL)", words);
        assert!(!text.contains("caught"));
        assert_eq!(rest, words);
    }

    #[test]
    fn sizes() {
        for (bytes, text) in [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (1 << 40, "1.0 TiB")] {
            assert_eq!(size(bytes), text);
        }
        assert!(Memory::total().is_some_and(|total| total > 1 << 20));
    }
}
