//! The denoiser of a finite set of samples: what a network with endless capacity learns by heart.

use super::components::Components;
use super::figure::{density_chart, density_times};
use super::gaussian::check_density_time;
use super::{Denoiser, left_to};
use crate::labels::classes_in_words;
use crate::random::{Stream, below, check_count, generator};
use crate::show::{Bundle, Show, grouped, sides};
use crate::{Result, Schedule};
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// The ideal denoiser of a data set x_1 ... x_K: E[x_0 | x_t] = sum r_k x_k, with r the softmax of
/// -|x_t - alpha x_k|^2/(2 sigma^2) (Karras et al. 2022, appendix B.3).
///
/// No network does better on this data, so its loss is the floor of a training loss; and it has seen nothing else, so all
/// that it samples is data. Under noise the data is a kernel density of width sigma/alpha. Labels restrict it to a class.
/// All is float64 inside, without ever holding N x K x D numbers; answers are of the kind of x_t. A clone is cheap.
///
/// ```
/// use noisebook::prelude::*;
/// let digits = Dataset::digits()?;
/// let ideal = Ideal::new(&digits, &Schedule::cosine(1_000)?)?;
/// let samples = Sampler::ddim(10).labels([3, 8]).sample(&ideal)?;
/// assert!(samples.nearest(&digits)?.median_distance() < 1e-3); // each is one of the data
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ideal {
    components: Rc<Components>,
    name: Rc<str>,
}

impl Ideal {
    /// The ideal denoiser of samples K x their shape, with a label each (-1 is none) of so many classes.
    pub(crate) fn of(name: &str, samples: &Tensor, labels: Option<(Tensor, i64)>, schedule: &Schedule) -> Result<Self> {
        let count = samples.size()[0];
        let even = |value: f64| Tensor::f_full([count], value, (Kind::Double, Device::Cpu));
        let mut components = Components::new(samples, &even(1.0 / count as f64)?, &even(0.0)?, schedule)?;
        if let Some((labels, classes)) = labels {
            components = components.with_labels(labels, classes);
        }
        Ok(Self { components: Rc::new(components), name: name.into() })
    }

    /// ln p_t(x_t) in nats for t in (0, 1]: of the mean over the data (or over those of a label) of
    /// N(x_t; alpha x_k, sigma^2 I). N numbers. It is a kernel density: of other samples than its own it says little.
    ///
    /// # Errors
    /// Samples of another shape; t outside (0, 1]; labels that the data does not have.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let (train, test) = Dataset::digits()?.split(0.9, 0)?;
    /// let ideal = Ideal::new(&train, &Schedule::cosine(100)?)?;
    /// let mean = |digits: &Dataset| -> noisebook::Result<f64> {
    ///     Ok(ideal.log_density(&digits.images(), 0.01, None)?.mean(Kind::Double).double_value(&[]))
    /// };
    /// assert!(mean(&train)? > mean(&test)? + 1_000.0); // learned by heart
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn log_density(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor> {
        check_density_time(t, false)?;
        self.components.log_density(xt, t, labels)
    }

    /// Draws of the truth, which are samples of the data: `count` x the shape of a sample, float32. The first do not depend
    /// on how many follow.
    ///
    /// # Errors
    /// 0 draws, or more than 10,000,000.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let ideal = Ideal::new(&Dataset::digits()?, &Schedule::cosine(100)?)?;
    /// assert_eq!(ideal.sample(5, 0)?.size(), [5, 1, 8, 8]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn sample(&self, count: usize, seed: u64) -> Result<Tensor> {
        check_count("count", count)?;
        let mut rng = generator(seed, Stream::Truth, 1);
        let all = self.components.count() as usize;
        let index: Vec<i64> = (0..count).map(|_| below(&mut rng, all) as i64).collect();
        let nothing = Tensor::f_zeros([1, 1], (Kind::Double, Device::Cpu))?;
        Ok(self.components.draw(&Tensor::f_from_slice(&index)?, &nothing)?.f_to_kind(Kind::Float)?)
    }
}

impl Denoiser for Ideal {
    left_to!(components: denoise schedule sample_shape classes device);
}

impl Show for Ideal {
    fn bundle(&self) -> Result<Bundle> {
        let shape = self.components.shape();
        let classes = classes_in_words(self.components.classes());
        let title = format!(
            "Ideal denoiser of {}: {} samples of {}, {classes}; {} schedule",
            self.name,
            grouped(self.components.count() as usize),
            sides(shape),
            self.schedule().name()
        );
        if shape != [1] {
            return Ok(Bundle::text(title));
        }
        // At the first level a chart of a large set is all spikes.
        let [_, times @ ..] = density_times(self.schedule(), false);
        let range = self.components.range()?;
        density_chart(title, self.schedule(), range, &times, &|x, t| self.log_density(x, t, None))?.bundle()
    }
}
