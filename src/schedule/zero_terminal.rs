//! Zero terminal SNR: Lin et al. 2023, "Common Diffusion Noise Schedules and Sample Steps Are Flawed".

use super::Schedule;
use crate::Result;

impl Schedule {
    /// This schedule, shifted and scaled so that nothing is left of the image at the last level:
    /// alpha -> (alpha - alpha_T) alpha_1/(alpha_1 - alpha_T), which keeps the first level (Lin et al. 2023, algorithm 1).
    ///
    /// The usual schedules leave some of the image at t = 1, so the model learns that pure noise has its mean brightness;
    /// samples are then neither very dark nor very bright. Predict v: at SNR 0 the noise says nothing of x_0. A schedule
    /// that ends there already stays as it is.
    ///
    /// # Errors
    /// A schedule that is no variance-preserving chain.
    ///
    /// ```
    /// let schedule = noisebook::Schedule::linear(1_000)?.zero_terminal_snr()?;
    /// assert_eq!(schedule.alpha(1.0), 0.0);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn zero_terminal_snr(&self) -> Result<Self> {
        if self.chain()?.ends_at_nothing() {
            return Ok(self.clone());
        }
        let alphas: Vec<f64> = self.chain()?.alpha_bars().into_iter().map(f64::sqrt).collect();
        // Every schedule has a first and a last level, and alpha falls from one to the other.
        let (first, last) = (alphas[0], alphas[alphas.len() - 1]);
        let left = |alpha: f64| ((alpha - last) * first / (first - last)).powi(2);
        let before = std::iter::once(1.0).chain(alphas.iter().map(|&alpha| left(alpha)));
        let betas = before.zip(&alphas).map(|(before, &alpha)| 1.0 - left(alpha) / before).collect();
        let zero_terminal = |name: &str| format!("zero-terminal {name}");
        Ok(Self::from_valid_betas(zero_terminal(self.kind()), betas).named(&zero_terminal(self.name())))
    }
}
