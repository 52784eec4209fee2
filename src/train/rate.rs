//! How the learning rate runs through a training.

use super::adamw::BETA1;
use crate::show::{Bundle, Chart, Show};
use crate::{Error, Result};
use std::f64::consts::PI;
use std::fmt;

/// How the learning rate runs through the steps of a training, as a share of the trainer's `lr`.
///
/// After the last step it stays where it is.
///
/// ```
/// use noisebook::prelude::*;
/// let cosine = LearningRate::Cosine { warm_up: 10 };
/// assert_eq!(cosine.at(2e-3, 9, 100), 2e-3); // the whole rate, at the tenth step
/// cosine.show()?;
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum LearningRate {
    /// The same at every step. The default.
    #[default]
    Constant,
    /// From lr/n in n equal steps to lr, which stays: PyTorch's `LinearLR(start_factor=1/n, total_iters=n-1)`.
    WarmUp {
        /// The steps n.
        steps: usize,
    },
    /// After such a warm-up half a cosine down to 0: lr (1 + cos(pi k/K))/2 at the k-th of the K steps that are left
    /// (Loshchilov & Hutter 2017, eq. 5; PyTorch's `CosineAnnealingLR`).
    Cosine {
        /// The steps of the warm-up, which may be 0.
        warm_up: usize,
    },
    /// From lr/25 up to lr in 3 steps of 10, then down to lr/250,000, both along half a cosine; AdamW's b1 runs from 0.95
    /// to 0.85 and back (Smith & Topin 2019; PyTorch's `OneCycleLR` with its defaults).
    OneCycle,
}

/// The share of the steps that one cycle takes to its peak.
const RISE: f64 = 0.3;
/// What one cycle starts from and ends at, as shares of the peak.
const START: f64 = 1.0 / 25.0;
const END: f64 = START / 1e4;
const MOMENTA: (f64, f64) = (0.85, 0.95);

impl LearningRate {
    /// The rate of step `step` (from 0) of `steps` where the trainer's is `lr`.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// assert_eq!(LearningRate::WarmUp { steps: 4 }.at(1.0, 0, 100), 0.25);
    /// assert_eq!(LearningRate::OneCycle.at(1.0, 29, 100), 1.0); // the peak
    /// ```
    #[must_use]
    pub fn at(self, lr: f64, step: usize, steps: usize) -> f64 {
        match self {
            Self::Constant => lr,
            Self::WarmUp { steps: warm_up } => lr * rise(step, warm_up),
            Self::Cosine { warm_up } if step < warm_up => lr * rise(step, warm_up),
            Self::Cosine { warm_up } => {
                let left = steps.saturating_sub(warm_up).max(1);
                lr * between(1.0, 0.0, (step - warm_up).min(left) as f64 / left as f64)
            }
            Self::OneCycle => match cycle(step, steps) {
                (true, done) => lr * between(START, 1.0, done),
                (false, done) => lr * between(1.0, END, done),
            },
        }
    }

    /// AdamW's b1 at this step.
    pub(super) fn momentum(self, step: usize, steps: usize) -> f64 {
        match self {
            Self::OneCycle => match cycle(step, steps) {
                (true, done) => between(MOMENTA.1, MOMENTA.0, done),
                (false, done) => between(MOMENTA.0, MOMENTA.1, done),
            },
            _ => BETA1,
        }
    }

    pub(super) fn check(self, steps: usize) -> Result<()> {
        let warm_up = match self {
            Self::WarmUp { steps } | Self::Cosine { warm_up: steps } => steps,
            _ => 0,
        };
        if warm_up >= steps.max(1) {
            let rule = format!("a warm-up is shorter than the training of {steps} steps");
            return Err(Error::argument("warm_up", warm_up, rule));
        }
        Ok(())
    }
}

/// Equal steps up to 1.
fn rise(step: usize, warm_up: usize) -> f64 {
    if step >= warm_up { 1.0 } else { (step + 1) as f64 / warm_up as f64 }
}

/// Whether one cycle rises at this step, and how far it is on this way.
fn cycle(step: usize, steps: usize) -> (bool, f64) {
    let (step, peak, last) = (step as f64, RISE * steps as f64 - 1.0, steps as f64 - 1.0);
    if step <= peak {
        return (true, if peak > 0.0 { step / peak } else { 1.0 });
    }
    (false, ((step - peak) / (last - peak)).min(1.0))
}

/// Half a cosine from `start` to `end`.
fn between(start: f64, end: f64, done: f64) -> f64 {
    end + 0.5 * (start - end) * (1.0 + (PI * done).cos())
}

impl fmt::Display for LearningRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant => f.write_str("constant"),
            Self::WarmUp { steps } => write!(f, "warm-up of {steps} steps"),
            Self::Cosine { warm_up: 0 } => f.write_str("cosine"),
            Self::Cosine { warm_up } => write!(f, "cosine after a warm-up of {warm_up} steps"),
            Self::OneCycle => f.write_str("one cycle"),
        }
    }
}

impl Show for LearningRate {
    fn bundle(&self) -> Result<Bundle> {
        let steps: Vec<f64> = (1..=1_000).map(f64::from).collect();
        let rates: Vec<f64> = (0..1_000).map(|step| self.at(1.0, step, 1_000)).collect();
        let chart = Chart::new(format!("Learning rate: {self}")).x_label("step of 1,000").y_label("share of lr");
        chart.line("rate", &steps, &rates).bundle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PyTorch's schedulers over 50 steps from lr = 0.01 (tests/fixtures/rates.py): rates, and b1 of one cycle.
    #[test]
    fn they_are_those_of_pytorch() {
        let fixtures: [(&str, [f64; 50]); 5] = include!("../../tests/fixtures/rates.in");
        for (name, expected) in fixtures {
            for (step, expected) in expected.into_iter().enumerate() {
                let value = match name {
                    "warm-up 7" => LearningRate::WarmUp { steps: 7 }.at(0.01, step, 50),
                    "cosine 0" => LearningRate::Cosine { warm_up: 0 }.at(0.01, step, 50),
                    "cosine 7" => LearningRate::Cosine { warm_up: 7 }.at(0.01, step, 50),
                    "one cycle" => LearningRate::OneCycle.at(0.01, step, 50),
                    _ => LearningRate::OneCycle.momentum(step, 50),
                };
                assert!((value - expected).abs() < 1e-12, "{name}, step {step}: {value} is not {expected}");
            }
        }
    }

    #[test]
    fn after_the_last_step_they_stay_and_short_trainings_are_finite() {
        for rate in [LearningRate::Constant, LearningRate::Cosine { warm_up: 0 }, LearningRate::OneCycle] {
            for steps in 1..12 {
                let rates: Vec<f64> = (0..2 * steps).map(|step| rate.at(1.0, step, steps)).collect();
                assert!(rates.iter().all(|rate| (0.0..=1.0).contains(rate)), "{rate} {steps}: {rates:?}");
                assert_eq!(rate.at(1.0, steps, steps), rate.at(1.0, 9 * steps, steps));
            }
        }
        assert_eq!(LearningRate::Cosine { warm_up: 3 }.at(1.0, 50, 50), 0.0);
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let said = LearningRate::Cosine { warm_up: 5 }.check(5).unwrap_err().to_string();
        assert_eq!(said, "warm_up = 5: a warm-up is shorter than the training of 5 steps");
        assert!(LearningRate::WarmUp { steps: 4 }.check(5).is_ok());
    }
}
