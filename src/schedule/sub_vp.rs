//! The sub-VP SDE: Song et al. 2021, "Score-Based Generative Modeling through Stochastic Differential Equations".

use super::vp::{beta, total};
use super::{Chain, Curve, Schedule, check_levels};
use crate::Result;

struct SubVp;

impl Schedule {
    /// The sub-VP schedule: alpha(t) = e^(-B/2), sigma(t) = 1 - e^(-B), where B(t) = 0.1 t + 9.95 t^2 is the integral of
    /// beta(t) = 0.1 .. 20 (Song et al. 2021, eq. 29 and appendix C). At each t it has less noise than the
    /// variance-preserving schedule of the same beta, [`vp`](Self::vp), whose sigma is sqrt(1 - e^(-B)). The number of levels fixes only
    /// which times are levels.
    ///
    /// # Errors
    /// Fewer than 2 levels or more than 1,000,000.
    ///
    /// ```
    /// let schedule = noisebook::Schedule::sub_vp(1_000)?;
    /// let (alpha, sigma) = (schedule.alpha(0.3), schedule.sigma(0.3));
    /// assert!((sigma - (1.0 - alpha * alpha)).abs() < 1e-12);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn sub_vp(levels: usize) -> Result<Self> {
        check_levels(levels)?;
        Ok(Self::new("sub_vp", levels, SubVp))
    }
}

impl Curve for SubVp {
    fn alpha(&self, t: f64) -> f64 {
        (-0.5 * total(t)).exp()
    }

    fn sigma(&self, t: f64) -> f64 {
        // 0 less, since the negation of 0 would be -0.
        0.0 - (-total(t)).exp_m1()
    }

    fn log_snr(&self, t: f64) -> f64 {
        -total(t) - 2.0 * self.sigma(t).ln()
    }

    fn drift(&self, t: f64) -> f64 {
        -0.5 * beta(t)
    }

    fn diffusion(&self, t: f64) -> f64 {
        (beta(t) * -(-2.0 * total(t)).exp_m1()).sqrt()
    }

    fn chain(&self) -> Result<&Chain, &'static str> {
        Err(
            "its sigma is 1 - alpha^2, not the sqrt(1 - abar) of a chain, so it has no betas; see alpha(t) and sigma(t)",
        )
    }
}
