//! DPM-Solver++(2M): Lu et al. 2022, "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models",
//! algorithm 2.

use super::rule::{Knobs, Method, Rule, Step, mix};
use super::sampler::{Sampler, Steps};
use crate::Result;
use crate::schedule::Spacing;
use tch::Tensor;

#[derive(Clone, Copy, Debug)]
struct Dpmpp2m;

impl Sampler {
    /// DPM-Solver++(2M) in `steps` steps of one evaluation each, with equal steps of ln SNR (Lu et al. 2022,
    /// "DPM-Solver++", algorithm 2): x_s = sigma_s/sigma_t x_t + alpha_s (1 - e^-h) (x_0 + h/2 dx_0/dlambda), with
    /// lambda = ln(alpha/sigma), h the step in it, and the slope through this step's predicted x_0 and the last one's. Of second
    /// order. The first step and the last, to the data, are of first order. In 50 steps its samples have 1.004 of the variance of N(0, 1/4)
    /// ([table](crate::sample)).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let last = Sampler::dpmpp_2m(20).count(1).iter(&model)?.last().unwrap()?;
    /// assert_eq!(last.evaluations, 20);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn dpmpp_2m(steps: usize) -> Self {
        Self::new(Dpmpp2m, Steps::Count(steps))
    }
}

impl Method for Dpmpp2m {
    fn name(&self) -> &'static str {
        "DPM-Solver++(2M)"
    }

    fn constructor(&self) -> &'static str {
        "dpmpp_2m"
    }

    fn about(&self) -> &'static str {
        "exact in x, x\u{2080} in a straight line through two steps; Lu et al. 2022, DPM-Solver++, algorithm 2"
    }

    fn rule(&self, _: &Knobs) -> Box<dyn Rule> {
        Box::new(TwoSteps::default())
    }

    fn spacing(&self) -> Spacing {
        Spacing::LogSnr
    }
}

/// The rule, with the last step's predicted x_0 and its h.
#[derive(Default)]
struct TwoSteps {
    past: Past,
}

impl Rule for TwoSteps {
    fn step(&mut self, step: &Step) -> Result<Tensor> {
        let (_, sigma_t, alpha_s, sigma_s) = step.ends();
        let x0 = self.past.half_way(step)?;
        self.past.keep(step);
        mix(sigma_s / sigma_t, step.x, -alpha_s * (-step.h()).exp_m1(), &x0)
    }
}

/// What a multistep rule remembers of the last step.
#[derive(Default)]
pub(super) struct Past {
    x0: Option<Tensor>,
    h: f64,
}

impl Past {
    /// d x_0/d lambda through this step's and the last one's predicted x_0. None where there was no step, where the last
    /// one was infinitely long, and for the step to the data, which is predicted x_0 itself.
    pub(super) fn slope(&self, step: &Step) -> Result<Option<Tensor>> {
        match &self.x0 {
            Some(before) if self.h.is_finite() && step.s > 0.0 => {
                Ok(Some(step.x0.f_sub(before)?.f_div_scalar(self.h)?))
            }
            _ => Ok(None),
        }
    }

    /// Predicted x_0 drawn on to half of this step, in lambda.
    pub(super) fn half_way(&self, step: &Step) -> Result<Tensor> {
        match self.slope(step)? {
            Some(slope) => mix(1.0, step.x0, 0.5 * step.h(), &slope),
            None => Ok(step.x0.shallow_clone()),
        }
    }

    pub(super) fn keep(&mut self, step: &Step) {
        self.x0 = Some(step.x0.shallow_clone());
        self.h = step.h();
    }
}
