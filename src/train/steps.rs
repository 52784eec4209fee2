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
mod tests {
    use super::*;
    use crate::{Prediction, Schedule, UNet};

    fn trainer() -> (Trainer, Dataset) {
        let builder = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).blocks(1);
        let unet = builder.classes(10).build().unwrap();
        let model = Diffusion::new(&unet, &Schedule::cosine(100).unwrap(), Prediction::V).unwrap();
        (Trainer::new(&model).batch_size(16), Dataset::digits().unwrap())
    }

    fn weights(model: &Diffusion) -> Tensor {
        model.network().parameters().flat().copy()
    }

    #[test]
    fn the_same_seed_gives_the_same_weights() {
        let after = |seed| {
            let (trainer, digits) = trainer();
            let steps: Vec<f64> =
                trainer.clone().seed(seed).iter(&digits).unwrap().take(3).map(|step| step.unwrap().loss).collect();
            (steps, weights(&trainer.model))
        };
        assert_eq!(after(0), after(0));
        assert_ne!(after(0), after(1));
    }

    #[test]
    fn it_ends_after_the_steps_that_were_set() {
        let (trainer, digits) = trainer();
        assert_eq!(trainer.clone().iter(&digits).unwrap().take(3).count(), 3);
        let mut steps = trainer.steps(2).iter(&digits).unwrap();
        assert_eq!(steps.by_ref().map(|step| step.unwrap().index).collect::<Vec<_>>(), [0, 1]);
        assert!(steps.next().is_none());
    }

    #[test]
    fn an_epoch_shows_every_image_once_and_the_next_in_another_order() {
        let (trainer, digits) = trainer();
        let (half, _) = digits.split(0.05, 0).unwrap();
        let mut steps = trainer.batch_size(9).iter(&half).unwrap();
        assert_eq!(steps.record.steps_an_epoch, 10);
        let epoch = |steps: &mut TrainSteps| -> Vec<Tensor> {
            steps
                .take(10)
                .map(|step| step.unwrap().images.sum_dim_intlist([1i64, 2, 3].as_slice(), false, tch::Kind::Double))
                .collect()
        };
        let (first, second) = (Tensor::cat(&epoch(&mut steps), 0), Tensor::cat(&epoch(&mut steps), 0));
        assert_ne!(first, second);
        assert_eq!(first.sort(0, false).0, second.sort(0, false).0);
    }

    /// The article's code drops the labels of whole batches, and in validation too (see validation.rs).
    #[test]
    fn article_defect_3_labels_are_dropped_per_sample() {
        let (trainer, digits) = trainer();
        let mut steps = trainer.clone().batch_size(1_000).label_dropout(0.25).iter(&digits).unwrap();
        let labels = Vec::<i64>::try_from(steps.next().unwrap().unwrap().labels).unwrap();
        let dropped = labels.iter().filter(|&&label| label == -1).count();
        assert!((196..=304).contains(&dropped), "{dropped} of 1000"); // 250 +- 4 standard deviations
        let mut steps = trainer.label_dropout(0.0).iter(&digits).unwrap();
        assert!(steps.next().unwrap().unwrap().labels.min().int64_value(&[]) >= 0);
    }

    /// e_1 = 0.1 e_0 + 0.9 w_1, e_2 = 2/11 e_1 + 9/11 w_2.
    #[test]
    fn the_average_follows_its_recurrence() {
        let (trainer, digits) = trainer();
        let mut expected = weights(&trainer.model);
        let mut steps = trainer.iter(&digits).unwrap();
        for warm in [0.1, 2.0 / 11.0] {
            steps.next().unwrap().unwrap();
            expected = expected * warm + weights(&trainer.model) * (1.0 - warm);
        }
        assert!((weights(&steps.ema()) - expected).abs().max().double_value(&[]) < 1e-6);
        assert_ne!(weights(&steps.ema()), weights(&trainer.model));
    }

    #[test]
    fn a_loss_that_is_not_finite_leaves_the_weights_alone() {
        let (trainer, digits) = trainer();
        let mut steps = trainer.iter(&digits).unwrap();
        {
            let _guard = no_grad_guard();
            let named = trainer.model.network().parameters().named();
            let bias = named.iter().find(|(name, _)| name == "conv_out.bias").unwrap();
            let _ = bias.1.shallow_clone().fill_(f64::INFINITY);
        }
        let before = weights(&trainer.model);
        let error = steps.next().unwrap().unwrap_err().to_string();
        assert_eq!(
            error,
            "loss of step 0 = inf: the weights were broken before this training began; the weight conv_out.bias is not \
             finite; build the network anew, or load or resume what was saved before"
        );
        assert_eq!(weights(&trainer.model), before);
        assert!(steps.next().is_none());
    }

    /// The article's code draws time steps from 1 on: the level with the least noise, which sampling ends with, is never
    /// seen.
    #[test]
    fn article_defect_4_the_first_level_is_trained() {
        let (trainer, digits) = trainer();
        let mut steps = trainer.batch_size(1_000).iter(&digits).unwrap();
        let levels = steps.next().unwrap().unwrap().levels.indices();
        assert!(levels.contains(&0.0) && levels.contains(&99.0)); // of 100; each is missed once in 23,000 times
    }

    /// Parts of a batch see the images, levels and noise that the whole sees.
    #[test]
    fn accumulated_parts_equal_one_batch() {
        let after = |parts| {
            let (trainer, digits) = trainer();
            let steps = trainer.clone().accumulate(parts).iter(&digits).unwrap().take(3);
            let numbers: Vec<[f64; 2]> = steps.map(|step| step.map(|s| [s.loss, s.gradient_norm]).unwrap()).collect();
            (numbers, weights(&trainer.model))
        };
        let (whole, of_whole) = after(1);
        for parts in [2, 3, 16] {
            let (numbers, of_parts) = after(parts);
            for (value, expected) in numbers.iter().flatten().zip(whole.iter().flatten()) {
                assert!((value / expected - 1.0).abs() < 1e-4, "{parts} parts: {value} is not {expected}");
            }
            // AdamW's steps are of size lr = 1e-3 whatever the gradient; where that is all rounding they may differ.
            let apart = (&of_parts - &of_whole).abs().mean(tch::Kind::Double).double_value(&[]);
            assert!(apart < 1e-5, "{parts} parts: {apart}");
        }
    }

    /// The fused step of AdamW rounds otherwise than the plain one. Training multiplies such differences: the two losses may lie
    /// apart as far as two plain trainings do whose first weights differ in their last digit.
    #[test]
    #[ignore = "slow: three trainings of 500 steps, half a minute"]
    fn fused_and_plain_losses_lie_on_each_other_over_500_steps() {
        let losses = |by_operators, stir: f64| -> Vec<f64> {
            let (trainer, digits) = trainer();
            {
                let _guard = no_grad_guard();
                let _ = trainer.model.network().parameters().flat().f_mul_scalar_(1.0 + stir).unwrap();
            }
            let mut steps = trainer.lr(2e-3).iter(&digits).unwrap();
            steps.optimizer.by_operators = by_operators;
            steps.take(500).map(|step| step.unwrap().loss).collect()
        };
        let plain = losses(true, 0.0);
        let apart = |others: Vec<f64>| {
            let squares = plain.iter().zip(&others).map(|(plain, other)| (other / plain).ln().powi(2));
            (squares.sum::<f64>() / plain.len() as f64).sqrt()
        };
        let (fused, stirred) = (apart(losses(false, 0.0)), apart(losses(true, f64::from(f32::EPSILON))));
        println!(
            "root mean square of ln(loss/plain loss): fused {fused:.1e}, first weights one digit off {stirred:.1e}"
        );
        assert!(fused > 0.0 && fused < 3.0 * stirred.max(1e-4), "{fused} and {stirred}");
    }

    #[test]
    fn mixed_precision_learns_what_float32_learns() {
        let losses = |precision| -> Vec<f64> {
            let (trainer, digits) = trainer();
            let steps = trainer.precision(precision).lr(2e-3).iter(&digits).unwrap().take(30);
            steps.map(|step| step.unwrap()).map(|step| if step.skipped { f64::NAN } else { step.loss }).collect()
        };
        let exact = losses(Precision::Float32);
        for precision in [Precision::BFloat16, Precision::Float16] {
            let rounded = losses(precision);
            assert_ne!(exact, rounded);
            for (value, expected) in rounded.iter().zip(&exact) {
                assert!(value.is_nan() || (value / expected - 1.0).abs() < 0.1, "{precision}: {value}, {expected}");
            }
            assert!(rounded.iter().filter(|loss| loss.is_nan()).count() <= 3, "{precision}: {rounded:?}");
        }
    }

    /// A step whose gradient overflows is skipped, and the next has half the scale.
    #[test]
    fn an_overflow_of_float16_skips_a_step() {
        let (trainer, digits) = trainer();
        let mut steps = trainer.clone().precision(Precision::Float16).iter(&digits).unwrap();
        steps.scale.scale = 2f64.powi(40);
        let before = weights(&trainer.model);
        let step = steps.next().unwrap().unwrap();
        assert!(step.skipped && !step.gradient_norm.is_finite() && step.loss.is_finite());
        assert_eq!((weights(&trainer.model), steps.scale.scale), (before, 2f64.powi(39)));
    }
}
