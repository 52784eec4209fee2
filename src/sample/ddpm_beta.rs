//! Ancestral sampling with the chain's own variance: Ho et al. 2020, section 3.2.

use super::rule::{Knobs, Method, Rule, Step, mix};
use super::sampler::{Sampler, Steps};
use crate::Result;
use tch::Tensor;

/// DDPM's mean with the variance of the step from x_s to x_t, 1 - abar_t/abar_s in a chain.
#[derive(Clone, Copy, Debug)]
struct DdpmBeta;

impl Sampler {
    /// Ancestral sampling with variance beta (Ho et al. 2020, section 3.2), x_s = c_0 x_0 + c_x x_t + sqrt(beta) z, with
    /// [`ddpm`](Self::ddpm)'s mean and the variance that the chain adds from x_s to x_t: right for data of unit variance, as
    /// [`ddpm`](Self::ddpm)'s beta~ is for one image. For narrow data its bound on the likelihood is the better one, its
    /// samples are a little too wide: in 1,000 steps 1.003 of the variance of N(0, 1/4) ([table](crate::sample)).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let samples = Sampler::ddpm_beta().count(2).sample(&model)?; // a step for each of the 100 levels
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn ddpm_beta() -> Self {
        Self::new(DdpmBeta, Steps::EveryLevel)
    }
}

impl Method for DdpmBeta {
    fn name(&self) -> &'static str {
        "DDPM (beta)"
    }

    fn constructor(&self) -> &'static str {
        "ddpm_beta"
    }

    fn about(&self) -> &'static str {
        "DDPM's mean, variance \u{3b2}; Ho et al. 2020, section 3.2"
    }

    fn rule(&self, _: &Knobs) -> Box<dyn Rule> {
        Box::new(*self)
    }

    fn is_random(&self, _: &Knobs) -> bool {
        true
    }
}

impl Rule for DdpmBeta {
    fn step(&mut self, step: &Step) -> Result<Tensor> {
        let mean = step.schedule().posterior(step.t, step.s)?.mean(step.x, step.x0)?;
        if step.s == 0.0 {
            return Ok(mean);
        }
        mix(1.0, &mean, step.schedule().transition(step.t, step.s)?.std, &step.noise()?)
    }
}
