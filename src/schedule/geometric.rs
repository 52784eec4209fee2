//! sigma in equal ratios: Song & Ermon 2019, "Generative Modeling by Estimating Gradients of the Data Distribution".

use super::exploding::{Exploding, check_sigmas};
use super::{Schedule, check_levels};
use crate::Result;

impl Schedule {
    /// The geometric schedule of NCSN and of the VE SDE: alpha = 1, and level i of N has
    /// sigma = sigma_min (sigma_max/sigma_min)^(i/(N - 1)) (Song & Ermon 2019, section 4; Song et al. 2021, eq. 9 and 29).
    ///
    /// It runs from 0.01 to 50, as for CIFAR-10 in the code of Song et al. 2021;
    /// [`geometric_between`](Self::geometric_between) takes others. sigma_max should be about the largest distance
    /// between two images (Song & Ermon 2020, technique 1). Noised images grow with sigma: predict the noise.
    ///
    /// # Errors
    /// Fewer than 2 levels or more than 1,000,000.
    ///
    /// ```
    /// let schedule = noisebook::Schedule::geometric(1_000)?;
    /// assert!((schedule.sigma(0.001) - 0.01).abs() < 1e-12 && (schedule.sigma(1.0) - 50.0).abs() < 1e-9);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn geometric(levels: usize) -> Result<Self> {
        Self::geometric_between(levels, 0.01, 50.0)
    }

    /// The [`geometric`](Self::geometric) schedule from `sigma_min` at the first level to `sigma_max` at the last.
    ///
    /// # Errors
    /// As [`geometric`](Self::geometric), and unless 1e-9 <= `sigma_min` < `sigma_max` <= 1e9.
    ///
    /// ```
    /// let schedule = noisebook::Schedule::geometric_between(3, 0.1, 10.0)?;
    /// assert!((schedule.sigma(2.0 / 3.0) - 1.0).abs() < 1e-12); // the middle one of 0.1, 1, 10
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn geometric_between(levels: usize, sigma_min: f64, sigma_max: f64) -> Result<Self> {
        check_levels(levels)?;
        check_sigmas(sigma_min, sigma_max)?;
        let ratio = (sigma_max / sigma_min).ln();
        let arguments = vec![("sigma_min", sigma_min), ("sigma_max", sigma_max)];
        let rung = move |u: f64| sigma_min * (u * ratio).exp();
        let slope = move |u: f64| ratio * rung(u);
        Ok(Self::new("geometric", levels, Exploding { levels, arguments, rung, slope }))
    }
}
