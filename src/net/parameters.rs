//! A network's weights: named tensors that are views of one flat vector.
//!
//! One vector makes an optimizer step, an average of weights or a copy a handful of operations, whatever the number of
//! layers: on small networks the calls cost more than the arithmetic.

use crate::Result;
use crate::random::{Stream, generator, uniform};
use std::cell::Cell;
use tch::{Device, Kind, Tensor, no_grad_guard};

/// The weights of a network.
///
/// ```
/// # use noisebook::prelude::*;
/// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
/// for (name, weight) in unet.parameters().named() {
///     println!("{name} {:?}", weight.size());
/// }
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Debug)]
pub struct Parameters {
    flat: Tensor,
    named: Vec<(String, Tensor)>,
    trained: Cell<usize>,
}

impl Parameters {
    /// How many numbers they are together.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// let sum: usize = unet.parameters().named().iter().map(|(_, weight)| weight.numel()).sum();
    /// assert_eq!(unet.parameters().len(), sum);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.flat.numel()
    }

    /// Whether there are none.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// assert!(!unet.parameters().is_empty());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Name and weights of each layer, in the order of construction. The tensors are the network's own.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let unet = UNet::builder().channels(1).image_size(8).base_channels(8).build()?;
    /// let (name, weight) = &unet.parameters().named()[0];
    /// assert_eq!((name.as_str(), weight.size()), ("time.0.weight", vec![32, 8]));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn named(&self) -> Vec<(String, Tensor)> {
        self.named.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
    }

    /// How many training steps they went through.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// let model = Diffusion::new(&unet, &Schedule::cosine(1_000)?, Prediction::V)?;
    /// let _ = Trainer::new(&model).batch_size(8).iter(&Dataset::digits()?)?.next();
    /// assert_eq!(unet.parameters().trained_steps(), 1);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn trained_steps(&self) -> usize {
        self.trained.get()
    }

    /// For weights that come from a file.
    pub(crate) fn set_trained_steps(&self, steps: usize) {
        self.trained.set(steps);
    }

    /// Counts a training step.
    pub(crate) fn count_step(&self) {
        self.trained.set(self.trained.get() + 1);
    }

    /// Where they are.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// assert_eq!(unet.parameters().device(), unet.device());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn device(&self) -> Device {
        self.flat.device()
    }

    /// All of them in one vector, which shares their memory.
    pub(crate) fn flat(&self) -> Tensor {
        self.flat.shallow_clone()
    }

    /// The gradient of `loss` with respect to all of them, as one vector.
    pub(crate) fn gradient(&self, loss: &Tensor) -> Result<Tensor> {
        let leaves: Vec<&Tensor> = self.named.iter().map(|(_, tensor)| tensor).collect();
        let gradients = Tensor::f_run_backward(&[loss], &leaves, false, false)?;
        let mut parts = Vec::with_capacity(leaves.len());
        for (gradient, leaf) in gradients.iter().zip(&leaves) {
            // A layer that the loss does not reach (labels without an embedding, say) has no gradient.
            parts.push(if gradient.defined() {
                gradient.f_reshape([-1])?
            } else {
                leaf.f_zeros_like()?.f_reshape([-1])?
            });
        }
        Ok(Tensor::f_cat(&parts, 0)?)
    }

    /// Takes over the values of another set of the same network.
    pub(crate) fn copy_from(&self, other: &Self) -> Result<()> {
        let _guard = no_grad_guard();
        self.trained.set(other.trained.get());
        Ok(self.flat().f_copy_(&other.flat)?)
    }
}

/// Makes the weights of a network under construction: PyTorch's default initialisation, from a seed.
pub(crate) struct Initializer {
    seed: u64,
    prefix: Vec<String>,
    named: Vec<(String, Tensor)>,
}

impl Initializer {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, prefix: Vec::new(), named: Vec::new() }
    }

    /// Builds what `build` builds under `name.`.
    pub(crate) fn scope<T>(&mut self, name: &str, build: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.prefix.push(name.to_string());
        let built = build(self);
        self.prefix.pop();
        built
    }

    /// Uniform in +-bound.
    pub(crate) fn uniform(&mut self, name: &str, shape: &[i64], bound: f64) -> Result<Tensor> {
        let mut rng = generator(self.seed, Stream::Weights, self.named.len() as u64);
        let values = uniform(&mut rng, shape, bound)?;
        Ok(self.keep(name, values))
    }

    /// Standard normal.
    pub(crate) fn normal(&mut self, name: &str, shape: &[i64]) -> Result<Tensor> {
        let mut rng = generator(self.seed, Stream::Weights, self.named.len() as u64);
        let values = crate::random::normal(&mut rng, shape, Device::Cpu)?;
        Ok(self.keep(name, values))
    }

    /// All the same.
    pub(crate) fn constant(&mut self, name: &str, shape: &[i64], value: f64) -> Result<Tensor> {
        let values = Tensor::f_full(shape, value, (Kind::Float, Device::Cpu))?;
        Ok(self.keep(name, values))
    }

    fn keep(&mut self, name: &str, values: Tensor) -> Tensor {
        let name = self.prefix.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(".");
        self.named.push((name, values.shallow_clone()));
        values
    }

    /// How many numbers were made so far.
    pub(crate) fn count(&self) -> usize {
        self.named.iter().map(|(_, tensor)| tensor.numel()).sum()
    }

    /// Lays the weights into one vector on `device`. The layers' handles, which are the same tensors, follow.
    pub(crate) fn finish(self, device: Device) -> Result<Parameters> {
        let parts: Vec<Tensor> =
            self.named.iter().map(|(_, tensor)| tensor.f_reshape([-1])).collect::<Result<_, _>>()?;
        let flat = Tensor::f_cat(&parts, 0)?.f_to_device(device)?;
        let mut named = self.named;
        let mut start = 0;
        for (_, tensor) in &mut named {
            let count = tensor.numel() as i64;
            let view = flat.f_narrow(0, start, count)?.f_view(tensor.size().as_slice())?;
            tensor.f_set_data(&view)?;
            // set_requires_grad changes the tensor itself; what it returns is one more handle.
            let _ = tensor.f_set_requires_grad(true)?;
            start += count;
        }
        Ok(Parameters { flat, named, trained: Cell::new(0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_layers() -> (Tensor, Tensor, Parameters) {
        let mut init = Initializer::new(0);
        let a = init.uniform("a", &[2, 3], 1.0).unwrap();
        let b = init.scope("inner", |init| init.constant("b", &[4], 0.5)).unwrap();
        (a, b, init.finish(Device::Cpu).unwrap())
    }

    #[test]
    fn layers_share_the_flat_vector() {
        let (a, b, parameters) = two_layers();
        assert_eq!(parameters.len(), 10);
        assert_eq!(parameters.named()[1].0, "inner.b");
        let _guard = no_grad_guard();
        let _ = parameters.flat().f_fill_(2.0).unwrap();
        assert_eq!(a.sum(Kind::Double).double_value(&[]) + b.sum(Kind::Double).double_value(&[]), 20.0);
    }

    #[test]
    fn the_gradient_is_in_the_order_of_the_weights_and_zero_where_unused() {
        let (a, _, parameters) = two_layers();
        let gradient = parameters.gradient(&(&a * 3.0).sum(Kind::Float)).unwrap();
        assert_eq!(Vec::<f32>::try_from(gradient).unwrap(), [3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
