//! The reverse-time SDE: Anderson 1982; Song et al. 2021, "Score-Based Generative Modeling through Stochastic Differential
//! Equations", eq. 6.

use super::ddpm::drawn;
use super::rule::{Knobs, Method, Rule, Step, mix};
use super::sampler::{Sampler, Steps};
use crate::schedule::Spacing;
use crate::{Error, Result, Schedule};
use tch::Tensor;

#[derive(Clone, Copy, Debug)]
struct ReverseSde;

impl Sampler {
    /// Euler-Maruyama on the reverse SDE dx = (f x - g^2 score) dt + g dw (Song et al. 2021, eq. 6), in `steps` equal steps
    /// of t: x_s = x_t - (f x_t - g^2 score) (t - s) + g sqrt(t - s) z, with [`drift`](crate::Schedule::drift) f and
    /// [`diffusion`](crate::Schedule::diffusion) g at t. The last step is predicted x_0.
    ///
    /// Where -f (t - s) > 1 the forward step would leave less than nothing of x, and the way back swings past its mark: the first
    /// step of the cosine schedule, whose last beta is 0.999, would lead from noise of variance 1 to 13 in 1,000 steps, and to
    /// 1,194 in 100, where a network has never been. There the step is [`ddpm`](Self::ddpm)'s, drawn from q(x_s | x_t, x_0). Of
    /// noise a step makes the variance 1 + (f (t - s))^2, at most 2.
    ///
    /// Of first order, and a little too wide: in 1,000 steps its samples have 1.004 of the variance of N(0, 1/4) ([table](crate::sample)).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::vp(100)?, Prediction::V)?;
    /// let samples = Sampler::reverse_sde(100).count(2).sample(&model)?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn reverse_sde(steps: usize) -> Self {
        Self::new(ReverseSde, Steps::Count(steps))
    }
}

impl Method for ReverseSde {
    fn name(&self) -> &'static str {
        "reverse SDE"
    }

    fn constructor(&self) -> &'static str {
        "reverse_sde"
    }

    fn about(&self) -> &'static str {
        "dx = (f x - g\u{b2} score) dt + g dw, by Euler and Maruyama; Song et al. 2021, eq. 6"
    }

    fn rule(&self, _: &Knobs) -> Box<dyn Rule> {
        Box::new(*self)
    }

    fn is_random(&self, _: &Knobs) -> bool {
        true
    }

    fn spacing(&self) -> Spacing {
        Spacing::Uniform
    }

    fn check(&self, schedule: &Schedule) -> Result<()> {
        if schedule.drift(1.0).is_finite() && schedule.diffusion(1.0).is_finite() {
            return Ok(());
        }
        let rule = "nothing is left of the image at t = 1, where the drift of its SDE is infinite: take another sampler, such \
                    as Sampler::ddim(steps).eta(1.0)";
        Err(Error::argument("schedule", schedule.name(), rule))
    }
}

impl Rule for ReverseSde {
    fn step(&mut self, step: &Step) -> Result<Tensor> {
        if step.s == 0.0 {
            return Ok(step.x0.shallow_clone());
        }
        let (f, g) = (step.schedule().drift(step.t), step.schedule().diffusion(step.t));
        let dt = step.t - step.s;
        if -f * dt > 1.0 {
            return drawn(step, step.x, step.x0);
        }
        let score = step.score(step.x, step.x0, step.t)?;
        let mean = mix(1.0 - f * dt, step.x, g.powi(2) * dt, &score)?;
        mix(1.0, &mean, g * dt.sqrt(), &step.noise()?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::steps::tests::widths;
    use super::*;

    #[test]
    fn no_state_is_much_wider_than_noised_data() {
        let of = [Schedule::linear, Schedule::cosine, Schedule::sigmoid, Schedule::vp, Schedule::sub_vp];
        for schedule in of.map(|constructor| constructor(1_000).unwrap()) {
            for (steps, most) in [(1_000, 1.5), (100, 2.0), (20, 2.1)] {
                let widths = widths(&mut ReverseSde, &schedule, steps);
                assert!(widths.iter().all(|width| (0.99..most).contains(width)), "{schedule:?} {steps}: {widths:?}");
            }
        }
    }
}
