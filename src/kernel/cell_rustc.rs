//! A wrapper around rustc that mends the code which evcxr generates around a cell.
//!
//! evcxr has no hook there, and two things can be had nowhere else: that what a cell printed without a newline comes
//! out before the cell ends (each cell's `std` is shared, but not with the process that runs it), and that the error of
//! a `?` is told apart from what else the cell wrote on standard error. Lines keep their numbers. Cargo runs the wrapper
//! for the cell's own crate only. Where evcxr generates other lines than these, nothing is changed, and both are lost.

use super::pump::ERROR_BLOCK;
use super::{Result, types};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Writes the wrapper, a shell script: a copy of this program would take longer to start than the work takes.
///
/// Cells will look for shared libraries in `folders`: evcxr moves what rustc has built, so a relative path would miss.
pub fn write(path: &Path, folders: &[&str]) -> Result<()> {
    std::fs::write(path, script(folders))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
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

/// The wrapper's text.
pub fn script(folders: &[&str]) -> String {
    let paths: String = folders.iter().map(|folder| format!(" -C link-arg=-Wl,-rpath,'{folder}'")).collect();
    format!(
        r#"#!/bin/sh
case " $* " in *" --crate-name ctx "*)
  sed -i \
    -e 's/^evcxr_variable_store$/{{ let _ = ::std::io::Write::flush(\&mut ::std::io::stdout()); evcxr_variable_store }}/' \
    -e '/From<T> for EvcxrUserCodeError {{/,/EvcxrUserCodeError {{}}/ s/eprintln!("\([^"]*\)", error);/println!("EVCXR_BEGIN_CONTENT {mime}\\n\1\\nEVCXR_END_CONTENT", error);/' \
    src/lib.rs
  if [ -f "$0.arguments" ]; then . "$0.arguments"; fi
  printf '%s\0' "$@" >{arguments}
  exec "$@"{paths};;
esac
exec "$@"
"#,
        mime = ERROR_BLOCK.replace('/', "\\/"),
        arguments = types::ARGUMENTS,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::process::Command;

    #[test]
    fn generated_lines_change_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("src/lib.rs");
        std::fs::create_dir(folder.path().join("src")).unwrap();
        let code = |error: &str, end: &str| {
            format!(
                "impl<T: std::fmt::Display> From<T> for EvcxrUserCodeError {{\n    fn from(error: T) -> Self {{\n\
                 {error}\n        EvcxrUserCodeError {{}}\n    }}\n}}\n\
                 eprintln!(\"{{}}\", error);\n evcxr_variable_store\n{end}\n}}\n"
            )
        };
        std::fs::write(&source, code("eprintln!(\"{}\", error);", "evcxr_variable_store")).unwrap();
        let wrapper = folder.path().join("wrapper");
        write(&wrapper, &["/a b"]).unwrap();
        let run = |name| {
            let arguments = ["echo", "--crate-name", name, "src/lib.rs"];
            let output = Command::new(&wrapper).args(arguments).current_dir(folder.path()).output().unwrap();
            (String::from_utf8(output.stdout).unwrap(), std::fs::read_to_string(&source).unwrap())
        };
        let unchanged = code("eprintln!(\"{}\", error);", "evcxr_variable_store");
        assert_eq!(run("other"), ("--crate-name other src/lib.rs\n".to_string(), unchanged));
        let expected = code(
            "println!(\"EVCXR_BEGIN_CONTENT application/vnd.noisebook.error\\n{}\\nEVCXR_END_CONTENT\", error);",
            "{ let _ = ::std::io::Write::flush(&mut ::std::io::stdout()); evcxr_variable_store }",
        );
        let arguments = "--crate-name ctx src/lib.rs -C link-arg=-Wl,-rpath,/a b\n";
        assert_eq!(run("ctx"), (arguments.to_string(), expected));
    }
}
