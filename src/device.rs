//! Where tensors live.

use crate::Result;
use tch::{Device, Tensor};

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

/// The device that was asked for, else the best.
pub(crate) fn or_best(asked: Option<Device>) -> Device {
    let best = best();
    asked.unwrap_or(best)
}

/// What the host computed, on the device, where the host need not wait until a GPU has caught up: from memory that the GPU can
/// read by itself.
pub(crate) fn upload(tensor: &Tensor, device: Device) -> Result<Tensor> {
    let Device::Cuda(_) = device else { return Ok(tensor.f_to_device(device)?) };
    match tensor.f_internal_pin_memory(device) {
        Ok(pinned) => Ok(pinned.f_to_device_(device, tensor.f_kind()?, true, false)?),
        // It lies on a GPU already, or there is no such memory left.
        Err(_) => Ok(tensor.f_to_device(device)?),
    }
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
