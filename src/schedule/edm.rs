//! sigma in equal steps of its rho-th root: Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based
//! Generative Models".

use super::exploding::{Exploding, check_sigmas};
use super::spacing::RHOS;
use super::{Schedule, check_levels};
use crate::{Error, Result};

impl Schedule {
    /// The schedule of EDM: alpha = 1, and level i of N has
    /// sigma = (sigma_min^(1/rho) + i/(N - 1) (sigma_max^(1/rho) - sigma_min^(1/rho)))^rho (Karras et al. 2022, eq. 5,
    /// counted from the data).
    ///
    /// sigma runs from 0.002 to 80 with rho = 7, their table 1; [`edm_between`](Self::edm_between) takes others. Most
    /// levels lie at little noise, where a step's error is largest. (EDM's own time is sigma; here t is the level's.)
    /// Noised images grow with sigma: predict as they do ([`Prediction::edm`](crate::Prediction::edm)), or the noise.
    ///
    /// # Errors
    /// Fewer than 2 levels or more than 1,000,000.
    ///
    /// ```
    /// let schedule = noisebook::Schedule::edm(18)?;
    /// assert!((schedule.sigma(1.0) - 80.0).abs() < 1e-9 && (schedule.sigma(1.0 / 18.0) - 0.002).abs() < 1e-12);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn edm(levels: usize) -> Result<Self> {
        Self::edm_between(levels, 0.002, 80.0, 7.0)
    }

    /// The [`edm`](Self::edm) schedule from `sigma_min` at the first level to `sigma_max` at the last. rho = 1 makes equal
    /// steps of sigma; a large one comes near [`geometric`](Self::geometric).
    ///
    /// # Errors
    /// As [`edm`](Self::edm), and unless 1e-9 <= `sigma_min` < `sigma_max` <= 1e9 and 0.1 <= `rho` <= 100.
    ///
    /// ```
    /// let schedule = noisebook::Schedule::edm_between(3, 1.0, 3.0, 1.0)?;
    /// assert!((schedule.sigma(2.0 / 3.0) - 2.0).abs() < 1e-12);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn edm_between(levels: usize, sigma_min: f64, sigma_max: f64, rho: f64) -> Result<Self> {
        check_levels(levels)?;
        check_sigmas(sigma_min, sigma_max)?;
        if !RHOS.contains(&rho) {
            return Err(Error::argument("rho", rho, "the power lies between 0.1 and 100"));
        }
        let (low, high) = (sigma_min.powf(1.0 / rho), sigma_max.powf(1.0 / rho));
        let arguments = vec![("sigma_min", sigma_min), ("sigma_max", sigma_max), ("rho", rho)];
        let rung = move |u: f64| (low + u * (high - low)).powf(rho);
        let slope = move |u: f64| rho * (high - low) * (low + u * (high - low)).powf(rho - 1.0);
        Ok(Self::new("edm", levels, Exploding { levels, arguments, rung, slope }))
    }
}
