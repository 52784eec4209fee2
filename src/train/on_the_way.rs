//! What training does between its steps: it writes down, looks, and saves.

use super::logs::Log;
use super::record::{Snapshot, Validated};
use super::snapshot::snapshot;
use super::step::TrainStep;
use super::steps::TrainSteps;
use super::validation::validation_loss;
use crate::Result;
use crate::diffusion::Diffusion;
use crate::show::interrupted;
use std::time::Instant;

/// Moments of a run at which samples are drawn.
const SNAPSHOTS: usize = 5;

impl TrainSteps {
    /// Writes down a step, and looks at the model where that is due.
    pub(super) fn afterwards(&mut self, step: &TrainStep) -> Result<()> {
        self.record.losses.push(step.loss);
        self.record.gradient_norms.push(step.gradient_norm);
        self.record.lrs.push(step.lr);
        self.record.timing.add(&step.timing);
        self.watchdog.see(&self.record.losses);
        let epoch = self.record.steps_an_epoch;
        self.write(|log| log.step(step, epoch));
        if self.watchdog.exploded(&self.record.losses) {
            return Err(self.exploded(step)?);
        }
        let done = self.record.done();
        let due = |every: usize| done.is_multiple_of(every) || done == self.record.steps;
        let (sample, save) = (self.samples && self.sample_due(done), due(self.trainer.checkpoint_period()));
        let clock = Instant::now();
        let best = due(self.trainer.validation_period()) && self.trainer.validation.is_some() && {
            let best = self.validate()?;
            self.record.timing.validation += clock.elapsed();
            best
        };
        if sample {
            let clock = Instant::now();
            self.sample()?;
            self.record.timing.samples += clock.elapsed();
        }
        if save || best || self.keep_due(done) {
            self.save(best);
        }
        Ok(())
    }

    fn sample_due(&self, done: usize) -> bool {
        let steps = self.record.steps;
        match self.trainer.sample_every {
            Some(0) => false,
            Some(every) => done.is_multiple_of(every) || done == steps,
            // Five times in all.
            None => done <= steps && done * SNAPSHOTS / steps > (done - 1) * SNAPSHOTS / steps,
        }
    }

    fn keep_due(&self, done: usize) -> bool {
        self.trainer.keep_every.is_some_and(|every| done.is_multiple_of(every))
    }

    /// Whether the newest validation is the best; without validation data, none is.
    fn validate(&mut self) -> Result<bool> {
        let Some(data) = &self.trainer.validation else { return Ok(false) };
        let loss = |model: &Diffusion| validation_loss(model, data, self.trainer.seed);
        let (loss, averaged) = (loss(&self.trainer.model)?, loss(&self.average)?);
        let validated = Validated { step: self.record.done(), loss, averaged };
        self.record.validations.push(validated);
        self.write(|log| log.validated(&validated));
        Ok(self.record.newest_is_best())
    }

    fn sample(&mut self) -> Result<()> {
        let draw = |model: &Diffusion| snapshot(model, self.trainer.seed);
        let (images, raw) = (draw(&self.average)?, draw(&self.trainer.model)?);
        // An interrupt ends a sampling before its end.
        if interrupted() {
            return Ok(());
        }
        let taken = Snapshot { step: self.record.done(), images, raw };
        let weights = self.trainer.model.network().parameters().named();
        self.write(|log| log.snapshot(&taken, &weights));
        self.record.snapshots.push(taken);
        Ok(())
    }

    /// A log that cannot be written is closed, and the run says so: training is worth more.
    fn write(&mut self, what: impl FnOnce(&mut Log) -> Result<()>) {
        let Some(log) = &mut self.log else { return };
        if let Err(error) = what(log) {
            self.record.unsaved = Some(error.to_string());
            self.log = None;
        }
    }

    /// Writes a checkpoint. One that cannot be written leaves those before it whole, and the next may succeed.
    fn save(&mut self, best: bool) {
        let Some(mut checkpoints) = self.checkpoints.take() else { return };
        let keep = self.keep_due(self.record.done());
        self.record.unsaved = checkpoints.save(&self.state(), best, keep).err().map(|error| error.to_string());
        self.checkpoints = Some(checkpoints);
    }

    /// Writes the last checkpoint anew, as it was after so many steps, where a later one is there.
    pub(super) fn save_again(&mut self, after: usize) {
        let Some(mut checkpoints) = self.checkpoints.take().filter(|checkpoints| checkpoints.is_after(after)) else {
            return;
        };
        let all = std::mem::take(&mut self.record);
        self.record = all.until(after);
        let unsaved = checkpoints.save(&self.state(), false, false).err().map(|error| error.to_string());
        self.record = all;
        self.record.unsaved = unsaved;
        self.checkpoints = Some(checkpoints);
    }

    /// Writes the last checkpoint, if that of the last step is not there.
    pub(super) fn save_last(&mut self) {
        let done = self.record.done();
        if done > 0 && self.checkpoints.as_ref().is_some_and(|checkpoints| !checkpoints.holds(done)) {
            self.save(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Dataset, Diffusion, Prediction, Schedule, Trainer, UNet};
    use serde_json::Value;

    fn trainer() -> (Trainer, Dataset, Dataset) {
        let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).blocks(1).classes(10);
        let model = Diffusion::new(&unet.build().unwrap(), &Schedule::cosine(100).unwrap(), Prediction::V).unwrap();
        let (train, test) = Dataset::digits().unwrap().split(0.9, 0).unwrap();
        (Trainer::new(&model).batch_size(16), train, test)
    }

    #[test]
    fn it_looks_as_often_as_it_is_told_and_at_the_end() {
        let (trainer, train, test) = trainer();
        let run = trainer.clone().steps(7).validate(&test).validate_every(3).sample_every(4).fit(&train).unwrap();
        assert_eq!(run.validation_steps(), [3, 6, 7]);
        let sampled: Vec<usize> = run.record.snapshots.iter().map(|snapshot| snapshot.step).collect();
        assert_eq!(sampled, [4, 7]);
        let last = &run.record.snapshots[1];
        assert!(
            last.images.size() == [10, 1, 8, 8] && last.raw.size() == last.images.size() && last.raw != last.images
        );
        assert!(format!("{run:?}").contains(", validation 0."), "{run:?}");
        let timing = run.timing();
        assert!(!timing.validation.is_zero() && !timing.samples.is_zero(), "{timing}");
        // Looking changes nothing; nor does looking away.
        let (blind, train, _) = self::trainer();
        let blind = blind.steps(7).sample_every(0).fit(&train).unwrap();
        assert!(blind.record.snapshots.is_empty() && blind.losses() == run.losses());
        assert!(blind.timing().samples.is_zero() && blind.timing().validation.is_zero());
        let said = blind.samples_by_epoch().map(|_| ()).unwrap_err().to_string();
        assert_eq!(said, "run = no samples: sample_every(0) turned them off");
        let (other, train, _) = self::trainer();
        assert_eq!(other.steps(7).fit(&train).unwrap().losses(), run.losses());
    }

    #[test]
    fn the_log_has_a_line_for_each_step_and_validation() {
        let folder = std::env::temp_dir().join(format!("noisebook-log-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let (trainer, train, test) = trainer();
        let run = trainer.steps(4).validate(&test).validate_every(2).log_to(&folder).fit(&train).unwrap();
        let text = std::fs::read_to_string(folder.join("log.jsonl")).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let numbers = |key: &str| -> Vec<f64> { lines.iter().filter_map(|line| line[key].as_f64()).collect() };
        for (key, expected) in [
            ("loss", run.losses()),
            ("gradient_norm", run.gradient_norms()),
            ("validation_averaged", run.ema_validation_losses()),
        ] {
            assert_eq!(numbers(key).len(), expected.len());
            // serde_json reads the last digit as it comes.
            let apart = numbers(key).into_iter().zip(expected).map(|(value, expected)| (value / expected - 1.0).abs());
            assert!(apart.fold(0.0, f64::max) < 1e-15, "{key}");
        }
        assert_eq!(numbers("step"), [1.0, 2.0, 2.0, 3.0, 4.0, 4.0]);
        let parts = ["data", "forward", "backward", "optimizer"].map(|part| numbers(&format!("seconds_{part}"))[0]);
        assert!(
            parts.iter().sum::<f64>() <= numbers("seconds")[0] && parts.iter().all(|part| *part > 0.0),
            "{parts:?}"
        );
        let events = std::fs::read_dir(&folder)
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("events.out.tfevents."));
        assert_eq!(events.count(), 1);
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// Where a log or a checkpoint cannot be written, training goes on and says so; what cannot be begun is refused.
    #[test]
    fn what_cannot_be_written_is_said() {
        let (trainer, train, _) = trainer();
        let file = std::env::temp_dir().join(format!("noisebook-no-folder-{}", std::process::id()));
        std::fs::write(&file, "in the way").unwrap();
        let said = trainer.clone().log_to(&file).iter(&train).map(|_| ()).unwrap_err().to_string();
        assert!(said.starts_with(&format!("log_to = {}: cannot be written: ", file.display())), "{said}");
        let said = trainer.clone().checkpoints(&file).iter(&train).map(|_| ()).unwrap_err().to_string();
        assert!(said.starts_with(&format!("checkpoints = {}: cannot be made: ", file.display())), "{said}");
        std::fs::remove_file(&file).unwrap();

        let mut steps = trainer.checkpoints(&file).checkpoint_every(1).iter(&train).unwrap();
        steps.next().unwrap().unwrap();
        assert!(steps.record.unsaved.is_none());
        std::fs::remove_dir_all(&file).unwrap();
        steps.next().unwrap().unwrap();
        let said = steps.record.unsaved.clone().unwrap();
        let place = file.join("last.safetensors");
        assert_eq!(said, format!("path = {}: there is no folder {}", place.display(), file.display()));
    }
}
