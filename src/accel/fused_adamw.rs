//! AdamW in one pass over memory: libtorch's `_fused_adamw_`, which tch does not bind.

use super::symbols::find;
use crate::Result;
use std::ffi::c_void;
use tch::{Device, Kind, Tensor};

/// The numbers of a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Which it is, from 1.
    pub(crate) number: i32,
    pub(crate) lr: f64,
    pub(crate) betas: (f64, f64),
    pub(crate) weight_decay: f64,
    pub(crate) epsilon: f64,
}

/// `c10::ArrayRef<at::Tensor>`: two words, passed by value. A tch tensor points at an `at::Tensor`, so this is a list of one.
#[repr(C)]
#[derive(Clone, Copy)]
struct List {
    first: *const c_void,
    length: usize,
}

impl List {
    fn of(tensor: &Tensor) -> Self {
        Self { first: tensor.as_ptr().cast(), length: 1 }
    }

    fn none() -> Self {
        Self { first: std::ptr::null(), length: 0 }
    }
}

/// `std::optional<at::Tensor>` without a value: a pointer and a flag.
type Absent = [usize; 2];

type Call = unsafe extern "C-unwind" fn(
    List,
    List,
    List,
    List,
    List,
    List,
    f64,
    f64,
    f64,
    f64,
    f64,
    bool,
    bool,
    *const Absent,
    *const Absent,
);

/// Moves `weights` and both averages in place; to be called without gradients. False where libtorch has no such step: for
/// tensors elsewhere than on the CPU or a CUDA GPU, of other kinds than float32 and float64, or not in one piece.
pub(crate) fn fused_adamw(
    weights: &Tensor,
    gradient: &Tensor,
    mean: &Tensor,
    square: &Tensor,
    step: Step,
) -> Result<bool> {
    let (device, kind, size) = (weights.device(), weights.f_kind()?, weights.size());
    let suits = |tensor: &&Tensor| {
        tensor.device() == device && tensor.kind() == kind && tensor.size() == size && tensor.is_contiguous()
    };
    let there = matches!(device, Device::Cpu | Device::Cuda(_)) && matches!(kind, Kind::Float | Kind::Double);
    if !there || weights.numel() == 0 || ![weights, gradient, mean, square].iter().all(suits) {
        return Ok(false);
    }
    let name =
        c"_ZN2at4_ops13_fused_adamw_4callEN3c108ArrayRefINS_6TensorEEES5_S5_S5_S5_S5_dddddbbRKSt8optionalIS4_ES9_";
    let Some(found) = find(name) else { return Ok(false) };
    let number = Tensor::f_full([0_i64; 0], f64::from(step.number), (Kind::Float, device))?;
    let absent: Absent = [0; 2];
    // SAFETY: the name holds the argument types of `at::_ops::_fused_adamw_::call`: parameters, gradients, averages, averages
    // of squares, none of amsgrad's, step numbers; lr, beta 1, beta 2, weight decay, epsilon; amsgrad, maximize; no scale of
    // gradients and no flag of an overflow. The lists and what they point at outlive the call, and the tensors were checked for
    // all that it refuses.
    unsafe {
        let call = std::mem::transmute::<*mut c_void, Call>(found);
        call(
            List::of(weights),
            List::of(gradient),
            List::of(mean),
            List::of(square),
            List::none(),
            List::of(&number),
            step.lr,
            step.betas.0,
            step.betas.1,
            step.weight_decay,
            step.epsilon,
            false,
            false,
            &raw const absent,
            &raw const absent,
        );
    }
    Ok(true)
}
