//! The gradient of a batch: in parts, in half precision, scaled, as the trainer says.

use super::precision::Autocast;
use super::record::Timing;
use super::trainer::Trainer;
use crate::denoiser::Denoiser;
use crate::diffusion::Noised;
use crate::{Error, Result};
use std::time::Instant;
use tch::Tensor;

/// The gradient of a batch, and what was seen on the way.
pub(super) struct Gradient {
    pub(super) flat: Tensor,
    pub(super) loss: f64,
    pub(super) norm: f64,
    /// The loss of each image.
    pub(super) each: Tensor,
    pub(super) predicted: Tensor,
}

impl Gradient {
    /// The gradient of a batch, in as many parts as are to be accumulated; one of a single part lies in `memory`.
    pub(super) fn of(
        trainer: &Trainer,
        scale: f64,
        noised: &Noised,
        memory: &Tensor,
        timing: &mut Timing,
    ) -> Result<Self> {
        let (model, parts) = (&trainer.model, trainer.accumulate);
        let (network, count) = (model.network(), noised.levels.len());
        let (mut sum, mut loss): (Option<Tensor>, f64) = (None, 0.0);
        let (mut each, mut predicted) = (Vec::new(), Vec::new());
        for part in 0..parts {
            let clock = Instant::now();
            let (start, end) = (part * count / parts, (part + 1) * count / parts);
            let some;
            let part = if parts == 1 {
                noised
            } else {
                some = noised.part(start, end - start)?;
                &some
            };
            let made = {
                let _autocast = Autocast::on(trainer.precision, model.device())?;
                model.judge(part, &model.predict(part)?)?
            };
            let share = (end - start) as f64 / count as f64;
            loss += share * made.loss.f_double_value(&[])?;
            timing.forward += clock.elapsed();
            let clock = Instant::now();
            let factor = share * scale;
            let scaled = if factor == 1.0 { made.loss } else { made.loss.f_mul_scalar(factor)? };
            let gradient = match parts {
                1 => network.parameters().gradient_into(&scaled, memory)?,
                _ => network.parameters().gradient(&scaled)?,
            };
            sum = Some(match sum {
                None => gradient,
                Some(mut sum) => sum.f_add_(&gradient)?,
            });
            each.push(made.each);
            predicted.push(made.x0);
            timing.backward += clock.elapsed();
        }
        let clock = Instant::now();
        let mut flat = sum.ok_or_else(|| Error::argument("accumulate", parts, "must be at least 1"))?;
        if scale != 1.0 {
            flat = flat.f_div_scalar_(scale)?;
        }
        let norm = flat.f_norm()?.f_double_value(&[])?;
        timing.backward += clock.elapsed();
        let join =
            |mut parts: Vec<Tensor>| if parts.len() == 1 { Ok(parts.remove(0)) } else { Tensor::f_cat(&parts, 0) };
        Ok(Self { flat, loss, norm, each: join(each)?, predicted: join(predicted)? })
    }
}
