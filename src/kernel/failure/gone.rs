//! Names that a cell looks for in vain, because of what became of an earlier cell.

use super::diagnostic::Diagnostic;
use super::words::between;
use crate::kernel::cell;
use std::collections::{BTreeSet, HashMap};

/// Errors about names that are not there.
const CODES: [&str; 5] = ["E0405", "E0412", "E0422", "E0425", "E0433"];

/// What became of the names that are no more, or never were.
#[derive(Default)]
pub struct Gone {
    /// Which cell did it, and what.
    names: HashMap<String, (u64, Fate)>,
}

enum Fate {
    Moved,
    /// Its type was redefined.
    Retyped,
    /// The cell that would make it has failed.
    Unmade,
    /// That cell was left before its end.
    Left,
    Died,
}

#[derive(Clone, Copy)]
pub enum End {
    /// The cell ran to its end.
    Ran,
    /// It failed before it ran, or while it ran.
    Failed,
    /// It was interrupted and failed then, or returned.
    Left,
    /// It took the process with it.
    Died,
}

/// A cell that has ended.
pub struct Ended<'a> {
    pub number: u64,
    pub code: &'a str,
    /// The variables before it and after it.
    pub before: &'a BTreeSet<String>,
    pub after: &'a BTreeSet<String>,
    /// Those whose types it has changed.
    pub retyped: &'a [String],
    pub end: End,
}

impl Gone {
    pub fn note(&mut self, cell: &Ended<'_>) {
        let Ended { number, code, before, after, retyped, end } = *cell;
        for name in after {
            self.names.remove(name);
        }
        let made = cell::bound(code);
        for name in before.difference(after) {
            let fate = match end {
                End::Died => Fate::Died,
                _ if retyped.contains(name) => Fate::Retyped,
                End::Left if made.contains(name) => Fate::Left,
                // A cell that fails takes with it what it had moved.
                End::Ran | End::Failed | End::Left => Fate::Moved,
            };
            self.names.insert(name.clone(), (number, fate));
        }
        for (name, _) in cell::names(code) {
            match end {
                // What is no variable now was a definition, or was moved by its own cell.
                End::Ran => drop(self.names.remove(&name)),
                _ if after.contains(&name) || before.contains(&name) => {}
                End::Left => drop(self.names.insert(name, (number, Fate::Left))),
                _ => drop(self.names.insert(name, (number, Fate::Unmade))),
            }
        }
    }

    /// Adds to an error about a missing name what became of it.
    pub fn explain(&self, error: Diagnostic) -> Diagnostic {
        let name = between(&error.message, "`", "`").map(str::to_string);
        let known = CODES.contains(&error.code.as_deref().unwrap_or_default());
        let fate = name.filter(|_| known).and_then(|name| Some((self.names.get(&name)?, name)));
        match fate {
            None => error,
            Some(((cell, fate), name)) => {
                let text = match fate {
                    Fate::Moved => format!(
                        "cell [{cell}] moved `{name}`, and what is moved is gone from the notebook: run again the cell \
                         that makes it, and let cell [{cell}] take `&{name}` or `{name}.clone()`"
                    ),
                    Fate::Retyped => {
                        format!("cell [{cell}] changed the type of `{name}`, which was lost: make it again")
                    }
                    Fate::Unmade => format!("cell [{cell}], which makes `{name}`, has failed: run it again first"),
                    Fate::Left => {
                        format!("cell [{cell}], which makes `{name}`, was left before its end: run it again first")
                    }
                    Fate::Died => format!("`{name}` was lost when cell [{cell}] ended the process: make it again"),
                };
                error.with_note("note", &text)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::look::tests::plain;
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_string()).collect()
    }

    fn said(gone: &Gone, name: &str) -> String {
        let mut error = Diagnostic::new(&format!("cannot find value `{name}` in this scope"), "", Vec::new());
        error.code = Some("E0425".to_string());
        plain(&gone.explain(error).text())
    }

    fn note(gone: &mut Gone, number: u64, code: &str, variables: (&[&str], &[&str]), end: End) {
        let (before, after, retyped) = (names(variables.0), names(variables.1), ["t".to_string()]);
        gone.note(&Ended { number, code, before: &before, after: &after, retyped: &retyped, end });
    }

    #[test]
    fn names_that_are_gone_have_a_reason() {
        let mut gone = Gone::default();
        note(&mut gone, 1, "let a = 1; let b = 2; let t = 3;", (&[], &["a", "b", "t"]), End::Ran);
        note(&mut gone, 2, "drop(a);", (&["a", "b", "t"], &["b"]), End::Ran);
        assert!(said(&gone, "a").contains("cell [2] moved `a`"));
        assert!(said(&gone, "t").contains("cell [2] changed the type of `t`"));
        note(&mut gone, 3, "let c = fail()?; fn f() {}", (&["b"], &["b"]), End::Failed);
        assert!(said(&gone, "c").contains("cell [3], which makes `c`, has failed"));
        assert!(said(&gone, "f").contains("cell [3]"));
        note(&mut gone, 4, "abort()", (&["b"], &[]), End::Died);
        assert!(said(&gone, "b").contains("was lost when cell [4] ended the process"));
        note(&mut gone, 6, "let b = 1; let d = 2; drop(e);", (&["b", "e"], &[]), End::Left);
        for name in ["b", "d"] {
            let said = said(&gone, name);
            assert!(said.contains(&format!("cell [6], which makes `{name}`, was left before its end")), "{said}");
        }
        assert!(said(&gone, "e").contains("cell [6] moved `e`"));
        note(&mut gone, 5, "let a = 1; fn f() {}", (&[], &["a"]), End::Ran);
        for name in ["a", "f", "x"] {
            assert_eq!(said(&gone, name), format!("error[E0425]: cannot find value `{name}` in this scope"));
        }
    }

    #[test]
    fn other_errors_are_left_alone() {
        let mut gone = Gone::default();
        note(&mut gone, 1, "let a = 1;", (&[], &[]), End::Failed);
        let error = Diagnostic::new("use of moved value: `a`", "", Vec::new());
        assert_eq!(plain(&gone.explain(error).text()), "error: use of moved value: `a`");
    }
}
