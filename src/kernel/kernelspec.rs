//! Registers the kernel with Jupyter.

use super::{Result, environment};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// Writes the kernelspec, with a copy of this program beside it, and gives its folder.
pub fn install(prefix: Option<&Path>) -> Result<PathBuf> {
    let share = match prefix {
        Some(prefix) => std::path::absolute(prefix)?.join("share/jupyter"),
        None => user_data()?,
    };
    let folder = share.join("kernels/noisebook");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let program = folder.join("noisebook");
    copy_program(&program)?;
    let spec = json!({
        "argv": [program, "kernel", "-f", "{connection_file}"],
        "display_name": "Rust (noisebook)",
        "language": "rust",
        "interrupt_mode": "message",
        "metadata": { "debugger": false },
    });
    fs::write(folder.join("kernel.json"), format!("{spec:#}\n"))?;
    Ok(folder)
}

/// The program may be rebuilt or removed where it lies now; a running kernel keeps the file that it started from.
fn copy_program(target: &Path) -> Result<()> {
    let this = std::env::current_exe()?;
    if fs::canonicalize(target).is_ok_and(|target| fs::canonicalize(&this).is_ok_and(|this| this == target)) {
        return Ok(());
    }
    let new = target.with_extension("new");
    if new.exists() {
        fs::remove_file(&new)?;
    }
    fs::hard_link(&this, &new).or_else(|_| fs::copy(&this, &new).map(drop))?;
    fs::rename(&new, target)?;
    Ok(())
}

/// Where Jupyter keeps the user's own files.
pub fn user_data() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("JUPYTER_DATA_DIR") {
        return Ok(PathBuf::from(folder));
    }
    if cfg!(target_os = "macos") {
        let home = std::env::home_dir().ok_or("there is no home directory: set JUPYTER_DATA_DIR")?;
        return Ok(home.join("Library/Jupyter"));
    }
    Ok(environment::user_folder("XDG_DATA_HOME", ".local/share")?.join("jupyter"))
}
