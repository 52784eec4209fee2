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
use super::summary::Summary;
use crate::Result;
use crate::labels::classes_in_words;
use crate::schedule::Levels;
use crate::show::{Bundle, Show};
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

    /// A network with weights of its own, equal to these. (A clone shares them.)
    ///
    /// # Errors
    /// What libtorch says when there is no memory left.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let mlp = Mlp::builder().build()?;
    /// let copy = mlp.copy()?;
    /// assert_eq!(copy.parameters().named(), mlp.parameters().named()); // equal now; training one leaves the other
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
    /// # let path = std::env::temp_dir().join("noisebook-doc-mlp-save.safetensors");
    /// # let mlp = Mlp::builder().build()?;
    /// mlp.save(&path)?;
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        saved::save(self, path.as_ref())
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
        let parameters = init.build(config.device_or_best()?)?;
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

    fn encode(&self, levels: &Levels) -> Result<Option<Tensor>> {
        self.waves_of(levels).map(Some)
    }

    fn forward_encoded(&self, x: &Tensor, waves: &Tensor, labels: Option<&Tensor>) -> Result<Tensor> {
        self.pass(x, waves, labels, None)
    }

    fn parameters(&self) -> &Parameters {
        &self.inner.parameters
    }

    fn sample_shape(&self) -> Vec<i64> {
        vec![self.inner.config.dims]
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

impl Mlp {
    fn in_a_line(&self) -> String {
        let dims = self.inner.config.dims;
        let dimensions = if dims == 1 { "dimension" } else { "dimensions" };
        let classes = classes_in_words(self.classes());
        let count = self.parameters().counted();
        format!("Multilayer perceptron for points in {dims} {dimensions}, {classes}: {count}")
    }
}

impl std::fmt::Debug for Mlp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.in_a_line())
    }
}

impl Show for Mlp {
    fn bundle(&self) -> Result<Bundle> {
        self.inner.summary.table(self.in_a_line(), self.parameters()).bundle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schedule;
    use crate::net::TimeEmbedding;
    use tch::{Device, no_grad_guard};

    fn small() -> Mlp {
        Mlp::builder().hidden(16).layers(2).classes(3).device(Device::Cpu).build().unwrap()
    }

    /// A network whose zero-initialised layers say something.
    fn stirred() -> Mlp {
        let mlp = small();
        let _guard = no_grad_guard();
        let mut flat = mlp.parameters().flat();
        let _ = flat.f_add_(&(Tensor::arange(flat.numel() as i64, (Kind::Float, Device::Cpu)).sin() * 0.1)).unwrap();
        mlp
    }

    fn input() -> (Tensor, Levels, Tensor) {
        let x = Tensor::from_slice(&[0.3, -0.7, 1.1, 0.2, -2.0, 0.5]).view([3, 2]);
        let levels = Levels::new(&Schedule::cosine(1_000).unwrap(), [0, 400, 999]).unwrap();
        (x, levels, Tensor::from_slice(&[0i64, 2, -1]))
    }

    #[test]
    fn its_debug_is_a_line() {
        let line = "Multilayer perceptron for points in 2 dimensions, 3 classes: 3,634 parameters";
        assert_eq!(format!("{:?}", small()), line);
        let one = Mlp::builder().dims(1).classes(1).build().unwrap();
        assert!(
            format!("{one:?}").starts_with("Multilayer perceptron for points in 1 dimension, 1 class: "),
            "{one:?}"
        );
    }

    /// By hand: time (64 + 1) 16 + (16 + 1) 16, classes 4 x 16, first (2 + 1) 16, blocks 2 (17 x 16 + 17 x 32 + 17 x 16),
    /// last 17 x 2.
    #[test]
    fn it_counts_its_parameters_layer_by_layer() {
        let mlp = small();
        let expected = [
            ("time.0", 1_040),
            ("time.1", 272),
            ("classes", 64),
            ("first", 48),
            ("blocks.0", 1_088),
            ("blocks.1", 1_088),
            ("last", 34),
        ];
        assert_eq!(mlp.inner.summary.parameters(), expected);
        assert_eq!(mlp.parameter_count(), 3_634);
    }

    #[test]
    fn it_draws_its_layers() {
        let bundle = small().bundle().unwrap();
        let text = bundle.plain_text();
        assert!(
            text.starts_with("Multilayer perceptron for points in 2 dimensions, 3 classes: 3,634 parameters"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 2 + 7);
    }

    #[test]
    fn it_starts_by_predicting_nothing() {
        let (x, levels, labels) = input();
        assert_eq!(small().forward(&x, &levels, Some(&labels)).unwrap(), Tensor::zeros_like(&x).to_kind(Kind::Float));
    }

    /// One block of two units, in plain numbers: the equation of the type's doc.
    #[test]
    fn it_computes_its_equation() {
        let mlp = Mlp::builder().dims(1).hidden(2).layers(1).device(Device::Cpu).build().unwrap();
        {
            let _guard = no_grad_guard();
            let mut flat = mlp.parameters().flat();
            let k = Tensor::arange(flat.numel() as i64, (Kind::Double, Device::Cpu));
            flat.copy_(&(k * 0.7 + 0.1).sin());
        }
        let levels = Levels::at(&Schedule::cosine(1_000).unwrap(), 0.25, 1).unwrap();
        let out = mlp.forward(&Tensor::from_slice(&[0.8]).view([1, 1]), &levels, None).unwrap();

        let named = mlp.parameters().named();
        let silu = |x: &Vec<f64>| -> Vec<f64> { x.iter().map(|x| x / (1.0 + (-x).exp())).collect() };
        let linear = |name: &str, x: &[f64]| -> Vec<f64> {
            let of = |part: &str| {
                let wanted = format!("{name}.{part}");
                let weight = &named.iter().find(|(name, _)| *name == wanted).unwrap().1;
                Vec::<f64>::try_from(weight.to_kind(Kind::Double).flatten(0, -1)).unwrap()
            };
            let rows = of("weight");
            let products = rows.chunks(x.len()).map(|row| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>());
            products.zip(of("bias")).map(|(sum, bias)| sum + bias).collect()
        };
        let angles: Vec<f64> = (0..32).map(|i| 250.0 * 10_000f64.powf(-f64::from(i) / 32.0)).collect();
        let time: Vec<f64> = angles.iter().map(|a| a.sin()).chain(angles.iter().map(|a| a.cos())).collect();
        let e = silu(&linear("time.1", &silu(&linear("time.0", &time))));
        let h = linear("first", &[0.8]);
        let (a, m) = (linear("blocks.0.first", &silu(&h)), linear("blocks.0.modulation", &e));
        let inner = (0..2).map(|i| (1.0 + m[i]) * a[i] + m[2 + i]).collect();
        let b = linear("blocks.0.last", &silu(&inner));
        let expected = linear("last", &silu(&vec![h[0] + b[0], h[1] + b[1]]))[0];
        assert!((out.double_value(&[0, 0]) - expected).abs() < 1e-5, "{out:?} is not {expected}");
    }

    #[test]
    fn dropout_works_in_training_alone_and_by_the_seed() {
        let (x, levels, labels) = input();
        let plain = stirred();
        let mlp = Mlp::builder().hidden(16).layers(2).classes(3).dropout(0.3).device(Device::Cpu).build().unwrap();
        mlp.parameters().copy_from(plain.parameters()).unwrap();
        let train = |seed, step| mlp.forward_training(&x, &levels, Some(&labels), seed, step).unwrap();
        assert_eq!(train(1, 2), train(1, 2));
        assert_ne!(train(1, 2), train(1, 3));
        assert_ne!(train(1, 2), train(0, 2));
        let still = mlp.forward(&x, &levels, Some(&labels)).unwrap();
        assert_eq!(still, plain.forward(&x, &levels, Some(&labels)).unwrap());
        assert_ne!(still, train(1, 2));
    }

    /// The first layer of time sees the waves of `time.rs`, whose numbers are tested there.
    #[test]
    fn fourier_features_change_what_it_hears_of_the_time() {
        let (x, levels, _) = input();
        let make = |embedding| {
            let mlp = Mlp::builder().hidden(16).layers(2).classes(3).time_embedding(embedding).device(Device::Cpu);
            let mlp = mlp.build().unwrap();
            mlp.parameters().copy_from(stirred().parameters()).unwrap();
            mlp
        };
        let out = |mlp: &Mlp| mlp.forward(&x, &levels, None).unwrap();
        let (sines, fourier) = (make(TimeEmbedding::Sinusoidal), make(TimeEmbedding::fourier()));
        assert_eq!(out(&sines), out(&stirred()));
        assert_ne!(out(&sines), out(&fourier));
        assert_eq!(out(&fourier.copy().unwrap()), out(&fourier));
    }

    #[test]
    fn the_gradient_flows_to_the_points() {
        let (x, levels, labels) = input();
        let (mlp, x) = (stirred(), x.set_requires_grad(true));
        mlp.forward(&x, &levels, Some(&labels)).unwrap().sum(Kind::Float).backward();
        let slope = x.grad().double_value(&[1, 0]);
        let at = |h: f64| {
            let _guard = no_grad_guard();
            let step = Tensor::from_slice(&[0.0, 0.0, h, 0.0, 0.0, 0.0]).view([3, 2]);
            mlp.forward(&(&x + step), &levels, Some(&labels)).unwrap().sum(Kind::Double).double_value(&[])
        };
        let difference = (at(0.01) - at(-0.01)) / 0.02;
        assert!(
            slope != 0.0 && (slope - difference).abs() < 1e-3 * slope.abs().max(0.1),
            "{slope} is not {difference}"
        );
    }

    #[test]
    fn time_and_label_each_change_the_output_and_no_label_is_minus_one() {
        let (x, levels, labels) = input();
        let mlp = stirred();
        let x = x.narrow(0, 0, 1).expand([3, 2], false);
        let out = mlp.forward(&x, &levels, Some(&labels)).unwrap();
        let unlabelled = mlp.forward(&x, &levels, None).unwrap();
        assert_ne!(out.get(0), unlabelled.get(0));
        assert_ne!(unlabelled.get(0), unlabelled.get(1));
        assert!((out.get(2) - unlabelled.get(2)).abs().max().double_value(&[]) < 1e-6);
    }

    #[test]
    fn a_clone_shares_weights_and_a_copy_does_not() {
        let mlp = stirred();
        let (clone, copy) = (mlp.clone(), mlp.copy().unwrap());
        assert_eq!(copy.parameters().flat(), mlp.parameters().flat());
        {
            let _guard = no_grad_guard();
            let _ = mlp.parameters().flat().f_mul_scalar_(0.5).unwrap();
        }
        assert_eq!(clone.parameters().flat(), mlp.parameters().flat());
        assert_ne!(copy.parameters().flat(), mlp.parameters().flat());
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let (x, levels, labels) = input();
        let mlp = small();
        let said = |x: &Tensor, labels: &Tensor| mlp.forward(x, &levels, Some(labels)).unwrap_err().to_string();
        assert_eq!(said(&x.view([2, 3]), &labels), "x = [2, 3]: this network takes N x 2");
        assert_eq!(said(&x.narrow(0, 0, 2), &labels), "levels = 3: one for each of the 2 samples");
        assert_eq!(said(&x, &(labels + 1)), "label = 3: the network's classes are 0 to 2, and -1 is no label");
    }
}
