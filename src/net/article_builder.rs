//! How the article's network is described and checked.

use super::article::ArticleUNet;
use super::checks::check_sizes;
use crate::{Error, Result};
use tch::Device;

/// The description of an [`ArticleUNet`]; [`UNet::article`](super::UNet::article) starts one.
///
/// Setters never fail: [`build`](Self::build) checks the whole.
///
/// ```
/// use noisebook::prelude::*;
/// let article = UNet::article().channels(1).classes(10).build()?;
/// assert_eq!(article.parameter_count(), 15_663_233);
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ArticleUNetBuilder {
    pub(super) channels: i64,
    pub(super) image_size: i64,
    pub(super) classes: Option<i64>,
    pub(super) seed: u64,
    pub(super) channels_last: bool,
    pub(super) device: Option<Device>,
}

impl Default for ArticleUNetBuilder {
    fn default() -> Self {
        Self { channels: 3, image_size: 32, classes: None, seed: 0, channels_last: false, device: None }
    }
}

impl ArticleUNetBuilder {
    /// Channels of an image: 1 for grey (default 3).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let grey = UNet::article().channels(1); // for 1 x 32 x 32
    /// ```
    #[must_use]
    pub fn channels(mut self, channels: i64) -> Self {
        self.channels = channels;
        self
    }

    /// Height and width of an image in pixels, a multiple of 8 (default 32; the article has 64). It changes no weight.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let large = UNet::article().image_size(64); // for 3 x 64 x 64
    /// ```
    #[must_use]
    pub fn image_size(mut self, pixels: i64) -> Self {
        self.image_size = pixels;
        self
    }

    /// Makes the network class-conditional. No label (-1) adds nothing to the encoding of time: there is no null label.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let ten = UNet::article().classes(10); // the labels 0 to 9
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
    /// let [first, second] = [0, 1].map(|seed| UNet::article().seed(seed));
    /// ```
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Whether the channels of a pixel lie side by side in memory, N x H x W x C, as convolutions on NVIDIA GPUs in half
    /// precision like it (default: no, which is faster on the CPUs that were measured). It changes no number but by rounding.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let article = UNet::article().channels_last(true);
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
    /// let article = UNet::article().device(Device::Cpu); // also where there is a GPU
    /// ```
    #[must_use]
    pub fn device(mut self, device: Device) -> Self {
        self.device = Some(device);
        self
    }

    /// Checks the description and makes the network.
    ///
    /// # Errors
    /// Numbers below 1 or above 8,192; a size that does not halve three times; a GPU that is not there.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let error = UNet::article().image_size(28).build().unwrap_err(); // MNIST's: pad it to 32
    /// assert_eq!(error.to_string(), "image_size = 28: this network halves the image 3 times, so it must be a multiple of 8; the next is 32");
    /// ```
    pub fn build(self) -> Result<ArticleUNet> {
        check_sizes(&[
            ("channels", self.channels),
            ("image_size", self.image_size),
            ("classes", self.classes.unwrap_or(1)),
        ])?;
        if self.image_size % 8 != 0 {
            let next = (self.image_size / 8 + 1) * 8;
            let rule =
                format!("this network halves the image 3 times, so it must be a multiple of 8; the next is {next}");
            return Err(Error::argument("image_size", self.image_size, rule));
        }
        ArticleUNet::from_valid(self)
    }
}

#[cfg(test)]
mod tests {
    use crate::UNet;

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let said = |builder: super::ArticleUNetBuilder| builder.build().unwrap_err().to_string();
        assert_eq!(said(UNet::article().channels(0)), "channels = 0: must be at least 1");
        assert_eq!(said(UNet::article().classes(0)), "classes = 0: must be at least 1");
        assert_eq!(said(UNet::article().image_size(1 << 20)), "image_size = 1048576: must be at most 8192");
        assert_eq!(
            said(UNet::article().image_size(28)),
            "image_size = 28: this network halves the image 3 times, so it must be a multiple of 8; the next is 32"
        );
    }
}
