//! Networks: what learns to predict.

mod article;
mod article_builder;
mod article_layers;
mod checks;
mod condition;
mod descriptions;
mod dropout;
pub(crate) mod file;
mod freeze;
mod image_size;
mod layer_times;
pub(crate) mod layers;
mod layout;
mod mlp;
mod mlp_builder;
mod parameters;
mod parameters_builder;
mod saved;
mod shared;
mod summary;
mod time;
mod time_features;
mod unet;
mod unet_blocks;
mod unet_builder;
mod unet_layers;

pub use article::ArticleUNet;
pub use article_builder::ArticleUNetBuilder;
pub(crate) use checks::check_input;
pub use image_size::ImageSize;
pub use layer_times::LayerTimes;
pub use mlp::Mlp;
pub use mlp_builder::MlpBuilder;
pub use parameters::Parameters;
pub use parameters_builder::ParametersBuilder;
pub(crate) use saved::{build, describe};
pub use time::TimeEmbedding;
pub use time_features::TimeFeatures;
pub use unet::UNet;
pub use unet_builder::UNetBuilder;

use crate::schedule::Levels;
use crate::{Error, Result};
use std::rc::Rc;
use tch::{Device, Tensor};

/// A network that [`Diffusion`](crate::Diffusion) can train: noised images and their levels in, a prediction out.
///
/// A network is shared: a clone, and a trainer, point at the same weights.
///
/// One of one's own keeps its weights in [`Parameters`], and tells how it predicts:
///
/// ```
/// use noisebook::net::Parameters;
/// use noisebook::prelude::*;
/// use std::rc::Rc;
///
/// /// (a x + b)/(1 + t): a straight line.
/// #[derive(Clone, Debug)]
/// struct Line { slope: Rc<Tensor>, offset: Rc<Tensor>, parameters: Rc<Parameters> }
///
/// impl Line {
///     fn new(seed: u64) -> noisebook::Result<Self> {
///         let mut weights = Parameters::builder(seed);
///         let slope = Rc::new(weights.uniform("slope", &[2], 1.0)?);
///         let offset = Rc::new(weights.constant("offset", &[2], 0.0)?);
///         Ok(Self { slope, offset, parameters: Rc::new(weights.build(Device::Cpu)?) })
///     }
/// }
///
/// impl Network for Line {
///     fn forward(&self, x: &Tensor, levels: &Levels, _: Option<&Tensor>) -> noisebook::Result<Tensor> {
///         let times = Tensor::from_slice(&levels.times()).view([-1, 1]).to_kind(Kind::Float).to_device(x.device());
///         Ok((x * &*self.slope + &*self.offset) / (times + 1.0))
///     }
///     fn parameters(&self) -> &Parameters { &self.parameters }
///     fn sample_shape(&self) -> Vec<i64> { vec![2] }
///     fn classes(&self) -> Option<i64> { None }
///     fn copy_network(&self) -> noisebook::Result<Rc<dyn Network>> {
///         let copy = Self::new(0)?;
///         copy.parameters.copy_from(&self.parameters)?;
///         Ok(Rc::new(copy))
///     }
/// }
///
/// let model = Diffusion::new(&Line::new(0)?, &Schedule::flow(1_000)?, Prediction::Flow)?;
/// let run = Trainer::new(&model).steps(2).fit(&Dataset::moons(200, 0.05)?)?;
/// # Ok::<(), noisebook::Error>(())
/// ```
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

    /// The prediction for a step of training: as [`forward`](Self::forward), but that a network with dropout drops, by draws
    /// that depend on the seed and the step alone.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let mlp = Mlp::builder().device(Device::Cpu).build()?; // has no dropout
    /// let (x, levels) = (Tensor::ones([1, 2], (Kind::Float, Device::Cpu)), Levels::at(&Schedule::cosine(10)?, 0.5, 1)?);
    /// assert_eq!(mlp.forward_training(&x, &levels, None, 0, 7)?, mlp.forward(&x, &levels, None)?);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    fn forward_training(
        &self,
        x: &Tensor,
        levels: &Levels,
        labels: Option<&Tensor>,
        seed: u64,
        step: u64,
    ) -> Result<Tensor> {
        let _ = (seed, step);
        self.forward(x, levels, labels)
    }

    /// The share of its numbers that training leaves out at random: 0 where the network has no dropout.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let mlp = Mlp::builder().dropout(0.1).build()?;
    /// assert_eq!(Network::dropout(&mlp), 0.1);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    fn dropout(&self) -> f64 {
        0.0
    }

    /// All that [`forward`](Self::forward) takes from the levels, on the network's device: N x so many numbers. `None`, the
    /// default, for a network that looks at its levels itself.
    ///
    /// With it a GPU can record the network's pass once, as a CUDA graph, and launch it as a whole
    /// ([`cuda_graphs`](crate::accel::cuda_graphs)).
    ///
    /// # Errors
    /// What libtorch says when there is no memory left.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let levels = Levels::new(&Schedule::linear(1_000)?, [0, 999])?;
    /// let waves = UNet::article().image_size(8).build()?.encode(&levels)?.unwrap();
    /// assert_eq!(waves.size(), [2, 256]); // sines and cosines of the level's index
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    fn encode(&self, levels: &Levels) -> Result<Option<Tensor>> {
        let _ = levels;
        Ok(None)
    }

    /// [`forward`](Self::forward) for levels that [`encode`](Self::encode) made of, `x` and labels that were checked and lie on
    /// the network's device: nothing but operations on that device, none of which the host waits for.
    ///
    /// # Errors
    /// A network that encodes nothing.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let unet = UNet::article().image_size(8).device(Device::Cpu).build()?;
    /// let (x, levels) = (Tensor::ones([1, 3, 8, 8], (Kind::Float, Device::Cpu)), Levels::at(&Schedule::cosine(10)?, 0.5, 1)?);
    /// let waves = unet.encode(&levels)?.unwrap();
    /// assert_eq!(unet.forward_encoded(&x, &waves, None)?, unet.forward(&x, &levels, None)?);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    fn forward_encoded(&self, x: &Tensor, levels: &Tensor, labels: Option<&Tensor>) -> Result<Tensor> {
        let _ = (x, labels);
        Err(Error::argument("levels", format!("{:?}", levels.size()), "this network looks at its levels itself"))
    }

    /// What the network is, as a JSON object with a `kind`: its file holds it. Empty for one that a file cannot tell how to
    /// make.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let mlp = Mlp::builder().hidden(16).build()?;
    /// assert!(mlp.description().starts_with(r#"{"kind":"Mlp","dims":2,"hidden":16,"layers":3,"dropout":0.0,"#));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    fn description(&self) -> String {
        String::new()
    }

    /// Lets training leave the weights of these parts as they are: all whose names begin so, until they are
    /// [unfrozen](Self::unfreeze).
    ///
    /// # Errors
    /// A part that the network has not.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let unet = UNet::builder().channels(1).image_size(8).base_channels(8).build()?;
    /// unet.freeze(&["conv_in", "down"])?; // the way up and the middle go on learning
    /// assert!(unet.parameters().trainable() < unet.parameter_count());
    /// assert_eq!(unet.freeze(&["dawn"]).unwrap_err().to_string()[..11], *"part = dawn");
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    fn freeze(&self, parts: &[&str]) -> Result<()> {
        self.parameters().set_frozen(parts, true)
    }

    /// Lets training change the weights of these parts again.
    ///
    /// # Errors
    /// A part that the network has not.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let mlp = Mlp::builder().build()?;
    /// mlp.freeze(&["first", "blocks"])?;
    /// mlp.unfreeze(&["blocks.0"])?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    fn unfreeze(&self, parts: &[&str]) -> Result<()> {
        self.parameters().set_frozen(parts, false)
    }
}
