//! Classifier guidance: Dhariwal & Nichol 2021, "Diffusion Models Beat GANs on Image Synthesis".

use crate::denoiser::{Denoiser, check_noise, left_to};
use crate::show::{Bundle, Show, digits};
use crate::{Error, Result};
use std::fmt;
use std::rc::Rc;
use tch::{Tensor, with_grad};

/// ln p(y | x_t) of each sample, from x_t, t and the labels.
type LogProbability = dyn Fn(&Tensor, f64, Option<&Tensor>) -> Result<Tensor>;

/// A denoiser pushed up the slope of any log-probability: x_0 + w (sigma^2/alpha) grad ln p(y | x_t).
///
/// By Bayes' rule the score given y is the score plus this gradient; in x_0, by Tweedie's formula, that is this sum (Dhariwal &
/// Nichol 2021, section 4.1, whose algorithm 1 moves the mean of a step instead). w = 1 with the true ln p(y | x_t) is the exact
/// conditional denoiser; larger w gives clearer, less varied samples. The function sees *noised* samples, so a classifier has to
/// have learned on them.
///
/// Where alpha = 0 (t = 1 of a schedule that leaves nothing of the image) x_t says nothing of y and its gradient, 0, would be
/// divided by 0: there no gradient is taken, and the answer is the model's own.
///
/// ```
/// use noisebook::prelude::*;
/// let model = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::cosine(1_000)?)?;
/// // Any function will do: here, samples shall lie to the right.
/// let right = ClassifierGuided::new(&model, 1.0, |x, _, _| Ok(x.select(1, 0) * 2.0));
/// let samples = Sampler::ddim(50).clip(false).count(500).sample(&right)?.images();
/// assert!(samples.select(1, 0).mean(Kind::Double).double_value(&[]) > 0.5);
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone)]
pub struct ClassifierGuided {
    inner: Rc<dyn Denoiser>,
    scale: f64,
    log_probability: Rc<LogProbability>,
    classes: Option<i64>,
}

impl ClassifierGuided {
    /// Guides `model` with scale `w` by `log_probability`: from x_t (N x the shape of a sample, in the sampler's float64), t and
    /// the labels, if any (N, int64), ln p(y | x_t) of each sample, N numbers. It is made of tensor operations, so that autograd
    /// finds its gradient. The model itself gets the labels only if it knows classes.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let means = Tensor::from_slice(&[-1.0, 1.0]).view([2, 1]);
    /// let modes = GaussianMixture::new([0.5, 0.5], &means, [0.5, 0.5], &Schedule::cosine(1_000)?)?;
    /// let classes = modes.class_per_component(); // they know p(x_t | label), and so p(label | x_t)
    /// let guided = ClassifierGuided::new(&modes, 1.0, move |x, t, labels| {
    ///     Ok(classes.log_density(x, t, labels)? - classes.log_density(x, t, None)?)
    /// });
    /// let samples = Sampler::ddim(50).clip(false).labels([1; 100]).sample(&guided.with_classes(2))?;
    /// assert!((samples.images().mean(Kind::Double).double_value(&[]) - 1.0).abs() < 0.2);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn new(
        model: &(impl Denoiser + Clone + 'static),
        scale: f64,
        log_probability: impl Fn(&Tensor, f64, Option<&Tensor>) -> Result<Tensor> + 'static,
    ) -> Self {
        Self {
            inner: Rc::new(model.clone()),
            scale,
            log_probability: Rc::new(log_probability),
            classes: model.classes(),
        }
    }

    /// How many labels the function knows (default: as many as the model). A sampler asks before it takes labels.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::cosine(100)?)?;
    /// let guided = ClassifierGuided::new(&model, 2.0, |x, _, labels| match labels {
    ///     Some(labels) => Ok(x.select(1, 0) * (labels * 2 - 1)), // 0 is left, 1 is right
    ///     None => Ok(x.select(1, 0) * 0),
    /// });
    /// let samples = Sampler::ddim(5).labels([0, 1]).sample(&guided.with_classes(2))?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn with_classes(mut self, classes: i64) -> Self {
        self.classes = Some(classes);
        self
    }

    /// grad ln p(y | x_t), of the shape of x_t.
    fn slope(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor> {
        // Where somebody differentiates the answer, its gradient goes through this one.
        let differentiated = xt.requires_grad();
        let x = if differentiated { xt.shallow_clone() } else { xt.f_detach_copy()?.f_set_requires_grad(true)? };
        let found = with_grad(|| (self.log_probability)(&x, t, labels))?;
        let count = x.size()[0];
        if found.size() != [count] {
            let rule = format!("the function gives one number for each of the {count} samples");
            return Err(Error::argument("log_probability", format!("{:?}", found.size()), rule));
        }
        if !found.requires_grad() {
            return Ok(xt.f_zeros_like()?);
        }
        let sum = with_grad(|| found.f_sum(found.f_kind()?))?;
        let slope = Tensor::f_run_backward(&[sum], &[&x], differentiated, differentiated)?.remove(0);
        Ok(slope.f_to_kind(xt.f_kind()?)?)
    }
}

impl Denoiser for ClassifierGuided {
    fn denoise(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor> {
        if !self.scale.is_finite() {
            return Err(Error::argument("scale", self.scale, "must be a finite number"));
        }
        let own = labels.filter(|_| self.inner.classes().is_some());
        let xt = xt.f_to_device(self.device())?;
        let x0 = self.inner.denoise(&xt, t, own)?;
        let (alpha, sigma) = (self.schedule().alpha(t), self.schedule().sigma(t));
        if alpha == 0.0 || self.scale == 0.0 {
            return Ok(x0);
        }
        let push = self.slope(&xt, t, labels)?.f_mul_scalar(self.scale * sigma * sigma / alpha)?;
        Ok(x0.f_add(&push)?)
    }

    fn starts(&self, _: usize, _: u64) -> Result<Option<Tensor>> {
        check_noise(&*self.inner, "the weight of the gradient")?;
        Ok(None)
    }

    left_to!(inner: schedule sample_shape device);

    fn classes(&self) -> Option<i64> {
        self.classes
    }
}

impl fmt::Debug for ClassifierGuided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "classifier guidance: w = {}", digits(self.scale))
    }
}

impl Show for ClassifierGuided {
    fn bundle(&self) -> Result<Bundle> {
        Ok(Bundle::text(format!("{self:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dataset, Diffusion, Gaussian, GaussianMixture, Mlp, Prediction, Sampler, Schedule};
    use tch::Kind;

    fn largest(x: Tensor) -> f64 {
        x.abs().max().double_value(&[])
    }

    fn modes(schedule: &Schedule) -> GaussianMixture {
        let means = Tensor::from_slice(&[-1.0, 0.5, 1.0, 2.0]).view([2, 2]);
        GaussianMixture::new([1.0, 3.0], &means, [0.5, 0.3], schedule).unwrap().class_per_component()
    }

    /// The mixture's exact classifier, ln p(y | x_t) but for a constant.
    fn guided(modes: &GaussianMixture, scale: f64) -> ClassifierGuided {
        let classifier = modes.clone();
        ClassifierGuided::new(modes, scale, move |x, t, labels| {
            Ok(classifier.log_density(x, t, labels)? - classifier.log_density(x, t, None)?)
        })
    }

    /// By Bayes' rule: the whole and the classifier's gradient together are the class.
    #[test]
    fn the_exact_classifier_makes_the_exact_conditional_denoiser() {
        for schedule in [Schedule::cosine(100), Schedule::edm(100), Schedule::flow(100)].map(Result::unwrap) {
            let modes = modes(&schedule);
            // The guided model must not see the labels: a sampler of the whole.
            let whole = GaussianMixture::new(
                [1.0, 3.0],
                &Tensor::from_slice(&[-1.0, 0.5, 1.0, 2.0]).view([2, 2]),
                [0.5, 0.3],
                &schedule,
            );
            let classifier = modes.clone();
            let guided = ClassifierGuided::new(&whole.unwrap(), 1.0, move |x, t, labels| {
                Ok(classifier.log_density(x, t, labels)? - classifier.log_density(x, t, None)?)
            });
            let labels = Tensor::from_slice(&[0i64, 1, 0]);
            for t in [0.05, 0.5, 0.95] {
                let x = modes.sample(3, 0).unwrap().to_kind(Kind::Double) * schedule.alpha(t) + schedule.sigma(t) * 0.4;
                let _guard = tch::no_grad_guard(); // as in sampling
                let said = guided.denoise(&x, t, Some(&labels)).unwrap();
                assert!(largest(said - modes.denoise(&x, t, Some(&labels)).unwrap()) < 1e-9, "{schedule:?} {t}");
            }
        }
    }

    /// Closed form 15: with N(c, s^2) for a class and N(0, s^2) for all, guidance w is the denoiser of N(w c, s^2), and samples
    /// land there.
    #[test]
    fn guidance_of_gaussians_moves_the_mean() {
        let schedule = Schedule::linear(1_000).unwrap();
        let of = |mean: f64| Gaussian::isotropic(mean, 0.5, [1], &schedule).unwrap();
        let (all, class) = (of(0.0), of(1.0));
        let inner = all.clone();
        let guided =
            ClassifierGuided::new(&all, 3.0, move |x, t, _| Ok(class.log_density(x, t)? - inner.log_density(x, t)?));
        let x = Tensor::from_slice(&[-2.0, 0.3, 4.0]).view([3, 1]);
        for t in [0.001, 0.3, 1.0] {
            let expected = of(3.0).denoise(&x, t, None).unwrap();
            assert!(largest(guided.denoise(&x, t, None).unwrap() - expected) < 1e-9, "{t}");
        }
        let samples = Sampler::ddim(200).clip(false).count(4_000).sample(&guided).unwrap().images();
        let (mean, std) = (samples.mean(Kind::Double).double_value(&[]), samples.std(true).double_value(&[]));
        // Standard errors 0.008 and 0.0056, and what first-order steps miss.
        assert!((mean - 3.0).abs() < 0.05 && (std - 0.5).abs() < 0.03, "{mean} {std}");
    }

    /// Nothing of the image is left, nothing is known of y.
    #[test]
    fn at_alpha_0_it_is_the_model() {
        let modes = modes(&Schedule::flow(100).unwrap());
        let (x, labels) = (Tensor::from_slice(&[0.3, -0.4]).view([1, 2]), Tensor::from_slice(&[1i64]));
        let said = guided(&modes, 2.0).denoise(&x, 1.0, Some(&labels)).unwrap();
        assert_eq!(said, modes.denoise(&x, 1.0, Some(&labels)).unwrap());
    }

    /// The answer's own derivative, by differences.
    #[test]
    fn the_answer_can_be_differentiated() {
        let guided = guided(&modes(&Schedule::cosine(100).unwrap()), 2.0);
        let labels = Tensor::from_slice(&[1i64]);
        let at = |x: f64| Tensor::from_slice(&[x, -0.4]).view([1, 2]);
        let said = |x: &Tensor| guided.denoise(x, 0.5, Some(&labels)).unwrap().sum(Kind::Double);
        let x = at(0.3).set_requires_grad(true);
        let slope = Tensor::run_backward(&[said(&x)], &[&x], false, false).remove(0).double_value(&[0, 0]);
        let expected = (said(&at(0.3 + 1e-5)) - said(&at(0.3 - 1e-5))).double_value(&[]) / 2e-5;
        assert!((slope - expected).abs() < 1e-6, "{slope} is not {expected}");
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let modes = modes(&Schedule::cosine(100).unwrap());
        let x = Tensor::from_slice(&[0.3, -0.4, 1.0, 1.0]).view([2, 2]);
        let said = |guided: ClassifierGuided| guided.denoise(&x, 0.5, None).unwrap_err().to_string();
        assert_eq!(said(guided(&modes, f64::INFINITY)), "scale = inf: must be a finite number");
        assert_eq!(
            said(ClassifierGuided::new(&modes, 1.0, |x, _, _| Ok(x.shallow_clone()))),
            "log_probability = [2, 2]: the function gives one number for each of the 2 samples"
        );
        assert_eq!(format!("{:?}", guided(&modes, 2.0)), "classifier guidance: w = 2");
        let points = Dataset::moons(10, 0.1).unwrap();
        let mlp = Mlp::builder().hidden(16).layers(1).build().unwrap();
        let bridge = Diffusion::new(&mlp, &Schedule::flow(10).unwrap(), Prediction::Flow).unwrap().source(&points);
        let pushed = ClassifierGuided::new(&bridge, 1.0, |x, _, _| Ok(x.f_sum_dim_intlist(1, false, Kind::Double)?));
        let refused = Sampler::ddim(2).sample(&pushed).unwrap_err().to_string();
        let rule = "is that of Gaussian noise, and this model leads from one data set to another";
        assert_eq!(refused, format!("model = a bridge: the weight of the gradient {rule}"));
    }

    #[test]
    fn it_says_how_many_classes_it_knows() {
        let guided = guided(&modes(&Schedule::cosine(10).unwrap()), 1.0);
        assert_eq!((guided.classes(), guided.with_classes(5).classes()), (Some(2), Some(5)));
    }
}
