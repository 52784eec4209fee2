//! Ancestral sampling: Ho et al. 2020, algorithm 2.

use super::steps::Update;
use crate::{Result, Schedule};
use tch::Tensor;

/// x_s from x_t, predicted x_0 and fresh noise z, for levels t > s of one schedule: a draw from the posterior
/// q(x_s | x_t, x_0) = N(c_0 x_0 + c_x x_t, beta~ I), Ho et al. 2020, eq. 6 and 7, with abar_t/abar_s for a step's alpha.
///
/// The last step, to s = 0, has beta~ = 0: it is x_0 itself.
pub(super) struct Ddpm;

/// (c_0, c_x, beta~) of the posterior.
pub(super) fn posterior(schedule: &Schedule, t: f64, s: f64) -> (f64, f64, f64) {
    let (alpha_t, sigma_t) = (schedule.alpha(t), schedule.sigma(t));
    let (alpha_s, sigma_s) = (schedule.alpha(s), schedule.sigma(s));
    // beta = 1 - abar_t/abar_s, free of cancellation where the levels are close: the ratio of kept variance, as a log.
    let step = alpha_t / alpha_s;
    let beta = -(2.0 * step.ln()).exp_m1();
    let c_0 = alpha_s * beta / sigma_t.powi(2);
    let c_x = step * (sigma_s / sigma_t).powi(2);
    (c_0, c_x, beta * (sigma_s / sigma_t).powi(2))
}

impl Update for Ddpm {
    fn update(&self, schedule: &Schedule, xt: &Tensor, x0: &Tensor, z: &Tensor, (t, s): (f64, f64)) -> Result<Tensor> {
        let (c_0, c_x, variance) = posterior(schedule, t, s);
        let mean = x0.f_mul_scalar(c_0)?.f_add(&xt.f_mul_scalar(c_x)?)?;
        Ok(mean.f_add(&z.f_mul_scalar(variance.sqrt())?)?)
    }

    fn is_random(&self) -> bool {
        true
    }
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
        let schedule = Schedule::cosine(1_000).unwrap();
        let ratio = |t: f64| (schedule.sigma(t) / schedule.alpha(t)).powi(2);
        for (t, s) in [(0.9, 0.8), (0.5, 0.1), (0.3, 0.299)] {
            let up = ratio(s) * (ratio(t) - ratio(s)) / ratio(t);
            let (_, _, variance) = posterior(&schedule, t, s);
            assert!((variance / schedule.alpha(s).powi(2) / up - 1.0).abs() < 1e-9);
        }
    }
}
