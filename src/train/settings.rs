//! How training steps.

use super::ema::Ema;
use super::rate::LearningRate;
use super::trainer::Trainer;
use crate::accel::Precision;

impl Trainer {
    /// Steps in all, at least 1; of a resumed run, with those before. Unset, [`fit`](Self::fit) takes 1,000, and
    /// [`iter`](Self::iter) goes on for ever.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let run = Trainer::new(&model).steps(2).batch_size(8).fit(&Dataset::digits()?)?;
    /// assert_eq!(run.losses().len(), 2);
    /// assert_eq!(Trainer::new(&model).steps(2).batch_size(8).iter(&Dataset::digits()?)?.count(), 2);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn steps(mut self, steps: usize) -> Self {
        self.steps = Some(steps);
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

    /// How the averaged weights follow: a decay in [0, 1) (default 0.995), which is warmed up, or another [`Ema`].
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let trainer = Trainer::new(&model).ema(0.9999); // the mean of some 10,000 steps, for long runs
    /// let trainer = Trainer::new(&model).ema(Ema::power(0.1)); // of the last part of a run of any length
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn ema(mut self, ema: impl Into<Ema>) -> Self {
        self.ema = ema.into();
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

    /// How the learning rate runs through the steps (default [`LearningRate::Constant`]).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let trainer = Trainer::new(&model).lr(2e-3).lr_schedule(LearningRate::OneCycle);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn lr_schedule(mut self, schedule: LearningRate) -> Self {
        self.lr_schedule = schedule;
        self
    }

    /// In how many parts a batch goes through the network, from 1 to its size (default 1). The step is the same up to rounding:
    /// the parts see the same images, levels and noise (dropout, where there is any, draws for each part). It takes as many
    /// times less memory.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let trainer = Trainer::new(&model).batch_size(128).accumulate(4); // 32 images at a time
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn accumulate(mut self, parts: usize) -> Self {
        self.accumulate = parts;
        self
    }

    /// In which numbers the network computes (default [`Precision::Float32`]).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let trainer = Trainer::new(&model).precision(Precision::BFloat16); // half the memory, and faster on a GPU
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Whether [`fit`](Self::fit) draws a picture that moves, or in a terminal a line (default true). In a loop of many
    /// trainings each would leave its own. The [`Run`](super::Run) draws itself all the same, and says alone why a training that
    /// stopped did so.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let trainer = Trainer::new(&model).live(false);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn live(mut self, live: bool) -> Self {
        self.live = live;
        self
    }
}
