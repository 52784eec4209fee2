//! The way there by the same ODE: from data to the noise that leads back to it, and between two noises.

use super::sampler::Sampler;
use super::samples::Samples;
use crate::denoiser::Denoiser;
use crate::show::interrupted;
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
    /// let decode = Sampler::ddim(50).clip(false); // encoding clips nothing either
    /// let back = decode.start_from(&noise).sample(&model)?; // with a model that has learned, the image again
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
            let step = step?;
            if interrupted() && step.index + 1 < step.steps {
                let rule = "interrupted: half the way is no noise, so nothing was encoded";
                return Err(Error::argument("step", format!("{} of {}", step.index + 1, step.steps), rule));
            }
            noise = step.next;
        }
        Ok(noise)
    }

    /// `count` samples from noises between `from` and `to` (each of the shape of one sample, or with a leading 1), both
    /// included: along the great circle, since noise in d dimensions lies near a sphere of radius sqrt(d) and a straight
    /// line would cut through its empty inside (Shoemake 1985; Song et al. 2021, "Denoising Diffusion Implicit Models",
    /// section 5.3).
    ///
    /// Take a sampler without fresh noise: what lies between is then a way from one sample to the other. Its noises come from
    /// [`Samples::noise`], or, of given images, from [`encode`](Self::encode).
    ///
    /// # Errors
    /// Fewer than 2 samples, noises of different shapes or of length 0, or opposite ones, between which every great circle is as
    /// short as any other; else as [`iter`](Self::iter).
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
        if cosine < -1.0 + 1e-6 {
            let rule = "it lies opposite to `from`, and no way between the two is the shortest: take another noise";
            return Err(Error::argument("to", format!("cosine {cosine:.6}"), rule));
        }
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
        let mut samples = self.clone().start_from(&Tensor::f_cat(&noises, 0)?).sample(model)?;
        samples.between = true;
        Ok(samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Spacing;
    use crate::{Gaussian, GaussianMixture, Schedule};
    use tch::Device;

    fn mixture(schedule: Schedule) -> GaussianMixture {
        let means = Tensor::from_slice(&[-0.6, 0.2, 0.5, -0.1]).view([2, 2]);
        GaussianMixture::new([0.3, 0.7], &means, [0.2, 0.3], &schedule).unwrap()
    }

    /// The noise of N(mu, s^2) is (x - mu)/s times the root of the variance at t = 1, about mu alpha: the way of the ODE.
    #[test]
    fn the_noise_of_a_gaussian_is_its_closed_form() {
        let schedule = Schedule::linear(1_000).unwrap();
        let model = Gaussian::isotropic(0.3, 0.5, [2], &schedule).unwrap();
        let x = Tensor::from_slice(&[0.9, -0.4]).view([1, 2]);
        let noise = Sampler::probability_flow().tolerance(1e-9).encode(&model, &x).unwrap();
        let deviation = |t: f64| (0.25 * schedule.alpha(t).powi(2) + schedule.sigma(t).powi(2)).sqrt();
        let (first, last) = (0.001, 1.0);
        let standard = (&x * schedule.alpha(first) - 0.3 * schedule.alpha(first)) / deviation(first);
        let expected = standard * deviation(last) + 0.3 * schedule.alpha(last);
        assert!((noise - expected).abs().max().double_value(&[]) < 1e-7);
    }

    #[test]
    fn decoding_leads_back() {
        let x = Tensor::from_slice(&[-0.7, 0.3, 0.4, 0.0, 0.1, -0.6]).view([3, 2]);
        for schedule in [Schedule::linear(1_000), Schedule::flow(1_000), Schedule::edm(1_000)] {
            let model = mixture(schedule.unwrap());
            for (sampler, tolerance) in [
                (Sampler::ddim(1_000), 0.02),
                (Sampler::euler(1_000), 0.02),
                (Sampler::heun(200), 2e-3),
                (Sampler::dpm_solver_3(100), 2e-3),
                (Sampler::probability_flow().tolerance(1e-8), 2e-3),
            ] {
                let noise = sampler.encode(&model, &x).unwrap();
                let back = sampler.clone().start_from(&noise).sample(&model).unwrap().images();
                let error = (back - &x).abs().max().double_value(&[]);
                assert!(error < tolerance, "{sampler:?}, {:?}: {error}", model.schedule());
            }
        }
    }

    /// Rounding at the ends of a grid must not leave a step of no length.
    #[test]
    fn every_grid_leads_both_ways_at_any_number_of_levels() {
        let x = Tensor::from_slice(&[0.7, -0.2]).view([1, 2]);
        let spacings = [Spacing::Quadratic, Spacing::LogSnr, Spacing::Angle, Spacing::Karras { rho: 7.0 }];
        for levels in [20, 25, 40, 48, 50, 59, 68, 100, 500, 1_024, 1_500] {
            let schedules =
                [Schedule::linear(levels), Schedule::vp(levels), Schedule::flow(levels), Schedule::cosine(levels)];
            for model in schedules.map(|one| Gaussian::isotropic(0.3, 0.5, [2], &one.unwrap()).unwrap()) {
                for sampler in [Sampler::dpm_solver_3(20), Sampler::heun(20), Sampler::probability_flow()] {
                    let spaced = spacings.map(|spacing| sampler.clone().spacing(spacing));
                    for sampler in spaced.into_iter().chain([sampler]) {
                        let noise = sampler.encode(&model, &x).unwrap();
                        let back = sampler.clone().start_from(&noise).sample(&model).unwrap().images();
                        let error = (back - &x).abs().max().double_value(&[]);
                        // Twenty steps in the wrong places may lead far off, but not to nowhere; and with few levels the first one's
                        // noise is more than a little.
                        let exact = format!("{sampler:?}").starts_with("probability");
                        let most = if exact { 0.2 } else { f64::MAX };
                        assert!(error < most, "{sampler:?}, {:?}: {error}", model.schedule());
                    }
                }
            }
        }
    }

    /// A right angle between noises: half way lies at 45 degrees, with the same length.
    #[test]
    fn between_two_noises_lies_their_great_circle() {
        let model = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::linear(1_000).unwrap()).unwrap();
        let (from, to) = (Tensor::from_slice(&[2.0, 0.0]), Tensor::from_slice(&[0.0, 2.0]));
        let samples = Sampler::ddim(10).interpolate(&model, &from, &to, 3).unwrap();
        let half = 2f64.sqrt();
        let expected = Tensor::from_slice(&[2.0, 0.0, half, half, 0.0, 2.0]).view([3, 2]);
        assert!((samples.noise() - expected).abs().max().double_value(&[]) < 1e-12);
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let model = mixture(Schedule::linear(100).unwrap());
        let x = Tensor::zeros([1, 2], (Kind::Float, Device::Cpu));
        let said = |sampler: Sampler| sampler.encode(&model, &x).unwrap_err().to_string();
        let infinite = Sampler::ddim(10).encode(&model, &(&x / 0.0)).unwrap_err().to_string();
        assert_eq!(infinite, "samples = NaN or infinite: all numbers are finite");
        let rule =
            "its steps lead one way: encode with ddim, euler, heun, dpm_solver_3 or probability_flow, without eta";
        assert_eq!(said(Sampler::ddim(10).eta(0.5)), format!("sampler = DDIM, 10 steps, eta 0.5: {rule}"));
        assert_eq!(said(Sampler::ddpm()), format!("sampler = DDPM, a step for each level: {rule}"));
        let other = Sampler::ddim(10).encode(&model, &Tensor::zeros([1, 3], (Kind::Float, Device::Cpu))).unwrap_err();
        assert_eq!(other.to_string(), "samples = [1, 3]: this model's samples are N x 2");
        let between = |from: &Tensor, count| Sampler::ddim(10).interpolate(&model, from, &x.ones_like(), count);
        assert_eq!(between(&x, 1).unwrap_err().to_string(), "count = 1: draw at least 2: both ends");
        assert_eq!(between(&x, 3).unwrap_err().to_string(), "from = [1, 2], length 0: one sample's noise, not 0");
        let rule = "it lies opposite to `from`, and no way between the two is the shortest: take another noise";
        assert_eq!(between(&(&x - 2.0), 3).unwrap_err().to_string(), format!("to = cosine -1.000000: {rule}"));
    }
}
