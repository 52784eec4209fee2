//! The article's network, weight for weight: the U-Net of T. Capelle's Diffusion-Models-pytorch (2022, Apache-2.0).

use super::article_builder::ArticleUNetBuilder;
use super::article_layers::{DoubleConv, Down, EMBEDDING, SelfAttention, Up};
use super::checks::check_input;
use super::layer_times::{Clock, LayerTimes, title};
use super::layers::{Conv2d, Embedding};
use super::layout::channels_last;
use super::parameters::Parameters;
use super::parameters_builder::ParametersBuilder;
use super::saved;
use super::shared::{shared, told_by_inner};
use super::summary::Summary;
use super::time::sinusoidal;
use super::unet::input_of;
use super::{Network, UNet};
use crate::labels::classes_in_words;
use crate::schedule::Levels;
use crate::show::sides;
use crate::{Result, device};
use std::path::Path;
use std::rc::Rc;
use tch::{Kind, Tensor};

/// The U-Net of the article's code, exactly: three halvings, from 64 to 256 channels, attention after each; 15,664,515
/// parameters with 3 channels and 10 classes (T. Capelle, Diffusion-Models-pytorch, 2022).
///
/// It differs from [`UNet`]: it is told the level's index i, from 0, instead of 1000 t, by sines and cosines without a
/// layer of their own; normalises over whole images; attends at every resolution but the full one on the way down; has
/// no null label; and starts as PyTorch's layers do, so its first prediction is not 0. The weights are named as in the
/// PyTorch module's state dict.
///
/// A clone points at the same weights; [`copy`](Self::copy) makes new ones. As the value of a cell it draws its blocks.
///
/// ```
/// use noisebook::prelude::*;
/// let article = UNet::article().channels(3).classes(10).build()?;
/// assert_eq!(article.parameter_count(), 15_664_515);
/// let x = Tensor::zeros([2, 3, 32, 32], (Kind::Float, article.device()));
/// let levels = Levels::new(&Schedule::linear(1_000)?, [0, 999])?;
/// assert_eq!(article.forward(&x, &levels, Some(&Tensor::from_slice(&[3i64, -1])))?.size(), x.size());
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone)]
pub struct ArticleUNet {
    inner: Rc<Inner>,
}

struct Inner {
    config: ArticleUNetBuilder,
    parameters: Parameters,
    summary: Summary,
    layers: Layers,
}

#[derive(Debug)]
struct Layers {
    conv_in: DoubleConv,
    down: Vec<(Down, SelfAttention)>,
    bottom: (DoubleConv, DoubleConv),
    up: Vec<(Up, SelfAttention)>,
    conv_out: Conv2d,
    classes: Option<Embedding>,
}

impl UNet {
    /// Starts the description of the article's network, which is a type of its own.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let article = UNet::article().channels(3).classes(10); // .build()? makes it
    /// ```
    #[must_use]
    pub fn article() -> ArticleUNetBuilder {
        ArticleUNetBuilder::default()
    }
}

impl ArticleUNet {
    /// The network of a file that [`save`](Self::save) wrote, or PyTorch: the state dict of the article's module as a
    /// safetensors file (`safetensors.torch.save_file(model.state_dict(), path)`; a `.pt` file is a program of Python). On the
    /// best device there is.
    ///
    /// A state dict tells channels and classes, but not the size of the images, which changes no weight: 32 pixels are meant.
    /// For others build the network and take [`Parameters::load`].
    ///
    /// # Errors
    /// No such file; not one of safetensors; a file of another network, or of other weights.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let path = std::env::temp_dir().join("noisebook-doc-article-load.safetensors");
    /// # let article = UNet::article().image_size(8).build()?;
    /// article.save(&path)?;
    /// let same = ArticleUNet::load(&path)?;
    /// assert_eq!(same.parameters().named(), article.parameters().named());
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        saved::load(path, Self::KIND, |fields, tensors| match fields {
            Some(fields) => Self::described(&fields),
            None => Self::from_state_dict(path, tensors),
        })
    }

    pub(super) fn from_valid(config: ArticleUNetBuilder) -> Result<Self> {
        let mut init = Parameters::builder(config.seed);
        let mut summary = Summary::default();
        let layers = Layers::new(&config, &mut init, &mut summary)?;
        let parameters = init.build(device::or_best(config.device)?)?;
        Ok(Self { inner: Rc::new(Inner { config, parameters, summary, layers }) })
    }

    /// How long each layer takes for so many images of noise, forward and backward.
    ///
    /// # Errors
    /// No image at all; what libtorch says when there is no memory left.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let article = UNet::article().image_size(8).build()?;
    /// article.layer_times(1)?.show()?; // a table
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn layer_times(&self, images: usize) -> Result<LayerTimes> {
        let (x, levels) = input_of(self, images)?;
        let waves = self.waves_of(&levels)?;
        LayerTimes::measure(title(images)?, self.parameters(), |clock| self.pass(&x, &waves, None, clock))
    }

    fn waves_of(&self, levels: &Levels) -> Result<Tensor> {
        sinusoidal(&levels.indices(), EMBEDDING, self.device())
    }

    fn pass(&self, x: &Tensor, waves: &Tensor, labels: Option<&Tensor>, clock: &mut Clock) -> Result<Tensor> {
        let net = &self.inner.layers;
        let e = self.embedding(waves, labels)?;
        let mut x = x.f_to_device(self.device())?.f_to_kind(Kind::Float)?;
        if self.inner.config.channels_last {
            x = channels_last(&x)?;
        }
        x = clock.layer(format_args!("inc"), &[&x], |x| net.conv_in.forward(x[0]))?;
        let mut skips = Vec::new();
        for (i, (down, attention)) in (1..).zip(&net.down) {
            let half = clock.layer(format_args!("down{i}"), &[&x, &e], |x| down.forward(x[0], x[1]))?;
            let half = clock.layer(format_args!("sa{i}"), &[&half], |x| attention.forward(x[0]))?;
            skips.push(std::mem::replace(&mut x, half));
        }
        x = clock.layer(format_args!("bot1"), &[&x], |x| net.bottom.0.forward(x[0]))?;
        x = clock.layer(format_args!("bot2"), &[&x], |x| net.bottom.1.forward(x[0]))?;
        for (i, ((up, attention), skip)) in (1..).zip(net.up.iter().zip(skips.iter().rev())) {
            x = clock.layer(format_args!("up{i}"), &[&x, skip, &e], |x| up.forward(x[0], x[1], x[2]))?;
            x = clock.layer(format_args!("sa{}", i + 3), &[&x], |x| attention.forward(x[0]))?;
        }
        Ok(clock.layer(format_args!("outc"), &[&x], |x| net.conv_out.forward(x[0]))?.f_contiguous()?)
    }

    /// The vector that tells every block the time and the class, its SiLU done.
    fn embedding(&self, waves: &Tensor, labels: Option<&Tensor>) -> Result<Tensor> {
        let mut embedding = waves.shallow_clone();
        if let (Some(classes), Some(labels)) = (&self.inner.layers.classes, labels) {
            let labels = labels.f_to_device(self.device())?;
            let known = labels.f_ge(0)?.f_unsqueeze(-1)?;
            embedding = embedding.f_add(&classes.forward(&labels.f_clamp_min(0)?)?.f_mul(&known)?)?;
        }
        Ok(embedding.f_silu()?)
    }
}

impl Layers {
    fn new(config: &ArticleUNetBuilder, init: &mut ParametersBuilder, summary: &mut Summary) -> Result<Self> {
        let size = config.image_size;
        let at = |channels: i64, size: i64| format!("{channels} x {size} x {size}");
        let conv_in = summary.layer(init, "inc", "double conv", at(64, size), |init| {
            DoubleConv::new(init, "inc", config.channels, 64, 64)
        })?;
        let mut down = Vec::new();
        for (i, (from, to)) in (1..).zip([(64, 128), (128, 256), (256, 256)]) {
            let (name, shape) = (format!("down{i}"), at(to, size >> i));
            let half = summary.layer(init, &name, "halve", shape.clone(), |init| Down::new(init, &name, from, to))?;
            let name = format!("sa{i}");
            let attention =
                summary.layer(init, &name, "attention", shape, |init| SelfAttention::new(init, &name, to))?;
            down.push((half, attention));
        }
        let mut bottom = |name: &str| {
            summary
                .layer(init, name, "double conv", at(256, size / 8), |init| DoubleConv::new(init, name, 256, 256, 256))
        };
        let bottom = (bottom("bot1")?, bottom("bot2")?);
        let mut up = Vec::new();
        for (i, (from, to)) in (1..).zip([(512, 128), (256, 64), (128, 64)]) {
            let (name, shape) = (format!("up{i}"), at(to, (size / 8) << i));
            let double = summary.layer(init, &name, "double", shape.clone(), |init| Up::new(init, &name, from, to))?;
            let name = format!("sa{}", i + 3);
            let attention =
                summary.layer(init, &name, "attention", shape, |init| SelfAttention::new(init, &name, to))?;
            up.push((double, attention));
        }
        let conv_out = summary.layer(init, "outc", "conv 1x1", at(config.channels, size), |init| {
            Conv2d::new(init, "outc", 64, config.channels, 1)
        })?;
        let classes = match config.classes {
            None => None,
            Some(count) => Some(summary.layer(init, "label_emb", "embedding", EMBEDDING.to_string(), |init| {
                Embedding::new(init, "label_emb", count, EMBEDDING)
            })?),
        };
        Ok(Self { conv_in, down, bottom, up, conv_out, classes })
    }
}

shared!(ArticleUNet, "UNet::article().image_size(8).build()?");

impl Network for ArticleUNet {
    fn forward(&self, x: &Tensor, levels: &Levels, labels: Option<&Tensor>) -> Result<Tensor> {
        check_input(self, x, levels, labels)?;
        self.pass(x, &self.waves_of(levels)?, labels, &mut Clock::off())
    }

    fn forward_encoded(&self, x: &Tensor, waves: &Tensor, labels: Option<&Tensor>) -> Result<Tensor> {
        self.pass(x, waves, labels, &mut Clock::off())
    }

    fn sample_shape(&self) -> Vec<i64> {
        let config = &self.inner.config;
        vec![config.channels, config.image_size, config.image_size]
    }

    told_by_inner!();
}

impl ArticleUNet {
    fn in_a_line(&self) -> String {
        let shape = sides(&self.sample_shape());
        let classes = classes_in_words(self.classes());
        format!("The article's U-Net for {shape}, {classes}: {}", self.parameters().counted())
    }
}

#[cfg(test)]
#[path = "article_tests.rs"]
mod tests;
