//! libtorch, and CUDA through it.

use super::Context;
use super::ask::{Answer, Silence, ask};
use super::report::Check;
use crate::kernel::Result;
use std::ffi::{CStr, CString, c_void};
use std::path::Path;

/// What tch 0.24 is made for.
const VERSION: &str = "2.11.0";

/// `torch::cuda::device_count()`, which is what tch asks.
const DEVICE_COUNT: &CStr = c"_ZN5torch4cuda12device_countEv";

/// The subcommand that calls `load`: a library that does not load may take its process along.
const LOAD: &str = "load-libtorch";

/// Loads libtorch as the process of the cells does, and prints how many CUDA devices it sees, or why it sees none.
pub fn load(folder: &Path) -> Result<()> {
    let library = open(&folder.join("libtorch_cpu.so"))?;
    // With CUDA this brings libtorch_cuda along.
    if let Err(error) = open(&folder.join("libtorch.so")) {
        println!("CUDA does not load: {error}");
        return Ok(());
    }
    // SAFETY: the handle is from dlopen and the name is a C string.
    let function = unsafe { libc::dlsym(library, DEVICE_COUNT.as_ptr()) };
    if function.is_null() {
        return Err("libtorch_cpu.so has no torch::cuda::device_count: it is of another version".into());
    }
    // SAFETY: libtorch declares it as `size_t device_count()`.
    let count = unsafe { std::mem::transmute::<*mut c_void, extern "C" fn() -> usize>(function)() };
    println!("{count}");
    Ok(())
}

fn open(path: &Path) -> Result<*mut c_void> {
    let name = CString::new(path.as_os_str().as_encoded_bytes())?;
    // SAFETY: the name is a C string; the libraries' constructors are those that every cell runs.
    let library = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    if library.is_null() {
        // SAFETY: after a failed dlopen on this thread, this is a C string.
        return Err(unsafe { CStr::from_ptr(libc::dlerror()) }.to_string_lossy().into());
    }
    Ok(library)
}

fn load_apart(folder: &Path) -> Answer {
    match std::env::current_exe() {
        Ok(program) => ask(program, &[LOAD, &folder.to_string_lossy()], 50),
        Err(error) => Err(Silence::Failed(error.to_string())),
    }
}

/// Whether libtorch is there, of the right version, and loads.
pub fn check(context: &Context) -> Check {
    let Some(folder) = &context.libtorch else {
        return Check::failed("this program was built without libtorch", "make");
    };
    judge(folder, || load_apart(folder))
}

fn judge(folder: &Path, load: impl FnOnce() -> Answer) -> Check {
    let again = format!("put libtorch {VERSION} back there, or run make in the clone again");
    if !folder.join("libtorch_cpu.so").exists() {
        return Check::failed(format!("libtorch was in {} when this was built, and is gone", folder.display()), again);
    }
    let version = folder.parent().and_then(version);
    let shown = version.as_deref().unwrap_or("of an unknown version");
    if version.as_deref().is_some_and(|version| version.split('+').next() != Some(VERSION)) {
        return Check::failed(format!("libtorch {shown} in {}, and {VERSION} is needed", folder.display()), again);
    }
    match load() {
        Ok(_) => Check::fine(format!("{shown} in {}", folder.display())),
        Err(silence) => Check::failed(format!("libtorch {shown} does not load; loading it {silence}"), again),
    }
}

/// libtorch's version with its build tag, from the file that says it: `2.11.0+cpu`.
fn version(root: &Path) -> Option<String> {
    let read = |name: &str| std::fs::read_to_string(root.join(name)).ok();
    let python = |text: String| {
        let line = text.lines().find_map(|line| line.strip_prefix("__version__ = "))?;
        Some(line.trim().trim_matches(['\'', '"']).to_string())
    };
    read("version.py").and_then(python).or_else(|| Some(read("build-version")?.trim().to_string()))
}

/// What is known of graphics cards.
struct Cuda {
    /// One line a device: name, MiB, version of the driver.
    nvidia_smi: Answer,
    /// A device file of the driver.
    driver: bool,
    /// A card by NVIDIA, with or without a driver.
    card: bool,
    /// Whether libtorch was built with CUDA.
    linked: bool,
    /// What `load` prints.
    seen: Answer,
    /// `CUDA_VISIBLE_DEVICES`, which may hide all.
    visible: Option<String>,
}

/// Whether there is a GPU, and libtorch sees it.
pub fn check_cuda(context: &Context) -> Check {
    let folder = context.libtorch.as_deref().unwrap_or(Path::new(""));
    if !folder.join("libtorch_cpu.so").exists() {
        return Check::warning("not known without libtorch", "mend libtorch first");
    }
    let linked = folder.join("libtorch_cuda.so").exists();
    let visible = context.variables.iter().find(|(name, _)| name == "CUDA_VISIBLE_DEVICES");
    judge_cuda(&Cuda {
        nvidia_smi: ask(
            "nvidia-smi",
            &["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"],
            20,
        ),
        driver: ["/dev/nvidiactl", "/dev/dxg"].iter().any(|path| Path::new(path).exists()),
        card: has_card(Path::new("/sys/bus/pci/devices")),
        linked,
        seen: if linked { load_apart(folder) } else { Ok("0".to_string()) },
        visible: visible.map(|(_, value)| value.clone()),
    })
}

/// Whether the machine holds a display controller by NVIDIA.
fn has_card(devices: &Path) -> bool {
    let is_card = |device: &Path| {
        let holds = |name: &str, start: &str| {
            std::fs::read_to_string(device.join(name)).is_ok_and(|text| text.starts_with(start))
        };
        holds("vendor", "0x10de") && holds("class", "0x03")
    };
    std::fs::read_dir(devices).is_ok_and(|mut found| found.any(|entry| entry.is_ok_and(|entry| is_card(&entry.path()))))
}

fn judge_cuda(cuda: &Cuda) -> Check {
    let devices = cuda.nvidia_smi.as_deref().map(describe).unwrap_or_default();
    let named = if devices.is_empty() { "a GPU by NVIDIA".to_string() } else { devices.join("; ") };
    let seen = cuda.seen.as_ref().map(|text| text.trim().parse::<usize>());
    if let Ok(Ok(count @ 1..)) = seen {
        return Check::fine(format!("libtorch sees {count}: {named}"));
    }
    if devices.is_empty() && !cuda.driver {
        let build = if cuda.linked { "libtorch has CUDA" } else { "libtorch is a build without CUDA" };
        if cuda.card {
            let mend = "install NVIDIA's driver, until nvidia-smi lists the card; or do without: the CPU is used";
            return Check::warning(format!("there is {named}, and no driver for it"), mend);
        }
        return Check::fine(format!("no GPU here, so networks train on the CPU ({build})"));
    }
    if devices.is_empty() {
        let why = cuda.nvidia_smi.as_ref().err().map_or("lists no device".to_string(), Silence::to_string);
        let mend = "reboot, or install NVIDIA's driver again, until nvidia-smi lists the card";
        return Check::warning(format!("the driver is there, but nvidia-smi {why}"), mend);
    }
    if !cuda.linked {
        let mend = format!(
            "name a libtorch {VERSION} with CUDA (LIBTORCH=...), or remove torch from your python3, and run make again"
        );
        return Check::warning(format!("{named}, but this libtorch is a build without CUDA"), mend);
    }
    if let Some(visible) = cuda.visible.as_ref().filter(|visible| !visible.starts_with(|c: char| c.is_ascii_digit())) {
        return Check::warning(
            format!("{named}, hidden by CUDA_VISIBLE_DEVICES='{visible}'"),
            "unset CUDA_VISIBLE_DEVICES",
        );
    }
    let driver =
        "update NVIDIA's driver: `nvidia-smi` must show a CUDA version no lower than libtorch's (cu130 is 13.0)";
    let packages = format!("install torch {VERSION} again, with all packages that it asks for");
    let (why, mend) = match &cuda.seen {
        Ok(text) if text.trim() == "0" => ("libtorch sees none".to_string(), driver),
        Ok(text) => (text.trim().to_string(), packages.as_str()),
        Err(silence) => (format!("loading libtorch {silence}"), packages.as_str()),
    };
    Check::warning(format!("{named}, but {why}"), mend)
}

/// `NVIDIA H200, 143771, 570.1` in words.
fn describe(answer: &str) -> Vec<String> {
    let devices = answer.lines().filter_map(|line| {
        let [name, memory, driver] = line.split(", ").collect::<Vec<_>>().try_into().ok()?;
        let memory: f64 = memory.trim().parse().ok()?;
        Some(format!("{name}, {:.0} GiB, driver {}", memory / 1024.0, driver.trim()))
    });
    devices.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::report::Mark;
    use super::*;
    use std::fs;

    fn loads() -> Answer {
        Ok("0\n".to_string())
    }

    #[test]
    fn the_version_is_the_one_that_make_looks_for() {
        let script = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/find_libtorch.py")).unwrap();
        assert!(script.contains(&format!("VERSION = \"{VERSION}\"")));
    }

    #[test]
    fn libtorch_must_be_there_and_of_its_version_and_load() {
        let root = tempfile::tempdir().unwrap();
        let lib = root.path().join("lib");
        let check = judge(&lib, loads);
        assert!(check.mark == Mark::Failed && check.found.ends_with("and is gone"), "{check:?}");
        fs::create_dir(&lib).unwrap();
        fs::write(lib.join("libtorch_cpu.so"), "").unwrap();
        assert!(judge(&lib, loads).found.starts_with("of an unknown version in"));
        fs::write(root.path().join("build-version"), "2.10.0+cpu\n").unwrap();
        let check = judge(&lib, loads);
        assert!(check.mark == Mark::Failed && check.found.starts_with("libtorch 2.10.0+cpu in"), "{check:?}");
        let text = "from typing import Optional\n__all__ = ['__version__']\n__version__ = '2.11.0+cu130'\n";
        fs::write(root.path().join("version.py"), text).unwrap();
        assert_eq!(judge(&lib, loads), Check::fine(format!("2.11.0+cu130 in {}", lib.display())));
        let check = judge(&lib, || Err(Silence::Failed("GLIBCXX_3.4.30 not found".to_string())));
        assert!(check.mark == Mark::Failed && check.found.ends_with("failed: GLIBCXX_3.4.30 not found"), "{check:?}");
    }

    #[test]
    fn what_does_not_load_says_why() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("libtorch_cpu.so"), "no library").unwrap();
        let error = load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("libtorch_cpu.so"), "{error}");
    }

    fn none() -> Cuda {
        Cuda {
            nvidia_smi: Err(Silence::Missing),
            driver: false,
            card: false,
            linked: true,
            seen: loads(),
            visible: None,
        }
    }

    fn one() -> Cuda {
        Cuda { nvidia_smi: Ok("NVIDIA H200, 143771, 570.86.15\n".to_string()), driver: true, card: true, ..none() }
    }

    #[test]
    fn no_gpu_is_fine() {
        assert_eq!(judge_cuda(&none()).found, "no GPU here, so networks train on the CPU (libtorch has CUDA)");
        assert_eq!(judge_cuda(&Cuda { linked: false, ..none() }).mark, Mark::Fine);
    }

    #[test]
    fn a_gpu_that_is_seen_is_described() {
        let check = judge_cuda(&Cuda { seen: Ok("1\n".to_string()), ..one() });
        assert_eq!(check, Check::fine("libtorch sees 1: NVIDIA H200, 140 GiB, driver 570.86.15"));
    }

    #[test]
    fn a_gpu_that_is_not_seen_has_a_mend_of_its_own() {
        let failed = Err(Silence::Failed("no communication with the driver".to_string()));
        for (cuda, found, mend) in [
            (Cuda { card: true, ..none() }, "no driver for it", "install NVIDIA's driver"),
            (Cuda { nvidia_smi: failed, ..one() }, "nvidia-smi failed: no communication", "reboot"),
            (Cuda { linked: false, ..one() }, "build without CUDA", "LIBTORCH="),
            (Cuda { visible: Some("-1".to_string()), ..one() }, "hidden by", "unset CUDA_VISIBLE_DEVICES"),
            (Cuda { visible: Some(String::new()), ..one() }, "hidden by", "unset CUDA_VISIBLE_DEVICES"),
            (Cuda { visible: Some("0,1".to_string()), ..one() }, "libtorch sees none", "update NVIDIA's driver"),
            (one(), "libtorch sees none", "update NVIDIA's driver"),
            (Cuda { seen: Ok("CUDA does not load: x".to_string()), ..one() }, "CUDA does not load: x", "install torch"),
            (Cuda { seen: Err(Silence::Late(50)), ..one() }, "did not answer in 50 s", "install torch"),
        ] {
            let check = judge_cuda(&cuda);
            assert_eq!(check.mark, Mark::Warning);
            assert!(check.found.contains(found) && check.mend.as_ref().unwrap().contains(mend), "{check:?}");
        }
    }

    #[test]
    fn cards_are_found_on_the_bus() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!has_card(&folder.path().join("none")));
        for (name, vendor, class) in [("a", "0x8086\n", "0x030000\n"), ("b", "0x10de\n", "0x040300\n")] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("vendor"), vendor).unwrap();
            fs::write(folder.path().join(name).join("class"), class).unwrap();
        }
        assert!(!has_card(folder.path()));
        fs::write(folder.path().join("b/class"), "0x030200\n").unwrap();
        assert!(has_card(folder.path()));
    }
}
