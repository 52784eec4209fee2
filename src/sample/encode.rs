//! The way there by the same ODE: from data to the noise that leads back to it, and between two noises.

use super::sampler::Sampler;
use super::samples::Samples;
use crate::denoiser::Denoiser;
use crate::{Error, Result};
use tch::{Kind, Tensor};

impl Sampler {
    /// The noise that this sampler would draw `samples` from (N x the shape of a sample, or that of one): its steps, taken
    /// the other way (Song et al. 2021, "Denoising Diffusion Implicit Models", section 4.3). float64, N x the shape.
    ///
    /// The samples are taken for those at the first level, which differ from the data by its little noise. More steps
    /// bring back more of the sample when [`start_from`](Self::start_from) decodes the noise.
    ///
    /// # Errors
    /// A sampler that takes fresh noise or remembers earlier steps: only ddim (with eta = 0), euler, heun, dpm_solver_3 and
    /// probability_flow lead both ways. Else as [`iter`](Self::iter).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let image = Dataset::digits()?.image(0)?;
    /// let noise = Sampler::ddim(50).encode(&model, &image)?;
    /// let back = Sampler::ddim(50).start_from(&noise).sample(&model)?; // with a model that has learned, the image again
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn encode(&self, model: &(impl Denoiser + Clone + 'static), samples: &Tensor) -> Result<Tensor> {
        if !self.method.inverts(&self.knobs) {
            let rule =
                "its steps lead one way: encode with ddim, euler, heun, dpm_solver_3 or probability_flow, without eta";
            return Err(Error::argument("sampler", format!("{self:?}"), rule));
        }
        let x = self.batch_of("samples", samples, model)?;
        let first = 1.0 / model.schedule().levels() as f64;
        let mut times: Vec<f64> = self.times(model.schedule())?.into_iter().rev().filter(|&t| t > first).collect();
        times.insert(0, first);
        let count = x.size()[0] as usize;
        let x = x.f_mul_scalar(model.schedule().alpha(first))?;
        // Clipping loses what it cuts off.
        let mut steps = self.clone().clip(false).steps_of(model, times, x, count)?;
        let mut noise = steps.x.shallow_clone();
        while let Some(step) = steps.advance() {
            noise = step?.next;
        }
        Ok(noise)
    }

    /// `count` samples from noises between `from` and `to` (each of the shape of one sample, or with a leading 1), both
    /// included: along the great circle, since noise in d dimensions lies near a sphere of radius sqrt(d) and a straight
    /// line would cut through its empty inside (Shoemake 1985; Song et al. 2021, "Denoising Diffusion Implicit Models",
    /// section 5.3).
    ///
    /// Take a sampler without fresh noise: what lies between is then a way from one sample to the other.
    ///
    /// # Errors
    /// Fewer than 2 samples, noises of different shapes or of length 0; else as [`iter`](Self::iter).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let noise = Sampler::ddim(4).count(2).sample(&model)?.noise();
    /// let between = Sampler::ddim(4).interpolate(&model, &noise.get(0), &noise.get(1), 9)?;
    /// assert_eq!(between.len(), 9);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn interpolate(
        &self,
        model: &(impl Denoiser + Clone + 'static),
        from: &Tensor,
        to: &Tensor,
        count: usize,
    ) -> Result<Samples> {
        if count < 2 {
            return Err(Error::argument("count", count, "draw at least 2: both ends"));
        }
        let mut ends = Vec::with_capacity(2);
        for (name, noise) in [("from", from), ("to", to)] {
            let noise = self.batch_of(name, noise, model)?;
            let length = noise.f_norm()?.f_double_value(&[])?;
            if noise.size()[0] != 1 || !(length > 0.0 && length.is_finite()) {
                return Err(Error::argument(
                    name,
                    format!("{:?}, length {length}", noise.size()),
                    "one sample's noise, not 0",
                ));
            }
            ends.push((noise, length));
        }
        let [(from, a), (to, b)] = &ends[..] else { unreachable!("two ends") };
        let cosine = from.f_mul(to)?.f_sum(Kind::Double)?.f_double_value(&[])? / (a * b);
        let angle = cosine.clamp(-1.0, 1.0).acos();
        let mut noises = Vec::with_capacity(count);
        for k in 0..count {
            let share = k as f64 / (count - 1) as f64;
            // Along one ray the circle is a line.
            let (p, q) = if angle.sin() < 1e-6 {
                (1.0 - share, share)
            } else {
                (((1.0 - share) * angle).sin() / angle.sin(), (share * angle).sin() / angle.sin())
            };
            noises.push(super::rule::mix(p, from, q, to)?);
        }
        self.clone().start_from(&Tensor::f_cat(&noises, 0)?).sample(model)
    }
}
