//! Where tensors live.

use tch::Device;

/// The best device there is: the first CUDA GPU, else the CPU.
///
/// Ask this before any other question about CUDA: libtorch looks for it once, and without this finds the CPU only.
///
/// ```
/// let device = noisebook::device::best();
/// println!("{device:?}"); // Cuda(0) on a machine with a GPU, else Cpu
/// ```
#[must_use]
pub fn best() -> Device {
    open_cuda();
    Device::cuda_if_available()
}

/// Opens libtorch's CUDA half. Programs link only its CPU half, and libtorch looks for CUDA once, at the first query:
/// so this comes before every query, and costs nothing where the library is absent or open already.
#[cfg(target_os = "linux")]
fn open_cuda() {
    // SAFETY: the name is a NUL-terminated literal, and libtorch's own initialisers are made to run at dlopen.
    unsafe { libc::dlopen(c"libtorch_cuda.so".as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
}

#[cfg(not(target_os = "linux"))]
fn open_cuda() {}

#[cfg(test)]
mod tests {
    #[test]
    fn best_device_agrees_with_libtorch() {
        let best = super::best(); // first: libtorch looks for CUDA at the first query
        let expected = if tch::Cuda::is_available() { tch::Device::Cuda(0) } else { tch::Device::Cpu };
        assert_eq!(best, expected);
    }
}
