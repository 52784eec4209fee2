//! The VP SDE: Song et al. 2021, "Score-Based Generative Modeling through Stochastic Differential Equations".

use super::{Chain, Curve, Schedule, check_levels};
use crate::Result;

/// beta(t) runs straight between these (Song et al. 2021, appendix C).
const BETA: (f64, f64) = (0.1, 20.0);

pub(super) fn beta(t: f64) -> f64 {
    BETA.0 + (BETA.1 - BETA.0) * t
}

/// The integral of beta from 0 to t.
pub(super) fn total(t: f64) -> f64 {
    BETA.0 * t + (BETA.1 - BETA.0) * t * t / 2.0
}

/// The chain holds what the SDE does from one level to the next; between two levels beta goes on changing.
struct Vp(Chain);

impl Schedule {
    /// The schedule of the VP SDE: alpha(t) = e^(-B/2), sigma(t) = sqrt(1 - e^(-B)), where B(t) = 0.1 t + 9.95 t^2 is the
    /// integral of beta(t) = 0.1 .. 20 (Song et al. 2021, eq. 11 and 29, appendix C). The [`linear`](Self::linear)
    /// schedule is this one in steps.
    ///
    /// It is exact at every t, and a chain too: its betas are 1 - abar(t)/abar(t - 1/N).
    ///
    /// # Errors
    /// Fewer than 2 levels or more than 1,000,000.
    ///
    /// ```
    /// let schedule = noisebook::Schedule::vp(1_000)?;
    /// assert!((schedule.alpha(1.0).powi(2) - (-10.05_f64).exp()).abs() < 1e-12); // B(1) = (0.1 + 20)/2
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn vp(levels: usize) -> Result<Self> {
        check_levels(levels)?;
        let total = |i: usize| total(i as f64 / levels as f64);
        let betas = (0..levels).map(|i| -(total(i) - total(i + 1)).exp_m1()).collect();
        let log_alpha_bars = (1..=levels).map(|i| -total(i)).collect();
        Ok(Self::new("vp", levels, Vp(Chain { betas, log_alpha_bars })))
    }
}

impl Curve for Vp {
    fn alpha(&self, t: f64) -> f64 {
        (-0.5 * total(t)).exp()
    }

    fn sigma(&self, t: f64) -> f64 {
        // 0 less, since the negation of 0 would be -0.
        (0.0 - (-total(t)).exp_m1()).sqrt()
    }

    fn log_snr(&self, t: f64) -> f64 {
        -total(t) - 2.0 * self.sigma(t).ln()
    }

    fn drift(&self, t: f64) -> f64 {
        -0.5 * beta(t)
    }

    fn diffusion(&self, t: f64) -> f64 {
        beta(t).sqrt()
    }

    fn chain(&self) -> Result<&Chain, &'static str> {
        Ok(&self.0)
    }
}
