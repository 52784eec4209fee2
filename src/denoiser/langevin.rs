//! Langevin dynamics of one number: paths that a score pulls uphill while noise shakes them.

use super::{Denoiser, check_noise, check_time};
use crate::process::{Law, Paths};
use crate::random::{Stream, check_count, generator};
use crate::show::interrupted;
use crate::{Error, Result};
use rand_distr::{Distribution, StandardNormal};
use std::rc::Rc;
use tch::{Kind, Tensor, no_grad_guard};

const STEPS: usize = 200;
/// Over how many points the score is integrated.
const POINTS: usize = 601;

impl Paths {
    /// Langevin dynamics dx = score(x) dtau + sqrt(2) dw, whose stationary density is that which the score belongs to: noised
    /// samples at time `t`. 200 steps of Euler and Maruyama, x + `step` score(x) + sqrt(2 `step`) z, from N(0, 1); seed 0.
    ///
    /// The density drawn beside the ends is exp of the integral of the score. Steps are not corrected: of N(0, s^2) they make
    /// the variance s^2/(1 - step/(2 s^2)), so keep `step` well below the smallest s^2. An interrupt ends the paths at the step
    /// that they have come to.
    ///
    /// # Errors
    /// A denoiser of more than one number; a bridge, whose noise is not Gaussian; t outside (0, 1]; a step that is not positive and finite; no paths or more than
    /// 10,000,000; paths that step to infinity.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let means = Tensor::from_slice(&[-2.0, 2.0]).view([2, 1]);
    /// let modes = GaussianMixture::new([0.5, 0.5], &means, [0.5, 0.5], &Schedule::cosine(1_000)?)?;
    /// let paths = Paths::langevin(&modes, 0.2, 0.02, 100)?;
    /// assert_eq!(paths.values().size(), [100, 201]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn langevin(denoiser: &(impl Denoiser + Clone + 'static), t: f64, step: f64, count: usize) -> Result<Self> {
        if denoiser.sample_shape() != [1] {
            let rule = "these are paths of one number: take a denoiser of points N x 1";
            return Err(Error::argument("sample shape", format!("{:?}", denoiser.sample_shape()), rule));
        }
        check_time(t)?;
        check_noise(denoiser, "the score")?;
        if !(step.is_finite() && step > 0.0) {
            return Err(Error::argument("step", step, "a positive number"));
        }
        check_count("count", count)?;
        let denoiser: Rc<dyn Denoiser> = Rc::new(denoiser.clone());
        let score = move |xs: &[f64]| -> Result<Vec<f64>> {
            let _guard = no_grad_guard();
            let x = Tensor::f_from_slice(xs)?.f_view([-1, 1])?.f_to_device(denoiser.device())?;
            Ok(Vec::<f64>::try_from(denoiser.score(&x, t, None)?.f_to_kind(Kind::Double)?.f_view([-1])?)?)
        };
        let paths = walks(&score, step, count, 0)?;
        let (low, high) = paths.iter().flatten().fold((f64::MAX, f64::MIN), |(a, b), &x| (a.min(x), b.max(x)));
        let (xs, density) = density(&score, (low, high))?;
        let title = format!("Langevin dynamics on the score at t = {t}, steps of {step}");
        Ok(Self::new(title, step, Law::Density(xs, density), paths, move |seed| walks(&score, step, count, seed)))
    }
}

/// `walks[path][step]`, of fewer steps after an interrupt, but at least 1.
fn walks(score: &dyn Fn(&[f64]) -> Result<Vec<f64>>, step: f64, count: usize, seed: u64) -> Result<Vec<Vec<f64>>> {
    let mut rngs: Vec<_> = (0..count).map(|path| generator(seed, Stream::Paths, path as u64)).collect();
    let mut normals = || -> Vec<f64> { rngs.iter_mut().map(|rng| StandardNormal.sample(rng)).collect() };
    let mut x = normals();
    let mut paths: Vec<Vec<f64>> = x.iter().map(|&x| vec![x]).collect();
    for _ in 0..STEPS {
        let uphill = score(&x)?;
        for (((x, path), score), z) in x.iter_mut().zip(&mut paths).zip(uphill).zip(normals()) {
            *x += step * score + (2.0 * step).sqrt() * z;
            path.push(*x);
        }
        if x.iter().any(|x| !x.is_finite() || x.abs() > 1e9) {
            let rule = "the paths step ever farther away: take smaller steps";
            return Err(Error::argument("step", step, rule));
        }
        if interrupted() {
            break;
        }
    }
    Ok(paths)
}

/// The density whose score this is, on a grid over the range: exp of the score's integral (trapezoids), with an integral of 1.
fn density(score: &dyn Fn(&[f64]) -> Result<Vec<f64>>, (low, high): (f64, f64)) -> Result<(Vec<f64>, Vec<f64>)> {
    let width = (high - low) / (POINTS - 1) as f64;
    let xs: Vec<f64> = (0..POINTS).map(|point| low + width * point as f64).collect();
    let mut log = 0.0;
    let logs: Vec<f64> = score(&xs)?
        .windows(2)
        .map(|pair| {
            log += width * (pair[0] + pair[1]) / 2.0;
            log
        })
        .collect();
    let logs: Vec<f64> = std::iter::once(0.0).chain(logs).collect();
    let highest = logs.iter().copied().fold(f64::MIN, f64::max);
    let mut density: Vec<f64> = logs.iter().map(|log| (log - highest).exp()).collect();
    let whole = width * density.iter().sum::<f64>();
    density.iter_mut().for_each(|value| *value /= whole);
    Ok((xs, density))
}

#[cfg(test)]
mod tests {
    use super::super::{Gaussian, GaussianMixture};
    use super::*;
    use crate::Schedule;
    use crate::show::Show;
    use std::cell::Cell;
    use tch::Device;

    fn modes() -> GaussianMixture {
        let means = Tensor::from_slice(&[-1.0, 1.5]).view([2, 1]);
        GaussianMixture::new([0.3, 0.7], &means, [0.3, 0.2], &Schedule::flow(100).unwrap()).unwrap()
    }

    /// x' = (1 - h/s^2) x + sqrt(2 h) z is stationary at s^2/(1 - h/(2 s^2)).
    #[test]
    fn of_a_gaussian_the_variance_is_that_of_its_chain() {
        let gaussian = Gaussian::isotropic(0.5, 0.8, [1], &Schedule::flow(100).unwrap()).unwrap();
        let (s2, h) = (0.25 * 0.64 + 0.25, 0.1); // alpha = sigma = 1/2 at t = 1/2
        let ends = Paths::langevin(&gaussian, 0.5, h, 20_000).unwrap().values().select(1, -1);
        let (mean, variance) = (ends.mean(Kind::Double).double_value(&[]), ends.var(true).double_value(&[]));
        let expected: f64 = s2 / (1.0 - h / (2.0 * s2));
        assert!((variance / expected - 1.0).abs() < 0.05, "{variance} {expected}");
        assert!((mean - 0.25).abs() < 5.0 * (expected / 20_000.0).sqrt(), "{mean}");
    }

    #[test]
    fn the_integral_of_the_score_is_the_density() {
        let score = |xs: &[f64]| -> Result<Vec<f64>> {
            let x = Tensor::from_slice(xs).view([-1, 1]);
            Ok(Vec::<f64>::try_from(modes().score(&x, 0.3, None)?.view([-1])).unwrap())
        };
        let (xs, found) = density(&score, (-4.0, 4.0)).unwrap();
        let expected = modes().log_density(&Tensor::from_slice(&xs).view([-1, 1]), 0.3, None).unwrap().exp();
        let error = (Tensor::from_slice(&found) - expected).abs().max().double_value(&[]);
        assert!(error < 1e-3, "{error}");
    }

    #[test]
    fn they_are_walked_once() {
        let counting = Counting(modes(), Rc::default());
        let _ = Paths::langevin(&counting, 0.3, 0.01, 5).unwrap();
        assert_eq!(counting.1.get(), STEPS + 1); // the steps, and the density
    }

    /// Counts its evaluations.
    #[derive(Clone)]
    struct Counting(GaussianMixture, Rc<Cell<usize>>);

    impl Denoiser for Counting {
        fn denoise(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor> {
            self.1.set(self.1.get() + 1);
            self.0.denoise(xt, t, labels)
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
            self.0.device()
        }
    }

    #[test]
    fn they_draw_themselves_beside_the_density() {
        let paths = Paths::langevin(&modes(), 0.1, 0.005, 70).unwrap();
        let text = paths.bundle().unwrap().plain_text().to_string();
        let title = "Langevin dynamics on the score at t = 0.1, steps of 0.005: 70 paths of 200 steps\n";
        assert!(text.starts_with(title) && text.contains("\nlaw: 601 points"), "{text}");
        assert_ne!(paths.redraw(1).unwrap().values(), paths.values());
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let said = |t, step, count| Paths::langevin(&modes(), t, step, count).unwrap_err().to_string();
        assert!(said(0.0, 0.1, 1).starts_with("t = 0: "), "{}", said(0.0, 0.1, 1));
        assert_eq!(said(0.5, -1.0, 1), "step = -1: a positive number");
        assert_eq!(said(0.5, 0.1, 0), "count = 0: draw at least 1");
        let most = format!("count = {}: draw at most 10,000,000", usize::MAX);
        assert_eq!(said(0.5, 0.1, usize::MAX), most);
        assert_eq!(said(0.1, 5.0, 9), "step = 5: the paths step ever farther away: take smaller steps");
        let plane = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::flow(9).unwrap()).unwrap();
        let error = Paths::langevin(&plane, 0.5, 0.1, 1).unwrap_err().to_string();
        assert_eq!(error, "sample shape = [2]: these are paths of one number: take a denoiser of points N x 1");
    }
}
