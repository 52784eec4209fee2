//! abar(t) from a sigmoid: Jabri et al. 2022, "Scalable Adaptive Computation for Iterative Generation".

use super::{Schedule, check_levels};
use crate::Result;

impl Schedule {
    /// The sigmoid schedule: abar(t) = (s(t) - s(1))/(s(0) - s(1)), s(t) = 1/(1 + e^(6 t - 3)), and
    /// beta = 1 - abar(t)/abar(t - 1/N), at most 0.999 (Jabri et al. 2022, their code, with start -3, end 3, tau 1).
    ///
    /// # Errors
    /// Fewer than 2 levels or more than 1,000,000.
    ///
    /// ```
    /// let schedule = noisebook::Schedule::sigmoid(1_000)?;
    /// assert!((schedule.alpha_bars()[499] - 0.5).abs() < 1e-12); // half the variance is left half way
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn sigmoid(levels: usize) -> Result<Self> {
        check_levels(levels)?;
        let s = |i: usize| 1.0 / (1.0 + (6.0 * i as f64 / levels as f64 - 3.0).exp());
        let left = |i: usize| s(i) - s(levels);
        let betas = (0..levels).map(|i| (1.0 - left(i + 1) / left(i)).min(0.999)).collect();
        Ok(Self::from_valid_betas("sigmoid", betas))
    }
}
