//! How a sampler is described.

use super::rule::{Knobs, Method};
use crate::Result;
use crate::schedule::Spacing;
use crate::show::{Bundle, Show, Table};
use std::rc::Rc;
use tch::Tensor;

/// The way from noise to images: which rule, how many steps, how many samples, of which labels.
///
/// Setters never fail: [`iter`](Self::iter) and [`sample`](Self::sample) check the whole against the model.
///
/// ```
/// use noisebook::prelude::*;
/// let unet = UNet::builder().channels(1).image_size(8).base_channels(8).classes(10).build()?;
/// let model = Diffusion::new(&unet, &Schedule::cosine(1_000)?, Prediction::V)?;
/// let samples = Sampler::ddim(5).guidance_scale(2.0).labels(0..10).seed(0).sample(&model)?;
/// assert_eq!(samples.images().size(), [10, 1, 8, 8]);
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone)]
pub struct Sampler {
    pub(super) method: Rc<dyn Method>,
    pub(super) steps: Steps,
    pub(super) knobs: Knobs,
    pub(super) spacing: Option<Spacing>,
    pub(super) count: Option<usize>,
    pub(super) labels: Option<Vec<i64>>,
    pub(super) guidance_scale: f64,
    pub(super) clip: Option<bool>,
    pub(super) start: Option<Rc<Tensor>>,
    pub(super) seed: u64,
    pub(super) frames: usize,
    pub(super) live: bool,
}

/// How many steps a sampler takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Steps {
    /// One for each level of the schedule.
    EveryLevel,
    /// As many as the reader asks for.
    Count(usize),
    /// Moments of a way whose own steps nobody chose.
    Moments(usize),
    /// As many as the reader asks of a sampler that has no such number: refused in the end.
    Misplaced(usize),
}

impl Sampler {
    pub(super) fn new(method: impl Method + 'static, steps: Steps) -> Self {
        Self {
            method: Rc::new(method),
            steps,
            knobs: Knobs::default(),
            spacing: None,
            count: None,
            labels: None,
            guidance_scale: 1.0,
            clip: None,
            start: None,
            seed: 0,
            frames: 16,
            live: true,
        }
    }

    /// One sampler of each kind, with as many steps as bring 10,000 samples of a mixture of two Gaussians so near the truth
    /// that a test of that many samples finds no difference. (A network that has learned images wants no more.)
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let schedule = Schedule::linear(1_000)?;
    /// let two = GaussianMixture::new([0.3, 0.7], &Tensor::from_slice(&[-0.6, 0.5]).view([2, 1]), [0.2, 0.3], &schedule)?;
    /// for sampler in Sampler::all() {
    ///     let steps = sampler.count(10).iter(&two)?.steps();
    ///     assert!(steps <= 1_000);
    /// }
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn all() -> Vec<Self> {
        vec![
            Self::ddpm(),
            Self::ddpm_beta(),
            Self::ddim(100),
            Self::euler(100),
            Self::ancestral(250),
            Self::heun(50),
            Self::dpm_solver_3(15),
            Self::dpmpp_2m(50),
            Self::dpmpp_2m_sde(60),
            Self::unipc(30),
            Self::probability_flow(),
            Self::reverse_sde(1_000),
            Self::predictor_corrector(1_000),
            Self::annealed_langevin(100),
        ]
    }

    /// Where the steps lie; each sampler's own text says where by default. [`ddpm`](Self::ddpm) takes every level.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::edm(100)?, Prediction::Epsilon)?;
    /// let sampler = Sampler::ddim(3).spacing(Spacing::LogSnr).count(1);
    /// let sigmas: Vec<f64> = sampler.iter(&model)?.flatten().map(|step| step.sigma).collect();
    /// assert!((sigmas[1] - 0.4).abs() < 1e-6); // between 80 and 0.002, by ratios
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn spacing(&self, spacing: Spacing) -> Self {
        Self { spacing: Some(spacing), ..self.clone() }
    }

    /// How many samples to draw, at least as many as labels (default: as many as labels, else 16). Labels repeat in turn to fill
    /// it.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let sampler = Sampler::ddim(50).labels([3, 8]).count(20); // ten threes and ten eights, in turn
    /// ```
    #[must_use]
    pub fn count(&self, count: usize) -> Self {
        Self { count: Some(count), ..self.clone() }
    }

    /// The classes to draw, in turn: `0..10`, or `[7; 20]`.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let sampler = Sampler::ddim(50).labels([7; 20]); // twenty sevens
    /// ```
    #[must_use]
    pub fn labels(&self, labels: impl IntoIterator<Item = impl Into<i64>>) -> Self {
        Self { labels: Some(labels.into_iter().map(Into::into).collect()), ..self.clone() }
    }

    /// Classifier-free guidance: x_0 = x_0(no label) + w (x_0(label) - x_0(no label)). 1 (default) is plain conditional,
    /// more is clearer and less varied, 0 ignores the label (Ho & Salimans 2022, whose own w is this one less 1).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let sampler = Sampler::ddim(50).labels(0..10).guidance_scale(2.0); // twice as far from "any digit"
    /// ```
    #[must_use]
    pub fn guidance_scale(&self, scale: f64) -> Self {
        Self { guidance_scale: scale, ..self.clone() }
    }

    /// Whether predicted x_0 is held within [-1, 1], where pixels live (default: true for images, as in Ho et al. 2020's
    /// code, false for points and for [`probability_flow`](Self::probability_flow)).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let raw = Sampler::ddim(2).clip(false).sample(&model)?.images().abs().max().double_value(&[]);
    /// let held = Sampler::ddim(2).sample(&model)?.images().abs().max().double_value(&[]);
    /// assert!(held <= 1.0 && raw > held);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn clip(&self, clip: bool) -> Self {
        Self { clip: Some(clip), ..self.clone() }
    }

    /// The seed of all noise (default 0). The first samples do not depend on how many are drawn, but for
    /// [`predictor_corrector`](Self::predictor_corrector), whose step is measured over all of them, and by as little as its
    /// tolerance for [`probability_flow`](Self::probability_flow), whose steps suit the worst of them.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let draw = |count| Sampler::ddim(2).seed(7).count(count).sample(&model);
    /// assert!(draw(1)?.images().allclose(&draw(4)?.images().narrow(0, 0, 1), 1e-4, 1e-4, false));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn seed(&self, seed: u64) -> Self {
        Self { seed, ..self.clone() }
    }

    /// How many frames of the trajectory [`sample`](Self::sample) keeps besides the last, the samples (default 16).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let samples = Sampler::ddim(4).frames(2).count(1).sample(&model)?;
    /// assert_eq!(samples.trajectory()?.times(), [1.0, 0.5, 0.0]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn frames(&self, frames: usize) -> Self {
        Self { frames, ..self.clone() }
    }

    /// Whether [`sample`](Self::sample) draws a picture that moves while it takes longer than two seconds (default true).
    /// In a loop of many samplings each would leave its own.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let sampler = Sampler::ddim(4).count(1).live(false);
    /// let many = (0..3).map(|seed| sampler.seed(seed).sample(&model)).collect::<Result<Vec<_>, _>>()?;
    /// # assert_eq!(many.len(), 3);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn live(&self, live: bool) -> Self {
        Self { live, ..self.clone() }
    }

    /// The noise to start from, N x the shape of a sample (or that of one sample), instead of a fresh draw: as
    /// [`encode`](Self::encode) gives it, or [`Samples::noise`](super::Samples::noise). It says how many samples there are.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let first = Sampler::ddim(4).count(3).seed(7).sample(&model)?;
    /// let again = Sampler::ddim(4).start_from(&first.noise()).sample(&model)?;
    /// assert_eq!(again.images(), first.images());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn start_from(&self, noise: &Tensor) -> Self {
        Self { start: Some(Rc::new(noise.shallow_clone())), ..self.clone() }
    }
}

impl std::fmt::Display for Sampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

impl Show for Vec<Sampler> {
    fn bundle(&self) -> Result<Bundle> {
        let table = Table::new(["made by", "sampler", "how"]).title(format!("{} samplers", self.len()));
        let made = |sampler: &Sampler| match sampler.steps {
            Steps::Count(steps) => format!("Sampler::{}({steps})", sampler.method.constructor()),
            Steps::EveryLevel | Steps::Moments(_) | Steps::Misplaced(_) => {
                format!("Sampler::{}()", sampler.method.constructor())
            }
        };
        let row = |table: Table, one: &Sampler| table.row([&made(one), &one.to_string(), one.method.about()]);
        self.iter().fold(table, row).bundle()
    }
}

impl std::fmt::Debug for Sampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.steps {
            Steps::EveryLevel => write!(f, "{}, a step for each level", self.method.name())?,
            Steps::Moments(_) => write!(f, "{}, adaptive steps", self.method.name())?,
            Steps::Count(1) => write!(f, "{}, 1 step", self.method.name())?,
            Steps::Count(steps) | Steps::Misplaced(steps) => write!(f, "{}, {steps} steps", self.method.name())?,
        }
        let knobs = &self.knobs;
        let set = [("eta", knobs.eta), ("snr", knobs.snr), ("tolerance", knobs.tolerance)];
        let set = set.into_iter().chain([("corrections", knobs.corrections.map(|count| count as f64))]);
        for (name, value) in set {
            if let Some(value) = value {
                write!(f, ", {name} {value}")?;
            }
        }
        match self.spacing {
            Some(spacing) => write!(f, ", {spacing}"),
            None => Ok(()),
        }
    }
}

impl Show for Sampler {
    fn bundle(&self) -> Result<Bundle> {
        Ok(Bundle::text(format!("{self:?}\n{}", self.method.about())))
    }
}
