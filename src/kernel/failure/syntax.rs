//! What is wrong with a cell that cannot be cut into statements: brackets, and texts and comments without an end.
//!
//! rustc would speak of the braces around the cell, or say nothing of where it began.

use super::diagnostic::Diagnostic;
use super::look::{Kind, Mark};
use ra_ap_syntax::{Edition, SourceFile, SyntaxKind};

/// The brackets that are open at some place, each with the place where it stands.
type Open = Vec<(char, usize)>;

/// The first thing that is never closed, or closes nothing. `code` is without commands.
pub fn problem(code: &str) -> Option<Diagnostic> {
    let parsed = SourceFile::parse(code, Edition::Edition2024);
    let mut open = Open::new();
    for token in parsed.syntax_node().descendants_with_tokens().filter_map(|element| element.into_token()) {
        let at = usize::from(token.text_range().start());
        let text = token.text();
        if let Some(problem) = endless(token.kind(), text, at, code) {
            return Some(problem);
        }
        // A token of the parser may be one of several characters, such as `)` and `{` never are.
        let Some(bracket) = text.chars().next().filter(|_| text.len() == 1) else { continue };
        if "([{".contains(bracket) {
            open.push((bracket, at));
        } else if ")]}".contains(bracket)
            && let Some(problem) = close(&mut open, bracket, at, code)
        {
            return Some(problem);
        }
    }
    let (bracket, at) = open.pop()?;
    let message = format!("this `{bracket}` is never closed");
    Some(Diagnostic::new(&message, code, vec![mark(code, at, 1)]).with_note("help", &missing(bracket)))
}

fn close(open: &mut Open, bracket: char, at: usize, code: &str) -> Option<Diagnostic> {
    match open.pop() {
        Some((begin, _)) if closing(begin) == bracket => None,
        Some((begin, opened)) => {
            let message = format!("this `{begin}` is closed by `{bracket}`");
            let mut second = mark(code, at, 1);
            second.kind = Kind::Secondary;
            second.label = format!("a `{}` is missing before this", closing(begin));
            Some(Diagnostic::new(&message, code, vec![mark(code, opened, 1), second]))
        }
        None => Some(Diagnostic::new(&format!("this `{bracket}` closes nothing"), code, vec![mark(code, at, 1)])),
    }
}

fn closing(bracket: char) -> char {
    match bracket {
        '(' => ')',
        '[' => ']',
        _ => '}',
    }
}

fn missing(bracket: char) -> String {
    format!("a `{}` is missing", closing(bracket))
}

/// A text or a comment that the cell's end ends.
fn endless(kind: SyntaxKind, text: &str, at: usize, code: &str) -> Option<Diagnostic> {
    let (what, end) = match kind {
        SyntaxKind::STRING | SyntaxKind::BYTE_STRING | SyntaxKind::C_STRING => {
            let (prefix, content) = text.split_once('"')?;
            let hashes = prefix.matches('#').count();
            let raw = prefix.contains('r');
            let end = format!("\"{}", "#".repeat(hashes));
            let closed = if raw { content.contains(&end) } else { ends_unescaped(content) };
            (!closed).then_some(("text", end))?
        }
        SyntaxKind::COMMENT if text.starts_with("/*") => {
            let depth = text.matches("/*").count();
            (depth > text.matches("*/").count()).then(|| ("comment", "*/".to_string()))?
        }
        _ => return None,
    };
    let message = format!("this {what} never ends");
    let help = format!("a `{end}` is missing");
    Some(Diagnostic::new(&message, code, vec![mark(code, at, 1)]).with_note("help", &help))
}

/// Whether a quote ends what follows a quote.
fn ends_unescaped(content: &str) -> bool {
    let mut escaped = false;
    for c in content.chars() {
        if c == '"' && !escaped {
            return true;
        }
        escaped = c == '\\' && !escaped;
    }
    false
}

fn mark(code: &str, at: usize, width: usize) -> Mark {
    let before = &code[..at];
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Mark::new(before.matches('\n').count() + 1, column, column + width, "")
}

#[cfg(test)]
mod tests {
    use super::super::look::tests::plain;
    use super::*;

    fn said(code: &str) -> String {
        problem(code).map(|problem| plain(&problem.text())).unwrap_or_default()
    }

    #[test]
    fn brackets() {
        assert_eq!(
            said("let a = (1 + 2;"),
            "error: this `(` is never closed\n  --> cell line 1\n  |\n1 | let a = (1 + 2;\n  |         ^\n  = help: a `)` is missing"
        );
        assert!(said("fn f() {\n    let x = [1;\n}").starts_with("error: this `[` is closed by `}`\n"));
        assert!(said("a)").contains("this `)` closes nothing"));
        assert!(said("}").contains("this `}` closes nothing"));
        assert!(said("let a = 1; }\n").contains("this `}` closes nothing"));
        assert!(said("fn größe( {\n\tx").contains("this `{` is never closed"));
        assert!(said("vec![f(1, g(2)]").contains("2 | ").then_some(()).is_none());
        for code in
            ["f(\")\", ')', \"]}\"); // {", "/* ( */ {}", "m!([{}])", "'a: loop { break 'a; }", "r#\"(\"# b\"{\"", ""]
        {
            assert_eq!(said(code), "");
        }
    }

    #[test]
    fn texts_and_comments() {
        assert!(
            said("let a = 1;\nlet s = \"abc;\nf(s)").starts_with("error: this text never ends\n  --> cell line 2\n")
        );
        assert!(said("let r = r#\"abc\";").ends_with("a `\"#` is missing"));
        assert!(said("\"abc\\\"").contains("never ends"));
        assert!(said("/* comment\n/* inner */\nlet a = 1;").contains("this comment never ends"));
        for code in ["\"a\\\\\"", "\"a\nb\"", "b\"x\" c\"y\" r\"z\\\"", "/* /* */ */ 1", "\"/*\"", "'\"'"] {
            assert_eq!(said(code), "");
        }
    }
}
