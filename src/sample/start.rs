//! How a run of a sampler is checked against its model, and begins.

use super::convergence::misplaced;
use super::guidance::ClassifierFree;
use super::rule::Noise;
use super::sampler::{Sampler, Steps};
use super::samples::Samples;
use super::steps::SampleSteps;
use crate::denoiser::Denoiser;
use crate::random::{Stream, generator, normal};
use crate::schedule::Spacing;
use crate::show::sides;
use crate::{Error, Result, Schedule};
use std::rc::Rc;
use tch::{Kind, Tensor};

/// More would ask for more memory than there is.
const MOST_SAMPLES: usize = 1_000_000;

impl Sampler {
    /// The way back, to be taken one step at a time.
    ///
    /// # Errors
    /// 0 steps or more than the schedule has levels, 0 samples or more than 1,000,000, no labels or one that the model
    /// does not know, guidance without labels or not finite, a setting that this sampler does not have or that lies outside
    /// its range, a spacing or a sampler that makes no sense for the schedule, noise to start from of another shape.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let unet = UNet::builder().channels(1).image_size(8).base_channels(8).build()?;
    /// let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let mut steps = Sampler::ddpm().count(4).iter(&model)?;
    /// let first = steps.next().unwrap()?;
    /// assert_eq!((first.index, first.steps, first.t), (0, 100, 1.0));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn iter(&self, model: &(impl Denoiser + Clone + 'static)) -> Result<SampleSteps> {
        let times = self.times(model.schedule())?;
        let start = match &self.start {
            Some(start) => Some(self.batch_of("noise to start from", start, model)?),
            None => None,
        };
        let given = start.as_ref().map(|start| start.size()[0] as usize);
        let count = given.or(self.count).or(self.labels.as_ref().map(Vec::len)).unwrap_or(16);
        let x = match start {
            Some(start) => start,
            None => {
                let shape: Vec<i64> = [count as i64].into_iter().chain(model.sample_shape()).collect();
                self.check_count()?;
                if let Some(starts) = model.starts(count, self.seed)? {
                    return self.steps_of(model, times, starts.f_to_kind(Kind::Double)?, count);
                }
                let noise = normal(&mut generator(self.seed, Stream::Prior, 0), &shape, model.device())?;
                noise.f_to_kind(Kind::Double)?.f_mul_scalar(model.schedule().prior_std(times[0]))?
            }
        };
        self.steps_of(model, times, x, count)
    }

    /// Steps over these times from `x`: `count` samples.
    pub(super) fn steps_of(
        &self,
        model: &(impl Denoiser + Clone + 'static),
        times: Vec<f64>,
        x: Tensor,
        count: usize,
    ) -> Result<SampleSteps> {
        self.knobs.check(&*self.method)?;
        self.method.check(model.schedule())?;
        if self.method.is_random(&self.knobs) && model.starts(1, self.seed)?.is_some() {
            let rule = "this model leads from one data set to another, and fresh noise would lead off its way: take ddim \
                        without eta, euler, heun, dpm_solver_3, dpmpp_2m, unipc or probability_flow";
            return Err(Error::argument("sampler", format!("{self:?}"), rule));
        }
        self.check_guidance(model.classes())?;
        let labels = match self.checked_labels(model.classes(), count)? {
            Some(labels) => Some(Tensor::f_from_slice(&labels)?.f_to_device(model.device())?),
            None => None,
        };
        let is_image = model.sample_shape().len() == 3;
        Ok(SampleSteps {
            denoiser: Rc::new(ClassifierFree::of(Rc::new(model.clone()), self.guidance_scale)),
            rule: self.method.rule(&self.knobs),
            times,
            x,
            labels,
            clip: self.clip.unwrap_or(is_image && self.method.clips()),
            noise: seeded(self.seed),
            index: 0,
            evaluations: 0,
        })
    }

    /// The whole way back, with a live picture when it takes long.
    ///
    /// # Errors
    /// As [`iter`](Self::iter).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let samples = Sampler::ddim(5).count(4).sample(&model)?;
    /// assert_eq!(samples.images().size(), [4, 1, 8, 8]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn sample(&self, model: &(impl Denoiser + Clone + 'static)) -> Result<Samples> {
        Samples::collect(self.iter(model)?, self)
    }

    /// Samples of `model` given by the reader, as a float64 batch on its device.
    pub(super) fn batch_of(&self, name: &str, given: &Tensor, model: &dyn Denoiser) -> Result<Tensor> {
        let (size, shape) = (given.size(), model.sample_shape());
        let batch = if size == shape { given.f_unsqueeze(0)? } else { given.shallow_clone() };
        if batch.size().is_empty() || batch.size()[0] == 0 || batch.size()[1..] != shape {
            let rule = format!("this model's samples are N x {}", sides(&shape));
            return Err(Error::argument(name, format!("{size:?}"), rule));
        }
        if self.count.is_some_and(|count| count as i64 != batch.size()[0]) {
            let rule = format!("leave it out: {} samples are given", batch.size()[0]);
            return Err(Error::argument("count", self.count.unwrap_or_default(), rule));
        }
        let batch = batch.f_detach()?.f_to_device(model.device())?.f_to_kind(Kind::Double)?;
        if batch.f_isfinite()?.f_all()?.f_int64_value(&[])? == 0 {
            return Err(Error::argument(name, "NaN or infinite", "all numbers are finite"));
        }
        Ok(batch)
    }

    /// From noise to 0.
    pub(super) fn times(&self, schedule: &Schedule) -> Result<Vec<f64>> {
        match (self.steps, self.spacing) {
            (Steps::EveryLevel, None) => Spacing::Trailing.times(schedule, schedule.levels()),
            (Steps::EveryLevel, Some(spacing)) => {
                let rule =
                    "DDPM takes every level; Sampler::ddim(steps).eta(1.0) takes its noise at the levels of a spacing";
                Err(Error::argument("spacing", spacing, rule))
            }
            (Steps::Count(steps), spacing) => spacing.unwrap_or_else(|| self.method.spacing()).times(schedule, steps),
            (Steps::Misplaced(steps), _) => Err(misplaced(self, steps)),
            (Steps::Moments(moments), spacing) => {
                spacing.unwrap_or_else(|| self.method.spacing()).times(schedule, moments.min(schedule.levels()))
            }
        }
    }

    fn check_count(&self) -> Result<()> {
        match self.count {
            Some(0) => Err(Error::argument("count", 0, "draw at least 1 sample")),
            Some(count) if count > MOST_SAMPLES => {
                Err(Error::argument("count", count, "draw at most 1,000,000 samples at a time"))
            }
            _ => Ok(()),
        }
    }

    fn check_guidance(&self, classes: Option<i64>) -> Result<()> {
        if !self.guidance_scale.is_finite() {
            return Err(Error::argument("guidance_scale", self.guidance_scale, "must be a finite number"));
        }
        if self.guidance_scale != 1.0 && self.labels.is_none() {
            let rule = match classes {
                Some(classes) => format!("guidance needs labels: add .labels(0..{classes})"),
                None => "guidance needs labels, and this model was built without classes".into(),
            };
            return Err(Error::argument("guidance_scale", self.guidance_scale, rule));
        }
        Ok(())
    }

    /// One label a sample, if labels were asked for.
    fn checked_labels(&self, classes: Option<i64>, count: usize) -> Result<Option<Vec<i64>>> {
        let Some(labels) = &self.labels else { return Ok(None) };
        if labels.is_empty() {
            return Err(Error::argument("labels", "[]", "name at least one class"));
        }
        let Some(classes) = classes else {
            return Err(Error::argument("labels", format!("{labels:?}"), "this model was built without classes"));
        };
        if labels.len() > count {
            let rule = format!("only {count} samples are drawn: name fewer labels, or leave count out");
            return Err(Error::argument("number of labels", labels.len(), rule));
        }
        if let Some(unknown) = labels.iter().find(|label| !(0..classes).contains(label)) {
            return Err(Error::argument(
                "label",
                unknown,
                format!("this model knows the classes 0 to {}", classes - 1),
            ));
        }
        Ok(Some(labels.iter().copied().cycle().take(count).collect()))
    }
}

/// Draws that depend on the seed, the step and the draw within it alone.
fn seeded(seed: u64) -> Noise {
    Rc::new(move |step, draw, like| {
        let mut rng = generator(seed, Stream::Sampling, step as u64 | draw << 32);
        Ok(normal(&mut rng, &like.size(), like.device())?.f_to_kind(Kind::Double)?)
    })
}

#[cfg(test)]
#[path = "start_tests.rs"]
mod tests;
