//! What makes training and sampling faster than tch alone can: fused steps of the optimizer, switches for GPUs, and how much
//! memory it took.
//!
//! Nothing here is compiled from C++: libtorch has it all, and it is looked up by name when it is first needed.

mod fused_adamw;
mod memory;
mod switches;
pub(crate) mod symbols;

pub(crate) use fused_adamw::{Step, fused_adamw};
pub(crate) use memory::KeptMemory;
pub use memory::peak_memory;
pub use switches::{cudnn_benchmark, tf32};
