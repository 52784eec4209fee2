//! What every sampler is made of: a method, which describes it, and a rule, which makes its steps.

use crate::denoiser::Denoiser;
use crate::schedule::Spacing;
use crate::show::interrupted;
use crate::{Error, Result, Schedule};
use std::cell::Cell;
use std::rc::Rc;
use tch::Tensor;

/// A sampler's way of making steps. A rule may remember the steps before.
pub(super) trait Rule {
    /// x_s from x_t. It is not asked for a step from t to itself.
    fn step(&mut self, step: &Step) -> Result<Tensor>;
}

/// A kind of sampler: its name, what one may set, and how its rule is made.
pub(super) trait Method: std::fmt::Debug {
    /// As it is called in figures and errors.
    fn name(&self) -> &'static str;

    /// The name of its constructor.
    fn constructor(&self) -> &'static str;

    /// Its equation and paper, in one line each.
    fn about(&self) -> &'static str;

    /// The rule of one run.
    fn rule(&self, knobs: &Knobs) -> Box<dyn Rule>;

    /// Where the steps lie unless the reader says so.
    fn spacing(&self) -> Spacing {
        Spacing::Trailing
    }

    /// Which of the knobs it has.
    fn takes(&self, _: Knob) -> bool {
        false
    }

    /// Why it makes no sense for a schedule, if so.
    fn check(&self, _: &Schedule) -> Result<()> {
        Ok(())
    }

    /// Whether it takes fresh noise on the way.
    fn is_random(&self, _: &Knobs) -> bool {
        false
    }

    /// Whether predicted x_0 of images is held within [-1, 1] unless the reader says otherwise.
    fn clips(&self) -> bool {
        true
    }

    /// Whether its rule, fed with times that rise, leads from data to noise: a rule that takes no noise and no history.
    fn inverts(&self, _: &Knobs) -> bool {
        false
    }
}

/// Settings that only some methods have.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Knobs {
    pub(super) eta: Option<f64>,
    pub(super) corrections: Option<usize>,
    pub(super) snr: Option<f64>,
    pub(super) tolerance: Option<f64>,
}

/// The name of a setting of [`Knobs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Knob {
    Eta,
    Corrections,
    Snr,
    Tolerance,
}

impl Knobs {
    /// That each is a number that makes sense, and that `method` has it.
    pub(super) fn check(&self, method: &dyn Method) -> Result<()> {
        let finite = |value: f64| value > 0.0 && value.is_finite();
        let set = [
            (Knob::Eta, "eta", self.eta, "must lie in [0, 1]", "Sampler::ddim has"),
            (
                Knob::Corrections,
                "corrections",
                self.corrections.map(|count| count as f64),
                "take from 1 to 10,000 at each level",
                "Sampler::annealed_langevin and Sampler::predictor_corrector have",
            ),
            (
                Knob::Snr,
                "snr",
                self.snr,
                "must be a finite number above 0",
                "Sampler::annealed_langevin and Sampler::predictor_corrector have",
            ),
            (Knob::Tolerance, "tolerance", self.tolerance, "must lie in [1e-12, 1)", "Sampler::probability_flow has"),
        ];
        for (knob, name, value, rule, owners) in set {
            let Some(value) = value else { continue };
            let holds = match knob {
                Knob::Eta => (0.0..=1.0).contains(&value),
                Knob::Corrections => (1.0..=10_000.0).contains(&value),
                Knob::Snr => finite(value),
                Knob::Tolerance => (1e-12..1.0).contains(&value),
            };
            if !method.takes(knob) {
                return Err(Error::argument(name, value, format!("{} has no {name}: {owners}", method.name())));
            }
            if !holds {
                return Err(Error::argument(name, value, rule));
            }
        }
        Ok(())
    }
}

/// Where fresh noise comes from: the step's number, the number of the draw within the step, and a tensor of its shape.
pub(super) type Noise = Rc<dyn Fn(usize, u64, &Tensor) -> Result<Tensor>>;

/// One step to be made, and what a rule may use to make it.
pub(super) struct Step<'a> {
    /// The samples at `t`: float64, N x the shape of one.
    pub(super) x: &'a Tensor,
    /// Predicted x_0 of `x`.
    pub(super) x0: &'a Tensor,
    /// The time that it starts from.
    pub(super) t: f64,
    /// The time that it leads to; 0 is the data.
    pub(super) s: f64,
    pub(super) index: usize,
    pub(super) denoiser: &'a dyn Denoiser,
    pub(super) labels: Option<&'a Tensor>,
    pub(super) clip: bool,
    pub(super) noise: &'a Noise,
    /// Evaluations of the denoiser in this step, that of `x0` among them.
    pub(super) evaluations: Cell<usize>,
    pub(super) draws: Cell<u64>,
    /// Whether the rule gave up half way.
    pub(super) cut: Cell<bool>,
}

impl Step<'_> {
    pub(super) fn schedule(&self) -> &Schedule {
        self.denoiser.schedule()
    }

    /// alpha and sigma at both ends: (alpha_t, sigma_t, alpha_s, sigma_s).
    pub(super) fn ends(&self) -> (f64, f64, f64, f64) {
        let schedule = self.schedule();
        (schedule.alpha(self.t), schedule.sigma(self.t), schedule.alpha(self.s), schedule.sigma(self.s))
    }

    /// The step in lambda = ln(alpha/sigma): h = lambda_s - lambda_t. It is infinite from where nothing is left of the
    /// image, and to the data.
    pub(super) fn h(&self) -> f64 {
        0.5 * (self.schedule().log_snr(self.s) - self.schedule().log_snr(self.t))
    }

    /// Predicted x_0 of other samples at another time: one more evaluation.
    pub(super) fn denoise(&self, x: &Tensor, t: f64) -> Result<Tensor> {
        self.evaluations.set(self.evaluations.get() + 1);
        predict(self.denoiser, x, t, self.labels, self.clip)
    }

    /// Whether somebody asks for an end: a rule of many evaluations looks before each, and what it returns then counts for
    /// nothing.
    pub(super) fn stopped(&self) -> bool {
        let stopped = interrupted();
        self.cut.set(self.cut.get() || stopped);
        stopped
    }

    /// Fresh standard normal noise of the shape of `x`.
    pub(super) fn noise(&self) -> Result<Tensor> {
        let draw = self.draws.replace(self.draws.get() + 1);
        (self.noise)(self.index, draw, self.x)
    }

    /// The noise that x_t holds if x_0 is what was predicted: (x_t - alpha_t x_0)/sigma_t.
    pub(super) fn epsilon(&self, x: &Tensor, x0: &Tensor, t: f64) -> Result<Tensor> {
        let (alpha, sigma) = (self.schedule().alpha(t), self.schedule().sigma(t));
        Ok(x.f_sub(&x0.f_mul_scalar(alpha)?)?.f_div_scalar(sigma)?)
    }

    /// The score at x_t if x_0 is what was predicted: (alpha_t x_0 - x_t)/sigma_t^2.
    pub(super) fn score(&self, x: &Tensor, x0: &Tensor, t: f64) -> Result<Tensor> {
        Ok(self.epsilon(x, x0, t)?.f_div_scalar(-self.schedule().sigma(t))?)
    }
}

/// a x + b y.
pub(super) fn mix(a: f64, x: &Tensor, b: f64, y: &Tensor) -> Result<Tensor> {
    Ok(x.f_mul_scalar(a)?.f_add(&y.f_mul_scalar(b)?)?)
}

/// Predicted x_0, held within [-1, 1] if asked for.
pub(super) fn predict(
    denoiser: &dyn Denoiser,
    x: &Tensor,
    t: f64,
    labels: Option<&Tensor>,
    clip: bool,
) -> Result<Tensor> {
    let x0 = denoiser.denoise(x, t, labels)?;
    Ok(if clip { x0.f_clamp(-1.0, 1.0)? } else { x0 })
}
