//! What samplers see of a model.

use crate::{Result, Schedule};
use tch::{Device, Tensor};

/// Predicts the clean image from a noised one. Every sampler works with any of these.
///
/// ```
/// use noisebook::prelude::*;
///
/// /// The best there is for pixels from N(0, 1/4): E[x_0 | x_t] = alpha/4 / (alpha^2/4 + sigma^2) x_t.
/// #[derive(Clone)]
/// struct Grain(Schedule);
///
/// impl Denoiser for Grain {
///     fn denoise(&self, xt: &Tensor, t: f64, _: Option<&Tensor>) -> Result<Tensor, noisebook::Error> {
///         let (alpha, sigma) = (self.0.alpha(t), self.0.sigma(t));
///         Ok(xt * (alpha / 4.0 / (alpha * alpha / 4.0 + sigma * sigma)))
///     }
///     fn schedule(&self) -> &Schedule { &self.0 }
///     fn sample_shape(&self) -> Vec<i64> { vec![1, 8, 8] }
///     fn classes(&self) -> Option<i64> { None }
///     fn device(&self) -> Device { Device::Cpu }
/// }
///
/// let samples = Sampler::ddim(100).clip(false).sample(&Grain(Schedule::cosine(1_000)?))?;
/// assert!((samples.images().std(true).double_value(&[]) - 0.5).abs() < 0.03); // 1,024 pixels of deviation 1/2
/// # Ok::<(), noisebook::Error>(())
/// ```
pub trait Denoiser {
    /// Predicted x_0 (N x the shape of one sample) for x_t at time `t` in (0, 1], with labels (N, int64; -1 is no
    /// label) or none. It is of the kind of x_t: samplers work in float64, also where a network takes float32. Its gradient
    /// flows back to x_t.
    ///
    /// # Errors
    /// Shapes or labels that the model was not made for.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let xt = Tensor::randn([2, 1, 8, 8], (Kind::Float, model.device()));
    /// assert_eq!(model.denoise(&xt, 0.5, None)?.size(), xt.size());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
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
