//! Why training stopped by itself.

use std::fmt;

/// Why training stopped before its end: a loss or a gradient that is no number any more, or a loss that exploded.
///
/// The weights and their average are usable: those before the step, or, where these are ruined already, the last good ones,
/// which are kept at the first step and once in 100. Weights that were broken before the first step stay so, and the text
/// says it.
///
/// ```
/// # use noisebook::prelude::*;
/// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
/// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
/// let run = Trainer::new(&model).steps(60).batch_size(8).lr(1e30).clip_norm(f64::INFINITY).fit(&Dataset::digits()?)?;
/// let stopped = run.stopped().unwrap();
/// println!("{stopped}"); // loss of step 1 = NaN: the weights were ruined by then, and are again those that it began with; ...
/// assert_eq!(run.losses().len(), stopped.step); // those before it
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Stopped {
    /// The step whose numbers it was, from 0.
    pub step: usize,
    /// What went wrong: `loss`, `gradient norm`, or what an error names.
    pub what: String,
    /// Its value.
    pub value: String,
    /// The time t of the worst sample of the batch.
    pub t: Option<f64>,
    /// The layer where it began.
    pub layer: Option<String>,
    /// What happened and what to try.
    pub(super) rule: String,
}

impl Stopped {
    /// For what is no matter of numbers: no memory left, say.
    pub(super) fn because(step: usize, error: &crate::Error) -> Self {
        let rule = "training stopped; what was learned before is kept".to_string();
        Self { step, what: "an error".to_string(), value: error.to_string(), t: None, layer: None, rule }
    }

    /// As an error says it.
    pub(super) fn error(&self) -> crate::Error {
        crate::Error::argument(format!("{} of step {}", self.what, self.step), &self.value, self.rule.clone())
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of step {} = {}: {}", self.what, self.step, self.value, self.rule)
    }
}

/// The index of the worst of the samples' losses: the first that is not finite, or the largest.
pub(super) fn worst(losses: &[f64]) -> Option<usize> {
    let broken = losses.iter().position(|loss| !loss.is_finite());
    broken.or_else(|| (0..losses.len()).max_by(|&a, &b| losses[a].total_cmp(&losses[b])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_the_first_that_is_no_number_or_the_largest() {
        assert_eq!(worst(&[1.0, f64::INFINITY, f64::NAN]), Some(1));
        assert_eq!(worst(&[1.0, 3.0, 2.0]), Some(1));
        assert_eq!(worst(&[]), None);
    }
}
