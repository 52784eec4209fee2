//! What samplers see of a model.

use crate::{Result, Schedule};
use tch::{Device, Tensor};

/// Predicts the clean image from a noised one. Every sampler works with any of these.
pub trait Denoiser {
    /// Predicted x_0 (N x the shape of one sample) for x_t at time `t` in (0, 1], with labels (N, int64; -1 is no
    /// label) or none.
    ///
    /// # Errors
    /// Shapes or labels that the model was not made for.
    fn denoise(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor>;

    /// The schedule that the noised images come from.
    fn schedule(&self) -> &Schedule;

    /// The shape of one sample: C x H x W for images.
    fn sample_shape(&self) -> Vec<i64>;

    /// How many classes labels may name, if any.
    fn classes(&self) -> Option<i64>;

    /// Where it computes.
    fn device(&self) -> Device;
}
