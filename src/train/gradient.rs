//! The gradient of a batch: in parts, in half precision, scaled, as the trainer says; by a replay where a GPU recorded it.

use super::record::Timing;
use super::trainer::Trainer;
use crate::accel::Autocast;
use crate::accel::Replays;
use crate::denoiser::Denoiser;
use crate::diffusion::Noised;
use crate::{Error, Result};
use std::cell::Cell;
use std::time::{Duration, Instant};
use tch::{Kind, Tensor};

/// What one batch says, still on its way where a GPU computes it.
pub(super) struct Gradient {
    /// Of all weights, in one vector.
    pub(super) flat: Tensor,
    /// One number, as the norm.
    loss: Tensor,
    norm: Tensor,
    /// The loss of each image: N.
    pub(super) each: Tensor,
    /// Predicted x_0.
    pub(super) predicted: Tensor,
}

/// Where gradients of a network are made.
pub(super) struct Workplace {
    /// As long as all weights.
    memory: Tensor,
    replays: Replays,
    /// Which weights learned when the replays were recorded: those that are frozen have no gradient there.
    learned: Vec<bool>,
}

impl Workplace {
    pub(super) fn new(weights: &Tensor) -> Result<Self> {
        Ok(Self { memory: weights.f_zeros_like()?, replays: Replays::default(), learned: Vec::new() })
    }

    /// Of the mean loss, each part counting for its share. The loss is multiplied by `scale` in between. One part leaves the
    /// gradient where the next step's will be.
    pub(super) fn gradient(
        &mut self,
        trainer: &Trainer,
        scale: f64,
        noised: &Noised,
        timing: &mut Timing,
    ) -> Result<Gradient> {
        let (parts, count) = (trainer.accumulate, noised.levels.len());
        let (mut sum, mut loss): (Option<Tensor>, Option<Tensor>) = (None, None);
        let (mut each, mut predicted) = (Vec::new(), Vec::new());
        for part in 0..parts {
            let (start, end) = (part * count / parts, (part + 1) * count / parts);
            let share = (end - start) as f64 / count as f64;
            let some;
            let part = if parts == 1 {
                noised
            } else {
                some = noised.part(start, end - start)?;
                &some
            };
            let made = self.part(trainer, part, share * scale, timing)?;
            let clock = Instant::now();
            let of_part = made.loss.f_to_kind(Kind::Double)?.f_mul_scalar(share)?;
            loss = Some(match loss {
                None => of_part,
                Some(loss) => loss.f_add(&of_part)?,
            });
            sum = Some(match sum {
                None if parts == 1 => made.flat,
                None => made.flat.f_detach_copy()?,
                Some(mut sum) => sum.f_add_(&made.flat)?,
            });
            each.push(made.each);
            predicted.push(made.predicted);
            timing.backward += clock.elapsed();
        }
        let (Some(mut flat), Some(loss)) = (sum, loss) else {
            return Err(Error::argument("accumulate", parts, "must be at least 1"));
        };
        if scale != 1.0 {
            flat = flat.f_div_scalar_(scale)?;
        }
        let norm = flat.f_norm()?;
        let join =
            |mut parts: Vec<Tensor>| if parts.len() == 1 { Ok(parts.remove(0)) } else { Tensor::f_cat(&parts, 0) };
        Ok(Gradient { flat, loss, norm, each: join(each)?, predicted: join(predicted)? })
    }

    /// Of the loss of one part times `factor`; the gradient lies in `memory`.
    fn part(&mut self, trainer: &Trainer, noised: &Noised, factor: f64, timing: &mut Timing) -> Result<Part> {
        let (began, forward) = (Instant::now(), Cell::new(Duration::ZERO));
        let model = &trainer.model;
        let (network, memory) = (model.network(), &self.memory);
        let factor = match factor {
            1.0 => None,
            factor => Some(Tensor::f_full([0_i64; 0], factor, (Kind::Float, model.device()))?),
        };
        let pass = |noised: &Noised, waves: Option<&Tensor>, factor: Option<&Tensor>| -> Result<Part> {
            let clock = Instant::now();
            let made = {
                let _autocast = Autocast::on(trainer.precision, model.device())?;
                let output = match waves {
                    None => model.predict(noised)?,
                    Some(waves) => model.predict_encoded(noised, waves)?,
                };
                model.judge(noised, &output)?
            };
            forward.set(clock.elapsed());
            let flat = match factor {
                None => network.parameters().gradient_into(&made.loss, memory)?,
                Some(factor) => network.parameters().gradient_into(&made.loss.f_mul(factor)?, memory)?,
            };
            Ok(Part { loss: made.loss.f_detach()?, flat, each: made.each, predicted: made.x0 })
        };
        // The masks of dropout are drawn on the host.
        let waves = if network.dropout() == 0.0 { model.waves(&noised.levels)? } else { None };
        let made = match waves {
            None => pass(noised, None, factor.as_ref())?,
            Some(waves) => {
                let learned = network.parameters().named().iter().map(|(_, weight)| weight.requires_grad()).collect();
                if self.learned != learned {
                    (self.learned, self.replays) = (learned, Replays::default());
                }
                let (mut inputs, scaled) = (noised.tensors()?, factor.is_some());
                let batch = inputs.len();
                inputs.extend([waves].into_iter().chain(factor));
                let work = |inputs: &[Tensor]| {
                    let (batch, rest) = inputs.split_at(batch);
                    let part = pass(&noised.with(batch)?, Some(&rest[0]), scaled.then(|| &rest[1]))?;
                    Ok(vec![part.flat, part.loss, part.each, part.predicted])
                };
                let outputs = self.replays.run(model.device(), &inputs, &work)?;
                // The next replay overwrites them, and the gradient is used before it.
                let kept = |index: usize| outputs[index].f_detach_copy();
                Part { flat: outputs[0].shallow_clone(), loss: kept(1)?, each: kept(2)?, predicted: kept(3)? }
            }
        };
        timing.forward += forward.get();
        timing.backward += began.elapsed().saturating_sub(forward.get());
        Ok(made)
    }
}

/// What one part of a batch says.
struct Part {
    loss: Tensor,
    flat: Tensor,
    each: Tensor,
    predicted: Tensor,
}

impl Gradient {
    /// The loss and the gradient's norm; waits for the GPU.
    pub(super) fn numbers(&self) -> Result<(f64, f64)> {
        Ok((self.loss.f_double_value(&[])?, self.norm.f_double_value(&[])?))
    }
}

#[cfg(test)]
mod tests {
    use crate::accel::{CudaGraphs, Pretended};
    use crate::prelude::*;

    fn trainer(dropout: f64) -> (Trainer, Dataset) {
        let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).blocks(1).classes(10);
        let unet = unet.dropout(dropout).device(Device::Cpu).build().unwrap();
        let model = Diffusion::new(&unet, &Schedule::cosine(100).unwrap(), Prediction::V).unwrap();
        (Trainer::new(&model.loss_weight(LossWeight::min_snr())).batch_size(16), Dataset::digits().unwrap())
    }

    /// Losses, norms, predictions and the weights after six steps.
    fn after(trainer: &Trainer, digits: &Dataset) -> (Vec<[f64; 2]>, Tensor, Tensor) {
        let steps: Vec<_> = trainer.clone().steps(6).iter(digits).unwrap().map(Result::unwrap).collect();
        let predicted = Tensor::stack(&steps.iter().map(|step| step.predicted.shallow_clone()).collect::<Vec<_>>(), 0);
        let numbers = steps.iter().map(|step| [step.loss, step.gradient_norm]).collect();
        (numbers, predicted, trainer.model.network().parameters().flat().copy())
    }

    /// What a replay does is what the recording held: all that changes from step to step (images, labels, levels, their weights,
    /// the scale of the loss) has to come in as a tensor. On the CPU a replay is the work again, on the tensors of the recording.
    #[test]
    fn recorded_steps_are_the_plain_ones() {
        type Change = fn(Trainer) -> Trainer;
        let changes: [Change; 4] = [
            |trainer| trainer,
            |trainer| trainer.accumulate(2).lr_schedule(LearningRate::OneCycle),
            |trainer| trainer.precision(Precision::BFloat16).label_dropout(0.5),
            |trainer| trainer.precision(Precision::Float16).accumulate(3),
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let (plain, digits) = trainer(0.0);
            let expected = after(&change(plain), &digits);
            let _pretended = Pretended::new();
            let before = CudaGraphs::so_far();
            let (recorded, digits) = trainer(0.0);
            assert_eq!(after(&change(recorded), &digits), expected, "change {index}");
            assert!(CudaGraphs::so_far().replayed >= before.replayed + 5);
        }
    }

    #[test]
    fn dropout_is_not_recorded() {
        let (plain, digits) = trainer(0.5);
        let expected = after(&plain, &digits);
        let _pretended = Pretended::new();
        let (recorded, digits) = trainer(0.5);
        assert_eq!(after(&recorded, &digits), expected);
    }

    /// 500 steps by replays and 500 plain ones lie apart by what kernels that add in any order give, which training multiplies.
    #[test]
    #[ignore = "needs a GPU"]
    fn a_gpu_replays_what_it_does_plainly() {
        let device = crate::device::best();
        assert!(matches!(device, Device::Cuda(_)), "there is no GPU");
        let digits = Dataset::digits().unwrap();
        let losses = |graphs: bool, precision| {
            crate::accel::cuda_graphs(graphs);
            let unet = UNet::builder().channels(1).image_size(8).base_channels(16).channel_mults([1, 2]).blocks(1);
            let model = Diffusion::new(&unet.build().unwrap(), &Schedule::cosine(100).unwrap(), Prediction::V).unwrap();
            let trainer = Trainer::new(&model).batch_size(64).precision(precision).live(false);
            (
                trainer.steps(500).fit(&digits).unwrap().losses(),
                Sampler::ddim(20).count(8).sample(&model).unwrap().images(),
            )
        };
        for precision in [Precision::Float32, Precision::BFloat16] {
            let (plain, images) = losses(false, precision);
            let before = CudaGraphs::so_far();
            let (replayed, same_images) = losses(true, precision);
            let after = CudaGraphs::so_far();
            println!(
                "{precision}: {after:?}, first and last losses {:?} {:?}",
                (plain[0], replayed[0]),
                (plain[499], replayed[499])
            );
            assert_eq!(after.refused, before.refused, "{:?}", after.reason);
            assert!(after.replayed > before.replayed + 500);
            for (k, (one, other)) in plain.iter().zip(&replayed).enumerate() {
                assert!((one / other - 1.0).abs() < 0.05, "step {k}: {one}, {other}");
            }
            let apart = (images - same_images).abs().mean(Kind::Double).double_value(&[]);
            assert!(apart < 0.1, "{apart}");
        }
    }
}
