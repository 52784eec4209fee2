//! The vector that tells a network's blocks the time and the class.

use super::layers::{Embedding, Linear};
use super::parameters_builder::ParametersBuilder;
use super::summary::Summary;
use super::time::{TimeEmbedding, fourier, frequencies, sinusoidal, sinusoidal_frequencies};
use crate::Result;
use std::f64::consts::TAU;
use tch::{Device, Kind, Tensor};

/// What the two linear layers see of the time.
#[derive(Clone, Debug)]
pub(super) enum Waves {
    /// So many sines and cosines together, an even number, of 1000 t.
    Sinusoidal(i64),
    /// Those of these frequencies, of t.
    Fourier(Vec<f64>),
}

impl Waves {
    /// Those of an embedding with `width` of them, an even number; Fourier's with frequencies from `seed`.
    pub(super) fn new(embedding: TimeEmbedding, width: i64, seed: u64) -> Self {
        match embedding {
            TimeEmbedding::Sinusoidal => Self::Sinusoidal(width),
            TimeEmbedding::Fourier { scale } => Self::Fourier(frequencies(seed, width / 2, scale)),
        }
    }

    /// How often each sine goes round between t = 0 and t = 1.
    pub(super) fn cycles(&self) -> Vec<f64> {
        match self {
            Self::Sinusoidal(width) => sinusoidal_frequencies(*width).into_iter().map(|w| 1_000.0 * w / TAU).collect(),
            Self::Fourier(frequencies) => frequencies.clone(),
        }
    }

    fn width(&self) -> i64 {
        match self {
            Self::Sinusoidal(width) => *width,
            Self::Fourier(frequencies) => 2 * frequencies.len() as i64,
        }
    }

    /// Times N, result N x width, float32.
    pub(super) fn of(&self, times: &[f64], device: Device) -> Result<Tensor> {
        match self {
            Self::Sinusoidal(width) => {
                sinusoidal(&times.iter().map(|t| 1_000.0 * t).collect::<Vec<_>>(), *width, device)
            }
            Self::Fourier(frequencies) => fourier(times, frequencies, device),
        }
    }
}

/// silu(linear(silu(linear(waves(t)))) + class), with one more class for "no label" (Ho et al. 2020, their
/// code; Ho & Salimans 2022).
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) waves: Waves,
    time: (Linear, Linear),
    classes: Option<(Embedding, i64)>,
}

impl Condition {
    /// The waves of time make a vector of `width`.
    pub(super) fn new(
        init: &mut ParametersBuilder,
        summary: &mut Summary,
        (waves, width): (Waves, i64),
        classes: Option<i64>,
    ) -> Result<Self> {
        let mut linear = |init: &mut ParametersBuilder, name: &str, from: i64| {
            summary.layer(init, name, "linear", width.to_string(), |init| Linear::new(init, name, from, width))
        };
        let time = (linear(init, "time.0", waves.width())?, linear(init, "time.1", width)?);
        let classes = match classes {
            None => None,
            Some(count) => {
                let embedding = summary.layer(init, "classes", "embedding", width.to_string(), |init| {
                    Embedding::new(init, "classes", count + 1, width)
                })?;
                Some((embedding, count))
            }
        };
        Ok(Self { waves, time, classes })
    }

    /// N x width, for the waves of N levels and labels that were checked.
    pub(super) fn forward(&self, waves: &Tensor, labels: Option<&Tensor>) -> Result<Tensor> {
        let mut vector = self.time.1.forward(&self.time.0.forward(waves)?.f_silu()?)?;
        if let Some((classes, count)) = &self.classes {
            let null = Tensor::f_full(&waves.size()[..1], *count, (Kind::Int64, waves.device()))?;
            let indices = match labels {
                None => null,
                Some(labels) => {
                    let labels = labels.f_to_device(waves.device())?;
                    labels.f_where_self(&labels.f_ge(0)?, &null)?
                }
            };
            vector = vector.f_add(&classes.forward(&indices)?)?;
        }
        Ok(vector.f_silu()?)
    }
}
