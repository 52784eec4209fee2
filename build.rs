//! Gives binaries, tests and examples an rpath to libtorch.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // tch's own rpath does not reach the crates that depend on it.
    if let Ok(libtorch) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{libtorch}");
    }
}
