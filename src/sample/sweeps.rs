//! Lists of samplers that differ in one number.

use super::sampler::{Sampler, Steps};

impl Sampler {
    /// This sampler with each of these numbers of steps. A sampler that takes every level, or chooses its own steps, has none to
    /// set: [`iter`](Self::iter) refuses.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let samplers = Sampler::heun(50).step_counts([5, 10, 20]);
    /// assert_eq!(samplers[0].to_string(), "Heun, 5 steps");
    /// ```
    #[must_use]
    pub fn step_counts(&self, counts: impl IntoIterator<Item = usize>) -> Vec<Self> {
        let with = |count| match self.steps {
            Steps::Count(_) => Steps::Count(count),
            Steps::EveryLevel | Steps::Moments(_) | Steps::Misplaced(_) => Steps::Misplaced(count),
        };
        counts.into_iter().map(|count| Self { steps: with(count), ..self.clone() }).collect()
    }

    /// This sampler with each of these [guidance scales](Self::guidance_scale).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let samplers = Sampler::ddim(50).labels(0..10).guidance_scales([0.0, 1.0, 2.0, 3.0]);
    /// assert_eq!(samplers.len(), 4);
    /// ```
    #[must_use]
    pub fn guidance_scales(&self, scales: impl IntoIterator<Item = f64>) -> Vec<Self> {
        scales.into_iter().map(|scale| self.guidance_scale(scale)).collect()
    }

    /// This sampler with each of these shares of DDPM's noise, [`eta`](Self::eta).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let samplers = Sampler::ddim(50).etas([0.0, 0.5, 1.0]);
    /// assert_eq!(samplers[1].to_string(), "DDIM, 50 steps, eta 0.5");
    /// ```
    #[must_use]
    pub fn etas(&self, etas: impl IntoIterator<Item = f64>) -> Vec<Self> {
        etas.into_iter().map(|eta| self.eta(eta)).collect()
    }
}
