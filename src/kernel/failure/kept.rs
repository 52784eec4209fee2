//! Variables that cannot be kept for later cells, which evcxr says in its own words.

use super::Failure;
use super::diagnostic::Diagnostic;
use super::look::Mark;
use super::words::between;
use crate::kernel::cell;

/// Why one cannot be kept.
enum Why {
    Closure,
    Reference,
    /// The type has no name, or rustc does not say it.
    Unnamed,
    Private(String),
}

/// A failure, if evcxr's message is one of these. `code` is the cell without its commands.
pub fn failure(message: &str, code: &str) -> Option<Failure> {
    let (name, why) = read(message)?;
    let text = match &why {
        Why::Closure => format!("`{name}` is a closure, which has no type that a later cell could name"),
        Why::Reference => format!("`{name}` holds a reference, which cannot outlive its cell"),
        Why::Unnamed => format!("`{name}` cannot be kept: the type has no name, or leaves something open"),
        Why::Private(kind) => format!("`{name}` cannot be kept: its type `{kind}` is private to its crate"),
    };
    let mut diagnostic = Diagnostic::new(&text, code, mark(name, code).into_iter().collect());
    for way in ways(&why, name) {
        diagnostic = diagnostic.with_note("help", &way);
    }
    Some(Failure::compilation(&[diagnostic]))
}

fn read(message: &str) -> Option<(&str, Why)> {
    let name = between(message, "ariable `", "`")?;
    if message.contains("is a closure, which cannot be persisted") {
        Some((name, Why::Closure))
    } else if message.contains("contains a reference with a non-static lifetime") {
        Some((name, Why::Reference))
    } else if message.contains("but that's private") {
        Some((name, Why::Private(between(message, "rustc suggested type ", ", but that")?.to_string())))
    } else if message.contains("which cannot be persisted") || message.contains("automatically determine type of") {
        Some((name, Why::Unnamed))
    } else {
        None
    }
}

fn ways(why: &Why, name: &str) -> Vec<String> {
    let braces = format!("or put all that uses `{name}` into one pair of braces: nothing of it is kept");
    match why {
        Why::Closure => vec![
            format!("define a function instead: `fn {name}(x: f64) -> f64 {{ ... }}`"),
            format!("or keep it in a box: `let {name}: Box<dyn Fn(f64) -> f64> = Box::new(|x| ...);`"),
            braces,
        ],
        Why::Reference => vec![
            "keep the value itself: `.clone()`, `.to_string()` or, of an iterator, `.collect::<Vec<_>>()`".to_string(),
            braces,
        ],
        Why::Unnamed => vec![
            format!("say its type: `let {name}: Vec<f64> = ...`; of an iterator, keep `.collect::<Vec<_>>()`"),
            format!(
                "or, if a closure or an `impl Trait` is in it, a box: `let {name}: Box<dyn Trait> = Box::new(...);`"
            ),
            braces,
        ],
        Why::Private(_) => vec![format!("keep what you need of `{name}`"), braces],
    }
}

/// Where the cell binds it.
fn mark(name: &str, code: &str) -> Option<Mark> {
    let (_, at) = cell::names(code).into_iter().rev().find(|(bound, _)| bound == name)?;
    let before = &code[..at];
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Some(Mark::new(before.matches('\n').count() + 1, column, column + name.chars().count(), ""))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::look::tests::plain;
    use super::*;

    #[test]
    fn evcxrs_messages_are_said_in_other_words() {
        let code = "let a = 1;\nlet (b, mut f) = (2, |x| x + a);";
        for (message, said) in [
            ("The variable `f` is a closure, which cannot be persisted.\nYou can however", "`f` is a closure"),
            ("The variable `f` contains a reference with a non-static lifetime so\ncan't be", "`f` holds a reference"),
            ("The variable `f` has type `impl ?Sized` which cannot be persisted.\n", "`f` cannot be kept"),
            ("Couldn't automatically determine type of variable `f`.\nPlease", "`f` cannot be kept"),
            (
                "Failed to determine type of variable `f`. rustc suggested type a::P, but that's private. S",
                "type `a::P`",
            ),
        ] {
            let failure = failure(message, code).unwrap();
            let text = plain(&failure.traceback.join("\n"));
            assert!(failure.value.contains(said), "{text}");
            assert!(text.contains("2 | let (b, mut f) = (2, |x| x + a);\n  |             ^\n  = help: "), "{text}");
            assert!(!text.contains("evcxr") && !text.contains("persist"), "{text}");
        }
        assert!(failure("something else about `f`", code).is_none());
    }
}
