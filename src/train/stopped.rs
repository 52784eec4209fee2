//! Why training stopped by itself.

use std::fmt;
use tch::Tensor;

/// Why training stopped before its end: a loss or a gradient that is no number any more, or a loss that exploded. The
/// weights are the last good ones.
///
/// ```
/// # use noisebook::prelude::*;
/// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
/// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
/// let run = Trainer::new(&model).steps(60).batch_size(8).lr(1e30).clip_norm(f64::INFINITY).fit(&Dataset::digits()?)?;
/// let stopped = run.stopped().unwrap();
/// println!("{stopped}"); // loss of step 1 = NaN: training stopped before this step touched the weights. ...
/// assert_eq!(run.losses().len(), stopped.step); // those before it
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Stopped {
    /// The step that was not made, from 0.
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

/// How far a loss may rise above the best that it was: nothing that learns comes near it.
const EXPLODED: f64 = 1_000.0;
const WINDOW: usize = 100;
const RECENT: usize = 10;

/// Looks out for a loss that explodes, and keeps weights from before.
#[derive(Debug)]
pub(super) struct Watchdog {
    /// The least mean of 100 losses so far.
    lowest: f64,
    /// After so many steps, trained and averaged weights.
    pub(super) good: Option<(usize, Tensor, Tensor)>,
}

impl Watchdog {
    /// One that has seen these losses.
    pub(super) fn new(losses: &[f64]) -> Self {
        let mut watchdog = Self { lowest: f64::INFINITY, good: None };
        (WINDOW..=losses.len()).for_each(|end| watchdog.see(&losses[..end]));
        watchdog
    }

    /// All losses so far, of which the last is new.
    pub(super) fn see(&mut self, losses: &[f64]) {
        if losses.len() >= WINDOW {
            self.lowest = self.lowest.min(mean(&losses[losses.len() - WINDOW..]));
        }
    }

    pub(super) fn exploded(&self, losses: &[f64]) -> bool {
        losses.len() >= WINDOW && recent(losses) > EXPLODED * self.lowest
    }

    /// Whether the weights of now are worth keeping: once in 100 steps, if the loss is near its best.
    pub(super) fn wants(&self, losses: &[f64]) -> bool {
        losses.len().is_multiple_of(WINDOW) && losses.len() >= WINDOW && recent(losses) < 10.0 * self.lowest
    }
}

fn recent(losses: &[f64]) -> f64 {
    mean(&losses[losses.len().saturating_sub(RECENT)..])
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
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

    #[test]
    fn a_loss_that_rises_a_thousandfold_exploded_and_one_bad_batch_did_not() {
        let mut losses = vec![0.1; 150];
        let watchdog = Watchdog::new(&losses);
        assert!(!watchdog.exploded(&losses) && !watchdog.wants(&losses) && watchdog.wants(&losses[..100]));
        losses.push(900.0); // the mean of 10 is 90
        assert!(!watchdog.exploded(&losses));
        losses.push(900.0);
        assert!(watchdog.exploded(&losses));
        losses.resize(200, 900.0);
        assert!(!watchdog.wants(&losses));
        assert!(!Watchdog::new(&[1e9; 99]).exploded(&[1e9; 99]));
    }
}
