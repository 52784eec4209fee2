//! The score as a field of arrows, and two of them side by side.

use crate::denoiser::{Denoiser, check_noise, check_time};
use crate::mean::mean;
use crate::random::{Stream, generator, normal};
use crate::{Error, Result, Sampler};
use std::rc::Rc;
use tch::{Device, Kind, Tensor, no_grad_guard};

/// How many samples show where the data is, where nobody says.
const SAMPLES: usize = 400;
const SAMPLER_STEPS: usize = 20;

/// The score of a denoiser of points in the plane at one time: grad ln p_t(x), which points to where noised samples are more
/// likely. As the value of a cell it draws arrows over a region where noised samples lie, and the samples below them.
///
/// ```
/// use noisebook::prelude::*;
/// let model = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::cosine(1_000)?)?;
/// let field = ScoreField::of(&model, 0.5)?;
/// field.show()?;
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone)]
pub struct ScoreField {
    pub(super) denoiser: Rc<dyn Denoiser>,
    pub(super) t: f64,
    /// Noised samples, N x 2, float64, on the CPU.
    pub(super) here: Rc<Tensor>,
}

/// Two score fields at one time; [`ScoreField::compare`] makes one. As the value of a cell it draws both and, beside them, the
/// angle between them.
///
/// ```
/// # use noisebook::prelude::*;
/// # let schedule = Schedule::cosine(100)?;
/// # let narrow = Gaussian::isotropic(0.0, 0.5, [2], &schedule)?;
/// let fields = ScoreField::compare(&narrow, &Gaussian::isotropic(0.0, 1.0, [2], &schedule)?, 0.5)?;
/// fields.show()?;
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FieldComparison {
    pub(super) fields: [ScoreField; 2],
    pub(super) titles: [String; 2],
}

impl ScoreField {
    /// The score of `denoiser` at time `t`, over the region of 400 of its own samples, noised again to that time (DDIM, 20
    /// steps, seed 0). Of a denoiser with classes it is the score without a label.
    ///
    /// # Errors
    /// A denoiser of anything but points of 2 numbers; a bridge between two data sets, whose noise is not Gaussian; t outside (0, 1]; what the denoiser says.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let moons = Ideal::new(&Dataset::moons(500, 0.05)?, &Schedule::cosine(1_000)?)?;
    /// ScoreField::of(&moons, 0.3)?.show()?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn of(denoiser: &(impl Denoiser + Clone + 'static), t: f64) -> Result<Self> {
        check(denoiser, t)?;
        let steps = SAMPLER_STEPS.min(denoiser.schedule().levels());
        let field = Self::with(Rc::new(denoiser.clone()), t)?;
        field.at(&Sampler::ddim(steps).count(SAMPLES).frames(0).live(false).sample(denoiser)?.images())
    }

    fn with(denoiser: Rc<dyn Denoiser>, t: f64) -> Result<Self> {
        let nowhere = Tensor::f_zeros([1, 2], (Kind::Double, Device::Cpu))?;
        Ok(Self { denoiser, t, here: Rc::new(nowhere) })
    }

    /// The same field over the region of these points, N x 2 without noise, which are noised to its time with seed 0.
    ///
    /// # Errors
    /// A tensor that is not N x 2, or holds no points.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let moons = Dataset::moons(500, 0.05)?;
    /// let field = ScoreField::of(&Ideal::new(&moons, &Schedule::cosine(1_000)?)?, 0.3)?.at(&moons.images())?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn at(&self, points: &Tensor) -> Result<Self> {
        if !matches!(points.size()[..], [1..=i64::MAX, 2]) {
            let rule = "points in the plane are a tensor N x 2";
            return Err(Error::argument("points", format!("{:?}", points.size()), rule));
        }
        let points = points.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?;
        let eps =
            normal(&mut generator(0, Stream::Forward, 0), &points.size(), Device::Cpu)?.f_to_kind(Kind::Double)?;
        let (alpha, sigma) = (self.denoiser.schedule().alpha(self.t), self.denoiser.schedule().sigma(self.t));
        let here = points.f_mul_scalar(alpha)?.f_add(&eps.f_mul_scalar(sigma)?)?;
        Ok(Self { denoiser: Rc::clone(&self.denoiser), t: self.t, here: Rc::new(here) })
    }

    /// The score at points x_t, N x 2: float64, on the CPU.
    ///
    /// # Errors
    /// A tensor that is not N x 2; what the denoiser says.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let model = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::cosine(100)?)?; // of x_t too the variance is 1
    /// let x = Tensor::from_slice(&[1.0, -2.0]).view([1, 2]);
    /// assert!(ScoreField::of(&model, 0.5)?.score(&x)?.allclose(&-&x, 1e-9, 1e-9, false));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn score(&self, xt: &Tensor) -> Result<Tensor> {
        let _guard = no_grad_guard();
        let xt = xt.f_to_device(self.denoiser.device())?.f_to_kind(Kind::Double)?;
        let score = self.denoiser.score(&xt, self.t, None)?;
        Ok(score.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?)
    }

    /// The fields of two denoisers at one time, a learned one and the true one for example, over the region of the second's
    /// samples; see [`of`](Self::of).
    ///
    /// # Errors
    /// As [`of`](Self::of); denoisers of two schedules, whose noised samples are not the same.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let schedule = Schedule::cosine(100)?;
    /// let here = Gaussian::isotropic(0.0, 0.5, [2], &schedule)?;
    /// let there = Gaussian::isotropic(1.0, 0.5, [2], &schedule)?;
    /// assert!(ScoreField::compare(&here, &there, 0.2)?.mean_angle()? > 30.0);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn compare(
        a: &(impl Denoiser + Clone + 'static),
        b: &(impl Denoiser + Clone + 'static),
        t: f64,
    ) -> Result<FieldComparison> {
        check(a, t)?;
        check(b, t)?;
        let (first, second) = (a.schedule(), b.schedule());
        let same = |x: f64, y: f64| (x - y).abs() <= 1e-9 * x.abs().max(1.0);
        if !same(first.alpha(t), second.alpha(t)) || !same(first.sigma(t), second.sigma(t)) {
            let rule = format!("two fields are compared on one schedule: here alpha or sigma differ at t = {t}");
            return Err(Error::argument("schedules", format!("{} and {}", first.name(), second.name()), rule));
        }
        let b = Self::of(b, t)?;
        let a = Self { here: Rc::clone(&b.here), ..Self::with(Rc::new(a.clone()), t)? };
        Ok(FieldComparison { fields: [a, b], titles: ["the first".into(), "the second".into()] })
    }
}

impl FieldComparison {
    /// The same fields over the region of these points; see [`ScoreField::at`].
    ///
    /// # Errors
    /// A tensor that is not N x 2, or holds no points.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let schedule = Schedule::cosine(100)?;
    /// let (train, test) = (Dataset::moons(500, 0.05)?, Dataset::moons(500, 0.05)?.redraw(1)?);
    /// let fields = ScoreField::compare(&Ideal::new(&train, &schedule)?, &Ideal::new(&test, &schedule)?, 0.5)?;
    /// println!("{:.1} degrees", fields.at(&test.images())?.mean_angle()?);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn at(&self, points: &Tensor) -> Result<Self> {
        let [a, b] = &self.fields;
        Ok(Self { fields: [a.at(points)?, b.at(points)?], titles: self.titles.clone() })
    }

    /// What stands above the two (default "the first" and "the second").
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let schedule = Schedule::cosine(100)?;
    /// # let narrow = Gaussian::isotropic(0.0, 0.5, [2], &schedule)?;
    /// let fields = ScoreField::compare(&narrow, &narrow, 0.5)?.titles("learned", "true");
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn titles(&self, first: &str, second: &str) -> Self {
        Self { titles: [first.into(), second.into()], ..self.clone() }
    }

    /// The mean angle between the two scores in degrees, at the noised samples: so weighted by where the data is.
    ///
    /// # Errors
    /// What the denoisers say; a score that is 0 everywhere or not finite, which has no direction.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let schedule = Schedule::cosine(100)?;
    /// let model = Gaussian::isotropic(0.0, 0.5, [2], &schedule)?;
    /// assert!(ScoreField::compare(&model, &model, 0.5)?.mean_angle()? < 1e-3); // with itself
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn mean_angle(&self) -> Result<f64> {
        let angles: Vec<f64> =
            self.angles(&self.fields[1].here)?.into_iter().filter(|angle| angle.is_finite()).collect();
        if angles.is_empty() {
            return Err(Error::argument("score", "0 or not finite", "has no direction to compare"));
        }
        Ok(mean(&angles))
    }

    /// The angles at these points, in degrees; NaN where a score has no direction.
    pub(super) fn angles(&self, xt: &Tensor) -> Result<Vec<f64>> {
        let (a, b) = (self.fields[0].score(xt)?, self.fields[1].score(xt)?);
        // From the tangent: the cosine loses small angles.
        let column = |x: &Tensor, at: i64| x.f_select(1, at);
        let cross = column(&a, 0)?.f_mul(&column(&b, 1)?)?.f_sub(&column(&a, 1)?.f_mul(&column(&b, 0)?)?)?;
        let dot = a.f_mul(&b)?.f_sum_dim_intlist(1, false, Kind::Double)?;
        let angles = cross.f_abs()?.f_atan2(&dot)?.f_rad2deg()?;
        let lengths = a.f_norm_scalaropt_dim(2.0, 1, false)?.f_mul(&b.f_norm_scalaropt_dim(2.0, 1, false)?)?;
        let (angles, lengths) = (Vec::<f64>::try_from(angles)?, Vec::<f64>::try_from(lengths)?);
        Ok(angles.into_iter().zip(lengths).map(|(angle, length)| if length > 0.0 { angle } else { f64::NAN }).collect())
    }
}

fn check(denoiser: &dyn Denoiser, t: f64) -> Result<()> {
    if denoiser.sample_shape() != [2] {
        let rule = "a field is drawn in the plane: take a denoiser of points N x 2";
        return Err(Error::argument("sample shape", format!("{:?}", denoiser.sample_shape()), rule));
    }
    check_noise(denoiser, "the score")?;
    check_time(t)
}

impl std::fmt::Debug for ScoreField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the score at t = {}, over the region of {} noised samples", self.t, self.here.size()[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schedule;
    use crate::denoiser::Gaussian;

    fn gaussian(mean: f64, std: f64) -> Gaussian {
        Gaussian::isotropic(mean, std, [2], &Schedule::flow(100).unwrap()).unwrap()
    }

    /// Scores of isotropic Gaussians point to their means: 90 degrees where the means are seen at a right angle, 180 between
    /// them.
    #[test]
    fn angles_are_those_between_the_ways_to_the_means() {
        let fields = ScoreField::compare(&gaussian(0.0, 0.5), &gaussian(2.0, 0.1), 0.5).unwrap();
        // At t = 1/2 the means are (0, 0) and (1, 1).
        let x = Tensor::from_slice(&[1.0, 0.0, 0.5, 0.5, -3.0, -3.0, 0.0, 0.0]).view([4, 2]);
        let angles = fields.angles(&x).unwrap();
        for (found, expected) in angles.iter().zip([90.0, 180.0, 0.0]) {
            assert!((found - expected).abs() < 1e-6, "{angles:?}");
        }
        assert!(angles[3].is_nan());
    }

    /// The mean over points of N(0, 1) of the angle between -x and -x + v: numpy, with 10^7 points and v = (1, 0), says 41.17.
    #[test]
    fn the_mean_angle_is_weighted_by_the_data() {
        let schedule = Schedule::vp(100).unwrap();
        let mean = Tensor::from_slice(&[1.0 / schedule.alpha(0.3), 0.0]);
        let unit = Tensor::eye(2, (Kind::Double, Device::Cpu));
        let there = Gaussian::new(&mean, &unit, &schedule).unwrap();
        let here = Gaussian::isotropic(0.0, 1.0, [2], &schedule).unwrap();
        let points = here.sample(40_000, 0).unwrap();
        let fields = ScoreField::compare(&here, &there, 0.3).unwrap().at(&points).unwrap();
        let found = fields.mean_angle().unwrap();
        assert!((found - 41.17).abs() < 0.9, "{found}");
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let said = |t| ScoreField::of(&gaussian(0.0, 1.0), t).unwrap_err().to_string();
        assert!(said(0.0).starts_with("t = 0: "), "{}", said(0.0));
        let image = Gaussian::isotropic(0.0, 1.0, [1, 8, 8], &Schedule::flow(9).unwrap()).unwrap();
        let error = ScoreField::of(&image, 0.5).unwrap_err().to_string();
        assert_eq!(error, "sample shape = [1, 8, 8]: a field is drawn in the plane: take a denoiser of points N x 2");
        let cosine = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::cosine(9).unwrap()).unwrap();
        let error = ScoreField::compare(&gaussian(0.0, 1.0), &cosine, 0.5).unwrap_err().to_string();
        let rule = "two fields are compared on one schedule: here alpha or sigma differ at t = 0.5";
        assert_eq!(error, format!("schedules = flow and cosine: {rule}"));
        let field = ScoreField::of(&gaussian(0.0, 1.0), 0.5).unwrap();
        for (shape, shown) in [(vec![3], "[3]"), (vec![0, 2], "[0, 2]"), (vec![2, 3], "[2, 3]")] {
            let error = field.at(&Tensor::zeros(shape, (Kind::Float, Device::Cpu))).unwrap_err().to_string();
            assert_eq!(error, format!("points = {shown}: points in the plane are a tensor N x 2"));
        }
    }
}
