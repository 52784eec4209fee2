//! Looks out for a loss that explodes, and keeps weights from before.

use crate::mean::mean;
use tch::Tensor;

/// How far a loss may rise above the best that it was: nothing that learns comes near it.
const EXPLODED: f64 = 1_000.0;
const WINDOW: usize = 100;
const RECENT: usize = 10;
/// Before there are `RECENT` losses, so many in a row speak.
const ROW: usize = 3;
/// Samples whose mean loss is a measure: that of one may be small by chance.
const SAMPLES: usize = 16;

#[derive(Debug)]
pub(super) struct Watchdog {
    /// Losses that make a measure.
    least: usize,
    /// The least mean of the last 100 losses (of all, where there are fewer) so far.
    lowest: f64,
    pub(super) good: Option<Good>,
}

/// What training goes back to: its state at a step whose loss was good, before that step.
#[derive(Debug)]
pub(super) struct Good {
    /// Steps made by then.
    pub(super) after: usize,
    pub(super) weights: Tensor,
    pub(super) average: Tensor,
    /// The optimizer's mean, square and steps, where checkpoints are written: nobody else reads them.
    pub(super) moments: Option<(Tensor, Tensor, i32)>,
}

impl Watchdog {
    /// One that has seen these losses.
    pub(super) fn new(losses: &[f64], batch_size: usize) -> Self {
        let mut watchdog = Self { least: SAMPLES.div_ceil(batch_size.max(1)), lowest: f64::INFINITY, good: None };
        (1..=losses.len()).for_each(|end| watchdog.see(&losses[..end]));
        watchdog
    }

    /// All losses so far, of which the last is new.
    pub(super) fn see(&mut self, losses: &[f64]) {
        if losses.len() >= self.least {
            self.lowest = self.lowest.min(mean(last(losses, WINDOW)));
        }
    }

    /// Whether this loss is that of weights that are lost.
    pub(super) fn far(&self, loss: f64) -> bool {
        loss > EXPLODED * self.lowest
    }

    /// Whether the last losses are, not that of one bad batch alone.
    pub(super) fn exploded(&self, losses: &[f64]) -> bool {
        match losses.len() {
            0..ROW => false,
            ROW..RECENT => last(losses, ROW).iter().all(|&loss| self.far(loss)),
            _ => last(losses, 1).iter().all(|&loss| self.far(loss)) && self.far(mean(last(losses, RECENT))),
        }
    }

    /// Whether weights that have this loss, after the losses so far, are worth keeping: the first, and then once in 100 steps
    /// where the loss is near its best.
    pub(super) fn wants(&self, losses: &[f64], loss: f64) -> bool {
        let near = || (mean(last(losses, RECENT)) + loss / RECENT as f64) < 10.0 * self.lowest;
        self.good.is_none() || (losses.len().is_multiple_of(WINDOW) && near())
    }
}

fn last(losses: &[f64], count: usize) -> &[f64] {
    &losses[losses.len().saturating_sub(count)..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_weights(losses: &[f64], batch_size: usize) -> Watchdog {
        let none = || Tensor::from_slice(&[0.0]);
        let good = Good { after: 0, weights: none(), average: none(), moments: None };
        Watchdog { good: Some(good), ..Watchdog::new(losses, batch_size) }
    }

    #[test]
    fn a_loss_that_rises_a_thousandfold_exploded_and_one_bad_batch_did_not() {
        let mut losses = vec![0.1; 150];
        let watchdog = with_weights(&losses, 64);
        assert!(!watchdog.exploded(&losses) && !watchdog.wants(&losses, 0.1) && watchdog.wants(&losses[..100], 0.1));
        assert!(!watchdog.wants(&losses[..100], 90.0));
        losses.push(900.0); // the mean of 10 is 90
        assert!(!watchdog.exploded(&losses));
        losses.push(900.0);
        assert!(watchdog.exploded(&losses));
        losses.push(0.1); // it came back
        assert!(!watchdog.exploded(&losses));
        losses.resize(200, 900.0);
        assert!(!watchdog.wants(&losses, 900.0));
        assert!(!Watchdog::new(&[1e9; 99], 64).exploded(&[1e9; 99]));
        assert!(Watchdog::new(&[], 64).wants(&[], 1.0));
    }

    #[test]
    fn an_explosion_at_the_start_takes_three_losses() {
        let exploded = |losses: &[f64], batch_size| Watchdog::new(losses, batch_size).exploded(losses);
        assert!(!exploded(&[0.88, 1.2e10, 1.1e10], 64));
        assert!(exploded(&[0.88, 1.2e10, 1.1e10, 1e10], 64));
        assert!(!exploded(&[0.88, 1.2e10, 0.9, 1e10], 64));
        // 16 losses of one sample are a measure, 1 is none.
        assert!(!exploded(&[1e-6, 1.0, 1.0, 1.0], 1));
        assert!(exploded(&[&[1.0; 16][..], &[1e6; 4]].concat(), 1));
    }
}
