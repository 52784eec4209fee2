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
use super::summary::Summary;
use super::time::sinusoidal;
use super::unet::input_of;
use super::{Network, UNet};
use crate::Result;
use crate::labels::classes_in_words;
use crate::schedule::Levels;
use crate::show::{Bundle, Show, sides};
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
    /// A network with weights of its own, equal to these. (A clone shares them.)
    ///
    /// # Errors
    /// What libtorch says when there is no memory left.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let article = UNet::article().build()?;
    /// let copy = article.copy()?;
    /// assert_eq!(copy.parameters().named(), article.parameters().named()); // equal now; training one leaves the other
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn copy(&self) -> Result<Self> {
        let copy = Self::from_valid(self.inner.config.clone())?;
        copy.inner.parameters.copy_from(&self.inner.parameters)?;
        Ok(copy)
    }

    /// Writes the network as a safetensors file: the weights under their names, and its description as JSON in the header.
    /// PyTorch opens it too (`safetensors.torch.load_file`). The file appears whole or not at all; what is frozen is part
    /// of it.
    ///
    /// # Errors
    /// A path that cannot be written.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let path = std::env::temp_dir().join("noisebook-doc-article-save.safetensors");
    /// # let article = UNet::article().image_size(8).build()?;
    /// article.save(&path)?;
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        saved::save(self, path.as_ref())
    }

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
        let parameters = init.build(config.device_or_best()?)?;
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

impl Network for ArticleUNet {
    fn forward(&self, x: &Tensor, levels: &Levels, labels: Option<&Tensor>) -> Result<Tensor> {
        check_input(self, x, levels, labels)?;
        self.pass(x, &self.waves_of(levels)?, labels, &mut Clock::off())
    }

    fn encode(&self, levels: &Levels) -> Result<Option<Tensor>> {
        self.waves_of(levels).map(Some)
    }

    fn forward_encoded(&self, x: &Tensor, waves: &Tensor, labels: Option<&Tensor>) -> Result<Tensor> {
        self.pass(x, waves, labels, &mut Clock::off())
    }

    fn parameters(&self) -> &Parameters {
        &self.inner.parameters
    }

    fn sample_shape(&self) -> Vec<i64> {
        let config = &self.inner.config;
        vec![config.channels, config.image_size, config.image_size]
    }

    fn classes(&self) -> Option<i64> {
        self.inner.config.classes
    }

    fn copy_network(&self) -> Result<Rc<dyn Network>> {
        Ok(Rc::new(self.copy()?))
    }

    fn description(&self) -> String {
        self.inner.config.describe().to_string()
    }
}

impl ArticleUNet {
    fn in_a_line(&self) -> String {
        let shape = sides(&self.sample_shape());
        let classes = classes_in_words(self.classes());
        format!("The article's U-Net for {shape}, {classes}: {}", self.parameters().counted())
    }
}

impl std::fmt::Debug for ArticleUNet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.in_a_line())
    }
}

impl Show for ArticleUNet {
    fn bundle(&self) -> Result<Bundle> {
        self.inner.summary.table(self.in_a_line(), self.parameters()).bundle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schedule;
    use tch::{Device, no_grad_guard};

    fn small() -> ArticleUNet {
        UNet::article().channels(3).image_size(16).classes(10).device(Device::Cpu).build().unwrap()
    }

    /// Weight k of all, in the order of the state dict: a fraction of k^2 modulo a prime; the norms' weights are 1 more.
    fn by_formula() -> ArticleUNet {
        let article = small();
        let _guard = no_grad_guard();
        let k = Tensor::arange(article.parameter_count() as i64, (Kind::Int64, Device::Cpu));
        let weights = ((&k * &k).remainder(1_000_003).to_kind(Kind::Double) / 1_000_003.0 - 0.5) * 0.1;
        article.parameters().flat().copy_(&weights);
        for (name, mut weight) in article.parameters().named() {
            if name.ends_with("weight") && weight.dim() == 1 {
                let _ = weight.f_add_scalar_(1.0).unwrap();
            }
        }
        article
    }

    fn input() -> (Tensor, Levels, Tensor) {
        let x = Tensor::arange(2 * 3 * 256, (Kind::Double, Device::Cpu)).square().sin().view([2, 3, 16, 16]);
        let levels = Levels::new(&Schedule::linear(1_000).unwrap(), [3, 777]).unwrap();
        (x, levels, Tensor::from_slice(&[4i64, -1]))
    }

    /// Counts of T. Capelle's module in PyTorch.
    #[test]
    fn it_has_the_articles_parameters_block_by_block() {
        let article = small();
        let expected = [
            ("inc", 38_848),
            ("down1", 328_576),
            ("sa1", 99_584),
            ("down2", 1_246_976),
            ("sa2", 395_776),
            ("down3", 2_427_136),
            ("sa3", 395_776),
            ("bot1", 1_180_672),
            ("bot2", 1_180_672),
            ("up1", 6_228_864),
            ("sa4", 99_584),
            ("up2", 1_566_144),
            ("sa5", 25_216),
            ("up3", 422_720),
            ("sa6", 25_216),
            ("outc", 195),
            ("label_emb", 2_560),
        ];
        assert_eq!(article.inner.summary.parameters(), expected);
        let bundle = article.bundle().unwrap();
        let text = bundle.plain_text();
        assert!(text.starts_with("The article's U-Net for 3 x 16 x 16, 10 classes: 15,664,515 parameters"), "{text}");
        let count = |builder: ArticleUNetBuilder| builder.build().unwrap().parameter_count();
        assert_eq!(count(UNet::article()), 15_661_955);
        assert_eq!(count(UNet::article().channels(1)), 15_660_673);
        assert_eq!(count(UNet::article().channels(1).classes(10)), 15_663_233);
    }

    /// The expected numbers are those of the module in PyTorch, in float64 (tests/fixtures/article.py): the output for
    /// a label and for none, and of every weight's gradient its norm and its product with cos k.
    #[test]
    fn it_computes_what_pytorch_does() {
        let (outputs, gradients): ([f64; 96], Vec<(&str, f64, f64)>) = include!("../../tests/fixtures/article.in");
        let (x, levels, labels) = input();
        let article = by_formula();
        let out = article.forward(&x, &levels, Some(&labels)).unwrap();
        let picked = out.detach().to_kind(Kind::Double).flatten(0, -1).slice(0, 0, None, 16);
        let expected = Tensor::from_slice(&outputs);
        let error = (picked - &expected).norm().double_value(&[]) / expected.norm().double_value(&[]);
        assert!(error < 1e-4, "outputs: {error}");

        out.mse_loss(&x.to_kind(Kind::Float), tch::Reduction::Mean).backward();
        let named = article.parameters().named();
        assert_eq!(named.len(), gradients.len());
        for ((name, weight), (expected_name, norm, product)) in named.iter().zip(gradients) {
            assert_eq!(name, expected_name);
            let gradient = weight.grad().to_kind(Kind::Double).flatten(0, -1);
            let cosines = Tensor::arange(gradient.numel() as i64, (Kind::Double, Device::Cpu)).cos();
            let values = [gradient.norm(), gradient.dot(&cosines)].map(|value| value.double_value(&[]));
            // |cos k| over n weights is sqrt(n/2): the product's error is that of the gradient times it, at most.
            let bounds = [1e-4 * norm, 1e-4 * norm * (gradient.numel() as f64 / 2.0).sqrt()];
            for ((value, expected), bound) in values.into_iter().zip([norm, product]).zip(bounds) {
                assert!((value - expected).abs() < bound, "{name}: {value} is not {expected}");
            }
        }
    }

    /// PyTorch's defaults: uniform in +-1/sqrt(fan in), Xavier for the attention's three maps, norms of ones.
    #[test]
    fn it_starts_as_pytorchs_layers_do() {
        let named = small().parameters().named();
        let largest = |name: &str| {
            let weight = &named.iter().find(|(one, _)| one == name).unwrap().1;
            weight.abs().max().double_value(&[])
        };
        for (name, bound) in [
            ("down3.maxpool_conv.1.double_conv.0.weight", 1.0 / (256.0f64 * 9.0).sqrt()),
            ("down1.emb_layer.1.weight", 1.0 / 16.0),
            ("sa3.mha.in_proj_weight", (6.0f64 / 1_024.0).sqrt()),
            ("sa3.mha.out_proj.weight", 1.0 / 16.0),
            ("up1.emb_layer.1.bias", 1.0 / 16.0),
            ("outc.weight", 1.0 / 8.0),
        ] {
            let most = largest(name);
            assert!(most <= bound && most > 0.95 * bound, "{name}: {most}, bound {bound}");
        }
        assert_eq!((largest("sa3.mha.in_proj_bias"), largest("sa3.mha.out_proj.bias")), (0.0, 0.0));
        assert_eq!((largest("sa3.ln.weight"), largest("inc.double_conv.1.weight")), (1.0, 1.0));
    }

    #[test]
    fn no_label_adds_nothing_and_time_and_label_each_change_the_output() {
        let (x, levels, labels) = input();
        let article = small();
        let out = article.forward(&x, &levels, Some(&labels)).unwrap();
        let plain = article.forward(&x, &levels, None).unwrap();
        let apart = |i: i64| (out.get(i) - plain.get(i)).abs().max().double_value(&[]);
        assert!(apart(0) > 1e-3 && apart(1) < 1e-6, "{} {}", apart(0), apart(1));
        let later = Levels::new(&Schedule::linear(1_000).unwrap(), [4, 777]).unwrap();
        assert_ne!(article.forward(&x, &later, None).unwrap().get(0), plain.get(0));
    }

    #[test]
    fn a_clone_shares_weights_and_a_copy_does_not() {
        let article = small();
        let (clone, copy) = (article.clone(), article.copy().unwrap());
        assert_eq!(copy.parameters().flat(), article.parameters().flat());
        {
            let _guard = no_grad_guard();
            let _ = article.parameters().flat().f_mul_scalar_(0.5).unwrap();
        }
        assert_eq!(clone.parameters().flat(), article.parameters().flat());
        assert_ne!(copy.parameters().flat(), article.parameters().flat());
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let (x, levels, labels) = input();
        let article = small();
        let said = |x: &Tensor, labels: &Tensor| article.forward(x, &levels, Some(labels)).unwrap_err().to_string();
        assert_eq!(said(&x.narrow(2, 0, 8), &labels), "x = [2, 3, 8, 16]: this network takes N x 3 x 16 x 16");
        assert_eq!(said(&x, &(&labels + 6)), "label = 10: the network's classes are 0 to 9, and -1 is no label");
        assert_eq!(said(&x, &labels.get(0).view([1])), "labels = [1]: one for each of the 2 images");
    }
}
