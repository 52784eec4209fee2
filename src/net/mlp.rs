//! A network for points.

use super::Network;
use super::checks::check_input;
use super::condition::{Condition, Waves};
use super::dropout::Dropout;
use super::layers::Linear;
use super::mlp_builder::MlpBuilder;
use super::parameters::Parameters;
use super::parameters_builder::ParametersBuilder;
use super::saved;
use super::shared::{shared, told_by_inner};
use super::summary::Summary;
use crate::labels::classes_in_words;
use crate::schedule::Levels;
use crate::{Result, device};
use std::path::Path;
use std::rc::Rc;
use tch::{Kind, Tensor};

/// Sines and cosines that tell the time.
const SINES: i64 = 64;

/// A network for points N x D: linear layers with SiLU between them, in residual blocks that time and class scale and
/// shift (He et al. 2016; FiLM, Perez et al. 2018).
///
/// With e = silu(W silu(V sinusoidal(1000 t)) + class), h starts as a linear map of the point; each block adds
/// B silu((1 + a(e)) A silu(h) + b(e)) to it; the output is a linear map of silu(h) that starts as 0, as B does.
///
/// A clone points at the same weights; [`copy`](Self::copy) makes new ones. As the value of a cell it draws its layers.
///
/// ```
/// use noisebook::prelude::*;
/// let mlp = Mlp::builder().dims(2).hidden(128).layers(3).classes(2).build()?;
/// let points = Tensor::zeros([4, 2], (Kind::Float, mlp.device()));
/// let levels = Levels::at(&Schedule::cosine(1_000)?, 0.5, 4)?;
/// assert_eq!(mlp.forward(&points, &levels, Some(&Tensor::from_slice(&[0i64, 1, -1, -1])))?.size(), [4, 2]);
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone)]
pub struct Mlp {
    inner: Rc<Inner>,
}

struct Inner {
    config: MlpBuilder,
    parameters: Parameters,
    summary: Summary,
    layers: Layers,
}

#[derive(Debug)]
struct Layers {
    condition: Condition,
    first: Linear,
    blocks: Vec<Block>,
    last: Linear,
}

/// h + B dropout(silu((1 + a(e)) A silu(h) + b(e))).
#[derive(Debug)]
struct Block {
    first: Linear,
    modulation: Linear,
    last: Linear,
}

impl Block {
    fn new(init: &mut ParametersBuilder, name: &str, hidden: i64) -> Result<Self> {
        init.scope(name, |init| {
            Ok(Self {
                first: Linear::new(init, "first", hidden, hidden)?,
                modulation: Linear::new(init, "modulation", hidden, 2 * hidden)?,
                last: Linear::zero(init, "last", hidden, hidden)?,
            })
        })
    }

    fn forward(&self, h: &Tensor, condition: &Tensor, dropout: &mut Option<Dropout>) -> Result<Tensor> {
        let modulation = self.modulation.forward(condition)?.f_chunk(2, 1)?;
        let inner = self.first.forward(&h.f_silu()?)?;
        let inner = inner.f_mul(&modulation[0].f_add_scalar(1.0)?)?.f_add(&modulation[1])?;
        let inner = inner.f_silu()?;
        let inner = match dropout {
            Some(dropout) => dropout.apply(&inner)?,
            None => inner,
        };
        Ok(h.f_add(&self.last.forward(&inner)?)?)
    }
}

impl Mlp {
    /// Starts the description of a network.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let mlp = Mlp::builder().build()?; // for points in the plane
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn builder() -> MlpBuilder {
        MlpBuilder::default()
    }

    /// The network of a file that [`save`](Self::save) wrote, on the best device there is.
    ///
    /// # Errors
    /// No such file; not one of safetensors; a file of another network, or of weights alone.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let path = std::env::temp_dir().join("noisebook-doc-mlp-load.safetensors");
    /// # let mlp = Mlp::builder().build()?;
    /// mlp.save(&path)?;
    /// let same = Mlp::load(&path)?;
    /// assert_eq!(same.parameters().named(), mlp.parameters().named());
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

    pub(super) fn from_valid(config: MlpBuilder) -> Result<Self> {
        let mut init = Parameters::builder(config.seed);
        let mut summary = Summary::default();
        let layers = Layers::new(&config, &mut init, &mut summary)?;
        let parameters = init.build(device::or_best(config.device)?)?;
        Ok(Self { inner: Rc::new(Inner { config, parameters, summary, layers }) })
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
    ) -> Result<Tensor> {
        let net = &self.inner.layers;
        let condition = net.condition.forward(waves, labels)?;
        let mut h = net.first.forward(&x.f_to_device(self.device())?.f_to_kind(Kind::Float)?)?;
        for block in &net.blocks {
            h = block.forward(&h, &condition, &mut dropout)?;
        }
        net.last.forward(&h.f_silu()?)
    }
}

impl Layers {
    fn new(config: &MlpBuilder, init: &mut ParametersBuilder, summary: &mut Summary) -> Result<Self> {
        let (dims, hidden) = (config.dims, config.hidden);
        let waves = Waves::new(config.time_embedding, SINES, config.seed);
        let condition = Condition::new(init, summary, (waves, hidden), config.classes)?;
        let shape = hidden.to_string();
        let first =
            summary.layer(init, "first", "linear", shape.clone(), |init| Linear::new(init, "first", dims, hidden))?;
        let mut blocks = Vec::new();
        for index in 0..config.layers {
            let name = format!("blocks.{index}");
            let block =
                summary.layer(init, &name, "residual", shape.clone(), |init| Block::new(init, &name, hidden))?;
            blocks.push(block);
        }
        let last =
            summary.layer(init, "last", "linear", dims.to_string(), |init| Linear::zero(init, "last", hidden, dims))?;
        Ok(Self { condition, first, blocks, last })
    }
}

shared!(Mlp, "Mlp::builder().hidden(8).build()?");

impl Network for Mlp {
    fn forward(&self, x: &Tensor, levels: &Levels, labels: Option<&Tensor>) -> Result<Tensor> {
        check_input(self, x, levels, labels)?;
        self.pass(x, &self.waves_of(levels)?, labels, None)
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
        self.pass(x, &self.waves_of(levels)?, labels, dropout)
    }

    fn dropout(&self) -> f64 {
        self.inner.config.dropout
    }

    fn forward_encoded(&self, x: &Tensor, waves: &Tensor, labels: Option<&Tensor>) -> Result<Tensor> {
        self.pass(x, waves, labels, None)
    }

    fn sample_shape(&self) -> Vec<i64> {
        vec![self.inner.config.dims]
    }

    told_by_inner!();
}

impl Mlp {
    fn in_a_line(&self) -> String {
        let dims = self.inner.config.dims;
        let dimensions = if dims == 1 { "dimension" } else { "dimensions" };
        let classes = classes_in_words(self.classes());
        let count = self.parameters().counted();
        format!("Multilayer perceptron for points in {dims} {dimensions}, {classes}: {count}")
    }
}

#[cfg(test)]
#[path = "mlp_tests.rs"]
mod tests;
