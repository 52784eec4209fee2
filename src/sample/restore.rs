//! Restoring by moment matching: Rozet et al. 2024, "Learning Diffusion Priors from Observations by Expectation Maximization"
//! (MMPS); and by projection: Wang et al. 2022, "Zero-Shot Image Restoration Using Denoising Diffusion Null-Space Model" (DDNM).

use super::measurement::Measurement;
use crate::denoiser::{Denoiser, Jacobian, check_noise, check_samples, left_to};
use crate::show::{Bundle, Show, sides};
use crate::{Error, Result};
use std::fmt;
use std::rc::Rc;
use tch::{Kind, Tensor};

/// The least uncertainty of a known number, against the noise or the data's unit, whichever is less: its root is the deviation
/// of the measurement that the linear system allows for, and keeps it solvable where the model is certain.
const LEAST: f64 = 1e-6;

/// A denoiser that knows a linear [measurement](Measurement) of the sample, A x_0 = y, and makes up the rest to suit:
///
/// x_0 + C P (P C P)^-1 (A^+ y - P x_0), with P = A^+ A and the covariance C of x_0 given x_t, which by Tweedie's formula is
/// (sigma^2/alpha) d x_0/d x_t.
///
/// That is the mean of x_0 given x_t and y if x_0 given x_t were Gaussian: exact for Gaussian data, and for other data nearly so
/// with little noise. Any model and any sampler will do. The linear system is solved by conjugate gradients, an iteration for each
/// pass backwards through the model; C is never held. What is measured of the answer is y itself, before a sampler
/// [clips](super::Sampler::clip) it.
///
/// With no iterations it is DDNM's projection, A^+ y + (1 - P) x_0, which takes C for a multiple of 1: what is known is put in its
/// place, and the model has to find the rest by itself at the next level.
///
/// At alpha = 0, where C would be 0/0, and where the model is certain (C = 0) the rest is the model's own. Its answer has no
/// gradient.
///
/// ```
/// use noisebook::prelude::*;
/// let digits = Dataset::digits()?;
/// let model = Ideal::new(&digits, &Schedule::cosine(1_000)?)?; // or one that has learned
/// let squares = Measurement::downsample(2);
/// let restore = Restore::new(&model, &squares, &digits.image(0)?)?;
/// let samples = Sampler::ddim(20).count(4).sample(&restore)?.images();
/// let missed = squares.apply(&samples)? - squares.apply(&digits.image(0)?)?;
/// assert!(missed.abs().max().double_value(&[]) < 1e-5);
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone)]
pub struct Restore {
    inner: Rc<dyn Denoiser>,
    measurement: Measurement,
    /// A^+ y: float64, 1 x the shape of a sample, or one for each sample that is drawn.
    known: Rc<Tensor>,
    iterations: usize,
}

/// [`Restore`] where the measurement is a mask, by the name that the field has for it: the elements where it is true are known.
///
/// ```
/// use noisebook::prelude::*;
/// let digits = Dataset::digits()?;
/// let model = Ideal::new(&digits, &Schedule::cosine(1_000)?)?; // or one that has learned
/// let mask = Tensor::zeros([1, 8, 8], (Kind::Bool, Device::Cpu));
/// let _ = mask.narrow(1, 0, 4).fill_(1); // the upper half is known
/// let image = digits.image(0)?;
/// let samples = Sampler::ddim(20).count(4).sample(&Inpaint::new(&model, &mask, &image)?)?.images();
/// assert!((samples.get(0) - &image).narrow(1, 0, 4).abs().max().double_value(&[]) < 1e-6);
/// # Ok::<(), noisebook::Error>(())
/// ```
pub type Inpaint = Restore;

impl Restore {
    /// What `measurement` (or a mask: true, or not 0, where an element is known) leaves of `image` is known. The image is of the
    /// shape of a sample; what it holds besides does not matter. N images, N x the shape, are one for each of N samples.
    ///
    /// # Errors
    /// Another shape; a measurement that this shape does not have, or that knows nothing; known elements that are not finite.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let covariance = Tensor::from_slice(&[1.0, 0.9, 0.9, 1.0]).view([2, 2]);
    /// let model = Gaussian::new(&Tensor::from_slice(&[0.0, 0.0]), &covariance, &Schedule::cosine(1_000)?)?;
    /// let (mask, image) = (Tensor::from_slice(&[true, false]), Tensor::from_slice(&[2.0, f64::NAN]));
    /// let found = Sampler::ddim(50).clip(false).count(500).sample(&Restore::new(&model, &mask, &image)?)?.images();
    /// assert!((found.select(1, 1).mean(Kind::Double).double_value(&[]) - 1.8).abs() < 0.1); // 0.9 of the known 2
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn new(
        model: &(impl Denoiser + Clone + 'static),
        measurement: impl Into<Measurement>,
        image: &Tensor,
    ) -> Result<Self> {
        let (measurement, shape) = (measurement.into(), model.sample_shape());
        measurement.check(&shape)?;
        let images = if image.size() == shape { image.f_unsqueeze(0)? } else { image.shallow_clone() };
        if images.dim() != shape.len() + 1 || images.size()[0] == 0 || images.size()[1..] != shape {
            let rule = format!("of the shape of a sample, {}", sides(&shape));
            return Err(Error::argument("image", format!("{:?}", image.size()), rule));
        }
        let images = images.f_to_device(model.device())?.f_to_kind(Kind::Double)?.f_detach()?;
        let measurement = measurement.on(model.device())?;
        let known = measurement.project(&images)?;
        let largest = known.f_abs()?.f_max()?.f_double_value(&[])?;
        if !largest.is_finite() {
            return Err(Error::argument("image", largest, "known elements are finite"));
        }
        Ok(Self { inner: Rc::new(model.clone()), measurement, known: Rc::new(known), iterations: 5 })
    }

    /// Iterations of conjugate gradients (default 5). As many as there are known numbers solve the system whole; a few come
    /// near; 0 is DDNM's projection, which needs no pass backwards.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::cosine(100)?)?;
    /// let (mask, image) = (Tensor::from_slice(&[true, false]), Tensor::from_slice(&[2.0, 0.0]));
    /// let restore = Restore::new(&model, &mask, &image)?.iterations(1); // for one known number
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn iterations(&self, iterations: usize) -> Self {
        Self { iterations, ..self.clone() }
    }

    /// C P (P C P + `least`)^-1 `residual`: N x the shape, from a residual that P leaves as it is.
    fn correction(&self, jacobian: &Jacobian, variance: f64, residual: &Tensor) -> Result<Tensor> {
        let least = LEAST * variance.min(1.0);
        let covariance = |v: &Tensor| -> Result<Tensor> { Ok(jacobian.transposed(v)?.f_mul_scalar(variance)?) };
        let mut rest = residual.shallow_clone();
        let mut direction = residual.shallow_clone();
        let mut solution = residual.f_zeros_like()?;
        let mut square = dot(&rest, &rest)?;
        let mut open = square.f_isfinite()?;
        for _ in 0..self.iterations {
            let image = self.measurement.project(&covariance(&direction)?)?.f_add(&direction.f_mul_scalar(least)?)?;
            // A network's C may have a negative direction, and one without variance tells nothing of the rest: there it ends, for
            // that sample.
            let curvature = dot(&direction, &image)?;
            let floor = dot(&direction, &direction)?.f_mul_scalar(2.0 * least)?.f_clamp_min(f64::MIN_POSITIVE)?;
            open = open.f_logical_and(&curvature.f_gt_tensor(&floor)?)?;
            let length = square.f_div(&curvature.f_maximum(&floor)?)?.f_mul(&open)?;
            solution = solution.f_add(&length.f_mul(&direction)?)?;
            rest = rest.f_sub(&length.f_mul(&image)?)?;
            let next = dot(&rest, &rest)?;
            let turn = next.f_div(&square.f_clamp_min(f64::MIN_POSITIVE)?)?;
            direction = rest.f_add(&turn.f_mul(&direction)?)?;
            square = next;
        }
        covariance(&solution)
    }

    /// A^+ y - P x_0: what is known and `x0` has otherwise.
    fn residual(&self, x0: &Tensor) -> Result<Tensor> {
        Ok(self.known.f_sub(&self.measurement.project(x0)?)?)
    }
}

/// The products of samples with one another: N x 1 x ... 1.
fn dot(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let dims: Vec<i64> = (1..a.dim() as i64).collect();
    Ok(a.f_mul(b)?.f_sum_dim_intlist(&dims[..], true, a.f_kind()?)?)
}

impl Denoiser for Restore {
    fn denoise(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor> {
        check_samples("xt", xt, &self.sample_shape())?;
        if xt.requires_grad() {
            return Err(Error::argument("xt", "with a gradient", "what is made up has no gradient"));
        }
        let (images, samples) = (self.known.size()[0], xt.size()[0]);
        if images != 1 && images != samples {
            let rule = format!("there are {images} images to restore: draw one sample for each");
            return Err(Error::argument("count", samples, rule));
        }
        let (alpha, sigma) = (self.schedule().alpha(t), self.schedule().sigma(t));
        let (kind, xt) = (xt.f_kind()?, xt.f_to_device(self.device())?.f_to_kind(Kind::Double)?);
        let x0 = if alpha == 0.0 || self.iterations == 0 {
            self.inner.denoise(&xt, t, labels)?
        } else {
            let jacobian = Jacobian::at(&*self.inner, &xt, t, labels)?;
            let x0 = jacobian.x0()?;
            x0.f_add(&self.correction(&jacobian, sigma * sigma / alpha, &self.residual(&x0)?)?)?
        };
        Ok(x0.f_add(&self.residual(&x0)?)?.f_to_kind(kind)?)
    }

    fn starts(&self, _: usize, _: u64) -> Result<Option<Tensor>> {
        check_noise(&*self.inner, "the covariance")?;
        Ok(None)
    }

    left_to!(inner: schedule sample_shape classes device);
}

impl fmt::Debug for Restore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}, ", self.measurement.task(), self.measurement)?;
        match self.iterations {
            0 => f.write_str("by projection"),
            iterations => write!(f, "{iterations} iterations"),
        }
    }
}

impl Show for Restore {
    fn bundle(&self) -> Result<Bundle> {
        Ok(Bundle::text(format!("{self:?}")))
    }
}

#[cfg(test)]
#[path = "restore_tests.rs"]
mod tests;
