//! Where tensors live.

use crate::{Error, Result};
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

/// The device that was asked for, if it is there, else the best.
pub(crate) fn or_best(asked: Option<Device>) -> Result<Device> {
    let best = best();
    if let Some(Device::Cuda(index)) = asked {
        let count = usize::try_from(tch::Cuda::device_count()).unwrap_or(0);
        let rule = match count {
            0 => "there is no CUDA GPU that libtorch can use: leave device out, or take Device::Cpu".to_string(),
            _ if index < count => return Ok(Device::Cuda(index)),
            1 => "there is one GPU: Device::Cuda(0)".to_string(),
            _ => format!("there are {count} GPUs: Device::Cuda(0) to Device::Cuda({})", count - 1),
        };
        return Err(Error::argument("device", format!("Cuda({index})"), rule));
    }
    Ok(asked.unwrap_or(best))
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
    use tch::Device;

    #[test]
    fn best_device_agrees_with_libtorch() {
        let best = super::best(); // first: libtorch looks for CUDA at the first query
        let expected = if tch::Cuda::is_available() { Device::Cuda(0) } else { Device::Cpu };
        assert_eq!(best, expected);
    }

    #[test]
    fn a_gpu_that_is_not_there_is_refused() {
        assert_eq!(super::or_best(Some(Device::Cpu)).unwrap(), Device::Cpu);
        let said = super::or_best(Some(Device::Cuda(99))).unwrap_err().to_string();
        let rule = match tch::Cuda::device_count() {
            0 => "there is no CUDA GPU that libtorch can use: leave device out, or take Device::Cpu",
            1 => "there is one GPU: Device::Cuda(0)",
            _ => return,
        };
        assert_eq!(said, format!("device = Cuda(99): {rule}"));
    }
}
