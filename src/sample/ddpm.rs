//! Ancestral sampling: Ho et al. 2020, algorithm 2.

use super::rule::{Knobs, Method, Rule, Step, mix};
use super::sampler::{Sampler, Steps};
use crate::{Result, Schedule};
use tch::Tensor;

/// Draws from the posterior q(x_s | x_t, x_0) = N(c_0 x_0 + c_x x_t, beta~ I), Ho et al. 2020, eq. 6 and 7. The last step,
/// to the data, has beta~ = 0: it is x_0 itself.
#[derive(Clone, Copy, Debug)]
struct Ddpm;

impl Sampler {
    /// Ancestral sampling through every level of the schedule (Ho et al. 2020, algorithm 2), with the posterior's variance
    /// beta~ = beta (1 - abar')/(1 - abar): right for data that is one image, a little too narrow for others; with 1,000
    /// levels the standard deviation of a Gaussian with std 1/2 comes out 0.1% too small.
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

    fn about(&self) -> &'static str {
        "x\u{209b} ~ q(x\u{209b} | x\u{209c}, x\u{2080}), variance \u{3b2}\u{303}; Ho et al. 2020, algorithm 2"
    }

    fn rule(&self, _: &Knobs) -> Box<dyn Rule> {
        Box::new(*self)
    }
}

impl Rule for Ddpm {
    fn step(&mut self, step: &Step) -> Result<Tensor> {
        let (c_0, c_x, variance) = posterior(step.schedule(), step.t, step.s);
        let mean = mix(c_0, step.x0, c_x, step.x)?;
        if step.s == 0.0 { Ok(mean) } else { mix(1.0, &mean, variance.sqrt(), &step.noise()?) }
    }
}

/// (c_0, c_x, beta~) of the posterior.
pub(super) fn posterior(schedule: &Schedule, t: f64, s: f64) -> (f64, f64, f64) {
    let (alpha_t, sigma_t) = (schedule.alpha(t), schedule.sigma(t));
    let (alpha_s, sigma_s) = (schedule.alpha(s), schedule.sigma(s));
    // 1 - SNR_t/SNR_s, free of cancellation where the levels are close: it is beta/sigma_t^2 in a chain.
    let lost = -(schedule.log_snr(t) - schedule.log_snr(s)).exp_m1();
    (alpha_s * lost, alpha_t / alpha_s * (sigma_s / sigma_t).powi(2), lost * sigma_s.powi(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Closed form 2, from the betas themselves.
    #[test]
    fn the_posterior_is_that_of_the_paper() {
        let schedule = Schedule::linear(1_000).unwrap();
        let (betas, alpha_bars) = (schedule.betas().unwrap(), schedule.alpha_bars());
        for i in [1, 10, 500, 999] {
            let (beta, bar, before) = (betas[i], alpha_bars[i], alpha_bars[i - 1]);
            let expected = [
                beta * before.sqrt() / (1.0 - bar),
                (1.0 - beta).sqrt() * (1.0 - before) / (1.0 - bar),
                beta * (1.0 - before) / (1.0 - bar),
            ];
            let (t, s) = (schedule.time(i).unwrap(), schedule.time(i - 1).unwrap());
            let (c_0, c_x, variance) = posterior(&schedule, t, s);
            for (value, expected) in [c_0, c_x, variance].into_iter().zip(expected) {
                assert!((value / expected - 1.0).abs() < 1e-9, "level {i}: {value} is not {expected}");
            }
        }
        let (c_0, c_x, variance) = posterior(&schedule, 0.001, 0.0);
        assert!((c_0 - 1.0).abs() < 1e-12 && c_x == 0.0 && variance == 0.0);
    }

    /// Closed form 3: in sigma-space it is the ancestral step.
    #[test]
    fn the_variance_is_that_of_the_ancestral_step() {
        for schedule in schedules() {
            let ratio = |t: f64| (schedule.sigma(t) / schedule.alpha(t)).powi(2);
            for (t, s) in [(0.9, 0.8), (0.5, 0.1), (0.3, 0.299)] {
                let up = ratio(s) * (ratio(t) - ratio(s)) / ratio(t);
                let (_, _, variance) = posterior(&schedule, t, s);
                assert!((variance / schedule.alpha(s).powi(2) / up - 1.0).abs() < 1e-9, "{schedule:?}");
            }
        }
    }

    fn schedules() -> [Schedule; 5] {
        [Schedule::cosine(10), Schedule::geometric(10), Schedule::edm(10), Schedule::sub_vp(10), Schedule::flow(10)]
            .map(Result::unwrap)
    }

    /// A posterior draw of a noised x_0 has the marginal of the next time: alpha_s x_0 and variance sigma_s^2.
    #[test]
    fn it_keeps_the_marginals_of_every_schedule() {
        let zero = Schedule::linear(10).unwrap().zero_terminal_snr().unwrap();
        for schedule in schedules().into_iter().chain([zero]) {
            for (t, s) in [(1.0, 0.9), (0.7, 0.2), (0.1, 0.05), (0.1, 0.0)] {
                let (c_0, c_x, variance) = posterior(&schedule, t, s);
                let mean = c_0 + c_x * schedule.alpha(t);
                let total = (c_x * schedule.sigma(t)).powi(2) + variance;
                assert!((mean - schedule.alpha(s)).abs() < 1e-12, "{schedule:?} {t} {s}: {mean}");
                assert!(
                    (total - schedule.sigma(s).powi(2)).abs() < 1e-12 * (1.0 + total),
                    "{schedule:?} {t} {s}: {total}"
                );
            }
        }
    }
}
