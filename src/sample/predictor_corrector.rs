//! Predictor-corrector sampling: Song et al. 2021, "Score-Based Generative Modeling through Stochastic Differential
//! Equations", algorithms 1 to 5.

use super::annealed_langevin::langevin;
use super::ddpm::drawn;
use super::rule::{Knob, Knobs, Method, Rule, Step, mix};
use super::sampler::{Sampler, Steps};
use crate::Result;
use crate::schedule::Spacing;
use tch::{Kind, Tensor};

#[derive(Clone, Copy, Debug)]
struct PredictorCorrector;

/// Song et al. 2021, section 4.2 and appendix G.
const SNR: f64 = 0.16;
/// A predictor's step forgets no more of the image than this leaves, 1/e.
const LEAST: f64 = 0.367_879_441_171_442_33;

impl Sampler {
    /// [`corrections`](Self::corrections) steps of Langevin dynamics at a level, then a step of the reverse diffusion to the
    /// next (Song et al. 2021, algorithms 2 to 5, in the order of their code). The corrector x + e score + sqrt(2 e) z has
    /// e = 2 (r |z|/|score|)^2, r = [`snr`](Self::snr), with the mean norms of the batch: so a sample depends a little on
    /// how many are drawn. The predictor is x_s = (2 - a) x_t + G^2 score + G z, with x_t = a x_s + G z the forward step.
    ///
    /// From noise the predictor leads to the variance (1 - a + a^2)^2 + 1 - a^2: twice that of noise where a step keeps nothing of
    /// x, as does the first from alpha = 0. Where a < 1/e the step is [`ddpm`](Self::ddpm)'s, drawn from q(x_s | x_t, x_0).
    ///
    /// Made for many small steps, as many as the schedule has levels: the steps are uniform in t, and of first order. The
    /// corrector leaves the noise of a level a little too wide: in 1,000 steps samples have 1.025 of the variance of N(0, 1/4)
    /// ([table](crate::sample)).
    /// (Their algorithm 5 also multiplies e by 1 - beta, which is 1 but for 2%.)
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::linear(100)?, Prediction::V)?;
    /// let last = Sampler::predictor_corrector(100).count(2).iter(&model)?.last().unwrap()?;
    /// assert_eq!(last.evaluations, 2 * 100);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn predictor_corrector(steps: usize) -> Self {
        Self::new(PredictorCorrector, Steps::Count(steps))
    }
}

impl Method for PredictorCorrector {
    fn name(&self) -> &'static str {
        "predictor-corrector"
    }

    fn constructor(&self) -> &'static str {
        "predictor_corrector"
    }

    fn about(&self) -> &'static str {
        "Langevin dynamics at a level, then a step of the reverse diffusion; Song et al. 2021, algorithms 2 to 5"
    }

    fn rule(&self, knobs: &Knobs) -> Box<dyn Rule> {
        let corrector = Corrector { updates: knobs.corrections.unwrap_or(1), snr: knobs.snr.unwrap_or(SNR) };
        Box::new(corrector)
    }

    fn is_random(&self, _: &Knobs) -> bool {
        true
    }

    fn spacing(&self) -> Spacing {
        Spacing::Uniform
    }

    fn takes(&self, knob: Knob) -> bool {
        matches!(knob, Knob::Corrections | Knob::Snr)
    }
}

struct Corrector {
    updates: usize,
    snr: f64,
}

impl Rule for Corrector {
    fn step(&mut self, step: &Step) -> Result<Tensor> {
        let (mut x, mut x0) = (step.x.shallow_clone(), step.x0.shallow_clone());
        for _ in 0..self.updates {
            if step.stopped() {
                return Ok(x);
            }
            let z = step.noise()?;
            let ratio = mean_norm(&z)? / mean_norm(&step.score(&x, &x0, step.t)?)?;
            // At the top of one mode the score of a lone sample is 0: there is nowhere to go.
            if ratio.is_finite() {
                x = langevin(step, &x, &x0, step.t, 2.0 * (self.snr * ratio).powi(2), &z)?;
            }
            x0 = step.denoise(&x, step.t)?;
        }
        if step.s == 0.0 { Ok(x0) } else { predicted(step, &x, &x0) }
    }
}

/// The reverse diffusion sampler: x_s = (2 - a) x_t + G^2 score + G z, with the step forward
/// x_t = a x_s + G z that is not too long.
fn predicted(step: &Step, x: &Tensor, x0: &Tensor) -> Result<Tensor> {
    let forward = step.schedule().transition(step.t, step.s)?;
    if forward.scale < LEAST {
        return drawn(step, x, x0);
    }
    let mean = mix(2.0 - forward.scale, x, forward.std.powi(2), &step.score(x, x0, step.t)?)?;
    mix(1.0, &mean, forward.std, &step.noise()?)
}

/// The mean over the batch of the Euclidean norms.
fn mean_norm(x: &Tensor) -> Result<f64> {
    let norms = x.f_flatten(1, -1)?.f_norm_scalaropt_dim(2.0, [1i64].as_slice(), false)?;
    Ok(norms.f_mean(Kind::Double)?.f_double_value(&[])?)
}

#[cfg(test)]
mod tests {
    use super::super::steps::tests::widths;
    use super::*;
    use crate::Schedule;

    /// Without the corrector, which brings each state nearer to its variance.
    struct Predictor;

    impl Rule for Predictor {
        fn step(&mut self, step: &Step) -> Result<Tensor> {
            predicted(step, step.x, step.x0)
        }
    }

    /// From alpha = 0, as of the flow and of a zero terminal SNR, or nearly so, as of the cosine.
    #[test]
    fn no_state_is_much_wider_than_noised_data() {
        let of = [Schedule::linear, Schedule::cosine, Schedule::sigmoid, Schedule::sub_vp, Schedule::flow];
        let zero = Schedule::linear(1_000).unwrap().zero_terminal_snr().unwrap();
        for schedule in of.map(|constructor| constructor(1_000).unwrap()).into_iter().chain([zero]) {
            for steps in [1_000, 100, 20] {
                let widths = widths(&mut Predictor, &schedule, steps);
                assert!(widths.iter().all(|width| (0.98..1.6).contains(width)), "{schedule:?} {steps}: {widths:?}");
            }
        }
    }
}
