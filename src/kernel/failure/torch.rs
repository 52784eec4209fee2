//! What libtorch says, without the C++ stack below it, and with a way out where memory has run out.

use super::death::{Memory, size};
use super::words::between;

/// How tch announces libtorch's errors.
const PREFIX: &str = "Internal torch error: ";

/// Where the words end and the C++ begins.
const ENDS: [&str; 5] = [
    "\nException raised from ",
    "\nframe #",
    "\nCUDA kernel errors might be",
    "\nSearch for `cuda",
    "\nFor debugging ",
];

/// A message in plain words, and what to do about it.
pub struct Said {
    pub text: String,
    pub help: Option<String>,
}

/// What an error or a panic says, whoever says it.
pub fn plain(text: &str) -> Said {
    let (told, before, text) = match panicked(text) {
        Some((before, message)) => (true, before, message),
        None => (text.starts_with(PREFIX), "", text.trim_start_matches(PREFIX).to_string()),
    };
    let end = ENDS.iter().filter_map(|end| text.find(end)).min();
    let words = text[..end.unwrap_or(text.len())].trim_end();
    if let Some(said) = gpu_memory(words).or_else(|| main_memory(words)) {
        return said;
    }
    let from_torch = (told || end.is_some()) && !words.starts_with("libtorch: ");
    let text = if from_torch { format!("{before}libtorch: {words}") } else { words.to_string() };
    let broken = words.contains("CUDA error: ");
    let help = broken.then(|| "after such an error the GPU is lost to this notebook: restart the kernel".to_string());
    Said { text, help }
}

/// The message in the panic of an `unwrap` or `expect` on tch's error, `... value: Torch("a\nb")`, and what `expect` says.
fn panicked(text: &str) -> Option<(&str, String)> {
    let (before, quoted) = text.split_once("Torch(\"")?;
    let before = if before.starts_with("called `Result::") { "" } else { before };
    let quoted = quoted.trim_end().strip_suffix("\")")?;
    let mut message = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        let escaped = if c == '\\' { chars.next() } else { None };
        message.push(match escaped {
            Some('n') => '\n',
            Some('t') => '\t',
            Some(other) => other,
            None => c,
        });
    }
    Some((before, message))
}

/// From c10/cuda/CUDACachingAllocator.cpp.
fn gpu_memory(words: &str) -> Option<Said> {
    let (_, words) = words.split_once("CUDA out of memory. Tried to allocate ")?;
    let (asked, rest) = words.split_once(". ").unwrap_or((words.trim_end_matches('.'), ""));
    let mut text = format!("the GPU's memory is used up: {asked} more were asked for");
    if let Some(number) = between(rest, "GPU ", " has a total capacity of ")
        && let Some(total) = between(rest, " has a total capacity of ", " of which ")
        && let Some(free) = between(rest, " of which ", " is free")
    {
        text.push_str(&format!(", and of GPU {number}'s {total} only {free} are free"));
    }
    if let Some(ours) = between(rest, "this process has ", " memory in use") {
        text.push_str(&format!("; this notebook holds {ours}"));
    }
    let others: Vec<&str> =
        rest.split("Process ").skip(1).filter_map(|part| between(part, " has ", " memory")).collect();
    if !others.is_empty() {
        text.push_str(&format!("; other programs hold {}", others.join(" and ")));
    }
    let mut help =
        "lower batch_size, base_channels or the size of the images; drop(...) variables that hold tensors".to_string();
    help.push_str(if others.is_empty() { "" } else { "; shut down the other notebooks that use this GPU" });
    Some(Said { text, help: Some(help) })
}

/// From c10/core/impl/alloc_cpu.cpp.
fn main_memory(words: &str) -> Option<Said> {
    let (_, rest) = words.split_once("DefaultCPUAllocator: ")?;
    let asked: u64 = between(rest, "you tried to allocate ", " bytes")?.parse().ok()?;
    Some(out_of_memory(asked))
}

/// An allocation of so many bytes has failed.
pub fn out_of_memory(asked: u64) -> Said {
    let has = Memory::total().map(|total| format!(", and this machine has {}", size(total))).unwrap_or_default();
    let help = "lower batch_size, base_channels or the size of the images; drop(...) variables that hold tensors";
    Said { text: format!("memory is used up: {} more were asked for{has}", size(asked)), help: Some(help.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As libtorch 2.11 says it, with its C++ stack.
    const GPU: &str = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 139.72 GiB of which \
        1.06 GiB is free. Process 4711 has 20.00 GiB memory in use. Including non-PyTorch memory, this process has \
        118.50 GiB memory in use. Of the allocated memory 117.00 GiB is allocated by PyTorch, and 512.00 MiB is reserved \
        by PyTorch but unallocated. If reserved but unallocated memory is large try setting \
        PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation.  See documentation for Memory \
        Management  (https://docs.pytorch.org/docs/stable/notes/cuda.html)\nException raised from malloc at \
        /pytorch/c10/cuda/CUDACachingAllocator.cpp:1535 (most recent call first):\nframe #0: c10::Error::Error";

    const CPU: &str = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you \
        tried to allocate 400000000000000 bytes. Error code 12 (Cannot allocate memory)\nframe #0: c10::ThrowEnforce";

    #[test]
    fn a_full_gpu_says_how_much_and_what_to_lower() {
        let panic = format!("called `Result::unwrap()` on an `Err` value: Torch({GPU:?})");
        let library = format!("libtorch: {}", GPU.lines().next().unwrap_or_default());
        for text in [GPU, &panic, &format!("{PREFIX}{GPU}"), &library] {
            let said = plain(text);
            assert_eq!(
                said.text,
                "the GPU's memory is used up: 2.00 GiB more were asked for, and of GPU 0's 139.72 GiB only 1.06 GiB are \
                 free; this notebook holds 118.50 GiB; other programs hold 20.00 GiB"
            );
            let help = said.help.unwrap_or_default();
            assert!(help.contains("batch_size, base_channels") && help.contains("other notebooks"), "{help}");
        }
        let alone = GPU.replace("Process 4711 has 20.00 GiB memory in use. ", "");
        let said = plain(&alone);
        assert!(!said.text.contains("other") && !said.help.unwrap_or_default().contains("other"));
        assert!(plain("CUDA out of memory. Tried to allocate more than 1EB memory.").text.contains("1EB"));
    }

    #[test]
    fn full_memory_says_how_much() {
        let said = plain(CPU);
        assert!(said.text.starts_with("memory is used up: 363.8 TiB more were asked for, and this machine has "));
        assert!(said.help.is_some_and(|help| help.contains("batch_size")));
    }

    #[test]
    fn the_cpp_stack_is_left_out() {
        let raw = "shape '[5, 5]' is invalid for input of size 6\nException raised from infer_size_impl at /pytorch/x.h:99 \
                   (most recent call first):\nframe #0: c10::Error::Error(c10::SourceLocation) + 0x9d (0x7f in /a.so)\n";
        let said = plain(&format!("called `Result::unwrap()` on an `Err` value: Torch({raw:?})"));
        assert_eq!(said.text, "libtorch: shape '[5, 5]' is invalid for input of size 6");
        assert_eq!(plain(&format!("{PREFIX}{raw}")).text, said.text);
        assert_eq!(plain(&format!("my step: Torch({raw:?})")).text, format!("my step: {}", said.text));
        assert_eq!(plain("libtorch: one line").text, "libtorch: one line");
        assert!(said.help.is_none());
        let device = "CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously reported at \
                      some other API call, so the stacktrace below might be incorrect.\nFor debugging consider passing";
        let said = plain(&format!("{PREFIX}{device}"));
        assert_eq!(said.text, "libtorch: CUDA error: device-side assert triggered");
        assert!(said.help.is_some_and(|help| help.contains("restart the kernel")));
    }

    #[test]
    fn what_others_say_stays() {
        let said = plain("called `Option::unwrap()` on a `None` value");
        assert_eq!((said.text.as_str(), said.help), ("called `Option::unwrap()` on a `None` value", None));
        assert_eq!(plain("two\nlines").text, "two\nlines");
    }
}
