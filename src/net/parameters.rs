//! A network's weights: named tensors that are views of one flat vector.
//!
//! One vector makes an optimizer step, an average of weights or a copy a handful of operations, whatever the number of
//! layers: on small networks the calls cost more than the arithmetic.

use super::parameters_builder::ParametersBuilder;
use crate::show::grouped;
use crate::{Error, Result};
use std::cell::Cell;
use tch::{Device, Tensor, no_grad_guard};

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
pub struct Parameters {
    flat: Tensor,
    named: Vec<(String, Tensor)>,
    trained: Cell<usize>,
}

impl Parameters {
    /// Starts the weights of a network of one's own, which begin as `seed` says; see [`Network`](super::Network).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # use noisebook::net::Parameters;
    /// let mut weights = Parameters::builder(0);
    /// let slope = weights.uniform("slope", &[2, 3], 0.5)?;
    /// let parameters = weights.build(Device::Cpu)?;
    /// assert_eq!(parameters.named(), [("slope".to_string(), slope)]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn builder(seed: u64) -> ParametersBuilder {
        ParametersBuilder::new(seed)
    }

    /// Of tensors that are views of `flat`, in its order.
    pub(super) fn new(flat: Tensor, named: Vec<(String, Tensor)>) -> Self {
        Self { flat, named, trained: Cell::new(0) }
    }

    /// The tensors themselves.
    pub(super) fn tensors(&self) -> &[(String, Tensor)] {
        &self.named
    }

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

    /// The gradient of `loss` with respect to all of them, as one vector: 0 for what is frozen.
    pub(crate) fn gradient(&self, loss: &Tensor) -> Result<Tensor> {
        Ok(Tensor::f_cat(&self.gradients(loss)?, 0)?)
    }

    /// The same in the memory of `flat`: new memory of that size would cost more than what is written into it.
    pub(crate) fn gradient_into(&self, loss: &Tensor, flat: &Tensor) -> Result<Tensor> {
        Ok(Tensor::f_cat_out(flat, &self.gradients(loss)?, 0)?)
    }

    fn gradients(&self, loss: &Tensor) -> Result<Vec<Tensor>> {
        let trained = self.named.iter().map(|(_, tensor)| tensor).filter(|tensor| tensor.requires_grad());
        let leaves: Vec<&Tensor> = trained.collect();
        let mut gradients = match leaves.as_slice() {
            [] => Vec::new(),
            leaves => Tensor::f_run_backward(&[loss], leaves, false, false)?,
        }
        .into_iter();
        let mut parts = Vec::with_capacity(self.named.len());
        for (_, tensor) in &self.named {
            let gradient = if tensor.requires_grad() { gradients.next() } else { None };
            parts.push(match gradient {
                Some(gradient) if gradient.defined() => gradient.f_reshape([-1])?,
                // A layer that the loss does not reach (labels without an embedding, say) has no gradient.
                _ => tensor.f_detach()?.f_zeros_like()?.f_reshape([-1])?,
            });
        }
        Ok(parts)
    }

    /// Takes over the values of another network's weights, which have the same names and shapes, with what is frozen of
    /// them.
    ///
    /// # Errors
    /// Weights of other names or shapes.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let make = |seed| Mlp::builder().seed(seed).build();
    /// let (mlp, other) = (make(0)?, make(1)?);
    /// mlp.parameters().copy_from(other.parameters())?;
    /// assert_eq!(mlp.parameters().named(), other.parameters().named());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn copy_from(&self, other: &Self) -> Result<()> {
        let shapes = |one: &Self| one.named.iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect();
        let (own, others): (Vec<_>, Vec<_>) = (shapes(self), shapes(other));
        if let Some((name, shape)) = others.iter().zip(&own).find_map(|(one, own)| (one != own).then_some(one)) {
            return Err(Error::argument(name, format!("{shape:?}"), "these are the weights of another network"));
        }
        if others.len() != own.len() {
            let rule = format!("this network has {}", own.len());
            return Err(Error::argument("weights", format!("{} tensors", others.len()), rule));
        }
        {
            let _guard = no_grad_guard();
            self.flat().f_copy_(&other.flat)?;
        }
        for ((_, own), (_, other)) in self.named.iter().zip(&other.named) {
            let _ = own.f_set_requires_grad(other.requires_grad())?;
        }
        self.trained.set(other.trained.get());
        Ok(())
    }
}

impl std::fmt::Debug for Parameters {
    /// One line, without the numbers.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (count, tensors) = (grouped(self.len()), self.named.len());
        write!(f, "{count} parameters in {tensors} tensors on {:?}", self.device())?;
        match self.trained_steps() {
            0 => Ok(()),
            1 => f.write_str(", after 1 training step"),
            steps => write!(f, ", after {} training steps", grouped(steps)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    fn two_layers() -> (Tensor, Tensor, Parameters) {
        let mut init = Parameters::builder(0);
        let a = init.uniform("a", &[2, 3], 1.0).unwrap();
        let b = init.scope("inner", |init| init.constant("b", &[4], 0.5)).unwrap();
        (a, b, init.build(Device::Cpu).unwrap())
    }

    #[test]
    fn layers_share_the_flat_vector() {
        let (a, b, parameters) = two_layers();
        assert_eq!(parameters.len(), 10);
        assert_eq!(format!("{parameters:?}"), "10 parameters in 2 tensors on Cpu");
        parameters.set_trained_steps(1_200);
        assert_eq!(format!("{parameters:?}"), "10 parameters in 2 tensors on Cpu, after 1,200 training steps");
        assert_eq!(parameters.named()[1].0, "inner.b");
        let _guard = no_grad_guard();
        let _ = parameters.flat().f_fill_(2.0).unwrap();
        assert_eq!(a.sum(Kind::Double).double_value(&[]) + b.sum(Kind::Double).double_value(&[]), 20.0);
    }

    #[test]
    fn the_gradient_is_in_the_order_of_the_weights_and_zero_where_unused() {
        let (a, _, parameters) = two_layers();
        let gradient = parameters.gradient(&(&a * 3.0).sum(Kind::Float)).unwrap();
        assert_eq!(Vec::<f32>::try_from(&gradient).unwrap(), [3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 0.0, 0.0, 0.0, 0.0]);
        let again = parameters.gradient_into(&(&a * 2.0).sum(Kind::Float), &gradient).unwrap();
        assert_eq!(again.data_ptr(), gradient.data_ptr());
        assert_eq!(Vec::<f32>::try_from(again).unwrap(), [2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn copies_of_another_network_are_refused() {
        let (_, _, parameters) = two_layers();
        let said = |name: &str, shape: &[i64], more: bool| {
            let mut init = Parameters::builder(0);
            let _ = init.constant("a", &[2, 3], 0.0).unwrap();
            let _ = init.constant(name, shape, 0.0).unwrap();
            if more {
                let _ = init.constant("more", &[1], 0.0).unwrap();
            }
            parameters.copy_from(&init.build(Device::Cpu).unwrap()).unwrap_err().to_string()
        };
        assert_eq!(said("b", &[4], false), "b = [4]: these are the weights of another network");
        assert_eq!(said("inner.b", &[2, 2], false), "inner.b = [2, 2]: these are the weights of another network");
        assert_eq!(said("inner.b", &[4], true), "weights = 3 tensors: this network has 2");
    }
}
