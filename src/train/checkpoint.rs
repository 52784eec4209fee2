//! Checkpoints: files that are whole or not there.

use super::state::{State, fill};
use crate::diffusion::Diffusion;
use crate::net::file;
use crate::{Error, Result};
use serde_json::{Map, Value};
use std::fs;
use std::path::{Path, PathBuf};

const LAST: &str = "last.safetensors";
const BEST: &str = "best.safetensors";

/// The folder of a run's checkpoints.
#[derive(Debug)]
pub(super) struct Checkpoints {
    folder: PathBuf,
    /// The step of the newest one.
    saved: Option<usize>,
}

impl Checkpoints {
    /// Begins a folder; goes on where it holds a run that may be resumed.
    pub(super) fn open(folder: &Path, resume: bool, state: &mut State) -> Result<Self> {
        let mut checkpoints = Self { folder: folder.to_path_buf(), saved: None };
        let last = folder.join(LAST);
        if !last.exists() {
            fs::create_dir_all(folder).map_err(|error| checkpoints.refusal(format!("cannot be made: {error}")))?;
        } else if resume {
            state.restore(&last)?;
            checkpoints.saved = Some(state.record.done());
        } else {
            let rule = "it holds a run: .resume(..) goes on from there, another folder begins anew";
            return Err(checkpoints.refusal(rule));
        }
        checkpoints.sweep();
        checkpoints.describe(state.description()?)?;
        Ok(checkpoints)
    }

    /// What the run is and how far, for people.
    fn describe(&self, description: Map<String, Value>) -> Result<()> {
        let text = format!("{:#}\n", Value::Object(description));
        file::write_whole(&self.folder.join("run.json"), text.as_bytes())
    }

    /// What a process that was killed began to write.
    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') && name.ends_with(".partial") {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Writes the newest checkpoint, and beside it those that stay.
    pub(super) fn save(&mut self, state: &State, best: bool, keep: bool) -> Result<()> {
        let step = state.record.done();
        let (tensors, description) = (state.tensors()?, state.description()?);
        let mut names = Vec::new();
        if best {
            names.push(BEST.to_string());
        }
        if keep {
            names.push(format!("step-{step:08}.safetensors"));
        }
        // The last one last: a run that goes on from an earlier one writes the others again.
        names.push(LAST.to_string());
        for name in names {
            file::write(&self.folder.join(name), &tensors, &description)?;
        }
        self.saved = Some(step);
        self.describe(description)
    }

    /// Whether the newest checkpoint is that of this step.
    pub(super) fn holds(&self, step: usize) -> bool {
        self.saved == Some(step)
    }

    /// Whether the newest checkpoint is that of a later step.
    pub(super) fn is_after(&self, step: usize) -> bool {
        self.saved.is_some_and(|saved| saved > step)
    }

    fn refusal(&self, rule: impl Into<String>) -> Error {
        Error::argument("checkpoints", self.folder.display(), rule)
    }
}

/// The averaged weights of the best checkpoint in a folder, in a model of their own.
pub(super) fn best(folder: &Path, model: &Diffusion) -> Result<Diffusion> {
    let path = folder.join(BEST);
    let (tensors, _) = file::read(&path)?;
    let copy = model.copy()?;
    fill(&path, copy.network().parameters(), "ema.", &tensors.into_iter().collect())?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dataset;
    use crate::accel::Precision;
    use crate::train::Trainer;
    use crate::train::{Ema, LearningRate};
    use crate::{Prediction, Schedule, UNet};

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("noisebook-checkpoint-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Self(path)
        }

        fn bytes(&self, name: &str) -> Vec<u8> {
            fs::read(self.0.join(name)).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn model(schedule: &Schedule) -> Diffusion {
        let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).blocks(1).classes(10);
        Diffusion::new(&unet.device(tch::Device::Cpu).build().unwrap(), schedule, Prediction::V).unwrap()
    }

    fn trainer() -> Trainer {
        Trainer::new(&model(&Schedule::cosine(100).unwrap())).batch_size(16)
    }

    /// 10 steps = 6, everything anew, and 4 more: every byte of the last checkpoint.
    #[test]
    fn a_resumed_run_is_the_same_bit_for_bit() {
        let (train, test) = Dataset::digits().unwrap().split(0.9, 0).unwrap();
        for (name, change) in [
            ("plain", (|trainer| trainer) as fn(Trainer) -> Trainer),
            ("cycle", |trainer| trainer.lr_schedule(LearningRate::OneCycle).ema(Ema::power(0.1)).accumulate(2)),
            ("half", |trainer| trainer.precision(Precision::Float16).weight_decay(0.01).ema(Ema::article())),
        ] {
            let trainer = || change(trainer()).steps(10).validate(&test).validate_every(2).sample_every(4);
            let (whole, parts) = (Folder::new(name), Folder::new(&format!("{name}-parts")));
            let run = trainer().checkpoints(&whole.0).fit(&train).unwrap();
            let mut steps = trainer().resume(&parts.0).checkpoint_every(5).iter(&train).unwrap();
            steps.samples = true;
            for step in steps.by_ref().take(7) {
                step.unwrap(); // the last one is lost: the sixth had the best validation
            }
            let resumed = trainer().resume(&parts.0).fit(&train).unwrap();
            assert!(format!("{resumed:?}").starts_with("Step 10 of 10, resumed at 6: "), "{resumed:?}");
            assert_eq!(resumed.losses(), run.losses());
            assert!(whole.bytes(LAST) == parts.bytes(LAST), "{name}");
            // What is done is not done again.
            let again = trainer().resume(&parts.0).fit(&train).unwrap();
            assert_eq!(again.losses(), run.losses());
        }
    }

    #[test]
    fn best_and_every_nth_stay() {
        let (train, test) = Dataset::digits().unwrap().split(0.9, 0).unwrap();
        let folder = Folder::new("kept");
        let run = trainer().steps(6).validate(&test).validate_every(2).checkpoints(&folder.0).keep_every(3).fit(&train);
        let run = run.unwrap();
        for name in [LAST, BEST, "step-00000003.safetensors", "step-00000006.safetensors", "run.json"] {
            assert!(folder.0.join(name).exists(), "{name}");
        }
        assert!(folder.bytes(LAST) == folder.bytes("step-00000006.safetensors"));
        let described: Value = serde_json::from_slice(&folder.bytes("run.json")).unwrap();
        assert_eq!(described["step"], 6);
        // The losses fall, so that the best is the last.
        assert_eq!(
            run.ema_validation_losses().iter().copied().fold(f64::INFINITY, f64::min),
            run.ema_validation_losses()[2]
        );
        let weights = |model: &Diffusion| model.network().parameters().flat();
        assert_eq!(weights(&run.best().unwrap()), weights(&run.ema().unwrap()));
    }

    /// Model selection is for the article threshold, susceptible-infected and independent-cascade models, which are of
    /// diffusion on networks, another subject. Here it is to keep the weights that had the least validation loss.
    #[test]
    fn article_defect_8_model_selection_is_by_the_validation_loss() {
        let (train, test) = Dataset::digits().unwrap().split(0.9, 0).unwrap();
        let folder = Folder::new("selected");
        let trainer = || trainer().validate(&test).validate_every(1).ema(Ema::Article { decay: 0.0, copied: 0 });
        trainer().steps(4).checkpoints(&folder.0).fit(&train).unwrap();
        let selected = folder.bytes(BEST);
        // A rate that ruins what was learned.
        let run = trainer().steps(8).lr(1.0).resume(&folder.0).fit(&train).unwrap();
        let losses = run.ema_validation_losses();
        let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
        assert!(losses[3] == least && losses[7] > 2.0 * least, "{losses:?}");
        assert!(folder.bytes(BEST) == selected && folder.bytes(LAST) != selected);
        let weights = |model: &Diffusion| model.network().parameters().flat().copy();
        assert_ne!(weights(&run.best().unwrap()), weights(&run.ema().unwrap()));
    }

    #[test]
    fn what_was_frozen_stays_so_in_a_resumed_run() {
        let digits = Dataset::digits().unwrap();
        let folder = Folder::new("frozen");
        let run = |freeze: bool, steps| {
            let trainer = trainer().steps(steps).resume(&folder.0);
            if freeze {
                trainer.model.network().freeze(&["down", "time"]).unwrap();
            }
            let run = trainer.fit(&digits).unwrap();
            let named = run.model().network().parameters().named();
            let kept = named.iter().filter(|(name, _)| name.starts_with("down")).map(|(_, weight)| weight.copy());
            (kept.collect::<Vec<_>>(), run.ema().unwrap().network().parameters().trainable())
        };
        let (before, trainable) = run(true, 2);
        assert_eq!(run(false, 4), (before, trainable));
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let digits = Dataset::digits().unwrap();
        let folder = Folder::new("refused");
        trainer().steps(1).checkpoints(&folder.0).fit(&digits).unwrap();
        let said = |trainer: Trainer| {
            let said = trainer.steps(2).fit(&digits).map(|_| ()).unwrap_err().to_string();
            said.replace(&folder.0.display().to_string(), "FOLDER")
        };
        assert_eq!(
            said(trainer().checkpoints(&folder.0)),
            "checkpoints = FOLDER: it holds a run: .resume(..) goes on from there, another folder begins anew"
        );
        let only = "only the same training can go on";
        assert_eq!(
            said(trainer().resume(&folder.0).batch_size(8)),
            format!("resume = FOLDER/last.safetensors: this run was begun with batch_size = 16, not 8: {only}")
        );
        let linear = Trainer::new(&model(&Schedule::linear(100).unwrap())).batch_size(16);
        assert_eq!(
            said(linear.resume(&folder.0)),
            format!(
                "resume = FOLDER/last.safetensors: this run was begun with schedule = \
                 {{\"name\":\"cosine\",\"levels\":100}}, not {{\"name\":\"linear\",\"levels\":100}}: {only}"
            )
        );
        let cut = folder.bytes(LAST);
        fs::write(folder.0.join(LAST), &cut[..cut.len() / 2]).unwrap();
        let broken = said(trainer().resume(&folder.0));
        assert!(broken.starts_with("path = FOLDER/last.safetensors: not a whole safetensors file"), "{broken}");
        let run = trainer().steps(1).fit(&digits).unwrap();
        assert_eq!(
            run.best().unwrap_err().to_string(),
            "best = none: the best is known to a trainer with .checkpoints(..) and .validate(..)"
        );
    }

    /// A number that is none ends the run, which holds all before it, and the last checkpoint is that of good weights.
    #[test]
    fn what_is_no_number_loses_nothing() {
        let digits = Dataset::digits().unwrap();
        let folder = Folder::new("broken");
        let trainer = trainer().steps(40).checkpoints(&folder.0).checkpoint_every(1).clip_norm(f64::INFINITY).lr(1e25);
        let run = trainer.fit(&digits).unwrap();
        let stopped = run.stopped().unwrap();
        assert_eq!((run.losses().len(), run.interrupted()), (stopped.step, false));
        assert!(stopped.step >= 1 && stopped.t.is_some() && stopped.layer.is_some(), "{stopped:?}");
        let said = stopped.to_string();
        let back = "the weights were ruined by then, and are again those that it began with; worst at t = ";
        assert!(said.contains(back), "{said}");
        assert!(format!("{run:?}").contains(", stopped: ") && format!("{run:?}").ends_with(&said), "{run:?}");
        let finite = |model: &Diffusion| model.network().parameters().flat().isfinite().all().int64_value(&[]) == 1;
        assert!(finite(&run.model()) && finite(&run.ema().unwrap()));
        let (tensors, description) = file::read(&folder.0.join(LAST)).unwrap();
        assert_eq!(description["step"], 0);
        assert!(
            tensors
                .iter()
                .all(|(name, tensor)| name.starts_with("snapshot") || !bool::try_from(tensor.isnan().any()).unwrap())
        );
    }
}
