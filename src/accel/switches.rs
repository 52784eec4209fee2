//! Switches of libtorch's that trade digits or repeatability for speed on a GPU.

use super::symbols::find;
use crate::{Error, Result};
use std::ffi::{CStr, c_void};

/// Whether CUDA may compute float32 convolutions and products of matrices in TF32, which keeps 10 bits of each factor
/// (NVIDIA Ampere and later). libtorch's default: convolutions yes, products no. The CPU computes in float32 all the same.
///
/// # Errors
/// A libtorch that lacks the switch.
///
/// ```
/// noisebook::accel::tf32(true)?; // before training on a GPU
/// # Ok::<(), noisebook::Error>(())
/// ```
pub fn tf32(on: bool) -> Result<()> {
    set(c"_ZN2at7Context18setAllowTF32CuBLASEb", on)?;
    set(c"_ZN2at7Context17setAllowTF32CuDNNEb", on)
}

/// Whether cuDNN tries its algorithms for every new shape and keeps the fastest (default: no). The first steps take longer, and
/// the same seed need not give the same last digits, since the choice is by the clock.
///
/// ```
/// noisebook::accel::cudnn_benchmark(true);
/// ```
pub fn cudnn_benchmark(on: bool) {
    tch::Cuda::cudnn_set_benchmark(on);
}

/// Whether operators become part of a graph now: in a gradient, whether it shall have one itself.
pub(crate) fn recording() -> bool {
    // SAFETY: a flag of this thread, set to what it was.
    unsafe {
        let on = torch_sys::at_grad_set_enabled(0);
        torch_sys::at_grad_set_enabled(on);
        on != 0
    }
}

/// Calls a setter of `at::Context`.
fn set(name: &CStr, on: bool) -> Result<()> {
    let (Some(context), Some(setter)) = (find(c"_ZN2at13globalContextEv"), find(name)) else {
        return Err(Error::argument("tf32", on, "this libtorch does not say where it is switched"));
    };
    // SAFETY: `at::globalContext()` returns a reference, and the names hold the setters' one argument; they set a flag.
    unsafe {
        let context = std::mem::transmute::<*mut c_void, unsafe extern "C-unwind" fn() -> *mut c_void>(context);
        std::mem::transmute::<*mut c_void, unsafe extern "C-unwind" fn(*mut c_void, bool)>(setter)(context(), on);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(name: &CStr) -> bool {
        let (context, getter) = (find(c"_ZN2at13globalContextEv").unwrap(), find(name).unwrap());
        // SAFETY: as in `set`; these getters take nothing and return bool.
        unsafe {
            let context = std::mem::transmute::<*mut c_void, unsafe extern "C-unwind" fn() -> *mut c_void>(context);
            std::mem::transmute::<*mut c_void, unsafe extern "C-unwind" fn(*mut c_void) -> bool>(getter)(context())
        }
    }

    #[test]
    fn libtorch_holds_what_was_set() {
        for on in [true, false] {
            tf32(on).unwrap();
            assert_eq!(is(c"_ZNK2at7Context15allowTF32CuBLASEv"), on);
            cudnn_benchmark(on);
            assert_eq!(is(c"_ZNK2at7Context14benchmarkCuDNNEv"), on);
        }
        tf32(false).unwrap();
    }
}
