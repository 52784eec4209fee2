//! One reverse step at a time.

use crate::denoiser::Denoiser;
use crate::random::{Stream, generator, normal};
use crate::show::interrupted;
use crate::{Result, Schedule};
use std::rc::Rc;
use tch::{Tensor, no_grad_guard};

/// The rule of a sampler: from x_t and predicted x_0 to x_s.
pub(super) trait Update {
    /// x_s; `z` is standard normal noise of x_t's shape (zeros where the rule takes none), `(t, s)` the times, t > s.
    fn update(&self, schedule: &Schedule, xt: &Tensor, x0: &Tensor, z: &Tensor, times: (f64, f64)) -> Result<Tensor>;

    /// Whether it takes noise.
    fn is_random(&self) -> bool;
}

/// One step of the way back, made. As the value of a cell it draws x_t beside predicted x_0.
///
/// ```
/// use noisebook::prelude::*;
/// let unet = UNet::builder().channels(1).image_size(8).base_channels(8).build()?;
/// let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
/// for step in Sampler::ddim(4).count(2).iter(&model)? {
///     let step = step?;
///     println!("{} {:.3}", step.index, step.sigma);
/// }
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct SampleStep {
    /// The step's number, from 0.
    pub index: usize,
    /// How many steps there are in all.
    pub steps: usize,
    /// The time that the step starts from, in (0, 1]: 1 is noise.
    pub t: f64,
    /// sigma(t): the noise's standard deviation in `x`.
    pub sigma: f64,
    /// The samples that the step starts from, x_t: N x C x H x W.
    pub x: Tensor,
    /// What the model takes `x` for: predicted x_0, N x C x H x W.
    pub x0: Tensor,
    /// The samples that the step leads to, at the next time: N x C x H x W. Those of the last step are the result.
    pub next: Tensor,
    /// The labels that were asked for (N, int64), if any.
    pub labels: Option<Tensor>,
    /// Evaluations of the denoiser so far.
    pub evaluations: usize,
}

/// The way back as an iterator of steps; [`Sampler::iter`](super::Sampler::iter) starts one.
///
/// Run a cell with `steps.next()` again and again to watch an image appear. After an error it is at its end.
///
/// ```
/// use noisebook::prelude::*;
/// let unet = UNet::builder().channels(1).image_size(8).base_channels(8).build()?;
/// let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
/// let mut steps = Sampler::ddim(4).count(2).iter(&model)?;
/// steps.next().show()?;
/// assert_eq!(steps.steps(), 4);
/// # Ok::<(), noisebook::Error>(())
/// ```
pub struct SampleSteps {
    pub(super) denoiser: Rc<dyn Denoiser>,
    pub(super) rule: Rc<dyn Update>,
    /// From the first time to 0: one more than there are steps.
    pub(super) times: Vec<f64>,
    pub(super) x: Tensor,
    pub(super) labels: Option<Tensor>,
    pub(super) clip: bool,
    pub(super) seed: u64,
    pub(super) index: usize,
}

impl SampleSteps {
    /// How many steps there are in all.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// assert_eq!(Sampler::ddpm().count(1).iter(&model)?.steps(), 100); // as many as the schedule has levels
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn steps(&self) -> usize {
        self.times.len() - 1
    }

    /// The next step, whether or not somebody asks for an end.
    pub(super) fn advance(&mut self) -> Option<Result<SampleStep>> {
        if self.index >= self.steps() {
            return None;
        }
        let step = self.step();
        if step.is_err() {
            self.index = self.steps();
        }
        Some(step)
    }

    fn step(&mut self) -> Result<SampleStep> {
        let _guard = no_grad_guard();
        let (t, s) = (self.times[self.index], self.times[self.index + 1]);
        let schedule = self.denoiser.schedule();
        let mut x0 = self.denoiser.denoise(&self.x, t, self.labels.as_ref())?;
        if self.clip {
            x0 = x0.f_clamp(-1.0, 1.0)?;
        }
        let z = if self.rule.is_random() && s > 0.0 {
            let mut rng = generator(self.seed, Stream::Sampling, self.index as u64);
            normal(&mut rng, &self.x.size(), self.x.device())?
        } else {
            self.x.f_zeros_like()?
        };
        let next = self.rule.update(schedule, &self.x, &x0, &z, (t, s))?;
        let step = SampleStep {
            index: self.index,
            steps: self.steps(),
            t,
            sigma: schedule.sigma(t),
            x: std::mem::replace(&mut self.x, next.shallow_clone()),
            x0,
            next,
            labels: self.labels.as_ref().map(Tensor::shallow_clone),
            evaluations: self.index + 1,
        };
        self.index += 1;
        Ok(step)
    }
}

impl Iterator for SampleSteps {
    type Item = Result<SampleStep>;

    /// None at the end, and while somebody asks the running cell to stop: the next cell goes on from here.
    fn next(&mut self) -> Option<Self::Item> {
        if interrupted() { None } else { self.advance() }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.steps() - self.index;
        (left, Some(left))
    }
}

impl std::fmt::Debug for SampleSteps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} reverse steps made", self.index, self.steps())
    }
}
