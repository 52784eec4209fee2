//! Data sets: images in [-1, 1] with labels.

mod batch;
mod dataset;
mod digits;
mod figure;
mod idx;
mod split;

pub use batch::Batch;
pub use dataset::Dataset;
