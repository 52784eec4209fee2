//! What users of tch and of evcxr report most, as it looks here.

/// What one sees, why, and what to do. All of it was made to happen where that can be done.
const FAILURES: &[[&str; 3]] = &[
    [
        "libtorch_cpu.so: cannot open shared object file",
        "a program of your own does not find the libtorch that it was linked with",
        "export LD_LIBRARY_PATH=$LIBTORCH/lib (the kernel and its cells need no such variable)",
    ],
    [
        "linking with `cc` failed, in each cell that uses the crate",
        "libtorch has moved since the kernel was built, or the linker lacks a part",
        "noisebook doctor says which; make install builds the kernel with the libtorch that is there now",
    ],
    [
        "this tch version expects PyTorch 2.11.0, got ...",
        "cargo was called in a shell that finds another torch",
        ". .venv/noisebook.env, and call cargo again",
    ],
    [
        "Cannot find a libtorch install",
        "cargo was called in a shell that does not know where libtorch is",
        ". .venv/noisebook.env, and call cargo again",
    ],
    [
        "undefined symbol: _ZN... (of at, c10 or torch)",
        "torch was updated in place, so libtorch is no longer the one that the bindings were compiled for",
        "pip install torch==2.11.0 in that environment, then make install",
    ],
    [
        "version `GLIBCXX_...' not found",
        "an older libstdc++ comes first in LD_LIBRARY_PATH, often that of conda",
        "unset LD_LIBRARY_PATH, and start Jupyter again",
    ],
    [
        "CUDA is not used although there is a GPU",
        "libtorch is a build without CUDA, the driver is older than libtorch's CUDA, or CUDA_VISIBLE_DEVICES hides it \
         (that libtorch_cuda is loaded at all is the kernel's own work)",
        "noisebook doctor says which, in the line CUDA",
    ],
    [
        "CUDA out of memory",
        "the network and its batch do not fit, or another notebook still holds the memory of the GPU",
        "nvidia-smi shows who holds it: shut that kernel down; then a smaller batch_size, base_channels or image",
    ],
    [
        "Killed signal terminated program cc1plus, or rustc: signal: 9, SIGKILL",
        "the memory ran out while compiling",
        "CARGO_BUILD_JOBS=1 make build; and close what else uses memory",
    ],
    [
        "the process that runs the cells has ended (signal: 9 (SIGKILL))",
        "the system ended it, nearly always because the memory ran out; its variables are gone",
        "smaller batches, or fewer tensors kept in variables; then run the notebook from the top",
    ],
    [
        "No space left on device",
        "each session has a build folder of its own below ~/.cache/noisebook, and the first build takes 10 GB",
        "free some disk; XDG_CACHE_HOME, CARGO_TARGET_DIR and NOISEBOOK_VENV may name another one",
    ],
    [
        "the first cell of a session takes minutes",
        "the crate, Rust or libtorch has changed, so the build of the cells is made anew, once",
        "wait, or run noisebook install beforehand",
    ],
    [
        "cells take minutes in each session: the dependencies are compiled again",
        "a variable (CARGO_PROFILE_DEV_...) or ~/.cargo/config.toml changes how they are compiled",
        "unset the variable; after a change of config.toml, remove ~/.cache/noisebook/kernel and run noisebook install",
    ],
    [
        "Couldn't automatically determine type of variable",
        "the standard library's source is missing, the dependencies' sources are (was ~/.cargo emptied?), or the cell \
         itself leaves the type open",
        "rustup component add rust-src; noisebook doctor; or write the type: let v: Vec<f64> = ...",
    ],
    [
        "The variable `x` has type ... which cannot be persisted",
        "closures, iterators with closures and borrowed values cannot outlive their cell",
        "collect() an iterator, own the value, or keep it inside braces: { let x = ...; }",
    ],
    [
        "links to the native library `tch`, but it conflicts with a previous package",
        ":dep asked for another version of tch, or for a crate that does",
        ":dep tch = \"0.24\", and crates that use this version",
    ],
    [
        "the kernel is not in Jupyter's list",
        "it is registered in a folder where this Jupyter does not look",
        "noisebook install, or noisebook install --prefix \"$VIRTUAL_ENV\"; then reload the page",
    ],
    [
        "The kernel appears to have died, or: Kernel died before replying to kernel_info",
        "the kernel itself ended: it did not find Rust, or the memory ran out; its last words are in Jupyter's terminal",
        "noisebook doctor; in VS Code, Output, then Jupyter, shows those words",
    ],
    [
        "text appears below another cell",
        "a thread printed it after its own cell had ended; it belongs to the cell that runs, or ran last",
        "join the thread at the end of its cell",
    ],
    [
        "cannot find value `x` in this scope, and an earlier cell made it",
        "that cell failed, and a failed cell keeps nothing of its own; or x was moved, or the process has ended since",
        "run that cell again; x.clone() or &x instead of x, where a function would take it",
    ],
];

/// The whole explanation.
pub fn text() -> String {
    let paragraphs =
        FAILURES.iter().map(|[symptom, why, mend]| format!("{symptom}\n    why:  {why}\n    mend: {mend}\n"));
    paragraphs.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_paragraph() {
        let text = text();
        assert_eq!(text.split("\n\n").count(), FAILURES.len());
        for [symptom, why, mend] in FAILURES {
            assert!(text.contains(&format!("{symptom}\n    why:  {why}\n    mend: {mend}\n")));
            assert!([symptom, why, mend].iter().all(|part| !part.contains("  ")), "{symptom}");
        }
    }
}
