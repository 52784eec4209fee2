//! Gives binaries, tests and examples an rpath to libtorch, compiles what needs the headers of CUDA where they are, and gives
//! the kernel the crate's own source.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // tch's own rpath does not reach the crates that depend on it.
    if let Ok(libtorch) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{libtorch}");
        println!("cargo::rustc-env=NOISEBOOK_LIBTORCH={libtorch}");
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    compile_cuda(&out);
    if std::env::var_os("CARGO_FEATURE_KERNEL").is_some() {
        // What cells call finds the kernel's own (src/kernel/input.rs).
        println!("cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol=read");
        write(&out.join("source.rs"), &list_source());
        write(&out.join("bindings.rs"), &find_bindings(&out));
    }
}

fn write(path: &Path, content: &str) {
    if let Err(error) = std::fs::write(path, content) {
        println!("cargo::error={}: {error}", path.display());
    }
}

/// Makes libnoisebook_cuda.so of src/accel/cuda.cpp: 4 seconds, and only where something changed.
fn compile_cuda(out: &Path) {
    const SOURCE: &str = "src/accel/cuda.cpp";
    println!("cargo::rerun-if-changed={SOURCE}");
    let library = out.join("libnoisebook_cuda.so");
    println!("cargo::rustc-env=NOISEBOOK_CUDA_LIBRARY={}", library.display());
    let lib = PathBuf::from(std::env::var_os("DEP_TCH_LIBTORCH_LIB").unwrap_or_default());
    // pip puts NVIDIA's headers beside torch: .../torch/lib, .../nvidia/cu13/include.
    let beside = lib.join("../../nvidia/cu13/include");
    let folders = [beside.as_path(), Path::new("/usr/local/cuda/include")];
    let Some(cuda) = folders.into_iter().find(|folder| folder.join("crt/host_config.h").exists()) else { return };
    if !lib.join("libtorch_cuda.so").exists() || !cuda.join("cuda_runtime_api.h").exists() {
        return;
    }
    // Headers that are installed later, and another libtorch in the same place.
    println!("cargo::rerun-if-changed={}", cuda.display());
    let version = std::fs::read_to_string(lib.join("../version.py")).unwrap_or_default();
    let include = lib.join("../include");
    let mut compiler = cc::Build::new().cpp(true).opt_level(2).cargo_metadata(false).get_compiler().to_command();
    compiler.args(["-std=c++17", "-shared", "-fPIC", SOURCE, "-o"]).arg(&library);
    compiler.arg("-isystem").arg(&include).arg("-isystem").arg(cuda).arg("-L").arg(&lib);
    compiler.args(["-ltorch_cuda", "-lc10_cuda", "-lc10", "-ltorch_cpu"]);
    let stamp = format!("{compiler:?}\n{version}\n{}", std::fs::read_to_string(SOURCE).unwrap_or_default());
    let remembered = out.join("cuda.stamp");
    if library.exists() && std::fs::read_to_string(&remembered).is_ok_and(|before| before == stamp) {
        return;
    }
    match compiler.status() {
        Ok(status) if status.success() => write(&remembered, &stamp),
        // Everything works without it.
        _ => println!("cargo::warning=no CUDA graphs: {SOURCE} does not compile against {}", cuda.display()),
    }
}

/// Lists what Cargo.toml's `include` names, for `noisebook install`.
fn list_source() -> String {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap_or_default();
    let include = manifest.lines().find_map(|line| line.strip_prefix("include = [")).unwrap_or_default();
    let mut files = Vec::new();
    for name in include.split('"').filter_map(|part| part.strip_prefix('/')) {
        // Licences are not needed to compile; a name with a star is one of them.
        if !name.contains('*') && root.join(name).exists() {
            println!("cargo::rerun-if-changed={name}");
            collect(&root.join(name), &mut files);
        }
    }
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(&root).unwrap_or(file);
        let _ = writeln!(list, "({:?}, include_bytes!({:?})),", name.display().to_string(), file.display().to_string());
    }
    list.push_str("]\n");
    list
}

/// Finds what torch-sys compiled from C++ for this build, so that the build of the cells need not compile it again.
/// None where cargo keeps it elsewhere: then that build takes minutes longer.
fn find_bindings(out: &Path) -> String {
    let lib = std::env::var("DEP_TCH_LIBTORCH_LIB").unwrap_or_default();
    let folders =
        out.ancestors().nth(2).and_then(|build| std::fs::read_dir(build).ok()).into_iter().flatten().flatten();
    let newest = folders
        .filter(|folder| folder.file_name().to_string_lossy().starts_with("torch-sys-"))
        .filter_map(|folder| {
            let archive = folder.path().join("out/libtch.a");
            let output = std::fs::read_to_string(folder.path().join("output")).ok()?;
            let same = output.lines().any(|line| line == format!("cargo:libtorch_lib={lib}"));
            same.then_some((archive.metadata().ok()?.modified().ok()?, archive, output))
        })
        .max();
    let Some((_, archive, output)) = newest else { return "None".to_string() };
    let links: Vec<_> = output.lines().filter_map(|line| line.strip_prefix("cargo:rustc-link-lib=")).collect();
    format!("Some((include_bytes!({:?}), &{links:?}))", archive.display().to_string())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    match std::fs::read_dir(path) {
        Ok(entries) => entries.flatten().for_each(|entry| collect(&entry.path(), files)),
        Err(_) => files.push(path.to_path_buf()),
    }
}
