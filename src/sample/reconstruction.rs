//! Given, its noise, decoded: the way there and back by the same ODE.

use super::sampler::Sampler;
use super::triptych::{Triptych, squared_errors};
use crate::denoiser::Denoiser;
use crate::mean::mean;
use crate::show::{Bundle, Show, digits};
use crate::{Error, Result};
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

impl Sampler {
    /// [Encodes](Self::encode) samples (N x the shape of one, or one), and draws from their noise again: what comes back shows
    /// how exactly this sampler follows the ODE, whose noise says all of a sample. Nothing is clipped on either way.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let model = Gaussian::isotropic(0.0, 0.5, [1, 8, 8], &Schedule::cosine(1_000)?)?; // or one that has learned
    /// let images = Dataset::digits()?.batch(6, 0)?.images;
    /// let (few, many) = (Sampler::ddim(10).reconstruct(&model, &images)?, Sampler::ddim(100).reconstruct(&model, &images)?);
    /// assert!(many.errors()[0] < few.errors()[0]);
    /// many.show()?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn reconstruct(&self, model: &(impl Denoiser + Clone + 'static), samples: &Tensor) -> Result<Reconstruction> {
        let given = self.batch_of("samples", samples, model)?;
        let noise = self.encode(model, &given)?;
        let decoded = Self { frames: 0, ..self.clip(false).start_from(&noise) }.sample(model)?;
        if decoded.interrupted() {
            return Err(Error::argument("reconstruct", "half", "interrupted before its samples were drawn"));
        }
        let given = given.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?;
        let errors = squared_errors(&decoded.images(), &given)?;
        let title = format!("To noise and back by {self}: mean squared error {}", digits(mean(&errors)));
        // Noise is drawn at its scale, which is large where the variance explodes.
        let scale = model.schedule().prior_std(1.0).max(1.0);
        let drawn = noise.f_to_device(Device::Cpu)?.f_div_scalar(scale)?;
        let rows = [given, drawn, decoded.images()];
        let names = ["given", "its noise", "decoded"];
        let triptych = Triptych { rows, names, labels: decoded.labels(), errors, title };
        Ok(Reconstruction { triptych: Rc::new(triptych), noise: Rc::new(noise) })
    }
}

/// Samples, the noise that leads to them, and what it leads to; [`Sampler::reconstruct`] makes one.
///
/// As the value of a cell it draws the three of each sample below one another, and the mean squared error below.
///
/// ```
/// # use noisebook::prelude::*;
/// # let model = Gaussian::isotropic(0.0, 0.5, [1, 8, 8], &Schedule::cosine(1_000)?)?;
/// let back = Sampler::heun(20).reconstruct(&model, &Dataset::digits()?.image(0)?)?;
/// assert!(back.errors()[0] < 0.01);
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reconstruction {
    triptych: Rc<Triptych>,
    noise: Rc<Tensor>,
}

impl Reconstruction {
    /// The noise of each sample: float64, N x the shape of one.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 0.5, [1, 8, 8], &Schedule::cosine(1_000)?)?;
    /// let (sampler, image) = (Sampler::ddim(10), Dataset::digits()?.image(0)?);
    /// assert_eq!(sampler.reconstruct(&model, &image)?.noise(), sampler.encode(&model, &image)?);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn noise(&self) -> Tensor {
        self.noise.shallow_clone()
    }

    /// What the noise leads to: N x the shape of a sample, float32, on the CPU.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 0.5, [1, 8, 8], &Schedule::cosine(1_000)?)?;
    /// let back = Sampler::ddim(10).reconstruct(&model, &Dataset::digits()?.image(0)?)?;
    /// assert_eq!(back.images().size(), [1, 1, 8, 8]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn images(&self) -> Tensor {
        self.triptych.rows[2].shallow_clone()
    }

    /// The mean squared difference between each sample and what its noise leads to.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 0.5, [2], &Schedule::cosine(1_000)?)?;
    /// let back = Sampler::probability_flow().reconstruct(&model, &model.sample(5, 0)?)?;
    /// assert!(back.errors().iter().all(|error| *error < 1e-4)); // as exact as you ask
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn errors(&self) -> Vec<f64> {
        self.triptych.errors.clone()
    }
}

impl Show for Reconstruction {
    fn bundle(&self) -> Result<Bundle> {
        self.triptych.bundle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Gaussian, Schedule};

    /// Of N(0, s^2) with mean 0 there and back multiplies each number by one factor: all errors over squares are the same.
    #[test]
    fn what_comes_back_is_a_multiple_of_a_gaussian_sample() {
        let model = Gaussian::isotropic(0.0, 0.5, [1, 4, 4], &Schedule::edm(100).unwrap()).unwrap();
        let samples = model.sample(3, 0).unwrap();
        let back = Sampler::ddim(20).reconstruct(&model, &samples).unwrap();
        let factor = (back.images() / &samples).to_kind(Kind::Double);
        let one = factor.mean(Kind::Double).double_value(&[]);
        assert!((factor - one).abs().max().double_value(&[]) < 1e-5 && (one - 1.0).abs() > 1e-4, "{one}");
        let squares = squared_errors(&samples, &samples.zeros_like()).unwrap();
        for (error, square) in back.errors().iter().zip(squares) {
            assert!((error / square / (one - 1.0).powi(2) - 1.0).abs() < 1e-3);
        }
        let text = back.bundle().unwrap().plain_text().to_string();
        assert!(text.starts_with("To noise and back by DDIM, 20 steps: mean squared error 0."), "{text}");
        assert!(text.contains("\ndecoded: 0."), "{text}");
    }
}
