//! beta_i = 1e-4 .. 0.02 in equal steps: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", section 4.

use super::{Schedule, check_levels};
use crate::Result;

impl Schedule {
    /// The linear schedule of DDPM: betas from 1e-4 to 0.02 in equal steps (Ho et al. 2020, section 4).
    ///
    /// Those ends belong to 1,000 levels. For another number N they are scaled by 1000/N, so that the last level is
    /// noise there too (Nichol & Dhariwal 2021, their code); no beta exceeds 0.999.
    ///
    /// # Errors
    /// Fewer than 2 levels or more than 1,000,000.
    ///
    /// ```
    /// let schedule = noisebook::Schedule::linear(1_000)?;
    /// assert_eq!(schedule.betas()?[0], 1e-4);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn linear(levels: usize) -> Result<Self> {
        check_levels(levels)?;
        let scale = 1_000.0 / levels as f64;
        let (first, last) = (scale * 1e-4, scale * 0.02);
        let beta = |i: usize| {
            let share = i as f64 / (levels - 1) as f64;
            (first * (1.0 - share) + last * share).min(0.999)
        };
        Ok(Self::from_valid_betas("linear", (0..levels).map(beta).collect()))
    }
}
