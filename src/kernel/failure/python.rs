//! What somebody who knows Python writes, and how Rust has it where rustc does not say so.

/// The way out, for an error whose mark begins in `line` after `before`.
pub fn way_out(code: Option<&str>, message: &str, before: &str, line: &str) -> Option<&'static str> {
    let word = line.split_whitespace().next().unwrap_or_default();
    let rest = line.get(before.len()..).unwrap_or_default();
    match (code, message) {
        (Some("E0614"), _) if rest.starts_with('*') && before.ends_with('*') => Some(
            "Rust has no `**`: write `x.powi(2)`, or `x.powf(0.5)`; a bare number needs its type, `80_f64.powf(0.5)`",
        ),
        (None, _)
            if message.starts_with("expected one of `!` or `[`") && word.starts_with('#') && !line.contains("#[") =>
        {
            Some("a comment begins with `//`")
        }
        (None, "expected `{`, found `:`") => Some("a block stands in braces: `for i in 0..3 { ... }`"),
        (None, _) if message.ends_with("found keyword `for`") && before.contains('[') => {
            Some("a list from a loop: `(0..3).map(|i| i * i).collect::<Vec<_>>()`")
        }
        (None, _) if matches!(word, "import" | "from") => Some("Rust's word is `use`; the first cell has it"),
        (Some("E0425"), "cannot find function `range` in this scope") => Some("`0..10` is Python's `range(10)`"),
        (Some("E0608"), _) if message.ends_with("`tch::Tensor`") || message.ends_with("`Tensor`") => {
            Some("`t.get(0)` is Python's `t[0]`, and `t.double_value(&[0, 1])` a number of it")
        }
        (Some("E0277"), _)
            if message.starts_with("cannot ")
                && ["{float}", "f64", "f32"].iter().any(|kind| message.contains(kind))
                && message.contains("integer") =>
        {
            Some("a whole number is no fraction here: write `2.0` for `2`, or `n as f64`")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::way_out;

    #[test]
    fn habits_of_python_have_a_way_out() {
        let deref = "type `{integer}` cannot be dereferenced";
        let float = "cannot multiply `{float}` by `{integer}`";
        let index = "cannot index into a value of type `Tensor`";
        for (code, message, before, line, way) in [
            (Some("E0614"), deref, "x *", "x ** 2", "x.powi(2)"),
            (Some("E0614"), deref, "let y = 2 *", "let y = 2 ** 3;", "x.powi(2)"),
            (None, "expected one of `!` or `[`, found `a`", "# ", "# a comment", "`//`"),
            (None, "expected `{`, found `:`", "if x > 2", "if x > 2: f()", "braces"),
            (
                None,
                "expected one of 9 tokens, found keyword `for`",
                "let l = [i ",
                "let l = [i for i in 0..3];",
                "collect",
            ),
            (None, "expected one of 8 tokens, found `numpy`", "import ", "import numpy", "`use`"),
            (Some("E0425"), "cannot find function `range` in this scope", "for i in ", "for i in range(3) {}", "0..10"),
            (Some("E0608"), index, "", "t[0]", "t.get(0)"),
            (Some("E0277"), float, "2.0 ", "2.0 * n", "n as f64"),
        ] {
            assert!(way_out(code, message, before, line).is_some_and(|said| said.contains(way)), "{line}");
        }
    }

    #[test]
    fn rust_of_ones_own_is_left_alone() {
        for (code, message, before, line) in [
            (Some("E0614"), "type `f64` cannot be dereferenced", "let y = 2.0 * ", "let y = 2.0 * *x;"),
            (None, "expected one of `!` or `[`, found `x`", "", "#[derive(Debug)] x"),
            (Some("E0277"), "cannot add `String` to `{integer}`", "1 ", "1 + name"),
            (Some("E0425"), "cannot find function `ranges` in this scope", "", "ranges(3)"),
        ] {
            assert_eq!(way_out(code, message, before, line), None, "{line}");
        }
    }
}
