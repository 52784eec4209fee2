//! The weights of a network under construction.

use super::parameters::Parameters;
use crate::random::{Stream, generator, normal, uniform};
use crate::{Error, Result};
use tch::{Device, Kind, Tensor};

/// Makes the weights of a network, each tensor from the seed and its place in the order;
/// [`Parameters::builder`] starts one.
///
/// Layers keep the tensors that it hands out: [`build`](Self::build) lays them into one vector on a device, and they are its
/// parts from then on.
///
/// ```
/// # use noisebook::prelude::*;
/// # use noisebook::net::Parameters;
/// let mut weights = Parameters::builder(0);
/// let weight = weights.scope("first", |weights| weights.normal("weight", &[4, 2]))?;
/// let parameters = weights.build(Device::Cpu)?;
/// assert_eq!(parameters.named()[0].0, "first.weight");
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Debug)]
pub struct ParametersBuilder {
    seed: u64,
    prefix: Vec<String>,
    named: Vec<(String, Tensor)>,
}

impl ParametersBuilder {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, prefix: Vec::new(), named: Vec::new() }
    }

    /// Makes what `make` makes under `name.`, as PyTorch names the parts of a module.
    ///
    /// # Errors
    /// Those of `make`.
    ///
    /// ```
    /// # use noisebook::net::Parameters;
    /// let mut weights = Parameters::builder(0);
    /// let bias = weights.scope("last", |weights| weights.constant("bias", &[2], 0.0))?; // its name is last.bias
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn scope<T>(&mut self, name: &str, make: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.prefix.push(name.to_string());
        let made = make(self);
        self.prefix.pop();
        made
    }

    /// Uniform in [-bound, bound).
    ///
    /// # Errors
    /// A shape that no tensor has.
    ///
    /// ```
    /// # use noisebook::net::Parameters;
    /// let mut weights = Parameters::builder(0);
    /// let weight = weights.uniform("weight", &[8, 4], 0.5)?; // +-1/sqrt(fan in), PyTorch's default for a linear layer
    /// assert!(weight.abs().max().double_value(&[]) <= 0.5);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn uniform(&mut self, name: &str, shape: &[i64], bound: f64) -> Result<Tensor> {
        let mut rng = generator(self.seed, Stream::Weights, self.named.len() as u64);
        let values = uniform(&mut rng, shape, bound)?;
        Ok(self.keep(name, values))
    }

    /// Standard normal.
    ///
    /// # Errors
    /// A shape that no tensor has.
    ///
    /// ```
    /// # use noisebook::net::Parameters;
    /// let table = Parameters::builder(0).normal("classes", &[11, 64])?; // PyTorch's default for an embedding
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn normal(&mut self, name: &str, shape: &[i64]) -> Result<Tensor> {
        let mut rng = generator(self.seed, Stream::Weights, self.named.len() as u64);
        let values = normal(&mut rng, shape, Device::Cpu)?;
        Ok(self.keep(name, values))
    }

    /// All the same.
    ///
    /// # Errors
    /// A shape that no tensor has.
    ///
    /// ```
    /// # use noisebook::net::Parameters;
    /// let bias = Parameters::builder(0).constant("bias", &[2], 0.0)?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn constant(&mut self, name: &str, shape: &[i64], value: f64) -> Result<Tensor> {
        let values = Tensor::f_full(shape, value, (Kind::Float, Device::Cpu))?;
        Ok(self.keep(name, values))
    }

    fn keep(&mut self, name: &str, values: Tensor) -> Tensor {
        let name = self.prefix.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(".");
        self.named.push((name, values.shallow_clone()));
        values
    }

    /// How many numbers were made so far.
    pub(super) fn count(&self) -> usize {
        self.named.iter().map(|(_, tensor)| tensor.numel()).sum()
    }

    /// Lays the weights into one vector on `device`. The layers' tensors, which are the same, follow.
    ///
    /// # Errors
    /// No weights; two of one name; what libtorch says when there is no memory left.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # use noisebook::net::Parameters;
    /// let mut weights = Parameters::builder(0);
    /// let bias = weights.constant("bias", &[2], 0.0)?;
    /// assert_eq!(weights.build(Device::Cpu)?.len(), 2);
    /// assert!(bias.requires_grad());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn build(self, device: Device) -> Result<Parameters> {
        let mut named = self.named;
        if named.is_empty() {
            return Err(Error::argument("weights", "none", "a network has at least one"));
        }
        let mut names: Vec<&String> = named.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::argument("name", twice[0], "two tensors have this name"));
        }
        let parts: Vec<Tensor> = named.iter().map(|(_, tensor)| tensor.f_reshape([-1])).collect::<Result<_, _>>()?;
        let flat = Tensor::f_cat(&parts, 0)?.f_to_device(device)?;
        let mut start = 0;
        for (_, tensor) in &mut named {
            let count = tensor.numel() as i64;
            let view = flat.f_narrow(0, start, count)?.f_view(tensor.size().as_slice())?;
            tensor.f_set_data(&view)?;
            // set_requires_grad changes the tensor itself; what it returns is one more handle.
            let _ = tensor.f_set_requires_grad(true)?;
            start += count;
        }
        Ok(Parameters::new(flat, named))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let said = |init: ParametersBuilder| init.build(Device::Cpu).unwrap_err().to_string();
        assert_eq!(said(Parameters::builder(0)), "weights = none: a network has at least one");
        let mut twice = Parameters::builder(0);
        for name in ["b.a", "a"] {
            let _ = twice.constant(name, &[1], 0.0).unwrap();
        }
        let _ = twice.scope("b", |init| init.normal("a", &[2])).unwrap();
        assert_eq!(said(twice), "name = b.a: two tensors have this name");
    }
}
