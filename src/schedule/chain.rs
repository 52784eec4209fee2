//! Schedules that are Markov chains x_i = sqrt(1 - beta_i) x_(i-1) + sqrt(beta_i) eps: Ho et al. 2020, eq. 2 and 4.

use super::{Curve, MOST_LEVELS, Schedule, check_levels};
use crate::{Error, Result};

/// Variance preserving: alpha^2 = abar, the product of 1 - beta, and sigma^2 = 1 - abar.
pub(super) struct Chain {
    pub(super) betas: Vec<f64>,
    /// ln abar at the levels: a sum, where the product would lose digits.
    pub(super) log_alpha_bars: Vec<f64>,
}

impl Schedule {
    /// Each beta in (0, 1), the last in (0, 1].
    pub(super) fn from_valid_betas(name: impl Into<String>, betas: Vec<f64>) -> Self {
        let log_alpha_bars = betas
            .iter()
            .scan(0.0, |sum, beta| {
                *sum += (-beta).ln_1p();
                Some(*sum)
            })
            .collect();
        Self::new(name, betas.len(), Chain { betas, log_alpha_bars })
    }

    /// A schedule from your own betas: the variance that each step of the chain adds, one a level (Ho et al. 2020, eq. 2).
    /// Its name is "custom" until [`named`](Self::named) gives it another.
    ///
    /// # Errors
    /// Fewer than 2 betas or more than 1,000,000; one outside (0, 1). The last alone may be 1: nothing is left of the
    /// image then, as after [`zero_terminal_snr`](Self::zero_terminal_snr).
    ///
    /// ```
    /// let schedule = noisebook::Schedule::from_betas([0.1, 0.2, 0.5])?;
    /// assert!((schedule.alpha_bars()[2] - 0.9 * 0.8 * 0.5).abs() < 1e-12);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn from_betas(betas: impl IntoIterator<Item = f64>) -> Result<Self> {
        let betas: Vec<f64> = betas.into_iter().take(MOST_LEVELS + 1).collect();
        check_levels(betas.len())?;
        let last = betas.len() - 1;
        let is_valid = |i: usize, beta: f64| beta > 0.0 && (beta < 1.0 || i == last && beta == 1.0);
        if let Some((i, beta)) = betas.iter().enumerate().find(|&(i, &beta)| !is_valid(i, beta)) {
            let rule = "each beta lies between 0 and 1, neither included; the last may be 1";
            return Err(Error::argument(format!("betas[{i}]"), beta, rule));
        }
        Ok(Self::from_valid_betas("custom", betas))
    }
}

impl Chain {
    pub(super) fn alpha_bars(&self) -> Vec<f64> {
        self.log_alpha_bars.iter().map(|log| log.exp()).collect()
    }

    pub(super) fn ends_at_nothing(&self) -> bool {
        self.log_alpha_bars.last() == Some(&f64::NEG_INFINITY)
    }

    /// ln abar at the two ends of the step that holds t, and the share of the step that is done: 1 at a level, which
    /// belongs to the step that leads to it.
    fn step(&self, t: f64) -> (f64, f64, f64) {
        let position = on_level(t * self.betas.len() as f64);
        let end = position.ceil().max(1.0);
        let at = |steps: f64| if steps == 0.0 { 0.0 } else { self.log_alpha_bars[steps as usize - 1] };
        (at(end - 1.0), at(end), position - (end - 1.0))
    }

    /// Between two levels ln abar runs straight: the chain's beta is spread evenly over the step. A step that leaves
    /// nothing has no such line; alpha runs straight there.
    fn log_alpha_bar(&self, t: f64) -> f64 {
        let (below, above, share) = self.step(t);
        if above == f64::NEG_INFINITY { below + 2.0 * (-share).ln_1p() } else { below * (1.0 - share) + above * share }
    }

    /// beta(t) of the SDE dx = -beta/2 x dt + sqrt(beta) dw whose marginals these are: -d ln abar/dt.
    fn rate(&self, t: f64) -> f64 {
        let (below, above, share) = self.step(t);
        let lost = if above == f64::NEG_INFINITY { 2.0 / (1.0 - share) } else { below - above };
        lost * self.betas.len() as f64
    }
}

/// (i + 1)/N times N may miss i + 1 by a rounding; a level's own value is meant then.
pub(crate) fn on_level(position: f64) -> f64 {
    let nearest = position.round();
    if (position - nearest).abs() < 1e-9 { nearest } else { position }
}

impl Curve for Chain {
    fn alpha(&self, t: f64) -> f64 {
        (0.5 * self.log_alpha_bar(t)).exp()
    }

    fn sigma(&self, t: f64) -> f64 {
        // 0 less, since the negation of 0 would be -0.
        (0.0 - self.log_alpha_bar(t).exp_m1()).sqrt()
    }

    fn log_snr(&self, t: f64) -> f64 {
        let log_alpha_bar = self.log_alpha_bar(t);
        log_alpha_bar - (-log_alpha_bar.exp_m1()).ln()
    }

    fn drift(&self, t: f64) -> f64 {
        -0.5 * self.rate(t)
    }

    fn diffusion(&self, t: f64) -> f64 {
        self.rate(t).sqrt()
    }

    fn chain(&self) -> Result<&Chain, &'static str> {
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn betas_come_back_and_make_the_same_schedule() {
        let cosine = Schedule::cosine(100).unwrap();
        let own = Schedule::from_betas(cosine.betas().unwrap()).unwrap();
        assert_eq!(own.betas().unwrap(), cosine.betas().unwrap());
        assert_eq!((own.log_snr(0.123), own.name()), (cosine.log_snr(0.123), "custom"));
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let said = |betas: &[f64]| Schedule::from_betas(betas.iter().copied()).unwrap_err().to_string();
        let rule = "each beta lies between 0 and 1, neither included; the last may be 1";
        assert_eq!(said(&[0.1, 0.0]), format!("betas[1] = 0: {rule}"));
        assert_eq!(said(&[1.0, 0.5]), format!("betas[0] = 1: {rule}"));
        assert_eq!(said(&[0.5, f64::NAN]), format!("betas[1] = NaN: {rule}"));
        assert_eq!(said(&[0.5]), "levels = 1: a schedule needs at least 2 levels");
        let endless = Schedule::from_betas(std::iter::repeat(0.1)).unwrap_err().to_string();
        assert_eq!(endless, "levels = 1000001: a schedule has at most 1,000,000 levels");
    }
}
