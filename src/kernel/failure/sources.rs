//! What was compiled for the cells: where in which cell a line of the generated source comes from.
//!
//! evcxr puts the statements of a cell, each on lines of its own, into a function, and the definitions of all cells so
//! far before it, in any order. So a line is found by the text of the whole statement around it.

use super::super::cell::{BEFORE, Changed, start_of_rust};
use super::super::cell_rustc::MESSAGES;
use super::super::lock;
use super::diagnostic::{Diagnostic, Places};
use super::frames;
use ra_ap_syntax::ast::{self, AstNode};
use ra_ap_syntax::{Edition, SourceFile};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Of how many builds the generated source is kept: a thread of an earlier cell may panic.
pub const BUILDS: usize = 32;

/// The cells of a session, and what was built for them.
#[derive(Default)]
pub struct Sources {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Compiled, but not run yet.
    at_hand: Option<Arc<Written>>,
    /// Those that ran, in their order.
    cells: Vec<Arc<Written>>,
    builds: VecDeque<Build>,
}

/// A cell, cut as evcxr cuts it.
struct Written {
    /// As the front end counts.
    number: u64,
    cell: Changed,
    statements: Vec<Statement>,
}

struct Statement {
    text: String,
    /// Where it begins, counted from 0.
    line: usize,
    column: usize,
}

/// One build: a shared library, and the source that it was made of.
#[derive(Clone)]
struct Build {
    number: u32,
    library: PathBuf,
    source: Arc<str>,
    cell: Option<Arc<Written>>,
}

/// A place in a cell that was run.
#[derive(Clone, Debug, PartialEq)]
pub struct Spot {
    /// Which cell, if not the one at hand.
    pub cell: Option<u64>,
    /// The cell's text.
    pub code: String,
    /// Counted from 1, as the column is.
    pub line: usize,
    pub column: usize,
}

/// An address in a build's library.
pub type Frame = (u32, u64);

impl Sources {
    /// This cell is about to be compiled.
    pub fn at_hand(&self, number: u64, cell: &Changed) {
        lock(&self.state).at_hand = Some(Arc::new(Written::new(number, cell.clone())));
    }

    /// A library begins to run, whose source has not been overwritten yet. Gives rustc's warnings that a reader should see.
    pub fn begun(&self, library: &Path) -> Vec<Diagnostic> {
        let Some(number) = number(library) else { return Vec::new() };
        let folder = library.ancestors().nth(4).unwrap_or(library);
        let source = std::fs::read_to_string(folder.join("src/lib.rs")).unwrap_or_default().into();
        let mut state = lock(&self.state);
        let cell = state.at_hand.clone();
        // A second build for the same cell replaces the first.
        state.cells.extend(cell.clone());
        state.cells.dedup_by(|later, earlier| Arc::ptr_eq(later, earlier));
        let library = library.to_path_buf();
        state.builds.push_back(Build { number, library, source: Arc::clone(&source), cell });
        if state.builds.len() > BUILDS {
            state.builds.pop_front();
        }
        drop(state);
        let said = std::fs::read_to_string(folder.join(MESSAGES)).unwrap_or_default();
        self.unused(&said, &source)
    }

    /// What the cell at hand throws away though it should not: an error, for instance.
    fn unused(&self, said: &str, source: &str) -> Vec<Diagnostic> {
        let find = |line, column| self.locate(source, line, column);
        let places = Places { file: "src/lib.rs", find: &find };
        let lines = said.lines().filter(|line| line.contains("\"unused_must_use\""));
        let warnings = lines.filter_map(|line| Diagnostic::unused(&serde_json::from_str(line).ok()?, &places));
        warnings.filter(|warning| warning.is_here() && warning.place().is_some()).collect()
    }

    /// The cell is done with, and what runs from now on is none.
    pub fn done(&self) {
        lock(&self.state).at_hand = None;
    }

    /// The place of a line and a column, both counted from 1, in source that was generated for the cell at hand.
    pub fn locate(&self, source: &str, line: usize, column: usize) -> Option<Spot> {
        let state = lock(&self.state);
        state.locate(source, state.at_hand.as_ref(), line, column)
    }

    /// The same for the source of a build that runs: that of the newest of these frames.
    pub fn locate_in_build(&self, frames: &[Frame], line: usize, column: usize) -> Option<Spot> {
        let state = lock(&self.state);
        let build = frames.iter().find_map(|(number, _)| state.build(*number)).or(state.builds.back())?;
        state.locate(&build.source, build.cell.as_ref(), line, column)
    }

    /// The places in cells at which a stack of frames stands, the innermost first.
    pub fn stack(&self, frames: &[Frame]) -> Vec<Spot> {
        let mut spots: Vec<Spot> = Vec::new();
        for group in frames.chunk_by(|a, b| a.0 == b.0) {
            let Some(build) = group.first().and_then(|(number, _)| lock(&self.state).build(*number).cloned()) else {
                continue;
            };
            let addresses: Vec<u64> = group.iter().map(|(_, address)| *address).collect();
            let lines = frames::lines(&build.library, &addresses).unwrap_or_default();
            let state = lock(&self.state);
            let found = lines
                .into_iter()
                .filter_map(|(line, column)| state.locate(&build.source, build.cell.as_ref(), line, column));
            // A closure and the call that it is given to stand on one line; one is enough.
            spots.extend(found);
            spots.dedup_by(|outer, inner| (outer.cell, outer.line) == (inner.cell, inner.line));
        }
        spots
    }
}

impl State {
    fn build(&self, number: u32) -> Option<&Build> {
        self.builds.iter().rev().find(|build| build.number == number && build.cell.is_some())
    }

    fn locate(&self, source: &str, first: Option<&Arc<Written>>, line: usize, column: usize) -> Option<Spot> {
        let lines: Vec<&str> = source.lines().collect();
        let line = line.checked_sub(1)?;
        // For rustc the cell's value begins with the bracket before it.
        let (line, column) = if lines.get(line).is_some_and(|text| opens_value(text)) {
            let value = lines.get(line + 1)?;
            (line + 1, value.chars().take_while(|c| c.is_whitespace()).count() + 1)
        } else {
            (line, column)
        };
        let cells = first.into_iter().chain(self.cells.iter().rev());
        cells.into_iter().find_map(|written| {
            let (at, column) = written.locate(&lines, line, column)?;
            let (line, column) = written.cell.place(at + 1, column).unwrap_or((at + 1, 1));
            let here = self.at_hand.as_ref().is_some_and(|here| here.number == written.number);
            let cell = (!here).then_some(written.number);
            Some(Spot { cell, code: written.cell.original.clone(), line, column })
        })
    }
}

impl Written {
    fn new(number: u64, cell: Changed) -> Self {
        let statements = statements(&cell.code);
        Self { number, cell, statements }
    }

    /// Line (from 0) and column (from 1) in the cell for those in generated source.
    fn locate(&self, lines: &[&str], line: usize, column: usize) -> Option<(usize, usize)> {
        let (statement, start) = self.statements.iter().find_map(|statement| {
            let length = statement.text.lines().count();
            let starts = line.saturating_sub(length.saturating_sub(1))..=line;
            let start = starts.rev().find(|start| stands_at(&statement.text, lines, *start))?;
            Some((statement, start))
        })?;
        // The same statement may stand in the cell several times; the generated source keeps their order.
        let same = self.statements.iter().filter(|other| other.text.lines().eq(statement.text.lines()));
        let same: Vec<_> = same.collect();
        let earlier = (0..start).filter(|at| stands_at(&statement.text, lines, *at)).count();
        let statement = same.get(earlier).or(same.last())?;
        let column = if start == line { column + statement.column } else { column };
        Some((statement.line + line - start, column))
    }
}

/// What evcxr puts before a cell's value to show it.
fn opens_value(line: &str) -> bool {
    line == "(" || line == "{ let r = &(" || line.starts_with("evcxr_send_text_plain(&format!(")
}

fn stands_at(text: &str, lines: &[&str], start: usize) -> bool {
    let mut rest = lines.get(start..).unwrap_or_default().iter();
    text.lines().all(|line| rest.next() == Some(&line))
}

/// As evcxr's `split_into_statements`: each reaches to the beginning of the next.
fn statements(code: &str) -> Vec<Statement> {
    let start = start_of_rust(code);
    let rust = &code[start..];
    let parsed = SourceFile::parse(&format!("{BEFORE}{rust}\n}}"), Edition::Edition2024);
    let list = parsed.syntax_node().first_child().and_then(ast::Fn::cast).and_then(|f| f.body()?.stmt_list());
    let Some(list) = list else { return Vec::new() };
    let begins = list.syntax().children().skip(1).map(|node| usize::from(node.text_range().start()) - BEFORE.len());
    let ends: Vec<usize> = begins.chain([rust.len()]).map(|end| end.min(rust.len())).collect();
    let mut begin = 0;
    let mut statements = Vec::new();
    for end in ends {
        if let Some(text) = rust.get(begin..end).filter(|text| !text.is_empty()) {
            let before = &code[..start + begin];
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
            statements.push(Statement { text: text.to_string(), line: before.matches('\n').count(), column });
        }
        begin = end;
    }
    statements
}

/// evcxr counts its libraries: `libcode_7.so`.
pub fn number(library: &Path) -> Option<u32> {
    library.file_name()?.to_str()?.strip_prefix("libcode_")?.strip_suffix(".so")?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::kernel::cell::Cell;
    use crate::kernel::types::Type;

    fn spot(sources: &Sources, source: &str, line: usize, column: usize) -> Option<(Option<u64>, usize, usize)> {
        sources.locate(source, line, column).map(|spot| (spot.cell, spot.line, spot.column))
    }

    #[test]
    fn lines_are_found_in_their_cells() {
        let sources = Sources::default();
        let earlier = "fn g() {\n    h()\n}\nlet a = 1;";
        sources.at_hand(3, &Changed::not(earlier));
        sources.begun(Path::new("/none/target/triple/debug/libcode_7.so"));
        let cell = "// first\nlet b = 2; a.f();\na.f();\nmatch b {\n    _ => {}\n}\n a.f()";
        sources.at_hand(4, &Cell::parse(cell).with_types(&[Type::Named("u8".into())]));
        let source = "use x;\nfn g() {\n    h()\n}\nfn run() {\n// first\nlet b: u8 = 2; \na.f();\na.f();\n\
                      match b {\n    _ => {}\n}\n \n(\na.f()\n)\n}";
        assert_eq!(spot(&sources, source, 3, 5), Some((Some(3), 2, 5)));
        assert_eq!(spot(&sources, source, 7, 13), Some((None, 2, 9)));
        assert_eq!(spot(&sources, source, 8, 3), Some((None, 2, 14)));
        assert_eq!(spot(&sources, source, 9, 3), Some((None, 3, 3)));
        assert_eq!(spot(&sources, source, 11, 10), Some((None, 5, 10)));
        for (line, column) in [(14, 1), (15, 1)] {
            assert_eq!(spot(&sources, source, line, column), Some((None, 7, 2)));
        }
        assert_eq!(spot(&sources, source, 5, 1), None);
        assert_eq!(spot(&sources, source, 99, 1), None);
        sources.done();
        assert_eq!(spot(&sources, source, 9, 3), None);
        assert_eq!(spot(&sources, source, 3, 5), Some((Some(3), 2, 5)));
    }

    #[test]
    fn libraries_are_counted() {
        assert_eq!(number(Path::new("/a/libcode_12.so")), Some(12));
        assert_eq!(number(Path::new("/a/libtorch.so")), None);
    }
}
