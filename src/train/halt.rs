//! How training ends when its numbers do.

use super::diagnosis::{Found, diagnose};
use super::gradient::Gradient;
use super::step::TrainStep;
use super::steps::TrainSteps;
use super::stopped::{Stopped, worst};
use super::watchdog::Good;
use crate::accel::Precision;
use crate::diffusion::Noised;
use crate::net::Parameters;
use crate::schedule::Levels;
use crate::{Error, Result};
use tch::{Kind, Tensor, no_grad_guard};

impl TrainSteps {
    /// What is to be said of a number that is none. Weights that are ruined are good again after it; others have not been
    /// touched.
    pub(super) fn stop(&mut self, what: &str, value: f64, noised: &Noised, made: &Gradient) -> Result<Error> {
        let found = diagnose(&self.trainer.model, noised, &made.flat, self.trainer.precision)?;
        let t = worst_time(&made.each, &noised.levels)?;
        let ruined = self.ruined(found.as_ref(), noised)?;
        let (began_so, data) = (ruined && self.watchdog.good.is_none(), found == Some(Found::Data));
        let mut rule = match if ruined { self.go_back()? } else { None } {
            Some(good) => format!("the weights were ruined by then, and are again {good}"),
            None if began_so => "the weights were broken before this training began".to_string(),
            None => "training stopped before this step touched the weights".to_string(),
        };
        if let Some(t) = t.filter(|_| !data && !began_so) {
            rule += &format!("; worst at t = {t:.3}");
        }
        if let Some(found) = &found {
            rule += &format!("; {}", found.in_words());
        }
        rule += match self.trainer.precision {
            _ if data => ": data.report()? says which, data.clean()?.apply()? leaves them out",
            _ if began_so => "; build the network anew, or load or resume what was saved before",
            Precision::Float16 => "; try a lower learning rate, or bfloat16",
            _ if self.trainer.clip_norm.is_infinite() => "; try a lower learning rate, or clip_norm(1.0)",
            _ => "; try a lower learning rate, or a warm-up",
        };
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

    /// Whether the weights themselves are at fault: they are not finite, or their loss on this batch is not, in float32, or it
    /// is a thousand times the best.
    fn ruined(&self, found: Option<&Found>, noised: &Noised) -> Result<bool> {
        match found {
            Some(Found::Weight(_)) => return Ok(true),
            Some(Found::Data) => return Ok(false),
            _ => {}
        }
        let (_guard, model) = (no_grad_guard(), &self.trainer.model);
        let loss = model.judge(noised, &model.predict_still(noised)?)?.loss.f_double_value(&[])?;
        Ok(!loss.is_finite() || self.watchdog.far(loss))
    }

    /// Goes back to the last good weights.
    pub(super) fn exploded(&mut self, step: &TrainStep) -> Result<Error> {
        let t = worst_time(&step.losses, &step.levels)?;
        let mut rule = "the loss is a thousand times its best: it exploded".to_string();
        if let Some(t) = t {
            rule += &format!("; worst at t = {t:.3}");
        }
        let mut layer = None;
        if let Some(good) = &self.watchdog.good {
            layer = moved_most(self.trainer.model.network().parameters(), &good.weights)?;
        }
        if let Some(layer) = &layer {
            rule += &format!("; of all weights {layer} moved the most");
        }
        if let Some(good) = self.go_back()? {
            rule += &format!("; the weights are again {good}");
        }
        rule += "; try a lower learning rate, or a warm-up";
        let (what, value) = ("loss".to_string(), step.loss.to_string());
        let stopped = Stopped { step: step.index, what, value, t, layer, rule };
        let error = stopped.error();
        self.stopped = Some(stopped);
        Ok(error)
    }

    /// Keeps the weights of now, before a step moves them, where their loss shows that they are good.
    pub(super) fn keep_good(&mut self, loss: f64) -> Result<()> {
        if !self.watchdog.wants(&self.record.losses, loss) {
            return Ok(());
        }
        let _guard = no_grad_guard();
        let moments = match self.checkpoints {
            Some(_) => Some((
                self.optimizer.mean.f_detach_copy()?,
                self.optimizer.square.f_detach_copy()?,
                self.optimizer.steps,
            )),
            None => None,
        };
        self.watchdog.good = Some(Good {
            after: self.record.done(),
            weights: self.trainer.model.network().parameters().flat().f_detach_copy()?,
            average: self.average.network().parameters().flat().f_detach_copy()?,
            moments,
        });
        Ok(())
    }

    /// Takes weights, average and optimizer back to where they were good, also in a checkpoint that was written since; says
    /// which they are.
    fn go_back(&mut self) -> Result<Option<String>> {
        let Some(good) = self.watchdog.good.take() else { return Ok(None) };
        let (network, average) = (self.trainer.model.network(), self.average.network());
        {
            let _guard = no_grad_guard();
            network.parameters().flat().f_copy_(&good.weights)?;
            average.parameters().flat().f_copy_(&good.average)?;
            if let Some((mean, square, steps)) = &good.moments {
                self.optimizer.mean.f_copy_(mean)?;
                self.optimizer.square.f_copy_(square)?;
                self.optimizer.steps = *steps;
            }
        }
        network.parameters().set_trained_steps(self.record.earlier + good.after);
        let which = match good.after {
            after if after == self.record.resumed => "those that it began with".to_string(),
            after => format!("those after step {after}"),
        };
        self.save_again(good.after);
        Ok(Some(which))
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
    use super::super::watchdog::Watchdog;
    use crate::{Dataset, Diffusion, Prediction, Schedule, Trainer, UNet};
    use tch::Tensor;

    #[test]
    fn a_loss_that_explodes_gives_the_last_good_weights_back() {
        let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).blocks(1);
        let schedule = Schedule::cosine(100).unwrap();
        let model = Diffusion::new(&unet.build().unwrap(), &schedule, Prediction::V).unwrap();
        let mut steps = Trainer::new(&model).batch_size(16).iter(&Dataset::digits().unwrap()).unwrap();
        let weights = || model.network().parameters().flat().copy();
        // After 100 steps as good as the next its weights are kept.
        steps.record.losses = vec![0.9; 100];
        let good = weights();
        steps.next().unwrap().unwrap();
        let kept = steps.watchdog.good.take();
        assert_ne!(weights(), good);
        {
            let _guard = tch::no_grad_guard();
            let named = model.network().parameters().named();
            let _ = named.iter().find(|(name, _)| name == "conv_in.bias").unwrap().1.shallow_clone().fill_(5.0);
        }
        // Then the losses of before were so small that the next is an explosion.
        steps.record.losses = vec![1e-9; 120];
        steps.watchdog = Watchdog::new(&steps.record.losses, 16);
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

    fn model() -> Diffusion {
        let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).blocks(1);
        Diffusion::new(&unet.build().unwrap(), &Schedule::cosine(100).unwrap(), Prediction::V).unwrap()
    }

    fn weights(model: &Diffusion) -> Tensor {
        model.network().parameters().flat().copy()
    }

    /// A step of rate 1e4 moves each weight by about 1e4: what was learned is lost before a loss says so.
    #[test]
    fn a_step_that_ruins_the_weights_is_taken_back() {
        let (model, digits) = (model(), Dataset::digits().unwrap());
        Trainer::new(&model).steps(3).batch_size(16).live(false).fit(&digits).unwrap();
        let before = weights(&model);
        let run = Trainer::new(&model).steps(60).batch_size(16).lr(1e4).live(false).fit(&digits).unwrap();
        let said = run.stopped().unwrap().to_string();
        assert!(said.contains(" again those that it began with; "), "{said}");
        assert!(said.ends_with("; try a lower learning rate, or a warm-up"), "{said}");
        assert!(run.losses().len() < 10, "{said}");
        assert_eq!((weights(&model), weights(&run.ema().unwrap())), (before.copy(), before));
        assert_eq!(model.network().parameters().trained_steps(), 3);
        // And training goes on from there.
        let run = Trainer::new(&model).steps(2).batch_size(16).live(false).fit(&digits).unwrap();
        assert!(run.stopped().is_none() && run.losses()[1] < 2.0, "{run:?}");
    }

    /// Weights of 1e30 are finite, and nothing that they make is.
    #[test]
    fn weights_that_are_broken_from_the_start_are_said_to_be() {
        let (model, digits) = (model(), Dataset::digits().unwrap());
        let _ = tch::no_grad(|| model.network().parameters().flat().fill_(1e30));
        let run = Trainer::new(&model).steps(2).batch_size(16).live(false).fit(&digits).unwrap();
        let said = run.stopped().unwrap().to_string();
        let begins = "loss of step 0 = NaN: the weights were broken before this training began; the first output that is \
                      not finite is that of ";
        assert!(said.starts_with(begins), "{said}");
        assert!(said.ends_with("; build the network anew, or load or resume what was saved before"), "{said}");
    }

    #[test]
    fn the_last_checkpoint_is_good_again_too() {
        let digits = Dataset::digits().unwrap();
        let folder = std::env::temp_dir().join(format!("noisebook-good-again-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let trainer = |model: &Diffusion| Trainer::new(model).batch_size(16).live(false).resume(&folder);
        let first = model();
        trainer(&first).steps(2).fit(&digits).unwrap();
        let good = weights(&first);
        let run = trainer(&first).steps(30).lr(1e4).checkpoint_every(1).fit(&digits).unwrap();
        assert!(run.losses().len() > 2 && run.stopped().is_some() && run.unsaved().is_none(), "{run:?}");
        // As if the hot steps had never been.
        let (other, calm) = (model(), model());
        let resumed = trainer(&other).steps(4).fit(&digits).unwrap();
        let whole = Trainer::new(&calm).steps(4).batch_size(16).live(false).fit(&digits).unwrap();
        assert_eq!(resumed.losses(), whole.losses());
        assert_eq!((weights(&first), weights(&other)), (good, weights(&calm)));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
