//! Networks: what learns to predict.

mod article;
mod article_builder;
mod article_layers;
mod checks;
mod condition;
#[cfg_attr(not(test), allow(dead_code))]
pub(crate) mod file;
mod layers;
mod mlp;
mod mlp_builder;
mod parameters;
mod summary;
mod time;
mod unet;
mod unet_blocks;
mod unet_builder;
mod unet_layers;

pub use article::ArticleUNet;
pub use article_builder::ArticleUNetBuilder;
pub use mlp::Mlp;
pub use mlp_builder::MlpBuilder;
pub use parameters::Parameters;
pub use unet::UNet;
pub use unet_builder::UNetBuilder;

use crate::Result;
use crate::schedule::Levels;
use std::rc::Rc;
use tch::{Device, Tensor};

/// A network that [`Diffusion`](crate::Diffusion) can train: noised images and their levels in, a prediction out.
///
/// A network is shared: a clone, and a trainer, point at the same weights.
///
/// ```
/// # use noisebook::prelude::*;
/// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
/// let network: &dyn Network = &unet;
/// println!("{} numbers on {:?}", network.parameter_count(), network.device());
/// # Ok::<(), noisebook::Error>(())
/// ```
pub trait Network: std::fmt::Debug {
    /// The prediction for noised samples `x` (N x the shape of one sample, taken as float32), one level a sample, and labels
    /// (N, int64; -1 is no label), of the shape of `x`.
    ///
    /// # Errors
    /// Shapes or labels that the network was not built for.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// let levels = Levels::new(&Schedule::cosine(100)?, [0, 99])?;
    /// let out = unet.forward(&Tensor::zeros([2, 1, 8, 8], (Kind::Float, Device::Cpu)), &levels, None)?;
    /// assert_eq!(out, Tensor::zeros([2, 1, 8, 8], (Kind::Float, unet.device()))); // 0, until it is trained
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    fn forward(&self, x: &Tensor, levels: &Levels, labels: Option<&Tensor>) -> Result<Tensor>;

    /// The weights.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// let (name, weight) = unet.parameters().named().pop().unwrap();
    /// assert_eq!((name.as_str(), weight.size()), ("conv_out.bias", vec![1]));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    fn parameters(&self) -> &Parameters;

    /// The shape of one sample: channels, height, width of an image, or the dimension of a point.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// assert_eq!(unet.sample_shape(), [1, 8, 8]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    fn sample_shape(&self) -> Vec<i64>;

    /// How many classes the network knows, if it knows any.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).classes(10).build()?;
    /// assert_eq!(unet.classes(), Some(10));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    fn classes(&self) -> Option<i64>;

    /// A network with weights of its own, equal to these.
    ///
    /// # Errors
    /// What libtorch says when there is no memory left.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// let copy = unet.copy_network()?; // whatever kind of network it is
    /// assert_eq!(copy.parameters().named(), unet.parameters().named());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    fn copy_network(&self) -> Result<Rc<dyn Network>>;

    /// Where the weights are.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// assert_eq!(unet.device(), noisebook::device::best()); // unless the builder was told another
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    fn device(&self) -> Device {
        self.parameters().device()
    }

    /// How many numbers there are to learn.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let unet = UNet::builder().channels(1).image_size(8).base_channels(8).build()?;
    /// assert_eq!(unet.parameter_count(), unet.parameters().len());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    fn parameter_count(&self) -> usize {
        self.parameters().len()
    }
}
