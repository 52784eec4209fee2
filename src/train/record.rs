//! What training wrote down: numbers of every step, and moments at which it was looked at.

use std::cell::OnceCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;
use tch::Tensor;

/// Where the time of a step went, by the host's clock. A GPU works on its own: the host waits for it once a step, when it reads
/// the loss, and that counts as `backward`, as does the whole of a step that was recorded
/// ([`cuda_graphs`](crate::accel::cuda_graphs)).
///
/// ```
/// # use noisebook::prelude::*;
/// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
/// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
/// let step = Trainer::new(&model).batch_size(8).iter(&Dataset::digits()?)?.next().unwrap()?;
/// println!("{}", step.timing); // data 0.3 ms, forward 4.1 ms, backward 7.7 ms, optimizer 0.2 ms
/// assert!(step.timing.data + step.timing.backward < step.took);
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// Waiting for a batch, and drawing its noise: that of the next step, once training runs.
    pub data: Duration,
    /// The network and the loss.
    pub forward: Duration,
    /// The gradient.
    pub backward: Duration,
    /// Clipping, the optimizer and the average.
    pub optimizer: Duration,
    /// The loss on the validation data, between two steps: 0 in the timing of one step, a share in that of a run.
    pub validation: Duration,
    /// The samples on the way, between two steps, likewise.
    pub samples: Duration,
}

impl Timing {
    pub(super) fn add(&mut self, other: &Self) {
        self.data += other.data;
        self.forward += other.forward;
        self.backward += other.backward;
        self.optimizer += other.optimizer;
        self.validation += other.validation;
        self.samples += other.samples;
    }

    /// That of one of so many steps.
    pub(super) fn share(&self, steps: usize) -> Self {
        let share = |time: Duration| time.div_f64(steps.max(1) as f64);
        Self {
            data: share(self.data),
            forward: share(self.forward),
            backward: share(self.backward),
            optimizer: share(self.optimizer),
            validation: share(self.validation),
            samples: share(self.samples),
        }
    }

    /// What a step takes by itself, without what lies between two.
    pub(super) fn of_step(&self) -> Self {
        Self { validation: Duration::ZERO, samples: Duration::ZERO, ..*self }
    }

    /// All that lies between steps: `validation and samples 13 s`, if it is a tenth of a second.
    pub(super) fn between(&self) -> Option<String> {
        let parts = [("validation", self.validation), ("samples", self.samples)];
        let names: Vec<&str> = parts.iter().filter(|(_, time)| !time.is_zero()).map(|(name, _)| *name).collect();
        let seconds = (self.validation + self.samples).as_secs_f64();
        let seconds = if seconds < 9.95 { format!("{seconds:.1}") } else { format!("{seconds:.0}") };
        (seconds != "0.0").then(|| format!("{} {seconds} s", names.join(" and ")))
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        write!(
            f,
            "data {:.1} ms, forward {:.1} ms, backward {:.1} ms, optimizer {:.1} ms",
            ms(self.data),
            ms(self.forward),
            ms(self.backward),
            ms(self.optimizer)
        )?;
        for (name, time) in [("validation", self.validation), ("samples", self.samples)] {
            if !time.is_zero() {
                write!(f, ", {name} {:.1} ms", ms(time))?;
            }
        }
        Ok(())
    }
}

/// The numbers of a run.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) losses: Vec<f64>,
    pub(super) gradient_norms: Vec<f64>,
    pub(super) lrs: Vec<f64>,
    pub(super) validations: Vec<Validated>,
    pub(super) snapshots: Vec<Snapshot>,
    pub(super) steps: usize,
    /// Steps that the weights went through before this run.
    pub(super) earlier: usize,
    /// Steps of this run that another process made.
    pub(super) resumed: usize,
    pub(super) steps_an_epoch: usize,
    pub(super) took: Duration,
    /// Of the steps that this process made, together.
    pub(super) timing: Timing,
    /// The loss of the ideal denoiser of the training set, once it was asked for; `None` where it cannot be computed.
    pub(super) floor: Rc<OnceCell<Option<f64>>>,
    /// What could not be written, the last time.
    pub(super) unsaved: Option<String>,
}

/// The losses of trained and of averaged weights on the validation set, after so many steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Validated {
    pub(super) step: usize,
    pub(super) loss: f64,
    pub(super) averaged: f64,
}

/// Samples of the averaged weights, and of the trained ones, from the same noise, or the same samples of a source, every
/// time.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) step: usize,
    pub(super) images: Tensor,
    pub(super) raw: Tensor,
}

impl Record {
    /// Steps made.
    pub(super) fn done(&self) -> usize {
        self.losses.len()
    }

    /// The record as it was after so many steps.
    pub(super) fn until(&self, done: usize) -> Self {
        let mut record = self.clone();
        for numbers in [&mut record.losses, &mut record.gradient_norms, &mut record.lrs] {
            numbers.truncate(done);
        }
        record.validations.retain(|validated| validated.step <= done);
        record.snapshots.retain(|snapshot| snapshot.step <= done);
        record
    }

    /// Seconds of a step of this process.
    pub(super) fn pace(&self) -> f64 {
        self.took.as_secs_f64() / (self.done() - self.resumed).max(1) as f64
    }

    /// Whether the newest validation is the best: its averaged weights have the least loss so far.
    pub(super) fn newest_is_best(&self) -> bool {
        let Some((newest, before)) = self.validations.split_last() else { return false };
        newest.averaged.is_finite()
            && before.iter().all(|other| other.averaged.is_nan() || other.averaged > newest.averaged)
    }
}

impl Clone for Record {
    fn clone(&self) -> Self {
        let copy =
            |s: &Snapshot| Snapshot { step: s.step, images: s.images.shallow_clone(), raw: s.raw.shallow_clone() };
        Self {
            losses: self.losses.clone(),
            gradient_norms: self.gradient_norms.clone(),
            lrs: self.lrs.clone(),
            validations: self.validations.clone(),
            snapshots: self.snapshots.iter().map(copy).collect(),
            floor: Rc::clone(&self.floor),
            unsaved: self.unsaved.clone(),
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 60 steps of 56 ms and two validations and samples: 3.4 s and 13 s.
    #[test]
    fn what_lies_between_steps_is_said_apart() {
        let ms = Duration::from_millis;
        let whole = Timing {
            forward: ms(60 * 50),
            optimizer: ms(60 * 6),
            validation: ms(9_000),
            samples: ms(4_200),
            ..Timing::default()
        };
        let step = "data 0.0 ms, forward 50.0 ms, backward 0.0 ms, optimizer 6.0 ms";
        assert_eq!(whole.share(60).of_step().to_string(), step);
        assert_eq!(whole.share(60).to_string(), format!("{step}, validation 150.0 ms, samples 70.0 ms"));
        assert_eq!(whole.between().unwrap(), "validation and samples 13 s");
        let samples = Timing { samples: ms(1_240), ..Timing::default() };
        assert_eq!(samples.between().unwrap(), "samples 1.2 s");
        assert_eq!(Timing::default().between(), None);
    }

    #[test]
    fn the_best_is_the_least_finite_one_and_the_first_of_equals() {
        let best = |losses: &[f64]| {
            let validations = losses.iter().map(|&averaged| Validated { step: 1, loss: 0.0, averaged }).collect();
            Record { validations, ..Record::default() }.newest_is_best()
        };
        assert!(best(&[2.0]) && best(&[2.0, 1.0]) && best(&[f64::NAN, 1.0]));
        assert!(!best(&[]) && !best(&[1.0, 1.0]) && !best(&[1.0, 2.0]) && !best(&[f64::NAN]));
    }
}
