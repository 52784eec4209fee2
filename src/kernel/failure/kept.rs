//! A cell in which rustc finds nothing wrong, and which evcxr refuses: a variable cannot be kept for later cells, or the
//! cell's value cannot be shown.

use super::Failure;
use super::diagnostic::Diagnostic;
use super::look::Mark;
use super::words::between;
use crate::kernel::cell::{self, Cell};
use crate::kernel::types;

/// Why a variable cannot be kept.
enum Why {
    Closure,
    /// Its type has a closure's in it.
    HoldsClosure {
        iterator: bool,
    },
    Future,
    /// A function gives it as `impl Trait`.
    Opaque,
    Reference,
    /// Its type has that of what never comes in it.
    Never,
    Private(String),
    Unknown,
}

/// The failure, if evcxr's message is one of these. `code` is the cell without its commands; `unnamed` are its variables
/// whose types have no names, with these types.
pub fn failure(message: &str, code: &str, unnamed: &[(String, String)]) -> Option<Failure> {
    if let Some(kind) = between(message, "`", "` doesn't implement `Debug`") {
        return Some(not_shown(kind, code));
    }
    let (name, why) = match (read(message), unnamed.first()) {
        (Some((name, Why::Reference)), _) => (name, Why::Reference),
        (_, Some((name, kind))) => (name.as_str(), why(kind)),
        (Some(read), None) => read,
        (None, None) => return None,
    };
    let text = match &why {
        Why::Closure => format!("`{name}` is a closure, whose type has no name that a later cell could use"),
        Why::HoldsClosure { .. } => {
            format!("`{name}` holds a closure, whose type has no name that a later cell could use")
        }
        Why::Future => format!("`{name}` is a future, whose type has no name that a later cell could use"),
        Why::Opaque => format!("`{name}` is an `impl Trait`, which is no type that a later cell could name"),
        Why::Reference => format!("`{name}` holds a reference, which cannot outlive its cell"),
        Why::Never => {
            format!("`{name}` cannot be kept: no value ever comes of what it holds, and the type of that has no name")
        }
        Why::Private(kind) => format!("`{name}` cannot be kept: its type `{kind}` is private"),
        Why::Unknown => format!("`{name}` cannot be kept: its type is not known"),
    };
    let mut diagnostic = Diagnostic::new(&text, code, binding(name, code).into_iter().collect());
    for way in ways(&why, name) {
        diagnostic = diagnostic.with_note("help", &way);
    }
    Some(Failure::compilation(&[diagnostic]))
}

/// From evcxr's message.
fn read(message: &str) -> Option<(&str, Why)> {
    let name = between(message, "ariable `", "`")?;
    let why = if message.contains("is a closure, which cannot be persisted") {
        Why::Closure
    } else if message.contains("contains a reference with a non-static lifetime") {
        Why::Reference
    } else if message.contains("but that's private") {
        Why::Private(between(message, "rustc suggested type ", ", but that")?.to_string())
    } else if message.contains("has type `impl ") {
        Why::Opaque
    } else if message.contains("which cannot be persisted") || message.contains("automatically determine type of") {
        Why::Unknown
    } else {
        return None;
    };
    Some((name, why))
}

/// From a type as rustc prints it.
fn why(kind: &str) -> Why {
    if kind.starts_with("{closure") {
        Why::Closure
    } else if kind.contains("{async") || kind.contains("impl std::future::Future") {
        Why::Future
    } else if types::holds_never(kind) {
        Why::Never
    } else if kind.contains("{closure") {
        Why::HoldsClosure { iterator: kind.starts_with("std::iter::") }
    } else {
        Why::Opaque
    }
}

fn ways(why: &Why, name: &str) -> Vec<String> {
    let collect = "collect what it gives: `.collect::<Vec<_>>()`".to_string();
    let boxed = format!("or keep it in a box: `let {name}: Box<dyn Fn(f64) -> f64> = Box::new(|x| ...);`");
    let mut ways = match why {
        Why::Closure => vec![format!("define a function instead: `fn {name}(x: f64) -> f64 {{ ... }}`"), boxed],
        Why::HoldsClosure { iterator: true } => vec![collect],
        Why::HoldsClosure { iterator: false } => {
            vec![format!("say a type with a name: `let {name}: Box<dyn Fn(f64) -> f64> = Box::new(|x| ...);`")]
        }
        Why::Future => vec!["wait for it in this cell: `.await`".to_string()],
        Why::Opaque => vec![
            format!("of an iterator, {collect}"),
            format!("or keep it in a box, with the trait's name: `let {name}: Box<dyn Trait> = Box::new(...);`"),
        ],
        Why::Reference => vec![
            "keep the value itself: `.clone()`, `.to_string()` or, of an iterator, `.collect::<Vec<_>>()`".to_string(),
        ],
        Why::Never => vec!["let the closure or the function say what it would give: `|| -> u8 { ... }`".to_string()],
        Why::Private(_) => vec![format!("keep what you need of `{name}`")],
        Why::Unknown => vec![format!("say it: `let {name}: Vec<f64> = ...;`")],
    };
    ways.push(format!("or put all that uses `{name}` into one pair of braces: nothing of it is kept"));
    ways
}

/// For a cell whose value has a type that implements no `Debug`.
fn not_shown(kind: &str, code: &str) -> Failure {
    let text = format!("the cell's value cannot be shown: `{kind}` doesn't implement `Debug`");
    let value = Cell::parse(code).value().map(|value| {
        let (line, column) = place(code, value.start);
        let first = code[value].lines().next().unwrap_or_default();
        Mark::new(line, column, column + first.chars().count(), "")
    });
    let error = Diagnostic::new(&text, code, value.into_iter().collect())
        .with_note("help", &format!("put `#[derive(Debug)]` before the definition of `{kind}`, if it is yours"))
        .with_note("help", "or end the cell with `;`, and nothing is shown");
    Failure::compilation(&[error])
}

/// Where the cell binds a variable.
fn binding(name: &str, code: &str) -> Option<Mark> {
    let (_, at) = cell::names(code).into_iter().rev().find(|(bound, _)| bound == name)?;
    let (line, column) = place(code, at);
    Some(Mark::new(line, column, column + name.chars().count(), ""))
}

/// Line and column, counted from 1.
fn place(code: &str, at: usize) -> (usize, usize) {
    let before = &code[..at];
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::look::tests::plain;
    use super::*;

    const CODE: &str = "let a = 1;\nlet (b, mut f) = (2, |x| x + a);\na.b()";

    fn said(message: &str, unnamed: &[(String, String)]) -> String {
        let failure = failure(message, CODE, unnamed).unwrap();
        let text = plain(&failure.traceback.join("\n"));
        assert!(!text.contains("evcxr") && !text.contains("persist"), "{text}");
        text
    }

    #[test]
    fn evcxrs_messages_are_said_in_other_words() {
        for (message, ours) in [
            ("The variable `f` is a closure, which cannot be persisted.\nYou can however", "`f` is a closure"),
            ("The variable `f` contains a reference with a non-static lifetime so\ncan't be", "`f` holds a reference"),
            ("The variable `f` has type `impl ?Sized` which cannot be persisted.\n", "`f` is an `impl Trait`"),
            ("Couldn't automatically determine type of variable `f`.\nPlease", "its type is not known"),
            (
                "Failed to determine type of variable `f`. rustc suggested type a::P<B, C>, but that's private. S",
                "`a::P<B, C>`",
            ),
        ] {
            let text = said(message, &[]);
            let first = text.lines().next().unwrap_or_default();
            assert!(first.contains(ours), "{text}");
            assert!(text.contains("2 | let (b, mut f) = (2, |x| x + a);\n  |             ^\n  = help: "), "{text}");
        }
        assert!(failure("something else about `f`", CODE, &[]).is_none());
    }

    #[test]
    fn rustc_knows_types_that_have_no_names() {
        let unknown = "Couldn't automatically determine type of variable `f`.\nPlease give";
        for (kind, ours) in [
            ("{closure@src/types.rs:12:9: 12:17}", "`f` is a closure"),
            ("std::iter::Map<std::ops::Range<i32>, {closure@a.rs:1:1: 1:2}>", ".collect::<Vec<_>>()"),
            ("std::boxed::Box<{closure@a.rs:1:1: 1:2}>", "`f` holds a closure"),
            ("{async fn body of g()}", "`f` is a future"),
            ("impl std::fmt::Debug", "`f` is an `impl Trait`"),
            ("std::thread::JoinHandle<!>", "`|| -> u8 { ... }`"),
        ] {
            let text = said(unknown, &[("f".to_string(), kind.to_string())]);
            assert!(text.contains(ours), "{text}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_shown_is_marked() {
        let text = said("`Foo` doesn't implement `Debug`", &[]);
        let expected = "error: the cell's value cannot be shown: `Foo` doesn't implement `Debug`\n  --> cell line 3\n  |\n\
                        3 | a.b()\n  | ^^^^^\n  = help: put `#[derive(Debug)]`";
        assert!(text.starts_with(expected), "{text}");
    }
}
