//! What cuda.cpp makes of libtorch's CUDA half: graphs, and how much memory of a GPU is in use.
//!
//! A shared object of its own, which build.rs compiles where the headers of CUDA are, and which is opened where a GPU is:
//! everything works without it.

use crate::{Error, Result};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use tch::Device;

type Answer = *const c_char;

/// The functions of cuda.cpp, as it describes them.
struct Library {
    start: unsafe extern "C" fn(c_int, *mut *mut c_void) -> Answer,
    record: unsafe extern "C" fn(*mut c_void) -> Answer,
    finish: unsafe extern "C" fn(*mut c_void) -> Answer,
    replay: unsafe extern "C" fn(*mut c_void) -> Answer,
    free: unsafe extern "C" fn(*mut c_void),
    memory: unsafe extern "C" fn(c_int, *mut u64) -> Answer,
    counts: unsafe extern "C" fn() -> *const [AtomicU64; 4],
    refusal: unsafe extern "C" fn(*const c_char) -> Answer,
}

impl Library {
    fn open() -> Option<Self> {
        // It takes its symbols from libtorch's CUDA half, which is opened by this.
        let _ = crate::device::best();
        let built = CString::new(env!("NOISEBOOK_CUDA_LIBRARY")).ok()?;
        // A program that was carried to another machine has it beside libtorch, on LD_LIBRARY_PATH.
        let handle = [built.as_c_str(), c"libnoisebook_cuda.so"].into_iter().find_map(|name| {
            // SAFETY: the name ends with NUL; the library has no initialisers of its own.
            let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) };
            (!handle.is_null()).then_some(handle)
        })?;
        let find = |name: &CStr| {
            // SAFETY: the handle is open, the name ends with NUL.
            let found = unsafe { libc::dlsym(handle, name.as_ptr()) };
            (!found.is_null()).then_some(found)
        };
        // SAFETY: cuda.cpp declares each function with these types.
        unsafe {
            Some(Self {
                start: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(c_int, *mut *mut c_void) -> Answer>(
                    find(c"noisebook_graph_start")?,
                ),
                record: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void) -> Answer>(find(
                    c"noisebook_graph_record",
                )?),
                finish: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void) -> Answer>(find(
                    c"noisebook_graph_finish",
                )?),
                replay: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void) -> Answer>(find(
                    c"noisebook_graph_replay",
                )?),
                free: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void)>(find(
                    c"noisebook_graph_free",
                )?),
                memory: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(c_int, *mut u64) -> Answer>(find(
                    c"noisebook_gpu_memory",
                )?),
                counts: std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> *const [AtomicU64; 4]>(find(
                    c"noisebook_graph_counts",
                )?),
                refusal: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*const c_char) -> Answer>(find(
                    c"noisebook_graph_refusal",
                )?),
            })
        }
    }
}

/// The library, where it was built.
fn library() -> Option<&'static Library> {
    static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();
    LIBRARY.get_or_init(Library::open).as_ref()
}

/// Whether work on this device can be recorded.
pub(super) fn records(device: Device) -> bool {
    matches!(device, Device::Cuda(_)) && library().is_some()
}

/// Whether graphs are used, and how many were recorded, replayed and refused, in this process. Without the library nothing is.
pub(super) fn counts() -> &'static [AtomicU64; 4] {
    static NONE: [AtomicU64; 4] = [AtomicU64::new(1), AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0)];
    // SAFETY: four of them, for as long as the library is there, which is never closed; C++'s have the layout of Rust's.
    library().map_or(&NONE, |library| unsafe { &*(library.counts)() })
}

/// Why the newest graph was refused; remembers another reason if there is one. Empty if none was.
pub(super) fn refusal(reason: Option<&str>) -> String {
    let Some(library) = library() else { return reason.unwrap_or_default().to_string() };
    let reason = reason.map(|reason| CString::new(reason.replace('\0', " ")).unwrap_or_default());
    // SAFETY: null or a text that ends with NUL goes in; a text comes out that lives until the next call of this thread.
    unsafe {
        let newest = (library.refusal)(reason.as_ref().map_or(std::ptr::null(), |reason| reason.as_ptr()));
        CStr::from_ptr(newest).to_string_lossy().into_owned()
    }
}

/// An error of the GPU's, from the text of one of the functions.
fn check(answer: Answer) -> Result<()> {
    if answer.is_null() {
        return Ok(());
    }
    // SAFETY: a text that ends with NUL and lives until the next call of this thread.
    let text = unsafe { CStr::from_ptr(answer) }.to_string_lossy();
    Err(Error::Torch { cause: text.lines().next().unwrap_or("no message").trim().to_string() })
}

/// Work that a GPU does again when it is told to, in one launch.
pub(super) struct Graph {
    library: &'static Library,
    handle: *mut c_void,
}

impl Graph {
    /// Does `work` twice, so that all is ready for it, and records a third time, whose result this returns: tensors that hold
    /// what the newest [`replay`](Self::replay) made, and nothing before the first.
    pub(super) fn record<T>(device: Device, mut work: impl FnMut() -> Result<T>) -> Result<(Self, T)> {
        let (Device::Cuda(index), Some(library)) = (device, library()) else {
            return Err(Error::argument("device", format!("{device:?}"), "only a CUDA GPU records"));
        };
        let mut handle = std::ptr::null_mut();
        let index = c_int::try_from(index).map_err(|_| Error::argument("device", index, "there are not so many"))?;
        // SAFETY: `start` writes the handle where it succeeds, which stays valid until `free`.
        check(unsafe { (library.start)(index, &raw mut handle) })?;
        let graph = Self { library, handle };
        let mut recording = Recording { library, handle, open: true };
        for _ in 0..2 {
            work()?;
        }
        // SAFETY: as above.
        check(unsafe { (library.record)(handle) })?;
        let made = work()?;
        recording.finish()?;
        Ok((graph, made))
    }

    /// Does all that was recorded, with what the tensors that went into it hold now. Returns before it is done, as every
    /// operation on a GPU.
    pub(super) fn replay(&self) -> Result<()> {
        // SAFETY: the handle holds a graph that was recorded whole.
        check(unsafe { (self.library.replay)(self.handle) })
    }
}

/// Puts the stream of before back, also where the work fails or panics.
struct Recording {
    library: &'static Library,
    handle: *mut c_void,
    open: bool,
}

impl Recording {
    fn finish(&mut self) -> Result<()> {
        self.open = false;
        // SAFETY: the handle is that of a graph which outlives this; it is called once.
        check(unsafe { (self.library.finish)(self.handle) })
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if self.open {
            // What went wrong is on its way to the caller already.
            let _ = self.finish();
        }
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: the handle is from `start`, and nobody uses it after this.
        unsafe { (self.library.free)(self.handle) }
    }
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a CUDA graph")
    }
}

/// The memory of a GPU, in bytes, as libtorch keeps it; [`gpu_memory`] asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GpuMemory {
    /// In tensors now.
    pub used: u64,
    /// The most that ever was.
    pub peak: u64,
    /// Taken from the GPU, in use or kept for the next tensors.
    pub held: u64,
}

/// How much memory of a GPU tensors take; `None` for another device, and where the crate was built without the headers of
/// CUDA (docs/performance.md).
///
/// ```
/// use noisebook::accel::gpu_memory;
/// use noisebook::prelude::*;
/// let device = noisebook::device::best();
/// if let Some(memory) = gpu_memory(device) {
///     println!("{} MB of {device:?} in use, {} at most", memory.used / 1_000_000, memory.peak / 1_000_000);
/// }
/// assert_eq!(gpu_memory(Device::Cpu), None);
/// ```
#[must_use]
pub fn gpu_memory(device: Device) -> Option<GpuMemory> {
    let Device::Cuda(index) = device else { return None };
    let mut numbers = [0; 3];
    // SAFETY: it writes three numbers.
    check(unsafe { (library()?.memory)(c_int::try_from(index).ok()?, numbers.as_mut_ptr()) }).ok()?;
    let [used, peak, held] = numbers;
    Some(GpuMemory { used, peak, held })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_records_nothing() {
        assert!(!records(Device::Cpu));
        let said = Graph::record(Device::Cpu, || Ok(())).unwrap_err().to_string();
        assert_eq!(said, "device = Cpu: only a CUDA GPU records");
    }

    /// The library opens beside libtorch, and its exceptions become errors in a line.
    #[test]
    fn a_machine_without_a_gpu_says_so() {
        if tch::Cuda::is_available() || library().is_none() {
            println!("skipped: there is a GPU, or the crate was built without the headers of CUDA");
            return;
        }
        let said = Graph::record(Device::Cuda(0), || Ok(())).unwrap_err().to_string();
        assert!(said.starts_with("libtorch: ") && said.lines().count() == 1, "{said}");
        assert_eq!(gpu_memory(Device::Cuda(0)), None);
    }
}
