//! Restoring by moment matching: Rozet et al. 2024, "Learning Diffusion Priors from Observations by Expectation Maximization"
//! (MMPS); and by projection: Wang et al. 2022, "Zero-Shot Image Restoration Using Denoising Diffusion Null-Space Model" (DDNM).

use super::measurement::Measurement;
use crate::denoiser::{Denoiser, Jacobian, check_noise, check_samples};
use crate::show::{Bundle, Show, sides};
use crate::{Error, Result, Schedule};
use std::fmt;
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

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
mod tests {
    use super::*;
    use crate::{Dataset, Diffusion, Gaussian, Ideal, Prediction, Sampler, UNet};

    const MEAN: [f64; 3] = [0.2, -0.1, 0.3];
    const COVARIANCE: [f64; 9] = [0.25, 0.15, 0.05, 0.15, 0.36, 0.1, 0.05, 0.1, 0.16];

    fn correlated(schedule: &Schedule) -> Gaussian {
        let covariance = Tensor::from_slice(&COVARIANCE).view([3, 3]);
        Gaussian::new(&Tensor::from_slice(&MEAN), &covariance, schedule).unwrap()
    }

    fn known(model: &Gaussian, values: [f64; 3]) -> Restore {
        let image = Tensor::from_slice(&values);
        Restore::new(model, &image.isfinite(), &image).unwrap()
    }

    fn largest(x: Tensor) -> f64 {
        x.abs().max().double_value(&[])
    }

    /// Predicted x_0 = M x_t, which no data has: M has a negative direction.
    #[derive(Clone)]
    struct Crooked(Schedule);

    impl Denoiser for Crooked {
        fn denoise(&self, xt: &Tensor, _: f64, _: Option<&Tensor>) -> Result<Tensor> {
            let matrix = Tensor::from_slice(&[0.5, 0.0, 0.2, 0.0, -0.5, 0.8, 0.2, 0.8, 0.3]).view([3, 3]);
            Ok(xt.f_matmul(&matrix.f_to_kind(xt.f_kind()?)?)?)
        }

        fn schedule(&self) -> &Schedule {
            &self.0
        }

        fn sample_shape(&self) -> Vec<i64> {
            vec![3]
        }

        fn classes(&self) -> Option<i64> {
            None
        }

        fn device(&self) -> Device {
            Device::Cpu
        }
    }

    /// A network's derivative is none of a covariance. Along a negative direction the system has no solution to go to.
    #[test]
    fn a_derivative_that_is_no_covariance_leads_nowhere_far() {
        let model = Crooked(Schedule::cosine(100).unwrap());
        let image = Tensor::from_slice(&[0.3, 0.9, f64::NAN]);
        let xt = Tensor::from_slice(&[0.1, 0.2, -0.4, 0.0, -1.0, 0.5]).view([2, 3]);
        for iterations in [1, 3, 5, 20] {
            let restore = Restore::new(&model, &image.isfinite(), &image).unwrap().iterations(iterations);
            let x0 = restore.denoise(&xt, 0.5, None).unwrap();
            assert!(largest(x0.shallow_clone()) < 10.0, "{iterations}: {x0:?}");
            assert!(largest(x0.narrow(1, 0, 2) - image.narrow(0, 0, 2)) < 1e-12);
        }
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
        let certain = Restore::new(&ideal, &Tensor::from_slice(&[1i64, 0]), &image).unwrap();
        let said = certain.denoise(&Tensor::from_slice(&[0.99, 0.01]).view([1, 2]), 0.1, None).unwrap();
        assert!(largest(said - Tensor::from_slice(&[5.0, 0.0])) < 1e-6);
    }

    /// Passes backwards through a float32 network, while sampling has gradients off.
    #[test]
    fn a_network_keeps_what_is_known() {
        let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).blocks(1).build();
        let model = Diffusion::new(&unet.unwrap(), &Schedule::cosine(10).unwrap(), Prediction::V).unwrap();
        let (digits, mask) = (Dataset::digits().unwrap(), Tensor::ones([1, 8, 8], (Kind::Float, Device::Cpu)).tril(0));
        let inpaint = Restore::new(&model, &mask, &digits.image(3).unwrap()).unwrap();
        let images = Sampler::ddim(3).count(2).sample(&inpaint).unwrap().images();
        assert!(largest((&images - digits.image(3).unwrap()) * &mask) < 1e-6);
        assert!(images.isfinite().all().int64_value(&[]) == 1 && largest(images.get(0) - images.get(1)) > 1e-3);
    }

    /// Grey and super-resolution of images whose pixels are correlated: the mean of x_0 given x_t and y, by conditioning the
    /// joint Gaussian, with as many iterations as there are known numbers.
    #[test]
    fn of_gaussian_images_it_is_the_conditional_mean() {
        let options = (Kind::Double, Device::Cpu);
        let root = (Tensor::arange(64, options) * 1.7).sin().view([8, 8]);
        let covariance = root.matmul(&root.transpose(0, 1)) * 0.05 + Tensor::eye(8, options) * 0.1;
        let mean = (Tensor::arange(8, options) * 0.9).cos().view([2, 2, 2]) * 0.3;
        let image = (Tensor::arange(8, options) * 2.3).sin().view([2, 2, 2]);
        // Rows of A: the two channels of each pixel; the four pixels of each channel.
        let eye = |size| Tensor::eye(size, options);
        let (pixels, channels) =
            (Tensor::cat(&[eye(4), eye(4)], 1) / 2.0, eye(2).repeat_interleave_self_int(4, 1, None) / 4.0);
        for (measurement, a, known) in [(Measurement::grey(), pixels, 4), (Measurement::downsample(2), channels, 2)] {
            for schedule in [Schedule::linear(100), Schedule::edm(100)].map(Result::unwrap) {
                let model = Gaussian::new(&mean, &covariance, &schedule).unwrap();
                let restore = Restore::new(&model, &measurement, &image).unwrap().iterations(known);
                for t in [0.05, 0.5, 0.95] {
                    let (alpha, sigma) = (schedule.alpha(t), schedule.sigma(t));
                    let xt = (Tensor::arange(16, options) * 3.1).cos().view([2, 2, 2, 2]) * (alpha + sigma);
                    let measure = Tensor::cat(&[a.shallow_clone(), eye(8) * alpha], 0);
                    let y = a.matmul(&image.view([8, 1])).view([1, -1]).expand([2, a.size()[0]], false);
                    let seen = Tensor::cat(&[y, xt.view([2, 8])], 1);
                    let noise = Tensor::cat(
                        &[Tensor::zeros([a.size()[0]], options), Tensor::full([8], sigma * sigma, options)],
                        0,
                    );
                    let spread = measure.matmul(&covariance).matmul(&measure.transpose(0, 1)) + noise.diag(0);
                    let gain = covariance.matmul(&measure.transpose(0, 1)).matmul(&spread.inverse());
                    let away = seen - measure.matmul(&mean.view([8, 1])).view([1, -1]);
                    let expected = away.matmul(&gain.transpose(0, 1)) + mean.view([1, 8]);
                    let error = largest(restore.denoise(&xt, t, None).unwrap().view([2, 8]) - expected);
                    assert!(error < 1e-4, "{measurement:?} {schedule:?} {t}: {error}");
                }
            }
        }
    }

    /// By projection what is known is y exactly and the rest is the model's; of independent pixels that is the conditional
    /// mean, whatever the measurement.
    #[test]
    fn a_projection_keeps_what_is_known_and_the_rest_of_the_model() {
        let schedule = Schedule::cosine(100).unwrap();
        let model = Gaussian::isotropic(0.2, 0.5, [3, 4, 4], &schedule).unwrap();
        let (xt, image) = (model.sample(2, 1).unwrap().to_kind(Kind::Double), model.sample(1, 2).unwrap().get(0));
        for measurement in [Measurement::grey(), Measurement::downsample(2), Measurement::downsample(4)] {
            let restore = Restore::new(&model, &measurement, &image).unwrap();
            let (said, own) =
                (restore.iterations(0).denoise(&xt, 0.5, None).unwrap(), model.denoise(&xt, 0.5, None).unwrap());
            let left = |x: &Tensor| measurement.apply(x).unwrap();
            assert!(largest(left(&said) - left(&image)) < 1e-7);
            assert!(largest((&said - left(&said)) - (&own - left(&own))) < 1e-12);
            assert!(largest(restore.denoise(&xt, 0.5, None).unwrap() - &said) < 1e-6);
            let samples = Sampler::ddim(5).clip(false).count(2).sample(&restore.iterations(0)).unwrap().images();
            assert!(largest(left(&samples) - left(&image)) < 1e-6);
        }
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let model = correlated(&Schedule::cosine(10).unwrap());
        let (mask, image) = (Tensor::from_slice(&[true, false, false]), Tensor::from_slice(&[0.7, 0.0, 0.0]));
        let said = |mask: &Tensor, image: &Tensor| Restore::new(&model, mask, image).unwrap_err().to_string();
        assert_eq!(said(&mask.view([1, 3]), &image), "mask = [1, 3]: of the shape of a sample, 3");
        assert_eq!(said(&mask, &image.narrow(0, 0, 2)), "image = [2]: of the shape of a sample, 3");
        assert_eq!(said(&mask.zeros_like(), &image), "mask = 0 known: at least 1 element is known");
        assert_eq!(said(&mask, &(&image / 0.0)), "image = inf: known elements are finite");
        let inpaint = Restore::new(&model, &mask, &image).unwrap();
        assert_eq!(format!("{inpaint:?}"), "inpainting: 1 of 3 elements known, 5 iterations");
        let xt = Tensor::zeros([1, 3], (Kind::Double, Device::Cpu));
        let two = Restore::new(&model, &mask, &Tensor::stack(&[&image, &image], 0)).unwrap();
        let count = two.denoise(&xt, 0.5, None).unwrap_err().to_string();
        assert_eq!(count, "count = 1: there are 2 images to restore: draw one sample for each");
        assert_eq!(format!("{:?}", two.iterations(0)), "inpainting: 1 of 3 elements known, by projection");
        let digits = Dataset::digits().unwrap();
        let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).blocks(1).build();
        let bridge = Diffusion::new(&unet.unwrap(), &Schedule::flow(10).unwrap(), Prediction::Flow).unwrap();
        let bridge = bridge.source(&digits);
        let whole = Tensor::ones([1, 8, 8], (Kind::Bool, Device::Cpu));
        let restore = Restore::new(&bridge, &whole, &digits.image(0).unwrap()).unwrap();
        let refused = Sampler::ddim(2).sample(&restore).unwrap_err().to_string();
        let rule = "the covariance is that of Gaussian noise, and this model leads from one data set to another";
        assert_eq!(refused, format!("model = a bridge: {rule}"));
        let gradient = inpaint.denoise(&xt.set_requires_grad(true), 0.5, None).unwrap_err().to_string();
        assert_eq!(gradient, "xt = with a gradient: what is made up has no gradient");
    }
}
