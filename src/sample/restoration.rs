//! Given, result, truth: images of which a part was known.

use super::measurement::Measurement;
use super::restore::Restore;
use super::sampler::Sampler;
use super::triptych::{Triptych, squared_errors};
use crate::denoiser::Denoiser;
use crate::mean::mean;
use crate::show::{Bundle, Show, digits, grouped};
use crate::{Error, Result};
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

impl Sampler {
    /// Takes from images (N x C x H x W, or one; points: N x D) all but what `measurement` (or a mask) leaves, and draws a sample
    /// for each that agrees with the rest, by [`Restore`]: inpainting, colourisation, super-resolution. Labels, if the sampler
    /// has them, are those of the images, in turn.
    ///
    /// # Errors
    /// As [`Restore::new`] and [`iter`](Self::iter); an interrupt.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let digits = Dataset::digits()?;
    /// let ideal = Ideal::new(&digits, &Schedule::cosine(1_000)?)?; // or a model that has learned
    /// Sampler::ddim(10).restore(&ideal, Measurement::downsample(2), &digits.batch(6, 0)?.images)?.show()?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn restore(
        &self,
        model: &(impl Denoiser + Clone + 'static),
        measurement: impl Into<Measurement>,
        images: &Tensor,
    ) -> Result<Restoration> {
        let measurement = measurement.into();
        let truth = self.batch_of("images", images, model)?;
        let count = truth.size()[0] as usize;
        let restore = Restore::new(model, &measurement, &truth)?;
        let samples = Self { frames: 0, ..self.count(count) }.sample(&restore)?;
        if samples.interrupted() {
            return Err(Error::argument("restore", measurement.task(), "interrupted before its samples were drawn"));
        }
        let truth = truth.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?;
        let given = measurement.project(&truth)?;
        let (errors, before) = (squared_errors(&samples.images(), &truth)?, squared_errors(&given, &truth)?);
        let task = measurement.task();
        let task = task[..1].to_uppercase() + &task[1..];
        let (after, before) = (digits(mean(&errors)), digits(mean(&before)));
        let title = format!(
            "{task} of {} samples by {self}, {measurement:?}: mean squared error {after}, of what is given {before}",
            grouped(count)
        );
        let names = ["given", "result", "truth"];
        let rows = [given, samples.images(), truth];
        let triptych = Triptych { rows, names, labels: samples.labels(), errors, title };
        Ok(Restoration { triptych: Rc::new(triptych) })
    }
}

/// Samples that agree with what was known of images; [`Sampler::restore`] makes one.
///
/// As the value of a cell it draws what was given, the result and the truth of each below one another, and the mean squared error
/// below. What can be made up in many ways has many right answers: a large error is no fault where the result looks right.
///
/// ```
/// # use noisebook::prelude::*;
/// # let digits = Dataset::digits()?;
/// # let ideal = Ideal::new(&digits, &Schedule::cosine(1_000)?)?;
/// let found = Sampler::ddim(5).restore(&ideal, Measurement::downsample(4), &digits.batch(3, 0)?.images)?;
/// assert_eq!((found.images().size(), found.errors().len()), (vec![3, 1, 8, 8], 3));
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Restoration {
    triptych: Rc<Triptych>,
}

impl Restoration {
    /// What the measurement left, in the shape of samples: N x C x H x W (points: N x D), float32.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let ideal = Ideal::new(&Dataset::digits()?, &Schedule::cosine(1_000)?)?;
    /// let image = Dataset::digits()?.image(0)?;
    /// let found = Sampler::ddim(2).restore(&ideal, Measurement::downsample(2), &image)?;
    /// assert_eq!(found.given().get(0), Measurement::downsample(2).apply(&image)?);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn given(&self) -> Tensor {
        self.triptych.rows[0].shallow_clone()
    }

    /// The samples: N x C x H x W (points: N x D), float32, on the CPU.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let ideal = Ideal::new(&Dataset::digits()?, &Schedule::cosine(1_000)?)?;
    /// let image = Dataset::digits()?.image(0)?;
    /// let found = Sampler::ddim(2).restore(&ideal, Measurement::downsample(2), &image)?;
    /// assert_eq!(found.images().size(), [1, 1, 8, 8]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn images(&self) -> Tensor {
        self.triptych.rows[1].shallow_clone()
    }

    /// The mean squared error of each sample, against the image that it was measured from.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let ideal = Ideal::new(&Dataset::digits()?, &Schedule::cosine(1_000)?)?;
    /// let all = Tensor::ones([1, 8, 8], (Kind::Bool, Device::Cpu)); // everything is known
    /// let found = Sampler::ddim(2).restore(&ideal, &all, &Dataset::digits()?.image(0)?)?;
    /// assert!(found.errors()[0] < 1e-12);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn errors(&self) -> Vec<f64> {
        self.triptych.errors.clone()
    }
}

impl Show for Restoration {
    fn bundle(&self) -> Result<Bundle> {
        self.triptych.bundle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dataset, Gaussian, Ideal, Schedule};

    /// The ideal denoiser knows the digits by heart: what is given of one, it finds.
    #[test]
    fn digits_are_found_from_their_half() {
        let digits = Dataset::digits().unwrap();
        let ideal = Ideal::new(&digits, &Schedule::cosine(1_000).unwrap()).unwrap();
        let images = digits.images().narrow(0, 0, 4);
        let mask = Tensor::zeros([1, 8, 8], (Kind::Bool, Device::Cpu));
        let _ = mask.narrow(1, 0, 5).fill_(1);
        let found = Sampler::ddim(50).labels(0..4).restore(&ideal, &mask, &images).unwrap();
        assert!(mean(&found.errors()) < 0.2 * mean(&squared_errors(&found.given(), &images).unwrap()));
        let text = found.bundle().unwrap().plain_text().to_string();
        assert!(
            text.starts_with("Inpainting of 4 samples by DDIM, 50 steps, 40 of 64 elements known: mean squared"),
            "{text}"
        );
        assert!(text.contains("12 images of 8 x 8 pixels, grey, 4 a row\ngiven: 0, 1, 2, 3\nresult"), "{text}");
    }

    #[test]
    fn points_and_batches_of_another_count() {
        let schedule = Schedule::flow(50).unwrap();
        let model = Gaussian::isotropic(0.0, 1.0, [2], &schedule).unwrap();
        let points = model.sample(30, 0).unwrap();
        let mask = Tensor::from_slice(&[true, false]);
        let found = Sampler::ddim(5).restore(&model, &mask, &points).unwrap();
        assert!((found.images() - &points).select(1, 0).abs().max().double_value(&[]) < 1e-6);
        assert!(found.bundle().unwrap().plain_text().contains("\n\ntruth\n"));
        let error = Sampler::ddim(5).count(3).restore(&model, &mask, &points).unwrap_err().to_string();
        assert_eq!(error, "count = 3: leave it out: 30 samples are given");
    }
}
