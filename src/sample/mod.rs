//! The way back: from noise to images.

mod ddim;
mod ddpm;
#[allow(dead_code)]
pub(crate) mod dormand_prince;
mod figure;
mod guidance;
mod sampler;
mod samples;
mod steps;

pub use figure::Trajectory;
pub use sampler::Sampler;
pub use samples::Samples;
pub use steps::{SampleStep, SampleSteps};
