//! Learn and build diffusion models one visible step at a time.

mod error;
pub mod show;

pub use error::{Error, Result};
