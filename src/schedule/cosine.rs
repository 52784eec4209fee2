//! abar(t) = cos^2(pi/2 (t + s)/(1 + s)): Nichol & Dhariwal 2021, "Improved Denoising Diffusion Probabilistic Models".

use super::{Schedule, check_levels};
use crate::Result;
use std::f64::consts::FRAC_PI_2;

impl Schedule {
    /// The cosine schedule: abar(t) = f(t)/f(0), f(t) = cos^2(pi/2 (t + s)/(1 + s)), s = 0.008, and
    /// beta = 1 - abar(t)/abar(t - 1/N), at most 0.999 (Nichol & Dhariwal 2021, eq. 17).
    ///
    /// It destroys the image more evenly than the linear schedule, which is all but noise from t = 0.7 on.
    ///
    /// # Errors
    /// Fewer than 2 levels or more than 1,000,000.
    ///
    /// ```
    /// let schedule = noisebook::Schedule::cosine(1_000)?;
    /// assert!((schedule.alpha_bars()[499] - 0.49384).abs() < 1e-5); // half the variance is left half way
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn cosine(levels: usize) -> Result<Self> {
        check_levels(levels)?;
        let s = 0.008;
        let f = |i: usize| ((i as f64 / levels as f64 + s) / (1.0 + s) * FRAC_PI_2).cos().powi(2);
        let betas = (0..levels).map(|i| (1.0 - f(i + 1) / f(i)).min(0.999)).collect();
        Ok(Self::from_valid_betas("cosine", betas))
    }
}

#[cfg(test)]
mod tests {
    use crate::Schedule;

    /// The article says that this schedule "alternates between low and high variance".
    #[test]
    fn article_defect_6_the_cosine_schedule_never_turns_back() {
        for levels in [2, 50, 1_000] {
            let schedule = Schedule::cosine(levels).unwrap();
            let (betas, abars) = (schedule.betas().unwrap(), schedule.alpha_bars());
            // Each step adds at least as much noise as the one before, and the image only fades.
            assert!(betas.windows(2).all(|pair| pair[0] <= pair[1]), "{betas:?}");
            assert!(abars.windows(2).all(|pair| pair[0] > pair[1]), "{abars:?}");
        }
    }
}
