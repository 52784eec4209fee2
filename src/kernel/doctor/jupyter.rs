//! Jupyter, and whether it knows the kernel.

use super::Context;
use super::ask::{Answer, ask};
use super::report::Check;
use crate::kernel::kernelspec;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

const INSTALL: &str = ". .venv/noisebook.env (what make has set up), or pip install jupyterlab";

/// Jupyter's programs. Front ends that are none of them, as VS Code is, bring their own.
pub fn check() -> Check {
    judge(&ask("jupyter", &["--version"], 40))
}

fn judge(answer: &Answer) -> Check {
    let text = match answer {
        Ok(text) => text,
        Err(silence) => return Check::warning(format!("jupyter {silence}; VS Code needs none"), INSTALL),
    };
    let version = |name: &str| {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        let found = lines.map(|(key, version)| (key.trim(), version.trim())).find(|(key, _)| *key == name);
        found.map(|(_, version)| version).filter(|version| *version != "not installed")
    };
    let Some(client) = version("jupyter_client") else {
        return Check::warning("jupyter is there, and jupyter_client is not, which starts kernels", INSTALL);
    };
    let shown = ["jupyterlab", "notebook"].iter().filter_map(|name| Some(format!(", {name} {}", version(name)?)));
    Check::fine(format!("jupyter_client {client}{}", shown.collect::<String>()))
}

/// Whether the kernel is registered where Jupyter looks, with a program that is there and is this one.
pub fn check_kernelspec(context: &Context) -> Check {
    let answer = ask("jupyter", &["--paths", "--json"], 40).ok();
    let folders = answer.and_then(|text| folders(&text)).unwrap_or_else(usual_folders);
    let this = std::env::current_exe().unwrap_or_default();
    judge_kernelspec(&folders, &this, &context.command)
}

fn folders(answer: &str) -> Option<Vec<PathBuf>> {
    let value: Value = serde_json::from_str(answer).ok()?;
    Some(value.get("data")?.as_array()?.iter().filter_map(|folder| Some(PathBuf::from(folder.as_str()?))).collect())
}

fn usual_folders() -> Vec<PathBuf> {
    let named = std::env::var_os("JUPYTER_PATH").unwrap_or_default();
    let system = ["/usr/local/share/jupyter", "/usr/share/jupyter"].map(PathBuf::from);
    std::env::split_paths(&named).chain(kernelspec::user_data()).chain(system).collect()
}

fn judge_kernelspec(folders: &[PathBuf], this: &Path, command: &str) -> Check {
    let mut install = format!("{command} install");
    let spec_in = |folder: &Path| folder.join("kernels/noisebook/kernel.json");
    let Some(folder) = folders.iter().find(|folder| spec_in(folder).exists()) else {
        let first = folders.first().map(|folder| format!(": nothing in {}", folder.display())).unwrap_or_default();
        return Check::failed(format!("Jupyter does not know the kernel{first}, nor in its other folders"), install);
    };
    // Another folder than the user's own may come before it.
    let prefix = folder.to_string_lossy().strip_suffix("/share/jupyter").map(str::to_string);
    if let Some(prefix) = prefix.filter(|_| kernelspec::user_data().is_ok_and(|own| own != *folder)) {
        install.push_str(&format!(" --prefix {prefix}"));
    }
    let spec = spec_in(folder);
    let Some(program) = program(&spec) else {
        return Check::failed(format!("{} names no program", spec.display()), install);
    };
    match program.metadata() {
        Err(error) => return Check::failed(format!("it names {}: {error}", program.display()), install),
        Ok(metadata) if metadata.permissions().mode() & 0o111 == 0 => {
            return Check::failed(format!("it names {}, which is not executable", program.display()), install);
        }
        Ok(_) => {}
    }
    if is_same(&program, this) {
        return Check::fine(format!("registered in {}", folder.display()));
    }
    Check::warning(format!("{} is another build than this program", program.display()), install)
}

fn program(spec: &Path) -> Option<PathBuf> {
    let value: Value = serde_json::from_slice(&fs::read(spec).ok()?).ok()?;
    Some(PathBuf::from(value.get("argv")?.get(0)?.as_str()?))
}

fn is_same(a: &Path, b: &Path) -> bool {
    let (Ok(one), Ok(other)) = (a.metadata(), b.metadata()) else { return false };
    let identical = (one.dev(), one.ino()) == (other.dev(), other.ino());
    identical || one.len() == other.len() && fs::read(a).is_ok_and(|one| fs::read(b).is_ok_and(|other| one == other))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::ask::Silence;
    use super::super::report::Mark;
    use super::*;

    #[test]
    fn versions_are_shown_and_no_jupyter_is_a_warning() {
        let text = "Selected Jupyter core packages...\nIPython          : 9.18.1\njupyter_client   : 8.10.0\n\
                    jupyterlab       : 4.6.6\nnotebook         : not installed\n";
        assert_eq!(judge(&Ok(text.to_string())), Check::fine("jupyter_client 8.10.0, jupyterlab 4.6.6"));
        assert_eq!(judge(&Ok(text.replace("8.10.0", "not installed"))).mark, Mark::Warning);
        assert_eq!(judge(&Err(Silence::Missing)).found, "jupyter was not found; VS Code needs none");
    }

    #[test]
    fn jupyter_says_where_it_looks() {
        let text = r#"{"runtime": ["/r"], "config": ["/c"], "data": ["/a b", "/d"]}"#;
        assert_eq!(folders(text), Some(vec![PathBuf::from("/a b"), PathBuf::from("/d")]));
        assert_eq!(folders("usage: jupyter"), None);
    }

    #[test]
    fn the_registered_program_must_be_there_and_be_this_one() {
        let root = tempfile::tempdir().unwrap();
        let (empty, share) = (root.path().join("empty"), root.path().join("a/share/jupyter"));
        let folders = [empty, share.clone()];
        let this = root.path().join("this");
        fs::write(&this, "program").unwrap();
        let judged = || {
            let check = judge_kernelspec(&folders, &this, "./noisebook");
            let install = check.mend.is_none_or(|mend| mend.starts_with("./noisebook install"));
            assert!(install, "{}", check.found);
            (check.mark, check.found)
        };
        let (mark, found) = judged();
        assert!(mark == Mark::Failed && found.contains("does not know the kernel"), "{found}");
        let folder = share.join("kernels/noisebook");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("kernel.json"), "{}").unwrap();
        assert!(judged().1.ends_with("names no program"));
        let program = folder.join("noisebook");
        fs::write(folder.join("kernel.json"), serde_json::json!({ "argv": [&program, "kernel"] }).to_string()).unwrap();
        assert!(judged().1.contains("No such file"));
        fs::write(&program, "program").unwrap();
        assert!(judged().1.ends_with("not executable"));
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(judged(), (Mark::Fine, format!("registered in {}", share.display())));
        fs::write(&program, "PROGRAM").unwrap();
        let check = judge_kernelspec(&folders, &this, "noisebook");
        let mend = format!("noisebook install --prefix {}", root.path().join("a").display());
        assert_eq!((check.mark, check.mend), (Mark::Warning, Some(mend)));
    }
}
