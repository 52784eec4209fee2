//! The samplers beside those of other libraries, step for step: tests/fixtures/samplers.py.

use super::rule::{Noise, mix};
use super::sampler::Sampler;
use crate::denoiser::Denoiser;
use crate::schedule::Spacing;
use crate::{Result, Schedule};
use std::collections::HashMap;
use std::rc::Rc;
use tch::{Device, Tensor};

const FIXTURE: &str = include_str!("../../tests/fixtures/samplers.in");

/// The fixture's lines by name and grid: columns of numbers.
fn lines() -> HashMap<String, Vec<Vec<f64>>> {
    let numbers = |column: &str| column.split(' ').map(|number| number.parse().unwrap()).collect();
    let split = |line: &'static str| {
        let mut columns = line.split(';');
        let key = format!("{};{}", columns.next().unwrap(), columns.next().unwrap());
        (key, columns.map(numbers).collect())
    };
    FIXTURE.lines().filter(|line| !line.starts_with('#') && !line.starts_with("order")).map(split).collect()
}

/// The exact denoiser of numbers that are each drawn from 0.3 N(-0.6, 0.2^2) + 0.7 N(0.5, 0.3^2).
#[derive(Clone)]
struct Elements(Schedule);

impl Denoiser for Elements {
    fn denoise(&self, xt: &Tensor, t: f64, _: Option<&Tensor>) -> Result<Tensor> {
        let (alpha, sigma) = (self.0.alpha(t), self.0.sigma(t));
        let (mut total, mut sum) = (xt.zeros_like(), xt.zeros_like());
        for (weight, mean, std) in [(0.3, -0.6, 0.2f64), (0.7, 0.5, 0.3)] {
            let variance = (alpha * std).powi(2) + sigma.powi(2);
            let from_mean = xt - alpha * mean;
            let density = (from_mean.square() / (-2.0 * variance)).exp() * (weight / variance.sqrt());
            sum += &density * (from_mean * (alpha * std.powi(2) / variance) + mean);
            total += density;
        }
        Ok(sum / total)
    }
    fn schedule(&self) -> &Schedule {
        &self.0
    }
    fn sample_shape(&self) -> Vec<i64> {
        vec![4]
    }
    fn classes(&self) -> Option<i64> {
        None
    }
    fn device(&self) -> Device {
        Device::Cpu
    }
}

/// The model and the times of a grid.
fn grid(name: &str) -> (Elements, Vec<f64>) {
    let (schedule, spacing) = match name {
        "linear" => (Schedule::linear(1_000), Spacing::Trailing),
        "karras" => (Schedule::edm_between(10, 0.02, 10.0, 7.0), Spacing::Trailing),
        "geometric" => (Schedule::geometric_between(10, 0.01, 50.0), Spacing::Trailing),
        "ncsn" => (Schedule::geometric_between(10, 0.01, 1.0), Spacing::Trailing),
        "flow" => (Schedule::flow(1_000), Spacing::Uniform),
        "vp" => (Schedule::vp(1_000), Spacing::Uniform),
        other => panic!("no grid {other}"),
    };
    let schedule = schedule.unwrap();
    let times = spacing.times(&schedule, 10).unwrap();
    (Elements(schedule), times)
}

/// z_k of the fixture, as the script draws it.
fn z(k: u64) -> Tensor {
    let values: Vec<f64> = (0..4).map(|i| 1.3 * (1.0 + 7.0 * k as f64 + 3.0 * f64::from(i)).sin()).collect();
    Tensor::from_slice(&values)
}

fn close(x: &Tensor, expected: &[f64], what: &str) {
    let x = Vec::<f64>::try_from(x.reshape([-1])).unwrap();
    for (value, expected) in x.iter().zip(expected) {
        assert!((value - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{what}: {x:?} is not {expected}");
    }
}

/// Takes the steps of `sampler` with the fixture's noise, `which(step, draw)` saying which z, and compares as many of the ten
/// as `compared`.
fn check(sampler: Sampler, line: &str, rows: i64, compared: usize, which: fn(u64, u64) -> u64) {
    let lines = lines();
    let (model, times) = grid(line.split(';').nth(1).unwrap());
    let (counts, x) = (&lines[line][0], &lines[line][1]);
    let start = Tensor::from_slice(&x[..4]).view([rows, 4 / rows]);
    let mut steps = sampler.steps_of(&model, times, start, rows as usize).unwrap();
    let noise: Noise = Rc::new(move |step, draw, like| Ok(z(which(step as u64, draw)).f_view_as(like)?));
    steps.noise = noise;
    let mut evaluations = 0.0;
    for k in 0..compared {
        let step = steps.next().unwrap().unwrap();
        close(&step.next, &x[4 * (k + 1)..4 * (k + 2)], &format!("{line}, step {k}"));
        evaluations += counts[k];
        assert!(counts[k] == 0.0 || step.evaluations as f64 == evaluations, "{line}: {}", step.evaluations);
    }
}

#[test]
fn the_grids_are_those_of_the_fixture() {
    let lines = lines();
    for name in ["linear", "karras", "geometric", "ncsn", "flow", "vp"] {
        let (model, times) = grid(name);
        let expected = &lines[&format!("grid;{name}")];
        for (k, &t) in times.iter().enumerate() {
            let (alpha, sigma) = (model.0.alpha(t), model.0.sigma(t));
            assert!((alpha - expected[0][k]).abs() < 1e-8, "{name} {k}: {alpha}");
            assert!((sigma / expected[1][k].max(1e-300) - 1.0).abs() < 1e-7 || sigma == 0.0, "{name} {k}: {sigma}");
        }
    }
}

#[test]
fn samplers_step_as_diffusers_and_k_diffusion_do() {
    let one = |step, _| step;
    for (sampler, line) in [
        (Sampler::ddpm(), "ddpm;linear"),
        (Sampler::ddpm_beta(), "ddpm beta;linear"),
        (Sampler::ddim(10), "ddim 0;linear"),
        (Sampler::ddim(10).eta(0.5), "ddim 0.5;linear"),
        (Sampler::ddim(10).eta(1.0), "ddim 1;linear"),
        (Sampler::euler(10), "euler;linear"),
        (Sampler::euler(10), "euler;karras"),
        (Sampler::euler(10), "euler;flow"),
        (Sampler::ancestral(10), "ancestral;linear"),
        (Sampler::ancestral(10), "ancestral;karras"),
        (Sampler::heun(10), "heun;linear"),
        (Sampler::heun(10), "heun;karras"),
        (Sampler::heun(10), "heun;flow"),
        (Sampler::dpm_solver_3(10), "dpm_solver_3;linear"),
        (Sampler::dpm_solver_3(10), "dpm_solver_3;karras"),
        (Sampler::dpmpp_2m(10), "dpmpp_2m;linear"),
        (Sampler::dpmpp_2m(10), "dpmpp_2m;karras"),
        (Sampler::dpmpp_2m_sde(10), "dpmpp_2m_sde;linear"),
        (Sampler::dpmpp_2m_sde(10), "dpmpp_2m_sde;karras"),
        (Sampler::unipc(10), "unipc bh2;linear"),
    ] {
        check(sampler, line, 1, 10, one);
    }
    // The library ends with Euler's mean, we with predicted x_0.
    check(Sampler::reverse_sde(10), "reverse_sde;vp", 1, 9, one);
    let corrector_first: fn(u64, u64) -> u64 = |step, draw| if draw == 0 { 10 + step } else { step };
    check(Sampler::predictor_corrector(10).snr(0.15), "predictor_corrector;geometric", 1, 10, corrector_first);
    check(Sampler::predictor_corrector(10).snr(0.15), "predictor_corrector 2;geometric", 2, 10, corrector_first);
}

/// scipy's exact flow: in one dimension it keeps each point's share of probability below it.
#[test]
fn the_probability_flow_is_exact() {
    let sampler = || Sampler::probability_flow().tolerance(1e-9);
    for line in ["probability_flow;linear", "probability_flow;karras", "probability_flow;flow"] {
        check(sampler(), line, 1, 9, |step, _| step);
    }
}

/// Song & Ermon 2019, algorithm 1, by hand: its step 2e-5 (sigma/0.01)^2 is 4 r^2 sigma^2. We end with predicted x_0.
#[test]
fn annealed_langevin_is_that_of_the_paper() {
    let sampler = Sampler::annealed_langevin(10).corrections(3).snr(0.05f64.sqrt());
    check(sampler, "annealed_langevin;ncsn", 1, 9, |step, draw| 3 * step + draw);
}

/// From the level 100 of 1,000 up: the fixture's first step, from the data, is another than ours.
#[test]
fn encoding_steps_as_diffusers_does() {
    let (model, mut times) = grid("linear");
    times.pop();
    times.reverse();
    let x = &lines()["ddim inverse departure;linear"][1];
    let start = Tensor::from_slice(&x[4..8]).view([1, 4]);
    let steps = Sampler::ddim(10).steps_of(&model, times, start, 1).unwrap();
    for (k, step) in steps.enumerate() {
        close(&step.unwrap().next, &x[4 * (k + 2)..4 * (k + 3)], &format!("step {k}"));
    }
}

/// x at ln(sigma/alpha) = ln 0.1 after `steps` equal steps of ln(sigma/alpha) from ln 10, beside the exact flow.
fn error(
    sampler: &Sampler,
    model: &(impl Denoiser + Clone + 'static),
    start: &Tensor,
    exact: &Tensor,
    steps: usize,
) -> f64 {
    let time = |k: usize| model.schedule().time_at(-2.0 * (10f64.ln() - 2.0 * 10f64.ln() * k as f64 / steps as f64));
    let times: Vec<f64> = (0..=steps).map(time).collect();
    let last = sampler.steps_of(model, times, start.shallow_clone(), 1).unwrap().last().unwrap().unwrap();
    (last.next - exact).abs().max().double_value(&[])
}

/// Where the probability flow leads each number of the mixture: in one dimension it keeps the share of probability below.
fn exact_flow(x: &Tensor, from: f64, to: f64) -> Tensor {
    let below = |x: &Tensor, sigma: f64| {
        let part = |(weight, mean, std): (f64, f64, f64)| {
            let std = std.hypot(sigma);
            (((x - mean) / (std * 2f64.sqrt())).erf() + 1.0) * (0.5 * weight)
        };
        part((0.3, -0.6, 0.2)) + part((0.7, 0.5, 0.3))
    };
    let share = below(x, from);
    let (mut low, mut high) = (x.full_like(-20.0), x.full_like(20.0));
    for _ in 0..80 {
        let middle = (&low + &high) * 0.5;
        let is_low = below(&middle, to).lt_tensor(&share);
        (low, high) = (middle.where_self(&is_low, &low), high.where_self(&is_low, &middle));
    }
    low
}

/// The slope of the line through ln error against ln steps, by least squares.
fn slope(errors: &[f64]) -> f64 {
    let points: Vec<(f64, f64)> = errors.iter().enumerate().map(|(k, e)| (k as f64 * 2f64.ln(), -e.ln())).collect();
    let mean = |pick: fn(&(f64, f64)) -> f64| points.iter().map(pick).sum::<f64>() / points.len() as f64;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>() / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
}

/// Closed form 6: the errors of 20, 40, 80 and 160 steps against the exact flow are k-diffusion's, and fall with the order.
#[test]
fn orders_of_convergence() {
    let model = Elements(Schedule::edm_between(1_000, 0.01, 80.0, 7.0).unwrap());
    let start = Tensor::from_slice(&[-12.0, -3.0, 4.0, 11.0]).view([1, 4]);
    let gaussian = One(model.0.clone());
    let gain = ((0.25 + 0.01) / (0.25f64 + 100.0)).sqrt();
    let exact = [(&start - 0.3) * gain + 0.3, exact_flow(&start, 10.0, 0.1)];
    for (sampler, name, order) in [
        (Sampler::ddim(10), "euler", 1.0),
        (Sampler::euler(10), "euler", 1.0),
        (Sampler::heun(10), "heun", 2.0),
        (Sampler::dpmpp_2m(10), "dpmpp_2m", 2.0),
        (Sampler::unipc(10), "", 3.0),
        (Sampler::dpm_solver_3(10), "dpm_solver_3", 3.0),
    ] {
        for (data, exact) in ["Gaussian", "mixture"].into_iter().zip(&exact) {
            let errors = [20, 40, 80, 160].map(|steps| match data {
                "Gaussian" => error(&sampler, &gaussian, &start, exact, steps),
                _ => error(&sampler, &model, &start, exact, steps),
            });
            let fitted = slope(&errors);
            assert!((fitted - order).abs() < 0.1, "{sampler:?} on the {data}: {fitted} {errors:?}");
            let line = FIXTURE.lines().find(|line| line.starts_with(&format!("order;{name};{data};")));
            let Some(line) = line else { continue };
            let theirs = line.split(';').next_back().unwrap().split(' ').map(|error| error.parse::<f64>().unwrap());
            for (ours, theirs) in errors.into_iter().zip(theirs) {
                assert!((ours / theirs - 1.0).abs() < 1e-3, "{sampler:?} on the {data}: {ours}, not {theirs}");
            }
        }
    }
}

/// N(0.3, 0.5^2), each element.
#[derive(Clone)]
struct One(Schedule);

impl Denoiser for One {
    fn denoise(&self, xt: &Tensor, t: f64, _: Option<&Tensor>) -> Result<Tensor> {
        let (alpha, sigma) = (self.0.alpha(t), self.0.sigma(t));
        let gain = 0.25 * alpha / (0.25 * alpha.powi(2) + sigma.powi(2));
        mix(gain, xt, 0.3 * (1.0 - gain * alpha), &xt.ones_like())
    }
    fn schedule(&self) -> &Schedule {
        &self.0
    }
    fn sample_shape(&self) -> Vec<i64> {
        vec![4]
    }
    fn classes(&self) -> Option<i64> {
        None
    }
    fn device(&self) -> Device {
        Device::Cpu
    }
}
