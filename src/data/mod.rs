//! Data sets: images in [-1, 1] with labels, and points in the plane.

mod batch;
mod dataset;
mod digits;
mod figure;
mod ideal;
mod idx;
mod picture;
mod plane;
mod recipe;
mod split;

pub(crate) use batch::check_batch_size;

pub use batch::Batch;
pub use dataset::Dataset;
