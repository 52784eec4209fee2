//! What samplers see of a model, and the denoisers that are known without training.

mod components;
mod denoising;
mod figure;
mod gaussian;
mod ideal;
mod jacobian;
mod langevin;
mod mixture;

pub use denoising::Denoising;
pub use gaussian::Gaussian;
pub use ideal::Ideal;
pub(crate) use jacobian::Jacobian;
pub use mixture::GaussianMixture;

use crate::show::sides;
use crate::{Error, Result, Schedule};
use std::rc::Rc;
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
    /// Shapes or labels that the model was not made for; x_t of whole numbers; t outside (0, 1].
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

    /// Predicted noise, E[eps | x_t] = (x_t - alpha x_0)/sigma: another way to say [`denoise`](Self::denoise).
    ///
    /// # Errors
    /// As [`denoise`](Self::denoise); t outside (0, 1].
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let model = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::cosine(100)?)?;
    /// let xt = Tensor::from_slice(&[1.0, -2.0]).view([1, 2]);
    /// let expected = &xt * model.schedule().sigma(0.5); // of unit variance, as x_t then is
    /// assert!(model.epsilon(&xt, 0.5, None)?.allclose(&expected, 1e-12, 1e-12, false));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    fn epsilon(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor> {
        check_time(t)?;
        let (alpha, sigma) = (self.schedule().alpha(t), self.schedule().sigma(t));
        let x0 = self.denoise(xt, t, labels)?;
        Ok(xt.f_to_device(x0.device())?.f_sub(&x0.f_mul_scalar(alpha)?)?.f_div_scalar(sigma)?)
    }

    /// The score, grad log p_t(x_t) = (alpha x_0 - x_t)/sigma^2, the gradient of the log-density of noised samples
    /// (Vincent 2011, "A Connection Between Score Matching and Denoising Autoencoders"; Tweedie's formula read backwards).
    ///
    /// # Errors
    /// As [`denoise`](Self::denoise); t outside (0, 1].
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let model = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::cosine(100)?)?;
    /// let xt = Tensor::from_slice(&[1.0, -2.0]).view([1, 2]);
    /// assert!(model.score(&xt, 0.5, None)?.allclose(&-&xt, 1e-12, 1e-12, false)); // of N(0, 1): back to 0
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    fn score(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor> {
        Ok(self.epsilon(xt, t, labels)?.f_div_scalar(-self.schedule().sigma(t))?)
    }

    /// Samples that stand at t = 1 in the place of Gaussian noise, if any do: `count` draws with this seed, N x the shape of one
    /// sample. Only a bridge between two data sets has them ([`Diffusion::source`](crate::Diffusion::source)).
    ///
    /// # Errors
    /// What libtorch says when there is no memory left.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let gaussian = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::flow(100)?)?;
    /// assert!(gaussian.starts(16, 0)?.is_none()); // the way back starts from noise
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    fn starts(&self, count: usize, seed: u64) -> Result<Option<Tensor>> {
        let _ = (count, seed);
        Ok(None)
    }

    /// The schedule that the noised images come from.
    fn schedule(&self) -> &Schedule;

    /// The shape of one sample: C x H x W for images.
    fn sample_shape(&self) -> Vec<i64>;

    /// How many classes labels may name, if any.
    fn classes(&self) -> Option<i64>;

    /// Where it computes.
    fn device(&self) -> Device;
}

/// A shared denoiser is one too, so that a clone of it costs nothing.
///
/// ```
/// use noisebook::prelude::*;
/// use std::rc::Rc;
/// let model: Rc<dyn Denoiser> = Rc::new(Gaussian::isotropic(0.0, 1.0, [2], &Schedule::cosine(100)?)?);
/// let samples = Sampler::ddim(5).count(3).sample(&model)?;
/// # Ok::<(), noisebook::Error>(())
/// ```
impl<T: Denoiser + ?Sized> Denoiser for Rc<T> {
    fn denoise(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor> {
        (**self).denoise(xt, t, labels)
    }

    fn epsilon(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor> {
        (**self).epsilon(xt, t, labels)
    }

    fn score(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor> {
        (**self).score(xt, t, labels)
    }

    fn starts(&self, count: usize, seed: u64) -> Result<Option<Tensor>> {
        (**self).starts(count, seed)
    }

    fn schedule(&self) -> &Schedule {
        (**self).schedule()
    }

    fn sample_shape(&self) -> Vec<i64> {
        (**self).sample_shape()
    }

    fn classes(&self) -> Option<i64> {
        (**self).classes()
    }

    fn device(&self) -> Device {
        (**self).device()
    }
}

/// Methods of a [`Denoiser`] that it leaves to one that it holds: `left_to!(inner: schedule device)`.
macro_rules! left_to {
    ($held:ident: $($method:ident)+) => { $($crate::denoiser::left_to!(@ $held $method);)+ };
    (@ $held:ident denoise) => {
        fn denoise(&self, xt: &tch::Tensor, t: f64, labels: Option<&tch::Tensor>) -> $crate::Result<tch::Tensor> {
            self.$held.denoise(xt, t, labels)
        }
    };
    (@ $held:ident starts) => {
        fn starts(&self, count: usize, seed: u64) -> $crate::Result<Option<tch::Tensor>> {
            self.$held.starts(count, seed)
        }
    };
    (@ $held:ident schedule) => {
        fn schedule(&self) -> &$crate::Schedule {
            self.$held.schedule()
        }
    };
    (@ $held:ident sample_shape) => {
        fn sample_shape(&self) -> Vec<i64> {
            self.$held.sample_shape()
        }
    };
    (@ $held:ident classes) => {
        fn classes(&self) -> Option<i64> {
            self.$held.classes()
        }
    };
    (@ $held:ident device) => {
        fn device(&self) -> tch::Device {
            self.$held.device()
        }
    };
}
pub(crate) use left_to;

/// Refuses a bridge where noise has to be Gaussian.
pub(crate) fn check_noise(model: &dyn Denoiser, what: &str) -> Result<()> {
    match model.starts(1, 0)? {
        None => Ok(()),
        Some(_) => {
            let rule = format!("{what} is that of Gaussian noise, and this model leads from one data set to another");
            Err(Error::argument("model", "a bridge", rule))
        }
    }
}

/// That there is noise to take away at `t`.
pub(crate) fn check_time(t: f64) -> Result<()> {
    if t > 0.0 && t <= 1.0 {
        return Ok(());
    }
    Err(Error::argument("t", t, "a denoiser is for times above 0, where there is noise, up to 1"))
}

/// That `xt` holds samples of this shape. Answers are of its kind, and whole numbers would cut predicted x_0 off.
pub(crate) fn check_samples(name: &str, xt: &Tensor, shape: &[i64]) -> Result<()> {
    if !xt.f_is_floating_point()? {
        return Err(Error::argument(name, format!("{:?}", xt.f_kind()?), "samples are floating-point numbers"));
    }
    check_shape(name, &xt.size(), shape)
}

/// That a batch of this size holds samples of this shape.
pub(crate) fn check_shape(name: &str, size: &[i64], shape: &[i64]) -> Result<()> {
    if size.len() == shape.len() + 1 && size[0] > 0 && size[1..] == *shape {
        return Ok(());
    }
    Err(Error::argument(name, format!("{size:?}"), format!("samples here are N x {}", sides(shape))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    /// Tweedie's formula: x_0 = (x_t + sigma^2 score)/alpha; and x_t = alpha x_0 + sigma eps. At alpha = 0 both stay finite.
    #[test]
    fn noise_and_score_say_what_x0_says() {
        for schedule in [Schedule::cosine(100), Schedule::edm(100), Schedule::flow(100)].map(Result::unwrap) {
            let model = Rc::new(Gaussian::isotropic(0.3, 0.7, [3], &schedule).unwrap());
            let xt = Tensor::from_slice(&[0.5, -1.0, 2.0]).view([1, 3]);
            for t in [0.2, 0.7, 1.0] {
                let (alpha, sigma) = (schedule.alpha(t), schedule.sigma(t));
                let x0 = model.denoise(&xt, t, None).unwrap();
                let (eps, score) = (model.epsilon(&xt, t, None).unwrap(), model.score(&xt, t, None).unwrap());
                let close = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]) < 1e-12;
                assert!(close(&(&x0 * alpha + &eps * sigma), &xt), "{schedule:?} {t}");
                assert!(close(&(&xt + &score * sigma.powi(2)), &(&x0 * alpha)), "{schedule:?} {t}");
            }
        }
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let model = Gaussian::isotropic(0.0, 1.0, [3], &Schedule::cosine(10).unwrap()).unwrap();
        let xt = Tensor::zeros([2, 3], (Kind::Double, Device::Cpu));
        for t in [0.0, -0.5, 1.5, f64::NAN] {
            let rule = "a denoiser is for times above 0, where there is noise, up to 1";
            for said in [model.denoise(&xt, t, None), model.epsilon(&xt, t, None), model.score(&xt, t, None)] {
                assert_eq!(said.unwrap_err().to_string(), format!("t = {t}: {rule}"));
            }
        }
        let said = model.denoise(&xt.view([3, 2]), 0.5, None).unwrap_err().to_string();
        assert_eq!(said, "xt = [3, 2]: samples here are N x 3");
        let means = Tensor::from_slice(&[-1.0, 1.0]).view([2, 1]).expand([2, 3], false);
        let mixture = GaussianMixture::new([0.5, 0.5], &means, [0.3, 0.3], model.schedule()).unwrap();
        for model in [&model as &dyn Denoiser, &mixture] {
            let said = model.denoise(&xt.to_kind(Kind::Int64), 0.5, None).unwrap_err().to_string();
            assert_eq!(said, "xt = Int64: samples are floating-point numbers");
        }
    }
}
