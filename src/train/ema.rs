//! Averages of the weights that training goes through.

use crate::{Error, Result};
use std::fmt;

/// How the averaged weights follow those that are trained: e = d e + (1 - d) w after every step, with a decay d that depends
/// on the step.
///
/// A number alone is [`Warm`](Self::Warm): `.ema(0.995)`.
///
/// ```
/// use noisebook::prelude::*;
/// assert_eq!(Ema::from(0.995).decay(0), 0.1);
/// assert_eq!(Ema::article().decay(1_999), 0.0); // a copy, for the first 2,000 steps
/// assert_eq!(Ema::article().decay(2_000), 0.995);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Ema {
    /// d = min(decay, (1 + k)/(10 + k)) after step k = 0, 1, .., so that the average forgets where it began (TensorFlow's
    /// `ExponentialMovingAverage` with `num_updates`).
    Warm {
        /// The decay in the end, in [0, 1).
        decay: f64,
    },
    /// A copy of the weights for the first steps, then a constant decay: the article's, whose code lost the `return` that
    /// made it so.
    Article {
        /// The decay, in [0, 1).
        decay: f64,
        /// Steps of copying.
        copied: usize,
    },
    /// d = (1 - 1/n)^(gamma + 1) after the n-th step, so that the average reaches back over a constant share of the training
    /// however long it is: the power function average of Karras et al. 2024, "Analyzing and Improving the Training Dynamics
    /// of Diffusion Models", section 3.1.
    Power {
        /// The profile's standard deviation as a share of the training, sigma_rel, in (0, 0.28]: it sets gamma.
        std: f64,
    },
}

impl Ema {
    /// The article's: decay 0.995, a copy for the first 2,000 steps.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// assert_eq!(Ema::article(), Ema::Article { decay: 0.995, copied: 2_000 });
    /// ```
    #[must_use]
    pub fn article() -> Self {
        Self::Article { decay: 0.995, copied: 2_000 }
    }

    /// The power function average of this relative width; Karras et al. 2024 use 0.05 to 0.15.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// assert_eq!(Ema::power(0.1).decay(0), 0.0); // the first average is the first weights
    /// ```
    #[must_use]
    pub fn power(std: f64) -> Self {
        Self::Power { std }
    }

    /// The share of the old average that stays after step `step`, from 0.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// assert!(Ema::power(0.1).decay(9) < Ema::power(0.1).decay(99)); // longer and longer
    /// ```
    #[must_use]
    pub fn decay(self, step: usize) -> f64 {
        match self {
            Self::Warm { decay } => decay.min((1.0 + step as f64) / (10.0 + step as f64)),
            Self::Article { copied, .. } if step < copied => 0.0,
            Self::Article { decay, .. } => decay,
            Self::Power { std } => (1.0 - 1.0 / (step as f64 + 1.0)).powf(gamma(std) + 1.0),
        }
    }

    pub(super) fn check(self) -> Result<()> {
        match self {
            Self::Warm { decay } | Self::Article { decay, .. } if !(0.0..1.0).contains(&decay) => {
                Err(Error::argument("ema", decay, "must lie in [0, 1)"))
            }
            Self::Power { std } if !(std > 0.0 && std <= 0.28) => {
                Err(Error::argument("std", std, "the relative width of a power average lies in (0, 0.28]"))
            }
            _ => Ok(()),
        }
    }
}

/// The gamma of a profile whose relative deviation is `std` (Karras et al. 2024, appendix C):
/// (gamma + 1)^(1/2) (gamma + 2)^-1 (gamma + 3)^(-1/2) falls for gamma > 0, from 0.2887.
fn gamma(std: f64) -> f64 {
    let width = |gamma: f64| ((gamma + 1.0) / (gamma + 3.0)).sqrt() / (gamma + 2.0);
    let (mut low, mut high) = (0.0, 1.0 / std);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if width(middle) > std { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

impl From<f64> for Ema {
    fn from(decay: f64) -> Self {
        Self::Warm { decay }
    }
}

impl fmt::Display for Ema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Warm { decay } => write!(f, "decay {decay}, warmed up"),
            Self::Article { decay, copied } => write!(f, "decay {decay}, a copy for the first {copied} steps"),
            Self::Power { std } => write!(f, "power function of relative width {std}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// numpy.roots([1, 7, 16 - s, 12 - s]).real.max() with s = std^-2, as in the code of Karras et al. 2024 (`std_to_exp`).
    #[test]
    fn the_power_functions_gamma_is_that_of_the_paper() {
        for (std, expected) in [
            (0.01, 96.994_897_823_709_86),
            (0.05, 16.972_198_602_303_447),
            (0.1, 6.937_203_937_601_809),
            (0.2, 1.826_213_779_895_840_4),
        ] {
            assert!((gamma(std) / expected - 1.0).abs() < 1e-9, "{std}: {} is not {expected}", gamma(std));
        }
    }

    /// The article's `step_ema` lost its `return`, so that the first steps count twice, and copying ends half way.
    #[test]
    fn article_defect_5_the_first_steps_copy() {
        let ema = Ema::article();
        assert!((0..2_000).all(|step| ema.decay(step) == 0.0));
        assert!((2_000..2_010).all(|step| ema.decay(step) == 0.995));
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        assert_eq!(Ema::from(1.0).check().unwrap_err().to_string(), "ema = 1: must lie in [0, 1)");
        let rule = "the relative width of a power average lies in (0, 0.28]";
        assert_eq!(Ema::power(0.3).check().unwrap_err().to_string(), format!("std = 0.3: {rule}"));
        assert_eq!(Ema::power(f64::NAN).check().unwrap_err().to_string(), format!("std = NaN: {rule}"));
    }
}
