//! What a sampler drew.

use super::figure::{Trajectory, samples_grid, step_figure};
use super::steps::SampleSteps;
use crate::show::{Bundle, Live, Show};
use crate::{Error, Result};
use std::time::{Duration, Instant};
use tch::{Device, Tensor};

/// Sampling that ends sooner draws no live picture: the samples themselves are there at once.
const LIVE_AFTER: Duration = Duration::from_secs(2);

/// Samples, with what led to them. As the value of a cell they draw a grid.
#[derive(Debug)]
pub struct Samples {
    images: Tensor,
    labels: Option<Tensor>,
    seed: u64,
    frames: Vec<Frame>,
}

/// A moment of the way back.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) t: f64,
    pub(super) x: Tensor,
    pub(super) x0: Tensor,
}

impl Samples {
    /// Takes all steps, keeping `frames` of them spread evenly, the last among them.
    pub(super) fn collect(steps: SampleSteps, frames: usize, seed: u64) -> Result<Self> {
        let total = steps.steps();
        let kept = |index: usize| (index + 1) * frames / total > index * frames / total;
        let (began, mut live) = (Instant::now(), Live::new());
        let (mut images, mut labels, mut kept_frames, mut drawn) = (None, None, Vec::new(), false);
        for step in steps {
            let step = step?;
            if kept(step.index) {
                kept_frames.push(Frame { t: step.t, x: step.x.shallow_clone(), x0: step.x0.shallow_clone() });
            }
            if began.elapsed() > LIVE_AFTER && live.due() {
                live.update(&step_figure(&step)?)?;
                drawn = true;
            }
            if step.index + 1 == total {
                if drawn {
                    live.finish(&step_figure(&step)?)?;
                }
                images = Some(step.x);
                labels = step.labels;
            }
        }
        let images = images.ok_or_else(|| Error::argument("steps", 0, "no step was left to take"))?;
        let labels = match labels {
            Some(labels) => Some(labels.f_to_device(Device::Cpu)?),
            None => None,
        };
        Ok(Self { images: images.f_to_device(Device::Cpu)?, labels, seed, frames: kept_frames })
    }

    /// The samples: N x C x H x W, float32, on the CPU.
    pub fn images(&self) -> Tensor {
        self.images.shallow_clone()
    }

    /// The labels that were asked for (N, int64); all -1 where none were.
    pub fn labels(&self) -> Tensor {
        match &self.labels {
            Some(labels) => labels.shallow_clone(),
            None => Tensor::full([self.len() as i64], -1, (tch::Kind::Int64, Device::Cpu)),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.images.size()[0] as usize
    }

    /// Whether there are none; a sampler draws at least one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The seed that drew them.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The way that the first samples came: x_t above predicted x_0.
    ///
    /// # Errors
    /// If no frames were kept.
    pub fn trajectory(&self) -> Result<Trajectory> {
        if self.frames.is_empty() {
            return Err(Error::argument("frames", 0, "no frames were kept: sample with .frames(16)"));
        }
        Trajectory::new(&self.frames, self.labels.as_ref())
    }
}

impl Show for Samples {
    fn bundle(&self) -> Result<Bundle> {
        samples_grid(&self.images, self.labels.as_ref())?
            .title(format!("{} samples, seed {}", self.len(), self.seed))
            .bundle()
    }
}
