//! Data sets: images in [-1, 1] with labels, and points in the plane.
//!
//! | where it comes from | how |
//! |---|---|
//! | the crate | [`Dataset::digits`], [`Dataset::moons`] and other points |
//! | tensors, NumPy | [`Dataset::new`], [`Dataset::npy`] |
//! | files in their own formats | [`Dataset::mnist`], [`Dataset::fashion_mnist`], [`Dataset::cifar10`]; [`Dataset::fetch`] gets them |
//! | a folder of images | [`Dataset::folder`] |

mod augment;
mod batch;
mod bytes;
mod cache;
mod cifar;
mod clean;
mod dataset;
mod digits;
mod duplicates;
mod fetch;
mod figure;
#[cfg(test)]
mod fixtures;
mod folder;
#[cfg(test)]
mod folder_tests;
mod ideal;
mod idx;
mod image_file;
mod loader;
mod mnist;
mod npy;
mod parallel;
mod picture;
mod plane;
mod recipe;
mod report;
mod report_figure;
#[cfg(test)]
mod report_tests;
mod samples;
mod size;
mod split;
mod transform;
mod troubles;

pub(crate) use batch::check_batch_size;

pub use crate::net::ImageSize;
pub use batch::Batch;
pub use clean::Cleaning;
pub use dataset::Dataset;
pub use folder::Folder;
pub use loader::Loader;
pub use report::Report;
