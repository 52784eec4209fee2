//! Groups 9, 10 and 15: bounds, likelihoods, distances of distributions.

use super::{close, linear, near, rows, values};
use noisebook::prelude::*;

/// The variational bound of linear's chain on N(0, 1/4), predicted exactly: its excess over the entropy. The draws of the data
/// and the noise leave a standard error, which the bound tells.
#[test]
fn group_9_the_variational_bound() {
    let schedule = linear();
    let model = Gaussian::isotropic(0.0, 0.5, [4], &schedule).unwrap();
    let data = Dataset::new("gaussian", &model.sample(1_000, 0).unwrap(), None, &[]).unwrap();
    let square = data.images().to_kind(Kind::Double).square().sum(Kind::Double).double_value(&[]) / 1e3;
    // The bound of these samples: their own cross entropy in place of the entropy. (Its excess depends on E x_0^2 at most by
    // what the draws of x_0 miss of 1/4, which the standard error covers.)
    let entropy = 4.0 * (0.5 * (2.0 * std::f64::consts::PI * 0.25).ln()) + square / 0.5;
    for (bound, name) in [(VariationalBound::ddpm(), "bound beta~"), (VariationalBound::ddpm_beta(), "bound beta")] {
        let bound = bound.of(&model, &data).unwrap();
        let expected = rows(name)[0][0];
        let excess = (bound.nats() - entropy) / 4.0;
        let error = bound.standard_error() / 4.0;
        near(excess, expected, 4.0 * error + 2e-3, name);
        near(bound.prior() / 4.0, rows(name)[0][1], 2e-6, "the prior's term");
    }
}

#[test]
fn group_10_the_likelihood_by_the_ode() {
    let schedule = linear();
    let x = Tensor::from_slice(&[-0.9, -0.2, 0.3, 0.8]).view([4, 1]);
    let gaussian = Gaussian::isotropic(0.3, 0.5, [1], &schedule).unwrap();
    let means = Tensor::from_slice(&[-0.6, 0.5]).view([2, 1]);
    let mixture = GaussianMixture::new([0.3, 0.7], &means, [0.2, 0.3], &schedule).unwrap();
    let exact = [values(&gaussian.log_density(&x, 0.0).unwrap()), values(&mixture.log_density(&x, 0.0, None).unwrap())];
    let models: [(&dyn Denoiser, &str); 2] = [(&gaussian, "gaussian"), (&mixture, "mixture")];
    for ((model, name), exact) in models.into_iter().zip(exact) {
        let nats = Likelihood::exact().tolerance(1e-8).of(model, &x, None).unwrap().nats();
        let (expected, density) =
            (&rows(&format!("log_likelihood {name} ode"))[0], &rows(&format!("log_density {name}"))[0]);
        for i in 0..4 {
            near(exact[i], density[i], 1e-9, "ln p of the data");
            near(nats[i], expected[i], 2e-4, &format!("ln p of {name} by the ODE"));
        }
    }
    // Hutchinson's estimate with probes of +-1 has no variance where the Jacobian is a multiple of 1.
    let isotropic = Gaussian::isotropic(0.3, 0.5, [3], &schedule).unwrap();
    let x = isotropic.sample(5, 0).unwrap().to_kind(Kind::Double);
    let exact = Likelihood::exact().of(&isotropic, &x, None).unwrap().nats();
    for seed in 0..3 {
        let estimated = Likelihood::hutchinson(1).seed(seed).of(&isotropic, &x, None).unwrap().nats();
        for (estimated, exact) in estimated.iter().zip(&exact) {
            near(*estimated, *exact, 1e-9, "Hutchinson");
        }
    }
}

#[test]
fn group_15_the_frechet_distance() {
    let features = |f: &dyn Fn(f64, f64) -> f64| {
        let all: Vec<f64> = (0..36).map(|k| f(f64::from(k / 3), f64::from(k % 3))).collect();
        Tensor::from_slice(&all).view([12, 3])
    };
    let a = features(&|i, j| (1.0 + 7.0 * i + 3.0 * j).sin());
    let b = features(&|i, j| 0.5 + 1.5 * (2.0 + 5.0 * i + 11.0 * j).sin());
    let frechet = frechet_distance(&a, &b).unwrap();
    close(frechet.distance, rows("frechet")[0][0], 1e-9, "of two sets");
    assert_eq!(frechet.counts, (12, 12));
    // Of isotropic Gaussians: |dmu|^2 + d (s1 - s2)^2, here of sets whose mean and covariance are exactly that: +- the axes.
    let axes = |std: f64, mean: [f64; 3]| {
        let scale = std * 2.5f64.sqrt(); // 6 points: the covariance over N - 1 = 5 of +-r on each axis is 2 r^2/5
        let eye = Tensor::eye(3, (Kind::Double, Device::Cpu)) * scale;
        Tensor::cat(&[&eye, &-&eye], 0) + Tensor::from_slice(&mean)
    };
    let isotropic = frechet_distance(&axes(0.5, [0.0; 3]), &axes(0.8, [0.5, 0.2, 0.0])).unwrap();
    near(isotropic.distance, rows("frechet")[0][1], 1e-9, "of isotropic ones");
}
