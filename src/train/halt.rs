//! How training ends when its numbers do.

use super::diagnosis::{Found, diagnose};
use super::gradient::Gradient;
use super::precision::Precision;
use super::step::TrainStep;
use super::steps::TrainSteps;
use super::stopped::{Stopped, worst};
use crate::diffusion::Noised;
use crate::net::Parameters;
use crate::schedule::Levels;
use crate::{Error, Result};
use tch::{Kind, Tensor, no_grad_guard};

impl TrainSteps {
    /// What is to be said of a number that is none. The weights have not been touched.
    pub(super) fn stop(&mut self, what: &str, value: f64, noised: &Noised, made: &Gradient) -> Result<Error> {
        let found = diagnose(&self.trainer.model, noised, &made.flat, self.trainer.precision)?;
        let t = worst_time(&made.each, &noised.levels)?;
        let mut rule = "training stopped before this step touched the weights".to_string();
        if let Some(t) = t.filter(|_| found != Some(Found::Data)) {
            rule += &format!("; worst at t = {t:.3}");
        }
        if let Some(found) = &found {
            rule += &format!("; {}", found.in_words());
        }
        if found == Some(Found::Data) {
            rule += ": data.report()? says which, data.clean()?.apply()? leaves them out";
        } else {
            rule += "; try a lower learning rate";
            match self.trainer.precision {
                Precision::Float16 => rule += ", or bfloat16",
                _ if self.trainer.clip_norm.is_infinite() => rule += ", or clip_norm(1.0)",
                _ => rule += ", or a warm-up",
            }
        }
        let stopped = Stopped {
            step: self.record.done(),
            what: what.to_string(),
            value: value.to_string(),
            t,
            layer: found.and_then(|found| found.layer()),
            rule,
        };
        let error = stopped.error();
        self.stopped = Some(stopped);
        Ok(error)
    }

    /// Goes back to the last good weights.
    pub(super) fn exploded(&mut self, step: &TrainStep) -> Result<Error> {
        let t = worst_time(&step.losses, &step.levels)?;
        let mut rule = "the loss is a thousand times its best: it exploded".to_string();
        if let Some(t) = t {
            rule += &format!("; worst at t = {t:.3}");
        }
        let mut layer = None;
        if let Some((after, weights, average)) = &self.watchdog.good {
            let _guard = no_grad_guard();
            let network = self.trainer.model.network();
            layer = moved_most(network.parameters(), weights)?;
            if let Some(layer) = &layer {
                rule += &format!("; of all weights {layer} moved the most");
            }
            network.parameters().flat().f_copy_(weights)?;
            self.average.network().parameters().flat().f_copy_(average)?;
            rule += &format!("; the weights are again those after step {after}");
        }
        rule += "; try a lower learning rate, or a warm-up";
        let (what, value) = ("loss".to_string(), step.loss.to_string());
        let stopped = Stopped { step: step.index, what, value, t, layer, rule };
        let error = stopped.error();
        self.stopped = Some(stopped);
        Ok(error)
    }
}

/// The time of the worst sample.
fn worst_time(losses: &Tensor, levels: &Levels) -> Result<Option<f64>> {
    let times = levels.times();
    Ok(worst(&Vec::<f64>::try_from(losses.f_to_kind(Kind::Double)?)?).map(|index| times[index]))
}

/// The weight whose distance from what it was is the most of its length then. One that began at zero counts as if its numbers
/// were 0.01 each: any step is far for it.
fn moved_most(parameters: &Parameters, before: &Tensor) -> Result<Option<String>> {
    let (now, mut start, mut most) = (parameters.flat(), 0, (0.0, None));
    for (name, weight) in parameters.named() {
        let count = weight.numel() as i64;
        let (now, before) = (now.f_narrow(0, start, count)?, before.f_narrow(0, start, count)?);
        let length = |tensor: &Tensor| -> Result<f64> { Ok(tensor.f_norm()?.f_double_value(&[])?) };
        let moved = length(&now.f_sub(&before)?)? / length(&before)?.max(0.01 * (count as f64).sqrt());
        if moved > most.0 {
            most = (moved, Some(name));
        }
        start += count;
    }
    Ok(most.1)
}

#[cfg(test)]
mod tests {
    use super::super::stopped::Watchdog;
    use crate::{Dataset, Diffusion, Prediction, Schedule, Trainer, UNet};

    #[test]
    fn a_loss_that_explodes_gives_the_last_good_weights_back() {
        let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).blocks(1);
        let schedule = Schedule::cosine(100).unwrap();
        let model = Diffusion::new(&unet.build().unwrap(), &schedule, Prediction::V).unwrap();
        let mut steps = Trainer::new(&model).batch_size(16).iter(&Dataset::digits().unwrap()).unwrap();
        let weights = || model.network().parameters().flat().copy();
        // 99 steps as good as the first to come, which makes a hundred: its weights are kept.
        steps.record.losses = vec![0.9; 99];
        steps.next().unwrap().unwrap();
        let kept = steps.watchdog.good.take();
        let good = weights();
        steps.next().unwrap().unwrap();
        assert_ne!(weights(), good);
        {
            let _guard = tch::no_grad_guard();
            let named = model.network().parameters().named();
            let _ = named.iter().find(|(name, _)| name == "conv_in.bias").unwrap().1.shallow_clone().fill_(5.0);
        }
        // Then the losses of before were so small that the next is an explosion.
        steps.record.losses = vec![1e-9; 120];
        steps.watchdog = Watchdog::new(&steps.record.losses);
        steps.watchdog.good = kept;
        let said = steps.next().unwrap().unwrap_err().to_string();
        assert!(said.starts_with("loss of step 120 = 0."), "{said}");
        let ends = "; of all weights conv_in.bias moved the most; the weights are again those after step 100; try a lower \
                    learning rate, or a warm-up";
        assert!(said.contains(": the loss is a thousand times its best: it exploded; worst at t = "), "{said}");
        assert!(said.ends_with(ends), "{said}");
        assert_eq!(weights(), good);
        assert!(steps.next().is_none());
    }
}
