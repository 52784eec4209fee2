//! Where data sets that were fetched lie, and images that do not fit into memory.

use crate::{Error, Result};
use std::path::PathBuf;

/// `$XDG_CACHE_HOME/noisebook/data`, or `~/.cache/noisebook/data`, which is made where it is not there.
pub(super) fn folder() -> Result<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let Some(cache) = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache"))) else {
        return Err(Error::argument("HOME", "nothing", "name the folder for data sets: set HOME, or XDG_CACHE_HOME"));
    };
    let folder = cache.join("noisebook").join("data");
    std::fs::create_dir_all(&folder)
        .map_err(|error| Error::argument("folder", folder.display(), format!("cannot be made: {error}")))?;
    Ok(folder)
}
