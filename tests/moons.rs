//! An Mlp learns two moons: it finds their score, and their density.

#![allow(clippy::unwrap_used)]

use noisebook::prelude::*;
use std::f64::consts::PI;

/// Two half circles under N(0, 0.05^2): a sum over 1,000 places of each, which lie sixteen to a standard deviation.
fn moons(schedule: &Schedule) -> GaussianMixture {
    let angle = (Tensor::arange(1_000, (Kind::Double, Device::Cpu)) + 0.5) * (PI / 1_000.0);
    let (cos, sin) = (angle.cos(), angle.sin());
    let upper = Tensor::stack(&[&cos, &sin], 1);
    let lower = Tensor::stack(&[1.0 - &cos, 0.5 - &sin], 1);
    GaussianMixture::new([1.0; 2_000], &Tensor::cat(&[upper, lower], 0), [0.05; 2_000], schedule).unwrap()
}

/// The entropy of the moons by a fine grid in Python (tests/fixtures/closed_forms.py), and ln p at four points.
#[test]
fn the_true_density_is_that_of_the_fixture() {
    let truth = moons(&Schedule::cosine(1_000).unwrap());
    let fixture = include_str!("fixtures/closed_forms.in");
    let numbers = |name: &str| -> Vec<f64> {
        let line = fixture.lines().find(|line| line.starts_with(&format!("{name};"))).unwrap();
        line.split([';', ' ']).filter_map(|part| part.parse().ok()).collect()
    };
    let points = Tensor::from_slice(&[0.0, 1.0, 1.0, 0.5, 0.5, 0.25, 2.0, 0.5]).view([4, 2]);
    let said = Vec::<f64>::try_from(truth.log_density(&points, 0.0, None).unwrap()).unwrap();
    for (said, expected) in said.iter().zip(numbers("moons log_density")) {
        assert!((said - expected).abs() < 1e-4, "{said} is not {expected}");
    }
    let x = Dataset::moons(20_000, 0.05).unwrap().images();
    let nats = -truth.log_density(&x, 0.0, None).unwrap().mean(Kind::Double).double_value(&[]);
    let (entropy, std) = (numbers("moons")[0], numbers("moons")[1]);
    assert!((nats - entropy).abs() < 4.0 * std / 20_000f64.sqrt(), "{nats} nats, not {entropy}");
}

#[test]
#[ignore = "slow: a minute of training"]
fn an_mlp_learns_their_score_and_their_density() {
    let schedule = Schedule::cosine(1_000).unwrap();
    let truth = moons(&schedule);
    let train = Dataset::moons(10_000, 0.05).unwrap();
    let mlp = Mlp::builder().device(Device::Cpu).build().unwrap();
    let model = Diffusion::new(&mlp, &schedule, Prediction::edm()).unwrap().training_levels(TrainingLevels::edm());
    let trainer = Trainer::new(&model).steps(1_500).batch_size(512).lr(2e-3).ema(0.998);
    let learned = trainer.fit(&train).unwrap().ema().unwrap();

    let held_out = train.redraw(1).unwrap().images().narrow(0, 0, 1_000);
    for tenth in 1..=9 {
        let t = f64::from(tenth) / 10.0;
        let at = schedule.noise(&held_out).seed(tenth as u64).at([100 * tenth as usize - 1]).unwrap().images().get(0);
        let fields = ScoreField::compare(&learned, &truth, t).unwrap().at(&at).unwrap();
        let angle = fields.mean_angle().unwrap();
        println!("t = {t}: {angle:.1} degrees");
        assert!(angle < 10.0, "{angle} degrees at t = {t}");
    }

    let true_nats = -truth.log_density(&held_out, 0.0, None).unwrap().mean(Kind::Double).double_value(&[]);
    let nats = -Likelihood::exact().of(&learned, &held_out, None).unwrap().mean();
    println!("{nats:.3} nats, of {true_nats:.3}");
    assert!((nats - true_nats).abs() < 0.05, "{nats} nats are not {true_nats}");
}
