//! What every network refuses.

use super::{Network, TimeEmbedding};
use crate::schedule::Levels;
use crate::show::sides;
use crate::{Error, Result};
use tch::Tensor;

/// No size is larger: what is, was mistyped.
const MOST: i64 = 8_192;

/// That these sizes of a network, each under its argument's name, lie in 1..=8192.
pub(super) fn check_sizes(sizes: &[(&str, i64)]) -> Result<()> {
    for &(name, value) in sizes {
        if value < 1 {
            return Err(Error::argument(name, value, "must be at least 1"));
        }
        if value > MOST {
            return Err(Error::argument(name, value, format!("must be at most {MOST}")));
        }
    }
    Ok(())
}

/// That dropout and the embedding of time can be.
pub(super) fn check_training(dropout: f64, time: TimeEmbedding) -> Result<()> {
    if !(0.0..1.0).contains(&dropout) {
        return Err(Error::argument("dropout", dropout, "the share that is dropped lies from 0 to below 1"));
    }
    time.check()
}

/// That a network can take this input: samples of its shape, a level for each, and labels if it knows classes.
pub(crate) fn check_input(network: &dyn Network, x: &Tensor, levels: &Levels, labels: Option<&Tensor>) -> Result<()> {
    let (shape, size) = (network.sample_shape(), x.size());
    if size.len() != shape.len() + 1 || size[1..] != shape {
        let rule = format!("this network takes N x {}", sides(&shape));
        return Err(Error::argument("x", format!("{size:?}"), rule));
    }
    if levels.len() as i64 != size[0] {
        return Err(Error::argument("levels", levels.len(), format!("one for each of the {} samples", size[0])));
    }
    match (labels, network.classes()) {
        (Some(labels), Some(classes)) => crate::labels::check_for("the network's classes", labels, size[0], classes),
        (Some(_), None) => Err(Error::argument("labels", "Some", "this network was built without classes: give None")),
        (None, _) => Ok(()),
    }
}
