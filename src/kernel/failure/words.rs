//! rustc's words, which speak of crates and functions, as a notebook says them.

/// What the function around a cell is called where it is checked (check.rs), and the error that its `?` makes.
pub const FUNCTION: &str = "cell";
pub const ERROR: &str = "CellError";

/// Notes that explain rustc, or the code around the cell.
pub fn is_noise(note: &str) -> bool {
    const BEGINNINGS: [&str; 12] = [
        "`#[",
        "for more information",
        "the full name for the type",
        "the full type name",
        "consider using `--verbose`",
        "this error originates in",
        "the question mark operation",
        "required for `",
        "required by a bound",
        "the following other types implement",
        "if you don't know the size",
        "this is an associated function",
    ];
    BEGINNINGS.iter().any(|start| note.starts_with(start)) || note.contains(ERROR)
}

/// The same in the words of a notebook.
pub fn mend(text: &str) -> String {
    if let Some(name) = between(text, "if you wanted to use a crate named `", "`") {
        return format!("to use a crate named `{name}`, begin the cell with `:dep {name} = \"*\"`, or name a version");
    }
    let result = format!("Result<(), {ERROR}>");
    let replaced = [
        (" in an async function that returns `Result`".to_string(), " in a cell"),
        (" in a function that returns `Result`".to_string(), " in a cell"),
        (format!("an error compatible with `{result}`"), "an error"),
        (format!("expected `{result}`, found "), "a cell's `return` takes no value, found "),
    ];
    replaced.iter().fold(text.to_string(), |text, (from, to)| text.replace(from, to))
}

/// What evcxr says of a command that failed.
pub fn command(text: &str) -> String {
    let noise = ["Updating ", "Locking ", "Adding ", "Blocking ", "--> Cargo.toml", "warning: spurious network error"];
    let lines = text.lines().filter(|line| !noise.iter().any(|start| line.trim_start().starts_with(start)));
    let drawn = |line: &&str| {
        !line.trim().is_empty() && !line.trim_start().trim_start_matches(char::is_numeric).trim().starts_with('|')
    };
    let lines: Vec<&str> = lines.filter(drawn).map(|line| line.strip_prefix("error: ").unwrap_or(line)).collect();
    let text = lines.join("\n");
    if let Some(name) = text.strip_prefix("Unrecognised command ") {
        return format!("there is no command `{name}`: `:help` lists them all");
    }
    if let Some(rest) = text.strip_prefix("Shell command failed with exit code ")
        && let Some((code, said)) = rest.split_once(": ")
    {
        return format!("the shell command ended with status {code}: {}", said.trim());
    }
    text.replace(
        "Invalid :dep command. Expected: name = ... or just name",
        "write `:dep name` or `:dep name = \"version\"`",
    )
    .replace(":dep requires arguments", "write `:dep name` or `:dep name = \"version\"`")
}

/// What stands between the first two of these.
pub fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_are_dependencies_of_a_cell() {
        let text = "if you wanted to use a crate named `image`, use `cargo add image` to add it to your `Cargo.toml`";
        assert_eq!(
            mend(text),
            "to use a crate named `image`, begin the cell with `:dep image = \"*\"`, or name a version"
        );
    }

    #[test]
    fn commands_say_what_is_wrong_with_them() {
        for (evcxrs, ours) in [
            ("Unrecognised command :nope", "there is no command `:nope`: `:help` lists them all"),
            (
                "    Updating crates.io index\nerror: no matching package named `x` found\nlocation searched: crates.io index",
                "no matching package named `x` found\nlocation searched: crates.io index",
            ),
            (
                "error: unclosed inline table, expected `}`\n  --> Cargo.toml:12:5\n   |\n12 |     \n   |     ^",
                "unclosed inline table, expected `}`",
            ),
            ("Shell command failed with exit code 2: ls: no\n", "the shell command ended with status 2: ls: no"),
        ] {
            assert_eq!(command(evcxrs), ours);
        }
    }

    #[test]
    fn the_code_around_a_cell_is_not_named() {
        for text in [
            "use `.ok_or(...)?` to provide an error compatible with `Result<(), CellError>`",
            "the `?` operator can only be used on `Result`s, not `Option`s, in a function that returns `Result`",
            "expected `Result<(), CellError>`, found integer",
        ] {
            assert!(!mend(text).contains("CellError") && !mend(text).contains("function"), "{text}");
        }
        assert!(is_noise("required for `CellError` to implement `From<D>`"));
        assert!(!is_noise("`D` needs to implement `std::fmt::Display`"));
    }
}
