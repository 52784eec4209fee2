//! Inpainting by moment matching: Rozet et al. 2024, "Learning Diffusion Priors from Observations by Expectation Maximization"
//! (MMPS).

use crate::denoiser::{Denoiser, Jacobian, check_samples};
use crate::show::{Bundle, Show, grouped, sides};
use crate::{Error, Result, Schedule};
use std::fmt;
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// The least uncertainty of a known number, against the noise or the data's unit, whichever is less: its root is the deviation
/// of the measurement that the linear system allows for, and keeps it solvable where the model is certain.
const LEAST: f64 = 1e-6;

/// A denoiser that knows some elements of the sample, H x_0 = y, and makes up the rest to suit:
///
/// x_0 + C H^T (H C H^T)^-1 (y - H x_0), with the covariance C of x_0 given x_t, which by Tweedie's formula is
/// (sigma^2/alpha) d x_0/d x_t.
///
/// That is the mean of x_0 given x_t and y if x_0 given x_t were Gaussian: exact for Gaussian data, and for other data nearly so
/// with little noise. Any model and any sampler will do. The linear system is solved by conjugate gradients, an iteration for each
/// pass backwards through the model; C is never held. Known elements of the answer are y itself.
///
/// At alpha = 0, where C would be 0/0, and where the model is certain (C = 0) the rest is the model's own. Its answer has no
/// gradient.
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
#[derive(Clone)]
pub struct Inpaint {
    inner: Rc<dyn Denoiser>,
    /// True where an element is known: 1 x the shape of a sample.
    mask: Rc<Tensor>,
    /// What is known of it, and 0 elsewhere: float64.
    known: Rc<Tensor>,
    iterations: usize,
}

impl Inpaint {
    /// `mask` is true (or not 0) where `image` is known; both are of the shape of a sample. What `image` holds elsewhere does
    /// not matter.
    ///
    /// # Errors
    /// Another shape; a mask that knows nothing; known elements that are not finite.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let covariance = Tensor::from_slice(&[1.0, 0.9, 0.9, 1.0]).view([2, 2]);
    /// let model = Gaussian::new(&Tensor::from_slice(&[0.0, 0.0]), &covariance, &Schedule::cosine(1_000)?)?;
    /// let (mask, image) = (Tensor::from_slice(&[true, false]), Tensor::from_slice(&[2.0, f64::NAN]));
    /// let found = Sampler::ddim(50).clip(false).count(500).sample(&Inpaint::new(&model, &mask, &image)?)?.images();
    /// assert!((found.select(1, 1).mean(Kind::Double).double_value(&[]) - 1.8).abs() < 0.1); // 0.9 of the known 2
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn new(model: &(impl Denoiser + Clone + 'static), mask: &Tensor, image: &Tensor) -> Result<Self> {
        let shape = model.sample_shape();
        for (name, x) in [("mask", mask), ("image", image)] {
            if x.size() != shape {
                let rule = format!("of the shape of a sample, {}", sides(&shape));
                return Err(Error::argument(name, format!("{:?}", x.size()), rule));
            }
        }
        let mask = mask.f_to_device(model.device())?.f_to_kind(Kind::Bool)?.f_unsqueeze(0)?;
        if count(&mask)? == 0 {
            return Err(Error::argument("mask", "0 known", "at least 1 element is known"));
        }
        let image = image.f_to_device(model.device())?.f_to_kind(Kind::Double)?.f_detach()?.f_unsqueeze(0)?;
        let known = image.f_masked_fill(&mask.f_logical_not()?, 0.0)?;
        let largest = known.f_abs()?.f_max()?.f_double_value(&[])?;
        if !largest.is_finite() {
            return Err(Error::argument("image", largest, "known elements are finite"));
        }
        Ok(Self { inner: Rc::new(model.clone()), mask: Rc::new(mask), known: Rc::new(known), iterations: 5 })
    }

    /// Iterations of conjugate gradients (default 5). As many as there are known elements solve the system whole; a few come
    /// near.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::cosine(100)?)?;
    /// let (mask, image) = (Tensor::from_slice(&[true, false]), Tensor::from_slice(&[2.0, 0.0]));
    /// let inpaint = Inpaint::new(&model, &mask, &image)?.iterations(1); // for one known number
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn iterations(&self, iterations: usize) -> Self {
        Self { iterations, ..self.clone() }
    }

    /// C H^T (H C H^T + `least`)^-1 `residual`: N x the shape, from a residual that is 0 where nothing is known.
    fn correction(&self, jacobian: &Jacobian, variance: f64, residual: &Tensor) -> Result<Tensor> {
        let least = LEAST * variance.min(1.0);
        let covariance = |v: &Tensor| -> Result<Tensor> { Ok(jacobian.transposed(v)?.f_mul_scalar(variance)?) };
        let known = self.mask.f_to_kind(residual.f_kind()?)?;
        let mut rest = residual.shallow_clone();
        let mut direction = residual.shallow_clone();
        let mut solution = residual.f_zeros_like()?;
        let mut square = dot(&rest, &rest)?;
        for _ in 0..self.iterations {
            let image = covariance(&direction)?.f_mul(&known)?.f_add(&direction.f_mul_scalar(least)?)?;
            // A network's C may have a negative direction: it is taken for one without variance.
            let floor = dot(&direction, &direction)?.f_mul_scalar(least)?.f_clamp_min(f64::MIN_POSITIVE)?;
            let length = square.f_div(&dot(&direction, &image)?.f_maximum(&floor)?)?;
            solution = solution.f_add(&length.f_mul(&direction)?)?;
            rest = rest.f_sub(&length.f_mul(&image)?)?;
            let next = dot(&rest, &rest)?;
            let turn = next.f_div(&square.f_clamp_min(f64::MIN_POSITIVE)?)?;
            direction = rest.f_add(&turn.f_mul(&direction)?)?;
            square = next;
        }
        covariance(&solution)
    }
}

/// The products of samples with one another: N x 1 x ... 1.
fn dot(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let dims: Vec<i64> = (1..a.dim() as i64).collect();
    Ok(a.f_mul(b)?.f_sum_dim_intlist(&dims[..], true, a.f_kind()?)?)
}

fn count(mask: &Tensor) -> Result<i64> {
    Ok(mask.f_sum(Kind::Int64)?.f_int64_value(&[])?)
}

impl Denoiser for Inpaint {
    fn denoise(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor> {
        check_samples("xt", xt, &self.sample_shape())?;
        if self.iterations == 0 {
            return Err(Error::argument("iterations", 0, "take at least 1"));
        }
        if xt.requires_grad() {
            return Err(Error::argument("xt", "with a gradient", "what inpainting makes up has no gradient"));
        }
        let (alpha, sigma) = (self.schedule().alpha(t), self.schedule().sigma(t));
        let (kind, xt) = (xt.f_kind()?, xt.f_to_device(self.device())?.f_to_kind(Kind::Double)?);
        let x0 = if alpha == 0.0 {
            self.inner.denoise(&xt, t, labels)?
        } else {
            let jacobian = Jacobian::at(&*self.inner, &xt, t, labels)?;
            let x0 = jacobian.x0()?;
            let residual = self.known.f_sub(&x0)?.f_mul(&self.mask)?;
            x0.f_add(&self.correction(&jacobian, sigma * sigma / alpha, &residual)?)?
        };
        Ok(x0.f_where_self(&self.mask.f_logical_not()?, &self.known)?.f_to_kind(kind)?)
    }

    fn starts(&self, count: usize, seed: u64) -> Result<Option<Tensor>> {
        match self.inner.starts(count, seed)? {
            Some(_) => Err(Error::argument("model", "a bridge", "inpainting takes noise for Gaussian")),
            None => Ok(None),
        }
    }

    fn schedule(&self) -> &Schedule {
        self.inner.schedule()
    }

    fn sample_shape(&self) -> Vec<i64> {
        self.inner.sample_shape()
    }

    fn classes(&self) -> Option<i64> {
        self.inner.classes()
    }

    fn device(&self) -> Device {
        self.inner.device()
    }
}

impl fmt::Debug for Inpaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = count(&self.mask).unwrap_or(0);
        let (known, all) = (grouped(known as usize), grouped(self.mask.numel()));
        write!(f, "inpainting: {known} of {all} elements known, {} iterations", self.iterations)
    }
}

impl Show for Inpaint {
    fn bundle(&self) -> Result<Bundle> {
        Ok(Bundle::text(format!("{self:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dataset, Diffusion, Gaussian, Ideal, Prediction, Sampler, UNet};

    const MEAN: [f64; 3] = [0.2, -0.1, 0.3];
    const COVARIANCE: [f64; 9] = [0.25, 0.15, 0.05, 0.15, 0.36, 0.1, 0.05, 0.1, 0.16];

    fn correlated(schedule: &Schedule) -> Gaussian {
        let covariance = Tensor::from_slice(&COVARIANCE).view([3, 3]);
        Gaussian::new(&Tensor::from_slice(&MEAN), &covariance, schedule).unwrap()
    }

    fn known(model: &Gaussian, values: [f64; 3]) -> Inpaint {
        let image = Tensor::from_slice(&values);
        Inpaint::new(model, &image.isfinite(), &image).unwrap()
    }

    fn largest(x: Tensor) -> f64 {
        x.abs().max().double_value(&[])
    }

    /// E[x_0 | x_t, y] by conditioning the joint Gaussian of x_0 and (y, x_t), with one known element and with two.
    #[test]
    fn of_a_gaussian_it_is_the_conditional_mean() {
        let (mean, covariance) = (Tensor::from_slice(&MEAN), Tensor::from_slice(&COVARIANCE).view([3, 3]));
        for schedule in [Schedule::linear(100), Schedule::edm(100), Schedule::flow(100)].map(Result::unwrap) {
            let model = correlated(&schedule);
            for (values, indices) in [([0.7, f64::NAN, f64::NAN], vec![0i64]), ([0.7, f64::NAN, -0.5], vec![0, 2])] {
                let inpaint = known(&model, values);
                let picked = Tensor::eye(3, (Kind::Double, Device::Cpu)).index_select(0, &Tensor::from_slice(&indices));
                let y: Vec<f64> = indices.iter().map(|&index| values[index as usize]).collect();
                for t in [0.01, 0.5, 0.97] {
                    let (alpha, sigma) = (schedule.alpha(t), schedule.sigma(t));
                    let xt = Tensor::from_slice(&[0.5, -0.3, 1.0, -2.0, 0.4, 0.1]).view([2, 3]);
                    let measure = Tensor::cat(&[&picked, &(Tensor::eye(3, (Kind::Double, Device::Cpu)) * alpha)], 0);
                    let seen = Tensor::cat(
                        &[Tensor::from_slice(&y).expand([2, y.len() as i64], false), xt.shallow_clone()],
                        1,
                    );
                    let noise = Tensor::cat(
                        &[
                            Tensor::zeros([indices.len() as i64], (Kind::Double, Device::Cpu)),
                            Tensor::full([3], sigma * sigma, (Kind::Double, Device::Cpu)),
                        ],
                        0,
                    );
                    let spread = measure.matmul(&covariance).matmul(&measure.transpose(0, 1)) + noise.diag(0);
                    let gain = covariance.matmul(&measure.transpose(0, 1)).matmul(&spread.inverse());
                    let away = seen - measure.matmul(&mean);
                    let expected = away.matmul(&gain.transpose(0, 1)) + &mean;
                    let said = tch::no_grad(|| inpaint.denoise(&xt, t, None)).unwrap();
                    let error = largest(said - expected);
                    assert!(error < 1e-5, "{schedule:?} {values:?} {t}: {error}");
                }
            }
        }
    }

    /// Nothing left of the image, or a model that is certain of another: finite, and y where it is known.
    #[test]
    fn it_stays_finite() {
        let flow = known(&correlated(&Schedule::flow(10).unwrap()), [0.7, f64::NAN, f64::NAN]);
        let xt = Tensor::from_slice(&[0.5f32, -0.3, 1.0]).view([1, 3]);
        let said = flow.denoise(&xt, 1.0, None).unwrap();
        assert!(largest(said - Tensor::from_slice(&[0.7f32, -0.1, 0.3])) < 1e-6);
        let points =
            Dataset::new("points", &Tensor::from_slice(&[1.0, 0.0, 0.0, 1.0]).view([2, 2]), None, &[]).unwrap();
        let ideal = Ideal::new(&points, &Schedule::edm(10).unwrap()).unwrap();
        let image = Tensor::from_slice(&[5.0, 0.0]);
        let certain = Inpaint::new(&ideal, &Tensor::from_slice(&[1i64, 0]), &image).unwrap();
        let said = certain.denoise(&Tensor::from_slice(&[0.99, 0.01]).view([1, 2]), 0.1, None).unwrap();
        assert!(largest(said - Tensor::from_slice(&[5.0, 0.0])) < 1e-6);
    }

    /// Passes backwards through a float32 network, while sampling has gradients off.
    #[test]
    fn a_network_keeps_what_is_known() {
        let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).blocks(1).build();
        let model = Diffusion::new(&unet.unwrap(), &Schedule::cosine(10).unwrap(), Prediction::V).unwrap();
        let (digits, mask) = (Dataset::digits().unwrap(), Tensor::ones([1, 8, 8], (Kind::Float, Device::Cpu)).tril(0));
        let inpaint = Inpaint::new(&model, &mask, &digits.image(3).unwrap()).unwrap();
        let images = Sampler::ddim(3).count(2).sample(&inpaint).unwrap().images();
        assert!(largest((&images - digits.image(3).unwrap()) * &mask) < 1e-6);
        assert!(images.isfinite().all().int64_value(&[]) == 1 && largest(images.get(0) - images.get(1)) > 1e-3);
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let model = correlated(&Schedule::cosine(10).unwrap());
        let (mask, image) = (Tensor::from_slice(&[true, false, false]), Tensor::from_slice(&[0.7, 0.0, 0.0]));
        let said = |mask: &Tensor, image: &Tensor| Inpaint::new(&model, mask, image).unwrap_err().to_string();
        assert_eq!(said(&mask.view([1, 3]), &image), "mask = [1, 3]: of the shape of a sample, 3");
        assert_eq!(said(&mask, &image.narrow(0, 0, 2)), "image = [2]: of the shape of a sample, 3");
        assert_eq!(said(&mask.zeros_like(), &image), "mask = 0 known: at least 1 element is known");
        assert_eq!(said(&mask, &(&image / 0.0)), "image = inf: known elements are finite");
        let inpaint = Inpaint::new(&model, &mask, &image).unwrap();
        assert_eq!(format!("{inpaint:?}"), "inpainting: 1 of 3 elements known, 5 iterations");
        let xt = Tensor::zeros([1, 3], (Kind::Double, Device::Cpu));
        let none = inpaint.clone().iterations(0).denoise(&xt, 0.5, None).unwrap_err().to_string();
        assert_eq!(none, "iterations = 0: take at least 1");
        let gradient = inpaint.denoise(&xt.set_requires_grad(true), 0.5, None).unwrap_err().to_string();
        assert_eq!(gradient, "xt = with a gradient: what inpainting makes up has no gradient");
    }
}
