//! The vector that tells a network's blocks the time and the class.

use super::layers::{Embedding, Linear};
use super::parameters::Initializer;
use super::summary::Summary;
use super::time::sinusoidal;
use crate::Result;
use crate::schedule::Levels;
use tch::{Device, Kind, Tensor};

/// silu(linear(silu(linear(sinusoidal(1000 t)))) + class), with one more class for "no label" (Ho et al. 2020, their
/// code; Ho & Salimans 2022).
#[derive(Debug)]
pub(super) struct Condition {
    sines: i64,
    time: (Linear, Linear),
    classes: Option<(Embedding, i64)>,
}

impl Condition {
    /// `sines` numbers of time (even) make a vector of `width`.
    pub(super) fn new(
        init: &mut Initializer,
        summary: &mut Summary,
        (sines, width): (i64, i64),
        classes: Option<i64>,
    ) -> Result<Self> {
        let mut linear = |init: &mut Initializer, name: &str, from: i64| {
            summary.layer(init, name, "linear", width.to_string(), |init| Linear::new(init, name, from, width))
        };
        let time = (linear(init, "time.0", sines)?, linear(init, "time.1", width)?);
        let classes = match classes {
            None => None,
            Some(count) => {
                let embedding = summary.layer(init, "classes", "embedding", width.to_string(), |init| {
                    Embedding::new(init, "classes", count + 1, width)
                })?;
                Some((embedding, count))
            }
        };
        Ok(Self { sines, time, classes })
    }

    /// N x width, for N levels and labels that were checked.
    pub(super) fn forward(&self, levels: &Levels, labels: Option<&Tensor>, device: Device) -> Result<Tensor> {
        let times: Vec<f64> = levels.times().iter().map(|t| 1_000.0 * t).collect();
        let time = sinusoidal(&times, self.sines, device)?;
        let mut vector = self.time.1.forward(&self.time.0.forward(&time)?.f_silu()?)?;
        if let Some((classes, count)) = &self.classes {
            let null = Tensor::f_full([levels.len() as i64], *count, (Kind::Int64, device))?;
            let indices = match labels {
                None => null,
                Some(labels) => {
                    let labels = labels.f_to_device(device)?;
                    labels.f_where_self(&labels.f_ge(0)?, &null)?
                }
            };
            vector = vector.f_add(&classes.forward(&indices)?)?;
        }
        Ok(vector.f_silu()?)
    }
}
