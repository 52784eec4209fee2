//! How training is described and checked.

use super::run::Run;
use super::steps::TrainSteps;
use crate::data::{Dataset, check_batch_size};
use crate::diffusion::Diffusion;
use crate::show::sides;
use crate::{Error, Result};

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
#[derive(Clone, Debug)]
pub struct Trainer {
    pub(super) model: Diffusion,
    pub(super) steps: usize,
    pub(super) batch_size: usize,
    pub(super) lr: f64,
    pub(super) weight_decay: f64,
    pub(super) clip_norm: f64,
    pub(super) ema: f64,
    pub(super) label_dropout: f64,
    pub(super) seed: u64,
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
            steps: 1_000,
            batch_size: 64,
            lr: 1e-3,
            weight_decay: 0.0,
            clip_norm: 1.0,
            ema: 0.995,
            label_dropout: 0.1,
            seed: 0,
        }
    }

    /// Steps of [`fit`](Self::fit), at least 1 (default 1,000); [`iter`](Self::iter) goes on for ever.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let run = Trainer::new(&model).steps(2).batch_size(8).fit(&Dataset::digits()?)?;
    /// assert_eq!(run.losses().len(), 2);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn steps(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }

    /// Images a step, from 1 to what the data set holds (default 64).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let trainer = Trainer::new(&model).batch_size(128); // as Ho et al. 2020
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn batch_size(mut self, size: usize) -> Self {
        self.batch_size = size;
        self
    }

    /// The learning rate of AdamW, above 0 (default 1e-3).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let trainer = Trainer::new(&model).lr(2e-4); // as Ho et al. 2020 for 32 x 32 pixels
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn lr(mut self, lr: f64) -> Self {
        self.lr = lr;
        self
    }

    /// The weight decay of AdamW, at least 0 (default 0): w = (1 - lr decay) w at every step, apart from the gradient
    /// (Loshchilov & Hutter 2019, algorithm 2).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let trainer = Trainer::new(&model).weight_decay(0.01); // weights shrink by lr x 0.01 of themselves a step
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn weight_decay(mut self, decay: f64) -> Self {
        self.weight_decay = decay;
        self
    }

    /// A gradient whose norm, over all weights together, is more than this is shortened to it (above 0, default 1;
    /// infinity turns it off).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let trainer = Trainer::new(&model).clip_norm(f64::INFINITY); // gradients as they are
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn clip_norm(mut self, norm: f64) -> Self {
        self.clip_norm = norm;
        self
    }

    /// The decay of the exponential moving average of the weights, in [0, 1) (default 0.995): e = d e + (1 - d) w after
    /// every step. In the first steps, k = 0, 1, .., the decay is at most (1 + k)/(10 + k), so that the average forgets
    /// where it began.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let trainer = Trainer::new(&model).ema(0.9999); // the mean of some 10,000 steps, for long runs
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn ema(mut self, decay: f64) -> Self {
        self.ema = decay;
        self
    }

    /// The chance that an image's label is hidden from the network, each image for itself, in [0, 1] (default 0.1): so
    /// the same network learns to do without, which guidance needs (Ho & Salimans 2022, algorithm 1).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).classes(10).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let trainer = Trainer::new(&model).label_dropout(0.2); // one image in five teaches the null label
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn label_dropout(mut self, chance: f64) -> Self {
        self.label_dropout = chance;
        self
    }

    /// The seed of batches, levels, noise and dropped labels (default 0).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// # let digits = Dataset::digits()?;
    /// let first = |seed| Trainer::new(&model).batch_size(8).seed(seed).iter(&digits)?.next().unwrap();
    /// assert_ne!(first(1)?.images, first(2)?.images); // another batch
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Training to be taken one step at a time, without end.
    ///
    /// # Errors
    /// Numbers outside their ranges; a data set that is smaller than a batch or whose images the model does not take.
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
        TrainSteps::new(self.clone(), dataset.clone())
    }

    /// Takes all steps, with a live figure of the loss and of samples. An interrupt ends it at the next step, and the
    /// run holds what was done.
    ///
    /// # Errors
    /// As [`iter`](Self::iter), and 0 steps; a loss that is no longer finite ends training before it touches the weights.
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
        if self.steps == 0 {
            return Err(Error::argument("steps", 0, "take at least 1 step"));
        }
        Run::fit(self.iter(dataset)?, self.model.clone(), self.steps, self.seed)
    }

    fn check(&self, dataset: &Dataset) -> Result<()> {
        self.model.check()?;
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
            ("ema", self.ema, (0.0..1.0).contains(&self.ema), "must lie in [0, 1)"),
            ("label_dropout", self.label_dropout, (0.0..=1.0).contains(&self.label_dropout), "must lie in [0, 1]"),
        ];
        for (name, value, holds, rule) in rules {
            if !holds {
                return Err(Error::argument(name, value, rule));
            }
        }
        let (images, network) = (dataset.shape(), self.model.network());
        if images[1..] != network.sample_shape() {
            let rule = format!("this model takes samples of {}", sides(&network.sample_shape()));
            return Err(Error::argument("data set", format!("{:?}", &images[1..]), rule));
        }
        match network.classes() {
            Some(classes) => crate::labels::check(&dataset.labels(), images[0], classes),
            None => Ok(()),
        }
    }
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
    fn refusals_name_argument_value_and_rule() {
        let digits = Dataset::digits().unwrap();
        let trainer = || Trainer::new(&model(Some(10), 8));
        let said = |trainer: Trainer| trainer.fit(&digits).map(|_| ()).unwrap_err().to_string();
        assert_eq!(said(trainer().steps(0)), "steps = 0: take at least 1 step");
        assert_eq!(said(trainer().batch_size(2_000)), "batch_size = 2000: digits holds 1797 images");
        assert_eq!(said(trainer().batch_size(0)), "batch_size = 0: must be at least 1");
        assert_eq!(said(trainer().lr(0.0)), "lr = 0: must be a finite number above 0");
        assert_eq!(said(trainer().ema(1.0)), "ema = 1: must lie in [0, 1)");
        assert_eq!(said(trainer().label_dropout(1.1)), "label_dropout = 1.1: must lie in [0, 1]");
        assert_eq!(said(trainer().clip_norm(f64::NAN)), "clip_norm = NaN: must be above 0");
        assert_eq!(said(trainer().weight_decay(-1.0)), "weight_decay = -1: must be a finite number of at least 0");
        assert_eq!(said(Trainer::new(&model(Some(9), 8))), "label = 9: the classes are 0 to 8, and -1 is no label");
        assert_eq!(
            said(Trainer::new(&model(None, 16))),
            "data set = [1, 8, 8]: this model takes samples of 1 x 16 x 16"
        );
    }
}
