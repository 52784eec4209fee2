//! Which times a sampler with fewer steps than levels visits.

use super::Schedule;
use crate::show::{Bundle, Chart, Show};
use crate::{Error, Result};
use std::fmt;

/// How a sampler's steps are laid out between noise and data.
///
/// ```
/// use noisebook::prelude::*;
/// let times = Spacing::Trailing.times(&Schedule::cosine(1_000)?, 4)?;
/// assert_eq!(times, [1.0, 0.75, 0.5, 0.25, 0.0]);
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Spacing {
    /// Levels N (1 - k/steps), rounded: evenly from the last level down (Lin et al. 2023, table 2). The default.
    Trailing,
    /// Levels 1 + k floor(N/steps), evenly from the first level up (Ho et al.'s and Song et al.'s code). It never visits
    /// the last level, so the first step takes noise for an image of less noise (Lin et al. 2023, section 3.3).
    Leading,
    /// t = 1 - k/steps, not rounded to a level.
    Uniform,
    /// Equal steps of ln SNR from the last level to the first, then the data (Lu et al. 2022, "DPM-Solver", section 3.3).
    /// Where ln SNR falls below -10.2 at t = 1 (cosine, flow, zero terminal SNR), one step leads from there to -10.2.
    LogSnr,
    /// Equal steps of sqrt(t) from the last level to the first, then the data: more steps near the data (Song et al. 2021,
    /// "Denoising Diffusion Implicit Models", appendix D.2, there rounded).
    Quadratic,
    /// Equal steps of the angle theta = atan(sigma/alpha) from the last level to the first, then the data: v's own clock
    /// (Salimans & Ho 2022, appendix D).
    Angle,
    /// Equal steps of (sigma/alpha)^(1/rho) from the last level to the first, then the data (Karras et al. 2022, eq. 5,
    /// whose rho is 7). Where ln SNR falls below -10.2 at t = 1, one step leads from there to -10.2.
    Karras {
        /// The power: 1 makes equal steps of sigma/alpha, a large one equal steps of ln SNR.
        rho: f64,
    },
}

impl Spacing {
    /// The times of `steps` steps: `steps` + 1 falling numbers, of which the last is 0, the data.
    ///
    /// # Errors
    /// 0 steps or more than the schedule has levels; a rho outside [0.1, 100].
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let edm = Schedule::edm(1_000)?;
    /// let sigmas: Vec<f64> = Spacing::LogSnr.times(&edm, 3)?.into_iter().map(|t| edm.sigma(t)).collect();
    /// assert!((sigmas[1] - 0.4).abs() < 1e-9); // between 80 and 0.002, by ratios
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn times(self, schedule: &Schedule, steps: usize) -> Result<Vec<f64>> {
        let levels = schedule.levels();
        if !(1..=levels).contains(&steps) {
            let rule = format!("this schedule has {levels} levels: take 1 to {levels} steps");
            return Err(Error::argument("steps", steps, rule));
        }
        if let Self::Karras { rho } = self
            && !RHOS.contains(&rho)
        {
            return Err(Error::argument("rho", rho, "the power lies between 0.1 and 100"));
        }
        let (n, count) = (levels as f64, steps as f64);
        let at = |time: &dyn Fn(f64) -> f64| -> Vec<f64> {
            (0..steps).map(|k| time(k as f64)).chain(std::iter::once(0.0)).collect()
        };
        let mut times = match self {
            Self::Trailing => at(&|k| (n * (count - k) / count).round() / n),
            Self::Leading => at(&|k| (1 + (steps - 1 - k as usize) * (levels / steps)) as f64 / n),
            Self::Uniform => at(&|k| 1.0 - k / count),
            Self::Quadratic => at(&|k| between(1.0, (1.0 / n).sqrt(), k as usize, steps).powi(2)),
            Self::LogSnr => from_noise(schedule, steps, &|last, first, k, count| between(last, first, k, count)),
            Self::Angle => {
                let angle = |t: f64| schedule.sigma(t).atan2(schedule.alpha(t));
                let (last, first) = (angle(1.0), angle(1.0 / n));
                let time = |k| schedule.time_at(-2.0 * between(last, first, k, steps).tan().ln());
                at(&|k| if k == 0.0 { 1.0 } else { time(k as usize) })
            }
            Self::Karras { rho } => {
                let root = |log_snr: f64| (-log_snr / (2.0 * rho)).exp();
                from_noise(schedule, steps, &|last, first, k, count| {
                    -2.0 * rho * between(root(last), root(first), k, count).ln()
                })
            }
        };
        // The way back from t to a level and from the level to t may miss it by a rounding.
        let to_first = matches!(self, Self::Quadratic | Self::LogSnr | Self::Angle | Self::Karras { .. });
        if to_first && steps > 1 {
            times[steps - 1] = 1.0 / n;
        }
        Ok(times)
    }
}

/// Beyond these powers the numbers of a schedule or a grid are lost in rounding.
pub(super) const RHOS: std::ops::RangeInclusive<f64> = 0.1..=100.0;

/// From the last of `count` values to the first, both met exactly.
fn between(last: f64, first: f64, k: usize, count: usize) -> f64 {
    let share = if count == 1 { 0.0 } else { k as f64 / (count - 1) as f64 };
    last * (1.0 - share) + first * share
}

/// ln SNR below which nothing of the image is left to speak of: sigma/alpha = 164. The steps of the cosine schedule, which
/// goes on to 20,000, and of those that go on to infinity would be lost on noise: one leads from t = 1 to here. (lambda = -5.1
/// is where Lu et al.'s code clips the cosine schedule.)
pub(crate) const NOISE: f64 = -10.2;

/// The times where ln SNR takes the values of `value(last, first, k, count)`, then the data.
fn from_noise(schedule: &Schedule, steps: usize, value: &dyn Fn(f64, f64, usize, usize) -> f64) -> Vec<f64> {
    let (last, first) = (schedule.log_snr(1.0), schedule.log_snr(1.0 / schedule.levels() as f64));
    // With two steps the one from t = 1 leads to the first level.
    let jumps = usize::from(last < NOISE && steps > 2);
    let count = steps - jumps;
    let at = |k| schedule.time_at(if k == 0 && jumps == 0 { last } else { value(last.max(NOISE), first, k, count) });
    let start = std::iter::once(1.0).take(jumps);
    start.chain((0..count).map(at)).chain([0.0]).collect()
}

impl Schedule {
    /// The time from the first level to 1 with this ln SNR, which falls with t: by halving, to the last digit.
    pub(crate) fn time_at(&self, log_snr: f64) -> f64 {
        let (mut low, mut high) = (1.0 / self.levels() as f64, 1.0);
        // Rounding must not lose the ends.
        if log_snr >= self.log_snr(low) {
            return low;
        }
        if log_snr <= self.log_snr(high) {
            return high;
        }
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if self.log_snr(middle) > log_snr { low = middle } else { high = middle }
        }
        0.5 * (low + high)
    }
}

impl Show for Spacing {
    fn bundle(&self) -> Result<Bundle> {
        let rule = match self {
            Self::Trailing => "levels N (1 - k/steps), rounded: evenly from the last level down",
            Self::Leading => "levels 1 + k floor(N/steps): evenly from the first level up",
            Self::Uniform => "t = 1 - k/steps",
            Self::LogSnr => "equal steps of ln SNR",
            Self::Angle => "equal steps of atan(sigma/alpha)",
            Self::Quadratic => "equal steps of the root of t",
            Self::Karras { .. } => "equal steps of (sigma/alpha)^(1/rho)",
        };
        Ok(Bundle::text(format!("Steps {self}: {rule}; see chart(&schedule, steps)")))
    }
}

impl Spacing {
    /// The level grid as a picture: sigma/alpha where each of `steps` steps of a schedule begins.
    ///
    /// # Errors
    /// As [`times`](Self::times).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// Spacing::Karras { rho: 7.0 }.chart(&Schedule::linear(1_000)?, 20)?.show()?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn chart(self, schedule: &Schedule, steps: usize) -> Result<Chart> {
        let times = self.times(schedule, steps)?;
        let places: Vec<f64> = (0..steps).map(|k| k as f64).collect();
        let ratios: Vec<f64> = times[..steps].iter().map(|&t| (-0.5 * schedule.log_snr(t)).exp()).collect();
        let title = format!("{steps} steps of the {} schedule, {self}", schedule.name());
        Ok(Chart::new(title).x_label("step").y_label("sigma/alpha").log_y().points("", &places, &ratios))
    }
}

impl fmt::Display for Spacing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trailing => f.write_str("trailing"),
            Self::Leading => f.write_str("leading"),
            Self::Uniform => f.write_str("uniform"),
            Self::LogSnr => f.write_str("uniform in ln SNR"),
            Self::Angle => f.write_str("uniform in the angle"),
            Self::Quadratic => f.write_str("quadratic"),
            Self::Karras { rho } => write!(f, "Karras with rho = {rho}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Spacing; 7] = [
        Spacing::Trailing,
        Spacing::Leading,
        Spacing::Uniform,
        Spacing::LogSnr,
        Spacing::Angle,
        Spacing::Quadratic,
        Spacing::Karras { rho: 7.0 },
    ];

    #[test]
    fn times_fall_from_noise_to_data() {
        let schedules = [Schedule::linear(1_000), Schedule::sub_vp(1_000), Schedule::geometric(1_000)];
        for schedule in schedules.map(Result::unwrap) {
            for spacing in ALL {
                for steps in [1, 2, 7, 50, 999, 1_000] {
                    let times = spacing.times(&schedule, steps).unwrap();
                    let is_level = matches!(spacing, Spacing::Uniform | Spacing::Trailing) || times[steps - 1] == 0.001;
                    assert!(is_level || steps == 1, "{spacing} {steps}: {}", times[steps - 1]);
                    assert_eq!((times.len(), times[steps]), (steps + 1, 0.0), "{spacing}");
                    assert!(times.windows(2).all(|pair| pair[0] > pair[1]), "{spacing} {steps}: {times:?}");
                    assert!(times[0] == 1.0 || spacing == Spacing::Leading, "{spacing} {steps}: {times:?}");
                }
            }
        }
    }

    /// By hand: 1 - k/3; (1, (1 + sqrt(0.01))/2 = 0.55, 0.1) squared; levels 1, 34, 67 of 100.
    #[test]
    fn three_steps_by_hand() {
        let schedule = Schedule::flow(100).unwrap();
        let expected = [
            (Spacing::Uniform, [1.0, 2.0 / 3.0, 1.0 / 3.0, 0.0]),
            (Spacing::Quadratic, [1.0, 0.3025, 0.01, 0.0]),
            (Spacing::Leading, [0.67, 0.34, 0.01, 0.0]),
            (Spacing::Trailing, [1.0, 0.67, 0.33, 0.0]),
        ];
        for (spacing, expected) in expected {
            let times = spacing.times(&schedule, 3).unwrap();
            assert!(times.iter().zip(expected).all(|(t, e)| (t - e).abs() < 1e-12), "{spacing}: {times:?}");
        }
    }

    /// From t = 1, where it is infinite, to sigma/alpha = e^5.1, then to the first level by equal ratios.
    #[test]
    fn steps_are_not_lost_on_noise() {
        let schedule = Schedule::flow(1_000).unwrap();
        let times = Spacing::LogSnr.times(&schedule, 4).unwrap();
        let ratio = |t: f64| t / (1.0 - t);
        assert_eq!((times[0], times[4]), (1.0, 0.0));
        let expected = [5.1f64.exp(), (5.1f64.exp() * ratio(0.001)).sqrt(), ratio(0.001)];
        for (t, expected) in times[1..4].iter().zip(expected) {
            assert!((ratio(*t) / expected - 1.0).abs() < 1e-9, "{times:?}");
        }
        assert_eq!(Spacing::LogSnr.times(&schedule, 2).unwrap(), [1.0, 0.001, 0.0]);
        assert_eq!(Spacing::LogSnr.times(&schedule, 1).unwrap(), [1.0, 0.0]);
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let said = |spacing: Spacing, schedule: Result<Schedule>, steps| {
            spacing.times(&schedule.unwrap(), steps).unwrap_err().to_string()
        };
        let rule = "this schedule has 10 levels: take 1 to 10 steps";
        assert_eq!(said(Spacing::Uniform, Schedule::flow(10), 0), format!("steps = 0: {rule}"));
        assert_eq!(said(Spacing::Leading, Schedule::edm(10), 11), format!("steps = 11: {rule}"));
        let karras = |rho| said(Spacing::Karras { rho }, Schedule::edm(10), 5);
        assert_eq!(karras(0.0), "rho = 0: the power lies between 0.1 and 100");
        assert_eq!(karras(f64::NAN), "rho = NaN: the power lies between 0.1 and 100");
    }
}
