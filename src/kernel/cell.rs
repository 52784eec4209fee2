//! The source of a cell: its commands, the variables that it binds, and additions to it.

use super::types::Type;
use ra_ap_syntax::ast::{self, AstNode, HasName};
use ra_ap_syntax::{Edition, SourceFile, SyntaxNode};
use std::collections::BTreeSet;
use std::ops::Range;

/// What evcxr puts before a cell to parse it.
pub const BEFORE: &str = "fn f(){";

/// A cell, parsed as evcxr does it.
pub struct Cell<'a> {
    code: &'a str,
    /// Commands (`:dep`, `!ls`) and comments come before this.
    start: usize,
    variables: Vec<Variable>,
    parses: bool,
    /// The expression that is its value.
    value: Option<Range<usize>>,
}

/// A variable that a `let` binds without its type.
struct Variable {
    name: String,
    mutable: bool,
    /// After a plain name, where its type can stand.
    type_at: Option<usize>,
    statement: Range<usize>,
}

/// A cell as evcxr sees it, and the way back to what the reader wrote.
#[derive(Clone)]
pub struct Changed {
    pub code: String,
    pub original: String,
    additions: Vec<Addition>,
}

#[derive(Clone)]
struct Addition {
    /// In the unchanged cell.
    at: usize,
    text: String,
}

impl<'a> Cell<'a> {
    pub fn parse(code: &'a str) -> Self {
        let start = start_of_rust(code);
        let list = parse(&code[start..]);
        let mut cell = Self { code, start, variables: Vec::new(), parses: list.is_some(), value: None };
        let Some(list) = list else { return cell };
        for statement in list.statements() {
            if let ast::Stmt::LetStmt(statement) = statement {
                cell.add(&statement);
            }
        }
        cell.value = list.tail_expr().filter(|value| !is_assignment(value)).map(|value| cell.range(value.syntax()));
        cell
    }

    /// Whether its Rust can be parsed.
    pub fn parses(&self) -> bool {
        self.parses
    }

    /// The commands before the Rust code; empty if there are none.
    pub fn commands(&self) -> &'a str {
        let commands = &self.code[..self.start];
        if commands.lines().any(is_command) { commands } else { "" }
    }

    /// The Rust code, with empty lines in place of the commands.
    pub fn without_commands(&self) -> String {
        let lines = self.code[..self.start].matches('\n').count();
        format!("{}{}", "\n".repeat(lines), &self.code[self.start..])
    }

    /// How many variables it binds without their types.
    pub fn variables(&self) -> usize {
        self.variables.len()
    }

    /// The cell with `probe(index, name)` after each statement that binds variables.
    pub fn probed(&self, probe: impl Fn(usize, &str) -> String) -> Changed {
        let additions = self.variables.iter().enumerate().map(|(index, variable)| Addition {
            at: variable.statement.end,
            text: format!(" {}", probe(index, &variable.name)),
        });
        self.changed(additions.collect())
    }

    /// The cell with the types that are known written down, in the order of the variables.
    pub fn with_types(&self, types: &[Type]) -> Changed {
        let mut additions = Vec::new();
        for (Variable { name, mutable, type_at, statement }, kind) in self.variables.iter().zip(types) {
            let Type::Named(kind) = kind else { continue };
            let mutable = if *mutable { "mut " } else { "" };
            additions.push(match type_at {
                Some(at) => Addition { at: *at, text: format!(": {kind}") },
                None => Addition { at: statement.end, text: format!(" let {mutable}{name}: {kind} = {name};") },
            });
        }
        self.changed(additions)
    }

    /// The expression that is its value.
    pub fn value(&self) -> Option<Range<usize>> {
        self.value.clone()
    }

    /// The cell with its value looked at and thrown away.
    pub fn without_value(&self) -> Changed {
        let addition = |at, text: &str| Addition { at, text: text.to_string() };
        let around = |value: &Range<usize>| vec![addition(value.start, "let ref _value = "), addition(value.end, ";")];
        self.changed(self.value.as_ref().map(around).unwrap_or_default())
    }

    /// The variables whose types have no name, with these types.
    pub fn unnamed(&self, types: &[Type]) -> Vec<(String, String)> {
        let unnamed = |(variable, kind): (&Variable, &Type)| match kind {
            Type::Unnamed(kind) => Some((variable.name.clone(), kind.clone())),
            _ => None,
        };
        self.variables.iter().zip(types).filter_map(unnamed).collect()
    }

    fn changed(&self, additions: Vec<Addition>) -> Changed {
        let mut code = String::with_capacity(2 * self.code.len());
        let mut copied = 0;
        for Addition { at, text } in &additions {
            code.push_str(&self.code[copied..*at]);
            code.push_str(text);
            copied = *at;
        }
        code.push_str(&self.code[copied..]);
        Changed { code, original: self.code.to_string(), additions }
    }

    fn add(&mut self, statement: &ast::LetStmt) {
        let Some(pattern) = statement.pat().filter(|_| statement.initializer().is_some()) else { return };
        let explicit = statement.ty().map(|ty| is_whole(&ty));
        let range = self.range(statement.syntax());
        match &pattern {
            ast::Pat::IdentPat(_) if explicit == Some(true) => {}
            ast::Pat::IdentPat(plain) => {
                let named = plain.pat().is_none() && plain.ref_token().is_none();
                let type_at = (named && explicit.is_none()).then(|| self.range(plain.syntax()).end);
                self.add_name(plain, type_at, &range);
            }
            _ => {
                for name in pattern.syntax().descendants().filter_map(ast::IdentPat::cast) {
                    self.add_name(&name, None, &range);
                }
            }
        }
    }

    fn add_name(&mut self, pattern: &ast::IdentPat, type_at: Option<usize>, statement: &Range<usize>) {
        let Some(name) = pattern.name().map(|name| name.text().to_string()) else { return };
        // A constant or a variant of an enum is no variable.
        if name.starts_with(char::is_uppercase) {
            return;
        }
        let mutable = pattern.mut_token().is_some();
        self.variables.push(Variable { name, mutable, type_at, statement: statement.clone() });
    }

    /// Where a node stands in the cell.
    fn range(&self, node: &SyntaxNode) -> Range<usize> {
        let place = |offset| usize::from(offset) + self.start - BEFORE.len();
        place(node.text_range().start())..place(node.text_range().end())
    }
}

impl Changed {
    /// A cell to which nothing was added.
    pub fn not(code: &str) -> Self {
        Self { code: code.to_string(), original: code.to_string(), additions: Vec::new() }
    }

    /// Whether one of these places lies in an addition.
    pub fn adds_to(&self, mut places: impl Iterator<Item = (usize, usize)>) -> bool {
        places.any(|(line, column)| self.place(line, column).is_none())
    }

    /// Line and column of the unchanged cell for those of the changed one, counted from 1 in characters. None for what
    /// lies in an addition.
    pub fn place(&self, line: usize, column: usize) -> Option<(usize, usize)> {
        // Additions have no newlines, so lines stay what they are.
        let begin: usize = self.code.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
        let text = self.code.get(begin..)?.split('\n').next()?;
        let column = column.checked_sub(1)?;
        let place = begin + text.char_indices().nth(column).map_or(text.len(), |(at, _)| at);
        let mut shift = 0;
        let mut added = 0;
        for Addition { at, text } in &self.additions {
            let start = at + shift;
            if place < start {
                break;
            }
            if place < start + text.len() {
                return None;
            }
            shift += text.len();
            added += if start < begin { 0 } else { text.chars().count() };
        }
        Some((line, column + 1 - added))
    }
}

/// The statements; None if they do not parse. What does not parse goes to rustc as it is, which says why.
fn parse(rust: &str) -> Option<ast::StmtList> {
    let parsed = SourceFile::parse(&format!("{BEFORE}{rust}\n}}"), Edition::Edition2024);
    let function = parsed.errors().is_empty().then(|| parsed.syntax_node().first_child()).flatten();
    ast::Fn::cast(function?)?.body()?.stmt_list()
}

/// The variables that a cell binds.
pub fn bound(code: &str) -> BTreeSet<String> {
    let start = start_of_rust(code);
    let statements = parse(&code[start..]).into_iter().flat_map(|list| list.statements());
    let lets = statements.filter_map(|statement| match statement {
        ast::Stmt::LetStmt(statement) => statement.pat(),
        _ => None,
    });
    let names = lets.flat_map(|pattern| pattern.syntax().descendants()).filter_map(ast::IdentPat::cast);
    let names = names.filter_map(|pattern| Some(pattern.name()?.text().to_string()));
    // A constant or a variant of an enum is no variable.
    names.filter(|name| !name.starts_with(char::is_uppercase)).collect()
}

/// The names that a cell binds or defines, and where it does.
pub fn names(code: &str) -> Vec<(String, usize)> {
    let start = start_of_rust(code);
    let Some(list) = parse(&code[start..]) else { return Vec::new() };
    let mut names = Vec::new();
    for statement in list.statements() {
        match statement {
            ast::Stmt::LetStmt(statement) => {
                let pattern = statement.pat().into_iter().flat_map(|pattern| pattern.syntax().descendants());
                names.extend(pattern.filter_map(ast::IdentPat::cast).filter_map(|pattern| pattern.name()));
            }
            ast::Stmt::Item(item) => names.extend(item.syntax().children().find_map(ast::Name::cast)),
            ast::Stmt::ExprStmt(_) => {}
        }
    }
    let place = |name: &ast::Name| usize::from(name.syntax().text_range().start()) + start - BEFORE.len();
    names.into_iter().map(|name| (name.text().to_string(), place(&name))).collect()
}

fn is_command(line: &str) -> bool {
    line.starts_with('!') || line.trim_start().starts_with(':')
}

/// As in evcxr: commands, comments and empty lines may come before the first line of Rust.
pub fn start_of_rust(code: &str) -> usize {
    let before = |line: &&str| is_command(line) || line.starts_with("//") || line.trim().is_empty();
    code.split_inclusive('\n').take_while(before).map(str::len).sum()
}

fn is_assignment(value: &ast::Expr) -> bool {
    matches!(value, ast::Expr::BinExpr(value) if matches!(value.op_kind(), Some(ast::BinaryOp::Assignment { .. })))
}

/// Whether a type leaves nothing to infer.
fn is_whole(kind: &ast::Type) -> bool {
    !kind.syntax().descendants().any(|node| ast::InferType::can_cast(node.kind()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn variables_without_types_are_found() {
        let code = ":dep a\n// b\nlet a = 1; let b: u8 = 2;\nlet (mut c, Some(d)) = f() else { panic!() };\n\
                    let e: Vec<_> = g();\nlet h;\n{ let i = 1; }\nfn j() { let k = 1; }\nlet ref l = a;";
        let cell = Cell::parse(code);
        let names: Vec<_> = cell.variables.iter().map(|v| (v.name.as_str(), v.mutable, v.type_at.is_some())).collect();
        let expected =
            [("a", false, true), ("c", true, false), ("d", false, false), ("e", false, false), ("l", false, false)];
        assert_eq!(names, expected);
        assert_eq!(cell.commands(), ":dep a\n// b\n");
        assert_eq!(cell.without_commands().lines().nth(2), Some("let a = 1; let b: u8 = 2;"));
        assert_eq!(Cell::parse("let a = (1;").variables(), 0);
        assert_eq!(Cell::parse("// only\n1").commands(), "");
    }

    #[test]
    fn types_are_written_down() {
        let cell = Cell::parse("let (mut a, b) = é(); let c = 1;\na + \n b // sum");
        let types = ["A", "B", "C"].map(|kind| Type::Named(kind.to_string()));
        let changed = cell.with_types(&types);
        let expected = "let (mut a, b) = é(); let mut a: A = a; let b: B = b; let c: C = 1;\na + \n b // sum";
        assert_eq!(changed.code, expected);
        let closure = Type::Unnamed("{closure}".to_string());
        let others = [Type::Unknown, closure, Type::Unknown];
        assert_eq!(cell.with_types(&others).code, cell.code);
        assert_eq!(cell.unnamed(&others), [("b".to_string(), "{closure}".to_string())]);
        let probed = cell.probed(|index, name| format!("p({index}, {name});"));
        assert!(probed.code.starts_with("let (mut a, b) = é(); p(0, a); p(1, b); let c = 1; p(2, c);\n"));
    }

    #[test]
    fn names_are_found() {
        let code = "// a\nlet (a, mut b): (u8, u8) = c;\nfn d(e: u8) {}\nstruct F;\nuse g::h; a;\nimpl F {}";
        let names = names(code);
        let texts: Vec<_> = names.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(texts, ["a", "b", "d", "F"]);
        assert!(names.iter().all(|(name, at)| code[*at..].starts_with(name)));
    }

    #[test]
    fn variables_are_found() {
        let code = ":dep x\nlet (a, mut b): (u8, u8) = c;\nlet Some(d) = e else { return Ok(()) };\nif let Some(f) = g {}\n\
                    fn h(i: u8) { let j = i; }\nlet None = k;";
        assert_eq!(bound(code).into_iter().collect::<Vec<_>>(), ["a", "b", "d"]);
        assert!(bound("let a = (").is_empty());
    }

    #[test]
    fn the_value_is_thrown_away() {
        let cell = Cell::parse("f();\n a.b");
        let changed = cell.without_value();
        assert!(cell.parses() && changed.code == "f();\n let ref _value = a.b;");
        assert_eq!(changed.place(2, 21), Some((2, 4)));
        assert_eq!(Cell::parse("f();").without_value().code, "f();");
        assert!(!Cell::parse("let fn = 1;").parses());
    }

    #[test]
    fn places_are_found_again() {
        let cell = Cell::parse("let é = 1; let b = 2;\na;\nb");
        let changed = cell.with_types(&[Type::Named("Ä".into()), Type::Named("B".into())]);
        assert_eq!(changed.code, "let é: Ä = 1; let b: B = 2;\na;\nb");
        assert_eq!(changed.place(1, 5), Some((1, 5)));
        assert_eq!(changed.place(1, 6), None);
        assert_eq!(changed.place(1, 10), Some((1, 7)));
        assert_eq!(changed.place(1, 26), Some((1, 20)));
        assert_eq!(changed.place(2, 1), Some((2, 1)));
        assert_eq!(changed.place(3, 1), Some((3, 1)));
    }
}
