//! One training step at a time.

use super::adamw::AdamW;
use super::trainer::Trainer;
use crate::data::Dataset;
use crate::diffusion::{Diffusion, Evaluation};
use crate::net::Parameters;
use crate::random::{Stream, generator, permutation, unit};
use crate::schedule::Levels;
use crate::show::interrupted;
use crate::{Error, Result};
use std::time::{Duration, Instant};
use tch::{Tensor, no_grad_guard};

/// One training step, made. As the value of a cell it draws the batch, its noised images and what the model made of
/// them.
///
/// ```
/// # use noisebook::prelude::*;
/// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
/// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
/// let step = Trainer::new(&model).batch_size(8).iter(&Dataset::digits()?)?.next().unwrap()?;
/// assert_eq!((step.index, step.images.size(), step.levels.len()), (0, vec![8, 1, 8, 8], 8));
/// step.show()?;
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct TrainStep {
    /// The step's number, from 0.
    pub index: usize,
    /// The loss before the step.
    pub loss: f64,
    /// The norm of the gradient before it was clipped.
    pub gradient_norm: f64,
    /// The learning rate.
    pub lr: f64,
    /// The images of the batch: N x C x H x W.
    pub images: Tensor,
    /// Their labels as the network saw them: -1 where the label was dropped.
    pub labels: Tensor,
    /// Their noised versions x_t.
    pub noised: Tensor,
    /// The levels of the noise.
    pub levels: Levels,
    /// Predicted x_0.
    pub predicted: Tensor,
    /// How long it took.
    pub took: Duration,
}

/// Training as an endless iterator of steps; [`Trainer::iter`] starts one. After an error it is at its end.
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
    trainer: Trainer,
    dataset: Dataset,
    optimizer: AdamW,
    average: Diffusion,
    /// The order of the current epoch.
    order: Vec<i64>,
    index: usize,
    failed: bool,
}

impl TrainSteps {
    pub(super) fn new(trainer: Trainer, dataset: Dataset) -> Result<Self> {
        let optimizer = AdamW::new(&trainer.model.network().parameters().flat(), trainer.weight_decay)?;
        let average = trainer.model.copy()?;
        Ok(Self { trainer, dataset, optimizer, average, order: Vec::new(), index: 0, failed: false })
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

    /// Steps that make an epoch: whole batches, what is left over waits for the next shuffle.
    pub(super) fn steps_an_epoch(&self) -> usize {
        self.dataset.len() / self.trainer.batch_size
    }

    pub(super) fn batch_size(&self) -> usize {
        self.trainer.batch_size
    }

    /// The images of step `index`: every epoch shuffles anew, from the seed and its number.
    fn batch(&mut self) -> Result<(Tensor, Tensor)> {
        let (epoch, within) = (self.index / self.steps_an_epoch(), self.index % self.steps_an_epoch());
        if within == 0 {
            let mut rng = generator(self.trainer.seed, Stream::Order, epoch as u64);
            self.order = permutation(&mut rng, self.dataset.len());
        }
        let size = self.trainer.batch_size;
        let batch = self.dataset.batch_of(&self.order[within * size..(within + 1) * size])?;
        let mut rng = generator(self.trainer.seed, Stream::LabelDropout, self.index as u64);
        let labels: Vec<i64> = Vec::<i64>::try_from(&batch.labels)?
            .into_iter()
            .map(|label| if unit(&mut rng) < self.trainer.label_dropout { -1 } else { label })
            .collect();
        Ok((batch.images, Tensor::f_from_slice(&labels)?))
    }

    fn step(&mut self) -> Result<TrainStep> {
        let began = Instant::now();
        let (images, labels) = self.batch()?;
        let model = &self.trainer.model;
        let Evaluation { loss, xt, x0, levels } =
            model.evaluate(&images, &labels, self.trainer.seed, self.index as u64)?;
        let network = model.network();
        let gradient = network.parameters().gradient(&loss)?;
        let (loss, norm) = (loss.f_double_value(&[])?, gradient.f_norm()?.f_double_value(&[])?);
        for (name, value) in [("loss", loss), ("gradient norm", norm)] {
            if !value.is_finite() {
                let rule = "training stopped before this step touched the weights; try a lower learning rate";
                return Err(Error::argument(format!("{name} of step {}", self.index), value, rule));
            }
        }
        {
            let _guard = no_grad_guard();
            let clip = (self.trainer.clip_norm / norm).min(1.0);
            let gradient = if clip < 1.0 { gradient.f_mul_scalar(clip)? } else { gradient };
            network.parameters().update(|flat| self.optimizer.step(flat, &gradient, self.trainer.lr))?;
            network.parameters().count_step();
            average_into(self.average.network().parameters(), network.parameters(), self.trainer.ema, self.index)?;
        }
        let step = TrainStep {
            index: self.index,
            loss,
            gradient_norm: norm,
            lr: self.trainer.lr,
            images,
            labels,
            noised: xt,
            levels,
            predicted: x0,
            took: began.elapsed(),
        };
        self.index += 1;
        Ok(step)
    }
}

/// e = d e + (1 - d) w with d = min(decay, (1 + k)/(10 + k)).
fn average_into(average: &Parameters, weights: &Parameters, decay: f64, step: usize) -> Result<()> {
    let warm = (1.0 + step as f64) / (10.0 + step as f64);
    let _ = average.flat().f_lerp_(&weights.flat(), 1.0 - decay.min(warm))?;
    Ok(())
}

impl Iterator for TrainSteps {
    type Item = Result<TrainStep>;

    /// None after an error, and while somebody asks the running cell to stop: the next cell goes on from here.
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || interrupted() {
            return None;
        }
        let step = self.step();
        self.failed = step.is_err();
        Some(step)
    }
}

impl std::fmt::Debug for TrainSteps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} training steps made on {}", self.index, self.dataset.name())
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
    fn an_epoch_shows_every_image_once_and_the_next_in_another_order() {
        let (trainer, digits) = trainer();
        let (half, _) = digits.split(0.05, 0).unwrap();
        let mut steps = trainer.batch_size(9).iter(&half).unwrap();
        assert_eq!(steps.steps_an_epoch(), 10);
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

    /// Labels are dropped one by one, not batch by batch as in the article's code.
    #[test]
    fn labels_are_dropped_per_sample() {
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
        assert!(error.starts_with("loss of step 0 = inf: training stopped before this step touched"), "{error}");
        assert_eq!(weights(&trainer.model), before);
        assert!(steps.next().is_none());
    }
}
