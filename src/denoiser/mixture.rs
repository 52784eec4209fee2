//! The denoiser of a mixture of Gaussians: data with modes, and everything about it a formula.

use super::components::Components;
use super::figure::{density_chart, density_times};
use super::gaussian::check_density_time;
use super::{Denoiser, left_to};
use crate::random::{Stream, check_count, generator, normal, unit};
use crate::show::{Bundle, Show, sides};
use crate::{Error, Result, Schedule};
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// The exact denoiser of the mixture of N(mu_k, s_k^2 I) with weights w_k: E[x_0 | x_t] is the sum of r_k E_k, where
/// r_k, proportional to w_k N(x_t; alpha mu_k, v_k I) with v_k = alpha^2 s_k^2 + sigma^2, is how likely x_t came from
/// component k, and E_k = (sigma^2 mu_k + alpha s_k^2 x_t)/v_k is what that component's denoiser says.
///
/// All is float64 inside; answers are of the kind of x_t. A clone is cheap. As the value of a cell it says what it is of, and
/// for single numbers draws the density of x_t: two modes that become one.
///
/// ```
/// use noisebook::prelude::*;
/// let means = Tensor::from_slice(&[-2.0, 2.0]).view([2, 1]);
/// let modes = GaussianMixture::new([0.3, 0.7], &means, [0.5, 0.5], &Schedule::cosine(1_000)?)?;
/// let samples = Sampler::ddim(50).clip(false).count(1_000).sample(&modes)?.images();
/// let right = samples.gt(0.0).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
/// assert!((right - 0.7).abs() < 0.06);
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct GaussianMixture {
    components: Rc<Components>,
    /// Their running sum, for draws.
    shares: Rc<[f64]>,
}

impl GaussianMixture {
    /// A mixture of K components: weights, which are divided by their sum; means, K x the shape of a sample; standard
    /// deviations.
    ///
    /// # Errors
    /// No component; weights, means and deviations of different numbers; a weight or a deviation that is not positive, a
    /// mean that is not finite.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let corners = Tensor::from_slice(&[-1.0, -1.0, 1.0, -1.0, 0.0, 1.0]).view([3, 2]); // points in the plane
    /// let mixture = GaussianMixture::new([1.0, 1.0, 2.0], &corners, [0.1, 0.1, 0.2], &Schedule::flow(100)?)?;
    /// assert_eq!(mixture.sample_shape(), [2]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn new(
        weights: impl IntoIterator<Item = f64>,
        means: &Tensor,
        stds: impl IntoIterator<Item = f64>,
        schedule: &Schedule,
    ) -> Result<Self> {
        let (weights, stds): (Vec<f64>, Vec<f64>) = (weights.into_iter().collect(), stds.into_iter().collect());
        let size = means.size();
        if size.len() < 2 || size.contains(&0) {
            let rule = "one mean a component: K x the shape of a sample, none of them 0";
            return Err(Error::argument("means", format!("{size:?}"), rule));
        }
        let largest = means.f_abs()?.f_max()?.f_double_value(&[])?;
        if !largest.is_finite() {
            return Err(Error::argument("means", largest, "all their numbers are finite"));
        }
        for (name, one, values) in [("weights", "weight", &weights), ("stds", "std", &stds)] {
            if values.len() as i64 != size[0] {
                return Err(Error::argument(name, values.len(), format!("one for each of the {} means", size[0])));
            }
            if let Some(value) = values.iter().find(|value| !(value.is_finite() && **value > 0.0)) {
                return Err(Error::argument(one, value, "must be a positive number"));
            }
        }
        let total: f64 = weights.iter().sum();
        let weights: Vec<f64> = weights.iter().map(|weight| weight / total).collect();
        let components =
            Components::new(means, &Tensor::f_from_slice(&weights)?, &Tensor::f_from_slice(&stds)?, schedule)?;
        let shares = weights.iter().scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        Ok(Self { components: Rc::new(components), shares: shares.collect() })
    }

    /// The same mixture where component k is class k: a label picks a component, and -1 or no labels the whole.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let means = Tensor::from_slice(&[-2.0, 2.0]).view([2, 1]);
    /// let modes = GaussianMixture::new([0.5, 0.5], &means, [0.5, 0.5], &Schedule::cosine(1_000)?)?.class_per_component();
    /// let samples = Sampler::ddim(20).clip(false).labels([1; 100]).sample(&modes)?;
    /// assert!(samples.images().min().double_value(&[]) > 0.0); // all from the right mode
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn class_per_component(&self) -> Self {
        let count = self.components.count();
        let labels = Tensor::from_slice(&(0..count).collect::<Vec<i64>>());
        Self { components: Rc::new(self.components.with_labels(labels, count)), ..self.clone() }
    }

    /// ln p_t(x_t) in nats for t in [0, 1], the sum over w_k N(x_t; alpha mu_k, v_k I); with labels, of the component that
    /// each picks: N numbers.
    ///
    /// # Errors
    /// Samples of another shape; t outside [0, 1]; labels that it does not have.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let means = Tensor::from_slice(&[-2.0, 2.0]).view([2, 1]);
    /// let modes = GaussianMixture::new([0.5, 0.5], &means, [0.5, 0.5], &Schedule::cosine(1_000)?)?;
    /// let at = |x: f64| modes.log_density(&Tensor::from_slice(&[x]).view([1, 1]), 0.0, None);
    /// assert!(at(2.0)? .double_value(&[0]) > at(0.0)?.double_value(&[0])); // a mode, and the valley between
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn log_density(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor> {
        check_density_time(t, true)?;
        self.components.log_density(xt, t, labels)
    }

    /// Draws of the truth, from the whole mixture: `count` x the shape of a sample, float32. The first do not depend on how
    /// many follow.
    ///
    /// # Errors
    /// 0 draws, or more than 10,000,000.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let means = Tensor::from_slice(&[-2.0, 2.0]).view([2, 1]);
    /// let modes = GaussianMixture::new([0.3, 0.7], &means, [0.5, 0.5], &Schedule::cosine(1_000)?)?;
    /// assert!((modes.sample(4_000, 0)?.mean(Kind::Double).double_value(&[]) - 0.8).abs() < 0.15);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn sample(&self, count: usize, seed: u64) -> Result<Tensor> {
        check_count("count", count)?;
        let mut rng = generator(seed, Stream::Truth, 1);
        let last = self.shares.len() - 1;
        let index = (0..count).map(|_| {
            let at = unit(&mut rng);
            self.shares.iter().position(|&share| at < share).unwrap_or(last) as i64
        });
        let index = Tensor::f_from_slice(&index.collect::<Vec<_>>())?;
        let size: i64 = self.components.shape().iter().product();
        let z = normal(&mut generator(seed, Stream::Truth, 0), &[count as i64, size], Device::Cpu)?;
        Ok(self.components.draw(&index, &z.f_to_kind(Kind::Double)?)?.f_to_kind(Kind::Float)?)
    }
}

impl Denoiser for GaussianMixture {
    left_to!(components: denoise schedule sample_shape classes device);
}

impl Show for GaussianMixture {
    fn bundle(&self) -> Result<Bundle> {
        let shape = self.components.shape();
        let classes = if self.components.classes().is_some() { ", each a class" } else { "" };
        let title = format!(
            "Mixture of {} Gaussians{classes}: samples of {}; {} schedule",
            self.components.count(),
            sides(shape),
            self.schedule().name()
        );
        if shape != [1] {
            return Ok(Bundle::text(title));
        }
        let (times, range) = (density_times(self.schedule(), true), self.components.range()?);
        density_chart(title, self.schedule(), range, &times, &|x, t| self.log_density(x, t, None))?.bundle()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Gaussian;
    use super::*;

    fn modes(schedule: &Schedule) -> GaussianMixture {
        let means = Tensor::from_slice(&[-1.5, 0.5, 2.0, 1.0, 0.0, -3.0]).view([3, 2]);
        GaussianMixture::new([1.0, 2.0, 1.0], &means, [0.4, 0.1, 0.8], schedule).unwrap()
    }

    fn largest(x: Tensor) -> f64 {
        x.abs().max().double_value(&[])
    }

    /// The score is the gradient of the log-density, of the whole and of one class.
    #[test]
    fn the_score_is_the_gradient_of_the_density() {
        for schedule in [Schedule::linear(100), Schedule::edm(100), Schedule::flow(100)].map(Result::unwrap) {
            let model = modes(&schedule).class_per_component();
            for t in [0.01, 0.4, 1.0] {
                for labels in [None, Some(Tensor::from_slice(&[0i64, 1, 2, -1]))] {
                    let x = (model.sample(4, 3).unwrap().to_kind(Kind::Double) * schedule.alpha(t)
                        + schedule.sigma(t) * 0.3)
                        .set_requires_grad(true);
                    let density = model.log_density(&x, t, labels.as_ref()).unwrap().sum(Kind::Double);
                    let slope = Tensor::run_backward(&[density], &[&x], false, false).remove(0);
                    let score = model.score(&x, t, labels.as_ref()).unwrap();
                    let error = largest(score - &slope) / largest(slope);
                    assert!(error < 1e-9, "{schedule:?} {t}: {error}");
                }
            }
        }
    }

    /// The density by its definition, at the data and between two modes, by hand.
    #[test]
    fn the_density_is_the_sum_over_components() {
        let schedule = Schedule::edm_between(10, 0.5, 10.0, 7.0).unwrap();
        let means = Tensor::from_slice(&[-1.0, 1.0]).view([2, 1]);
        let model = GaussianMixture::new([1.0, 3.0], &means, [0.5, 1.0], &schedule).unwrap();
        let normal = |x: f64, v: f64| (-x * x / (2.0 * v)).exp() / (2.0 * std::f64::consts::PI * v).sqrt();
        for (t, noise) in [(0.0, 0.0), (0.1, 0.25)] {
            let expected = 0.25 * normal(1.3, 0.25 + noise) + 0.75 * normal(-0.7, 1.0 + noise);
            let said = model.log_density(&Tensor::from_slice(&[0.3]).view([1, 1]), t, None).unwrap();
            assert!((said.double_value(&[0]) - expected.ln()).abs() < 1e-12);
        }
    }

    #[test]
    fn it_says_how_many_classes_it_has() {
        let model = modes(&Schedule::cosine(10).unwrap());
        assert_eq!((model.classes(), model.class_per_component().classes()), (None, Some(3)));
    }

    /// One component is a Gaussian; so is the component that a label picks.
    #[test]
    fn a_label_picks_a_gaussian() {
        let schedule = Schedule::cosine(100).unwrap();
        let model = GaussianMixture::new(
            [0.2, 0.8],
            &Tensor::from_slice(&[-1.0, -1.0, 3.0, 3.0]).view([2, 2]),
            [0.4, 0.7],
            &schedule,
        );
        let model = model.unwrap().class_per_component();
        let alone = Gaussian::isotropic(3.0, 0.7, [2], &schedule).unwrap();
        let x = Tensor::from_slice(&[0.3f32, -0.4, 2.0, 1.0]).view([2, 2]);
        let labels = Tensor::from_slice(&[1i64, 1]);
        let said = model.denoise(&x, 0.6, Some(&labels)).unwrap();
        assert_eq!(said.kind(), Kind::Float);
        assert!(largest(said - alone.denoise(&x, 0.6, None).unwrap()) < 1e-6);
        let density = model.log_density(&x, 0.6, Some(&labels)).unwrap() - alone.log_density(&x, 0.6).unwrap();
        assert!(largest(density) < 1e-5);
        let nothing = Tensor::from_slice(&[-1i64, -1]);
        assert_eq!(model.denoise(&x, 0.6, Some(&nothing)).unwrap(), model.denoise(&x, 0.6, None).unwrap());
    }

    #[test]
    fn draws_fall_to_components_by_weight() {
        let model = modes(&Schedule::cosine(10).unwrap());
        let x = model.sample(20_000, 0).unwrap();
        assert_eq!(x.narrow(0, 0, 7), model.sample(7, 0).unwrap());
        // E x = (-1.5 + 2 2 + 0)/4, (0.5 + 2 1 - 3)/4; deviations of about 1.6, so standard errors of 0.011.
        let mean = x.mean_dim(&[0i64][..], false, Kind::Double);
        assert!(largest(mean - Tensor::from_slice(&[0.625, -0.125])) < 0.045);
    }

    #[test]
    fn it_says_what_it_is_of_and_draws_single_numbers() {
        let schedule = Schedule::edm(10).unwrap();
        let text = |model: GaussianMixture| model.bundle().unwrap().plain_text().to_string();
        let said = text(modes(&schedule).class_per_component());
        assert_eq!(said, "Mixture of 3 Gaussians, each a class: samples of 2; edm schedule");
        let means = Tensor::from_slice(&[-2.0, 2.0]).view([2, 1]);
        let numbers = text(GaussianMixture::new([1.0, 1.0], &means, [0.5, 0.5], &schedule).unwrap());
        // Each mode half of N(2, 1/4); at t = 1 the noise, drawn at its scale.
        assert!(numbers.contains("x\u{209c} over the root") && numbers.contains("highest 0.3989"), "{numbers}");
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let schedule = Schedule::cosine(10).unwrap();
        let said = |weights: &[f64], means: Tensor, stds: &[f64]| {
            let (weights, stds) = (weights.iter().copied(), stds.iter().copied());
            GaussianMixture::new(weights, &means, stds, &schedule).unwrap_err().to_string()
        };
        let two = || Tensor::from_slice(&[-1.0, 1.0]).view([2, 1]);
        assert_eq!(said(&[1.0], two(), &[1.0, 1.0]), "weights = 1: one for each of the 2 means");
        assert_eq!(said(&[1.0, 1.0], two(), &[1.0; 3]), "stds = 3: one for each of the 2 means");
        assert_eq!(said(&[1.0, 0.0], two(), &[1.0, 1.0]), "weight = 0: must be a positive number");
        assert_eq!(said(&[1.0, 1.0], two(), &[1.0, f64::NAN]), "std = NaN: must be a positive number");
        assert_eq!(said(&[1.0, 1.0], two() / 0.0, &[1.0, 1.0]), "means = inf: all their numbers are finite");
        let rule = "one mean a component: K x the shape of a sample, none of them 0";
        assert_eq!(said(&[], Tensor::from_slice(&[1.0]), &[]), format!("means = [1]: {rule}"));
        let model = GaussianMixture::new([1.0, 1.0], &two(), [1.0, 1.0], &schedule).unwrap();
        let label = |model: &GaussianMixture, label: i64| {
            model.denoise(&two(), 0.5, Some(&Tensor::from_slice(&[label, -1]))).unwrap_err().to_string()
        };
        for count in [0, usize::MAX] {
            let rule = if count == 0 { "draw at least 1" } else { "draw at most 10,000,000" };
            assert_eq!(model.sample(count, 0).unwrap_err().to_string(), format!("count = {count}: {rule}"));
        }
        assert_eq!(label(&model, 0), "label = 0: there are no classes, and -1 is no label");
        assert_eq!(label(&model.class_per_component(), 2), "label = 2: the classes are 0 to 1, and -1 is no label");
    }
}
