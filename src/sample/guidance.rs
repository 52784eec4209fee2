//! Classifier-free guidance: Ho & Salimans 2022, "Classifier-Free Diffusion Guidance".

use crate::denoiser::{Denoiser, left_to};
use crate::show::{Bundle, Show, digits};
use crate::{Error, Result};
use std::fmt;
use std::rc::Rc;
use tch::{Kind, Tensor};

/// Keeps the quotient of two spreads at 1 where both are 0.
const TINY: f64 = 1e-12;

/// A denoiser pushed towards its labels: x_0 = x_0(no label) + w (x_0(label) - x_0(no label)).
///
/// For one x_t, x_0 and eps are affine in one another, so this is e_u + w (e_c - e_u) too. w = 1 is plain conditional,
/// w = 0 ignores the label; larger w gives clearer, less varied samples. (Ho & Salimans' own w is this one less 1.) Both
/// halves go through the model as one batch. Without labels it is the model itself. Setters never fail: its values are checked
/// when it denoises.
///
/// ```
/// use noisebook::prelude::*;
/// let unet = UNet::builder().channels(1).image_size(8).base_channels(8).classes(10).build()?;
/// let model = Diffusion::new(&unet, &Schedule::cosine(1_000)?, Prediction::V)?;
/// let guided = ClassifierFree::new(&model).scale(4.0).rescale(0.7).interval(0.2, 0.8);
/// let samples = Sampler::ddim(5).labels(0..10).sample(&guided)?;
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone)]
pub struct ClassifierFree {
    inner: Rc<dyn Denoiser>,
    scale: f64,
    rescale: f64,
    interval: Option<(f64, f64)>,
    negative: Option<i64>,
}

impl ClassifierFree {
    /// Guides a model that has learned with and without labels; with scale 1, until [`scale`](Self::scale) sets another.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).classes(10).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let guided = ClassifierFree::new(&model).scale(2.0); // as Sampler::guidance_scale(2.0) does
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn new(model: &(impl Denoiser + Clone + 'static)) -> Self {
        Self::of(Rc::new(model.clone()), 1.0)
    }

    /// Guides `inner` with scale `w`.
    pub(super) fn of(inner: Rc<dyn Denoiser>, scale: f64) -> Self {
        Self { inner, scale, rescale: 0.0, interval: None, negative: None }
    }

    /// The scale w: 1 is plain conditional, more is clearer and less varied, 0 ignores the label.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let means = Tensor::from_slice(&[-1.0, 1.0]).view([2, 1]);
    /// # let modes = GaussianMixture::new([0.5, 0.5], &means, [0.5, 0.5], &Schedule::cosine(1_000)?)?.class_per_component();
    /// let draw = |w| Sampler::ddim(50).clip(false).labels([1; 500]).sample(&ClassifierFree::new(&modes).scale(w));
    /// let spread = |x: &Tensor| x.std(true).double_value(&[]);
    /// assert!(spread(&draw(3.0)?.images()) < spread(&draw(1.0)?.images())); // less varied
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn scale(&self, scale: f64) -> Self {
        Self { scale, ..self.clone() }
    }

    /// How much of the contrast that guidance adds is taken back, phi in [0, 1] (default 0): x_0 becomes
    /// phi x_0 std(x_0(label))/std(x_0) + (1 - phi) x_0, with standard deviations over all numbers of a sample (Lin et al. 2023,
    /// "Common Diffusion Noise Schedules and Sample Steps are Flawed", section 3.4, who take phi = 0.7). Here it is predicted
    /// x_0 that is rescaled, whatever the network says.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).classes(10).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let guided = ClassifierFree::new(&model).scale(7.5).rescale(0.7);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn rescale(&self, phi: f64) -> Self {
        Self { rescale: phi, ..self.clone() }
    }

    /// Guides only at times from `low` to `high` (default: at all); elsewhere the model is plain conditional. With much noise
    /// guidance costs variety, with little it does nothing (Kynkaanniemi et al. 2024, "Applying Guidance in a Limited Interval
    /// Improves Sample and Distribution Quality in Diffusion Models").
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).classes(10).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let guided = ClassifierFree::new(&model).scale(3.0).interval(0.2, 0.7);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn interval(&self, low: f64, high: f64) -> Self {
        Self { interval: Some((low, high)), ..self.clone() }
    }

    /// Guides away from this class, where without it the way is away from no label: x_0(negative) + w (x_0(label) -
    /// x_0(negative)). Without labels it leads from the class to what is left of the data.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).classes(10).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let no_seven = ClassifierFree::new(&model).scale(2.0).negative_label(7);
    /// let ones = Sampler::ddim(5).labels([1; 4]).sample(&no_seven)?; // that do not look like a seven
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn negative_label(&self, label: i64) -> Self {
        Self { negative: Some(label), ..self.clone() }
    }

    fn check(&self) -> Result<()> {
        if !self.scale.is_finite() {
            return Err(Error::argument("scale", self.scale, "must be a finite number"));
        }
        if !(0.0..=1.0).contains(&self.rescale) {
            return Err(Error::argument("rescale", self.rescale, "must lie in [0, 1]"));
        }
        if self.rescale > 0.0 && self.inner.sample_shape().iter().product::<i64>() == 1 {
            return Err(Error::argument("rescale", self.rescale, "a sample of a single number has no spread"));
        }
        if let Some((low, high)) = self.interval
            && !(0.0 <= low && low < high && high <= 1.0)
        {
            let rule = "an interval of times runs from a lower to a higher one, both in [0, 1]";
            return Err(Error::argument("interval", format!("{low} to {high}"), rule));
        }
        if let Some(label) = self.negative {
            let rule = match self.inner.classes() {
                Some(classes) if (0..classes).contains(&label) => return Ok(()),
                Some(classes) => format!("this model knows the classes 0 to {}", classes - 1),
                None => "this model was built without classes".to_string(),
            };
            return Err(Error::argument("negative_label", label, rule));
        }
        Ok(())
    }

    fn guides_at(&self, t: f64) -> bool {
        self.scale != 1.0 && self.interval.is_none_or(|(low, high)| (low..=high).contains(&t))
    }

    /// x_0 with a share of its spread brought back to that of `with`.
    fn rescaled(&self, x0: &Tensor, with: &Tensor) -> Result<Tensor> {
        let spread = |x: &Tensor| -> Result<Tensor> {
            let dims: Vec<i64> = (1..x.dim() as i64).collect();
            Ok(x.f_std_dim(&dims[..], false, true)?.f_add_scalar(TINY)?)
        };
        let factor = spread(with)?.f_div(&spread(x0)?)?.f_mul_scalar(self.rescale)?.f_add_scalar(1.0 - self.rescale)?;
        Ok(x0.f_mul(&factor)?)
    }
}

impl Denoiser for ClassifierFree {
    fn denoise(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor> {
        self.check()?;
        let count = xt.size().first().copied().unwrap_or(0);
        let none = || Tensor::f_full([count], -1, (Kind::Int64, xt.device()));
        let labels = match (labels, self.negative) {
            (Some(labels), _) => labels.shallow_clone(),
            (None, Some(_)) => none()?,
            (None, None) if self.scale == 1.0 => return self.inner.denoise(xt, t, None),
            (None, None) => {
                let rule = match self.inner.classes() {
                    Some(classes) => format!("guidance needs labels: add .labels(0..{classes}) to the sampler"),
                    None => "guidance needs labels, and this model was built without classes".into(),
                };
                return Err(Error::argument("scale", self.scale, rule));
            }
        };
        if !self.guides_at(t) {
            return self.inner.denoise(xt, t, Some(&labels));
        }
        // Both halves in one batch.
        let twice = Tensor::f_cat(&[xt, xt], 0)?;
        let away = labels.f_full_like(self.negative.unwrap_or(-1))?;
        let both = self.inner.denoise(&twice, t, Some(&Tensor::f_cat(&[labels, away], 0)?))?;
        let (with, without) = (both.f_narrow(0, 0, count)?, both.f_narrow(0, count, count)?);
        let x0 = without.f_add(&with.f_sub(&without)?.f_mul_scalar(self.scale)?)?;
        if self.rescale > 0.0 { self.rescaled(&x0, &with) } else { Ok(x0) }
    }

    left_to!(inner: starts schedule sample_shape classes device);
}

impl fmt::Debug for ClassifierFree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let away = self.negative.map_or("no label".to_string(), |label| format!("label {label}"));
        write!(f, "classifier-free guidance: w = {}, away from {away}", digits(self.scale))?;
        if self.rescale > 0.0 {
            write!(f, ", rescaled by {}", digits(self.rescale))?;
        }
        match self.interval {
            Some((low, high)) => write!(f, ", for t from {} to {}", digits(low), digits(high)),
            None => Ok(()),
        }
    }
}

impl Show for ClassifierFree {
    fn bundle(&self) -> Result<Bundle> {
        Ok(Bundle::text(format!("{self:?}")))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{Error, GaussianMixture, Schedule};
    use tch::Device;

    /// The exact denoiser of one Gaussian N(mu_c, s^2) a class, and of N(0, s^2) without a label:
    /// E[x_0 | x_t] = mu + s^2 alpha/(alpha^2 s^2 + sigma^2) (x_t - alpha mu).
    pub(crate) struct Gaussians {
        pub(crate) schedule: Schedule,
        pub(crate) means: Vec<f64>,
        pub(crate) std: f64,
    }

    impl Denoiser for Gaussians {
        fn denoise(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor> {
            let (alpha, sigma, variance) = (self.schedule.alpha(t), self.schedule.sigma(t), self.std.powi(2));
            let labels = match labels {
                Some(labels) => Vec::<i64>::try_from(labels)?,
                None => vec![-1; xt.size()[0] as usize],
            };
            let mean: Vec<f32> =
                labels.iter().map(|&c| usize::try_from(c).map_or(0.0, |c| self.means[c] as f32)).collect();
            let mean = Tensor::f_from_slice(&mean)?.f_view([-1, 1, 1, 1])?;
            let gain = variance * alpha / (alpha.powi(2) * variance + sigma.powi(2));
            Ok(&mean + (xt - &mean * alpha) * gain)
        }

        fn schedule(&self) -> &Schedule {
            &self.schedule
        }

        fn sample_shape(&self) -> Vec<i64> {
            vec![1, 16, 16]
        }

        fn classes(&self) -> Option<i64> {
            Some(self.means.len() as i64)
        }

        fn device(&self) -> Device {
            Device::Cpu
        }
    }

    /// Closed form 15, at one x_t: guidance of equal-variance Gaussians is the denoiser of the Gaussian with mean
    /// mu_u + w (mu_c - mu_u).
    #[test]
    fn guiding_gaussians_moves_the_mean() -> Result<(), Error> {
        let schedule = Schedule::cosine(1_000)?;
        let gaussians = |means: &[f64]| Gaussians { schedule: schedule.clone(), means: means.to_vec(), std: 0.4 };
        let (labels, moved) = (Tensor::from_slice(&[1i64, 0]), gaussians(&[2.0 * 0.5, 2.0 * -0.3]));
        let guided = ClassifierFree::of(Rc::new(gaussians(&[0.5, -0.3])), 2.0);
        let xt = Tensor::linspace(-2, 2, 2 * 256, (tch::Kind::Float, Device::Cpu)).view([2, 1, 16, 16]);
        let difference = guided.denoise(&xt, 0.6, Some(&labels))? - moved.denoise(&xt, 0.6, Some(&labels))?;
        assert!(difference.abs().max().double_value(&[]) < 1e-6);
        Ok(())
    }

    fn modes() -> GaussianMixture {
        let means = Tensor::from_slice(&[-1.0, 0.5, 1.0, 2.0, 0.0, -1.0]).view([3, 2]);
        GaussianMixture::new([1.0, 2.0, 1.0], &means, [0.5, 0.3, 0.4], &Schedule::cosine(100).unwrap())
            .unwrap()
            .class_per_component()
    }

    fn points() -> (Tensor, Tensor) {
        (Tensor::from_slice(&[0.3, -0.4, 1.0, 2.0]).view([2, 2]), Tensor::from_slice(&[0i64, 2]))
    }

    fn close(a: &Tensor, b: &Tensor) -> bool {
        (a - b).abs().max().double_value(&[]) < 1e-12
    }

    /// Away from a class instead of from no label, and without labels from that class to all of the data.
    #[test]
    fn a_negative_label_takes_the_place_of_no_label() {
        let (model, (x, labels)) = (modes(), points());
        let of = |label: i64| model.denoise(&x, 0.4, Some(&labels.full_like(label))).unwrap();
        let guided = ClassifierFree::new(&model).scale(3.0).negative_label(1);
        let towards = model.denoise(&x, 0.4, Some(&labels)).unwrap();
        assert!(close(&guided.denoise(&x, 0.4, Some(&labels)).unwrap(), &(of(1) + (towards - of(1)) * 3.0)));
        assert!(close(&guided.denoise(&x, 0.4, None).unwrap(), &(of(1) + (of(-1) - of(1)) * 3.0)));
    }

    /// Outside of the interval it is the model; its ends belong to it.
    #[test]
    fn an_interval_limits_guidance() {
        let (model, (x, labels)) = (modes(), points());
        let (always, some) =
            (ClassifierFree::new(&model).scale(3.0), ClassifierFree::new(&model).scale(3.0).interval(0.3, 0.6));
        for (t, guided) in [(0.29, false), (0.3, true), (0.6, true), (0.61, false)] {
            let expected =
                if guided { always.denoise(&x, t, Some(&labels)) } else { model.denoise(&x, t, Some(&labels)) };
            assert_eq!(some.denoise(&x, t, Some(&labels)).unwrap(), expected.unwrap(), "{t}");
        }
    }

    /// With phi = 1 the spread of a sample is that of the plain conditional one; half way is the mean of both.
    #[test]
    fn rescaling_brings_the_spread_back() {
        let (model, (x, labels)) = (modes(), points());
        let of = |phi| ClassifierFree::new(&model).scale(3.0).rescale(phi).denoise(&x, 0.4, Some(&labels)).unwrap();
        let spread = |x: &Tensor| (x.select(1, 0) - x.select(1, 1)).abs() / 2.0; // of two numbers
        let plain = model.denoise(&x, 0.4, Some(&labels)).unwrap();
        assert!(close(&spread(&of(1.0)), &spread(&plain)) && !close(&spread(&of(0.0)), &spread(&plain)));
        assert!(close(&of(0.5), &((of(0.0) + of(1.0)) * 0.5)));
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let (model, (x, labels)) = (modes(), points());
        let said = |guided: ClassifierFree| guided.denoise(&x, 0.5, Some(&labels)).unwrap_err().to_string();
        let guided = || ClassifierFree::new(&model);
        assert_eq!(said(guided().scale(f64::NAN)), "scale = NaN: must be a finite number");
        assert_eq!(said(guided().rescale(1.5)), "rescale = 1.5: must lie in [0, 1]");
        let rule = "an interval of times runs from a lower to a higher one, both in [0, 1]";
        assert_eq!(said(guided().interval(0.5, 0.5)), format!("interval = 0.5 to 0.5: {rule}"));
        assert_eq!(said(guided().interval(0.5, 1.5)), format!("interval = 0.5 to 1.5: {rule}"));
        assert_eq!(said(guided().negative_label(3)), "negative_label = 3: this model knows the classes 0 to 2");
        let one = Tensor::from_slice(&[0.0, 1.0]).view([2, 1]);
        let numbers = GaussianMixture::new([1.0, 1.0], &one, [1.0, 1.0], &Schedule::cosine(10).unwrap()).unwrap();
        let said = |guided: ClassifierFree| guided.denoise(&one, 0.5, None).unwrap_err().to_string();
        assert_eq!(
            said(ClassifierFree::new(&numbers).rescale(0.5)),
            "rescale = 0.5: a sample of a single number has no spread"
        );
        assert_eq!(
            said(ClassifierFree::new(&numbers).negative_label(0)),
            "negative_label = 0: this model was built without classes"
        );
    }

    #[test]
    fn it_says_what_it_does() {
        let guided = ClassifierFree::new(&modes()).scale(3.0).rescale(0.7).interval(0.2, 0.7).negative_label(1);
        let text = guided.bundle().unwrap().plain_text().to_string();
        assert_eq!(text, "classifier-free guidance: w = 3, away from label 1, rescaled by 0.7, for t from 0.2 to 0.7");
    }
}
