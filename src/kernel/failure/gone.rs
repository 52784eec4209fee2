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
    names: HashMap<String, Fate>,
}

struct Fate {
    /// The cell that did it.
    cell: u64,
    end: End,
}

#[derive(Clone, Copy)]
pub enum End {
    /// The cell ran to its end.
    Ran,
    /// It failed before it ran, or while it ran.
    Failed,
    /// It took the process with it.
    Died,
}

impl Gone {
    /// A cell has ended: the variables before it and after it.
    pub fn note(&mut self, number: u64, code: &str, before: &BTreeSet<String>, after: &BTreeSet<String>, end: End) {
        for name in after {
            self.names.remove(name);
        }
        let fate = |end| Fate { cell: number, end };
        for name in before.difference(after) {
            // A cell that fails takes with it what it had moved.
            let end = if matches!(end, End::Failed) { End::Ran } else { end };
            self.names.insert(name.clone(), fate(end));
        }
        for (name, _) in cell::names(code) {
            match end {
                // What is no variable now was a definition, or was moved by its own cell.
                End::Ran => drop(self.names.remove(&name)),
                _ if after.contains(&name) || before.contains(&name) => {}
                _ => drop(self.names.insert(name, fate(End::Failed))),
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
            Some((Fate { cell, end }, name)) => {
                let text = match end {
                    End::Ran => format!(
                        "cell [{cell}] moved `{name}`, and what is moved is gone from the notebook: run again the cell \
                         that makes it, and let cell [{cell}] take `&{name}` or `{name}.clone()`"
                    ),
                    End::Failed => format!("cell [{cell}], which makes `{name}`, has failed: run it again first"),
                    End::Died => format!("`{name}` was lost when cell [{cell}] ended the process: make it again"),
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

    #[test]
    fn names_that_are_gone_have_a_reason() {
        let mut gone = Gone::default();
        gone.note(1, "let a = 1; let b = 2;", &names(&[]), &names(&["a", "b"]), End::Ran);
        gone.note(2, "drop(a);", &names(&["a", "b"]), &names(&["b"]), End::Ran);
        assert!(said(&gone, "a").contains("cell [2] moved `a`"));
        gone.note(3, "let c = fail()?; fn f() {}", &names(&["b"]), &names(&["b"]), End::Failed);
        assert!(said(&gone, "c").contains("cell [3], which makes `c`, has failed"));
        assert!(said(&gone, "f").contains("cell [3]"));
        gone.note(4, "abort()", &names(&["b"]), &names(&[]), End::Died);
        assert!(said(&gone, "b").contains("was lost when cell [4] ended the process"));
        gone.note(5, "let a = 1; fn f() {}", &names(&[]), &names(&["a"]), End::Ran);
        for name in ["a", "f", "x"] {
            assert_eq!(said(&gone, name), format!("error[E0425]: cannot find value `{name}` in this scope"));
        }
    }

    #[test]
    fn other_errors_are_left_alone() {
        let mut gone = Gone::default();
        gone.note(1, "let a = 1;", &names(&[]), &names(&[]), End::Failed);
        let error = Diagnostic::new("use of moved value: `a`", "", Vec::new());
        assert_eq!(plain(&gone.explain(error).text()), "error: use of moved value: `a`");
    }
}
