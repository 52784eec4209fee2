//! The U-Net of Ho et al. 2020, at any size.

use super::layers::{Conv2d, Embedding, GroupNorm, Linear};
use super::parameters::{Initializer, Parameters};
use super::time::sinusoidal;
use super::unet_blocks::{Attention, Block, ResBlock, Upsample, Width};
use super::unet_builder::UNetBuilder;
use super::Network;
use crate::schedule::Levels;
use crate::show::{Bundle, Show, Table, grouped};
use crate::{Error, Result};
use std::rc::Rc;
use tch::{Kind, Tensor};

/// A U-Net: the image shrinks through residual blocks, grows again, and on the way up sees what it was at each size on
/// the way down (Ronneberger et al. 2015; time, group norm and attention as in Ho et al. 2020, appendix B).
///
/// A clone points at the same weights; [`copy`](Self::copy) makes new ones. As the value of a cell it draws its layers.
///
/// ```
/// use noisebook::prelude::*;
/// let unet = UNet::builder().channels(1).image_size(8).base_channels(16).channel_mults([1, 2, 2])
///     .blocks(1).attention_at([4]).classes(10).build()?;
/// let schedule = Schedule::cosine(1_000)?;
/// let x = Tensor::zeros([2, 1, 8, 8], (Kind::Float, unet.device()));
/// let out = unet.forward(&x, &Levels::new(&schedule, [0, 999])?, Some(&Tensor::from_slice(&[3i64, -1])))?;
/// assert_eq!(out.size(), [2, 1, 8, 8]);
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct UNet {
    inner: Rc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: UNetBuilder,
    parameters: Parameters,
    summary: Vec<Row>,
    conv_in: Conv2d,
    time1: Linear,
    time2: Linear,
    classes: Option<Embedding>,
    down: Vec<(Vec<Block>, Option<Conv2d>)>,
    middle: (Block, ResBlock),
    up: Vec<(Vec<Block>, Option<Upsample>)>,
    norm_out: GroupNorm,
    conv_out: Conv2d,
}

/// One line of the summary.
#[derive(Debug)]
struct Row {
    name: String,
    what: &'static str,
    shape: String,
    parameters: usize,
}

impl UNet {
    /// Starts the description of a network.
    #[must_use]
    pub fn builder() -> UNetBuilder {
        UNetBuilder::default()
    }

    /// A network with weights of its own, equal to these. (A clone shares them.)
    ///
    /// # Errors
    /// What libtorch says when there is no memory left.
    pub fn copy(&self) -> Result<Self> {
        let copy = Self::from_valid(self.inner.config.clone())?;
        copy.inner.parameters.copy_from(&self.inner.parameters)?;
        Ok(copy)
    }

    pub(super) fn from_valid(config: UNetBuilder) -> Result<Self> {
        let mut make = Maker { init: Initializer::new(config.seed), summary: Vec::new(), config: &config };
        let base = config.base_channels;
        let width = Width { embedding: 4 * base, groups: config.groups, heads: config.heads };

        let time1 = make.layer("time.0", "linear", None, |init| Linear::new(init, "time.0", base, width.embedding))?;
        let time2 =
            make.layer("time.1", "linear", None, |init| Linear::new(init, "time.1", width.embedding, width.embedding))?;
        let classes = match config.classes {
            None => None,
            Some(count) => Some(make.layer("classes", "embedding", None, |init| {
                Embedding::new(init, "classes", count + 1, width.embedding)
            })?),
        };
        let full = Some((base, config.image_size));
        let conv_in =
            make.layer("conv_in", "conv 3x3", full, |init| Conv2d::new(init, "conv_in", config.channels, base, 3))?;

        let resolutions = config.resolutions();
        let mut channels = base;
        let mut skips = vec![base];
        let mut down = Vec::new();
        for (level, (&size, mult)) in resolutions.iter().zip(&config.channel_mults).enumerate() {
            let mut blocks = Vec::new();
            for block in 0..config.blocks {
                blocks.push(make.block(&format!("down.{level}.{block}"), channels, base * mult, size, width)?);
                channels = base * mult;
                skips.push(channels);
            }
            let halve = if level + 1 == resolutions.len() {
                None
            } else {
                skips.push(channels);
                let name = format!("down.{level}.halve");
                let at = Some((channels, size / 2));
                Some(make.layer(&name, "conv 3x3, stride 2", at, |init| {
                    Ok(Conv2d::new(init, &name, channels, channels, 3)?.stride(2))
                })?)
            };
            down.push((blocks, halve));
        }

        let coarsest = config.image_size >> (resolutions.len() - 1);
        let at = Some((channels, coarsest));
        let middle_first = Block {
            residual: make
                .layer("middle.0", "residual", at, |init| ResBlock::new(init, "middle.0", channels, channels, width))?,
            attention: Some(make.layer("middle.attention", "attention", at, |init| {
                Attention::new(init, "middle.attention", channels, width)
            })?),
        };
        let middle_last =
            make.layer("middle.1", "residual", at, |init| ResBlock::new(init, "middle.1", channels, channels, width))?;

        let mut up = Vec::new();
        for (level, (&size, mult)) in resolutions.iter().zip(&config.channel_mults).enumerate().rev() {
            let mut blocks = Vec::new();
            for block in 0..=config.blocks {
                // Each way down pushed one skip more than it has blocks, and conv_in one: there is one for every block.
                let skip = skips.pop().unwrap_or(0);
                blocks.push(make.block(&format!("up.{level}.{block}"), channels + skip, base * mult, size, width)?);
                channels = base * mult;
            }
            let double = if level == 0 {
                None
            } else {
                let name = format!("up.{level}.double");
                let at = Some((channels, 2 * size));
                Some(make.layer(&name, "nearest, conv 3x3", at, |init| {
                    Ok(Upsample(Conv2d::new(init, &name, channels, channels, 3)?))
                })?)
            };
            up.push((blocks, double));
        }

        let norm_out =
            make.layer("norm_out", "group norm", full, |init| GroupNorm::new(init, "norm_out", config.groups, base))?;
        let out = Some((config.channels, config.image_size));
        let conv_out =
            make.layer("conv_out", "conv 3x3", out, |init| Conv2d::zero(init, "conv_out", base, config.channels, 3))?;

        let Maker { init, summary, .. } = make;
        let parameters = init.finish(config.device_or_best())?;
        let middle = (middle_first, middle_last);
        let inner = Inner {
            config,
            parameters,
            summary,
            conv_in,
            time1,
            time2,
            classes,
            down,
            middle,
            up,
            norm_out,
            conv_out,
        };
        Ok(Self { inner: Rc::new(inner) })
    }

    /// The vector that tells every block the time and the class, its SiLU done.
    fn embedding(&self, levels: &Levels, labels: Option<&Tensor>) -> Result<Tensor> {
        let net = &*self.inner;
        let times: Vec<f64> = levels.times().iter().map(|t| 1_000.0 * t).collect();
        let time = sinusoidal(&times, net.config.base_channels, self.device())?;
        let mut embedding = net.time2.forward(&net.time1.forward(&time)?.f_silu()?)?;
        match (&net.classes, net.config.classes, labels) {
            (Some(classes), Some(count), labels) => {
                let null = Tensor::f_full([levels.len() as i64], count, (Kind::Int64, self.device()))?;
                let indices = match labels {
                    None => null,
                    Some(labels) => {
                        let labels = labels.f_to_device(self.device())?;
                        labels.f_where_self(&labels.f_ge(0)?, &null)?
                    }
                };
                embedding = embedding.f_add(&classes.forward(&indices)?)?;
            }
            (_, _, Some(_)) => {
                return Err(Error::argument("labels", "Some", "this network was built without classes: give None"));
            }
            (_, _, None) => {}
        }
        Ok(embedding.f_silu()?)
    }

    fn check_input(&self, x: &Tensor, levels: &Levels, labels: Option<&Tensor>) -> Result<()> {
        let [channels, height, width] = self.image_shape();
        let size = x.size();
        if size.len() != 4 || size[1..] != [channels, height, width] {
            let rule = format!("this network takes N x {channels} x {height} x {width}");
            return Err(Error::argument("x", format!("{size:?}"), rule));
        }
        if levels.len() as i64 != size[0] {
            return Err(Error::argument("levels", levels.len(), format!("one for each of the {} images", size[0])));
        }
        if let Some(labels) = labels
            && labels.size() != [size[0]]
        {
            let rule = format!("one for each of the {} images", size[0]);
            return Err(Error::argument("labels", format!("{:?}", labels.size()), rule));
        }
        Ok(())
    }
}

impl Network for UNet {
    fn forward(&self, x: &Tensor, levels: &Levels, labels: Option<&Tensor>) -> Result<Tensor> {
        self.check_input(x, levels, labels)?;
        let net = &*self.inner;
        let embedding = self.embedding(levels, labels)?;
        let mut x = net.conv_in.forward(&x.f_to_device(self.device())?)?;
        let mut skips = vec![x.shallow_clone()];
        for (blocks, halve) in &net.down {
            for block in blocks {
                x = block.forward(&x, &embedding)?;
                skips.push(x.shallow_clone());
            }
            if let Some(halve) = halve {
                x = halve.forward(&x)?;
                skips.push(x.shallow_clone());
            }
        }
        x = net.middle.0.forward(&x, &embedding)?;
        x = net.middle.1.forward(&x, &embedding)?;
        for (blocks, double) in &net.up {
            for block in blocks {
                if let Some(skip) = skips.pop() {
                    x = Tensor::f_cat(&[x, skip], 1)?;
                }
                x = block.forward(&x, &embedding)?;
            }
            if let Some(double) = double {
                x = double.forward(&x)?;
            }
        }
        net.conv_out.forward(&net.norm_out.forward(&x)?.f_silu()?)
    }

    fn parameters(&self) -> &Parameters {
        &self.inner.parameters
    }

    fn image_shape(&self) -> [i64; 3] {
        let config = &self.inner.config;
        [config.channels, config.image_size, config.image_size]
    }

    fn classes(&self) -> Option<i64> {
        self.inner.config.classes
    }

    fn copy_network(&self) -> Result<Rc<dyn Network>> {
        Ok(Rc::new(self.copy()?))
    }
}

/// Builds layers and writes a line of the summary for each.
struct Maker<'a> {
    init: Initializer,
    summary: Vec<Row>,
    config: &'a UNetBuilder,
}

impl Maker<'_> {
    /// `at` is the output's channels and size, where it is an image.
    fn layer<T>(
        &mut self,
        name: &str,
        what: &'static str,
        at: Option<(i64, i64)>,
        build: impl FnOnce(&mut Initializer) -> Result<T>,
    ) -> Result<T> {
        let before = self.init.count();
        let layer = build(&mut self.init)?;
        let shape = match at {
            Some((channels, size)) => format!("{channels} x {size} x {size}"),
            None => format!("{}", 4 * self.config.base_channels),
        };
        self.summary.push(Row { name: name.to_string(), what, shape, parameters: self.init.count() - before });
        Ok(layer)
    }

    fn block(&mut self, name: &str, from: i64, to: i64, size: i64, width: Width) -> Result<Block> {
        let residual =
            self.layer(name, "residual", Some((to, size)), |init| ResBlock::new(init, name, from, to, width))?;
        if !self.config.attention_at.contains(&size) {
            return Ok(Block { residual, attention: None });
        }
        let name = format!("{name}.attention");
        let attention =
            self.layer(&name, "attention", Some((to, size)), |init| Attention::new(init, &name, to, width))?;
        Ok(Block { residual, attention: Some(attention) })
    }
}

impl Show for UNet {
    fn bundle(&self) -> Result<Bundle> {
        let total = self.parameter_count();
        let [channels, height, width] = self.image_shape();
        let classes = self.classes().map_or("no classes".to_string(), |count| format!("{count} classes"));
        let title = format!("U-Net for {channels} x {height} x {width}, {classes}: {} parameters", grouped(total));
        let mut table = Table::new(["layer", "what", "output", "parameters", "share"]).title(title);
        for row in &self.inner.summary {
            let share = format!("{:.1}%", 100.0 * row.parameters as f64 / total as f64);
            table = table.row([&row.name, row.what, &row.shape, &grouped(row.parameters), &share]);
        }
        table.bundle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schedule;

    fn small() -> UNet {
        let builder = UNet::builder().channels(1).image_size(8).base_channels(16).channel_mults([1, 2, 2]);
        builder.blocks(1).attention_at([4]).classes(10).build().unwrap()
    }

    fn input() -> (Tensor, Levels, Tensor) {
        let x = Tensor::linspace(-1, 1, 3 * 64, (Kind::Float, tch::Device::Cpu)).view([3, 1, 8, 8]);
        let levels = Levels::new(&Schedule::linear(1_000).unwrap(), [0, 400, 999]).unwrap();
        (x, levels, Tensor::from_slice(&[0i64, 9, -1]))
    }

    /// A network whose zero-initialised layers say something.
    fn stirred() -> UNet {
        let unet = small();
        let _guard = tch::no_grad_guard();
        let flat = unet.parameters().flat();
        let stir = Tensor::arange(flat.numel() as i64, (Kind::Float, flat.device())).sin() * 0.1;
        let _ = unet.parameters().flat().f_add_(&stir).unwrap();
        unet
    }

    #[test]
    fn the_summary_counts_every_parameter_once() {
        let unet = small();
        let rows: usize = unet.inner.summary.iter().map(|row| row.parameters).sum();
        assert_eq!(rows, unet.parameter_count());
        let named: usize = unet.parameters().named().iter().map(|(_, tensor)| tensor.numel()).sum();
        assert_eq!(named, unet.parameter_count());
    }

    #[test]
    fn it_starts_by_predicting_nothing() {
        let (x, levels, labels) = input();
        let out = small().forward(&x, &levels, Some(&labels)).unwrap();
        assert_eq!(out.abs().max().double_value(&[]), 0.0);
    }

    #[test]
    fn time_and_label_each_change_the_output_and_no_label_is_minus_one() {
        let (x, levels, labels) = input();
        let unet = stirred();
        let x = x.get(0).expand([3, 1, 8, 8], false);
        let out = unet.forward(&x, &levels, Some(&labels)).unwrap();
        assert_ne!(out.get(0), out.get(1));
        let unlabelled = unet.forward(&x, &levels, None).unwrap();
        assert_ne!(out.get(0), unlabelled.get(0));
        assert!((out.get(2) - unlabelled.get(2)).abs().max().double_value(&[]) < 1e-5);
    }

    #[test]
    fn a_clone_shares_weights_and_a_copy_does_not() {
        let (x, levels, _) = input();
        let unet = stirred();
        let (clone, copy) = (unet.clone(), unet.copy().unwrap());
        let before = copy.forward(&x, &levels, None).unwrap();
        assert_eq!(before, unet.forward(&x, &levels, None).unwrap());
        {
            let _guard = tch::no_grad_guard();
            let _ = unet.parameters().flat().f_mul_scalar_(0.5).unwrap();
        }
        assert_eq!(clone.forward(&x, &levels, None).unwrap(), unet.forward(&x, &levels, None).unwrap());
        assert_eq!(copy.forward(&x, &levels, None).unwrap(), before);
    }

    #[test]
    fn the_same_seed_gives_the_same_weights() {
        let flat = |seed| UNet::builder().base_channels(8).seed(seed).build().unwrap().parameters().flat();
        assert_eq!(flat(1), flat(1));
        assert_ne!(flat(1), flat(2));
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let (x, levels, labels) = input();
        let unet = small();
        let said = |x: &Tensor, labels: Option<&Tensor>| unet.forward(x, &levels, labels).unwrap_err().to_string();
        assert_eq!(said(&x.view([3, 64]), None), "x = [3, 64]: this network takes N x 1 x 8 x 8");
        assert_eq!(said(&x.narrow(0, 0, 2), None), "levels = 3: one for each of the 2 images");
        assert_eq!(said(&x, Some(&labels.narrow(0, 0, 1))), "labels = [1]: one for each of the 3 images");
        let plain = UNet::builder().channels(1).image_size(8).base_channels(8).build().unwrap();
        assert_eq!(
            plain.forward(&x, &levels, Some(&labels)).unwrap_err().to_string(),
            "labels = Some: this network was built without classes: give None"
        );
    }
}
