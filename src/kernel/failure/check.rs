//! Asks rustc what is wrong with a cell.
//!
//! evcxr's own answer speaks of the code that it generates: it compiles a cell in several ways, of which some are meant to
//! fail, and cuts it into pieces. Here the cell stands in one piece, between the definitions and variables of the earlier
//! cells and a closing brace.

use super::super::cell::Cell;
use super::super::{Result, types};
use super::diagnostic::{Diagnostic, Places};
use super::sources::{Sources, Spot};
use super::words::{self, ERROR, FUNCTION};
use std::path::Path;
use std::process::Stdio;

const FILE: &str = "src/check.rs";

/// The errors in a cell, whose commands have been taken out. `analysis` is evcxr's source for the analysis of any cell.
pub fn errors(folder: &Path, analysis: &str, code: &str, sources: &Sources) -> Result<Vec<Diagnostic>> {
    if code.trim_start().starts_with("#![") {
        // Attributes of a whole crate have no place here.
        return Ok(Vec::new());
    }
    let cell = Cell::parse(code).without_value();
    let before = before(analysis, code.contains(".await")).ok_or("evcxr's source has changed")?;
    let source = format!("{before}{}\n}}; Ok(()) }}\n", cell.code);
    std::fs::write(folder.join(FILE), &source)?;
    let output = types::compiler(folder)?
        .arg(FILE)
        // rustc says which calculations are bound to fail only where it goes as far as this.
        .arg(format!("--emit=mir={}", folder.join("check.mir").display()))
        .stdout(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(Vec::new());
    }
    let first = before.matches('\n').count();
    let last = code.lines().count().max(1);
    let find = |line: usize, column: usize| {
        let Some(line) = line.checked_sub(first).filter(|line| *line > 0) else {
            return sources.locate(&source, line, column);
        };
        let spot = |(line, column)| Spot { cell: None, code: code.to_string(), line, column };
        if line > last {
            return Some(spot((last, code.lines().last().unwrap_or_default().chars().count() + 1)));
        }
        cell.place(line, column).map(spot)
    };
    let places = Places { file: FILE, find: &find };
    let json = String::from_utf8_lossy(&output.stderr);
    let lines = json.lines().filter_map(|line| serde_json::from_str(line).ok());
    let mut errors: Vec<_> = lines.filter_map(|json| Diagnostic::from_json(&json, &places)).collect();
    errors.iter_mut().for_each(|error| name_end(error, code));
    errors.retain(|error| !is_ours(error));
    Ok(errors)
}

/// Everything before the cell: definitions and variables, which evcxr gives to a function that it analyses.
fn before(analysis: &str, asynchronous: bool) -> Option<String> {
    let (items, rest) = analysis.split_once("struct EvcxrUserCodeError {")?;
    let variables = words::between(rest, "fn evcxr_analysis_wrapper(", ") -> Result<(), EvcxrUserCodeError> {")?;
    let asynchronous = if asynchronous { "async " } else { "" };
    Some(format!(
        "{items}\nstruct {ERROR};\n\
         impl<T: std::fmt::Display> From<T> for {ERROR} {{ fn from(_: T) -> Self {{ {ERROR} }} }}\n\
         {asynchronous}fn {FUNCTION}({variables}) -> Result<(), {ERROR}> {{ let _ = {{\n"
    ))
}

/// Whether the function around the cell is to blame: it hides definitions from modules inside it, and a definition in it
/// may replace one above it.
fn is_ours(error: &Diagnostic) -> bool {
    match error.code.as_deref() {
        Some("E0119" | "E0592") => !error.is_here(),
        Some("E0432" | "E0433") => ["`super::", "`crate::"].iter().any(|path| error.message.contains(path)),
        _ => false,
    }
}

/// rustc finds the brace behind the cell where the reader finds its end.
fn name_end(error: &mut Diagnostic, code: &str) {
    let nothing = |text: &str| text.trim().is_empty() || text.trim_start().starts_with("//");
    if let Some((line, column)) = error.place()
        && code.lines().skip(line).all(nothing)
        && let Some(line) = code.lines().nth(line - 1)
        && nothing(&line.chars().skip(column).collect::<String>())
    {
        error.message = error.message.replace("found `}`", "found the end of the cell");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::super::cell::Changed;
    use super::super::look::tests::plain;
    use super::*;

    const ANALYSIS: &str = "#![allow(dead_code)]\nstruct Kept { a: u8 }\nfn old(k: Kept) -> u8 {\nk.b\n}\n\
                            struct EvcxrUserCodeError {}\nfn evcxr_variable_store<T: 'static>(_: T) {}\n\
                            async fn evcxr_analysis_wrapper(\nname: String,\nmut n: u8,\n\
                            ) -> Result<(), EvcxrUserCodeError> {\nlet _ = \n0\n;\nOk(())\n}\n";

    /// What is said of each of these cells.
    fn said(cells: &[&str]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("src")).unwrap();
        let arguments = "rustc\0--crate-name\0ctx\0--edition=2024\0src/lib.rs\0--error-format=json\0--emit=link\0";
        std::fs::write(folder.path().join(types::ARGUMENTS), arguments).unwrap();
        let sources = Sources::default();
        sources.at_hand(4, &Changed::not("fn old(k: Kept) -> u8 {\nk.b\n}"));
        sources.begun(&folder.path().join("target/triple/debug/libcode_1.so"));
        sources.done();
        let check = |cell: &&str| {
            let errors = errors(folder.path(), &ANALYSIS.replace("k.b", "k.a"), cell, &sources).unwrap();
            errors.iter().map(|error| plain(&error.text())).collect::<Vec<_>>().join("\n")
        };
        let mut said: Vec<String> = cells.iter().map(check).collect();
        let errors = errors(folder.path(), ANALYSIS, "1", &sources).unwrap();
        said.extend(errors.iter().map(|error| plain(&error.text())));
        said
    }

    #[test]
    fn cells_are_checked_as_they_are_written() {
        let said = said(&[
            "let a: u8 = name.len() as u8;\nn += a;\nn",
            "name",
            "let a = 5",
            "use std::fmt::{Display, Nope};\n1",
            "name.len() as String",
            "None::<u8>?;",
            "n += 1;\nreturn n",
            "let zero = 0;\n1 / zero",
            "struct Own;\nmod inner {\n    use super::Own;\n    pub fn own() -> Own { Own }\n}\ninner::own();",
        ]);
        assert_eq!(said[..2], ["", ""]);
        assert!(
            said[2].starts_with("error: expected `;`, found the end of the cell\n  --> cell line 1\n"),
            "{said:#?}"
        );
        assert!(said[2].ends_with("  = help: add `;` here\n  |\n1 | let a = 5;\n  |          +"), "{said:#?}");
        assert!(said[3].contains("--> cell line 1") && said[3].contains("no `Nope` in `fmt`"), "{said:#?}");
        assert!(said[4].contains("1 | name.len() as String\n  | ^^^^^^^^^^^^^^^^^^^^"), "{said:#?}");
        assert!(said[5].contains("in a cell\n") && !said[5].contains(ERROR), "{said:#?}");
        assert!(said[6].contains("2 | return n\n") && !said[6].contains(ERROR), "{said:#?}");
        assert!(said[7].contains("this operation will panic") && said[7].contains("2 | 1 / zero\n"), "{said:#?}");
        assert_eq!(said[8], "");
        // An error in what an earlier cell has defined.
        assert!(said[9].contains("no field `b`") && said[9].contains("--> cell [4] line 2\n"), "{said:#?}");
    }
}
