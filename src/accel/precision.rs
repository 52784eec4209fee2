//! Mixed precision: float16 or bfloat16 where a layer is a product of matrices, float32 for the rest.

use super::symbols::find;
use crate::{Error, Result};
use std::ffi::c_void;
use std::fmt;
use tch::Device;

/// In which numbers a network computes, during training ([`Trainer::precision`](crate::Trainer::precision)) and when it denoises
/// ([`Diffusion::precision`](crate::Diffusion::precision)). Weights, their average, the optimizer and the samples stay as they are.
///
/// ```
/// use noisebook::prelude::*;
/// let unet = UNet::builder().channels(1).image_size(8).base_channels(8).build()?;
/// let model = Diffusion::new(&unet, &Schedule::cosine(1_000)?, Prediction::V)?.precision(Precision::BFloat16);
/// let trainer = Trainer::new(&model).precision(Precision::BFloat16);
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Precision {
    /// Everything in float32. The default.
    #[default]
    Float32,
    /// Convolutions, linear layers and attention in bfloat16, which has the range of float32: nothing else is needed.
    BFloat16,
    /// The same in float16, whose range ends at 65,504 and at 6e-8: the loss is scaled by 2^16 at first, by half as much
    /// after a step whose gradient overflowed (which is skipped), by twice as much after 2,000 that did not (Micikevicius
    /// et al. 2018; PyTorch's `GradScaler` with its defaults).
    Float16,
}

impl Precision {
    /// libtorch's number of the kind, where there is something to cast to.
    fn kind(self) -> Option<i8> {
        match self {
            Self::Float32 => None,
            Self::Float16 => Some(5),
            Self::BFloat16 => Some(15),
        }
    }

    pub(crate) fn check(self, device: Device) -> Result<()> {
        if self == Self::Float32 {
            return Ok(());
        }
        if !matches!(device, Device::Cpu | Device::Cuda(_)) {
            let rule = format!("there is no mixed precision on {device:?}: take float32");
            return Err(Error::argument("precision", self, rule));
        }
        Switch::find().map(|_| ()).ok_or_else(|| {
            let rule = "this libtorch does not say where its autocast is switched: take float32";
            Error::argument("precision", self, rule)
        })
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Float32 => "float32",
            Self::BFloat16 => "bfloat16",
            Self::Float16 => "float16",
        })
    }
}

/// libtorch's switches of autocast by device. tch has one for CUDA and float16 alone, so these are looked up by their C++
/// names: `at::autocast::set_autocast_enabled(c10::DeviceType, bool)` and its neighbours, whose enums are signed bytes.
#[derive(Clone, Copy)]
struct Switch {
    enable: unsafe extern "C" fn(i8, bool),
    is_enabled: unsafe extern "C" fn(i8) -> bool,
    set_kind: unsafe extern "C" fn(i8, i8),
    kind: unsafe extern "C" fn(i8) -> i8,
}

impl Switch {
    fn find() -> Option<Self> {
        let enable = find(c"_ZN2at8autocast20set_autocast_enabledEN3c1010DeviceTypeEb")?;
        let is_enabled = find(c"_ZN2at8autocast19is_autocast_enabledEN3c1010DeviceTypeE")?;
        let set_kind = find(c"_ZN2at8autocast18set_autocast_dtypeEN3c1010DeviceTypeENS1_10ScalarTypeE")?;
        let kind = find(c"_ZN2at8autocast18get_autocast_dtypeEN3c1010DeviceTypeE")?;
        // SAFETY: the mangled names hold the arguments' types, which these types are; the results are bool and ScalarType.
        unsafe {
            Some(Self {
                enable: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(i8, bool)>(enable),
                is_enabled: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(i8) -> bool>(is_enabled),
                set_kind: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(i8, i8)>(set_kind),
                kind: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(i8) -> i8>(kind),
            })
        }
    }
}

/// Whether operators on the CPU cast to half precision now, or may.
pub(super) fn casts_on_cpu() -> bool {
    // SAFETY: see `Switch`; the CPU is 0.
    Switch::find().is_none_or(|switch| unsafe { (switch.is_enabled)(0) })
}

/// Mixed precision, as long as it lives.
pub(crate) struct Autocast {
    switch: Switch,
    device: i8,
    before: (bool, i8),
}

impl Autocast {
    /// `None` for float32.
    pub(crate) fn on(precision: Precision, device: Device) -> Result<Option<Self>> {
        precision.check(device)?;
        let (Some(kind), Some(switch)) = (precision.kind(), Switch::find()) else { return Ok(None) };
        let device = i8::from(device != Device::Cpu);
        // SAFETY: the functions are libtorch's (see `Switch`), and CPU (0) and CUDA (1) have autocast; they set thread-local
        // variables.
        let before = unsafe {
            let before = ((switch.is_enabled)(device), (switch.kind)(device));
            (switch.set_kind)(device, kind);
            (switch.enable)(device, true);
            torch_sys::at_autocast_increment_nesting();
            before
        };
        Ok(Some(Self { switch, device, before }))
    }
}

impl Drop for Autocast {
    fn drop(&mut self) {
        // SAFETY: as in `on`. The casts of the weights that it kept belong to this pass.
        unsafe {
            if torch_sys::at_autocast_decrement_nesting() == 0 {
                torch_sys::at_autocast_clear_cache();
            }
            (self.switch.enable)(self.device, self.before.0);
            (self.switch.set_kind)(self.device, self.before.1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Kind, Tensor};

    /// The article's `with autocast and ctx:` enters `ctx` alone, so that its mixed precision never ran.
    #[test]
    fn article_defect_1_mixed_precision_runs() {
        let x = Tensor::ones([2, 2], (Kind::Float, Device::Cpu));
        for (precision, kind) in
            [(Precision::BFloat16, Kind::BFloat16), (Precision::Float16, Kind::Half), (Precision::Float32, Kind::Float)]
        {
            let guard = Autocast::on(precision, Device::Cpu).unwrap();
            assert_eq!(x.matmul(&x).kind(), kind, "{precision}");
            drop(guard);
            assert_eq!(x.matmul(&x).kind(), Kind::Float);
        }
    }

    #[test]
    fn a_device_without_it_is_named() {
        let said = Precision::Float16.check(Device::Mps).unwrap_err().to_string();
        assert_eq!(said, "precision = float16: there is no mixed precision on Mps: take float32");
    }
}
