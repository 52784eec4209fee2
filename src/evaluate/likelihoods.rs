//! What a likelihood's evaluation found.

use crate::mean::mean;
use crate::show::{Bundle, Chart, Show, digits, grouped, sides};
use crate::{Error, Result};

/// Fewer values make no histogram.
const FEWEST_DRAWN: usize = 10;

/// The log-likelihood of each sample, in nats; [`Likelihood::of`](super::Likelihood::of) makes them. As the value of a cell it
/// draws their distribution.
///
/// ```
/// # use noisebook::prelude::*;
/// # let model = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::cosine(100)?)?;
/// let found = Likelihood::exact().of(&model, &model.sample(50, 0)?, None)?;
/// println!("{:.3} +- {:.3} nats", found.mean(), found.standard_error());
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Likelihoods {
    nats: Vec<f64>,
    /// How many were asked for.
    asked: usize,
    shape: Vec<i64>,
    evaluations: usize,
}

impl Likelihoods {
    pub(super) fn new(nats: Vec<f64>, asked: usize, shape: Vec<i64>, evaluations: usize) -> Self {
        Self { nats, asked, shape, evaluations }
    }

    /// ln p of each sample, in nats. After an interrupt they are of the first samples alone.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 1.0, [1], &Schedule::cosine(100)?)?;
    /// let at_0 = Likelihood::exact().of(&model, &Tensor::from_slice(&[0.0]).view([1, 1]), None)?.nats()[0];
    /// assert!((at_0 + 0.919).abs() < 0.01); // -ln(2 pi)/2, under a little noise
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn nats(&self) -> Vec<f64> {
        self.nats.clone()
    }

    /// Their mean. Its negative is what tables call the negative log-likelihood.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::cosine(100)?)?;
    /// let mean = Likelihood::exact().of(&model, &model.sample(400, 0)?, None)?.mean();
    /// assert!((mean + 2.84).abs() < 0.2); // the entropy of N(0, I) in the plane, 1 + ln(2 pi)
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn mean(&self) -> f64 {
        mean(&self.nats)
    }

    /// The standard error of the mean, by the spread of the samples; not a number for a single one.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::cosine(100)?)?;
    /// let found = Likelihood::exact().of(&model, &model.sample(400, 0)?, None)?;
    /// assert!((found.standard_error() - 1.0 / 20.0).abs() < 0.02); // ln p there has a deviation of 1
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn standard_error(&self) -> f64 {
        standard_error(&self.nats)
    }

    /// The mean in bits for each number of a sample, where numbers are one of `levels` values spread evenly from -1 to 1, such
    /// as 256 of a byte: -mean/(D ln 2) - log2(2/(levels - 1)), the last term for the width of a level.
    ///
    /// # Errors
    /// Fewer than 2 levels.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 0.5, [1, 8, 8], &Schedule::cosine(100)?)?;
    /// let found = Likelihood::hutchinson(1).of(&model, &model.sample(4, 0)?, None)?;
    /// assert!((found.bits_per_dim(256)? - 8.04).abs() < 0.2); // log2(255/2) + 1.047 - 1
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn bits_per_dim(&self, levels: usize) -> Result<f64> {
        bits_per_dim(-self.mean(), &self.shape, levels)
    }

    /// Whether an interrupt left samples out.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 1.0, [1], &Schedule::cosine(100)?)?;
    /// assert!(!Likelihood::exact().of(&model, &model.sample(2, 0)?, None)?.interrupted());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.nats.len() < self.asked
    }

    /// Evaluations of the model in all, each of a batch of samples.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 0.5, [1], &Schedule::cosine(100)?)?;
    /// let taken = |tolerance| -> noisebook::Result<usize> {
    ///     Ok(Likelihood::exact().tolerance(tolerance).of(&model, &model.sample(2, 0)?, None)?.evaluations())
    /// };
    /// assert!(taken(1e-3)? < taken(1e-8)?);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn evaluations(&self) -> usize {
        self.evaluations
    }
}

/// The standard error of the mean, by the spread of the values.
pub(super) fn standard_error(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (count - 1.0) / count).sqrt()
}

/// Nats a sample, as bits for each of its numbers.
pub(super) fn bits_per_dim(nats: f64, shape: &[i64], levels: usize) -> Result<f64> {
    if levels < 2 {
        return Err(Error::argument("levels", levels, "numbers have at least 2 levels"));
    }
    let size = shape.iter().product::<i64>() as f64;
    Ok(nats / (size * std::f64::consts::LN_2) + ((levels - 1) as f64 / 2.0).log2())
}

impl Show for Likelihoods {
    fn bundle(&self) -> Result<Bundle> {
        let count = self.nats.len();
        let of = if self.interrupted() { format!(" of {}, interrupted", grouped(self.asked)) } else { String::new() };
        let error = if count > 1 { format!(" \u{b1} {}", digits(self.standard_error())) } else { String::new() };
        let title = format!(
            "ln p of {}{of} {} of {}: {}{error} nats, {} evaluations",
            grouped(count),
            if count == 1 { "sample" } else { "samples" },
            sides(&self.shape),
            digits(self.mean()),
            grouped(self.evaluations)
        );
        let (low, high) = self
            .nats
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)));
        // Not a number has no place on an axis.
        if count < FEWEST_DRAWN
            || high.partial_cmp(&low) != Some(std::cmp::Ordering::Greater)
            || !(high - low).is_finite()
        {
            return Ok(Bundle::text(title));
        }
        let bins = (count as f64).sqrt().ceil() as usize;
        let chart = Chart::new(title).x_label("ln p (nats)").y_label("density");
        chart.histogram("samples", &self.nats, bins).bundle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likelihoods(nats: &[f64]) -> Likelihoods {
        Likelihoods::new(nats.to_vec(), nats.len(), vec![1, 2, 2], 40)
    }

    /// A density of 1/2 for each of four numbers: as likely as each of 255 levels that fill [-1, 1], log2(255) bits.
    #[test]
    fn mean_error_and_bits_by_hand() {
        let found = likelihoods(&[-1.0, -2.0, -3.0, -6.0]);
        assert_eq!(found.mean(), -3.0);
        assert!((found.standard_error() - (14.0f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
        let uniform = likelihoods(&[-4.0 * 2f64.ln()]);
        assert!((uniform.bits_per_dim(256).unwrap() - 255f64.log2()).abs() < 1e-12);
        let said = uniform.bits_per_dim(1).unwrap_err().to_string();
        assert_eq!(said, "levels = 1: numbers have at least 2 levels");
    }

    #[test]
    fn few_are_told_and_many_drawn() {
        let text = likelihoods(&[-1.5]).bundle().unwrap().plain_text().to_string();
        assert_eq!(text, "ln p of 1 sample of 1 x 2 x 2: -1.5 nats, 40 evaluations");
        let values: Vec<f64> = (0..16).map(f64::from).collect();
        let text = likelihoods(&values).bundle().unwrap().plain_text().to_string();
        assert!(text.contains("ln p of 16 samples") && text.contains("4 bars from 0 to 15"), "{text}");
        assert!(likelihoods(&[f64::NAN; 20]).bundle().unwrap().plain_text().contains("NaN nats"));
    }
}
