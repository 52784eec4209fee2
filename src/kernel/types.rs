//! The types of a cell's variables, as rustc infers them.
//!
//! evcxr would ask rust-analyzer, which first reads the standard library, the crate and all its dependencies: a learner's
//! first `let` would wait for 20 seconds. rustc knows them after a tenth of a second. It names no type on request, but the
//! MIR that it can print says for every temporary of which type it is. So a probe is called on a reference to each variable.

use super::Result;
use std::path::Path;
use std::process::{Command, Stdio};

/// What rustc was called with for the last cell, each argument ended by a zero byte; the wrapper writes it (cell_rustc.rs).
pub const ARGUMENTS: &str = "rustc-arguments";

const PROBE: &str = "noisebook_probe";

/// The type of a variable.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// As a cell can write it.
    Named(String),
    /// It has no name, such as a closure's; as rustc prints it.
    Unnamed(String),
    /// rustc does not say it, since the variable is never reached.
    Unknown,
}

/// A place in the code that is known not to be looked at.
pub const COMMENT: &str = "/*noisebook*/";

/// A call that tells the type of a variable. It begins with a comment.
pub fn probe(index: usize, name: &str) -> String {
    format!("{COMMENT}{PROBE}::<_, {index}>(&{name});")
}

/// The types of the `count` variables that are probed in `source`, evcxr's code for the analysis of a cell.
///
/// # Errors
/// If the source does not compile.
pub fn infer(folder: &Path, source: &str, count: usize) -> Result<Vec<Type>> {
    std::fs::write(folder.join("src/types.rs"), with_probe(source))?;
    let mir = folder.join("types.mir");
    let status = compiler(folder)?
        .args(["--cap-lints=allow", "src/types.rs"])
        .arg(format!("--emit=mir={}", mir.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if !status.success() {
        return Err("the cell does not compile".into());
    }
    Ok(read(&std::fs::read_to_string(mir)?, count))
}

/// rustc as it was called for the last cell, but for what it reads and writes.
pub fn compiler(folder: &Path) -> Result<Command> {
    let arguments = std::fs::read(folder.join(ARGUMENTS))?;
    let arguments: Vec<_> =
        arguments.split(|&byte| byte == 0).map(|argument| String::from_utf8_lossy(argument).into_owned()).collect();
    let (rustc, arguments) = arguments.split_first().ok_or("no arguments")?;
    let mut command = Command::new(rustc);
    command.args(without_outputs(arguments)).arg("--crate-type=lib").current_dir(folder).stdin(Stdio::null());
    Ok(command)
}

/// The analysis wants to see that variables can be kept, which would forbid to move them. Here that does not matter.
fn with_probe(source: &str) -> String {
    let kept = source.lines().filter(|line| !line.starts_with("evcxr_variable_store("));
    let mut code: String = kept.flat_map(|line| [line, "\n"]).collect();
    code.push_str(&format!("fn {PROBE}<T, const INDEX: usize>(_: &T) {{}}\n"));
    code
}

/// What remains of a command line when another source is compiled to another output.
fn without_outputs(arguments: &[String]) -> Vec<&str> {
    let mut kept = Vec::new();
    let mut arguments = arguments.iter().map(String::as_str).filter(|argument| !argument.is_empty());
    while let Some(argument) = arguments.next() {
        match argument {
            "--crate-type" | "--out-dir" => drop(arguments.next()),
            "-C" => match arguments.next() {
                Some(option) if !option.starts_with("incremental=") => kept.extend([argument, option]),
                _ => {}
            },
            "src/lib.rs" => {}
            _ if ["--emit=", "--json="].iter().any(|start| argument.starts_with(start)) => {}
            _ => kept.push(argument),
        }
    }
    kept
}

/// Finds the probes in printed MIR. Each function declares its temporaries before it uses them:
///
/// ```text
///     let _12: &noisebook::data::Dataset;
///         _11 = noisebook_probe::<Dataset, 0>(copy _12) -> [return: bb3, unwind continue];
/// ```
fn read(mir: &str, count: usize) -> Vec<Type> {
    let mut types = vec![Type::Unknown; count];
    let mut declared = std::collections::HashMap::new();
    for line in mir.lines() {
        if line.starts_with('}') {
            declared.clear();
        } else if let Some((name, kind)) = line.trim_start().strip_prefix("let ").and_then(|rest| rest.split_once(": "))
        {
            declared.insert(name.trim_start_matches("mut "), kind.trim_end_matches(';'));
        } else if let Some((index, temporary)) = call(line)
            && let Some(slot) = types.get_mut(index)
            && let Some(kind) = declared.get(temporary).and_then(|kind| kind.strip_prefix('&'))
        {
            *slot = nameable(kind).map_or_else(|| Type::Unnamed(kind.to_string()), Type::Named);
        }
    }
    types
}

/// Which variable a line probes, and the temporary that holds the reference to it.
fn call(line: &str) -> Option<(usize, &str)> {
    let (_, call) = line.split_once(&format!("= {PROBE}::<"))?;
    let (generics, call) = call.split_once(">(copy ").or_else(|| call.split_once(">(move "))?;
    let index = generics.rsplit_once(", ")?.1.parse().ok()?;
    Some((index, call.split_once(')')?.0))
}

/// A type as a cell can write it, for a variable that outlives the cell. Lifetimes are not printed.
fn nameable(kind: &str) -> Option<String> {
    // The type of a function, with the function's name behind it, serves as a pointer to it.
    let pointer = ["fn(", "unsafe fn(", "extern ", "for<"].iter().any(|start| kind.starts_with(start));
    let kind = if pointer { kind.split_once(" {").map_or(kind, |(kind, _)| kind) } else { kind };
    let unnamed = ["{closure@", "{async", "{coroutine", "{gen", "{impl", "impl ", "{type"];
    if unnamed.iter().any(|part| kind.contains(part)) || holds_never(kind) {
        return None;
    }
    let mut named = String::with_capacity(kind.len());
    let mut rest = kind;
    while let Some(at) = rest.find('&') {
        named.push_str(&rest[..=at]);
        rest = &rest[at + 1..];
        if !rest.starts_with('\'') {
            named.push_str("'static ");
        }
    }
    named.push_str(rest);
    Some(named.replace("'_", "'static"))
}

/// Whether the type of what never comes is in it, which only a function may be said to return.
pub fn holds_never(kind: &str) -> bool {
    kind.replace("-> !", "").contains('!')
}

/// A text in which types appear, with those names alone that every cell knows.
pub fn short(text: &str) -> String {
    let known = ["std::vec::", "std::string::", "std::option::", "std::result::", "std::boxed::"];
    known.iter().fold(text.to_string(), |text, module| text.replace(module, ""))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Types as rustc 1.95 prints them, from a cell of one `let` each.
    #[test]
    fn printed_types_are_written_as_a_cell_needs_them() {
        for (printed, named) in [
            ("std::vec::Vec<std::option::Option<f32>>", Some("std::vec::Vec<std::option::Option<f32>>")),
            ("&str", Some("&'static str")),
            ("std::collections::HashMap<&str, char>", Some("std::collections::HashMap<&'static str, char>")),
            ("&mut [u8]", Some("&'static mut [u8]")),
            ("std::str::Chars<'_>", Some("std::str::Chars<'static>")),
            ("for<'a> fn(&'a u8) -> &'a u8", Some("for<'a> fn(&'a u8) -> &'a u8")),
            ("fn() -> std::time::Instant {std::time::Instant::now}", Some("fn() -> std::time::Instant")),
            ("{closure@src/types.rs:12:9: 12:17}", None),
            ("std::iter::Map<std::vec::IntoIter<i32>, {closure@src/types.rs:16:37: 16:40}>", None),
            ("fn(u8) -> impl std::future::Future<Output = u8> {f}", None),
            ("std::thread::JoinHandle<!>", None),
            ("fn() -> ! {std::process::abort}", Some("fn() -> !")),
        ] {
            assert_eq!(nameable(printed).as_deref(), named, "{printed}");
        }
    }

    #[test]
    fn rustc_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("src")).unwrap();
        let arguments = "rustc\0--crate-name\0ctx\0--edition=2024\0src/lib.rs\0--crate-type\0cdylib\0--emit=link\0";
        std::fs::write(folder.path().join(ARGUMENTS), arguments).unwrap();
        let source = format!(
            "mod a {{ pub struct B; }}\nfn evcxr_variable_store<T: 'static>(_: T) {{}}\nasync fn f(old: String) {{\n\
             let (n, s) = (1, \"x\"); {} {}\nlet b = a::B; {} let c = || n; {} drop(old); drop(b);\n\
             evcxr_variable_store(old);\nevcxr_variable_store(b);\n}}\n",
            probe(0, "n"),
            probe(1, "s"),
            probe(2, "b"),
            probe(3, "c")
        );
        let types = infer(folder.path(), &source, 4).unwrap();
        let named = ["i32", "&'static str", "a::B"].map(|name| Type::Named(name.to_string()));
        assert_eq!(types[..3], named);
        assert!(matches!(&types[3], Type::Unnamed(kind) if kind.starts_with("{closure@")), "{types:?}");
        assert!(infer(folder.path(), "fn f() { let a: u8 = \"x\"; }", 1).is_err());
    }
}
