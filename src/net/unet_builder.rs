//! How a U-Net is described and checked.

use super::checks::{check_sizes, check_training};
use super::image_size::ImageSize;
use super::time::TimeEmbedding;
use super::unet::UNet;
use crate::{Error, Result};
use tch::Device;

/// The description of a [`UNet`]; [`UNet::builder`] starts one.
///
/// Setters never fail: [`build`](Self::build) checks the whole.
///
/// ```
/// # use noisebook::prelude::*;
/// let small = UNet::builder().channels(1).image_size(8).base_channels(8);
/// let (a, b) = (small.clone().seed(1).build()?, small.blocks(1).build()?);
/// assert!(a.parameter_count() > b.parameter_count());
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct UNetBuilder {
    pub(super) channels: i64,
    pub(super) image_size: ImageSize,
    pub(super) base_channels: i64,
    pub(super) channel_mults: Vec<i64>,
    pub(super) blocks: i64,
    pub(super) attention_at: Vec<i64>,
    pub(super) heads: i64,
    pub(super) groups: i64,
    pub(super) dropout: f64,
    pub(super) time_embedding: TimeEmbedding,
    pub(super) classes: Option<i64>,
    pub(super) seed: u64,
    pub(super) channels_last: bool,
    pub(super) device: Option<Device>,
}

impl Default for UNetBuilder {
    fn default() -> Self {
        Self {
            channels: 3,
            image_size: ImageSize::from(32),
            base_channels: 64,
            channel_mults: vec![1, 2, 2],
            blocks: 2,
            attention_at: Vec::new(),
            heads: 1,
            groups: 8,
            dropout: 0.0,
            time_embedding: TimeEmbedding::Sinusoidal,
            classes: None,
            seed: 0,
            channels_last: false,
            device: None,
        }
    }
}

impl UNetBuilder {
    /// Channels of an image: 1 for grey (default 3).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let grey = UNet::builder().channels(1).image_size(8).base_channels(8).build()?;
    /// assert_eq!(grey.sample_shape(), [1, 8, 8]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn channels(mut self, channels: i64) -> Self {
        self.channels = channels;
        self
    }

    /// Height and width of an image in pixels, as `(16, 24)`, or one number for a square (default 32). It halves once for
    /// every channel multiplier after the first, an odd side rounded up; the way up returns to the sizes of the way down.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let unet = UNet::builder().image_size(28).base_channels(8).channel_mults([1, 2, 2]).build()?; // 28, 14, 7
    /// assert_eq!(unet.sample_shape(), [3, 28, 28]);
    /// let wide = UNet::builder().image_size((16, 24)).base_channels(8).build()?; // a pair: 16 x 24, 8 x 12, 4 x 6
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn image_size(mut self, size: impl Into<ImageSize>) -> Self {
        self.image_size = size.into();
        self
    }

    /// Channels at full resolution (default 64), even and a multiple of the groups.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let weights = |base| Ok::<_, noisebook::Error>(UNet::builder().base_channels(base).build()?.parameter_count());
    /// assert!(weights(16)? > 3 * weights(8)?); // twice the width has about four times the weights
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn base_channels(mut self, channels: i64) -> Self {
        self.base_channels = channels;
        self
    }

    /// One number a resolution, from full to coarsest: its channels are `base_channels` times that (default 1, 2, 2). The
    /// image halves between one and the next, down to a pixel at most: 8 x 8 pixels take 4 numbers.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let unet = UNet::builder().base_channels(16).channel_mults([1, 2, 4]); // 16, 32 and 64 channels
    /// ```
    #[must_use]
    pub fn channel_mults(mut self, mults: impl Into<Vec<i64>>) -> Self {
        self.channel_mults = mults.into();
        self
    }

    /// Residual blocks a resolution on the way down (default 2); the way up has one more.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let shallow = UNet::builder().image_size(8).blocks(1); // the quickest
    /// ```
    #[must_use]
    pub fn blocks(mut self, blocks: i64) -> Self {
        self.blocks = blocks;
        self
    }

    /// The resolutions, by their height in pixels, at which attention follows each residual block (default none). The middle of the
    /// network always has it.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let unet = UNet::builder().image_size(32).channel_mults([1, 2, 2]).attention_at([16]); // of 32, 16 and 8
    /// ```
    #[must_use]
    pub fn attention_at(mut self, resolutions: impl Into<Vec<i64>>) -> Self {
        self.attention_at = resolutions.into();
        self
    }

    /// Attention heads (default 1); they divide the channels of every resolution among them.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let unet = UNet::builder().base_channels(32).channel_mults([1, 2]).heads(4); // of 8 channels, then of 16
    /// ```
    #[must_use]
    pub fn heads(mut self, heads: i64) -> Self {
        self.heads = heads;
        self
    }

    /// Groups of every group normalisation (default 8).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// assert!(UNet::builder().base_channels(12).build().is_err()); // 8 does not divide 12
    /// let unet = UNet::builder().base_channels(12).channel_mults([1]).groups(4).build()?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn groups(mut self, groups: i64) -> Self {
        self.groups = groups;
        self
    }

    /// The share of numbers that each residual block drops in training, from 0 (the default) to below 1 (Ho et al. 2020,
    /// appendix B: 0.1 for CIFAR-10). Sampling and [`forward`](super::Network::forward) drop nothing.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let unet = UNet::builder().image_size(8).base_channels(8).dropout(0.1).build()?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn dropout(mut self, share: f64) -> Self {
        self.dropout = share;
        self
    }

    /// How the network is told the time (default [`TimeEmbedding::Sinusoidal`]).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let unet = UNet::builder().base_channels(8).time_embedding(TimeEmbedding::Fourier { scale: 8.0 }).build()?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn time_embedding(mut self, embedding: TimeEmbedding) -> Self {
        self.time_embedding = embedding;
        self
    }

    /// Makes the network class-conditional. One more, null, label is learned for "no label".
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let unet = UNet::builder().image_size(8).base_channels(8).classes(10).build()?;
    /// assert_eq!(unet.classes(), Some(10)); // the labels 0 to 9
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn classes(mut self, classes: i64) -> Self {
        self.classes = Some(classes);
        self
    }

    /// The seed of the initial weights (default 0).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let make = |seed| UNet::builder().image_size(8).base_channels(8).seed(seed).build();
    /// assert_eq!(make(1)?.parameters().named(), make(1)?.parameters().named());
    /// assert_ne!(make(1)?.parameters().named(), make(2)?.parameters().named());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Whether the channels of a pixel lie side by side in memory, N x H x W x C, as convolutions on NVIDIA GPUs in half
    /// precision like it (default: no, which is faster on the CPUs that were measured). It changes no number but by rounding, and
    /// a saved network does not keep it: it is the machine's.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let unet = UNet::builder().channels_last(true);
    /// ```
    #[must_use]
    pub fn channels_last(mut self, yes: bool) -> Self {
        self.channels_last = yes;
        self
    }

    /// Where the weights live (default: the best device there is).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let unet = UNet::builder().image_size(8).base_channels(8).device(Device::Cpu).build()?;
    /// assert_eq!(unet.device(), Device::Cpu);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn device(mut self, device: Device) -> Self {
        self.device = Some(device);
        self
    }

    /// Checks the description and makes the network.
    ///
    /// # Errors
    /// Numbers below 1 or above 8,192, multipliers above 64 or more than 16 of them, or more than the image halves for, an odd
    /// number of base channels, channels that groups or heads do not divide, attention at a resolution that the network has not, dropout outside
    /// [0, 1), a scale of frequencies that is not positive, a GPU that is not there.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let error = UNet::builder().base_channels(20).build().unwrap_err();
    /// assert_eq!(error.to_string(), "base_channels = 20: must be a multiple of the 8 groups of its normalisation");
    /// ```
    pub fn build(self) -> Result<UNet> {
        self.check()?;
        UNet::from_valid(self)
    }

    /// The size at each resolution, from full to coarsest.
    pub(super) fn resolutions(&self) -> Vec<ImageSize> {
        std::iter::successors(Some(self.image_size), |size| Some(size.half())).take(self.channel_mults.len()).collect()
    }

    fn check(&self) -> Result<()> {
        check_sizes(&[
            ("channels", self.channels),
            ("image_size", self.image_size.height.min(self.image_size.width)),
            ("image_size", self.image_size.height.max(self.image_size.width)),
            ("base_channels", self.base_channels),
            ("blocks", self.blocks),
            ("heads", self.heads),
            ("groups", self.groups),
            ("classes", self.classes.unwrap_or(1)),
        ])?;
        let mults = &self.channel_mults;
        if mults.is_empty() || mults.len() > 16 || mults.iter().any(|mult| !(1..=64).contains(mult)) {
            let rule = "one number from 1 to 64 for each of 1 to 16 resolutions";
            return Err(Error::argument("channel_mults", format!("{mults:?}"), rule));
        }
        let most = self.image_size.halvings() + 1;
        if mults.len() > most {
            let rule = format!(
                "an image of {} takes at most {most}: it halves between one and the next, and a pixel has no half",
                self.image_size
            );
            return Err(Error::argument("channel_mults", format!("{mults:?}"), rule));
        }
        if self.base_channels % self.groups != 0 {
            let rule = format!("must be a multiple of the {} groups of its normalisation", self.groups);
            return Err(Error::argument("base_channels", self.base_channels, rule));
        }
        if self.base_channels % 2 != 0 {
            return Err(Error::argument(
                "base_channels",
                self.base_channels,
                "must be even, for its sines and cosines of time",
            ));
        }
        if let Some(mult) = mults.iter().find(|&mult| self.base_channels * mult % self.heads != 0) {
            let rule =
                format!("must divide every resolution's channels, and {} is among them", self.base_channels * mult);
            return Err(Error::argument("heads", self.heads, rule));
        }
        check_training(self.dropout, self.time_embedding)?;
        let resolutions: Vec<i64> = self.resolutions().into_iter().map(|size| size.height).collect();
        if let Some(wrong) = self.attention_at.iter().find(|at| !resolutions.contains(at)) {
            let rule = format!("this network works at the resolutions {resolutions:?}");
            return Err(Error::argument("attention_at", wrong, rule));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(builder: UNetBuilder) -> String {
        builder.build().unwrap_err().to_string()
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let builder = || UNet::builder().channels(1).image_size(8).base_channels(16);
        assert_eq!(refusal(builder().channels(0)), "channels = 0: must be at least 1");
        assert_eq!(refusal(builder().classes(0)), "classes = 0: must be at least 1");
        assert_eq!(refusal(builder().blocks(1 << 40)), "blocks = 1099511627776: must be at most 8192");
        assert_eq!(refusal(builder().image_size((8, 0))), "image_size = 0: must be at least 1");
        assert_eq!(
            refusal(builder().base_channels(20)),
            "base_channels = 20: must be a multiple of the 8 groups of its normalisation"
        );
        assert_eq!(
            refusal(builder().base_channels(9).groups(3)),
            "base_channels = 9: must be even, for its sines and cosines of time"
        );
        assert_eq!(
            refusal(builder().heads(3)),
            "heads = 3: must divide every resolution's channels, and 16 is among them"
        );
        assert_eq!(refusal(builder().dropout(1.0)), "dropout = 1: the share that is dropped lies from 0 to below 1");
        assert_eq!(
            refusal(builder().time_embedding(TimeEmbedding::Fourier { scale: 0.0 })),
            "scale = 0: the frequencies' deviation is a positive number"
        );
        assert_eq!(
            refusal(builder().attention_at([16])),
            "attention_at = 16: this network works at the resolutions [8, 4, 2]"
        );
        assert_eq!(
            refusal(builder().channel_mults([])),
            "channel_mults = []: one number from 1 to 64 for each of 1 to 16 resolutions"
        );
        let rule = "it halves between one and the next, and a pixel has no half";
        assert_eq!(
            refusal(builder().channel_mults([1, 1, 2, 2, 4])),
            format!("channel_mults = [1, 1, 2, 2, 4]: an image of 8 x 8 takes at most 4: {rule}")
        );
        assert!(builder().channel_mults([1, 1, 1, 1]).build().is_ok()); // 8, 4, 2, 1
        assert!(builder().image_size((1, 8)).channel_mults([1, 1, 1, 1]).build().is_ok()); // a row of pixels
        assert!(builder().image_size((2, 8)).channel_mults([1, 1, 1]).build().is_err());
    }
}
