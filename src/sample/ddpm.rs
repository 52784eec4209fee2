//! Ancestral sampling: Ho et al. 2020, algorithm 2.

use super::rule::{Knobs, Method, Rule, Step, mix};
use super::sampler::{Sampler, Steps};
use crate::Result;
use tch::Tensor;

/// Draws from the posterior q(x_s | x_t, x_0) = N(c_0 x_0 + c_x x_t, beta~ I), Ho et al. 2020, eq. 6 and 7. The last step,
/// to the data, has beta~ = 0: it is x_0 itself.
#[derive(Clone, Copy, Debug)]
struct Ddpm;

impl Sampler {
    /// Ancestral sampling through every level of the schedule (Ho et al. 2020, algorithm 2):
    /// x_s = c_0 x_0 + c_x x_t + sqrt(beta~) z, a draw from the posterior q(x_s | x_t, x_0) with predicted x_0
    /// ([`Schedule::posterior`](crate::Schedule::posterior)). Its variance beta~ = beta (1 - abar')/(1 - abar) is right for data
    /// that is one image, too narrow for others: in 1,000 steps its samples of N(0, 1/4) have 0.985 of that variance (the
    /// [table](crate::sample) of all samplers says how that is measured).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let samples = Sampler::ddpm().count(2).sample(&model)?; // a step for each of the 100 levels
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn ddpm() -> Self {
        Self::new(Ddpm, Steps::EveryLevel)
    }
}

impl Method for Ddpm {
    fn name(&self) -> &'static str {
        "DDPM"
    }

    fn constructor(&self) -> &'static str {
        "ddpm"
    }

    fn about(&self) -> &'static str {
        "x\u{209b} ~ q(x\u{209b} | x\u{209c}, x\u{2080}), variance \u{3b2}\u{303}; Ho et al. 2020, algorithm 2"
    }

    fn rule(&self, _: &Knobs) -> Box<dyn Rule> {
        Box::new(*self)
    }

    fn is_random(&self, _: &Knobs) -> bool {
        true
    }
}

impl Rule for Ddpm {
    fn step(&mut self, step: &Step) -> Result<Tensor> {
        drawn(step, step.x, step.x0)
    }
}

/// x_s ~ q(x_s | x_t, x_0): of the right variance however long the step is, also from alpha = 0.
pub(super) fn drawn(step: &Step, x: &Tensor, x0: &Tensor) -> Result<Tensor> {
    let posterior = step.schedule().posterior(step.t, step.s)?;
    let mean = posterior.mean(x, x0)?;
    if step.s == 0.0 { Ok(mean) } else { mix(1.0, &mean, posterior.variance.sqrt(), &step.noise()?) }
}
