//! The U-Net of Ho et al. 2020, at any size.

use super::Network;
use super::checks::check_input;
use super::condition::Waves;
use super::dropout::Dropout;
use super::layer_times::{Clock, LayerTimes, title};
use super::layout::channels_last;
use super::parameters::Parameters;
use super::saved;
use super::shared::{shared, told_by_inner};
use super::summary::Summary;
use super::unet_builder::UNetBuilder;
use super::unet_layers::Layers;
use crate::labels::classes_in_words;
use crate::random::{Stream, generator, normal};
use crate::schedule::{Levels, Schedule};
use crate::show::sides;
use crate::{Result, device};
use std::path::Path;
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
#[derive(Clone)]
pub struct UNet {
    inner: Rc<Inner>,
}

struct Inner {
    config: UNetBuilder,
    parameters: Parameters,
    summary: Summary,
    layers: Layers,
}

impl UNet {
    /// Starts the description of a network.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let unet = UNet::builder().channels(1).image_size(8).base_channels(8).build()?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn builder() -> UNetBuilder {
        UNetBuilder::default()
    }

    /// The network of a file that [`save`](Self::save) wrote, on the best device there is.
    ///
    /// # Errors
    /// No such file; not one of safetensors; a file of another network, or of weights alone.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let path = std::env::temp_dir().join("noisebook-doc-unet-load.safetensors");
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// unet.save(&path)?;
    /// let same = UNet::load(&path)?;
    /// assert_eq!(same.parameters().named(), unet.parameters().named());
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        saved::load(path, Self::KIND, |fields, _| match fields {
            Some(fields) => Self::described(&fields),
            None => Err(saved::undescribed(path)),
        })
    }

    pub(super) fn waves(&self) -> &Waves {
        &self.inner.layers.condition.waves
    }

    pub(super) fn from_valid(config: UNetBuilder) -> Result<Self> {
        let mut init = Parameters::builder(config.seed);
        let (layers, summary) = Layers::new(&config, &mut init)?;
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
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// unet.layer_times(8)?.show()?; // a table
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn layer_times(&self, images: usize) -> Result<LayerTimes> {
        let (x, levels) = input_of(self, images)?;
        let waves = self.waves_of(&levels)?;
        LayerTimes::measure(title(images)?, self.parameters(), |clock| self.pass(&x, &waves, None, None, clock))
    }

    fn waves_of(&self, levels: &Levels) -> Result<Tensor> {
        self.waves().of(&levels.times(), self.device())
    }

    fn pass(
        &self,
        x: &Tensor,
        waves: &Tensor,
        labels: Option<&Tensor>,
        mut dropout: Option<Dropout>,
        clock: &mut Clock,
    ) -> Result<Tensor> {
        let net = &self.inner.layers;
        let e = net.condition.forward(waves, labels)?;
        let mut x = x.f_to_device(self.device())?.f_to_kind(Kind::Float)?;
        if self.inner.config.channels_last {
            x = channels_last(&x)?;
        }
        x = clock.layer(format_args!("conv_in"), &[&x], |x| net.conv_in.forward(x[0]))?;
        let mut skips = vec![x.shallow_clone()];
        for (level, (blocks, halve)) in net.down.iter().enumerate() {
            for (i, block) in blocks.iter().enumerate() {
                let name = format_args!("down.{level}.{i}");
                x = clock.layer(name, &[&x, &e], |x| block.forward(x[0], x[1], &mut dropout))?;
                skips.push(x.shallow_clone());
            }
            if let Some(halve) = halve {
                x = clock.layer(format_args!("down.{level}.halve"), &[&x], |x| halve.forward(x[0]))?;
                skips.push(x.shallow_clone());
            }
        }
        let (first, last) = &net.middle;
        x = clock.layer(format_args!("middle.0"), &[&x, &e], |x| first.forward(x[0], x[1], &mut dropout))?;
        x = clock.layer(format_args!("middle.1"), &[&x, &e], |x| last.forward(x[0], x[1], &mut dropout))?;
        for (level, (blocks, double)) in (0..net.up.len()).rev().zip(&net.up) {
            for (i, block) in blocks.iter().enumerate() {
                let (name, skip) = (format_args!("up.{level}.{i}"), skips.pop());
                let inputs: Vec<&Tensor> = [&e, &x].into_iter().chain(&skip).collect();
                x = clock.layer(name, &inputs, |x| block.forward(&Tensor::f_cat(&x[1..], 1)?, x[0], &mut dropout))?;
            }
            if let (Some(double), Some(above)) = (double, skips.last()) {
                let (_, _, height, width) = above.size4()?;
                let name = format_args!("up.{level}.double");
                x = clock.layer(name, &[&x], |x| double.forward(x[0], [height, width]))?;
            }
        }
        let out = |x: &Tensor| net.conv_out.forward(&net.norm_out.forward(x)?.f_silu()?);
        Ok(clock.layer(format_args!("conv_out"), &[&x], |x| out(x[0]))?.f_contiguous()?)
    }
}

/// So many images for `network`, each at a level of its own.
pub(super) fn input_of(network: &dyn Network, images: usize) -> Result<(Tensor, Levels)> {
    let schedule = Schedule::linear(1_000)?;
    let levels = Levels::new(&schedule, (0..images).map(|image| image % schedule.levels()))?;
    let shape: Vec<i64> = std::iter::once(images as i64).chain(network.sample_shape()).collect();
    let x = normal(&mut generator(0, Stream::Noise, 0), &shape, network.device())?;
    Ok((x, levels))
}

shared!(UNet, "UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?");

impl Network for UNet {
    fn forward(&self, x: &Tensor, levels: &Levels, labels: Option<&Tensor>) -> Result<Tensor> {
        check_input(self, x, levels, labels)?;
        self.pass(x, &self.waves_of(levels)?, labels, None, &mut Clock::off())
    }

    fn forward_training(
        &self,
        x: &Tensor,
        levels: &Levels,
        labels: Option<&Tensor>,
        seed: u64,
        step: u64,
    ) -> Result<Tensor> {
        check_input(self, x, levels, labels)?;
        let dropout = (self.dropout() > 0.0).then(|| Dropout::new(self.dropout(), seed, step));
        self.pass(x, &self.waves_of(levels)?, labels, dropout, &mut Clock::off())
    }

    fn dropout(&self) -> f64 {
        self.inner.config.dropout
    }

    fn forward_encoded(&self, x: &Tensor, waves: &Tensor, labels: Option<&Tensor>) -> Result<Tensor> {
        self.pass(x, waves, labels, None, &mut Clock::off())
    }

    fn sample_shape(&self) -> Vec<i64> {
        let config = &self.inner.config;
        vec![config.channels, config.image_size.height, config.image_size.width]
    }

    told_by_inner!();
}

impl UNet {
    fn in_a_line(&self) -> String {
        let shape = sides(&self.sample_shape());
        let classes = classes_in_words(self.classes());
        format!("U-Net for {shape}, {classes}: {}", self.parameters().counted())
    }
}

#[cfg(test)]
#[path = "unet_tests.rs"]
mod tests;
