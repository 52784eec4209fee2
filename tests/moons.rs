//! An Mlp learns two moons: it finds their score, and their density.
#![allow(clippy::unwrap_used)]

use noisebook::prelude::*;
use std::f64::consts::PI;
use tch::no_grad_guard;

/// Two half circles under N(0, 0.05^2): a sum over 1,000 places of each, which lie sixteen to a standard deviation.
fn moons(schedule: &Schedule) -> Result<GaussianMixture, noisebook::Error> {
    let angle = (Tensor::arange(1_000, (Kind::Double, Device::Cpu)) + 0.5) * (PI / 1_000.0);
    let (cos, sin) = (angle.cos(), angle.sin());
    let upper = Tensor::stack(&[&cos, &sin], 1);
    let lower = Tensor::stack(&[1.0 - &cos, 0.5 - &sin], 1);
    GaussianMixture::new([1.0; 2_000], &Tensor::cat(&[upper, lower], 0), [0.05; 2_000], schedule)
}

/// The mean angle between two fields of vectors, in degrees.
fn mean_angle(a: &Tensor, b: &Tensor) -> f64 {
    let cosine = Tensor::cosine_similarity(a, b, 1, 1e-12).clamp(-1.0, 1.0);
    cosine.acos().mean(Kind::Double).double_value(&[]).to_degrees()
}

/// Log-densities at points, by the probability-flow ODE (Song et al. 2021, section 4.3) with its exact divergence. In
/// u = x/alpha and l = ln(sigma/alpha) it is du/dl = u - x_0(u): Runge-Kutta's fourth order from a little noise to N(0, 100^2).
fn log_density(model: &Diffusion, points: &Tensor) -> Result<Tensor, noisebook::Error> {
    let schedule = model.schedule();
    let time = |l: f64| {
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if schedule.log_snr(middle) > -2.0 * l { low = middle } else { high = middle }
        }
        high
    };
    let slope = |u: &Tensor, l: f64| -> Result<(Tensor, Tensor), noisebook::Error> {
        let (t, u) = (time(l), u.detach().set_requires_grad(true));
        let slope = &u - model.denoise(&(&u * schedule.alpha(t)), t, None)?;
        let along = |axis| {
            let one = slope.select(1, axis).sum(Kind::Double);
            Tensor::run_backward(&[one], &[&u], true, false)[0].select(1, axis)
        };
        Ok((slope.detach(), along(0) + along(1)))
    };
    let (start, end, steps) = (0.01f64.ln(), 100f64.ln(), 100);
    let h = (end - start) / f64::from(steps);
    let mut u = points.shallow_clone();
    let mut gained = Tensor::zeros([points.size()[0]], (Kind::Double, Device::Cpu));
    for step in 0..steps {
        let l = start + h * f64::from(step);
        let (k1, d1) = slope(&u, l)?;
        let (k2, d2) = slope(&(&u + &k1 * (0.5 * h)), l + 0.5 * h)?;
        let (k3, d3) = slope(&(&u + &k2 * (0.5 * h)), l + 0.5 * h)?;
        let (k4, d4) = slope(&(&u + &k3 * h), l + h)?;
        u += (k1 + k2 * 2.0 + k3 * 2.0 + k4) * (h / 6.0);
        gained += (d1 + d2 * 2.0 + d3 * 2.0 + d4) * (h / 6.0);
    }
    let prior =
        u.square().sum_dim_intlist([1i64].as_slice(), false, Kind::Double) * (-0.5 / 1e4) - (2.0 * PI * 1e4).ln();
    Ok(prior + gained)
}

#[test]
#[ignore = "slow: about a minute of training"]
fn it_learns_the_score_and_the_density() -> Result<(), noisebook::Error> {
    let schedule = Schedule::cosine(1_000)?;
    let truth = moons(&schedule)?;
    let train = Dataset::new("moons", &truth.sample(10_000, 0)?, None, &[])?;
    let mlp = Mlp::builder().device(Device::Cpu).build()?;
    let model = Diffusion::new(&mlp, &schedule, Prediction::V)?;
    let run = Trainer::new(&model).steps(2_500).batch_size(512).lr(1e-3).ema(0.998).fit(&train)?;
    let learned = run.ema()?;

    let held_out = truth.sample(1_000, 1)?.to_kind(Kind::Double);
    let noise = Gaussian::isotropic(0.0, 1.0, [2], &schedule)?;
    for tenth in 1..=9 {
        let t = f64::from(tenth) / 10.0;
        let eps = noise.sample(1_000, tenth as u64)?.to_kind(Kind::Double);
        let xt = &held_out * schedule.alpha(t) + eps * schedule.sigma(t);
        let _guard = no_grad_guard();
        let angle = mean_angle(&learned.score(&xt, t, None)?, &truth.score(&xt, t, None)?);
        println!("t = {t}: {angle:.1} degrees");
        assert!(angle < 10.0, "{angle} degrees at t = {t}");
    }

    // 0.279 nats by numerical integration; the standard error of 1,000 points is 0.03.
    let true_nats = -truth.log_density(&held_out, 0.0, None)?.mean(Kind::Double).double_value(&[]);
    assert!((true_nats - 0.279).abs() < 0.12, "{true_nats}");
    let nats = -log_density(&learned, &held_out)?.mean(Kind::Double).double_value(&[]);
    println!("{nats:.3} nats, of {true_nats:.3}");
    assert!((nats - true_nats).abs() < 0.05, "{nats} nats are not {true_nats}");
    Ok(())
}
