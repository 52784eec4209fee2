//! What makes training and sampling faster than tch alone can: fused steps of the optimizer, switches for GPUs, and how much
//! memory it took.
//!
//! What libtorch has as functions is looked up by name when it is first needed. What it has as C++ classes, for CUDA alone, is in
//! cuda.cpp.

mod cuda;
mod fused_adamw;
mod memory;
mod precision;
mod replays;
mod switches;
pub(crate) mod symbols;

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
pub use switches::{cudnn_benchmark, tf32};
