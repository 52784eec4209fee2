//! What a run says about itself.

use super::by_level::LossByLevel;
use super::checkpoint;
use super::record::Timing;
use super::run::Run;
use super::stopped::Stopped;
use crate::diffusion::Diffusion;
use crate::{Error, Result};

impl Run {
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

    /// Why training stopped by itself, if it did; an interrupt is none of it.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// # let run = Trainer::new(&model).steps(1).batch_size(8).fit(&Dataset::digits()?)?;
    /// assert!(run.stopped().is_none()); // all went well
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn stopped(&self) -> Option<Stopped> {
        self.stopped.clone()
    }

    /// What of its checkpoints or logs could not be written, the last time that it was tried: a full disk, say. Training goes on
    /// all the same.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// # let run = Trainer::new(&model).steps(1).batch_size(8).fit(&Dataset::digits()?)?;
    /// assert!(run.unsaved().is_none());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn unsaved(&self) -> Option<String> {
        self.record.unsaved.clone()
    }

    /// After how many steps the losses of [`validation_losses`](Self::validation_losses) were measured.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let (train, test) = Dataset::digits()?.split(0.9, 0)?;
    /// let run = Trainer::new(&model).steps(4).batch_size(8).validate(&test).validate_every(2).fit(&train)?;
    /// assert_eq!(run.validation_steps(), [2, 4]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn validation_steps(&self) -> Vec<usize> {
        self.record.validations.iter().map(|validated| validated.step).collect()
    }

    /// The losses of the trained weights on the validation data.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let (train, test) = Dataset::digits()?.split(0.9, 0)?;
    /// let run = Trainer::new(&model).steps(4).batch_size(8).validate(&test).validate_every(2).fit(&train)?;
    /// assert!(run.validation_losses()[1] > 0.0);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn validation_losses(&self) -> Vec<f64> {
        self.record.validations.iter().map(|validated| validated.loss).collect()
    }

    /// The losses of the averaged weights on the validation data.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let (train, test) = Dataset::digits()?.split(0.9, 0)?;
    /// let run = Trainer::new(&model).steps(4).batch_size(8).validate(&test).validate_every(2).fit(&train)?;
    /// assert_ne!(run.ema_validation_losses(), run.validation_losses());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn ema_validation_losses(&self) -> Vec<f64> {
        self.record.validations.iter().map(|validated| validated.averaged).collect()
    }

    /// Where the time of a step went, in the mean of the steps that this process made; validation and samples on the way are
    /// shared out among all steps.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// # let run = Trainer::new(&model).steps(1).batch_size(8).fit(&Dataset::digits()?)?;
    /// println!("{}", run.timing()); // data 0.3 ms, forward 4.1 ms, backward 7.7 ms, optimizer 0.2 ms, samples 65.0 ms
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn timing(&self) -> Timing {
        self.record.timing.share(self.record.done() - self.record.resumed)
    }

    /// The loss of the ideal denoiser of the training set, at the levels of training: no network has less on this data in the
    /// long run, and one that is near it has learned the data by heart. `None` where it cannot be computed in a moment (data of
    /// more than 2,000,000 numbers) or at all (a model with a source).
    ///
    /// # Errors
    /// What libtorch says when there is no memory left.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// # let run = Trainer::new(&model).steps(1).batch_size(8).fit(&Dataset::digits()?)?;
    /// assert!(run.ideal_loss()?.unwrap() < run.losses()[0]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn ideal_loss(&self) -> Result<Option<f64>> {
        self.floor_of(&self.record)
    }

    /// The loss of the averaged weights by level: in 20 equal parts of t, on the training data, on the validation data, and of
    /// the ideal denoiser.
    ///
    /// # Errors
    /// What libtorch says when there is no memory left.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// # let run = Trainer::new(&model).steps(1).batch_size(8).fit(&Dataset::digits()?)?;
    /// run.loss_by_level()?.show()?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn loss_by_level(&self) -> Result<LossByLevel> {
        LossByLevel::of(&self.measure(&self.dataset), self.trainer.validation.as_ref())
    }

    /// A model with the averaged weights that had the least validation loss, from the run's checkpoints.
    ///
    /// # Errors
    /// A run without checkpoints or validation data; a file that is gone.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let folder = std::env::temp_dir().join(format!("noisebook-best-{}", std::process::id()));
    /// let (train, test) = Dataset::digits()?.split(0.9, 0)?;
    /// let run = Trainer::new(&model).steps(2).batch_size(8).validate(&test).checkpoints(&folder).fit(&train)?;
    /// let samples = Sampler::ddim(5).count(4).sample(&run.best()?)?;
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn best(&self) -> Result<Diffusion> {
        match (&self.trainer.checkpoints, &self.trainer.validation) {
            (Some((folder, _)), Some(_)) => checkpoint::best(folder, &self.model),
            _ => {
                let rule = "the best is known to a trainer with .checkpoints(..) and .validate(..)";
                Err(Error::argument("best", "none", rule))
            }
        }
    }
}
