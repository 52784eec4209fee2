//! Every sampler draws the truth: 10,000 numbers of a mixture of two Gaussians beside as many of its own, by the two-sample test
//! of Kolmogorov and Smirnov.

#![allow(clippy::unwrap_used)]

use noisebook::prelude::*;

fn mixture() -> GaussianMixture {
    let means = Tensor::from_slice(&[-0.6, 0.5]).view([2, 1]);
    GaussianMixture::new([0.3, 0.7], &means, [0.2, 0.3], &Schedule::linear(1_000).unwrap()).unwrap()
}

/// The p-value of `sampler`'s samples beside the truth's, both drawn with `seed`.
fn p_value(sampler: &Sampler, model: &GaussianMixture, seed: u64) -> f64 {
    let samples = sampler.clone().count(10_000).seed(seed).sample(model).unwrap();
    let truth = model.sample(10_000, seed).unwrap();
    ks_test(&samples.images().view([-1]), &truth.view([-1])).unwrap().p_value
}

#[test]
#[ignore = "slow: two minutes"]
fn every_sampler_draws_the_truth_at_its_default_steps() {
    let model = mixture();
    for sampler in Sampler::all() {
        for seed in 0..3 {
            let p = p_value(&sampler, &model, seed);
            println!("{sampler:?}, seed {seed}: p = {p:.3}");
            assert!(p > 0.01, "{sampler:?}, seed {seed}: p = {p}");
        }
    }
}

/// The test sees what it should: three steps of DDIM are too few.
#[test]
fn three_steps_of_ddim_are_rejected() {
    let model = mixture();
    for seed in 0..3 {
        let p = p_value(&Sampler::ddim(3), &model, seed);
        assert!(p < 1e-6, "seed {seed}: p = {p}");
    }
}
