//! Noise schedules: how much of the data and how much noise a noised image holds.
//!
//! x_t = alpha_t x_0 + sigma_t eps, with eps ~ N(0, I). Time t runs from 0 (data) to 1 (noise). A schedule of N levels
//! fixes the times (i + 1)/N for i in 0..N: level i is what the papers call t = i + 1.
//!
//! | schedule | alpha, sigma | |
//! |---|---|---|
//! | linear, cosine, sigmoid, vp, your own betas | alpha^2 = abar, sigma^2 = 1 - abar | variance preserving: chains of betas |
//! | sub_vp | sigma = 1 - alpha^2 | the sub-VP SDE |
//! | geometric, edm | alpha = 1 | variance exploding |
//! | flow | alpha = 1 - t, sigma = t | straight lines |
//!
//! All of them give the same picture at another scale: a network or a sampler that is exact sees the ratio alpha/sigma.

mod chain;
mod cosine;
mod description;
mod edm;
mod exploding;
mod figure;
mod flow;
mod geometric;
mod levels;
mod linear;
mod sigmoid;
mod spacing;
mod sub_vp;
mod training;
mod vp;
mod zero_terminal;

pub(crate) use chain::on_level;
pub use figure::Comparison;
pub use levels::Levels;
pub(crate) use spacing::NOISE;
pub use spacing::Spacing;
pub use training::TrainingLevels;

use crate::{Error, Result};
use chain::Chain;
use std::rc::Rc;

/// A noise schedule: alpha(t) and sigma(t), in continuous time and at N levels.
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
#[derive(Clone)]
pub struct Schedule {
    name: Rc<str>,
    /// The constructor's name, whatever the reader calls it.
    kind: Rc<str>,
    levels: usize,
    curve: Rc<dyn Curve>,
}

/// What a kind of schedule knows of itself. Each `t` lies in [0, 1]: 0 is the data, where sigma is 0.
trait Curve {
    fn alpha(&self, t: f64) -> f64;

    fn sigma(&self, t: f64) -> f64;

    /// By a way of its own, since 2 ln(alpha/sigma) would lose digits near both ends.
    fn log_snr(&self, t: f64) -> f64;

    /// d ln alpha/dt; where the two sides differ, that before `t`.
    fn drift(&self, t: f64) -> f64;

    /// The square root of -sigma^2 d ln SNR/dt, likewise.
    fn diffusion(&self, t: f64) -> f64;

    /// What its constructor was given beside the number of levels.
    fn arguments(&self) -> &[(&'static str, f64)] {
        &[]
    }

    /// The variance-preserving Markov chain that it is, or why it is none.
    fn chain(&self) -> Result<&Chain, &'static str>;
}

impl Schedule {
    fn new(name: impl Into<String>, levels: usize, curve: impl Curve + 'static) -> Self {
        let name: Rc<str> = name.into().into();
        Self { kind: Rc::clone(&name), name, levels, curve: Rc::new(curve) }
    }

    fn chain(&self) -> Result<&Chain> {
        self.curve.chain().map_err(|why| Error::argument("schedule", self.name(), why))
    }

    /// The standard deviation of x_t at a time so late that the image hardly counts: what samplers start from. A chain's
    /// is 1, since images count as having variance 1.
    pub(crate) fn prior_std(&self, t: f64) -> f64 {
        if self.curve.chain().is_ok() { 1.0 } else { self.sigma(t) }
    }

    /// What made it, such as `"cosine"`: a file's word for it, and what two runs have in common.
    pub(crate) fn kind(&self) -> &str {
        &self.kind
    }

    /// The same schedule under a name of your own, which figures and errors then use: two from your own betas would both be
    /// `"custom"`.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let gentle = Schedule::from_betas((1..=100).map(|i| 1e-3 * i as f64))?.named("gentle");
    /// let harsh = Schedule::from_betas((1..=100).map(|i| 2e-3 * i as f64))?.named("harsh");
    /// assert!(Schedule::compare(&[&gentle, &harsh])?.bundle()?.plain_text().starts_with("Schedules: gentle, harsh;"));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Self { name: name.into(), ..self.clone() }
    }

    /// The schedule's name, such as `"cosine"`.
    ///
    /// ```
    /// assert_eq!(noisebook::Schedule::cosine(1_000)?.name(), "cosine");
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of levels, N.
    ///
    /// ```
    /// assert_eq!(noisebook::Schedule::linear(1_000)?.levels(), 1_000);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn levels(&self) -> usize {
        self.levels
    }

    /// The variance that each step of the Markov chain adds: beta of level i in 0..N, each between 0 and 1.
    ///
    /// # Errors
    /// Schedules that are no variance-preserving chain (geometric, edm, sub_vp, flow) have no betas.
    ///
    /// ```
    /// let schedule = noisebook::Schedule::linear(1_000)?;
    /// assert!((1.0 - schedule.betas()?[0] - schedule.alpha_bars()[0]).abs() < 1e-12); // level 0 keeps 1 - beta
    /// assert!(noisebook::Schedule::flow(1_000)?.betas().is_err());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn betas(&self) -> Result<Vec<f64>> {
        Ok(self.chain()?.betas.clone())
    }

    /// abar of level i in 0..N: alpha(t)^2, the share of the image's variance that is left. In a chain it is the product of
    /// 1 - beta up to there. Elsewhere it says nothing of the noise, which [`sigma`](Self::sigma) tells.
    ///
    /// ```
    /// let schedule = noisebook::Schedule::cosine(1_000)?;
    /// assert!((schedule.alpha_bars()[499] - schedule.alpha(0.5).powi(2)).abs() < 1e-12); // level 499 is t = 0.5
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn alpha_bars(&self) -> Vec<f64> {
        let levels = self.levels();
        let alpha = |level: usize| self.alpha((level + 1) as f64 / levels as f64);
        self.chain()
            .map_or_else(|_| (0..levels).map(|level| alpha(level).powi(2)).collect(), |chain| chain.alpha_bars())
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

    /// alpha(t): the factor of the image at time t in [0, 1] (outside, the nearest end).
    ///
    /// In a chain it is sqrt(abar_t); between two levels ln abar runs straight.
    ///
    /// ```
    /// let schedule = noisebook::Schedule::linear(1_000)?;
    /// assert_eq!((schedule.alpha(0.0), schedule.alpha(0.001)), (1.0, (1.0 - 1e-4_f64).sqrt()));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn alpha(&self, t: f64) -> f64 {
        self.curve.alpha(t.clamp(0.0, 1.0))
    }

    /// sigma(t): the noise's standard deviation at time t in [0, 1]; 0 at t = 0. In a chain it is sqrt(1 - abar_t).
    ///
    /// ```
    /// let schedule = noisebook::Schedule::linear(1_000)?;
    /// assert!((schedule.alpha(0.3).powi(2) + schedule.sigma(0.3).powi(2) - 1.0).abs() < 1e-12); // variance preserving
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn sigma(&self, t: f64) -> f64 {
        self.curve.sigma(t.clamp(0.0, 1.0))
    }

    /// ln SNR(t) = ln(alpha^2 / sigma^2) at time t in [0, 1]; infinite at t = 0, and minus infinite where alpha is 0.
    ///
    /// ```
    /// let schedule = noisebook::Schedule::cosine(1_000)?;
    /// assert!(schedule.log_snr(0.4) > 0.0 && schedule.log_snr(0.6) < 0.0); // image and noise balance about half way
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn log_snr(&self, t: f64) -> f64 {
        self.curve.log_snr(t.clamp(0.0, 1.0))
    }

    /// The drift f(t) = d ln alpha/dt of the forward SDE dx = f x dt + g dw, whose marginals are this schedule's (Song et al.
    /// 2021, eq. 5 and 29). It is 0 where noise explodes, and -beta(t)/2 in a chain, whose beta of each step is spread
    /// evenly over it; at a level it is that of the step which leads there.
    ///
    /// Minus infinity where nothing is left of the image: at t = 1 of the flow schedule and of those with zero terminal SNR.
    ///
    /// ```
    /// let schedule = noisebook::Schedule::vp(1_000)?;
    /// assert!((schedule.drift(0.5) + 0.5 * 10.05).abs() < 1e-12); // beta(t) = 0.1 + 19.9 t
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn drift(&self, t: f64) -> f64 {
        self.curve.drift(t.clamp(0.0, 1.0))
    }

    /// The diffusion g(t) of the forward SDE dx = f x dt + g dw: g^2 = d sigma^2/dt - 2 f sigma^2 = -sigma^2 d ln SNR/dt
    /// (Song et al. 2021, eq. 5). It is sqrt(beta(t)) in a chain, and the square root of
    /// d sigma^2/dt where noise explodes.
    ///
    /// Infinite where the [`drift`](Self::drift) is.
    ///
    /// ```
    /// let schedule = noisebook::Schedule::vp(1_000)?;
    /// assert!((schedule.diffusion(0.5) - 10.05_f64.sqrt()).abs() < 1e-12);
    /// assert_eq!(noisebook::Schedule::flow(1_000)?.diffusion(1.0), f64::INFINITY);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn diffusion(&self, t: f64) -> f64 {
        self.curve.diffusion(t.clamp(0.0, 1.0))
    }

    /// alpha^2/(alpha^2 + sigma^2): the image's share of the variance, which is abar in a chain.
    pub(crate) fn image_share(&self, t: f64) -> f64 {
        1.0 / (1.0 + (-self.log_snr(t)).exp())
    }
}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

impl std::fmt::Debug for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} schedule, {} levels", self.name, self.levels)
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
mod fixtures;
#[cfg(test)]
pub(crate) use fixtures::all;
#[cfg(test)]
mod slopes;

#[cfg(test)]
mod tests;
