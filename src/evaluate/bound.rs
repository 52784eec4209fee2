//! The variational bound of the Markov chain that DDPM draws: Ho et al. 2020, eq. 5.

use super::likelihoods::{bits_per_dim, standard_error};
use crate::data::{Batch, Dataset};
use crate::denoiser::{Denoiser, check_noise, check_shape};
use crate::mean::mean;
use crate::random::{Stream, generator, normal};
use crate::show::{Bundle, Chart, Show, digits, grouped, interrupted, sides};
use crate::{Error, Result, Schedule};
use std::f64::consts::PI;
use tch::{Device, Kind, Tensor, no_grad};

/// As many samples go through the model at a time.
const BATCH: i64 = 512;

/// A bound on -ln p(x_0) of the chain of denoising steps, in nats: E[L_T + the sum over t of L_(t-1) + L_0], Ho et al. 2020,
/// eq. 5, for any denoiser and any schedule.
///
/// | term | what it is | |
/// |---|---|---|
/// | L_T | KL(q(x_T \| x_0), N(0, prior^2 I)) | what is left of the data at the end; nothing to learn |
/// | L_(t-1) | KL(q(x_(t-1) \| x_t, x_0), p(x_(t-1) \| x_t)) | beta~ against the step's variance v, and c_0^2 \|x_0 - predicted x_0\|^2/(2 v) |
/// | L_0 | -ln N(x_0; predicted x_0 of x_1, v) | a density, as of values between which there are no gaps |
///
/// The step's variance v is the posterior's beta~ or the forward step's beta, which is right for data of unit variance; the
/// last step, whose beta~ is 0, takes beta in both. The samples are noised anew at each level by the seed; nothing is
/// differentiated. It costs one evaluation a level.
///
/// ```
/// use noisebook::prelude::*;
/// let schedule = Schedule::cosine(100)?;
/// let model = Gaussian::isotropic(0.0, 1.0, [2], &schedule)?; // any model
/// let data = Dataset::new("normal", &model.sample(500, 0)?, None, &[])?;
/// let bound = VariationalBound::ddpm_beta().of(&model, &data)?;
/// let entropy = -model.log_density(&data.images(), 0.0)?.mean(Kind::Double).double_value(&[]);
/// assert!((bound.nats() - entropy).abs() < 0.2); // tight: with unit variance beta is right
/// bound.show()?;
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct VariationalBound {
    variance: Variance,
    seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variance {
    Posterior,
    Beta,
}

impl VariationalBound {
    /// Of steps with the posterior's variance beta~, those of [`Sampler::ddpm`](crate::Sampler::ddpm).
    ///
    /// ```
    /// let bound = noisebook::evaluate::VariationalBound::ddpm();
    /// ```
    #[must_use]
    pub fn ddpm() -> Self {
        Self { variance: Variance::Posterior, seed: 0 }
    }

    /// Of steps with the forward step's variance beta, those of [`Sampler::ddpm_beta`](crate::Sampler::ddpm_beta).
    ///
    /// ```
    /// let bound = noisebook::evaluate::VariationalBound::ddpm_beta();
    /// ```
    #[must_use]
    pub fn ddpm_beta() -> Self {
        Self { variance: Variance::Beta, seed: 0 }
    }

    /// The seed of the noise (default 0).
    ///
    /// ```
    /// let bound = noisebook::evaluate::VariationalBound::ddpm().seed(1);
    /// ```
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The bound of all samples of a data set, of their labels where the model knows classes.
    ///
    /// # Errors
    /// Samples of another shape than the model's; labels that it does not know; an interrupt, since half a sum is no bound.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).blocks(1).build()?;
    /// let model = Diffusion::new(&unet, &Schedule::cosine(10)?, Prediction::V)?;
    /// let bound = VariationalBound::ddpm().of(&model, &Dataset::digits()?)?;
    /// println!("{:.2} bits/dim", bound.bits_per_dim(17)?);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn of(&self, model: &dyn Denoiser, data: &Dataset) -> Result<Bound> {
        let (schedule, shape, device) = (model.schedule(), model.sample_shape(), model.device());
        check_shape("data", &data.shape(), &shape)?;
        check_noise(model, "the bound")?;
        let size = shape.iter().product::<i64>() as f64;
        let mut samples = Vec::with_capacity(data.len());
        for chosen in batches(data.len() as i64) {
            let x0 = numbers(&data.batch_of(&chosen)?, device)?;
            samples.extend(values(&squares(&x0)?, prior_term(schedule, size))?);
        }
        let prior = mean(&samples);
        let mut terms = Vec::with_capacity(schedule.levels());
        for level in 0..schedule.levels() {
            let (t, of_square) = (schedule.time(level)?, self.term(schedule, level, size)?);
            let mut rng = generator(self.seed, Stream::Evaluation, level as u64);
            let mut term = Vec::with_capacity(data.len());
            for chosen in batches(data.len() as i64) {
                if interrupted() {
                    let rule = format!("interrupted: a bound needs all {}", grouped(schedule.levels()));
                    return Err(Error::argument("levels", level, rule));
                }
                let batch = data.batch_of(&chosen)?;
                let x0 = numbers(&batch, device)?;
                let labels = model.classes().map(|_| batch.labels.f_to_device(device));
                let eps = normal(&mut rng, &x0.size(), device)?;
                let xt = x0.f_mul_scalar(schedule.alpha(t))?.f_add(&eps.f_mul_scalar(schedule.sigma(t))?)?;
                let predicted = no_grad(|| model.denoise(&xt, t, labels.transpose()?.as_ref()))?;
                term.extend(values(&squares(&x0.f_sub(&predicted)?)?, of_square)?);
            }
            samples.iter_mut().zip(&term).for_each(|(sum, value)| *sum += value);
            terms.push(mean(&term));
        }
        Ok(Bound { samples, terms, prior, shape, variance: self.variance })
    }

    /// L of a level as a + b |x_0 - predicted x_0|^2, with `size` numbers a sample.
    fn term(&self, schedule: &Schedule, level: usize, size: f64) -> Result<(f64, f64)> {
        let t = schedule.time(level)?;
        let s = if level == 0 { 0.0 } else { schedule.time(level - 1)? };
        let (back, beta) = (schedule.posterior(t, s)?, schedule.transition(t, s)?.std.powi(2));
        if level == 0 {
            return Ok((0.5 * size * (2.0 * PI * beta).ln(), 0.5 / beta));
        }
        let variance = match self.variance {
            Variance::Posterior => back.variance,
            Variance::Beta => beta,
        };
        let ratio = back.variance / variance;
        Ok((0.5 * size * (ratio - 1.0 - ratio.ln()), 0.5 * back.c_0.powi(2) / variance))
    }
}

/// L_T as a + b |x_0|^2.
fn prior_term(schedule: &Schedule, size: f64) -> (f64, f64) {
    let prior = schedule.prior_std(1.0);
    let ratio = (schedule.sigma(1.0) / prior).powi(2);
    (0.5 * size * (ratio - 1.0 - ratio.ln()), 0.5 * (schedule.alpha(1.0) / prior).powi(2))
}

/// The indices of so many samples, a batch at a time.
fn batches(count: i64) -> impl Iterator<Item = Vec<i64>> {
    (0..count).step_by(BATCH as usize).map(move |start| (start..count.min(start + BATCH)).collect())
}

fn numbers(batch: &Batch, device: Device) -> Result<Tensor> {
    Ok(batch.images.f_to_device(device)?.f_to_kind(Kind::Double)?)
}

/// |x|^2 of each sample.
fn squares(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_square()?.f_flatten(1, -1)?.f_sum_dim_intlist(&[1i64][..], false, Kind::Double)?)
}

/// a + b x of each number.
fn values(x: &Tensor, (a, b): (f64, f64)) -> Result<Vec<f64>> {
    Ok(Vec::<f64>::try_from(x.f_mul_scalar(b)?.f_add_scalar(a)?)?)
}

/// A variational bound and its terms; [`VariationalBound::of`] makes one. As the value of a cell it draws the terms by level.
///
/// ```
/// # use noisebook::prelude::*;
/// # let model = Gaussian::isotropic(0.0, 0.5, [2], &Schedule::linear(1_000)?)?;
/// # let data = Dataset::new("grain", &model.sample(100, 0)?, None, &[])?;
/// let bound = VariationalBound::ddpm().of(&model, &data)?;
/// let parts = bound.prior() + bound.terms().iter().sum::<f64>();
/// assert!((bound.nats() - parts).abs() < 1e-9);
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Bound {
    samples: Vec<f64>,
    terms: Vec<f64>,
    prior: f64,
    shape: Vec<i64>,
    variance: Variance,
}

impl Bound {
    /// The bound: the mean over the samples, in nats a sample. -ln p is at most this, on average over noise.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 1.0, [1], &Schedule::cosine(100)?)?;
    /// # let data = Dataset::new("normal", &model.sample(400, 0)?, None, &[])?;
    /// let nats = VariationalBound::ddpm_beta().of(&model, &data)?.nats();
    /// assert!((nats - 1.42).abs() < 0.15); // the entropy of N(0, 1), ln(2 pi e)/2
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn nats(&self) -> f64 {
        mean(&self.samples)
    }

    /// The standard error of [`nats`](Self::nats), by the spread of the samples; not a number for a single one.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 1.0, [1], &Schedule::cosine(100)?)?;
    /// # let data = Dataset::new("normal", &model.sample(400, 0)?, None, &[])?;
    /// assert!(VariationalBound::ddpm().of(&model, &data)?.standard_error() < 0.1);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn standard_error(&self) -> f64 {
        standard_error(&self.samples)
    }

    /// The terms by level, in nats a sample: L_0, which as a density may be negative, then those of the steps back to level
    /// 0, 1 ... N - 2, none of them negative.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 0.5, [1], &Schedule::cosine(100)?)?;
    /// # let data = Dataset::new("normal", &model.sample(400, 0)?, None, &[])?;
    /// let terms = VariationalBound::ddpm().of(&model, &data)?.terms();
    /// assert_eq!(terms.len(), 100);
    /// assert!(terms[0] < 0.0 && terms[1..].iter().all(|&term| term >= 0.0));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn terms(&self) -> Vec<f64> {
        self.terms.clone()
    }

    /// L_T: how far the last level is from the prior, in nats a sample.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 0.5, [1], &Schedule::linear(1_000)?)?;
    /// # let data = Dataset::new("grain", &model.sample(10, 0)?, None, &[])?;
    /// assert!(VariationalBound::ddpm().of(&model, &data)?.prior() < 1e-4); // hardly anything of the data is left
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn prior(&self) -> f64 {
        self.prior
    }

    /// The bound in bits for each number of a sample, as [`Likelihoods::bits_per_dim`](super::Likelihoods::bits_per_dim)
    /// counts them.
    ///
    /// # Errors
    /// Fewer than 2 levels.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 0.5, [1, 4, 4], &Schedule::cosine(100)?)?;
    /// # let data = Dataset::new("grain", &(model.sample(100, 0)?.clamp(-1.0, 1.0)), None, &[])?;
    /// println!("{:.2} bits/dim", VariationalBound::ddpm().of(&model, &data)?.bits_per_dim(256)?);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn bits_per_dim(&self, levels: usize) -> Result<f64> {
        bits_per_dim(self.nats(), &self.shape, levels)
    }
}

impl Show for Bound {
    fn bundle(&self) -> Result<Bundle> {
        let name = match self.variance {
            Variance::Posterior => "beta~",
            Variance::Beta => "beta",
        };
        let steps: f64 = self.terms[1..].iter().sum();
        let title = format!(
            "Variational bound with {name}, {} samples of {}: {} \u{b1} {} nats (L_T {}, steps {}, L_0 {})",
            grouped(self.samples.len()),
            sides(&self.shape),
            digits(self.nats()),
            digits(self.standard_error()),
            digits(self.prior),
            digits(steps),
            digits(self.terms[0])
        );
        let levels: Vec<f64> = (1..self.terms.len()).map(|level| level as f64).collect();
        let chart = Chart::new(title).x_label("level").y_label("nats a sample");
        chart.line("the step from a level", &levels, &self.terms[1..]).log_y().bundle()
    }
}

impl Show for VariationalBound {
    fn bundle(&self) -> Result<Bundle> {
        let variance = if self.variance == Variance::Posterior { "\u{3b2}\u{303}" } else { "\u{3b2}" };
        Ok(Bundle::text(format!(
            "Variational bound of a chain with variance {variance}; Ho et al. 2020, eq. 5\nof(&model, &data) evaluates it"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Gaussian;

    /// Every schedule is a chain of Gaussian steps, so each bounds the same entropy. With beta~ sub-VP's first levels, whose
    /// sigma nearly trebles, cost 3.8 nats.
    #[test]
    fn every_schedule_bounds_the_entropy() {
        let others = [Schedule::edm(200), Schedule::geometric(200), Schedule::sub_vp(200), Schedule::flow(200)];
        for schedule in [Schedule::cosine(200)].into_iter().chain(others).map(Result::unwrap) {
            let model = Gaussian::isotropic(0.0, 1.0, [50], &schedule).unwrap();
            let data = Dataset::new("normal", &model.sample(100, 1).unwrap(), None, &[]).unwrap();
            let truth = -model.log_density(&data.images(), 0.0).unwrap().mean(Kind::Double).double_value(&[]);
            let excess = (VariationalBound::ddpm_beta().of(&model, &data).unwrap().nats() - truth) / 50.0;
            // 5,000 squares a level.
            assert!(excess > -0.04 && excess < 0.3, "{schedule:?}: {excess}");
        }
    }

    /// A level's term, L_0 for one, by noising all samples together.
    #[test]
    fn batches_change_nothing() {
        let schedule = Schedule::cosine(10).unwrap();
        let model = Gaussian::isotropic(0.0, 0.5, [2], &schedule).unwrap();
        let x0 = model.sample(BATCH as usize + 88, 0).unwrap();
        let (data, x0) = (Dataset::new("grain", &x0, None, &[]).unwrap(), x0.to_kind(Kind::Double));
        let bound = VariationalBound::ddpm().seed(4);
        let terms = bound.of(&model, &data).unwrap().terms();
        for level in [0, 7] {
            let mut rng = generator(4, Stream::Evaluation, level as u64);
            let eps = normal(&mut rng, &x0.size(), Device::Cpu).unwrap();
            let (t, (a, b)) = (schedule.time(level).unwrap(), bound.term(&schedule, level, 2.0).unwrap());
            let xt = &x0 * schedule.alpha(t) + eps * schedule.sigma(t);
            let square = (&x0 - model.denoise(&xt, t, None).unwrap()).square().mean(Kind::Double).double_value(&[]);
            assert!((terms[level] - (a + b * 2.0 * square)).abs() < 1e-9, "{level}");
        }
    }

    /// Images that are kept as bytes become numbers a batch at a time.
    #[test]
    fn bytes_have_the_bound_of_their_numbers() {
        let (bytes, _) = Dataset::digits().unwrap().split(0.02, 0).unwrap();
        let labels = bytes.labels();
        let names = bytes.classes();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let numbers = Dataset::new("numbers", &bytes.images(), Some(&labels), &names).unwrap();
        let model = crate::Ideal::new(&Dataset::digits().unwrap(), &Schedule::cosine(5).unwrap()).unwrap();
        let terms = |data: &Dataset| VariationalBound::ddpm().of(&model, data).unwrap().terms();
        assert_eq!(terms(&bytes), terms(&numbers));
    }

    #[test]
    fn what_it_says_and_refuses() {
        let schedule = Schedule::cosine(20).unwrap();
        let model = Gaussian::isotropic(0.0, 1.0, [2], &schedule).unwrap();
        let data = Dataset::new("normal", &model.sample(10, 1).unwrap(), None, &[]).unwrap();
        let bound = VariationalBound::ddpm().of(&model, &data).unwrap();
        let text = bound.bundle().unwrap().plain_text().to_string();
        assert!(text.starts_with("Variational bound with beta~, 10 samples of 2: "), "{text}");
        assert!(text.contains("nats a sample (logarithmic) against level"), "{text}");
        let digits = Dataset::digits().unwrap();
        let said = VariationalBound::ddpm().of(&model, &digits).unwrap_err().to_string();
        assert_eq!(said, "data = [1797, 1, 8, 8]: samples here are N x 2");
    }
}
