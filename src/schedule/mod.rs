//! Noise schedules: how much of the data and how much noise a noised image holds.
//!
//! x_t = alpha_t x_0 + sigma_t eps, with eps ~ N(0, I). Time t runs from 0 (data) to 1 (noise). A schedule of N levels
//! fixes the times (i + 1)/N for i in 0..N: level i is what the papers call t = i + 1.
//!
//! The schedules here are variance preserving, alpha^2 + sigma^2 = 1, and abar_t = alpha_t^2 is the product of
//! 1 - beta over the steps up to t (Ho et al. 2020, eq. 4).

mod cosine;
mod figure;
mod levels;
mod linear;

pub use figure::Comparison;
pub use levels::Levels;

use crate::{Error, Result};
use std::rc::Rc;

/// A noise schedule: the betas of a Markov chain, and what follows from them.
///
/// Everything is float64. A clone is cheap.
///
/// ```
/// use noisebook::prelude::*;
/// let schedule = Schedule::linear(1_000)?;
/// let last = schedule.alpha_bars()[999];
/// assert!((last - 4.0358e-5).abs() < 1e-9); // at the last level hardly anything of the image is left
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Schedule {
    name: &'static str,
    betas: Rc<[f64]>,
    /// ln abar at the levels: a sum, where the product would lose digits.
    log_alpha_bars: Rc<[f64]>,
}

impl Schedule {
    fn from_valid_betas(name: &'static str, betas: Vec<f64>) -> Self {
        let log_alpha_bars = betas
            .iter()
            .scan(0.0, |sum, beta| {
                *sum += (-beta).ln_1p();
                Some(*sum)
            })
            .collect();
        Self { name, betas: betas.into(), log_alpha_bars }
    }

    /// The schedule's name, such as `"cosine"`.
    ///
    /// ```
    /// assert_eq!(noisebook::Schedule::cosine(1_000)?.name(), "cosine");
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The number of levels, N.
    ///
    /// ```
    /// assert_eq!(noisebook::Schedule::linear(1_000)?.levels(), 1_000);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn levels(&self) -> usize {
        self.betas.len()
    }

    /// The variance that each step of the Markov chain adds: beta of level i in 0..N, each in (0, 1).
    ///
    /// # Errors
    /// Schedules that are no such chain (VE, flow) have no betas; the two families so far have.
    ///
    /// ```
    /// let schedule = noisebook::Schedule::linear(1_000)?;
    /// assert!((1.0 - schedule.betas()?[0] - schedule.alpha_bars()[0]).abs() < 1e-12); // abar of level 0 is 1 - beta
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn betas(&self) -> Result<Vec<f64>> {
        Ok(self.betas.to_vec())
    }

    /// abar of level i in 0..N: the share of the image's variance that is left.
    ///
    /// ```
    /// let schedule = noisebook::Schedule::cosine(1_000)?;
    /// assert!((schedule.alpha_bars()[499] - schedule.alpha(0.5).powi(2)).abs() < 1e-12); // level 499 is t = 0.5
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn alpha_bars(&self) -> Vec<f64> {
        self.log_alpha_bars.iter().map(|log| log.exp()).collect()
    }

    /// The time of a level: (i + 1)/N.
    ///
    /// # Errors
    /// If the level is not in 0..N.
    ///
    /// ```
    /// let schedule = noisebook::Schedule::cosine(1_000)?;
    /// assert_eq!((schedule.time(0)?, schedule.time(999)?), (0.001, 1.0));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn time(&self, level: usize) -> Result<f64> {
        let levels = self.levels();
        if level >= levels {
            return Err(Error::argument("level", level, format!("levels run from 0 to {}", levels - 1)));
        }
        Ok((level + 1) as f64 / levels as f64)
    }

    /// alpha(t) = sqrt(abar_t), what is left of the image at time t in [0, 1] (outside, the nearest end).
    ///
    /// Between two levels ln abar runs straight.
    ///
    /// ```
    /// let schedule = noisebook::Schedule::cosine(1_000)?;
    /// assert_eq!((schedule.alpha(0.0), schedule.sigma(0.0)), (1.0, 0.0));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn alpha(&self, t: f64) -> f64 {
        (0.5 * self.log_alpha_bar(t)).exp()
    }

    /// sigma(t) = sqrt(1 - abar_t), the noise's standard deviation at time t in [0, 1].
    ///
    /// ```
    /// let schedule = noisebook::Schedule::linear(1_000)?;
    /// assert!((schedule.alpha(0.3).powi(2) + schedule.sigma(0.3).powi(2) - 1.0).abs() < 1e-12); // variance preserving
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn sigma(&self, t: f64) -> f64 {
        // 0 less, since the negation of 0 would be -0.
        (0.0 - self.log_alpha_bar(t).exp_m1()).sqrt()
    }

    /// ln SNR(t) = ln(alpha^2 / sigma^2) at time t in [0, 1]; infinite at t = 0.
    ///
    /// ```
    /// let schedule = noisebook::Schedule::cosine(1_000)?;
    /// assert!(schedule.log_snr(0.4) > 0.0 && schedule.log_snr(0.6) < 0.0); // image and noise balance about half way
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn log_snr(&self, t: f64) -> f64 {
        let log_alpha_bar = self.log_alpha_bar(t);
        log_alpha_bar - (-log_alpha_bar.exp_m1()).ln()
    }

    fn log_alpha_bar(&self, t: f64) -> f64 {
        let position = t.clamp(0.0, 1.0) * self.levels() as f64;
        // (i + 1)/N times N may miss i + 1 by a rounding; a level's own value is meant then.
        let nearest = position.round();
        let position = if (position - nearest).abs() < 1e-9 { nearest } else { position };
        let at = |steps: usize| if steps == 0 { 0.0 } else { self.log_alpha_bars[steps - 1] };
        let (below, above) = (position.floor() as usize, position.ceil() as usize);
        let share = position - below as f64;
        at(below) * (1.0 - share) + at(above) * share
    }
}

/// A thousand times what the papers use.
const MOST_LEVELS: usize = 1_000_000;

/// The rule that every constructor of a discrete schedule checks.
fn check_levels(levels: usize) -> Result<()> {
    if levels < 2 {
        return Err(Error::argument("levels", levels, "a schedule needs at least 2 levels"));
    }
    if levels > MOST_LEVELS {
        return Err(Error::argument("levels", levels, "a schedule has at most 1,000,000 levels"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(value: f64, expected: f64, relative: f64) {
        assert!((value / expected - 1.0).abs() < relative, "{value} is not {expected}");
    }

    // The expected numbers are closed forms, computed outside in float64 (numpy cumprod).
    #[test]
    fn linear_is_that_of_ddpm() {
        let schedule = Schedule::linear(1_000).unwrap();
        let betas = schedule.betas().unwrap();
        assert_eq!((betas[0], betas[999]), (1e-4, 0.02));
        close(schedule.alpha_bars()[999], 4.0358e-5, 1e-4);
        close(schedule.sigma(0.001) / schedule.alpha(0.001), 0.010_000_5, 1e-6);
        close(schedule.sigma(1.0) / schedule.alpha(1.0), 157.407, 1e-5);
    }

    #[test]
    fn cosine_is_that_of_improved_ddpm() {
        let schedule = Schedule::cosine(1_000).unwrap();
        close(schedule.alpha_bars()[499], 0.493_84, 1e-5);
        close(schedule.alpha_bars()[999], 2.43e-9, 1e-2);
        assert_eq!(schedule.betas().unwrap()[999], 0.999);
    }

    #[test]
    fn continuous_time_meets_the_levels() {
        for schedule in [Schedule::linear(1_000).unwrap(), Schedule::cosine(37).unwrap()] {
            for (level, alpha_bar) in schedule.alpha_bars().into_iter().enumerate() {
                let t = schedule.time(level).unwrap();
                close(schedule.alpha(t).powi(2), alpha_bar, 1e-12);
                close(schedule.alpha(t).powi(2) + schedule.sigma(t).powi(2), 1.0, 1e-12);
                close(schedule.log_snr(t).exp(), alpha_bar / (1.0 - alpha_bar), 1e-9);
            }
            assert!((1..=1_000).all(|i| schedule.sigma(f64::from(i) / 1e3) >= schedule.sigma(f64::from(i - 1) / 1e3)));
        }
    }

    #[test]
    fn other_level_counts_end_in_noise_too() {
        for levels in [50, 200, 4_000] {
            assert!(Schedule::linear(levels).unwrap().alpha_bars()[levels - 1] < 1e-4);
        }
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        assert_eq!(Schedule::linear(1).unwrap_err().to_string(), "levels = 1: a schedule needs at least 2 levels");
        let most = Schedule::linear(usize::MAX).unwrap_err().to_string();
        assert_eq!(most, format!("levels = {}: a schedule has at most 1,000,000 levels", usize::MAX));
        assert_eq!(Schedule::cosine(0).unwrap_err().to_string(), "levels = 0: a schedule needs at least 2 levels");
        let error = Schedule::linear(10).unwrap().time(10).unwrap_err();
        assert_eq!(error.to_string(), "level = 10: levels run from 0 to 9");
    }
}
