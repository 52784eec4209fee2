//! What stands in a checkpoint: everything that training needs to go on.
//!
//! Nothing of a generator need be in it: the draws of a step depend on the seed and its number alone.

use super::adamw::AdamW;
use super::loss_scale::LossScale;
use super::record::{Record, Snapshot, Validated};
use super::trainer::Trainer;
use crate::accel::Precision;
use crate::data::Dataset;
use crate::denoiser::Denoiser;
use crate::diffusion::Diffusion;
use crate::fields::Fields;
use crate::net::{Parameters, file};
use crate::{Error, Result};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;
use tch::{Tensor, no_grad_guard};

/// The parts of a training.
pub(super) struct State<'a> {
    pub(super) trainer: &'a Trainer,
    pub(super) dataset: &'a Dataset,
    pub(super) optimizer: &'a mut AdamW,
    pub(super) average: &'a Diffusion,
    pub(super) scale: &'a mut LossScale,
    pub(super) record: &'a mut Record,
}

impl State<'_> {
    /// What the run is: all that a resumed run must share, then all that may change.
    pub(super) fn description(&self) -> Result<Map<String, Value>> {
        let (trainer, model) = (self.trainer, &self.trainer.model);
        let network = model.network();
        let description = json!({
            "format": "noisebook checkpoint 1",
            "step": self.record.done(),
            "same": {
                "network": {
                    "sample_shape": network.sample_shape(),
                    "classes": network.classes(),
                    "parameters": network.parameter_count(),
                },
                "schedule": {"name": model.schedule().kind(), "levels": model.schedule().levels()},
                "prediction": format!("{:?}", model.prediction()),
                "data": {"name": self.dataset.name(), "samples": self.dataset.len()},
                "batch_size": trainer.batch_size,
                "seed": trainer.seed,
            },
            "model": model.describe(),
            "steps": trainer.planned(),
            "lr": trainer.lr,
            "lr_schedule": format!("{:?}", trainer.lr_schedule),
            "weight_decay": trainer.weight_decay,
            "clip_norm": trainer.clip_norm.to_string(),
            "ema": format!("{:?}", trainer.ema),
            "label_dropout": trainer.label_dropout,
            "accumulate": trainer.accumulate,
            "precision": trainer.precision.to_string(),
            "adamw_steps": self.optimizer.steps,
            "loss_scale": self.scale.scale,
            "steps_at_this_scale": self.scale.good,
            "earlier": self.record.earlier,
            "steps_an_epoch": self.record.steps_an_epoch,
        });
        match description {
            Value::Object(description) => Ok(description),
            _ => Ok(Map::new()),
        }
    }

    pub(super) fn tensors(&self) -> Result<Vec<(String, Tensor)>> {
        let parameters = self.trainer.model.network();
        let parameters = parameters.parameters();
        let mut tensors = Vec::new();
        for (prefix, flat) in [
            ("model.", parameters.flat()),
            ("ema.", self.average.network().parameters().flat()),
            ("optimizer.exp_avg.", self.optimizer.mean.shallow_clone()),
            ("optimizer.exp_avg_sq.", self.optimizer.square.shallow_clone()),
        ] {
            let mut start = 0;
            for (name, weight) in parameters.named() {
                let count = weight.numel() as i64;
                let part = flat.f_narrow(0, start, count)?.f_view(weight.size().as_slice())?;
                tensors.push((format!("{prefix}{name}"), part));
                start += count;
            }
        }
        let record = &*self.record;
        let validations = |number: fn(&Validated) -> f64| record.validations.iter().map(number).collect::<Vec<f64>>();
        let (alphas, sigmas) = levels(self.trainer.model.schedule());
        for (name, numbers) in [
            ("losses", &record.losses),
            ("gradient_norms", &record.gradient_norms),
            ("lrs", &record.lrs),
            ("validation.steps", &validations(|validated| validated.step as f64)),
            ("validation.losses", &validations(|validated| validated.loss)),
            ("validation.averaged", &validations(|validated| validated.averaged)),
            ("schedule.alphas", &alphas),
            ("schedule.sigmas", &sigmas),
        ] {
            tensors.push((format!("record.{name}"), Tensor::f_from_slice(numbers)?));
        }
        for snapshot in &record.snapshots {
            tensors.push((format!("snapshot.{:08}.ema", snapshot.step), snapshot.images.shallow_clone()));
            tensors.push((format!("snapshot.{:08}.model", snapshot.step), snapshot.raw.shallow_clone()));
        }
        Ok(tensors)
    }

    /// Takes over what a checkpoint holds.
    pub(super) fn restore(&mut self, path: &Path) -> Result<()> {
        let (tensors, saved) = file::read(path)?;
        self.check_same(path, &saved)?;
        let tensors: HashMap<String, Tensor> = tensors.into_iter().collect();
        let numbers = |name: &str| -> Result<Vec<f64>> {
            let tensor = tensors.get(&format!("record.{name}")).ok_or_else(|| missing(path, name))?;
            Ok(Vec::<f64>::try_from(tensor)?)
        };
        let (alphas, sigmas) = levels(self.trainer.model.schedule());
        if numbers("schedule.alphas")? != alphas || numbers("schedule.sigmas")? != sigmas {
            return Err(differs(path, "alphas and sigmas of the schedule", "others"));
        }
        let count = |name: &str| saved.get(name).and_then(Value::as_u64).ok_or_else(|| missing(path, name));
        let network = self.trainer.model.network();
        let parameters = network.parameters();
        fill(path, parameters, "model.", &tensors)?;
        fill(path, self.average.network().parameters(), "ema.", &tensors)?;
        fill_flat(path, parameters, &mut self.optimizer.mean, "optimizer.exp_avg.", &tensors)?;
        fill_flat(path, parameters, &mut self.optimizer.square, "optimizer.exp_avg_sq.", &tensors)?;
        self.optimizer.steps = count("adamw_steps")? as i32;
        // A scale belongs to float16: another precision has none.
        if self.trainer.precision == Precision::Float16 && saved.get("precision") == Some(&json!("float16")) {
            self.scale.good = count("steps_at_this_scale")? as usize;
            let scale = saved.get("loss_scale").and_then(Value::as_f64);
            self.scale.scale = scale.ok_or_else(|| missing(path, "loss_scale"))?;
        }
        let record = &mut *self.record;
        record.losses = numbers("losses")?;
        record.gradient_norms = numbers("gradient_norms")?;
        record.lrs = numbers("lrs")?;
        let validations = numbers("validation.steps")?.into_iter().zip(numbers("validation.losses")?);
        let validations = validations.zip(numbers("validation.averaged")?);
        record.validations =
            validations.map(|((step, loss), averaged)| Validated { step: step as usize, loss, averaged }).collect();
        record.earlier = count("earlier")? as usize;
        record.resumed = record.done();
        record.took = Duration::ZERO;
        let mut snapshots: Vec<Snapshot> = tensors
            .iter()
            .filter_map(|(name, images)| {
                let step = name.strip_prefix("snapshot.")?.strip_suffix(".ema")?;
                let raw = tensors.get(&format!("snapshot.{step}.model"))?;
                let (images, raw) = (images.shallow_clone(), raw.shallow_clone());
                Some(Snapshot { step: step.parse().ok()?, images, raw })
            })
            .collect();
        snapshots.sort_by_key(|snapshot| snapshot.step);
        record.snapshots = snapshots;
        parameters.set_trained_steps(record.earlier + record.done());
        if let Some(Value::Object(model)) = saved.get("model") {
            let frozen = Fields(model).words("frozen")?;
            parameters.set_frozen(&frozen, true)?;
            self.average.network().parameters().set_frozen(&frozen, true)?;
        }
        Ok(())
    }

    fn check_same(&self, path: &Path, saved: &Map<String, Value>) -> Result<()> {
        let own = self.description()?;
        let (Some(Value::Object(own)), Some(Value::Object(saved))) = (own.get("same"), saved.get("same")) else {
            return Err(Error::argument("resume", path.display(), "this is no checkpoint of a training"));
        };
        match own.iter().find(|(name, value)| saved.get(*name) != Some(value)) {
            Some((name, value)) => {
                let before = saved.get(name).map_or_else(|| "nothing".to_string(), Value::to_string);
                Err(differs(path, &format!("{name} = {before}"), &value.to_string()))
            }
            None => Ok(()),
        }
    }
}

fn levels(schedule: &crate::Schedule) -> (Vec<f64>, Vec<f64>) {
    let times = (1..=schedule.levels()).map(|level| level as f64 / schedule.levels() as f64);
    times.map(|t| (schedule.alpha(t), schedule.sigma(t))).unzip()
}

fn differs(path: &Path, before: &str, now: &str) -> Error {
    let rule = format!("this run was begun with {before}, not {now}: only the same training can go on");
    Error::argument("resume", path.display(), rule)
}

fn missing(path: &Path, name: &str) -> Error {
    Error::argument("resume", path.display(), format!("this checkpoint lacks {name}"))
}

/// Sets weights to those of a file.
pub(super) fn fill(
    path: &Path,
    parameters: &Parameters,
    prefix: &str,
    tensors: &HashMap<String, Tensor>,
) -> Result<()> {
    fill_flat(path, parameters, &mut parameters.flat(), prefix, tensors)
}

fn fill_flat(
    path: &Path,
    parameters: &Parameters,
    flat: &mut Tensor,
    prefix: &str,
    tensors: &HashMap<String, Tensor>,
) -> Result<()> {
    let _guard = no_grad_guard();
    let mut parts = Vec::new();
    for (name, weight) in parameters.named() {
        let name = format!("{prefix}{name}");
        let part = tensors.get(&name).ok_or_else(|| missing(path, &name))?;
        if part.size() != weight.size() {
            return Err(differs(path, &format!("{name} {:?}", part.size()), &format!("{:?}", weight.size())));
        }
        parts.push(part.f_reshape([-1])?);
    }
    if !parts.is_empty() {
        flat.f_copy_(&Tensor::f_cat(&parts, 0)?)?;
    }
    Ok(())
}
