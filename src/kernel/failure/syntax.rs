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
    let mut long = None;
    for token in parsed.syntax_node().descendants_with_tokens().filter_map(|element| element.into_token()) {
        let at = usize::from(token.text_range().start());
        let text = token.text();
        if let Some((what, end)) = endless(token.kind(), text) {
            return Some(without_end(what, &end, at, long, code));
        }
        if token.kind() == SyntaxKind::STRING && text.contains('\n') {
            long = long.or(Some(at));
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

/// What is a text or a comment that only the cell's end ends, and how it should end.
fn endless(kind: SyntaxKind, text: &str) -> Option<(&'static str, String)> {
    match kind {
        SyntaxKind::STRING | SyntaxKind::BYTE_STRING | SyntaxKind::C_STRING => {
            let (prefix, content) = text.split_once('"')?;
            let end = format!("\"{}", "#".repeat(prefix.matches('#').count()));
            let closed = if prefix.contains('r') { content.contains(&end) } else { ends_unescaped(content) };
            (!closed).then_some(("text", end))
        }
        SyntaxKind::COMMENT if text.starts_with("/*") => {
            (text.matches("/*").count() > text.matches("*/").count()).then(|| ("comment", "*/".to_string()))
        }
        _ => None,
    }
}

/// `long` is where the first text begins that has several lines: if its quote is missing, all further quotes begin where
/// they should end.
fn without_end(what: &str, end: &str, at: usize, long: Option<usize>, code: &str) -> Diagnostic {
    let mut marks = vec![mark(code, at, 1)];
    if let Some(long) = long.filter(|_| what == "text") {
        marks[0].label = "this one never ends".to_string();
        marks[0].kind = Kind::Secondary;
        let mut first = mark(code, long, 1);
        first.label = "this one has several lines".to_string();
        marks.insert(0, first);
    }
    let message = if marks.len() > 1 { "a text never ends".to_string() } else { format!("this {what} never ends") };
    Diagnostic::new(&message, code, marks).with_note("help", &format!("a `{end}` is missing"))
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
