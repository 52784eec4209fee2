//! The blocks of the U-Net.

use super::dropout::Dropout;
use super::layers::{Conv2d, GroupNorm, Linear};
use super::parameters_builder::ParametersBuilder;
use crate::Result;
use tch::Tensor;

/// What all blocks of one network share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Width {
    pub(crate) embedding: i64,
    pub(crate) groups: i64,
    pub(crate) heads: i64,
}

/// x + conv(dropout(silu(norm(conv(silu(norm(x))) + embedding)))): the residual block of Ho et al. 2020, appendix B.
#[derive(Debug)]
pub(crate) struct ResBlock {
    norm1: GroupNorm,
    conv1: Conv2d,
    embedding: Linear,
    norm2: GroupNorm,
    conv2: Conv2d,
    shortcut: Option<Conv2d>,
}

impl ResBlock {
    pub(crate) fn new(init: &mut ParametersBuilder, name: &str, from: i64, to: i64, width: Width) -> Result<Self> {
        init.scope(name, |init| {
            Ok(Self {
                norm1: GroupNorm::new(init, "norm1", width.groups, from)?,
                conv1: Conv2d::new(init, "conv1", from, to, 3)?,
                embedding: Linear::new(init, "embedding", width.embedding, to)?,
                norm2: GroupNorm::new(init, "norm2", width.groups, to)?,
                conv2: Conv2d::zero(init, "conv2", to, to, 3)?,
                shortcut: if from == to { None } else { Some(Conv2d::new(init, "shortcut", from, to, 1)?) },
            })
        })
    }

    /// `embedding` comes with its SiLU done: all blocks take the same.
    pub(crate) fn forward(&self, x: &Tensor, embedding: &Tensor, dropout: &mut Option<Dropout>) -> Result<Tensor> {
        let h = self.conv1.forward(&self.norm1.forward(x)?.f_silu()?)?;
        let h = h.f_add(&self.embedding.forward(embedding)?.f_unsqueeze(-1)?.f_unsqueeze(-1)?)?;
        let h = self.norm2.forward(&h)?.f_silu()?;
        let h = match dropout {
            Some(dropout) => dropout.apply(&h)?,
            None => h,
        };
        let h = self.conv2.forward(&h)?;
        match &self.shortcut {
            Some(shortcut) => Ok(shortcut.forward(x)?.f_add(&h)?),
            None => Ok(x.f_add(&h)?),
        }
    }
}

/// x + attention(norm(x)) over the image's positions.
#[derive(Debug)]
pub(crate) struct Attention {
    norm: GroupNorm,
    qkv: Linear,
    out: Linear,
    heads: i64,
}

impl Attention {
    pub(crate) fn new(init: &mut ParametersBuilder, name: &str, channels: i64, width: Width) -> Result<Self> {
        init.scope(name, |init| {
            Ok(Self {
                norm: GroupNorm::new(init, "norm", width.groups, channels)?,
                qkv: Linear::new(init, "qkv", channels, 3 * channels)?,
                out: Linear::zero(init, "out", channels, channels)?,
                heads: width.heads,
            })
        })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, channels, height, width) = x.size4()?;
        let tokens = self.norm.forward(x)?.f_flatten(2, 3)?.f_transpose(1, 2)?;
        // batch x tokens x (3 heads width) -> 3 of batch x heads x tokens x width
        let qkv = self.qkv.forward(&tokens)?.f_view([batch, height * width, 3, self.heads, channels / self.heads])?;
        let qkv = qkv.f_permute([2, 0, 3, 1, 4])?.f_unbind(0)?;
        let mixed =
            Tensor::f_scaled_dot_product_attention(&qkv[0], &qkv[1], &qkv[2], None::<Tensor>, 0.0, false, None, false)?;
        let mixed = mixed.f_transpose(1, 2)?.f_reshape([batch, height * width, channels])?;
        let out = self.out.forward(&mixed)?.f_transpose(1, 2)?.f_reshape([batch, channels, height, width])?;
        Ok(x.f_add(&out)?)
    }
}

/// A residual block, with attention after it where its resolution asks for it.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) residual: ResBlock,
    pub(crate) attention: Option<Attention>,
}

impl Block {
    pub(crate) fn forward(&self, x: &Tensor, embedding: &Tensor, dropout: &mut Option<Dropout>) -> Result<Tensor> {
        let h = self.residual.forward(x, embedding, dropout)?;
        match &self.attention {
            Some(attention) => attention.forward(&h),
            None => Ok(h),
        }
    }
}

/// To the size of the resolution above by repetition, which doubles an even one, then a convolution.
#[derive(Debug)]
pub(crate) struct Upsample(pub(crate) Conv2d);

impl Upsample {
    pub(crate) fn forward(&self, x: &Tensor, size: [i64; 2]) -> Result<Tensor> {
        self.0.forward(&x.f_upsample_nearest2d(size, None, None)?)
    }
}
