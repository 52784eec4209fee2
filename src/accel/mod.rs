//! What makes training and sampling faster than tch alone can: fused steps of the optimizer, switches for GPUs, and how much
//! memory it took.
//!
//! What libtorch has as functions is looked up by name when it is first needed. What it has as C++ classes, for CUDA alone, is in
//! cuda.cpp.

mod cuda;
mod fused_adamw;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod gradient;
mod memory;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod parallel;
mod precision;
mod replays;
mod switches;
pub(crate) mod symbols;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod winograd;

pub use cuda::{GpuMemory, gpu_memory};
pub(crate) use fused_adamw::{Step, fused_adamw};
pub(crate) use memory::KeptMemory;
pub use memory::peak_memory;
pub(crate) use precision::Autocast;
pub use precision::Precision;
pub(crate) use replays::Replays;
#[cfg(test)]
pub(crate) use replays::tests::Pretended;
pub use replays::{CudaGraphs, cuda_graphs};
pub(crate) use switches::recording;
pub use switches::{cudnn_benchmark, tf32};
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(crate) use winograd::convolve;

/// Elsewhere there is no such convolution.
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
pub(crate) fn convolve(
    _: &tch::Tensor,
    _: &tch::Tensor,
    _: Option<&tch::Tensor>,
) -> crate::Result<Option<tch::Tensor>> {
    Ok(None)
}
