//! How a network for points is described and checked.

use super::checks::{check_sizes, check_training};
use super::mlp::Mlp;
use super::time::TimeEmbedding;
use crate::Result;
use tch::Device;

/// The description of an [`Mlp`]; [`Mlp::builder`] starts one.
///
/// Setters never fail: [`build`](Self::build) checks the whole.
///
/// ```
/// # use noisebook::prelude::*;
/// let plane = Mlp::builder().dims(2).hidden(64);
/// let (a, b) = (plane.clone().layers(3).build()?, plane.layers(1).build()?);
/// assert!(a.parameter_count() > b.parameter_count());
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MlpBuilder {
    pub(super) dims: i64,
    pub(super) hidden: i64,
    pub(super) layers: i64,
    pub(super) dropout: f64,
    pub(super) time_embedding: TimeEmbedding,
    pub(super) classes: Option<i64>,
    pub(super) seed: u64,
    pub(super) device: Option<Device>,
}

impl Default for MlpBuilder {
    fn default() -> Self {
        Self {
            dims: 2,
            hidden: 128,
            layers: 3,
            dropout: 0.0,
            time_embedding: TimeEmbedding::Sinusoidal,
            classes: None,
            seed: 0,
            device: None,
        }
    }
}

impl MlpBuilder {
    /// Numbers a point has (default 2, the plane).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let line = Mlp::builder().dims(1).build()?;
    /// assert_eq!(line.sample_shape(), [1]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn dims(mut self, dims: i64) -> Self {
        self.dims = dims;
        self
    }

    /// Numbers between two layers (default 128).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let wide = Mlp::builder().hidden(256).build()?; // four times the weights
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn hidden(mut self, hidden: i64) -> Self {
        self.hidden = hidden;
        self
    }

    /// Residual blocks, of two layers each (default 3).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let deep = Mlp::builder().layers(5).build()?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn layers(mut self, layers: i64) -> Self {
        self.layers = layers;
        self
    }

    /// The share of numbers that each residual block drops in training, from 0 (the default) to below 1. Sampling and
    /// [`forward`](super::Network::forward) drop nothing.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let mlp = Mlp::builder().dropout(0.1).build()?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn dropout(mut self, share: f64) -> Self {
        self.dropout = share;
        self
    }

    /// How the network is told the time (default [`TimeEmbedding::Sinusoidal`]).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let mlp = Mlp::builder().time_embedding(TimeEmbedding::Fourier { scale: 8.0 }).build()?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn time_embedding(mut self, embedding: TimeEmbedding) -> Self {
        self.time_embedding = embedding;
        self
    }

    /// Makes the network class-conditional. One more, null, label is learned for "no label".
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let mlp = Mlp::builder().classes(2).build()?;
    /// assert_eq!(mlp.classes(), Some(2)); // the labels 0 and 1
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn classes(mut self, classes: i64) -> Self {
        self.classes = Some(classes);
        self
    }

    /// The seed of the initial weights (default 0).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let make = |seed| Mlp::builder().seed(seed).build();
    /// assert_eq!(make(1)?.parameters().named(), make(1)?.parameters().named());
    /// assert_ne!(make(1)?.parameters().named(), make(2)?.parameters().named());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Where the weights live (default: the best device there is).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let mlp = Mlp::builder().device(Device::Cpu).build()?; // small as it is, a GPU gains it little
    /// assert_eq!(mlp.device(), Device::Cpu);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn device(mut self, device: Device) -> Self {
        self.device = Some(device);
        self
    }

    /// Checks the description and makes the network.
    ///
    /// # Errors
    /// Numbers below 1 or above 8,192, dropout outside [0, 1), frequencies without a positive deviation, a GPU that is not there.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let error = Mlp::builder().layers(0).build().unwrap_err();
    /// assert_eq!(error.to_string(), "layers = 0: must be at least 1");
    /// ```
    pub fn build(self) -> Result<Mlp> {
        check_sizes(&[
            ("dims", self.dims),
            ("hidden", self.hidden),
            ("layers", self.layers),
            ("classes", self.classes.unwrap_or(1)),
        ])?;
        check_training(self.dropout, self.time_embedding)?;
        Mlp::from_valid(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let said = |builder: MlpBuilder| builder.build().unwrap_err().to_string();
        assert_eq!(said(Mlp::builder().dims(0)), "dims = 0: must be at least 1");
        assert_eq!(said(Mlp::builder().hidden(10_000)), "hidden = 10000: must be at most 8192");
        assert_eq!(said(Mlp::builder().layers(-1)), "layers = -1: must be at least 1");
        assert_eq!(said(Mlp::builder().classes(0)), "classes = 0: must be at least 1");
        let rule = "the share that is dropped lies from 0 to below 1";
        assert_eq!(said(Mlp::builder().dropout(-0.1)), format!("dropout = -0.1: {rule}"));
        let rule = "the frequencies' deviation is a positive number";
        let fourier = TimeEmbedding::Fourier { scale: f64::INFINITY };
        assert_eq!(said(Mlp::builder().time_embedding(fourier)), format!("scale = inf: {rule}"));
    }
}
