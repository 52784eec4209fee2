//! The likelihood of samples under a model, by its probability-flow ODE: Song et al. 2021, "Score-Based Generative Modeling
//! through Stochastic Differential Equations", section 4.3 and appendix D.2.

use super::likelihoods::Likelihoods;
use crate::denoiser::{Denoiser, Jacobian, check_noise, check_samples};
use crate::random::{Stream, generator, unit};
use crate::sample::dormand_prince::DormandPrince;
use crate::sample::probability_flow::Angle;
use crate::show::{Bundle, Show, interrupted};
use crate::{Error, Result};
use std::f64::consts::PI;
use tch::{Kind, Tensor};

/// As many samples take their steps together.
const BATCH: i64 = 512;

/// How likely a model finds samples: ln p(x), of any denoiser under any schedule.
///
/// The probability-flow ODE carries the data's density to the prior's. In the angle theta with tan theta = sigma/alpha, and
/// y = x_t/sqrt(alpha^2 + sigma^2), it is dy/dtheta = v = cos(theta) eps - sin(theta) x_0 = (cos(theta) y - x_0)/sin(theta)
/// with predicted x_0, which is finite also where nothing is left of the image. Along the way d ln p/dtheta = -div v, so
///
/// ln p(x) = ln p_1(y_1) + the integral of div v dtheta + D ln cos(theta_0),
///
/// with the prior p_1, what samplers start from, and y_0 = cos(theta_0) x at the first level (the last term returns to the
/// units of x). So this is the density of the data *under the first level's noise*, convolved with N(0, (sigma/alpha)^2): for
/// points that lie on lines take a schedule whose first sigma is well below what matters. div v = (D cos(theta) -
/// tr dx_0/dy)/sin(theta), the trace exactly or by Hutchinson's estimator. Steps are Dormand & Prince's, adaptive.
///
/// ```
/// use noisebook::prelude::*;
/// let schedule = Schedule::cosine(1_000)?;
/// let model = Gaussian::isotropic(0.0, 0.5, [2], &schedule)?; // any model
/// let test = model.sample(100, 0)?;
/// let found = Likelihood::exact().of(&model, &test, None)?;
/// let truth = model.log_density(&test, 0.0)?.mean(Kind::Double).double_value(&[]);
/// assert!((found.mean() - truth).abs() < 0.01);
/// found.show()?;
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Likelihood {
    trace: Trace,
    tolerance: f64,
    seed: u64,
}

#[derive(Clone, Copy, Debug)]
enum Trace {
    Exact,
    Hutchinson { probes: usize },
}

impl Likelihood {
    fn new(trace: Trace) -> Self {
        Self { trace, tolerance: 1e-5, seed: 0 }
    }

    /// With the exact trace: as many passes backwards an evaluation as a sample has numbers. For points and small images.
    ///
    /// ```
    /// let likelihood = noisebook::evaluate::Likelihood::exact();
    /// ```
    #[must_use]
    pub fn exact() -> Self {
        Self::new(Trace::Exact)
    }

    /// With Hutchinson's estimator of the trace, the mean of z^T J z over `probes` vectors z of random signs (Hutchinson 1989;
    /// Grathwohl et al. 2019, "FFJORD", section 3.1): unbiased, `probes` passes backwards an evaluation. The signs
    /// stay the same along the whole way; for isotropic Gaussian data it has no variance at all.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let model = Gaussian::isotropic(0.0, 0.5, [1, 8, 8], &Schedule::cosine(100)?)?;
    /// let images = model.sample(2, 0)?;
    /// let nats = Likelihood::hutchinson(1).seed(3).of(&model, &images, None)?.nats();
    /// assert!((nats[0] - Likelihood::exact().of(&model, &images, None)?.nats()[0]).abs() < 1e-6);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn hutchinson(probes: usize) -> Self {
        Self::new(Trace::Hutchinson { probes })
    }

    /// The tolerance of a step, relative and absolute, from 1e-12 to below 1 (default 1e-5, as Song et al.).
    ///
    /// ```
    /// let likelihood = noisebook::evaluate::Likelihood::exact().tolerance(1e-8);
    /// ```
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// The seed of the random signs (default 0).
    ///
    /// ```
    /// let likelihood = noisebook::evaluate::Likelihood::hutchinson(4).seed(1);
    /// ```
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// ln p of each sample of `x`, N x the shape of one, given its label where there are labels (N, int64).
    ///
    /// An interrupt ends it: the answer is of the batches of 512 samples that are done by then, if any is.
    ///
    /// # Errors
    /// Samples of another shape than the model's, 0 probes, a tolerance outside [1e-12, 1); what the model says of labels.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).blocks(1).build()?;
    /// let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let some = Dataset::digits()?.batch(2, 0)?;
    /// let found = Likelihood::hutchinson(1).tolerance(1e-3).of(&model, &some.images, None)?;
    /// println!("{:.2} bits/dim", found.bits_per_dim(17)?); // ink has 17 levels
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn of(&self, model: &dyn Denoiser, x: &Tensor, labels: Option<&Tensor>) -> Result<Likelihoods> {
        if let Trace::Hutchinson { probes: 0 } = self.trace {
            return Err(Error::argument("probes", 0, "take at least 1"));
        }
        let shape = model.sample_shape();
        check_samples("x", x, &shape)?;
        check_noise(model, "the likelihood")?;
        let x = x.f_to_device(model.device())?.f_to_kind(Kind::Double)?.f_detach()?;
        let labels = match labels {
            Some(labels) => Some(labels.f_to_device(model.device())?),
            None => None,
        };
        let count = x.size()[0];
        let signs = self.signs(&x)?;
        let (mut nats, mut evaluations) = (Vec::new(), 0);
        for start in (0..count).step_by(BATCH as usize) {
            let length = BATCH.min(count - start);
            let part = |all: &Tensor| all.f_narrow(0, start, length);
            let labels = labels.as_ref().map(part).transpose()?;
            let signs = signs.iter().map(part).collect::<Result<Vec<_>, _>>()?;
            let Some((values, taken)) = self.way(model, &part(&x)?, labels.as_ref(), &signs)? else { break };
            nats.extend(values);
            evaluations += taken;
        }
        if nats.is_empty() {
            return Err(Error::argument("x", "0 samples done", "interrupted before the first were at the prior"));
        }
        Ok(Likelihoods::new(nats, count as usize, shape, evaluations))
    }

    /// From the first level to the prior: ln p of each sample, and the evaluations; None after an interrupt.
    fn way(
        &self,
        model: &dyn Denoiser,
        x: &Tensor,
        labels: Option<&Tensor>,
        signs: &[Tensor],
    ) -> Result<Option<(Vec<f64>, usize)>> {
        let schedule = model.schedule();
        let (first, last) = (Angle::at(schedule, 1.0 / schedule.levels() as f64), Angle::at(schedule, 1.0));
        let size = x.f_flatten(1, -1)?.size()[1] as f64;
        let gathered = Tensor::f_zeros([x.size()[0]], (Kind::Double, x.device()))?;
        let start = [x.f_mul_scalar(first.theta.cos())?, gathered];
        let mut solver = DormandPrince::new(first.theta, last.theta, &start, (self.tolerance, self.tolerance))?;
        let mut slope = |theta: f64, y: &[Tensor]| -> Result<Vec<Tensor>> {
            let (t, angle) = Angle::of(schedule, theta);
            let jacobian = Jacobian::at(model, &y[0].f_mul_scalar(angle.scale)?, t, labels)?;
            let trace = self.trace(&jacobian, signs)?.f_mul_scalar(angle.scale)?;
            let divergence = trace.f_neg()?.f_add_scalar(size * theta.cos())?.f_div_scalar(theta.sin())?;
            Ok(vec![angle.velocity(&y[0], &jacobian.x0()?)?, divergence])
        };
        let mut end = None;
        loop {
            match solver.step(&mut slope) {
                Ok(Some(step)) => end = Some(step),
                Ok(None) => break,
                Err(_) if interrupted() => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let Some(end) = end else { return Ok(None) };
        let prior = schedule.prior_std(1.0) / last.scale;
        let squares = end.y[0].f_div_scalar(prior)?.f_square()?.f_flatten(1, -1)?;
        let squares = squares.f_sum_dim_intlist(&[1i64][..], false, Kind::Double)?;
        let constant = size * (first.theta.cos().ln() - prior.ln() - 0.5 * (2.0 * PI).ln());
        let nats = end.y[1].f_sub(&squares.f_mul_scalar(0.5)?)?.f_add_scalar(constant)?;
        Ok(Some((Vec::<f64>::try_from(nats)?, end.evaluations)))
    }

    fn trace(&self, jacobian: &Jacobian, signs: &[Tensor]) -> Result<Tensor> {
        if let Trace::Exact = self.trace {
            return jacobian.trace();
        }
        let quadratics = signs.iter().map(|signs| jacobian.quadratic(signs)).collect::<Result<Vec<_>>>()?;
        Ok(Tensor::f_stack(&quadratics, 0)?.f_mean_dim(&[0i64][..], false, Kind::Double)?)
    }

    /// The probes: random signs of the shape of `x`. Those of the first samples do not depend on how many follow.
    fn signs(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let Trace::Hutchinson { probes } = self.trace else { return Ok(Vec::new()) };
        let draw = |probe| {
            let mut rng = generator(self.seed, Stream::Evaluation, probe as u64);
            let signs: Vec<f64> = (0..x.numel()).map(|_| if unit(&mut rng) < 0.5 { -1.0 } else { 1.0 }).collect();
            Ok(Tensor::f_from_slice(&signs)?.f_view_as(x)?.f_to_device(x.device())?)
        };
        (0..probes).map(draw).collect()
    }
}

impl Show for Likelihood {
    fn bundle(&self) -> Result<Bundle> {
        let trace = match self.trace {
            Trace::Exact => "exact trace".to_string(),
            Trace::Hutchinson { probes } => format!("Hutchinson's trace by {probes} of random signs"),
        };
        let tolerance = self.tolerance;
        Ok(Bundle::text(format!(
            "ln p by the probability-flow ODE, {trace}, tolerance {tolerance}; Song et al. 2021, section 4.3\n\
             of(&model, &samples, None) evaluates it"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::numbers;
    use super::*;
    use crate::{Gaussian, GaussianMixture, Schedule};
    use tch::Device;

    fn column(values: &[f64]) -> Tensor {
        Tensor::from_slice(values).view([-1, 1])
    }

    fn mixture(schedule: &Schedule) -> GaussianMixture {
        GaussianMixture::new([0.3, 0.7], &column(&[-0.6, 0.5]), [0.2, 0.3], schedule).unwrap()
    }

    fn close(found: &[f64], expected: &[f64], bound: f64) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < bound, "{found} is not {expected}");
        }
    }

    /// Closed form 10: where the prior is what the data becomes, the likelihood is the density under the first level's
    /// noise, here by scipy.
    #[test]
    fn it_is_the_density_under_the_first_levels_noise() {
        let x = column(&[-0.9, -0.2, 0.3, 0.8]);
        let schedule = Schedule::linear(1_000).unwrap().zero_terminal_snr().unwrap();
        let likelihood = Likelihood::exact().tolerance(1e-9);
        let gaussian = Gaussian::isotropic(0.3, 0.5, [1], &schedule).unwrap();
        let found = likelihood.of(&gaussian, &x, None).unwrap().nats();
        close(&found, &numbers("log_density gaussian first level"), 1e-7);
        let found = likelihood.of(&mixture(&schedule), &x, None).unwrap().nats();
        close(&found, &numbers("log_density mixture first level"), 1e-7);
        // At the default tolerance of 1e-5:
        let found = Likelihood::exact().of(&mixture(&schedule), &x, None).unwrap().nats();
        close(&found, &numbers("log_density mixture first level"), 1e-4);
    }

    /// Under every schedule: what the flow makes of a Gaussian is known (closed form 6), so is its volume; the prior is what
    /// samplers start from.
    #[test]
    fn every_schedule_has_its_gaussian() {
        let (mean, std, x) = (0.3, 0.5, [-0.9, -0.2, 0.3, 0.8]);
        let others = [Schedule::edm(100), Schedule::geometric(100), Schedule::sub_vp(100), Schedule::flow(100)];
        for schedule in [Schedule::linear(100), Schedule::vp(100)].into_iter().chain(others).map(Result::unwrap) {
            let model = Gaussian::isotropic(mean, std, [1], &schedule).unwrap();
            let found = Likelihood::exact().tolerance(1e-9).of(&model, &column(&x), None).unwrap().nats();
            let noised = |t: f64| (schedule.alpha(t) * std).hypot(schedule.sigma(t));
            let (first, prior) = (schedule.alpha(0.01), schedule.prior_std(1.0));
            let expected = x.map(|x| {
                let stretch = noised(1.0) / noised(0.01);
                let end = schedule.alpha(1.0) * mean + (x - mean) * first * stretch;
                -0.5 * (end / prior).powi(2) - prior.ln() - 0.5 * (2.0 * PI).ln() + (stretch * first).ln()
            });
            close(&found, &expected, 1e-7);
        }
    }

    /// Of one number z^2 J is J; of many it is unbiased.
    #[test]
    fn hutchinsons_estimator_is_exact_for_isotropic_data_and_unbiased_for_other() {
        let schedule = Schedule::cosine(100).unwrap();
        let round = Gaussian::isotropic(0.2, 0.5, [1, 3, 3], &schedule).unwrap();
        let x = round.sample(3, 0).unwrap();
        let exact = Likelihood::exact().tolerance(1e-8).of(&round, &x, None).unwrap();
        let probed = Likelihood::hutchinson(1).tolerance(1e-8).of(&round, &x, None).unwrap();
        close(&probed.nats(), &exact.nats(), 1e-9);
        let covariance = Tensor::from_slice(&[1.0, 0.8, 0.8, 1.0]).view([2, 2]);
        let skew = Gaussian::new(&Tensor::from_slice(&[0.0, 0.0]), &covariance, &schedule).unwrap();
        let x = Tensor::zeros([1, 2], (Kind::Double, Device::Cpu));
        let exact = Likelihood::exact().of(&skew, &x, None).unwrap().nats()[0];
        let one = |seed| Likelihood::hutchinson(1).seed(seed).of(&skew, &x, None).unwrap().nats()[0];
        let (one, many) = (one(0), Likelihood::hutchinson(200).of(&skew, &x, None).unwrap().nats()[0]);
        // z^T J z takes two values, whose mean is the trace: 200 probes err by a 14th of their distance.
        assert!((one - exact).abs() > 0.1 && (many - exact).abs() < 4.0 / 14.0 * (one - exact).abs());
    }

    /// Labels reach the model, and batches do not mix.
    #[test]
    fn labels_and_batches() {
        let schedule = Schedule::linear(100).unwrap().zero_terminal_snr().unwrap();
        let model = mixture(&schedule).class_per_component();
        let x = column(&[0.4; 600]);
        let labels = Tensor::cat(
            &[Tensor::zeros([300], (Kind::Int64, Device::Cpu)), Tensor::ones([300], (Kind::Int64, Device::Cpu))],
            0,
        );
        let nats = Likelihood::exact().of(&model, &x, Some(&labels)).unwrap().nats();
        let noise = schedule.sigma(0.01) / schedule.alpha(0.01);
        let expected = |mean: f64, std: f64| {
            let v = std * std + noise * noise;
            -(0.4 - mean).powi(2) / (2.0 * v) - 0.5 * (2.0 * PI * v).ln()
        };
        for (index, expected) in [(0, expected(-0.6, 0.2)), (299, expected(-0.6, 0.2)), (599, expected(0.5, 0.3))] {
            assert!((nats[index] - expected).abs() < 1e-3, "{} is not {expected}", nats[index]);
        }
        assert_eq!(nats.len(), 600);
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let model = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::cosine(10).unwrap()).unwrap();
        let said = |likelihood: Likelihood, x: &Tensor| likelihood.of(&model, x, None).unwrap_err().to_string();
        let x = Tensor::zeros([1, 2], (Kind::Double, Device::Cpu));
        assert_eq!(said(Likelihood::hutchinson(0), &x), "probes = 0: take at least 1");
        assert_eq!(
            said(Likelihood::exact().tolerance(-1.0), &x),
            "tolerance = -1: a tolerance is at least 1e-12 and below 1"
        );
        assert_eq!(said(Likelihood::exact(), &x.view([2, 1])), "x = [2, 1]: samples here are N x 2");
    }
}
