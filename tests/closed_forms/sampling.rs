//! Groups 6, 11 and 15: what samplers, guidance and inpainting land on.

use super::{close, linear, near, row, rows, values};
use noisebook::prelude::*;

/// x(s') = mu + (x - mu) sqrt((s^2 + s'^2)/(s^2 + sigma^2)) in sigma/alpha. (The orders of convergence are tested beside the
/// samplers.)
#[test]
fn group_6_the_probability_flow_of_a_gaussian() {
    let schedule = Schedule::edm_between(1_000, 1e-4, 10.0, 7.0).unwrap();
    let model = Gaussian::isotropic(0.3, 0.5, [1], &schedule).unwrap();
    let expected = &rows("gaussian_flow")[0];
    let start = row(&[12.0]);
    let steps = Sampler::probability_flow().tolerance(1e-10).start_from(&start).iter(&model).unwrap();
    for step in steps {
        let step = step.unwrap();
        let exact = 0.3 + 11.7 * ((0.25 + step.sigma.powi(2)) / 100.25).sqrt();
        near(values(&step.x)[0], exact, 1e-7, "on the way");
    }
    for (sigma, expected) in [3.0, 1.0, 0.1f64].iter().zip(expected) {
        close(0.3 + 11.7 * ((0.25 + sigma.powi(2)) / 100.25).sqrt(), *expected, 1e-9, "scipy's solution");
    }
    let data = Sampler::probability_flow().tolerance(1e-10).start_from(&start).sample(&model).unwrap();
    near(values(&data.images())[0], expected[3], 1e-6, "the data");
}

/// The variance of x from N(0, 1) at t = 1 to t = 0.001 of the VP SDE in so many steps for the whole of t, each with fresh noise,
/// by the sampler's own: a step is x -> a x + b z.
fn reverse_sde_variance(steps: usize) -> f64 {
    let schedule = Schedule::vp(steps).unwrap();
    let model = Gaussian::isotropic(0.0, 0.5, [1], &schedule).unwrap();
    // One sample a start: 0 shows the noise b z, 1 the factor a.
    let seeds = |start: f64| Sampler::reverse_sde(steps).start_from(&row(&[start])).seed(3).iter(&model).unwrap();
    let noise = |seed_step: &SampleStep, factor: f64| values(&seed_step.next)[0] - factor * values(&seed_step.x)[0];
    let mut variance = 1.0;
    for (zero, one) in seeds(0.0).zip(seeds(1.0)).take(steps - steps / 1_000) {
        let (zero, one) = (zero.unwrap(), one.unwrap());
        let (x, y) = (values(&zero.x)[0], values(&one.x)[0]);
        let factor = (values(&one.next)[0] - values(&zero.next)[0]) / (y - x);
        let std = schedule.diffusion(zero.t) * f64::sqrt(1.0 / steps as f64);
        // The noise is std z with z a standard normal: within 6 of it, and not nothing.
        assert!(noise(&zero, factor).abs() < 6.0 * std);
        variance = factor.powi(2) * variance + std.powi(2);
    }
    variance
}

/// Reverse SDE and ODE end where scipy's continuous solutions do, and 1,000 of their steps where numpy's recursion does.
#[test]
fn group_11_the_reverse_sde() {
    let schedule = Schedule::vp(1_000).unwrap();
    let model = Gaussian::isotropic(0.0, 0.5, [1], &schedule).unwrap();
    let expected = &rows("vp steps")[0];
    // Here 999 steps of 0.001, there 1,000 of 0.000999.
    let (coarse, fine) = (reverse_sde_variance(1_000), reverse_sde_variance(2_000));
    near(coarse, expected[0], 2e-6, "after every step noisy");
    // Of first order: drawn on to steps of no length.
    let continuous = &rows("vp from N(0, 1)")[0];
    near(2.0 * fine - coarse, continuous[0], 5e-6, "the SDE");
    // The last step of the ODE is predicted x_0, here alpha/4/(alpha^2/4 + sigma^2) of x.
    let flow = Sampler::probability_flow().tolerance(1e-10).start_from(&row(&[1.0])).sample(&model).unwrap();
    let (alpha, sigma) = (schedule.alpha(0.001), schedule.sigma(0.001));
    let x = values(&flow.images())[0] / (0.25 * alpha / (0.25 * alpha.powi(2) + sigma.powi(2)));
    near(x.powi(2), continuous[1], 1e-6, "the ODE");
    // The ODE's Euler steps, x + (f x - g^2 score/2)(s - t), by the crate's f, g and score; x = 1 shows the factor.
    let (mut variance, step) = (1.0, 0.999e-3);
    for index in 0..1_000 {
        let t = 1.0 - step * f64::from(index);
        let score = values(&model.score(&row(&[1.0]), t, None).unwrap())[0];
        let slope = schedule.drift(t) - schedule.diffusion(t).powi(2) * score / 2.0;
        variance *= (1.0 - step * slope).powi(2);
    }
    near(variance, expected[1], 1e-9, "the ODE's steps");
    for (t, expected) in [0.001, 1.0].into_iter().zip(&rows("vp marginal")[0]) {
        let marginal = 0.25 * schedule.alpha(t).powi(2) + schedule.sigma(t).powi(2);
        near(marginal, *expected, 1e-9, "the marginal");
    }
}

/// Equal-variance Gaussians: guidance w lands on mean mu_u + w (mu_c - mu_u), short of it by what the prior at sigma_T leaves.
#[test]
fn group_15_guidance() {
    let schedule = linear();
    // Two classes of means 1 and -1, and std 1/2; without a label the denoiser is that of N(0, 1/4).
    let model = Conditional(Gaussian::isotropic(0.0, 0.5, [1], &schedule).unwrap(), 1.0);
    let sampler = Sampler::probability_flow().tolerance(1e-9).labels([0]).guidance_scale(3.0).count(4_000);
    let x = values(&sampler.sample(&model).unwrap().images());
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    let std = (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64).sqrt();
    let expected = &rows("guided")[0];
    // Standard errors: 0.008 and 0.0056.
    near(mean, expected[0], 0.032, "mean");
    near(std, expected[1], 0.023, "std");
    // Without chance: the middle of the noise goes to the middle of the samples.
    let middle = Sampler::probability_flow().tolerance(1e-10).labels([0]).guidance_scale(3.0).start_from(&row(&[0.0]));
    near(values(&middle.sample(&model).unwrap().images())[0], expected[0], 1e-4, "the mean's own way");
}

/// A correlated Gaussian whose first number is known: mean mu_u + S_uk S_kk^-1 (x_k - mu_k), and the covariance that is left.
#[test]
fn group_15_inpainting() {
    let schedule = linear();
    let covariance = Tensor::from_slice(&[0.25, 0.15, 0.05, 0.15, 0.36, 0.1, 0.05, 0.1, 0.16]).view([3, 3]);
    let model = Gaussian::new(&Tensor::from_slice(&[0.2, -0.1, 0.3]), &covariance, &schedule).unwrap();
    let (mask, known) = (Tensor::from_slice(&[true, false, false]), Tensor::from_slice(&[0.7, 0.0, 0.0]));
    let inpaint = Inpaint::new(&model, &mask, &known).unwrap();
    let x = Sampler::probability_flow().count(10_000).sample(&inpaint).unwrap().images().to_kind(Kind::Double);
    let expected = &rows("inpainting")[0];
    let (first, second) = (x.select(1, 1), x.select(1, 2));
    near(values(&(x.select(1, 0) - 0.7).abs().max())[0], 0.0, 1e-6, "the known number");
    let mean = |x: &Tensor| x.mean(Kind::Double).double_value(&[]);
    // Standard errors of 10,000: 0.0052, 0.0039; 0.0038, 0.0021, 0.0022.
    near(mean(&first), expected[0], 0.021, "mean");
    near(mean(&second), expected[1], 0.016, "mean");
    let about = |x: &Tensor| x - mean(x);
    near(mean(&about(&first).square()), expected[2], 0.015, "variance");
    near(mean(&about(&second).square()), expected[3], 0.009, "variance");
    near(mean(&(about(&first) * about(&second))), expected[4], 0.009, "covariance");
}

/// The denoiser of N(c, 1/4) with a label, of N(0, 1/4) without.
#[derive(Clone)]
struct Conditional(Gaussian, f64);

impl Denoiser for Conditional {
    fn denoise(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor, noisebook::Error> {
        let Some(labels) = labels else { return self.0.denoise(xt, t, None) };
        let mean = labels.ge(0).to_kind(Kind::Double).view([-1, 1]) * self.1;
        Ok(self.0.denoise(&(xt - &mean * self.schedule().alpha(t)), t, None)? + mean)
    }
    fn schedule(&self) -> &Schedule {
        self.0.schedule()
    }
    fn sample_shape(&self) -> Vec<i64> {
        vec![1]
    }
    fn classes(&self) -> Option<i64> {
        Some(1)
    }
    fn device(&self) -> Device {
        Device::Cpu
    }
}
