//! Layers, initialised as PyTorch does: weights and biases uniform in +-1/sqrt(fan in).
//!
//! tch's own layers start from other bounds (its Kaiming gain is sqrt(2)) and panic where these return an error.

use super::parameters_builder::ParametersBuilder;
use crate::Result;
use crate::accel::convolve;
use tch::Tensor;

/// A 3 x 3 (padded) or 1 x 1 convolution.
#[derive(Debug)]
pub(crate) struct Conv2d {
    weight: Tensor,
    bias: Option<Tensor>,
    stride: i64,
    padding: i64,
}

impl Conv2d {
    pub(crate) fn new(init: &mut ParametersBuilder, name: &str, from: i64, to: i64, kernel: i64) -> Result<Self> {
        let bound = 1.0 / ((from * kernel * kernel) as f64).sqrt();
        init.scope(name, |init| {
            let weight = init.uniform("weight", &[to, from, kernel, kernel], bound)?;
            let bias = Some(init.uniform("bias", &[to], bound)?);
            Ok(Self { weight, bias, stride: 1, padding: kernel / 2 })
        })
    }

    /// The same without a bias, for where a normalisation that follows would take it away.
    pub(crate) fn without_bias(
        init: &mut ParametersBuilder,
        name: &str,
        from: i64,
        to: i64,
        kernel: i64,
    ) -> Result<Self> {
        let bound = 1.0 / ((from * kernel * kernel) as f64).sqrt();
        init.scope(name, |init| {
            let weight = init.uniform("weight", &[to, from, kernel, kernel], bound)?;
            Ok(Self { weight, bias: None, stride: 1, padding: kernel / 2 })
        })
    }

    /// The same with all weights zero, so that the branch that it ends starts as nothing (Ho et al. 2020, their code).
    pub(crate) fn zero(init: &mut ParametersBuilder, name: &str, from: i64, to: i64, kernel: i64) -> Result<Self> {
        init.scope(name, |init| {
            let weight = init.constant("weight", &[to, from, kernel, kernel], 0.0)?;
            let bias = Some(init.constant("bias", &[to], 0.0)?);
            Ok(Self { weight, bias, stride: 1, padding: kernel / 2 })
        })
    }

    pub(crate) fn stride(self, stride: i64) -> Self {
        Self { stride, ..self }
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if (self.stride, self.padding) == (1, 1)
            && let Some(y) = convolve(x, &self.weight, self.bias.as_ref())?
        {
            return Ok(y);
        }
        Ok(x.f_conv2d(&self.weight, self.bias.as_ref(), self.stride, self.padding, 1, 1)?)
    }
}

/// x W^T + b.
#[derive(Debug)]
pub(crate) struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    pub(crate) fn new(init: &mut ParametersBuilder, name: &str, from: i64, to: i64) -> Result<Self> {
        let bound = 1.0 / (from as f64).sqrt();
        init.scope(name, |init| {
            let weight = init.uniform("weight", &[to, from], bound)?;
            Ok(Self { weight, bias: init.uniform("bias", &[to], bound)? })
        })
    }

    pub(crate) fn zero(init: &mut ParametersBuilder, name: &str, from: i64, to: i64) -> Result<Self> {
        init.scope(name, |init| {
            let weight = init.constant("weight", &[to, from], 0.0)?;
            Ok(Self { weight, bias: init.constant("bias", &[to], 0.0)? })
        })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_linear(&self.weight, Some(&self.bias))?)
    }
}

/// Normalises groups of channels (Wu & He 2018), then scales and shifts each channel.
#[derive(Debug)]
pub(crate) struct GroupNorm {
    groups: i64,
    weight: Tensor,
    bias: Tensor,
}

impl GroupNorm {
    pub(crate) fn new(init: &mut ParametersBuilder, name: &str, groups: i64, channels: i64) -> Result<Self> {
        init.scope(name, |init| {
            let weight = init.constant("weight", &[channels], 1.0)?;
            Ok(Self { groups, weight, bias: init.constant("bias", &[channels], 0.0)? })
        })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_group_norm(self.groups, Some(&self.weight), Some(&self.bias), 1e-5, true)?)
    }
}

/// Normalises each token over its channels (Ba et al. 2016), then scales and shifts each channel.
#[derive(Debug)]
pub(crate) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
}

impl LayerNorm {
    pub(crate) fn new(init: &mut ParametersBuilder, name: &str, channels: i64) -> Result<Self> {
        init.scope(name, |init| {
            let weight = init.constant("weight", &[channels], 1.0)?;
            Ok(Self { weight, bias: init.constant("bias", &[channels], 0.0)? })
        })
    }

    /// The last dimension of `x` are the channels.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_layer_norm(self.weight.size(), Some(&self.weight), Some(&self.bias), 1e-5, true)?)
    }
}

/// One learned vector an index.
#[derive(Debug)]
pub(crate) struct Embedding {
    weight: Tensor,
}

impl Embedding {
    pub(crate) fn new(init: &mut ParametersBuilder, name: &str, count: i64, width: i64) -> Result<Self> {
        init.scope(name, |init| Ok(Self { weight: init.normal("weight", &[count, width])? }))
    }

    pub(crate) fn forward(&self, indices: &Tensor) -> Result<Tensor> {
        Ok(Tensor::f_embedding(&self.weight, indices, -1, false, false)?)
    }
}
