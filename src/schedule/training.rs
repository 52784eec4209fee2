//! Which levels training sees, and how often.

use super::{Levels, Schedule};
use crate::random::{Stream, below, check_count, generator, unit};
use crate::show::{Bundle, Chart, Figure, Show};
use crate::{Error, Result};
use rand_distr::{Distribution, StandardNormal};
use std::fmt;

/// Draws for a histogram: enough that its bars stand still.
const DRAWS: usize = 20_000;
const BINS: usize = 50;

/// The distribution of the time t in training. All times lie from the first level to the last; what a distribution puts
/// outside counts as the nearer of the two.
///
/// ```
/// use noisebook::prelude::*;
/// let edm = Schedule::edm(1_000)?;
/// let levels = TrainingLevels::edm().draw(&edm, 4, 0)?; // number, seed
/// assert!(levels.times().iter().all(|&t| (0.001..=1.0).contains(&t)));
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum TrainingLevels {
    /// One of the N levels, each as likely (Ho et al. 2020, algorithm 1). The default.
    #[default]
    Levels,
    /// Any t, each as likely (Song et al. 2021, eq. 7).
    Uniform,
    /// ln(sigma/alpha) from N(mean, std^2) (Karras et al. 2022, table 1, whose alpha is 1).
    LogNormal {
        /// The mean of ln(sigma/alpha): -1.2 in the paper.
        mean: f64,
        /// Its standard deviation, above 0: 1.2 in the paper.
        std: f64,
    },
    /// ln(t/(1 - t)) from N(mean, std^2) (Esser et al. 2024, "Scaling Rectified Flow Transformers for High-Resolution Image
    /// Synthesis", section 3.1).
    LogitNormal {
        /// The mean of ln(t/(1 - t)): 0 is half way.
        mean: f64,
        /// Its standard deviation, above 0: 1 in the paper.
        std: f64,
    },
    /// ln SNR, each value as likely: so every factor of noise is seen as often.
    UniformLogSnr,
}

impl TrainingLevels {
    /// EDM's: ln(sigma/alpha) from N(-1.2, 1.2^2) (Karras et al. 2022, table 1).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// assert_eq!(TrainingLevels::edm(), TrainingLevels::LogNormal { mean: -1.2, std: 1.2 });
    /// ```
    #[must_use]
    pub fn edm() -> Self {
        Self::LogNormal { mean: -1.2, std: 1.2 }
    }

    /// The logit-normal with mean 0 and standard deviation 1 (Esser et al. 2024, section 3.1).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// assert_eq!(TrainingLevels::logit_normal(), TrainingLevels::LogitNormal { mean: 0.0, std: 1.0 });
    /// ```
    #[must_use]
    pub fn logit_normal() -> Self {
        Self::LogitNormal { mean: 0.0, std: 1.0 }
    }

    /// The levels of `count` samples.
    ///
    /// # Errors
    /// 0 samples or more than 10,000,000; a standard deviation that is not positive, a mean that is not finite; uniform ln SNR for a schedule that leaves
    /// nothing of the image at t = 1, where it is infinite.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let levels = TrainingLevels::Levels.draw(&Schedule::cosine(10)?, 3, 0)?;
    /// assert!(levels.indices().iter().all(|index| index.fract() == 0.0)); // levels, no times between them
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn draw(self, schedule: &Schedule, count: usize, seed: u64) -> Result<Levels> {
        check_count("count", count)?;
        self.draw_step(schedule, count, seed, 0)
    }

    /// The draws of step `step` of a run with this seed.
    pub(crate) fn draw_step(self, schedule: &Schedule, count: usize, seed: u64, step: u64) -> Result<Levels> {
        self.check(schedule)?;
        let mut rng = generator(seed, Stream::Level, step);
        let levels = schedule.levels();
        let first = 1.0 / levels as f64;
        let times = (0..count).map(|_| match self {
            Self::Levels => (below(&mut rng, levels) + 1) as f64 / levels as f64,
            Self::Uniform => first + (1.0 - first) * unit(&mut rng),
            Self::LogNormal { mean, std } => {
                let z: f64 = StandardNormal.sample(&mut rng);
                schedule.time_at(-2.0 * (mean + std * z))
            }
            Self::LogitNormal { mean, std } => {
                let z: f64 = StandardNormal.sample(&mut rng);
                (1.0 / (1.0 + (-(mean + std * z)).exp())).max(first)
            }
            Self::UniformLogSnr => {
                let share = unit(&mut rng);
                schedule.time_at(schedule.log_snr(first) * (1.0 - share) + schedule.log_snr(1.0) * share)
            }
        });
        Ok(Levels::from_times(schedule, times.collect()))
    }

    /// Draws a histogram of 20,000 times, and of their noise ln(sigma/alpha): where training looks.
    ///
    /// # Errors
    /// As [`draw`](Self::draw).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let figure = TrainingLevels::Uniform.histogram(&Schedule::cosine(1_000)?, 0)?;
    /// assert!(figure.bundle()?.plain_text().starts_with("Levels in training: uniform in t, cosine schedule"));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn histogram(self, schedule: &Schedule, seed: u64) -> Result<Figure> {
        let times = self.draw(schedule, DRAWS, seed)?.times();
        let mut sorted = times.clone();
        sorted.sort_by(f64::total_cmp);
        let half = sorted[DRAWS / 2];
        let noises = times.iter().map(|&t| -0.5 * schedule.log_snr(t)).collect();
        let charts = [("time t", times), ("ln(sigma/alpha)", noises)].map(|(label, values): (_, Vec<f64>)| {
            Chart::new("").x_label(label).y_label("density").histogram("", &values, BINS).size(375, 230)
        });
        let title = format!("Levels in training: {self}, {} schedule; half lie below t = {half:.2}", schedule.name());
        Ok(Figure::row(charts).title(title))
    }

    pub(crate) fn check(self, schedule: &Schedule) -> Result<()> {
        if let Self::LogNormal { mean, std } | Self::LogitNormal { mean, std } = self {
            if !mean.is_finite() {
                return Err(Error::argument("mean", mean, "must be a finite number"));
            }
            if !(std.is_finite() && std > 0.0) {
                return Err(Error::argument("std", std, "the standard deviation is a positive number"));
            }
        }
        if self == Self::UniformLogSnr && schedule.log_snr(1.0).is_infinite() {
            let rule = format!(
                "the {} schedule leaves nothing of the image at t = 1, where ln SNR is infinite: take levels, uniform, \
                 log-normal or logit-normal",
                schedule.name()
            );
            return Err(Error::argument("training_levels", self, rule));
        }
        Ok(())
    }
}

impl fmt::Display for TrainingLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Levels => f.write_str("each level alike"),
            Self::Uniform => f.write_str("uniform in t"),
            Self::LogNormal { mean, std } => write!(f, "ln(sigma/alpha) normal with mean {mean}, std {std}"),
            Self::LogitNormal { mean, std } => write!(f, "ln(t/(1 - t)) normal with mean {mean}, std {std}"),
            Self::UniformLogSnr => f.write_str("uniform in ln SNR"),
        }
    }
}

impl Show for TrainingLevels {
    fn bundle(&self) -> Result<Bundle> {
        let source = match self {
            Self::Levels => "Ho et al. 2020, algorithm 1",
            Self::Uniform => "Song et al. 2021, eq. 7",
            Self::LogNormal { .. } => "Karras et al. 2022, table 1",
            Self::LogitNormal { .. } => "Esser et al. 2024, section 3.1",
            Self::UniformLogSnr => "every factor of noise as often",
        };
        Ok(Bundle::text(format!("Levels in training: {self}\nsource: {source}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_reach_every_level_and_no_other() {
        let schedule = Schedule::linear(4).unwrap();
        let mut seen: Vec<f64> = TrainingLevels::Levels.draw(&schedule, 1_000, 0).unwrap().indices();
        assert_eq!(seen.len(), 1_000);
        seen.sort_by(f64::total_cmp);
        seen.dedup();
        assert_eq!(seen, [0.0, 1.0, 2.0, 3.0]); // the article's code never trains the first
    }

    const ALL: [TrainingLevels; 5] = [
        TrainingLevels::Levels,
        TrainingLevels::Uniform,
        TrainingLevels::LogNormal { mean: -1.2, std: 1.2 },
        TrainingLevels::LogitNormal { mean: 0.0, std: 1.0 },
        TrainingLevels::UniformLogSnr,
    ];

    #[test]
    fn times_lie_between_the_first_level_and_the_last() {
        for schedule in crate::schedule::all(37) {
            for levels in ALL.into_iter().filter(|levels| levels.check(&schedule).is_ok()) {
                let times = levels.draw(&schedule, 2_000, 1).unwrap().times();
                assert!(times.iter().all(|&t| (1.0 / 37.0..=1.0).contains(&t)), "{levels} {schedule:?}");
                assert_eq!(levels.draw(&schedule, 5, 1).unwrap().times(), times[..5]);
            }
        }
    }

    /// A distribution, what of t to look at, its mean and standard deviation.
    type Case<'a> = (TrainingLevels, &'a dyn Fn(f64) -> f64, (f64, f64));

    /// Mean and standard deviation of what is normal or uniform, of 40,000 draws.
    #[test]
    fn they_have_the_moments_of_their_distributions() {
        let geometric = Schedule::geometric_between(1_000, 1e-4, 1e4).unwrap(); // wide: nothing is cut off
        let uniform = |low: f64, high: f64| (0.5 * (low + high), (high - low) / 12f64.sqrt());
        let ln_1e4 = 1e4_f64.ln();
        let (first, count) = (0.001, 40_000);
        let log_noise = |t: f64| geometric.sigma(t).ln();
        let logit = |t: f64| (t / (1.0 - t)).ln();
        let cases: [Case; 5] = [
            (TrainingLevels::Levels, &|t| t, uniform(0.0005, 1.0005)),
            (TrainingLevels::Uniform, &|t| t, uniform(first, 1.0)),
            (TrainingLevels::edm(), &log_noise, (-1.2, 1.2)),
            (TrainingLevels::LogitNormal { mean: 0.3, std: 0.8 }, &logit, (0.3, 0.8)),
            (TrainingLevels::UniformLogSnr, &log_noise, uniform(-ln_1e4, ln_1e4)),
        ];
        for (levels, value, (mean, std)) in cases {
            let times = levels.draw(&geometric, count, 3).unwrap().times();
            let values: Vec<f64> = times.into_iter().map(value).collect();
            let n = count as f64;
            let average = values.iter().sum::<f64>() / n;
            let spread = (values.iter().map(|value| (value - average).powi(2)).sum::<f64>() / n).sqrt();
            assert!((average - mean).abs() < 4.0 * std / n.sqrt(), "{levels}: {average}");
            assert!((spread / std - 1.0).abs() < 4.0 / (2.0 * n).sqrt(), "{levels}: {spread}");
        }
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let said = |levels: TrainingLevels, schedule: Result<Schedule>| {
            levels.draw(&schedule.unwrap(), 1, 0).unwrap_err().to_string()
        };
        let count =
            |count| TrainingLevels::Levels.draw(&Schedule::cosine(10).unwrap(), count, 0).unwrap_err().to_string();
        assert_eq!(count(0), "count = 0: draw at least 1");
        assert_eq!(count(usize::MAX), format!("count = {}: draw at most 10,000,000", usize::MAX));
        let normal = |mean, std| said(TrainingLevels::LogNormal { mean, std }, Schedule::edm(10));
        assert_eq!(normal(f64::NAN, 1.0), "mean = NaN: must be a finite number");
        assert_eq!(normal(0.0, 0.0), "std = 0: the standard deviation is a positive number");
        assert_eq!(
            said(TrainingLevels::LogitNormal { mean: 0.0, std: f64::INFINITY }, Schedule::flow(10)),
            "std = inf: the standard deviation is a positive number"
        );
        assert_eq!(
            said(TrainingLevels::UniformLogSnr, Schedule::flow(10)),
            "training_levels = uniform in ln SNR: the flow schedule leaves nothing of the image at t = 1, where ln SNR is \
             infinite: take levels, uniform, log-normal or logit-normal"
        );
    }
}
