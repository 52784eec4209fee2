//! rustc's words, which speak of crates and functions, as a notebook says them.

/// What the function around a cell is called where it is checked (check.rs), and the error that its `?` makes.
pub const FUNCTION: &str = "cell";
pub const ERROR: &str = "CellError";

/// Notes that explain rustc, or the code around the cell.
pub fn is_noise(note: &str) -> bool {
    const BEGINNINGS: [&str; 16] = [
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
        "the matched value is of type",
        "the nightly-only",
        "function requires argument type",
        "consider labeling this block",
    ];
    let linker = note.contains("\"-Wl,") || note.starts_with("some arguments are omitted");
    linker
        || BEGINNINGS.iter().any(|start| note.starts_with(start))
        || note.ends_with("defined here")
        || note.contains(ERROR)
}

/// The same in the words of a notebook.
pub fn mend(text: &str) -> String {
    if text == "required by a bound introduced by this call" {
        return String::new();
    }
    let missing = ["if you wanted to use a crate named `", "you might be missing a crate named `"];
    if let Some(name) = missing.iter().find_map(|start| between(text, start, "`")) {
        return format!("to use a crate named `{name}`, begin the cell with `:dep {name} = \"*\"`, or name a version");
    }
    let result = format!("Result<(), {ERROR}>");
    let replaced = [
        (" in an async function that returns `Result`".to_string(), " in a cell"),
        (" in a function that returns `Result`".to_string(), " in a cell"),
        ("the current function".to_string(), "the cell"),
        (format!("an error compatible with `{result}`"), "an error"),
        (format!("expected `{result}`, found "), "a cell's `return` takes no value, found "),
    ];
    replaced.iter().fold(text.to_string(), |text, (from, to)| text.replace(from, to))
}

/// A way out that rustc does not see.
pub fn way_out(code: Option<&str>, message: &str) -> Option<String> {
    if message.starts_with("linking with `") {
        return Some("`noisebook doctor` says whether libtorch is where the kernel was built with it".to_string());
    }
    if message == "expected expression, found `%`" {
        return Some("commands begin with `:` (`:help` lists them), and lines for the shell with `!`".to_string());
    }
    if matches!(code, Some("E0119" | "E0592")) {
        let way = "an `impl` that an earlier cell has alone cannot be replaced: `:clear` forgets it, with all else; then put it \
                   into the cell of its type";
        return Some(way.to_string());
    }
    if message.starts_with("the trait bound `!: ") {
        return Some("the type is not known here: say it, as in `let x: f64 = ...`".to_string());
    }
    if message.starts_with("`?` couldn't convert the error") && message.contains("Display` is not satisfied") {
        let way = "let the error implement `Display`, or write `.map_err(|error| format!(\"{error:?}\"))?`";
        return Some(way.to_string());
    }
    let name = match code {
        Some("E0596" | "E0594" | "E0384") => between(message, "`", "`")?,
        _ => return None,
    };
    let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    plain.then(|| format!("`let mut {name} = {name};` lets `{name}` change from then on"))
}

/// What evcxr says of a command that failed, or of a build that rustc had no part in.
pub fn command(text: &str) -> String {
    if text.starts_with("Compilation failed, but no parsable errors were found") {
        let errors = text.lines().filter_map(|line| line.strip_prefix("error: "));
        let reasons = text.lines().map(str::trim).filter(|line| line.starts_with("process didn't exit successfully"));
        let errors: Vec<&str> =
            errors.chain(reasons.filter_map(|line| line.rsplit_once("` ").map(|(_, how)| how))).collect();
        return format!("the cell was not built: {}", errors.join(", "));
    }
    let text = text.replace("package `evcxr_dummy_validate_dep`", "the notebook");
    let noise = [
        "Updating ",
        "Locking ",
        "Adding ",
        "Blocking ",
        "--> Cargo.toml",
        "location searched: ",
        "warning: spurious network error",
    ];
    let lines = text.lines().filter(|line| !noise.iter().any(|start| line.trim_start().starts_with(start)));
    let lines = lines.filter(|line| !line.ends_with(" which could resolve this conflict"));
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
        let way = "to use a crate named `image`, begin the cell with `:dep image = \"*\"`, or name a version";
        for text in [
            "if you wanted to use a crate named `image`, use `cargo add image` to add it to your `Cargo.toml`",
            "you might be missing a crate named `image`",
        ] {
            assert_eq!(mend(text), way);
        }
    }

    #[test]
    fn ways_out() {
        let immutable = "cannot borrow `kept` as mutable, as it is not declared as mutable";
        assert!(way_out(Some("E0596"), immutable).is_some_and(|way| way.contains("`let mut kept = kept;`")));
        assert_eq!(way_out(Some("E0596"), "cannot borrow `*a.b()` as mutable"), None);
        assert_eq!(way_out(Some("E0425"), immutable), None);
    }

    #[test]
    fn commands_say_what_is_wrong_with_them() {
        for (evcxrs, ours) in [
            ("Unrecognised command :nope", "there is no command `:nope`: `:help` lists them all"),
            (
                "    Updating the index\nerror: no matching package named `x` found\nlocation searched: the index",
                "no matching package named `x` found",
            ),
            (
                "error: unclosed inline table, expected `}`\n  --> Cargo.toml:12:5\n   |\n12 |     \n   |     ^",
                "unclosed inline table, expected `}`",
            ),
            (
                "error: failed to select a version for `a`.\nversions that meet the requirements `^1` are: 1.0.0\npackage \
                 `evcxr_dummy_validate_dep` depends on `a` with feature `b` but `a` does not have that feature.\n\nfailed \
                 to select a version for `a` which could resolve this conflict",
                "failed to select a version for `a`.\nversions that meet the requirements `^1` are: 1.0.0\nthe notebook depends \
                 on `a` with feature `b` but `a` does not have that feature.",
            ),
            (
                "Compilation failed, but no parsable errors were found. STDERR:\n   Compiling ctx v1.0.0 (/a)\nerror: could not \
                 compile `ctx` (lib)\n\nCaused by:\n  process didn't exit successfully: `/a/cell-rustc rustc` (signal: 9, \
                 SIGKILL: kill)\n\nSTDOUT:\n",
                "the cell was not built: could not compile `ctx` (lib), (signal: 9, SIGKILL: kill)",
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
        assert!(is_noise(" \"cc\" \"-Wl,--version-script=/a/list\" \"-m64\""));
        assert!(!is_noise("`D` needs to implement `std::fmt::Display`"));
    }
}
