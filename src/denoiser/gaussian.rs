//! The denoiser of Gaussian data: everything about it is a formula.

use super::figure::{density_chart, density_times};
use super::{Denoiser, check_samples, check_time};
use crate::random::{Stream, check_count, generator, normal};
use crate::show::{Bundle, Show, digits, sides};
use crate::{Error, Result, Schedule};
use std::f64::consts::PI;
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// The exact denoiser of N(mu, S): E[x_0 | x_t] = mu + alpha S (alpha^2 S + sigma^2 I)^-1 (x_t - alpha mu).
///
/// Noised samples are N(alpha mu, alpha^2 S + sigma^2 I). S is taken apart once, S = U diag(l) U^T, and along each axis of U
/// noise meets a variance l of its own. All is float64 inside; answers are of the kind of x_t. A clone is cheap. As the
/// value of a cell it says what it is of, and for single numbers draws the density of x_t.
///
/// ```
/// use noisebook::prelude::*;
/// let covariance = Tensor::from_slice(&[1.0, 0.8, 0.8, 1.0]).view([2, 2]);
/// let model = Gaussian::new(&Tensor::from_slice(&[0.0, 2.0]), &covariance, &Schedule::cosine(1_000)?)?;
/// let samples = Sampler::ddim(50).clip(false).count(1_000).sample(&model)?.images();
/// assert!((samples.std_dim(&[0i64][..], true, false) - 1.0).abs().max().double_value(&[]) < 0.1);
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Gaussian {
    parts: Rc<Parts>,
}

#[derive(Debug)]
struct Parts {
    /// D numbers.
    mean: Tensor,
    /// The covariance's eigenvalues: D, or 1 where all are equal.
    variances: Tensor,
    /// Its eigenvectors, D x D, a column each; None where it is isotropic.
    axes: Option<Tensor>,
    shape: Vec<i64>,
    schedule: Schedule,
}

impl Gaussian {
    /// Gaussian data with this mean (of a sample's shape, D numbers in all) and covariance (D x D).
    ///
    /// # Errors
    /// A covariance of another size, that is not symmetric, or that has a negative eigenvalue (0 is allowed); numbers that
    /// are not finite.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let mean = Tensor::zeros([1, 8, 8], (Kind::Float, Device::Cpu));
    /// let model = Gaussian::new(&mean, &(Tensor::eye(64, (Kind::Float, Device::Cpu)) / 4.0), &Schedule::cosine(100)?)?;
    /// assert_eq!(model.sample_shape(), [1, 8, 8]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn new(mean: &Tensor, covariance: &Tensor, schedule: &Schedule) -> Result<Self> {
        let double = |x: &Tensor| x.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?.f_detach();
        let (shape, mean, covariance) = (mean.size(), double(mean)?.f_reshape([-1])?, double(covariance)?);
        let size = mean.size()[0];
        if shape.is_empty() || size == 0 {
            return Err(Error::argument(
                "mean",
                format!("{shape:?}"),
                "a mean has the shape of a sample: [D] or C x H x W",
            ));
        }
        if covariance.size() != [size, size] {
            let rule = format!("for {size} numbers it is {size} x {size}");
            return Err(Error::argument("covariance", format!("{:?}", covariance.size()), rule));
        }
        for (name, x) in [("mean", &mean), ("covariance", &covariance)] {
            let largest = x.f_abs()?.f_max()?.f_double_value(&[])?;
            if !largest.is_finite() {
                return Err(Error::argument(name, largest, "all its numbers are finite"));
            }
        }
        let largest = covariance.f_abs()?.f_max()?.f_double_value(&[])?;
        let transposed = covariance.f_transpose(0, 1)?;
        // float32 covariances are symmetric, and without negative eigenvalues, to their rounding.
        let slack = 1e-5 * largest;
        let skew = covariance.f_sub(&transposed)?.f_abs()?.f_max()?.f_double_value(&[])?;
        if skew > slack {
            return Err(Error::argument("covariance", format!("uneven by {skew}"), "a covariance is symmetric"));
        }
        let (variances, axes) = covariance.f_add(&transposed)?.f_mul_scalar(0.5)?.f_linalg_eigh("L")?;
        let least = variances.f_min()?.f_double_value(&[])?;
        if least < -slack {
            let value = format!("an eigenvalue of {least}");
            return Err(Error::argument("covariance", value, "no direction has a negative variance"));
        }
        let variances = variances.f_clamp_min(0.0)?;
        let parts = Parts { mean, variances, axes: Some(axes), shape, schedule: schedule.clone() };
        Ok(Self { parts: Rc::new(parts) })
    }

    /// Numbers that are each N(mean, std^2), independent of one another: samples of any shape.
    ///
    /// # Errors
    /// A mean that is not finite, a negative deviation, a shape without numbers.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let grain = Gaussian::isotropic(0.0, 0.5, [1, 16, 16], &Schedule::linear(1_000)?)?;
    /// let point = Gaussian::isotropic(2.0, 0.3, [1], &Schedule::edm(100)?)?; // a single number
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn isotropic(mean: f64, std: f64, shape: impl Into<Vec<i64>>, schedule: &Schedule) -> Result<Self> {
        let shape: Vec<i64> = shape.into();
        if !mean.is_finite() {
            return Err(Error::argument("mean", mean, "must be a finite number"));
        }
        if !(std.is_finite() && std >= 0.0) {
            return Err(Error::argument("std", std, "a standard deviation is a number from 0 up"));
        }
        if shape.is_empty() || shape.iter().any(|&side| side < 1) {
            return Err(Error::argument(
                "shape",
                format!("{shape:?}"),
                "of a sample: [D] or [C, H, W], each at least 1",
            ));
        }
        let size: i64 = shape.iter().product();
        let parts = Parts {
            mean: Tensor::f_full([size], mean, (Kind::Double, Device::Cpu))?,
            variances: Tensor::f_from_slice(&[std * std])?,
            axes: None,
            shape,
            schedule: schedule.clone(),
        };
        Ok(Self { parts: Rc::new(parts) })
    }

    /// ln p_t(x_t), the log-density of N(alpha mu, alpha^2 S + sigma^2 I) in nats, for t in [0, 1]: N numbers. Labels are
    /// not known to it.
    ///
    /// # Errors
    /// Samples of another shape; t outside [0, 1]; t = 0 where a direction has no variance.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let model = Gaussian::isotropic(0.0, 1.0, [1], &Schedule::cosine(100)?)?;
    /// let at_0 = model.log_density(&Tensor::from_slice(&[0.0]).view([1, 1]), 0.0)?.double_value(&[0]);
    /// assert!((at_0 + 0.918_938_5).abs() < 1e-7); // -ln(2 pi)/2
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn log_density(&self, xt: &Tensor, t: f64) -> Result<Tensor> {
        let parts = &*self.parts;
        let least = parts.variances.f_min()?.f_double_value(&[])?;
        check_density_time(t, least > 0.0)?;
        let (alpha, sigma) = (parts.schedule.alpha(t), parts.schedule.sigma(t));
        let along = parts.along_axes(xt, alpha)?;
        let noised = parts
            .variances
            .f_mul_scalar(alpha * alpha)?
            .f_add_scalar(sigma * sigma)?
            .f_expand([along.size()[1]], false)?;
        let scale = noised.f_mul_scalar(2.0 * PI)?.f_log()?.f_sum(Kind::Double)?;
        let squares = along.f_square()?.f_div(&noised)?.f_sum_dim_intlist(&[1i64][..], false, Kind::Double)?;
        Ok(squares.f_add(&scale)?.f_mul_scalar(-0.5)?.f_to_kind(xt.f_kind()?)?)
    }

    /// Draws of the truth: `count` x the shape of a sample, float32. The first do not depend on how many follow.
    ///
    /// # Errors
    /// 0 draws, or more than 10,000,000.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let truth = Gaussian::isotropic(2.0, 0.5, [2], &Schedule::cosine(100)?)?.sample(1_000, 0)?;
    /// assert!((truth.mean(Kind::Double).double_value(&[]) - 2.0).abs() < 0.05);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn sample(&self, count: usize, seed: u64) -> Result<Tensor> {
        let parts = &*self.parts;
        check_count("count", count)?;
        let shape: Vec<i64> = [count as i64].iter().chain(&parts.shape).copied().collect();
        let z = normal(&mut generator(seed, Stream::Truth, 0), &shape, Device::Cpu)?.f_to_kind(Kind::Double)?;
        let along = z.f_flatten(1, -1)?.f_mul(&parts.variances.f_sqrt()?)?;
        let x = parts.to_sample(&along)?.f_add(&parts.mean)?;
        Ok(x.f_view(shape.as_slice())?.f_to_kind(Kind::Float)?)
    }
}

impl Parts {
    /// x_t - alpha mu along the axes: N x D, float64.
    fn along_axes(&self, xt: &Tensor, alpha: f64) -> Result<Tensor> {
        check_samples("xt", xt, &self.shape)?;
        let x = xt.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?.f_flatten(1, -1)?;
        let x = x.f_sub(&self.mean.f_mul_scalar(alpha)?)?;
        Ok(match &self.axes {
            Some(axes) => x.f_matmul(axes)?,
            None => x,
        })
    }

    fn to_sample(&self, along: &Tensor) -> Result<Tensor> {
        Ok(match &self.axes {
            Some(axes) => along.f_matmul(&axes.f_transpose(0, 1)?)?,
            None => along.shallow_clone(),
        })
    }
}

impl Denoiser for Gaussian {
    fn denoise(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor> {
        check_time(t)?;
        let parts = &*self.parts;
        if let Some(labels) = labels {
            crate::labels::check(labels, xt.size().first().copied().unwrap_or(0), 0)?;
        }
        let (alpha, sigma) = (parts.schedule.alpha(t), parts.schedule.sigma(t));
        let noised = parts.variances.f_mul_scalar(alpha * alpha)?.f_add_scalar(sigma * sigma)?;
        let gain = parts.variances.f_div(&noised)?.f_mul_scalar(alpha)?;
        let x0 = parts.to_sample(&parts.along_axes(xt, alpha)?.f_mul(&gain)?)?.f_add(&parts.mean)?;
        Ok(x0.f_view_as(xt)?.f_to_kind(xt.f_kind()?)?)
    }

    fn schedule(&self) -> &Schedule {
        &self.parts.schedule
    }

    fn sample_shape(&self) -> Vec<i64> {
        self.parts.shape.clone()
    }

    fn classes(&self) -> Option<i64> {
        None
    }

    fn device(&self) -> Device {
        Device::Cpu
    }
}

impl Show for Gaussian {
    fn bundle(&self) -> Result<Bundle> {
        let parts = &*self.parts;
        let of = |x: &Tensor| -> Result<String> {
            let (low, high) = (x.f_min()?.f_double_value(&[])?, x.f_max()?.f_double_value(&[])?);
            Ok(if low == high { digits(low) } else { format!("{} to {}", digits(low), digits(high)) })
        };
        let (means, stds) = (of(&parts.mean)?, parts.variances.f_sqrt()?);
        let title = format!(
            "Gaussian samples of {}: means {means}, deviations along its axes {}; {} schedule",
            sides(&parts.shape),
            of(&stds)?,
            parts.schedule.name()
        );
        if parts.shape != [1] {
            return Ok(Bundle::text(title));
        }
        let (mean, std) = (parts.mean.f_double_value(&[0])?, stds.f_double_value(&[0])?);
        let times = density_times(&parts.schedule, std > 0.0);
        let range = (mean - 4.0 * std, mean + 4.0 * std);
        density_chart(title, &parts.schedule, range, &times, &|x, t| self.log_density(x, t))?.bundle()
    }
}

/// The rule for times of a density: at 0 there has to be one.
pub(super) fn check_density_time(t: f64, at_zero: bool) -> Result<()> {
    if !(0.0..=1.0).contains(&t) {
        return Err(Error::argument("t", t, "time runs from 0 (data) to 1 (noise)"));
    }
    if t == 0.0 && !at_zero {
        return Err(Error::argument("t", t, "without noise this has no density: some direction has no variance"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn correlated(schedule: &Schedule) -> Gaussian {
        let covariance = Tensor::from_slice(&[2.0, 0.6, -0.3, 0.6, 1.0, 0.2, -0.3, 0.2, 0.5]).view([3, 3]);
        Gaussian::new(&Tensor::from_slice(&[1.0, -2.0, 0.5]), &covariance, schedule).unwrap()
    }

    /// The score is the gradient of the log-density, here by autograd; the log-density is its definition, with libtorch's
    /// inverse and determinant.
    #[test]
    fn score_and_density_agree() {
        for schedule in [Schedule::linear(100), Schedule::edm(100), Schedule::flow(100)].map(Result::unwrap) {
            let model = correlated(&schedule);
            for t in [0.01, 0.4, 1.0] {
                let x = model.sample(5, 3).unwrap().to_kind(Kind::Double).set_requires_grad(true);
                let density = model.log_density(&x, t).unwrap();
                let slope = Tensor::run_backward(&[density.sum(Kind::Double)], &[&x], true, false).remove(0);
                let error = (model.score(&x, t, None).unwrap() - &slope).abs().max() / slope.abs().max();
                assert!(error.double_value(&[]) < 1e-9, "{schedule:?} {t}: {error:?}");
                let (alpha, sigma) = (schedule.alpha(t), schedule.sigma(t));
                let covariance = Tensor::from_slice(&[2.0, 0.6, -0.3, 0.6, 1.0, 0.2, -0.3, 0.2, 0.5]).view([3, 3])
                    * alpha.powi(2)
                    + Tensor::eye(3, (Kind::Double, Device::Cpu)) * sigma.powi(2);
                let away = &x - Tensor::from_slice(&[1.0, -2.0, 0.5]) * alpha;
                let squares = (away.matmul(&covariance.inverse()) * &away).sum_dim_intlist(1, false, Kind::Double);
                let expected = (squares + covariance.logdet() + 3.0 * (2.0 * PI).ln()) * -0.5;
                assert!((density - expected).abs().max().double_value(&[]) < 1e-9);
            }
        }
    }

    #[test]
    fn draws_have_the_mean_and_the_covariance() {
        let x = correlated(&Schedule::cosine(10).unwrap()).sample(40_000, 0).unwrap().to_kind(Kind::Double);
        let mean = x.mean_dim(&[0i64][..], false, Kind::Double);
        assert!((mean - Tensor::from_slice(&[1.0, -2.0, 0.5])).abs().max().double_value(&[]) < 0.03);
        let expected = Tensor::from_slice(&[2.0, 0.6, -0.3, 0.6, 1.0, 0.2, -0.3, 0.2, 0.5]).view([3, 3]);
        // The standard error of a variance of 2 is 2 sqrt(2/40,000) = 0.014.
        assert!(
            (x.transpose(0, 1).cov(1, None::<&Tensor>, None::<&Tensor>) - expected).abs().max().double_value(&[])
                < 0.057
        );
        assert_eq!(
            correlated(&Schedule::cosine(10).unwrap()).sample(3, 0).unwrap().to_kind(Kind::Double),
            x.narrow(0, 0, 3)
        );
    }

    #[test]
    fn it_says_what_it_is_of_and_draws_single_numbers() {
        let schedule = Schedule::cosine(10).unwrap();
        let text = |model: Gaussian| model.bundle().unwrap().plain_text().to_string();
        assert_eq!(
            text(Gaussian::isotropic(0.5, 2.0, [1, 8, 8], &schedule).unwrap()),
            "Gaussian samples of 1 x 8 x 8: means 0.5, deviations along its axes 2; cosine schedule"
        );
        // The density at the mean is 1/(std sqrt(2 pi)).
        let numbers = text(Gaussian::isotropic(0.0, 0.5, [1], &schedule).unwrap());
        assert!(numbers.contains("t = 0: 401 points") && numbers.contains("highest 0.7979"), "{numbers}");
        let ramp = Tensor::from_slice(&[-1.0, 1.0]);
        let wide = Gaussian::new(&ramp, &(ramp.square() * 4.0).diag(0), &schedule).unwrap();
        assert!(text(wide).contains("means -1 to 1, deviations along its axes 2;"));
    }

    #[test]
    fn a_direction_without_variance_has_no_noise_to_keep() {
        let schedule = Schedule::cosine(10).unwrap();
        let line = Tensor::from_slice(&[1.0, 1.0, 1.0, 1.0]).view([2, 2]);
        let model = Gaussian::new(&Tensor::from_slice(&[0.0, 0.0]), &line, &schedule).unwrap();
        let x0 = model.denoise(&Tensor::from_slice(&[1.0, -1.0]).view([1, 2]), 0.5, None).unwrap();
        assert!(x0.abs().max().double_value(&[]) < 1e-12);
        let said = model.log_density(&Tensor::from_slice(&[0.0, 0.0]).view([1, 2]), 0.0).unwrap_err().to_string();
        assert_eq!(said, "t = 0: without noise this has no density: some direction has no variance");
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let schedule = Schedule::cosine(10).unwrap();
        let mean = Tensor::from_slice(&[0.0, 0.0]);
        let said = |covariance: &[f64]| {
            let side = (covariance.len() as f64).sqrt() as i64;
            Gaussian::new(&mean, &Tensor::from_slice(covariance).view([side, side]), &schedule).unwrap_err().to_string()
        };
        assert_eq!(said(&[1.0]), "covariance = [1, 1]: for 2 numbers it is 2 x 2");
        assert_eq!(said(&[1.0, 0.5, 0.0, 1.0]), "covariance = uneven by 0.5: a covariance is symmetric");
        assert_eq!(
            said(&[1.0, 0.0, 0.0, -1.0]),
            "covariance = an eigenvalue of -1: no direction has a negative variance"
        );
        assert_eq!(said(&[1.0, 0.0, 0.0, f64::NAN]), "covariance = NaN: all its numbers are finite");
        let isotropic =
            |mean, std, shape: &[i64]| Gaussian::isotropic(mean, std, shape, &schedule).unwrap_err().to_string();
        assert_eq!(isotropic(f64::INFINITY, 1.0, &[1]), "mean = inf: must be a finite number");
        assert_eq!(isotropic(0.0, -1.0, &[1]), "std = -1: a standard deviation is a number from 0 up");
        assert_eq!(isotropic(0.0, 1.0, &[2, 0]), "shape = [2, 0]: of a sample: [D] or [C, H, W], each at least 1");
        let model = Gaussian::isotropic(0.0, 1.0, [1], &schedule).unwrap();
        assert_eq!(model.sample(0, 0).unwrap_err().to_string(), "count = 0: draw at least 1");
        let most = model.sample(usize::MAX, 0).unwrap_err().to_string();
        assert_eq!(most, format!("count = {}: draw at most 10,000,000", usize::MAX));
        let x = Tensor::zeros([1, 1], (Kind::Double, Device::Cpu));
        assert_eq!(
            model.denoise(&x, 0.5, Some(&Tensor::from_slice(&[0i64]))).unwrap_err().to_string(),
            "label = 0: there are no classes, and -1 is no label"
        );
        assert_eq!(
            model.log_density(&x, 1.5).unwrap_err().to_string(),
            "t = 1.5: time runs from 0 (data) to 1 (noise)"
        );
    }
}
