//! The environment of the kernel, of the builds that it starts and of the process that runs the cells.

use super::Result;
use std::env;
use std::path::{Path, PathBuf};

/// Cargo builds a dependency again when one of these has another value than when it was built.
const BUILD_VARIABLES: [&str; 16] = [
    "AR",
    "ARFLAGS",
    "CC",
    "CFLAGS",
    "CPATH",
    "CPLUS_INCLUDE_PATH",
    "CRATE_CC_NO_DEFAULTS",
    "CXX",
    "CXXFLAGS",
    "CXXSTDLIB",
    "LIBTORCH_CXX11_ABI",
    "LIBTORCH_STATIC",
    "RANLIB",
    "SOURCE_DATE_EPOCH",
    "TARGET_CXX",
    "TORCH_CUDA_VERSION",
];

/// These would change how evcxr's builds work, or where they put their files.
const UNWANTED: [&str; 15] = [
    "CARGO_BUILD_RUSTC",
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_INCREMENTAL",
    "CARGO_TARGET_DIR",
    "LIBTORCH_INCLUDE",
    "LIBTORCH_LIB",
    "LIBTORCH_USE_PYTORCH",
    "OUT_DIR",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
];

/// What cargo tells a program that it runs. Build scripts look at these too, and would run again.
const OF_PACKAGE: [&str; 2] = ["CARGO_MANIFEST_", "CARGO_PKG_"];

/// The folder of libtorch's libraries that this program was built against.
pub fn libtorch_lib() -> Option<&'static str> {
    option_env!("NOISEBOOK_LIBTORCH")
}

/// Makes libtorch and the Rust tools found by everything that is started from here.
///
/// # Safety
/// No other thread may run.
pub unsafe fn set_up() {
    // SAFETY: the caller's promise.
    unsafe {
        UNWANTED.iter().for_each(|name| env::remove_var(name));
        let of_package = |name: &String| OF_PACKAGE.iter().any(|start| name.starts_with(start));
        env::vars_os()
            .filter_map(|(name, _)| name.into_string().ok())
            .filter(of_package)
            .for_each(|name| env::remove_var(name));
        // libtorch's OpenMP threads spin while they wait for one another, unless told to sleep. A notebook shares its
        // cores with the kernel and a browser, and there spinning makes the training of a small network ten times slower.
        if env::var_os("OMP_WAIT_POLICY").is_none() {
            env::set_var("OMP_WAIT_POLICY", "passive");
        }
        if let Some(lib) = libtorch_lib() {
            if let Some(root) = Path::new(lib).parent() {
                env::set_var("LIBTORCH", root);
            }
            prepend("LD_LIBRARY_PATH", Path::new(lib));
        }
        if let Some(home) = cargo_home().filter(|home| home.join("bin/cargo").exists()) {
            append("PATH", &home.join("bin"));
        }
    }
}

/// Where rust-analyzer finds the standard library's source, if not beside the compiler.
pub const SOURCES: &str = "RUST_SRC_PATH";

/// Hides the standard library's source from rust-analyzer behind an empty folder.
///
/// # Safety
/// No other thread may run.
pub unsafe fn hide_sources(empty: &Path) -> Result<()> {
    // It looks no further than whether this is there.
    std::fs::create_dir_all(empty.join("core"))?;
    // SAFETY: the caller's promise.
    unsafe { env::set_var(SOURCES, empty) };
    Ok(())
}

/// The values of the variables that builds depend on, to be used again with the same build.
pub fn save(path: &Path) -> Result<()> {
    let values: serde_json::Map<_, _> =
        BUILD_VARIABLES.iter().filter_map(|name| Some(((*name).to_string(), env::var(name).ok()?.into()))).collect();
    std::fs::write(path, serde_json::Value::Object(values).to_string())?;
    Ok(())
}

/// Sets the variables to what `save` found.
///
/// # Safety
/// No other thread may run.
pub unsafe fn restore(path: &Path) -> Result<()> {
    let values: serde_json::Value = serde_json::from_slice(&std::fs::read(path)?)?;
    for name in BUILD_VARIABLES {
        // SAFETY: the caller's promise.
        match values.get(name).and_then(serde_json::Value::as_str) {
            Some(value) => unsafe { env::set_var(name, value) },
            None => unsafe { env::remove_var(name) },
        }
    }
    Ok(())
}

/// The user's folder for data or for caches, as the XDG specification says.
pub fn user_folder(variable: &str, default: &str) -> Result<PathBuf> {
    let named = env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    match named.or_else(|| Some(env::home_dir()?.join(default))) {
        Some(folder) => Ok(folder),
        None => Err(format!("there is no home directory: set {variable}").into()),
    }
}

fn cargo_home() -> Option<PathBuf> {
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")))
}

unsafe fn prepend(variable: &str, folder: &Path) {
    let old = env::var_os(variable).unwrap_or_default();
    let folders: Vec<_> = std::iter::once(folder.to_path_buf())
        .chain(env::split_paths(&old).filter(|other| other != folder && !other.as_os_str().is_empty()))
        .collect();
    if let Ok(value) = env::join_paths(folders) {
        // SAFETY: the caller's promise.
        unsafe { env::set_var(variable, value) };
    }
}

unsafe fn append(variable: &str, folder: &Path) {
    let old = env::var_os(variable).unwrap_or_default();
    let mut folders: Vec<_> = env::split_paths(&old).collect();
    if folders.iter().any(|other| other == folder) {
        return;
    }
    folders.push(folder.to_path_buf());
    if let Ok(value) = env::join_paths(folders) {
        // SAFETY: the caller's promise.
        unsafe { env::set_var(variable, value) };
    }
}
