//! Annealed Langevin dynamics: Song & Ermon 2019, "Generative Modeling by Estimating Gradients of the Data Distribution",
//! algorithm 1.

use super::ddim::straight;
use super::rule::{Knob, Knobs, Method, Rule, Step, mix};
use super::sampler::{Sampler, Steps};
use crate::Result;
use crate::schedule::{NOISE, Spacing};
use tch::Tensor;

#[derive(Clone, Copy, Debug)]
struct AnnealedLangevin;

/// Updates at each level unless the reader says so.
const CORRECTIONS: usize = 20;
/// sqrt(0.05): the 2e-5/0.01^2 = 4 r^2 of Song & Ermon.
const SNR: f64 = 0.2236;

impl Sampler {
    /// Annealed Langevin dynamics at `steps` levels with equal steps of ln SNR (Song & Ermon 2019, algorithm 1): at each,
    /// [`corrections`](Self::corrections) updates x + e score + sqrt(2 e) z with e = 2 (r sigma)^2, r =
    /// [`snr`](Self::snr). The last level ends with predicted x_0, as Song & Ermon 2020 and Jolicoeur-Martineau et al. 2021
    /// advise.
    ///
    /// Their step alpha_i = epsilon sigma_i^2/sigma_L^2 with epsilon = 2e-5, sigma_L = 0.01 is 2 e with r = 0.2236, the
    /// default; they take 100 updates at each of 10 levels, sigma from 1 to 0.01, and here it is 20. On other schedules
    /// than theirs, which has alpha = 1, it is x/alpha that stays from level to level; above sigma/alpha = 164, where
    /// nothing is left to correct, a straight line leads down.
    ///
    /// It is biased by design: at each level it makes the noise wider by up to 1/(1 - r^2), and what the updates do not
    /// correct of the level before stays. At 100 levels its samples have 1.053 of the variance of N(0, 1/4) ([table](crate::sample)).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::geometric(100)?, Prediction::Epsilon)?;
    /// let last = Sampler::annealed_langevin(4).corrections(5).count(1).iter(&model)?.last().unwrap()?;
    /// assert_eq!(last.evaluations, 4 * 5 + 1);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn annealed_langevin(steps: usize) -> Self {
        Self::new(AnnealedLangevin, Steps::Count(steps))
    }

    /// Langevin updates at each level (default 20 for [`annealed_langevin`](Self::annealed_langevin), 1 for
    /// [`predictor_corrector`](Self::predictor_corrector)); from 1 to 10,000. Other samplers have none.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let sampler = Sampler::annealed_langevin(10).corrections(100); // as Song & Ermon 2019 have it
    /// ```
    #[must_use]
    pub fn corrections(&self, count: usize) -> Self {
        Self { knobs: Knobs { corrections: Some(count), ..self.knobs }, ..self.clone() }
    }

    /// The size r of a Langevin update, as a part of the noise: larger ones forget faster and are less exact (default
    /// 0.2236 for [`annealed_langevin`](Self::annealed_langevin), 0.16 for
    /// [`predictor_corrector`](Self::predictor_corrector)). Other samplers have none.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let careful = Sampler::annealed_langevin(10).corrections(400).snr(0.1);
    /// ```
    #[must_use]
    pub fn snr(&self, ratio: f64) -> Self {
        Self { knobs: Knobs { snr: Some(ratio), ..self.knobs }, ..self.clone() }
    }
}

impl Method for AnnealedLangevin {
    fn name(&self) -> &'static str {
        "annealed Langevin"
    }

    fn constructor(&self) -> &'static str {
        "annealed_langevin"
    }

    fn about(&self) -> &'static str {
        "x + e score + \u{221a}(2e) z at every level, e = 2 (r \u{3c3})\u{b2}; Song & Ermon 2019, algorithm 1"
    }

    fn rule(&self, knobs: &Knobs) -> Box<dyn Rule> {
        Box::new(Langevin { updates: knobs.corrections.unwrap_or(CORRECTIONS), snr: knobs.snr.unwrap_or(SNR) })
    }

    fn is_random(&self, _: &Knobs) -> bool {
        true
    }

    fn spacing(&self) -> Spacing {
        Spacing::LogSnr
    }

    fn takes(&self, knob: Knob) -> bool {
        matches!(knob, Knob::Corrections | Knob::Snr)
    }
}

struct Langevin {
    updates: usize,
    snr: f64,
}

impl Rule for Langevin {
    fn step(&mut self, step: &Step) -> Result<Tensor> {
        let schedule = step.schedule();
        if schedule.log_snr(step.t) < NOISE {
            return straight(step, step.x0, 0.0);
        }
        let size = 2.0 * (self.snr * schedule.sigma(step.t)).powi(2);
        let (mut x, mut x0) = (step.x.shallow_clone(), step.x0.shallow_clone());
        for update in 0..self.updates {
            if step.stopped() {
                return Ok(x);
            }
            if update > 0 {
                x0 = step.denoise(&x, step.t)?;
            }
            x = langevin(step, &x, &x0, step.t, size, &step.noise()?)?;
        }
        if step.s == 0.0 {
            return step.denoise(&x, step.t);
        }
        // x/alpha stays: their schedule has alpha = 1.
        Ok(x.f_mul_scalar(schedule.alpha(step.s) / schedule.alpha(step.t))?)
    }
}

/// x + e score + sqrt(2 e) z: one step of Langevin dynamics towards the distribution at time t.
pub(super) fn langevin(step: &Step, x: &Tensor, x0: &Tensor, t: f64, size: f64, z: &Tensor) -> Result<Tensor> {
    let drifted = mix(1.0, x, size, &step.score(x, x0, t)?)?;
    mix(1.0, &drifted, (2.0 * size).sqrt(), z)
}
