//! Groups 9, 10 and 15: bounds, likelihoods, distances of distributions.

use super::{close, linear, near, rows, values};
use noisebook::prelude::*;

/// The variational bound of linear's chain on data of variance 1/4: its excess over the entropy of N(0, 1/4), L_T, the steps
/// and L_0. The bound depends on squares alone, so a data set whose squares are all 1/4 is as good as that Gaussian, and a
/// denoiser that errs by the exact one's standard deviation needs no draws.
#[test]
fn group_9_the_variational_bound() {
    let schedule = linear();
    let ones = Tensor::ones([1_000, 4], (Kind::Float, Device::Cpu)) * 0.5;
    let same = Dataset::new("all 1/2", &ones, None, &[]).unwrap();
    let signs = Tensor::from_slice(&[1.0f32, -1.0]).repeat([500]).view([1_000, 1]);
    let both = Dataset::new("1/2 and -1/2", &(ones * signs), None, &[]).unwrap();
    let gaussian = Gaussian::isotropic(0.0, 0.5, [4], &schedule).unwrap();
    let entropy = 0.5 * (2.0 * std::f64::consts::PI * std::f64::consts::E * 0.25).ln();
    for (bound, name) in [(VariationalBound::ddpm(), "bound beta~"), (VariationalBound::ddpm_beta(), "bound beta")] {
        let exact = bound.of(&Off(gaussian.clone()), &same).unwrap();
        let steps: f64 = exact.terms()[1..].iter().sum();
        let found = [exact.nats() - 4.0 * entropy, exact.prior(), steps, exact.terms()[0]];
        for (found, expected) in found.into_iter().zip(&rows(name)[0]) {
            near(found / 4.0, *expected, 1e-9, name);
        }
        // And so on average over noise errs the exact denoiser.
        let drawn = bound.of(&gaussian, &both).unwrap();
        let error = drawn.standard_error();
        assert!(error < 0.1, "{error}");
        near(drawn.nats(), exact.nats(), 4.0 * error, name);
    }
}

/// Of x_0 = 1/2 it says 1/2 and the standard deviation of x_0 given x_t for N(0, 1/4), s sigma/sqrt(alpha^2 s^2 + sigma^2).
#[derive(Clone)]
struct Off(Gaussian);

impl Denoiser for Off {
    fn denoise(&self, xt: &Tensor, t: f64, _: Option<&Tensor>) -> Result<Tensor, noisebook::Error> {
        let (alpha, sigma) = (self.schedule().alpha(t), self.schedule().sigma(t));
        Ok(xt.full_like(0.5 + 0.5 * sigma / (0.25 * alpha * alpha + sigma * sigma).sqrt()))
    }
    fn schedule(&self) -> &Schedule {
        self.0.schedule()
    }
    fn sample_shape(&self) -> Vec<i64> {
        self.0.sample_shape()
    }
    fn classes(&self) -> Option<i64> {
        None
    }
    fn device(&self) -> Device {
        Device::Cpu
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
    assert_eq!((frechet.counts, frechet.features), ((12, 12), 3));
    // These features lie in a plane: a third eigenvalue of 1e-17 for 0 has a root of 3e-9.
    near(frechet_distance(&b, &a).unwrap().distance, frechet.distance, 1e-7, "the other way round");
    near(frechet_distance(&a, &a).unwrap().distance, 0.0, 1e-7, "of a set from itself");
    // Of isotropic Gaussians: |dmu|^2 + d (s1 - s2)^2, here of sets whose mean and covariance are exactly that: +- the axes.
    let axes = |std: f64, mean: [f64; 3]| {
        let scale = std * 2.5f64.sqrt(); // 6 points: the covariance over N - 1 = 5 of +-r on each axis is 2 r^2/5
        let eye = Tensor::eye(3, (Kind::Double, Device::Cpu)) * scale;
        Tensor::cat(&[&eye, &-&eye], 0) + Tensor::from_slice(&mean)
    };
    let isotropic = frechet_distance(&axes(0.5, [0.0; 3]), &axes(0.8, [0.5, 0.2, 0.0])).unwrap();
    near(isotropic.distance, rows("frechet")[0][1], 1e-9, "of isotropic ones");
}
