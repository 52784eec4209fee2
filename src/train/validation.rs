//! The loss on data that training does not see, and by level: always with the same noise.

use crate::data::Dataset;
use crate::denoiser::{Denoiser, Ideal};
use crate::diffusion::{Diffusion, Evaluation};
use crate::random::{Stream, below, generator, permutation, unit};
use crate::schedule::Levels;
use crate::{Error, Result};
use tch::{Kind, Tensor, no_grad_guard};

/// Samples of a validation pass at most.
pub(super) const MOST: usize = 2_048;
/// Samples a batch: nothing of the result depends on it but rounding.
const BATCH: usize = 256;
/// Numbers of a data set whose ideal denoiser takes a moment.
const LARGEST: i64 = 2_000_000;
/// Levels of the floor, samples a level at least and at most, and numbers a level where both allow it.
const LEVELS: usize = 64;
const SAMPLES: usize = 32;
const SAMPLES_OF_POINTS: usize = 1_024;
const NUMBERS: usize = 8_192;

/// The mean loss of a model on the same samples, at the same levels and with the same noise for one seed. All labels are
/// shown.
pub(super) fn validation_loss(model: &Diffusion, data: &Dataset, seed: u64) -> Result<f64> {
    let _guard = no_grad_guard();
    let mut rng = generator(seed, Stream::Validation, 0);
    let order = permutation(&mut rng, data.len());
    let noise = below(&mut rng, 1 << 53) as u64;
    let used = &order[..data.len().min(MOST)];
    let mut sum = 0.0;
    for (index, chosen) in used.chunks(BATCH).enumerate() {
        let batch = data.batch_of(chosen)?;
        let Evaluation { each, .. } = model.evaluate_still(&batch.images, &batch.labels, noise, index as u64)?;
        sum += each.f_sum(Kind::Double)?.f_double_value(&[])?;
    }
    Ok(sum / used.len() as f64)
}

/// Who answers.
pub(super) enum Answer<'a> {
    Network,
    Ideal(&'a Ideal),
}

/// What to measure the loss on: a data set, whose labels are hidden by chance, and draws.
pub(super) struct Measure<'a> {
    pub(super) model: &'a Diffusion,
    pub(super) data: &'a Dataset,
    pub(super) label_dropout: f64,
    pub(super) seed: u64,
}

impl Measure<'_> {
    /// The mean loss at one time, of `count` samples: the `index`-th such mean.
    pub(super) fn at(&self, t: f64, count: usize, index: usize, answer: &Answer) -> Result<f64> {
        let _guard = no_grad_guard();
        let mut rng = generator(self.seed, Stream::Floor, index as u64);
        let chosen: Vec<i64> = (0..count).map(|_| below(&mut rng, self.data.len()) as i64).collect();
        let batch = self.data.batch_of(&chosen)?;
        let labels = hide_labels(&batch.labels, || unit(&mut rng) < self.label_dropout)?;
        let levels = Levels::from_times(self.model.schedule(), vec![t; count]);
        let noise = below(&mut rng, 1 << 53) as u64;
        let noised = self.model.noised_at(&batch.images, &labels, levels, noise, 0)?;
        let output = match answer {
            Answer::Network => self.model.predict_still(&noised)?,
            Answer::Ideal(ideal) => self.model.best_output(*ideal, &noised, t)?,
        };
        Ok(self.model.judge(&noised, &output)?.loss.f_double_value(&[])?)
    }

    /// The ideal denoiser of the data, where it can be computed in a moment; not of a bridge, whose other end is no noise.
    pub(super) fn ideal(&self) -> Result<Option<Ideal>> {
        let data = self.data;
        let numbers = data.len() as i64 * self.model.sample_shape().iter().product::<i64>();
        if self.model.has_source() || numbers > LARGEST {
            return Ok(None);
        }
        Ideal::new(data, self.model.schedule()).map(Some)
    }

    /// The loss that no network can beat on this data: the ideal denoiser's, at the levels of training.
    pub(super) fn floor(&self) -> Result<Option<f64>> {
        let Some(ideal) = self.ideal()? else { return Ok(None) };
        // A sample of few numbers says little about the mean, and costs little.
        let numbers = self.model.sample_shape().iter().product::<i64>().max(1) as usize;
        let samples = (NUMBERS / numbers).clamp(SAMPLES, SAMPLES_OF_POINTS);
        let levels = self.model.levels_in_training();
        let mut times = levels.draw(self.model.schedule(), 100 * LEVELS, self.seed)?.times();
        times.sort_by(f64::total_cmp);
        let mut sum = 0.0;
        for level in 0..LEVELS {
            sum += self.at(times[100 * level + 50], samples, level, &Answer::Ideal(&ideal))?;
        }
        Ok(Some(sum / LEVELS as f64).filter(|floor| floor.is_finite()))
    }
}

/// Labels, -1 where the answer is yes, for each by itself.
pub(super) fn hide_labels(labels: &Tensor, mut hidden: impl FnMut() -> bool) -> Result<Tensor> {
    let labels = Vec::<i64>::try_from(labels)?;
    let labels: Vec<i64> = labels.into_iter().map(|label| if hidden() { -1 } else { label }).collect();
    Tensor::f_from_slice(&labels).map_err(Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Prediction, Schedule, UNet};
    use tch::Device;

    fn model(classes: i64) -> Diffusion {
        let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).blocks(1);
        let unet = if classes > 0 { unet.classes(classes) } else { unet };
        Diffusion::new(&unet.build().unwrap(), &Schedule::cosine(100).unwrap(), Prediction::Epsilon).unwrap()
    }

    /// A new network says 0, so that its loss is the mean of eps^2, however many batches there are. The article's
    /// `avg_loss.mean()` is a sum over batches.
    #[test]
    fn article_defect_2_the_loss_is_a_mean_over_batches() {
        let digits = Dataset::digits().unwrap();
        let loss = validation_loss(&model(0), &digits, 0).unwrap();
        assert!((loss - 1.0).abs() < 4.0 * (2.0 / (1_797.0 * 64.0_f64)).sqrt(), "{loss}");
    }

    #[test]
    fn validation_is_the_same_every_time_and_with_all_labels() {
        let (digits, _) = Dataset::digits().unwrap().split(0.1, 0).unwrap();
        let model = model(10);
        let loss = |seed| validation_loss(&model, &digits, seed).unwrap();
        assert_eq!(loss(1), loss(1));
        assert_ne!(loss(1), loss(2));
        // A network that looks at nothing but the null label has nothing to look at.
        {
            let _guard = no_grad_guard();
            for (name, weight) in model.network().parameters().named() {
                let value = if name.starts_with("conv_out") { 0.1 } else { 0.0 };
                let _ = weight.shallow_clone().fill_(value);
            }
        }
        let quiet = loss(1);
        {
            let _guard = no_grad_guard();
            let named = model.network().parameters().named();
            let (_, table) = named.iter().find(|(_, weight)| weight.size().first() == Some(&11)).unwrap();
            let _ = table.get(10).fill_(f64::NAN);
        }
        assert_eq!(loss(1), quiet);
    }

    /// Of one sample the ideal denoiser knows all: nothing is left. Of unit Gaussians without end it would be the mean of
    /// abar; 2,000 points in the plane are near it.
    #[test]
    fn the_floor_is_the_loss_of_the_ideal_denoiser() {
        let schedule = Schedule::linear(1_000).unwrap();
        let mlp = crate::Mlp::builder().dims(2).hidden(8).layers(1).device(Device::Cpu).build().unwrap();
        let floor = |points: &Tensor, prediction| {
            let data = Dataset::new("points", points, None, &[]).unwrap();
            let model = Diffusion::new(&mlp, &schedule, prediction).unwrap();
            let measure = Measure { model: &model, data: &data, label_dropout: 0.0, seed: 0 };
            measure.floor().unwrap().unwrap()
        };
        assert!(floor(&Tensor::from_slice(&[0.5f32, -1.0]).view([1, 2]), Prediction::V) < 1e-8);
        let noise = crate::random::normal(&mut generator(5, Stream::Prior, 0), &[2_000, 2], Device::Cpu).unwrap();
        let found = floor(&noise, Prediction::Epsilon);
        assert!((found - 0.2755).abs() < 0.03, "{found}");
    }

    #[test]
    fn there_is_no_floor_of_a_large_set_or_of_a_bridge() {
        let points = Dataset::moons(64, 0.1).unwrap();
        let mlp = crate::Mlp::builder().dims(2).hidden(8).layers(1).build().unwrap();
        let bridge = Diffusion::new(&mlp, &Schedule::flow(10).unwrap(), Prediction::Flow).unwrap().source(&points);
        let measure = Measure { model: &bridge, data: &points, label_dropout: 0.0, seed: 0 };
        assert!(measure.floor().unwrap().is_none());
    }
}
