//! Groups 1 to 3 and 12 to 14: schedules, the chain, the SDE, flows.

use super::{close, linear, near, row, rows, values};
use noisebook::prelude::*;

#[test]
fn group_1_schedules() {
    let (linear, cosine) = (linear(), Schedule::cosine(1_000).unwrap());
    let expected = &rows("linear")[0];
    close(linear.alpha_bars()[999], expected[0], 1e-9, "abar_T");
    let ratio = |t: f64| linear.sigma(t) / linear.alpha(t);
    close(ratio(0.001), expected[1], 1e-9, "sigma/alpha of the first level");
    close(ratio(1.0), expected[2], 1e-9, "sigma/alpha of the last level");
    let expected = &rows("cosine")[0];
    close(cosine.alpha_bars()[499], expected[0], 1e-9, "cosine abar_500");
    close(cosine.alpha_bars()[999], expected[1], 1e-9, "cosine abar_T");
}

/// Also group 3: the ancestral step's up^2 = r_s^2 (r_t^2 - r_s^2)/r_t^2 is beta~/abar_s.
#[test]
fn groups_2_and_3_the_posterior_is_ddpms_ddims_and_the_ancestral_step() {
    let linear = linear();
    for expected in rows("posterior") {
        let (t, s) = (expected[0] / 1e3, (expected[0] - 1.0) / 1e3);
        let posterior = linear.posterior(t, s).unwrap();
        close(posterior.c_0, expected[1], 1e-9, "c_0");
        close(posterior.c_x, expected[2], 1e-9, "c_x");
        close(posterior.variance, expected[3], 1e-9, "beta~");
        let ratio = |t: f64| (linear.sigma(t) / linear.alpha(t)).powi(2);
        let up = ratio(s) * (ratio(t) - ratio(s)) / ratio(t);
        close(up, expected[4], 1e-9, "up^2");
        close(posterior.variance / linear.alpha(s).powi(2), up, 1e-9, "beta~/abar");
    }
    // DDIM with eta = 1 draws what DDPM draws.
    let model = Gaussian::isotropic(0.3, 0.5, [3], &linear).unwrap();
    let draw = |sampler: Sampler| sampler.spacing(Spacing::Trailing).count(5).iter(&model).unwrap();
    let [ddim, ancestral] = [Sampler::ddim(1_000).eta(1.0), Sampler::ancestral(1_000)].map(draw);
    let ddpm = Sampler::ddpm().count(5).iter(&model).unwrap();
    for ((ddpm, ddim), ancestral) in ddpm.zip(ddim).zip(ancestral) {
        let (ddpm, ddim, ancestral) = (ddpm.unwrap().next, ddim.unwrap().next, ancestral.unwrap().next);
        for other in [ddim, ancestral] {
            assert!((&ddpm - other).abs().max().double_value(&[]) < 1e-12);
        }
    }
}

/// m' = f m and P' = 2 f P + g^2 from m = 1, P = 0 at t = 0 reproduce alpha and sigma^2: Simpson's rule on f and on
/// g^2/alpha^2, whose integral is SNR^-1.
#[test]
fn group_12_the_sde_has_the_marginals() {
    let schedules = [Schedule::vp(1_000).unwrap(), Schedule::sub_vp(1_000).unwrap()];
    for (index, schedule) in schedules.into_iter().enumerate() {
        for expected in rows("sde") {
            let (t, steps) = (expected[0], 20_000);
            let (mut log_alpha, mut variance) = (0.0, 0.0);
            let h = t / f64::from(steps);
            for i in 0..=steps {
                let weight = match i {
                    0 => 1.0,
                    i if i == steps => 1.0,
                    i if i % 2 == 1 => 4.0,
                    _ => 2.0,
                };
                let at = h * f64::from(i);
                log_alpha += weight * h / 3.0 * schedule.drift(at);
                variance += weight * h / 3.0 * (schedule.diffusion(at) / schedule.alpha(at)).powi(2);
            }
            let std = log_alpha.exp() * f64::sqrt(variance);
            close(log_alpha.exp(), expected[1], 1e-8, "m");
            close(std, expected[2 + index], 1e-6, "sqrt P");
            close(schedule.alpha(t), expected[1], 1e-8, "alpha");
            close(schedule.sigma(t), expected[2 + index], 1e-8, "sigma");
        }
    }
}

#[test]
fn group_13_the_flow() {
    let schedule = Schedule::flow(1_000).unwrap();
    let (x0, eps) = (row(&[0.8]), row(&[-1.3]));
    for expected in rows("flow") {
        let t = expected[0];
        let (alpha, sigma) = (Tensor::from(schedule.alpha(t)), Tensor::from(schedule.sigma(t)));
        let x = &x0 * &alpha + &eps * &sigma;
        near(values(&x)[0], expected[1], 1e-12, "x");
        let u = Prediction::Flow.target(&x0, &eps, &alpha, &sigma).unwrap();
        near(values(&u)[0], expected[2], 1e-12, "u");
        near(values(&Prediction::Flow.x0(&x, &u, &alpha, &sigma).unwrap())[0], 0.8, 1e-12, "x_0 = x - t u");
        near(values(&schedule.score(&x, &x0, t).unwrap())[0], expected[3], 1e-9, "score");
        close(schedule.sigma(t) / schedule.alpha(t), expected[4], 1e-9, "sigma/alpha");
    }
}

#[test]
fn group_14_zero_terminal_snr() {
    let schedule = linear().zero_terminal_snr().unwrap();
    let alphas: Vec<f64> = schedule.alpha_bars().into_iter().map(f64::sqrt).collect();
    for (level, expected) in [0, 1, 499, 998, 999].into_iter().zip(&rows("zero_terminal")[0]) {
        near(alphas[level], *expected, 1e-9, "sqrt(abar)");
    }
    let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build().unwrap();
    let refusal = Diffusion::new(&unet, &schedule, Prediction::Epsilon).unwrap_err().to_string();
    assert!(refusal.starts_with("prediction = epsilon: the zero-terminal linear schedule leaves nothing"), "{refusal}");
}
