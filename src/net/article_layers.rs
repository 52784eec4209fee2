//! The blocks of the article's network, under the names that its PyTorch code gives them.

use super::layers::{Conv2d, GroupNorm, LayerNorm, Linear};
use super::parameters_builder::ParametersBuilder;
use crate::Result;
use tch::Tensor;

/// Width of the encoding of time and class.
pub(super) const EMBEDDING: i64 = 256;

const HEADS: i64 = 4;

/// norm(conv(gelu(norm(conv(x))))), both norms over the whole image; a residual one is gelu(x + that).
#[derive(Debug)]
pub(super) struct DoubleConv {
    convs: (Conv2d, Conv2d),
    norms: (GroupNorm, GroupNorm),
    residual: bool,
}

impl DoubleConv {
    pub(super) fn new(init: &mut ParametersBuilder, name: &str, from: i64, middle: i64, to: i64) -> Result<Self> {
        init.scope(name, |init| {
            init.scope("double_conv", |init| {
                let conv1 = Conv2d::without_bias(init, "0", from, middle, 3)?;
                let norm1 = GroupNorm::new(init, "1", 1, middle)?;
                let conv2 = Conv2d::without_bias(init, "3", middle, to, 3)?;
                let norm2 = GroupNorm::new(init, "4", 1, to)?;
                Ok(Self { convs: (conv1, conv2), norms: (norm1, norm2), residual: false })
            })
        })
    }

    fn residual(init: &mut ParametersBuilder, name: &str, channels: i64) -> Result<Self> {
        Ok(Self { residual: true, ..Self::new(init, name, channels, channels, channels)? })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let h = self.norms.0.forward(&self.convs.0.forward(x)?)?.f_gelu("none")?;
        let h = self.norms.1.forward(&self.convs.1.forward(&h)?)?;
        if self.residual { Ok(x.f_add(&h)?.f_gelu("none")?) } else { Ok(h) }
    }
}

/// Half the height and width by maximum, two double convolutions, then time and class added at every position.
#[derive(Debug)]
pub(super) struct Down {
    convs: (DoubleConv, DoubleConv),
    embedding: Linear,
}

impl Down {
    pub(super) fn new(init: &mut ParametersBuilder, name: &str, from: i64, to: i64) -> Result<Self> {
        init.scope(name, |init| {
            let convs = init.scope("maxpool_conv", |init| {
                Ok((DoubleConv::residual(init, "1", from)?, DoubleConv::new(init, "2", from, to, to)?))
            })?;
            Ok(Self { convs, embedding: Linear::new(init, "emb_layer.1", EMBEDDING, to)? })
        })
    }

    /// `embedding` comes with its SiLU done: all blocks take the same.
    pub(super) fn forward(&self, x: &Tensor, embedding: &Tensor) -> Result<Tensor> {
        let x = x.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)?;
        let x = self.convs.1.forward(&self.convs.0.forward(&x)?)?;
        everywhere(&x, &self.embedding.forward(embedding)?)
    }
}

/// Twice the height and width (bilinear, corners on corners) beside what the way down had, two double convolutions, then
/// time and class.
#[derive(Debug)]
pub(super) struct Up {
    convs: (DoubleConv, DoubleConv),
    embedding: Linear,
}

impl Up {
    /// `from` counts the channels of both inputs.
    pub(super) fn new(init: &mut ParametersBuilder, name: &str, from: i64, to: i64) -> Result<Self> {
        init.scope(name, |init| {
            let convs = init.scope("conv", |init| {
                Ok((DoubleConv::residual(init, "0", from)?, DoubleConv::new(init, "1", from, from / 2, to)?))
            })?;
            Ok(Self { convs, embedding: Linear::new(init, "emb_layer.1", EMBEDDING, to)? })
        })
    }

    pub(super) fn forward(&self, x: &Tensor, skip: &Tensor, embedding: &Tensor) -> Result<Tensor> {
        let (_, _, height, width) = skip.size4()?;
        let x = Tensor::f_cat(&[skip, &x.f_upsample_bilinear2d([height, width], true, None, None)?], 1)?;
        let x = self.convs.1.forward(&self.convs.0.forward(&x)?)?;
        everywhere(&x, &self.embedding.forward(embedding)?)
    }
}

/// `vector` (N x C) added at every position of `x` (N x C x H x W).
fn everywhere(x: &Tensor, vector: &Tensor) -> Result<Tensor> {
    Ok(x.f_add(&vector.f_unsqueeze(-1)?.f_unsqueeze(-1)?)?)
}

/// Attention with four heads over the image's positions, then a layer that sees each position alone; both residual, both
/// after a layer normalisation.
#[derive(Debug)]
pub(super) struct SelfAttention {
    qkv: (Tensor, Tensor),
    out: (Tensor, Tensor),
    norm: LayerNorm,
    after: (LayerNorm, Linear, Linear),
}

impl SelfAttention {
    pub(super) fn new(init: &mut ParametersBuilder, name: &str, channels: i64) -> Result<Self> {
        // torch.nn.MultiheadAttention: Xavier-uniform over its three maps together, a plain linear map, biases 0.
        let (xavier, plain) = ((6.0 / (4 * channels) as f64).sqrt(), 1.0 / (channels as f64).sqrt());
        init.scope(name, |init| {
            let (qkv, out) = init.scope("mha", |init| {
                let weight = init.uniform("in_proj_weight", &[3 * channels, channels], xavier)?;
                let qkv = (weight, init.constant("in_proj_bias", &[3 * channels], 0.0)?);
                let weight = init.uniform("out_proj.weight", &[channels, channels], plain)?;
                Ok((qkv, (weight, init.constant("out_proj.bias", &[channels], 0.0)?)))
            })?;
            let norm = LayerNorm::new(init, "ln", channels)?;
            let after = init.scope("ff_self", |init| {
                let norm = LayerNorm::new(init, "0", channels)?;
                let first = Linear::new(init, "1", channels, channels)?;
                Ok((norm, first, Linear::new(init, "3", channels, channels)?))
            })?;
            Ok(Self { qkv, out, norm, after })
        })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, channels, height, width) = x.size4()?;
        // In one piece, which the norm and the sum below would make it, each for itself.
        let tokens = x.f_flatten(2, 3)?.f_transpose(1, 2)?.f_contiguous()?;
        let qkv = self.norm.forward(&tokens)?.f_linear(&self.qkv.0, Some(&self.qkv.1))?;
        // batch x tokens x (3 heads width) -> 3 of batch x heads x tokens x width
        let qkv = qkv.f_view([batch, height * width, 3, HEADS, channels / HEADS])?;
        let qkv = qkv.f_permute([2, 0, 3, 1, 4])?.f_unbind(0)?;
        // Fused: at 64 pixels the scores of one image alone would be 4 x 4,096 x 4,096 numbers.
        let mixed =
            Tensor::f_scaled_dot_product_attention(&qkv[0], &qkv[1], &qkv[2], None::<Tensor>, 0.0, false, None, false)?;
        let mixed = mixed.f_transpose(1, 2)?.f_reshape([batch, height * width, channels])?;
        let a = mixed.f_linear(&self.out.0, Some(&self.out.1))?.f_add(&tokens)?;
        let h = self.after.1.forward(&self.after.0.forward(&a)?)?.f_gelu("none")?;
        let out = self.after.2.forward(&h)?.f_add(&a)?;
        let out = out.f_transpose(1, 2)?.f_reshape([batch, channels, height, width])?;
        // The view has its channels last, and the convolutions that follow would keep to it.
        Ok(if x.is_contiguous() { out.f_contiguous()? } else { out })
    }
}
