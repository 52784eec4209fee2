//! The forward process: from an image to noise.

mod noise;

pub use noise::{Noising, Strip};
