//! Whether code can be run as it stands, which a console asks at every Enter.
//!
//! As evcxr does it: the code is parsed as the body of a function. If that fails, what is open is closed at the end and
//! the code is parsed again: errors before its end make it invalid, and otherwise it only goes on.

use ra_ap_syntax::ast::{self, HasModuleItem};
use ra_ap_syntax::{Edition, NodeOrToken, SourceFile, SyntaxKind, SyntaxToken, T};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

const BEFORE: &str = "fn f(){";
const AFTER: &str = "\n}";
const INDENT: usize = 4;
/// Longer code is not parsed here, and nothing longer than a line is an expression to be asked for.
const LONGEST: usize = 32 * 1024;
const LONGEST_EXPRESSION: usize = 2 * 1024;
/// The parser calls itself for each level of nesting: this is enough if every letter of the code is one.
const STACK: usize = 256 * 1024 * 1024;
/// Thousands of levels take the parser seconds. A console does not wait that long, and nor do others on its channel.
const PATIENCE: Duration = Duration::from_millis(500);

#[derive(Debug, PartialEq)]
pub enum Completeness {
    Complete,
    /// `indent` is for the next line.
    Incomplete {
        indent: String,
    },
    Invalid,
    /// The code is too long to say.
    Unknown,
}

/// Answers within half a second. If the parser takes longer, it goes on alone, and others are not answered meanwhile.
pub fn of(code: &str) -> Completeness {
    static PARSING: Mutex<()> = Mutex::new(());
    if code.len() > LONGEST {
        return Completeness::Unknown;
    }
    let (sender, receiver) = mpsc::channel();
    let code = code.to_string();
    let work = move || {
        let Ok(_one_at_a_time) = PARSING.try_lock() else { return };
        drop(sender.send(judge(&code)));
    };
    if thread::Builder::new().stack_size(STACK).spawn(work).is_err() {
        return Completeness::Unknown;
    }
    receiver.recv_timeout(PATIENCE).unwrap_or(Completeness::Unknown)
}

/// Whether the code is one expression: not a command, not a statement, not several.
pub fn is_expression(code: &str) -> bool {
    let judge = || {
        let file = SourceFile::parse(&format!("{BEFORE}{code}{AFTER}"), Edition::CURRENT);
        let mut items = file.tree().items();
        let (Some(ast::Item::Fn(function)), None) = (items.next(), items.next()) else { return false };
        let block = function.body().and_then(|body| body.stmt_list());
        let one = block.is_some_and(|block| block.statements().next().is_none() && block.tail_expr().is_some());
        one && file.errors().is_empty()
    };
    if code.len() > LONGEST_EXPRESSION || rust_part(code) != code {
        return false;
    }
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, judge);
        thread.is_ok_and(|thread| thread.join().unwrap_or(false))
    })
}

/// What follows the commands, comments and empty lines at the beginning, which evcxr takes line by line.
fn rust_part(code: &str) -> &str {
    let mut rest = code;
    loop {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let command = line.starts_with('!') || line.trim_start_matches(' ').starts_with(':');
        if line.is_empty() && after.is_empty() || !(command || line.starts_with("//") || line.trim().is_empty()) {
            return rest;
        }
        rest = after;
    }
}

fn judge(code: &str) -> Completeness {
    let code = rust_part(code).trim_end();
    let Some(open) = Open::of(code) else { return Completeness::Invalid };
    if open.closing().is_empty() && errors(code, "").is_empty() {
        return Completeness::Complete;
    }
    if errors(code, &open.closing()).into_iter().any(|at| at < code.len()) {
        return Completeness::Invalid;
    }
    Completeness::Incomplete { indent: open.indent() }
}

/// Where the errors are in the code, which is followed by `closing`.
fn errors(code: &str, closing: &str) -> Vec<usize> {
    let file = SourceFile::parse(&format!("{BEFORE}{code}{closing}{AFTER}"), Edition::CURRENT);
    file.errors().iter().map(|error| usize::from(error.range().start()).saturating_sub(BEFORE.len())).collect()
}

/// What is open at the end of the code.
struct Open {
    /// The delimiters that must come, and the lines in which theirs stand.
    delimiters: Vec<(char, usize)>,
    /// The end of a text or a comment.
    literal: Option<String>,
    /// Whether an operator or the like stands last.
    goes_on: bool,
}

impl Open {
    /// None if a delimiter closes what is not open.
    fn of(code: &str) -> Option<Self> {
        let mut open = Self { delimiters: Vec::new(), literal: None, goes_on: false };
        let mut line = 0;
        // Never mind the grammar: the tokens are those of the text. The first one keeps `#!` from beginning a script.
        let text = format!(";{code}");
        let tokens = SourceFile::parse(&text, Edition::CURRENT).syntax_node().descendants_with_tokens();
        for token in tokens.filter_map(NodeOrToken::into_token) {
            open.literal = unfinished(&token);
            line += token.text().matches('\n').count();
            match token.kind() {
                T!['('] => open.delimiters.push((')', line)),
                T!['['] => open.delimiters.push((']', line)),
                T!['{'] => open.delimiters.push(('}', line)),
                T![')'] | T![']'] | T!['}'] => {
                    let (expected, _) = open.delimiters.pop()?;
                    if !token.text().starts_with(expected) {
                        return None;
                    }
                }
                _ => {}
            }
            if !token.kind().is_trivia() {
                let ends =
                    matches!(token.kind(), T![;] | T![,] | T!['('] | T!['['] | T!['{'] | T![')'] | T![']'] | T!['}']);
                open.goes_on = token.kind().is_punct() && !ends;
            }
        }
        Some(open)
    }

    fn closing(&self) -> String {
        let delimiters = self.delimiters.iter().rev().map(|(delimiter, _)| *delimiter);
        self.literal.iter().flat_map(|end| end.chars()).chain(delimiters).collect()
    }

    fn indent(&self) -> String {
        if self.literal.is_some() {
            return String::new();
        }
        // Two that were opened in one line are one step.
        let mut lines: Vec<usize> = self.delimiters.iter().map(|(_, line)| *line).collect();
        lines.dedup();
        " ".repeat(INDENT * (lines.len() + usize::from(self.goes_on)))
    }
}

/// What a text or comment lacks, if it does not end.
fn unfinished(token: &SyntaxToken) -> Option<String> {
    let text = token.text();
    match token.kind() {
        SyntaxKind::COMMENT if text.starts_with("/*") => {
            let (mut open, mut rest) = (0, text);
            while let Some(first) = rest.chars().next() {
                let step = match rest.get(..2) {
                    Some("/*") => 1,
                    Some("*/") => -1,
                    _ => 0,
                };
                open += step;
                rest = &rest[if step == 0 { first.len_utf8() } else { 2 }..];
            }
            (open > 0).then(|| "*/".repeat(open as usize))
        }
        SyntaxKind::STRING | SyntaxKind::BYTE_STRING | SyntaxKind::C_STRING => {
            let prefix = text.find('"')?;
            let body = &text[prefix + 1..];
            if text[..prefix].contains('r') {
                let end = format!("\"{}", "#".repeat(text[..prefix].matches('#').count()));
                return (!body.ends_with(&end)).then_some(end);
            }
            let mut characters = body.chars();
            while let Some(c) = characters.next() {
                match c {
                    '\\' => drop(characters.next()),
                    '"' => return None,
                    _ => {}
                }
            }
            // On a line of its own, where no backslash stands before it.
            Some("\n\"".to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn complete() {
        for code in [
            "",
            "  \n",
            "1 + 1",
            "let x = 1;",
            "x",
            "fn f() {}",
            "fn f() { 1 }\nf()",
            "use a::b;",
            "if a { 1 } else { 2 }",
            ":help",
            ":dep a = \"1\"\n:vars",
            ":vars\n\n// note\nlet x = 1;",
            "// only this",
            "!ls -l (",
            "/* a /* b */ */ 1",
            "\"a(\"",
            "r#\"a\"b\"#",
            "b\"\\\"\"",
            "'('",
            "a?;\nb?",
            "#[derive(Debug)]\nstruct A;",
            "#![allow(unused)] 1",
            "loop {}",
            "'a: loop { break 'a }",
            "vec![1, 2]",
            "x.y::<Vec<_>>()",
            "/// doc\nfn f() {}",
        ] {
            assert_eq!(judge(code), Completeness::Complete, "{code}");
        }
    }

    #[test]
    fn incomplete_with_the_next_lines_indent() {
        for (code, indent) in [
            ("fn f() {", 4),
            ("let x = (", 4),
            ("let x =", 4),
            ("foo(1,", 4),
            ("foo(1,\n    vec![", 8),
            ("foo(vec![", 4),
            ("fn f() {\n    if x {", 8),
            ("fn f() {\n    if x {\n        y();\n    }", 4),
            ("a +", 4),
            ("fn f()", 0),
            ("fn f() {\n    let x =", 8),
            ("match x {\n    1 =>", 8),
            ("x.", 4),
            (":vars\nfn f() {", 4),
            ("let x = 1", 0),
            ("\"abc", 0),
            ("f(\"abc", 0),
            ("\"abc\\", 0),
            ("r#\"abc\"", 0),
            ("b\"abc", 0),
            ("/* a", 0),
            ("/* a /* b */", 0),
            ("fn f() {\n    /* a", 0),
            ("#[derive(Debug)]", 0),
            ("#[derive(", 4),
            ("struct A", 0),
            ("|x|", 4),
        ] {
            assert_eq!(judge(code), Completeness::Incomplete { indent: " ".repeat(indent) }, "{code}");
        }
    }

    #[test]
    fn invalid() {
        for code in [
            ")",
            "}",
            "(]",
            "let = 1;",
            "let x = ;",
            "fn f( {",
            "let x = 1 2 3;",
            "} fn g() {",
            "1 +* ;",
            "fn 1() {",
            "let let x = (",
        ] {
            assert_eq!(judge(code), Completeness::Invalid, "{code}");
        }
    }

    #[test]
    fn nothing_overflows() {
        let all = "(  {  [  !  -  &  *  if a {} else  a=  ||  /*  a(  <  Vec<  match a { b =>  \"  let x: &";
        for open in all.split("  ") {
            let begin = Instant::now();
            of(&open.repeat(2_000 / open.len()));
            assert!(begin.elapsed() < 3 * PATIENCE, "{open}");
        }
        assert_eq!(of(&"x".repeat(LONGEST + 1)), Completeness::Unknown);
    }

    #[test]
    fn expressions() {
        for code in ["x", "1 + 1", "{ let x = 1; x }", "println!(\"a\")", "if a { 1 } else { 2 }", "x.y()?"] {
            assert!(is_expression(code), "{code}");
        }
        for code in ["", "x;", "let x = 1;", "x; y", ":vars", "!ls", "fn f() {}", "x }", "} fn g() { x", "(", "// x"] {
            assert!(!is_expression(code), "{code}");
        }
    }
}
