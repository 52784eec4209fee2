//! One training step at a time.

use super::adamw::AdamW;
use super::checkpoint::Checkpoints;
use super::gradient::Workplace;
use super::logs::Log;
use super::loss_scale::LossScale;
use super::record::{Record, Timing};
use super::state::State;
use super::step::TrainStep;
use super::stopped::Stopped;
use super::threads::OneThread;
use super::trainer::Trainer;
use super::validation::hide_labels;
use super::watchdog::Watchdog;
use crate::Result;
use crate::accel::KeptMemory;
use crate::accel::Precision;
use crate::data::{Dataset, Loader};
use crate::diffusion::{Diffusion, Noised};
use crate::random::{Stream, generator, unit};
use crate::show::interrupted;
use std::time::Instant;
use tch::{Tensor, no_grad_guard};

/// Training as an iterator of steps; [`Trainer::iter`] starts one. It ends after [`Trainer::steps`], where they were set, and
/// after an error.
///
/// ```
/// # use noisebook::prelude::*;
/// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
/// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
/// let mut training = Trainer::new(&model).batch_size(8).iter(&Dataset::digits()?)?;
/// for step in training.by_ref().take(2) {
///     println!("{:.3}", step?.loss);
/// }
/// assert_eq!(training.next().unwrap()?.index, 2); // and so on
/// # Ok::<(), noisebook::Error>(())
/// ```
pub struct TrainSteps {
    pub(super) trainer: Trainer,
    pub(super) dataset: Dataset,
    pub(super) optimizer: AdamW,
    workplace: Workplace,
    /// The batch of the next step, noised while a GPU was busy with the one before.
    ahead: Option<Prepared>,
    pub(super) average: Diffusion,
    pub(super) scale: LossScale,
    pub(super) watchdog: Watchdog,
    pub(super) checkpoints: Option<Checkpoints>,
    pub(super) log: Option<Log>,
    loader: Loader,
    pub(super) record: Record,
    /// Whether samples are drawn on the way.
    pub(super) samples: bool,
    pub(super) stopped: Option<Stopped>,
    failed: bool,
    /// Goes last.
    _memory: KeptMemory,
}

impl TrainSteps {
    pub(super) fn new(trainer: Trainer, dataset: Dataset) -> Result<Self> {
        let network = trainer.model.network();
        let loader = Loader::new(&dataset, trainer.batch_size, trainer.seed)?;
        let record = Record {
            steps: trainer.planned(),
            earlier: network.parameters().trained_steps(),
            steps_an_epoch: loader.steps_an_epoch(),
            ..Record::default()
        };
        let mut steps = Self {
            optimizer: AdamW::new(&network.parameters().flat(), trainer.weight_decay)?,
            workplace: Workplace::new(&network.parameters().flat())?,
            ahead: None,
            average: trainer.model.copy()?,
            scale: LossScale::new(trainer.precision),
            watchdog: Watchdog::new(&[], trainer.batch_size),
            checkpoints: None,
            log: None,
            loader,
            record,
            samples: false,
            stopped: None,
            failed: false,
            _memory: KeptMemory::new(),
            trainer,
            dataset,
        };
        if let Some((folder, resume)) = steps.trainer.checkpoints.clone() {
            steps.checkpoints = Some(Checkpoints::open(&folder, resume, &mut steps.state())?);
            steps.watchdog = Watchdog::new(&steps.record.losses, steps.trainer.batch_size);
        }
        if let Some(folder) = &steps.trainer.log_to {
            steps.log = Some(Log::open(folder, steps.record.done())?);
        }
        Ok(steps)
    }

    /// The model whose weights are the average of those that training went through; it follows as training goes on.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let mut training = Trainer::new(&model).batch_size(8).iter(&Dataset::digits()?)?;
    /// training.next().unwrap()?;
    /// let samples = Sampler::ddim(5).count(4).sample(&training.ema())?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn ema(&self) -> Diffusion {
        self.average.clone()
    }

    pub(super) fn state(&mut self) -> State<'_> {
        State {
            trainer: &self.trainer,
            dataset: &self.dataset,
            optimizer: &mut self.optimizer,
            average: &self.average,
            scale: &mut self.scale,
            record: &mut self.record,
        }
    }

    /// The batch of a step: images from the loader, which has made them in the meantime, labels that are dropped one by one,
    /// and its noise.
    fn prepare(&mut self, index: usize) -> Result<Prepared> {
        let batch = self.loader.batch(index)?;
        let mut rng = generator(self.trainer.seed, Stream::LabelDropout, index as u64);
        let labels = hide_labels(&batch.labels, || unit(&mut rng) < self.trainer.label_dropout)?;
        let noised = self.trainer.model.noised(&batch.images, &labels, self.trainer.seed, index as u64)?;
        Ok(Prepared { index, labels, noised })
    }

    fn step(&mut self) -> Result<TrainStep> {
        let (began, index) = (Instant::now(), self.record.done());
        let ahead = self.ahead.take().filter(|ahead| ahead.index == index);
        let Prepared { labels, noised, .. } = ahead.map_or_else(|| self.prepare(index), Ok)?;
        let mut timing = Timing { data: began.elapsed(), ..Timing::default() };
        let made = self.workplace.gradient(&self.trainer, self.scale.scale, &noised, &mut timing)?;
        let clock = Instant::now();
        if self.trainer.steps.is_none_or(|steps| index + 1 < steps) {
            // What is wrong with it is said when its turn comes.
            self.ahead = self.prepare(index + 1).ok();
        }
        timing.data += clock.elapsed();
        let clock = Instant::now();
        let (loss, norm) = made.numbers()?;
        timing.backward += clock.elapsed();
        let half = self.trainer.precision == Precision::Float16;
        let (finite, may_skip) = (norm.is_finite(), half && loss.is_finite() && self.scale.may_shrink());
        for (what, value, finite) in [("loss", loss, loss.is_finite()), ("gradient norm", norm, finite || may_skip)] {
            if !finite {
                return Err(self.stop(what, value, &noised, &made)?);
            }
        }
        let clock = Instant::now();
        self.keep_good(loss)?;
        let takes = !half || self.scale.takes(finite);
        let lr = self.trainer.lr_schedule.at(self.trainer.lr, index, self.record.steps);
        if takes {
            let _guard = no_grad_guard();
            let clip = (self.trainer.clip_norm / norm).min(1.0);
            let mut gradient = made.flat;
            if clip < 1.0 {
                let _ = gradient.f_mul_scalar_(clip)?;
            }
            let (network, average) = (self.trainer.model.network(), self.average.network());
            let momentum = self.trainer.lr_schedule.momentum(index, self.record.steps);
            network.parameters().update(|flat| self.optimizer.step(flat, &gradient, lr, momentum))?;
            follow(&average.parameters().flat(), &network.parameters().flat(), self.trainer.ema.decay(index))?;
        }
        self.trainer.model.network().parameters().count_step();
        timing.optimizer = clock.elapsed();
        Ok(TrainStep {
            index,
            loss,
            gradient_norm: norm,
            lr,
            skipped: !takes,
            images: noised.images,
            labels,
            noised: noised.xt,
            levels: noised.levels,
            predicted: made.predicted,
            losses: made.each,
            took: began.elapsed(),
            timing,
            classes: self.dataset.classes().into(),
        })
    }
}

/// A batch, ready for its step.
struct Prepared {
    index: usize,
    labels: Tensor,
    noised: Noised,
}

/// e = d e + (1 - d) w.
fn follow(average: &Tensor, weights: &Tensor, decay: f64) -> Result<()> {
    let mut average = average.shallow_clone();
    if decay == 0.0 {
        average.f_copy_(weights)?;
    } else {
        let _ = average.f_lerp_(weights, 1.0 - decay)?;
    }
    Ok(())
}

impl Iterator for TrainSteps {
    type Item = Result<TrainStep>;

    /// None after the last step, if there is one, after an error, and while somebody asks the running cell to stop: the next cell goes on from here.
    fn next(&mut self) -> Option<Self::Item> {
        // As in `fit`, so that both make the same bytes.
        let _one_thread = OneThread::if_small(&*self.trainer.model.network(), self.trainer.batch_size);
        if self.failed || self.trainer.steps.is_some_and(|steps| self.record.done() >= steps) {
            return None;
        }
        if interrupted() {
            self.save_last();
            return None;
        }
        let began = Instant::now();
        let step = self.step().and_then(|step| self.afterwards(&step).map(|()| step));
        self.record.took += began.elapsed();
        self.failed = step.is_err();
        Some(step)
    }
}

impl std::fmt::Debug for TrainSteps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} training steps made on {}", self.record.done(), self.dataset.name())
    }
}

#[cfg(test)]
#[path = "steps_tests.rs"]
mod tests;
