//! The layers of a U-Net, from its description.

use super::condition::{Condition, Waves};
use super::image_size::ImageSize;
use super::layers::{Conv2d, GroupNorm};
use super::parameters_builder::ParametersBuilder;
use super::summary::Summary;
use super::unet_blocks::{Attention, Block, ResBlock, Upsample, Width};
use super::unet_builder::UNetBuilder;
use crate::Result;

/// All layers, in the order in which an image passes them; time and class come before.
#[derive(Debug)]
pub(super) struct Layers {
    pub(super) condition: Condition,
    pub(super) conv_in: Conv2d,
    pub(super) down: Vec<(Vec<Block>, Option<Conv2d>)>,
    pub(super) middle: (Block, ResBlock),
    pub(super) up: Vec<(Vec<Block>, Option<Upsample>)>,
    pub(super) norm_out: GroupNorm,
    pub(super) conv_out: Conv2d,
}

impl Layers {
    /// The layers of a checked description, their weights in `init`, and a summary of them.
    pub(super) fn new(config: &UNetBuilder, init: &mut ParametersBuilder) -> Result<(Self, Summary)> {
        let mut make = Maker { init, summary: Summary::default(), config };
        let base = config.base_channels;
        let width = Width { embedding: 4 * base, groups: config.groups, heads: config.heads };

        let waves = Waves::new(config.time_embedding, base, config.seed);
        let condition = Condition::new(make.init, &mut make.summary, (waves, width.embedding), config.classes)?;
        let full = (base, config.image_size);
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
                let at = (channels, size.half());
                Some(make.layer(&name, "conv 3x3, stride 2", at, |init| {
                    Ok(Conv2d::new(init, &name, channels, channels, 3)?.stride(2))
                })?)
            };
            down.push((blocks, halve));
        }

        let at = (channels, resolutions.last().copied().unwrap_or(config.image_size));
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
                let at = (channels, resolutions[level - 1]);
                Some(make.layer(&name, "nearest, conv 3x3", at, |init| {
                    Ok(Upsample(Conv2d::new(init, &name, channels, channels, 3)?))
                })?)
            };
            up.push((blocks, double));
        }

        let norm_out =
            make.layer("norm_out", "group norm", full, |init| GroupNorm::new(init, "norm_out", config.groups, base))?;
        let out = (config.channels, config.image_size);
        let conv_out =
            make.layer("conv_out", "conv 3x3", out, |init| Conv2d::zero(init, "conv_out", base, config.channels, 3))?;

        let middle = (middle_first, middle_last);
        let layers = Self { condition, conv_in, down, middle, up, norm_out, conv_out };
        Ok((layers, make.summary))
    }
}

/// Builds layers and writes a line of the summary for each.
struct Maker<'a> {
    init: &'a mut ParametersBuilder,
    summary: Summary,
    config: &'a UNetBuilder,
}

impl Maker<'_> {
    /// Of which the output has `channels` channels of `size`.
    fn layer<T>(
        &mut self,
        name: &str,
        what: &'static str,
        (channels, size): (i64, ImageSize),
        build: impl FnOnce(&mut ParametersBuilder) -> Result<T>,
    ) -> Result<T> {
        let shape = format!("{channels} x {size}");
        self.summary.layer(self.init, name, what, shape, build)
    }

    fn block(&mut self, name: &str, from: i64, to: i64, size: ImageSize, width: Width) -> Result<Block> {
        let residual = self.layer(name, "residual", (to, size), |init| ResBlock::new(init, name, from, to, width))?;
        if !self.config.attention_at.contains(&size.height) {
            return Ok(Block { residual, attention: None });
        }
        let name = format!("{name}.attention");
        let attention = self.layer(&name, "attention", (to, size), |init| Attention::new(init, &name, to, width))?;
        Ok(Block { residual, attention: Some(attention) })
    }
}
