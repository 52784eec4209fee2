//! One reverse step at a time.

use super::rule::{Noise, Rule, Step, predict};
use crate::Result;
use crate::denoiser::Denoiser;
use crate::schedule::on_level;
use crate::show::{Bundle, Show, interrupted};
use std::cell::Cell;
use std::rc::Rc;
use tch::{Tensor, no_grad_guard};

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
    /// The time as a level, t N - 1: a whole number in 0..N where the step starts from one of the schedule's levels.
    pub level: f64,
    /// sigma(t): the noise's standard deviation in `x`.
    pub sigma: f64,
    /// The samples that the step starts from, x_t: float64, N x C x H x W (points: N x D).
    pub x: Tensor,
    /// What the model takes `x` for: predicted x_0, of the shape of `x`.
    pub x0: Tensor,
    /// The samples that the step leads to, at the next time. Those of the last step are the result.
    pub next: Tensor,
    /// The labels that were asked for (N, int64), if any.
    pub labels: Option<Tensor>,
    /// Evaluations of the denoiser so far. (Guidance, which asks for two answers at a time, counts as one.)
    pub evaluations: usize,
    /// Whether an interrupt ended it before its end: `next` is predicted x_0 then, and the step is to be made again.
    pub(super) cut: bool,
}

impl Clone for SampleStep {
    /// Both share the tensors.
    fn clone(&self) -> Self {
        Self {
            x: self.x.shallow_clone(),
            x0: self.x0.shallow_clone(),
            next: self.next.shallow_clone(),
            labels: self.labels.as_ref().map(Tensor::shallow_clone),
            ..*self
        }
    }
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
    pub(super) rule: Box<dyn Rule>,
    /// Where the steps begin and end: one more than there are steps. They fall to 0; when encoding, they rise.
    pub(super) times: Vec<f64>,
    pub(super) x: Tensor,
    pub(super) labels: Option<Tensor>,
    pub(super) clip: bool,
    pub(super) noise: Noise,
    pub(super) index: usize,
    pub(super) evaluations: usize,
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
        let (labels, clip) = (self.labels.as_ref(), self.clip);
        let x0 = predict(&*self.denoiser, &self.x, t, labels, clip)?;
        let step = Step {
            x: &self.x,
            x0: &x0,
            t,
            s,
            index: self.index,
            denoiser: &*self.denoiser,
            labels,
            clip,
            noise: &self.noise,
            evaluations: Cell::new(1),
            draws: Cell::new(0),
            cut: Cell::new(false),
        };
        let mut next = self.rule.step(&step)?;
        self.evaluations += step.evaluations.get();
        let cut = step.cut.get();
        if cut {
            next = x0.shallow_clone();
        }
        let schedule = self.denoiser.schedule();
        let step = SampleStep {
            index: self.index,
            steps: self.steps(),
            t,
            level: on_level(t * schedule.levels() as f64) - 1.0,
            sigma: schedule.sigma(t),
            x: if cut { self.x.shallow_clone() } else { std::mem::replace(&mut self.x, next.shallow_clone()) },
            x0,
            next,
            labels: self.labels.as_ref().map(Tensor::shallow_clone),
            evaluations: self.evaluations,
            cut,
        };
        self.index += usize::from(!cut);
        Ok(step)
    }
}

impl Iterator for SampleSteps {
    type Item = Result<SampleStep>;

    /// None at the end, and while somebody asks the running cell to stop: the next cell goes on from here.
    fn next(&mut self) -> Option<Self::Item> {
        if interrupted() { None } else { self.advance().filter(|step| step.as_ref().map_or(true, |step| !step.cut)) }
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

impl Show for SampleSteps {
    fn bundle(&self) -> Result<Bundle> {
        Ok(Bundle::text(format!("{self:?}")))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::Schedule;
    use tch::Device;

    /// A schedule without a denoiser.
    struct Silent<'a>(&'a Schedule);

    impl Denoiser for Silent<'_> {
        fn denoise(&self, _: &Tensor, _: f64, _: Option<&Tensor>) -> Result<Tensor> {
            unreachable!("rules of one evaluation ask no more")
        }
        fn schedule(&self) -> &Schedule {
            self.0
        }
        fn sample_shape(&self) -> Vec<i64> {
            Vec::new()
        }
        fn classes(&self) -> Option<i64> {
            None
        }
        fn device(&self) -> Device {
            Device::Cpu
        }
    }

    /// A rule that an interrupt cuts short the first time.
    struct Cut(bool);

    impl Rule for Cut {
        fn step(&mut self, step: &Step) -> Result<Tensor> {
            step.cut.set(self.0);
            self.0 = false;
            Ok(step.x + 1.0)
        }
    }

    /// It is made again, and what it said counts for nothing.
    #[test]
    fn a_step_that_was_cut_short_is_made_again() {
        let model = crate::Gaussian::isotropic(0.0, 1.0, [2], &Schedule::linear(10).unwrap()).unwrap();
        let mut steps = crate::Sampler::ddim(2).count(1).iter(&model).unwrap();
        steps.rule = Box::new(Cut(true));
        let start = steps.x.shallow_clone();
        let cut = steps.advance().unwrap().unwrap();
        assert_eq!((cut.next.shallow_clone(), cut.cut, steps.index), (cut.x0, true, 0));
        let whole: Vec<SampleStep> = steps.map(Result::unwrap).collect();
        assert_eq!((whole.len(), whole[0].index, &whole[0].x), (2, 0, &start));
        assert_eq!(whole[0].next, start + 1.0);
    }

    /// A level that rounding misses, 6.000000000000001, is that level.
    #[test]
    fn levels_are_whole() {
        let model = crate::Gaussian::isotropic(0.0, 1.0, [2], &Schedule::linear(100).unwrap()).unwrap();
        let steps = crate::Sampler::ddpm().count(1).iter(&model).unwrap();
        let levels: Vec<f64> = steps.map(|step| step.unwrap().level).collect();
        assert_eq!(levels, (0..100).rev().map(f64::from).collect::<Vec<f64>>());
    }

    /// The variance of each state on the way from N(0, 1), over that of noised data, N(0, alpha^2/4 + sigma^2): with data N(0, 1/4)
    /// and its exact denoiser a step is linear in x and z, so that variances follow without a draw. Steps are uniform in t, and
    /// the last one is left out.
    pub(crate) fn widths(rule: &mut dyn Rule, schedule: &Schedule, steps: usize) -> Vec<f64> {
        let one = |value: f64| Tensor::from_slice(&[value]);
        let truth = |t: f64| 0.25 * schedule.alpha(t).powi(2) + schedule.sigma(t).powi(2);
        let times: Vec<f64> = (1..=steps).rev().map(|k| k as f64 / steps as f64).collect();
        let mut variance = 1.0;
        let mut width = |pair: &[f64]| {
            let gain = 0.25 * schedule.alpha(pair[0]) / truth(pair[0]);
            let mut factor = |x: f64, z: f64| {
                one_step(rule, schedule, &one(x), &one(gain * x), &one(z), (pair[0], pair[1])).double_value(&[0])
            };
            variance = factor(1.0, 0.0).powi(2) * variance + factor(0.0, 1.0).powi(2);
            variance / truth(pair[1])
        };
        times.windows(2).map(&mut width).collect()
    }

    /// One step of a rule that asks the denoiser no more than once, with noise z.
    pub(crate) fn one_step(
        rule: &mut dyn Rule,
        schedule: &Schedule,
        x: &Tensor,
        x0: &Tensor,
        z: &Tensor,
        (t, s): (f64, f64),
    ) -> Tensor {
        let z = z.shallow_clone();
        let noise: Noise = Rc::new(move |_, _, _| Ok(z.shallow_clone()));
        let (denoiser, evaluations, draws) = (&Silent(schedule), Cell::new(1), Cell::new(0));
        let cut = Cell::new(false);
        let step =
            Step { x, x0, t, s, index: 0, denoiser, labels: None, clip: false, noise: &noise, evaluations, draws, cut };
        rule.step(&step).unwrap()
    }
}
