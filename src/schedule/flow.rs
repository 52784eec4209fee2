//! Straight lines from image to noise: Liu et al. 2022, "Flow Straight and Fast" (rectified flow), and Lipman et al. 2022,
//! "Flow Matching for Generative Modeling".

use super::{Chain, Curve, Schedule, check_levels};
use crate::Result;

struct Flow;

impl Schedule {
    /// The schedule of rectified flow: alpha = 1 - t, sigma = t, so that each image goes to its noise in a straight line
    /// (Liu et al. 2022, eq. 1; Lipman et al. 2022, eq. 20 with sigma_min = 0; their t runs the other way). The number of
    /// levels fixes only which times are levels.
    ///
    /// Nothing is left of the image at t = 1, where the noise says nothing of x_0: predict the velocity eps - x_0
    /// ([`Prediction::Flow`](crate::Prediction::Flow)) or v.
    ///
    /// # Errors
    /// Fewer than 2 levels or more than 1,000,000.
    ///
    /// ```
    /// let schedule = noisebook::Schedule::flow(1_000)?;
    /// assert_eq!((schedule.alpha(0.25), schedule.sigma(0.25)), (0.75, 0.25));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn flow(levels: usize) -> Result<Self> {
        check_levels(levels)?;
        Ok(Self::new("flow", levels, Flow))
    }
}

impl Curve for Flow {
    fn alpha(&self, t: f64) -> f64 {
        1.0 - t
    }

    fn sigma(&self, t: f64) -> f64 {
        t
    }

    fn log_snr(&self, t: f64) -> f64 {
        2.0 * ((-t).ln_1p() - t.ln())
    }

    fn drift(&self, t: f64) -> f64 {
        -1.0 / (1.0 - t)
    }

    fn diffusion(&self, t: f64) -> f64 {
        (2.0 * t / (1.0 - t)).sqrt()
    }

    fn chain(&self) -> Result<&Chain, &'static str> {
        Err("alpha + sigma = 1, not alpha^2 + sigma^2 = 1, so it is no chain with betas; see alpha(t) and sigma(t)")
    }
}
