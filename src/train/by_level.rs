//! The loss by level: where along the way a model is wrong.

use super::validation::{Answer, Measure};
use crate::Result;
use crate::data::Dataset;
use crate::denoiser::Denoiser;
use crate::show::{Bundle, Chart, Show, digits};

const BINS: usize = 20;
/// Samples a bin.
const SAMPLES: usize = 64;

/// The loss in 20 equal parts of t, of 64 samples each; [`Run::loss_by_level`](super::Run::loss_by_level) makes it.
///
/// ```
/// # use noisebook::prelude::*;
/// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
/// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
/// # let run = Trainer::new(&model).steps(1).batch_size(8).fit(&Dataset::digits()?)?;
/// let by_level = run.loss_by_level()?;
/// assert_eq!(by_level.times()[0], 0.025); // the middle of the first twentieth
/// assert_eq!(by_level.losses().len(), 20);
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LossByLevel {
    times: Vec<f64>,
    losses: Vec<f64>,
    validation: Option<Vec<f64>>,
    ideal: Option<Vec<f64>>,
}

impl LossByLevel {
    pub(super) fn of(measure: &Measure, validation: Option<&Dataset>) -> Result<Self> {
        let first = 1.0 / measure.model.schedule().levels() as f64;
        let times: Vec<f64> = (0..BINS).map(|bin| ((bin as f64 + 0.5) / BINS as f64).max(first)).collect();
        let at = |measure: &Measure, answer: &Answer| -> Result<Vec<f64>> {
            times.iter().enumerate().map(|(bin, &t)| measure.at(t, SAMPLES, bin, answer)).collect()
        };
        let losses = at(measure, &Answer::Network)?;
        let validation = match validation {
            Some(data) => Some(at(&Measure { data, ..*measure }, &Answer::Network)?),
            None => None,
        };
        let ideal = match measure.ideal()? {
            Some(ideal) => Some(at(measure, &Answer::Ideal(&ideal))?),
            None => None,
        };
        Ok(Self { times, losses, validation, ideal })
    }

    /// The middle of each part.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// # let run = Trainer::new(&model).steps(1).batch_size(8).fit(&Dataset::digits()?)?;
    /// assert_eq!(run.loss_by_level()?.times()[19], 0.975);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn times(&self) -> Vec<f64> {
        self.times.clone()
    }

    /// The losses on the training data.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// # let run = Trainer::new(&model).steps(1).batch_size(8).fit(&Dataset::digits()?)?;
    /// assert!(run.loss_by_level()?.losses()[0] > 0.0);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn losses(&self) -> Vec<f64> {
        self.losses.clone()
    }

    /// The losses on the validation data, if the trainer had some.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// # let run = Trainer::new(&model).steps(1).batch_size(8).fit(&Dataset::digits()?)?;
    /// assert!(run.loss_by_level()?.validation().is_none());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn validation(&self) -> Option<Vec<f64>> {
        self.validation.clone()
    }

    /// The losses of the ideal denoiser of the training data, where it can be computed in a moment.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// # let run = Trainer::new(&model).steps(1).batch_size(8).fit(&Dataset::digits()?)?;
    /// let by_level = run.loss_by_level()?;
    /// assert!(by_level.ideal().unwrap()[5] < by_level.losses()[5]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn ideal(&self) -> Option<Vec<f64>> {
        self.ideal.clone()
    }
}

impl Show for LossByLevel {
    fn bundle(&self) -> Result<Bundle> {
        let worst = self.times.iter().zip(&self.losses).max_by(|a, b| a.1.total_cmp(b.1));
        let at = worst.map_or(String::new(), |(t, _)| format!(": highest at t = {}", digits(*t)));
        let title = format!("Loss by level, averaged weights{at}");
        let chart = Chart::new(title).x_label("time t, from data to noise").y_label("loss");
        // What the ideal denoiser knows by heart would fill the chart with nothing.
        let seen =
            self.losses.iter().chain(self.validation.iter().flatten()).filter(|loss| loss.is_finite() && **loss > 0.0);
        let (low, high) = seen.fold((f64::INFINITY, 0.0_f64), |(low, high), &loss| (low.min(loss), high.max(loss)));
        let chart = if low < high { chart.y_range(0.1 * low, 2.0 * high) } else { chart };
        let mut chart = chart.log_y().line("training data", &self.times, &self.losses);
        if let Some(losses) = &self.validation {
            chart = chart.line("validation data", &self.times, losses);
        }
        if let Some(losses) = &self.ideal {
            chart = chart.line("ideal denoiser", &self.times, losses);
        }
        chart.bundle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Diffusion, Prediction, Schedule, Trainer, UNet};

    /// A new network says 0: of noise it is wrong by 1 everywhere.
    #[test]
    fn a_network_that_says_nothing_is_as_wrong_at_every_level() {
        let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build().unwrap();
        let model = Diffusion::new(&unet, &Schedule::linear(1_000).unwrap(), Prediction::Epsilon).unwrap();
        let (train, test) = Dataset::digits().unwrap().split(0.9, 0).unwrap();
        let run = Trainer::new(&model).steps(1).batch_size(8).lr(1e-12).validate(&test).fit(&train).unwrap();
        let by_level = run.loss_by_level().unwrap();
        for loss in by_level.losses().into_iter().chain(by_level.validation().unwrap()) {
            assert!((loss - 1.0).abs() < 5.0 * (2.0 / 4_096.0_f64).sqrt(), "{loss}");
        }
        // With little noise the image is known, and so is the noise; with much, nothing is known of the image, and the noise
        // is what one sees.
        let ideal = by_level.ideal().unwrap();
        assert!(ideal[19] < 0.01 && ideal.iter().all(|loss| *loss < 1.0), "{ideal:?}");
        let text = by_level.bundle().unwrap().plain_text().to_string();
        assert!(text.contains("\nloss (logarithmic) against time t, from data to noise\n"), "{text}");
        assert!(text.contains("ideal denoiser: 20 points"), "{text}");
    }
}
