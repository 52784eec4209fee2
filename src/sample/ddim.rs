//! Implicit sampling: Song et al. 2021, "Denoising Diffusion Implicit Models".

use super::steps::Update;
use crate::{Result, Schedule};
use tch::Tensor;

/// x_s = alpha_s x_0 + sqrt(sigma_s^2 - v) eps + sqrt(v) z, with eps = (x_t - alpha_t x_0)/sigma_t and
/// v = eta^2 beta~, the posterior's variance: eq. 12 and 16. eta = 0 takes no new noise; eta = 1 is DDPM.
pub(super) struct Ddim {
    pub(super) eta: f64,
}

impl Update for Ddim {
    fn update(&self, schedule: &Schedule, xt: &Tensor, x0: &Tensor, z: &Tensor, (t, s): (f64, f64)) -> Result<Tensor> {
        let (alpha_t, sigma_t) = (schedule.alpha(t), schedule.sigma(t));
        let (alpha_s, sigma_s) = (schedule.alpha(s), schedule.sigma(s));
        let variance = self.eta.powi(2) * schedule.posterior(t, s)?.variance;
        let kept = (sigma_s.powi(2) - variance).max(0.0).sqrt();
        // alpha_s x_0 + kept (x_t - alpha_t x_0)/sigma_t, its two images gathered.
        let from_x0 = x0.f_mul_scalar(alpha_s - kept * alpha_t / sigma_t)?;
        let next = from_x0.f_add(&xt.f_mul_scalar(kept / sigma_t)?)?;
        if self.is_random() { Ok(next.f_add(&z.f_mul_scalar(variance.sqrt())?)?) } else { Ok(next) }
    }

    fn is_random(&self) -> bool {
        self.eta > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Posterior;
    use tch::Kind;

    /// Closed form 2: with eta = 1 the mean and the variance are DDPM's.
    #[test]
    fn eta_one_is_ddpm() {
        let zero = Schedule::linear(1_000).unwrap().zero_terminal_snr();
        let others = [Schedule::sub_vp(1_000), Schedule::edm(1_000), Schedule::flow(1_000), zero];
        for schedule in [Schedule::linear(1_000)].into_iter().chain(others).map(Result::unwrap) {
            eta_one_is_ddpm_for(&schedule);
        }
    }

    fn eta_one_is_ddpm_for(schedule: &Schedule) {
        let one = |value: f64| Tensor::from_slice(&[value]);
        let ddim = Ddim { eta: 1.0 };
        for times in [(1.0, 0.999), (0.5, 0.4), (0.002, 0.001), (0.001, 0.0)] {
            let Posterior { c_0, c_x, variance, .. } = schedule.posterior(times.0, times.1).unwrap();
            let step =
                |xt, x0, z| ddim.update(schedule, &one(xt), &one(x0), &one(z), times).unwrap().double_value(&[0]);
            for (value, expected) in
                [(step(0.0, 1.0, 0.0), c_0), (step(1.0, 0.0, 0.0), c_x), (step(0.0, 0.0, 1.0), variance.sqrt())]
            {
                let error = (value - expected).abs();
                assert!(error < 1e-9 * (1.0 + expected), "{schedule:?} {times:?}: {value} is not {expected}");
            }
        }
    }

    /// With eta = 0 a noised image moves along its own x_0 and eps.
    #[test]
    fn eta_zero_keeps_the_noise() {
        let schedule = Schedule::cosine(1_000).unwrap();
        let (x0, eps) = (Tensor::from_slice(&[0.3, -0.8]), Tensor::from_slice(&[1.1, -0.4]));
        let at = |t: f64| &x0 * schedule.alpha(t) + &eps * schedule.sigma(t);
        let next = Ddim { eta: 0.0 }.update(&schedule, &at(0.7), &x0, &eps.zeros_like(), (0.7, 0.2)).unwrap();
        assert!((next - at(0.2)).abs().max().to_kind(Kind::Double).double_value(&[]) < 1e-12);
    }
}
