//! A wrapper around rustc that mends the code which evcxr generates around a cell.
//!
//! evcxr has no hook there, and some things can be had nowhere else: that what a cell printed without a newline comes out
//! before the cell ends (each cell's `std` is shared, but not with the process that runs it), that the error of a `?` is
//! told apart from what else the cell wrote on standard error, with its place and what caused it, and that addresses in a
//! cell can be turned into lines; and that a cell is noticed that returns before its end, where evcxr would look for its
//! variables in vain, in every cell from then on. Lines keep their numbers. Cargo runs the wrapper for the cell's own crate only. Where
//! evcxr generates other lines than these, nothing is changed, and all that is lost.

use super::{Result, types};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What rustc said of the last cell.
pub const MESSAGES: &str = "rustc-messages";

/// Writes the wrapper, a shell script: a copy of this program would take longer to start than the work takes.
///
/// Cells will look for shared libraries in `folders`: evcxr moves what rustc has built, so a relative path would miss.
pub fn write(path: &Path, folders: &[&str]) -> Result<()> {
    std::fs::write(path, script(folders))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    std::fs::write(path.with_extension("sed"), EDIT)?;
    std::fs::write(path.with_extension("again.sed"), EDIT_AGAIN)?;
    std::fs::write(path.with_extension("messages.sed"), EDIT_MESSAGES)?;
    Ok(())
}

/// Lets cells use crates that their manifest does not name: rustc is told where they lie, compiled, with their
/// dependencies in `folder` and the native libraries (`search`) that they need.
pub fn offer_crates(wrapper: &Path, crates: &[(&str, PathBuf)], folder: &Path, search: &[PathBuf]) -> Result<()> {
    let mut text = format!("set -- \"$@\" -L 'dependency={}'", folder.display());
    search.iter().for_each(|folder| text.push_str(&format!(" -L 'native={}'", folder.display())));
    for (name, rlib) in crates {
        let rlib = rlib.display();
        text.push_str(&format!(
            "\ncase \" $* \" in *\" {name}=\"*) ;; *) set -- \"$@\" --extern '{name}={rlib}';; esac"
        ));
    }
    std::fs::write(wrapper.with_extension("arguments"), text + "\n")?;
    Ok(())
}

/// What is changed. A message begins with `+`, and its further lines with a space, so that no line of it can look like the
/// end of the block (failure/mod.rs).
pub const EDIT: &str = r#"s/^let evcxr_variable_store = unsafe {&mut \*evcxr_variable_store};$/& let mut noisebook_ended = false;/
/^Ok(())})();$/{
N
s/^Ok(())})();\n})) { $/noisebook_ended = true; Ok(())})(); if !noisebook_ended { println!("EVCXR_ERROR_OCCURRED"); }\n})) { /
}
/^Ok::<(), EvcxrUserCodeError>(())$/{
N
s/^\(.*\)\n});$/noisebook_ended = true; \1\n}); if !noisebook_ended { println!("EVCXR_ERROR_OCCURRED"); }/
}
s/^evcxr_variable_store$/{ let _ = ::std::io::Write::flush(\&mut ::std::io::stdout()); evcxr_variable_store }/
/From<T> for EvcxrUserCodeError {/,/EvcxrUserCodeError {}/{
s/impl<T: std::fmt::Display>/impl<'a, T: Into<Box<dyn std::error::Error + 'a>>>/
s/fn from(/#[track_caller] fn from(/
s/eprintln!("{}", error);/let error: Box<dyn std::error::Error + 'a> = error.into(); let mut text = format!("{}\\n+{}", std::panic::Location::caller(), error.to_string().replace('\\n', "\\n ")); let mut cause = (*error).source(); while let Some(error) = cause { text += "\\n+"; text += \&error.to_string().replace('\\n', "\\n "); cause = error.source(); } println!("EVCXR_BEGIN_CONTENT application\/vnd.noisebook.error\\n{text}\\nEVCXR_END_CONTENT");/
s/eprintln!("\([^"]*\)", error);/println!("EVCXR_BEGIN_CONTENT application\/vnd.noisebook.error\\n{}\\n+{}\\nEVCXR_END_CONTENT", std::panic::Location::caller(), format!("\1", error).replace('\\n', "\\n "));/
}
"#;

/// For errors that can be displayed, and no more: what caused them is not asked.
pub const EDIT_AGAIN: &str = "s/impl<'a, T: Into<Box<dyn std::error::Error + 'a>>>/impl<T: std::fmt::Display>/
s/let error: Box<dyn std::error::Error + 'a> = error.into();//
s/(\\*error).source()/None::<\\&dyn std::error::Error>/
";

/// Of a variable that cannot be kept, since the cell has moved it, rustc also says where. evcxr takes that for a fault of the
/// cell's value, if it was moved there, and prints it in place of its picture: so the place is said to be line 1.
const EDIT_MESSAGES: &str = r#"/"code":{"code":"E0382".*"is_primary":true,"text":\[{"text":"evcxr_variable_store\.put_variable/{
s/"line_start":[0-9]*,"line_end":[0-9]*,\("column_start":[0-9]*,"column_end":[0-9]*,"is_primary":false\)/"line_start":1,"line_end":1,\1/g
s/"children":\[.*\],"rendered":/"children":[],"rendered":/
}
"#;

/// The wrapper's text.
pub fn script(folders: &[&str]) -> String {
    let paths: String = folders.iter().map(|folder| format!(" -C link-arg=-Wl,-rpath,'{folder}'")).collect();
    format!(
        r#"#!/bin/sh
case " $* " in *" --crate-name ctx "*)
  sed -i -f "$0.sed" src/lib.rs
  if [ -f "$0.arguments" ]; then . "$0.arguments"; fi
  printf '%s\0' "$@" >{arguments}
  set -- "$@" -C debuginfo=line-tables-only -C strip=none{paths}
  "$@" 2>{messages} && {{ cat {messages} >&2; exit 0; }}
  status=$?
  if grep -q EvcxrUserCodeError {messages}; then
    sed -i -f "$0.again.sed" src/lib.rs
    "$@" 2>{messages} && {{ cat {messages} >&2; exit 0; }}
    status=$?
  fi
  sed -f "$0.messages.sed" {messages} >&2
  exit $status;;
esac
exec "$@"
"#,
        arguments = types::ARGUMENTS,
        messages = MESSAGES,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::pump::ERROR_BLOCK;
    use super::*;
    use std::process::Command;

    /// As evcxr generates it around a cell, and a program that calls it.
    fn generated(format: &str, bound: &str, body: &str) -> String {
        format!(
            "fn main() {{ run_user_code_0(0); }}\nstruct D;\nimpl std::fmt::Display for D {{ fn fmt(&self, f: &mut \
             std::fmt::Formatter) -> std::fmt::Result {{ write!(f, \"displayed\") }} }}\n\
             struct EvcxrUserCodeError {{}}\nimpl<T: {bound}> From<T> for EvcxrUserCodeError {{\n    fn from(error: T) \
             -> Self {{\n        eprintln!(\"{format}\", error);\n        EvcxrUserCodeError {{}}\n    }}\n}}\n\
             fn run_user_code_0(evcxr_variable_store: u8) -> u8 {{\nprint!(\"unflushed \");\n\
             let _ = (|| -> Result<(), EvcxrUserCodeError> {{\n{body}\nOk(())}})();\nevcxr_variable_store\n}}\n"
        )
    }

    /// Compiles that with the wrapper, in a folder.
    fn compile(name: &str, source: &str) -> (std::process::Output, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("src/lib.rs");
        std::fs::create_dir(folder.path().join("src")).unwrap();
        std::fs::write(&path, source).unwrap();
        let wrapper = folder.path().join("wrapper");
        write(&wrapper, &["/a b"]).unwrap();
        let arguments = ["rustc", "--crate-name", name, "--edition=2024", "--error-format=json", "-oa", "src/lib.rs"];
        (Command::new(&wrapper).args(arguments).current_dir(folder.path()).output().unwrap(), folder)
    }

    /// Compiles that and runs it: what it printed, and the source that was compiled.
    fn run(name: &str, source: &str) -> (String, String) {
        let (output, folder) = compile(name, source);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let output = Command::new("./a").current_dir(folder.path()).output().unwrap();
        assert_eq!(output.stderr, if name == "ctx" { b"".as_slice() } else { b"displayed\n" });
        let compiled = std::fs::read_to_string(folder.path().join("src/lib.rs")).unwrap();
        (String::from_utf8(output.stdout).unwrap(), compiled)
    }

    #[test]
    fn an_error_says_its_place_and_what_caused_it() {
        let block = |text: &str| {
            format!("unflushed EVCXR_BEGIN_CONTENT {ERROR_BLOCK}\nsrc/lib.rs:14{text}\nEVCXR_END_CONTENT\n")
        };
        for (body, said) in [
            ("\"x\".parse::<u8>()?;", ":1\n+invalid digit found in string"),
            ("Err::<u8, _>(\"two\\nlines\")?;", ":1\n+two\n lines"),
            ("Err::<u8, _>(std::io::Error::other(\"cause\"))?;", ":1\n+cause"),
            // No error that std knows as one.
            ("Err::<u8, _>(D)?;", ":1\n+displayed"),
        ] {
            let source = generated("{}", "std::fmt::Display", body);
            let (printed, compiled) = run("ctx", &source);
            assert_eq!(printed, block(said));
            assert_eq!(compiled.lines().count(), source.lines().count());
        }
        let (printed, _) = run("ctx", &generated("{:?}", "std::fmt::Debug", "Err::<u8, _>(\"a\")?;"));
        assert_eq!(printed, block(":1\n+\"a\""));
    }

    #[test]
    fn a_variable_that_was_moved_is_no_fault_of_the_value_that_took_it() {
        let body = "let name = String::new();\ndrop(name);\nevcxr_variable_store.put_variable::<String>(stringify!(name), name);";
        let source = generated("{}", "std::fmt::Display", body)
            .replace("evcxr_variable_store: u8) -> u8 {", "evcxr_variable_store: Store) {")
            .replace("run_user_code_0(0)", "run_user_code_0(Store)")
            + "struct Store;\nimpl Store { fn put_variable<T>(&self, _: &str, _: T) {} }\n";
        let (output, _) = compile("ctx", &source.replace("\nevcxr_variable_store\n}", "\n}"));
        assert!(!output.status.success());
        let said = String::from_utf8(output.stderr).unwrap();
        let line = said.lines().find(|line| line.contains("\"code\":\"E0382\"")).unwrap();
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        let places: Vec<_> = message["spans"]
            .as_array()
            .unwrap()
            .iter()
            .map(|span| (&span["is_primary"], &span["line_start"]))
            .collect();
        let place = source.lines().position(|line| line.starts_with("evcxr_variable_store.put")).unwrap() + 1;
        assert!(places.len() > 1, "{line}");
        for (primary, at) in places {
            assert_eq!(at.as_u64().unwrap() as usize, if primary.as_bool().unwrap() { place } else { 1 }, "{line}");
        }
        assert_eq!(message["children"], serde_json::json!([]));
    }

    #[test]
    fn a_cell_that_returns_is_noticed() {
        for (body, printed) in [
            ("if std::env::args().count() > 0 { return Ok(()); }", "EVCXR_ERROR_OCCURRED\n"),
            ("if std::env::args().count() > 9 { return Ok(()); }\nlet _ = (|| -> Result<(), ()> {\nOk(())})();", ""),
        ] {
            let source = format!(
                "fn main() {{ run(&mut 0); }}\nstruct EvcxrUserCodeError {{}}\nfn run(evcxr_variable_store: *mut u8) -> *mut u8 {{\n\
                 let evcxr_variable_store = unsafe {{&mut *evcxr_variable_store}};\nmatch std::panic::catch_unwind(\n  \
                 std::panic::AssertUnwindSafe(||{{\nlet _ = (|| -> std::result::Result<(), EvcxrUserCodeError> {{\n{body}\n\
                 Ok(())}})();\n}})) {{ \n  Ok(_) => {{}}\n  Err(_) => {{\n}}}}\nevcxr_variable_store\n}}\n"
            );
            assert_eq!(run("ctx", &source).0, printed, "{body}");
        }
    }

    #[test]
    fn causes_follow_their_error() {
        let body = "use std::fmt;\n#[derive(Debug)]\nstruct Outer(std::num::ParseIntError);\nimpl fmt::Display for Outer { fn \
                    fmt(&self, f: &mut fmt::Formatter) -> fmt::Result { write!(f, \"outer\") } }\nimpl std::error::Error for \
                    Outer { fn source(&self) -> Option<&(dyn std::error::Error + 'static)> { Some(&self.0) } }\n\
                    Err::<u8, _>(Outer(\"x\".parse::<u8>().unwrap_err()))?;";
        let (printed, _) = run("ctx", &generated("{}", "std::fmt::Display", body));
        assert!(printed.contains("src/lib.rs:19:1\n+outer\n+invalid digit found in string\nEVCXR_END"), "{printed}");
    }

    #[test]
    fn other_crates_stay_as_they_are() {
        let source = generated("{}", "std::fmt::Display", "Err::<u8, _>(D)?;");
        assert_eq!(run("other", &source), ("unflushed ".to_string(), source));
    }
}
