//! A whole training run.

use super::figure::{Charts, live_figure};
use super::steps::TrainSteps;
use super::threads::OneThread;
use crate::Result;
use crate::denoiser::Denoiser;
use crate::diffusion::Diffusion;
use crate::sample::Sampler;
use crate::show::{Bundle, Live, Show, interrupted};
use std::time::{Duration, Instant};
use tch::Tensor;

/// Moments of a run at which samples are drawn.
const SNAPSHOTS: usize = 5;
/// DDIM steps of such samples: enough to see what the model has learned.
const SNAPSHOT_STEPS: usize = 20;

/// What training left behind. As the value of a cell it draws loss, learning rate, gradient norm, and samples by epoch.
///
/// ```
/// # use noisebook::prelude::*;
/// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
/// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
/// let run = Trainer::new(&model).steps(2).batch_size(8).fit(&Dataset::digits()?)?;
/// println!("{run:?}"); // Step 2 of 2: 0.0 epochs in 0 s, loss ...
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone)]
pub struct Run {
    model: Diffusion,
    average: Diffusion,
    pub(super) record: Record,
    interrupted: bool,
}

/// The numbers of a run.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) losses: Vec<f64>,
    pub(super) gradient_norms: Vec<f64>,
    pub(super) lrs: Vec<f64>,
    pub(super) snapshots: Vec<Snapshot>,
    pub(super) steps: usize,
    /// Steps that the weights went through before this run.
    pub(super) earlier: usize,
    pub(super) steps_an_epoch: usize,
    pub(super) took: Duration,
}

/// Points of a snapshot.
const SNAPSHOT_POINTS: i64 = 400;

/// Samples of the averaged weights, from the same noise, or the same samples of a source, every time.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) step: usize,
    pub(super) images: Tensor,
}

impl Clone for Record {
    fn clone(&self) -> Self {
        let copy = |s: &Snapshot| Snapshot { step: s.step, images: s.images.shallow_clone() };
        Self {
            losses: self.losses.clone(),
            gradient_norms: self.gradient_norms.clone(),
            lrs: self.lrs.clone(),
            snapshots: self.snapshots.iter().map(copy).collect(),
            ..*self
        }
    }
}

impl Run {
    pub(super) fn fit(mut training: TrainSteps, model: Diffusion, steps: usize, seed: u64) -> Result<Self> {
        let average = training.ema();
        let _one_thread = OneThread::if_small(&*model.network(), training.batch_size());
        let earlier = model.network().parameters().trained_steps();
        let mut record = Record { steps, earlier, steps_an_epoch: training.steps_an_epoch(), ..Record::default() };
        let (mut live, began) = (Live::new(), Instant::now());
        for index in 0..steps {
            let Some(step) = training.next() else { break };
            let step = step?;
            record.losses.push(step.loss);
            record.gradient_norms.push(step.gradient_norm);
            record.lrs.push(step.lr);
            if (index + 1) * SNAPSHOTS / steps > index * SNAPSHOTS / steps {
                record.snapshots.push(Snapshot { step: index + 1, images: snapshot(&average, seed)? });
            }
            record.took = began.elapsed();
            // A picture that cannot be drawn costs nothing but itself.
            if live.due() {
                let _ = live_figure(&record).and_then(|figure| live.update(&figure));
            }
        }
        let _ = live_figure(&record).and_then(|figure| live.finish(&figure));
        let interrupted = record.losses.len() < steps && interrupted();
        Ok(Self { model, average, record, interrupted })
    }

    /// The model that was trained. It is shared: training it further changes it here too.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// # let run = Trainer::new(&model).steps(1).batch_size(8).fit(&Dataset::digits()?)?;
    /// let weights = |model: &Diffusion| model.network().parameters().named();
    /// assert_eq!(weights(&run.model()), weights(&model)); // the same
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn model(&self) -> Diffusion {
        self.model.clone()
    }

    /// The model with the averaged weights of this run, which samples better.
    ///
    /// # Errors
    /// None so far.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// # let run = Trainer::new(&model).steps(1).batch_size(8).fit(&Dataset::digits()?)?;
    /// let samples = Sampler::ddim(5).count(4).sample(&run.ema()?)?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn ema(&self) -> Result<Diffusion> {
        Ok(self.average.clone())
    }

    /// The loss of every step.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// # let run = Trainer::new(&model).steps(1).batch_size(8).fit(&Dataset::digits()?)?;
    /// assert_eq!(run.losses().len(), 1); // one step was taken
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn losses(&self) -> Vec<f64> {
        self.record.losses.clone()
    }

    /// The gradient norm of every step, before clipping.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// # let run = Trainer::new(&model).steps(1).batch_size(8).fit(&Dataset::digits()?)?;
    /// assert!(run.gradient_norms()[0] > 0.0);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn gradient_norms(&self) -> Vec<f64> {
        self.record.gradient_norms.clone()
    }

    /// Whether an interrupt ended it early.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// # let run = Trainer::new(&model).steps(1).batch_size(8).fit(&Dataset::digits()?)?;
    /// assert!(!run.interrupted()); // all steps were taken
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.interrupted
    }
}

/// One sample a class (eight without classes); of points, of which one says nothing, as many as make a picture.
fn snapshot(average: &Diffusion, seed: u64) -> Result<Tensor> {
    let steps = SNAPSHOT_STEPS.min(average.schedule().levels());
    let sampler = Sampler::ddim(steps).frames(0).seed(seed);
    let points = average.sample_shape().len() == 1;
    let (labels, count) = match average.classes() {
        Some(classes) if points => (Some((0..SNAPSHOT_POINTS).map(|index| index % classes).collect()), SNAPSHOT_POINTS),
        Some(classes) => (Some((0..classes.min(10)).collect::<Vec<i64>>()), classes.min(10)),
        None => (None, if points { SNAPSHOT_POINTS } else { 8 }),
    };
    let sampler = match labels {
        Some(labels) => sampler.labels(labels),
        None => sampler.count(count as usize),
    };
    let sampler = match average.source_samples(count, seed)? {
        Some(source) => sampler.start_from(&source),
        None => sampler,
    };
    Ok(sampler.iter(average)?.last().transpose()?.map_or_else(Tensor::new, |step| step.next))
}

impl Show for Run {
    fn bundle(&self) -> Result<Bundle> {
        Charts(&self.record).figure(self.interrupted)?.bundle()
    }
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&super::figure::facts(&self.record, self.interrupted))
    }
}

#[cfg(test)]
mod tests {
    use crate::show::Show;
    use crate::{Dataset, Diffusion, Mlp, Prediction, Schedule, Trainer, UNet};
    use tch::{Device, Kind, Tensor};

    fn model(channels: i64) -> Diffusion {
        let unet = UNet::builder().channels(channels).image_size(4).base_channels(8).channel_mults([1]).blocks(1);
        Diffusion::new(&unet.build().unwrap(), &Schedule::cosine(10).unwrap(), Prediction::V).unwrap()
    }

    fn grey(channels: i64) -> Dataset {
        Dataset::new("grey", &Tensor::zeros([8, channels, 4, 4], (Kind::Float, Device::Cpu)), None, &[]).unwrap()
    }

    #[test]
    fn a_run_holds_every_step_and_five_snapshots() {
        let run = Trainer::new(&model(1)).steps(13).batch_size(4).fit(&grey(1)).unwrap();
        assert_eq!((run.losses().len(), run.gradient_norms().len(), run.interrupted()), (13, 13, false));
        let at: Vec<usize> = run.record.snapshots.iter().map(|snapshot| snapshot.step).collect();
        assert_eq!(at, [3, 6, 8, 11, 13]); // the first steps that reach 1/5, 2/5, .. of 13
        assert_eq!(run.record.snapshots[0].images.size(), [8, 1, 4, 4]);
    }

    #[test]
    fn points_are_trained_on_and_drawn_too() {
        let moons = Dataset::moons(64, 0.05).unwrap();
        let mlp = Mlp::builder().dims(2).hidden(8).layers(1).classes(2).build().unwrap();
        let model = Diffusion::new(&mlp, &Schedule::cosine(10).unwrap(), Prediction::V).unwrap();
        let run = Trainer::new(&model).steps(5).batch_size(16).fit(&moons).unwrap();
        let text = run.bundle().unwrap().plain_text().to_string();
        assert_eq!(text.matches("400 points around").count(), 5, "{text}");
        let step = Trainer::new(&model).batch_size(16).iter(&moons).unwrap().next().unwrap().unwrap();
        let text = step.bundle().unwrap().plain_text().to_string();
        assert!(text.contains("\nnoised x\u{209c}, each at its own t\n"), "{text}");
    }

    /// From noise they would lie about 0, where the source has no point.
    #[test]
    fn snapshots_of_a_bridge_start_from_its_source() {
        let far = Tensor::full([8, 2], 50.0, (Kind::Float, Device::Cpu));
        let far = Dataset::new("far", &far, None, &[]).unwrap();
        let mlp = Mlp::builder().dims(2).hidden(8).layers(1).build().unwrap();
        let bridge = Diffusion::new(&mlp, &Schedule::flow(10).unwrap(), Prediction::Flow).unwrap().source(&far);
        let run = Trainer::new(&bridge).steps(1).batch_size(4).lr(1e-9).fit(&far).unwrap();
        let nearest = run.record.snapshots[0].images.min().double_value(&[]);
        assert!(nearest > 25.0, "{nearest}");
    }

    #[test]
    fn a_second_fit_trains_on_and_says_so() {
        let (model, data) = (model(1), grey(1));
        let first = Trainer::new(&model).steps(2).batch_size(4).fit(&data).unwrap();
        assert!(!format!("{first:?}").contains("earlier"));
        let second = Trainer::new(&model).steps(3).batch_size(4).fit(&data).unwrap();
        assert!(format!("{second:?}").starts_with("Step 3 of 3, after 2 earlier ones"), "{second:?}");
    }

    /// A picture that cannot be drawn costs nothing but itself.
    #[test]
    fn images_that_no_grid_can_draw_are_trained_on_all_the_same() {
        let run = Trainer::new(&model(5)).steps(3).batch_size(4).fit(&grey(5)).unwrap();
        assert_eq!(run.losses().len(), 3);
        assert!(run.bundle().unwrap().plain_text().contains("Loss"));
    }
}
