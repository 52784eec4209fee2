//! A whole training run.

use super::figure::{Charts, live_figure, progress_line};
use super::logs::Progress;
use super::record::Record;
use super::steps::TrainSteps;
use super::stopped::Stopped;
use super::threads::OneThread;
use super::trainer::Trainer;
use super::validation::Measure;
use crate::Result;
use crate::data::Dataset;
use crate::diffusion::Diffusion;
use crate::show::{Bundle, Live, Place, Show, interrupted};

/// What training left behind. As the value of a cell it draws loss, learning rate, gradient norm, and samples by epoch: in the
/// cell that trained, in the place of the live figure. The line of the ideal denoiser is left out where it would take long: see [`ideal_loss`](Self::ideal_loss).
///
/// ```
/// # use noisebook::prelude::*;
/// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
/// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
/// let run = Trainer::new(&model).steps(2).batch_size(8).fit(&Dataset::digits()?)?;
/// println!("{run:?}"); // Step 2 of 2: 0.009 epochs in 0 s, loss ...
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone)]
pub struct Run {
    pub(super) model: Diffusion,
    pub(super) average: Diffusion,
    pub(super) trainer: Trainer,
    pub(super) dataset: Dataset,
    pub(super) record: Record,
    pub(super) interrupted: bool,
    pub(super) stopped: Option<Stopped>,
    /// Of the live figure.
    place: Option<Place>,
}

impl Run {
    pub(super) fn fit(mut training: TrainSteps, trainer: &Trainer, dataset: &Dataset) -> Result<Self> {
        let model = trainer.model.clone();
        let _one_thread = OneThread::if_small(&*model.network(), trainer.batch_size);
        let mut run = Self {
            average: training.ema(),
            model,
            trainer: trainer.clone(),
            dataset: dataset.clone(),
            record: Record::default(),
            interrupted: false,
            stopped: None,
            place: None,
        };
        training.samples = true;
        let (mut live, mut progress) = (Live::new(), Progress::new());
        while training.record.done() < training.record.steps {
            match training.next() {
                Some(Ok(_)) => {}
                None => break,
                Some(Err(error)) if training.record.done() == 0 && training.stopped.is_none() => return Err(error),
                Some(Err(error)) => {
                    let step = training.record.done();
                    run.stopped = Some(training.stopped.take().unwrap_or_else(|| Stopped::because(step, &error)));
                    break;
                }
            }
            // A picture that cannot be drawn costs nothing but itself.
            if trainer.live && live.due() {
                // Once a run, and apart from the drawing, whose time says how long the next picture waits.
                let _ = run.floor_of(&training.record);
                let _ = live.update_with(|| live_figure(&training.record, None));
            }
            if trainer.live && progress.due() {
                progress.update(&progress_line(&training.record));
            }
        }
        if run.stopped.is_none() {
            training.save_last();
        }
        drop(progress);
        run.record = training.record.clone();
        run.interrupted = run.stopped.is_none() && run.record.done() < run.record.steps && interrupted();
        if trainer.live {
            let _ = live_figure(&run.record, run.stopped.as_ref()).and_then(|figure| live.finish(&figure));
            run.place = live.place();
        }
        Ok(run)
    }

    pub(super) fn measure<'a>(&'a self, data: &'a Dataset) -> Measure<'a> {
        Measure { model: &self.average, data, label_dropout: self.trainer.label_dropout, seed: self.trainer.seed }
    }

    /// The ideal denoiser's loss, once for all copies of a record.
    pub(super) fn floor_of(&self, record: &Record) -> Result<Option<f64>> {
        if let Some(floor) = record.floor.get() {
            return Ok(*floor);
        }
        let floor = self.measure(&self.dataset).floor()?;
        Ok(*record.floor.get_or_init(|| floor))
    }
}

impl Show for Run {
    fn bundle(&self) -> Result<Bundle> {
        let _ = self.floor_of(&self.record);
        let figure = Charts(&self.record).figure(self.interrupted, self.stopped.as_ref())?;
        Ok(figure.bundle()?.in_place(self.place.as_ref()))
    }
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&super::figure::facts(&self.record, self.interrupted, self.stopped.as_ref()))
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
        for snapshot in &run.record.snapshots {
            for images in [&snapshot.images, &snapshot.raw] {
                assert_eq!(images.size(), [8, 1, 4, 4]);
                assert_eq!((images.kind(), images.device()), (Kind::Float, Device::Cpu));
            }
        }
    }

    #[test]
    fn points_are_trained_on_and_drawn_too() {
        let moons = Dataset::moons(64, 0.05).unwrap();
        let mlp = Mlp::builder().dims(2).hidden(8).layers(1).classes(2).build().unwrap();
        let model = Diffusion::new(&mlp, &Schedule::cosine(10).unwrap(), Prediction::V).unwrap();
        let run = Trainer::new(&model).steps(5).batch_size(16).fit(&moons).unwrap();
        let text = run.bundle().unwrap().plain_text().to_string();
        assert_eq!(text.matches("400 points around").count(), 10, "{text}");
        let step = Trainer::new(&model).batch_size(16).iter(&moons).unwrap().next().unwrap().unwrap();
        let text = step.bundle().unwrap().plain_text().to_string();
        assert!(text.contains("\nnoised x\u{209c}, each at its own t\n"), "{text}");
    }

    #[test]
    fn a_step_names_the_classes_that_the_network_was_told() {
        let images = Tensor::zeros([8, 1, 4, 4], (Kind::Float, Device::Cpu));
        let labels = Tensor::from_slice(&[0_i64, 1, 0, 1, 0, 1, 0, 1]);
        let data = Dataset::new("pets", &images, Some(&labels), &["cat", "dog"]).unwrap();
        let unet = UNet::builder().channels(1).image_size(4).base_channels(8).channel_mults([1]).blocks(1).classes(2);
        let model = Diffusion::new(&unet.build().unwrap(), &Schedule::cosine(10).unwrap(), Prediction::V).unwrap();
        for (dropout, names) in [(0.0, [4, 4, 0]), (1.0, [0, 0, 8])] {
            let trainer = Trainer::new(&model).batch_size(8).label_dropout(dropout);
            let step = trainer.iter(&data).unwrap().next().unwrap().unwrap();
            let text = step.bundle().unwrap().plain_text().to_string();
            let line = text.lines().find(|line| line.starts_with("image x\u{2080}: ")).unwrap();
            assert_eq!(["cat", "dog", "dropped"].map(|name| line.matches(name).count()), names, "{text}");
        }
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
