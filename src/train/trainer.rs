//! How training is described and checked.

use super::ema::Ema;
use super::rate::LearningRate;
use super::run::Run;
use super::steps::TrainSteps;
use crate::accel::Precision;
use crate::data::{Dataset, check_batch_size};
use crate::denoiser::Denoiser;
use crate::diffusion::Diffusion;
use crate::show::{grouped, sides};
use crate::{Error, Result};
use std::path::PathBuf;

/// Images of a step, unless one says otherwise.
const BATCH_SIZE: usize = 64;

/// Steps of a `fit` that nobody set.
const STEPS: usize = 1_000;

/// Trains a model on a data set.
///
/// The model is shared: training goes on from the weights that it finds and changes them in place. Setters never fail:
/// [`iter`](Self::iter) and [`fit`](Self::fit) check the whole.
///
/// ```
/// use noisebook::prelude::*;
/// let digits = Dataset::digits()?;
/// let unet = UNet::builder().channels(1).image_size(8).base_channels(8).classes(10).build()?;
/// let model = Diffusion::new(&unet, &Schedule::cosine(1_000)?, Prediction::V)?;
/// let run = Trainer::new(&model).steps(3).batch_size(8).lr(2e-3).ema(0.995).label_dropout(0.1).fit(&digits)?;
/// assert_eq!(run.losses().len(), 3);
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone)]
pub struct Trainer {
    pub(super) model: Diffusion,
    /// `None` until it is set: `fit` takes [`STEPS`] then, `iter` has no end.
    pub(super) steps: Option<usize>,
    pub(super) batch_size: usize,
    pub(super) lr: f64,
    pub(super) weight_decay: f64,
    pub(super) clip_norm: f64,
    pub(super) ema: Ema,
    pub(super) label_dropout: f64,
    pub(super) seed: u64,
    pub(super) lr_schedule: LearningRate,
    pub(super) accumulate: usize,
    pub(super) precision: Precision,
    pub(super) validation: Option<Dataset>,
    pub(super) validate_every: Option<usize>,
    pub(super) sample_every: Option<usize>,
    /// The folder, and whether a run that it holds goes on.
    pub(super) checkpoints: Option<(PathBuf, bool)>,
    pub(super) checkpoint_every: Option<usize>,
    pub(super) keep_every: Option<usize>,
    pub(super) log_to: Option<PathBuf>,
    pub(super) live: bool,
}

impl Trainer {
    /// A trainer of `model` with the defaults: 1,000 steps of 64 images, learning rate 1e-3, no weight decay, gradients
    /// clipped at norm 1, an average of the weights with decay 0.995, labels dropped from one image in ten.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let trainer = Trainer::new(&model); // now .iter(&dataset) or .fit(&dataset)
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn new(model: &Diffusion) -> Self {
        Self {
            model: model.clone(),
            steps: None,
            batch_size: BATCH_SIZE,
            lr: 1e-3,
            weight_decay: 0.0,
            clip_norm: 1.0,
            ema: 0.995.into(),
            label_dropout: 0.1,
            seed: 0,
            lr_schedule: LearningRate::default(),
            accumulate: 1,
            precision: Precision::default(),
            validation: None,
            validate_every: None,
            sample_every: None,
            checkpoints: None,
            checkpoint_every: None,
            keep_every: None,
            log_to: None,
            live: true,
        }
    }

    /// Training to be taken one step at a time: it ends after [`steps`](Self::steps) where they were set, and never where they
    /// were not. `NOISEBOOK_STEPS` caps what was set, as in [`fit`](Self::fit).
    ///
    /// # Errors
    /// Numbers outside their ranges, 0 steps among them; a setting that needs another, as `validate_every` needs `validate`; a
    /// data set that is smaller than a batch or whose images the model does not take.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let unet = UNet::builder().channels(1).image_size(8).base_channels(8).build()?;
    /// let model = Diffusion::new(&unet, &Schedule::cosine(1_000)?, Prediction::Epsilon)?;
    /// let mut training = Trainer::new(&model).batch_size(8).iter(&Dataset::digits()?)?;
    /// let step = training.next().unwrap()?;
    /// println!("{} {:.3}", step.index, step.loss);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn iter(&self, dataset: &Dataset) -> Result<TrainSteps> {
        self.check(dataset)?;
        TrainSteps::new(self.clone().at_most(limit().as_deref())?, dataset.clone())
    }

    /// Takes all steps, with a live figure of the loss and of samples, or a line in a terminal. An interrupt ends it at the next step, and the
    /// run holds what was done.
    ///
    /// With `NOISEBOOK_STEPS=50` in the environment no run takes more than 50 steps, and each says so: to see that a whole
    /// notebook runs before the class does.
    ///
    /// # Errors
    /// As [`iter`](Self::iter). What goes wrong later, a loss that is no longer finite, say, ends training, and the run holds
    /// what was done: [`Run::stopped`] says why.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let run = Trainer::new(&model).steps(2).batch_size(8).fit(&Dataset::digits()?)?;
    /// run.show()?; // loss, learning rate, gradient norm, samples
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn fit(&self, dataset: &Dataset) -> Result<Run> {
        self.check(dataset)?;
        let trainer = self.clone().steps(self.planned()).at_most(limit().as_deref())?;
        Run::fit(TrainSteps::new(trainer.clone(), dataset.clone())?, &trainer, dataset)
    }

    fn at_most(mut self, limit: Option<&str>) -> Result<Self> {
        let Some(text) = limit.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(self) };
        let limit = text.parse().ok().filter(|limit| *limit > 0);
        let limit =
            limit.ok_or_else(|| Error::argument("NOISEBOOK_STEPS", text, "must be a whole number of at least 1"))?;
        if let Some(steps) = self.steps.filter(|steps| limit < *steps) {
            eprintln!("NOISEBOOK_STEPS={limit}: {limit} steps in place of {}", grouped(steps));
            self.steps = Some(limit);
        }
        Ok(self)
    }

    /// The steps that rates and periods reckon with.
    pub(super) fn planned(&self) -> usize {
        self.steps.unwrap_or(STEPS)
    }

    fn check(&self, dataset: &Dataset) -> Result<()> {
        if self.steps == Some(0) {
            return Err(Error::argument("steps", 0, "take at least 1 step"));
        }
        self.model.check()?;
        if self.batch_size == BATCH_SIZE && self.batch_size > dataset.len() {
            // Perhaps nobody chose it.
            let (name, count, most) = (dataset.name(), dataset.len(), dataset.len().min(16));
            let rule = format!("the default, and {name} holds {count} images: take fewer, such as .batch_size({most})");
            return Err(Error::argument("batch_size", self.batch_size, rule));
        }
        check_batch_size(self.batch_size, dataset)?;
        let rules = [
            ("lr", self.lr, self.lr > 0.0 && self.lr.is_finite(), "must be a finite number above 0"),
            (
                "weight_decay",
                self.weight_decay,
                self.weight_decay >= 0.0 && self.weight_decay.is_finite(),
                "must be a finite number of at least 0",
            ),
            ("clip_norm", self.clip_norm, self.clip_norm > 0.0, "must be above 0"),
            ("label_dropout", self.label_dropout, (0.0..=1.0).contains(&self.label_dropout), "must lie in [0, 1]"),
        ];
        for (name, value, holds, rule) in rules {
            if !holds {
                return Err(Error::argument(name, value, rule));
            }
        }
        self.ema.check()?;
        self.lr_schedule.check(self.planned())?;
        self.precision.check(self.model.device())?;
        if !(1..=self.batch_size).contains(&self.accumulate) {
            let rule = format!("a batch of {} has 1 to {0} parts", self.batch_size);
            return Err(Error::argument("accumulate", self.accumulate, rule));
        }
        let to_validate = (self.validation.is_some(), "there is nothing to validate on: add .validate(&data)");
        let to_save = (self.checkpoints.is_some(), "there is no folder to save to: add .checkpoints(folder)");
        for (name, every, (served, rule)) in [
            ("validate_every", self.validate_every, to_validate),
            ("checkpoint_every", self.checkpoint_every, to_save),
            ("keep_every", self.keep_every, to_save),
        ] {
            match every {
                Some(0) => return Err(Error::argument(name, 0, "must be at least 1")),
                Some(every) if !served => return Err(Error::argument(name, every, rule)),
                _ => {}
            }
        }
        if let Some(data) = &self.validation {
            self.check_data("validation data", data)?;
        }
        self.check_data("data set", dataset)
    }

    fn check_data(&self, name: &str, data: &Dataset) -> Result<()> {
        let (images, network) = (data.shape(), self.model.network());
        if images[1..] != network.sample_shape() {
            let rule = format!("this model takes samples of {}", sides(&network.sample_shape()));
            return Err(Error::argument(name, format!("{:?}", &images[1..]), rule));
        }
        match network.classes() {
            Some(classes) => crate::labels::check_for("the network's classes", &data.labels(), images[0], classes),
            None => Ok(()),
        }
    }
}

impl std::fmt::Debug for Trainer {
    /// The model in a line, and how it is to be trained in another.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let steps = match self.steps {
            Some(steps) => format!("{} steps of {}", grouped(steps), self.batch_size),
            None => format!("steps of {}, their number unset", self.batch_size),
        };
        let rate = match self.lr_schedule {
            LearningRate::Constant => String::new(),
            schedule => format!(" ({schedule})"),
        };
        write!(f, "Trainer of {:?}\n{steps}, lr {}{rate}, ", self.model, self.lr)?;
        write!(f, "average with {}, label dropout {}, seed {}", self.ema, self.label_dropout, self.seed)
    }
}

/// What the environment says of the number of steps.
fn limit() -> Option<String> {
    std::env::var("NOISEBOOK_STEPS").ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Prediction, Schedule, UNet};

    fn model(classes: Option<i64>, size: i64) -> Diffusion {
        let builder = UNet::builder().channels(1).image_size(size).base_channels(8).channel_mults([1]).blocks(1);
        let builder = if let Some(classes) = classes { builder.classes(classes) } else { builder };
        Diffusion::new(&builder.build().unwrap(), &Schedule::cosine(100).unwrap(), Prediction::V).unwrap()
    }

    #[test]
    fn the_environment_may_shorten_a_run() {
        let steps = |limit| Trainer::new(&model(None, 8)).steps(500).at_most(limit).map(|trainer| trainer.planned());
        assert_eq!(steps(None).unwrap(), 500);
        assert_eq!(steps(Some("")).unwrap(), 500);
        assert_eq!(steps(Some("50")).unwrap(), 50);
        assert_eq!(steps(Some("1000")).unwrap(), 500);
        // What has no end keeps none.
        assert_eq!(Trainer::new(&model(None, 8)).at_most(Some("50")).unwrap().steps, None);
        for bad in ["0", "-1", "few"] {
            let said = format!("NOISEBOOK_STEPS = {bad}: must be a whole number of at least 1");
            assert_eq!(steps(Some(bad)).unwrap_err().to_string(), said);
        }
    }

    #[test]
    fn its_debug_is_two_lines() {
        let trainer = Trainer::new(&model(None, 8)).batch_size(16).lr(2e-3);
        let (model, rest) = (format!("Trainer of {:?}", trainer.model), "label dropout 0.1, seed 0");
        let average = "average with decay 0.995, warmed up";
        assert_eq!(
            format!("{trainer:?}"),
            format!("{model}\nsteps of 16, their number unset, lr 0.002, {average}, {rest}")
        );
        let trainer = trainer.steps(1_500).lr_schedule(LearningRate::OneCycle);
        let rate = "lr 0.002 (one cycle)";
        assert_eq!(format!("{trainer:?}"), format!("{model}\n1,500 steps of 16, {rate}, {average}, {rest}"));
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let digits = Dataset::digits().unwrap();
        let trainer = || Trainer::new(&model(Some(10), 8));
        let said = |trainer: Trainer| trainer.fit(&digits).map(|_| ()).unwrap_err().to_string();
        assert_eq!(said(trainer().steps(0)), "steps = 0: take at least 1 step");
        assert_eq!(said(trainer().batch_size(2_000)), "batch_size = 2000: digits holds 1797 images");
        assert_eq!(said(trainer().batch_size(0)), "batch_size = 0: must be at least 1");
        let (few, _) = Dataset::digits().unwrap().split(0.02, 0).unwrap();
        let error = Trainer::new(&model(None, 8)).fit(&few).unwrap_err().to_string();
        let rule = "the default, and digits (2%) holds 36 images: take fewer, such as .batch_size(16)";
        assert_eq!(error, format!("batch_size = 64: {rule}"));
        assert_eq!(said(trainer().lr(0.0)), "lr = 0: must be a finite number above 0");
        assert_eq!(said(trainer().ema(1.0)), "ema = 1: must lie in [0, 1)");
        assert_eq!(said(trainer().label_dropout(1.1)), "label_dropout = 1.1: must lie in [0, 1]");
        assert_eq!(said(trainer().clip_norm(f64::NAN)), "clip_norm = NaN: must be above 0");
        assert_eq!(said(trainer().weight_decay(-1.0)), "weight_decay = -1: must be a finite number of at least 0");
        assert_eq!(said(trainer().accumulate(65)), "accumulate = 65: a batch of 64 has 1 to 64 parts");
        assert_eq!(said(trainer().accumulate(0)), "accumulate = 0: a batch of 64 has 1 to 64 parts");
        assert_eq!(said(trainer().validate_every(0)), "validate_every = 0: must be at least 1");
        assert_eq!(said(trainer().keep_every(0)), "keep_every = 0: must be at least 1");
        assert_eq!(
            said(trainer().validate_every(10)),
            "validate_every = 10: there is nothing to validate on: add .validate(&data)"
        );
        let no_folder = "there is no folder to save to: add .checkpoints(folder)";
        assert_eq!(said(trainer().checkpoint_every(5)), format!("checkpoint_every = 5: {no_folder}"));
        assert_eq!(said(trainer().keep_every(7)), format!("keep_every = 7: {no_folder}"));
        let said = trainer().steps(0).iter(&digits).map(|_| ()).unwrap_err().to_string();
        assert_eq!(said, "steps = 0: take at least 1 step");
        let said = |trainer: Trainer| trainer.fit(&digits).map(|_| ()).unwrap_err().to_string();
        assert_eq!(
            said(trainer().validate(&Dataset::moons(9, 0.1).unwrap())),
            "validation data = [2]: this model takes samples of 1 x 8 x 8"
        );
        assert_eq!(
            said(trainer().steps(5).lr_schedule(LearningRate::WarmUp { steps: 5 })),
            "warm_up = 5: a warm-up is shorter than the training of 5 steps"
        );
        assert_eq!(
            said(Trainer::new(&model(Some(9), 8))),
            "label = 9: the network's classes are 0 to 8, and -1 is no label"
        );
        assert_eq!(
            said(Trainer::new(&model(None, 16))),
            "data set = [1, 8, 8]: this model takes samples of 1 x 16 x 16"
        );
    }
}
