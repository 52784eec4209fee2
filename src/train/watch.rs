//! What training looks at, and writes down, on its way.

use super::trainer::Trainer;
use crate::data::Dataset;
use std::path::PathBuf;

impl Trainer {
    /// Measures the loss on data that training does not see, as it goes on: with trained and with averaged weights, always on the
    /// same (up to 2,048) samples at the same levels with the same noise, all labels shown.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let (train, test) = Dataset::digits()?.split(0.9, 0)?;
    /// let run = Trainer::new(&model).steps(4).batch_size(8).validate(&test).validate_every(2).fit(&train)?;
    /// assert_eq!(run.validation_losses().len(), 2);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn validate(mut self, data: &Dataset) -> Self {
        self.validation = Some(data.clone());
        self
    }

    /// Steps between validations, at least 1 (by default there are 20 in all); it needs [`validate`](Self::validate).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let (train, test) = Dataset::digits()?.split(0.9, 0)?;
    /// let trainer = Trainer::new(&model).validate(&test).validate_every(500);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn validate_every(mut self, steps: usize) -> Self {
        self.validate_every = Some(steps);
        self
    }

    /// Steps between the samples that [`fit`](Self::fit) draws of averaged and of trained weights; 0 draws none (by default it
    /// draws five times in all). They cost as much as [`Run::timing`](super::Run::timing) says.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let run = Trainer::new(&model).steps(4).batch_size(8).sample_every(2).fit(&Dataset::digits()?)?;
    /// run.show()?; // a row of samples after 2 and after 4 steps
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn sample_every(mut self, steps: usize) -> Self {
        self.sample_every = Some(steps);
        self
    }

    /// Writes all that training needs to go on into a folder: `last.safetensors` every so often, `best.safetensors` whenever the
    /// averaged weights have the least validation loss, those that [`keep_every`](Self::keep_every) asks for, and `run.json`, which
    /// says what the run is and how far the last checkpoint is. A file is whole or it is not there, whatever happens to the process. A folder that holds a run is
    /// refused: see [`resume`](Self::resume).
    ///
    /// PyTorch opens them with `safetensors.torch.load_file`: `model.*` are the weights, `ema.*` the averaged ones,
    /// `optimizer.exp_avg.*` and `optimizer.exp_avg_sq.*` the optimizer's moments, `record.*` what was measured.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let folder = std::env::temp_dir().join(format!("noisebook-checkpoints-{}", std::process::id()));
    /// let run = Trainer::new(&model).steps(2).batch_size(8).checkpoints(&folder).fit(&Dataset::digits()?)?;
    /// assert!(folder.join("last.safetensors").exists());
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn checkpoints(mut self, folder: impl Into<PathBuf>) -> Self {
        self.checkpoints = Some((folder.into(), false));
        self
    }

    /// Goes on from the last checkpoint in a folder, bit for bit as if nothing had happened (on a CPU), and writes the next ones
    /// there. A folder without a checkpoint begins a run: a program that is started again whenever it dies needs this alone.
    ///
    /// Network, schedule, prediction, data set, batch size and seed must be those that the run was begun with; the others may
    /// change.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let folder = std::env::temp_dir().join(format!("noisebook-resume-{}", std::process::id()));
    /// let trainer = Trainer::new(&model).batch_size(8).resume(&folder);
    /// trainer.clone().steps(2).fit(&Dataset::digits()?)?; // begins
    /// let run = trainer.steps(4).fit(&Dataset::digits()?)?; // goes on
    /// assert_eq!(run.losses().len(), 4);
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn resume(mut self, folder: impl Into<PathBuf>) -> Self {
        self.checkpoints = Some((folder.into(), true));
        self
    }

    /// Steps between checkpoints, at least 1 (by default there are 10 in all); one is written at the end and at an interrupt
    /// anyway. It needs [`checkpoints`](Self::checkpoints) or [`resume`](Self::resume).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let trainer = Trainer::new(&model).checkpoints("runs/a").checkpoint_every(500);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn checkpoint_every(mut self, steps: usize) -> Self {
        self.checkpoint_every = Some(steps);
        self
    }

    /// Steps between checkpoints that are never replaced, `step-00005000.safetensors`, at least 1 (by default there are none).
    /// It needs [`checkpoints`](Self::checkpoints) or [`resume`](Self::resume).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let trainer = Trainer::new(&model).checkpoints("runs/a").keep_every(5_000);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn keep_every(mut self, steps: usize) -> Self {
        self.keep_every = Some(steps);
        self
    }

    /// Writes a folder of logs: `log.jsonl`, a line of JSON for each step and each validation, and an event file for TensorBoard
    /// (`tensorboard --logdir runs`) with losses, rate, gradient norm, samples, and histograms of the weights. What a resumed run
    /// says of a step replaces what was said before: in `log.jsonl`, the later line holds.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let folder = std::env::temp_dir().join(format!("noisebook-logs-{}", std::process::id()));
    /// let run = Trainer::new(&model).steps(2).batch_size(8).log_to(&folder).fit(&Dataset::digits()?)?;
    /// let lines = std::fs::read_to_string(folder.join("log.jsonl")).unwrap();
    /// assert!(lines.starts_with("{\"step\":1,"));
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn log_to(mut self, folder: impl Into<PathBuf>) -> Self {
        self.log_to = Some(folder.into());
        self
    }

    pub(super) fn validation_period(&self) -> usize {
        self.validate_every.unwrap_or(self.planned() / 20).max(1)
    }

    pub(super) fn checkpoint_period(&self) -> usize {
        self.checkpoint_every.unwrap_or(self.planned() / 10).max(1)
    }
}
