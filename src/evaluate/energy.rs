//! The energy distance: Szekely & Rizzo 2013, "Energy statistics: A class of statistics based on distances".

use super::frechet::features;
use super::pairs::in_parts;
use crate::data::Dataset;
use crate::sample::{Distances, SamplerComparison};
use crate::show::{evenly, grouped, sides};
use crate::{Error, Result};
use tch::{Kind, Tensor};

/// Samples of a data set that are compared with: their number alone costs, not their truth.
const MOST: usize = 2_000;

/// The energy distance of two sets of samples, a and b (N x D; more dimensions are flattened):
/// the root of 2 E|a - b| - E|a - a'| - E|b - b'|, means over all pairs, also of a sample with itself.
///
/// It is 0 only for two distributions that are the same, takes their numbers as they are, without a network or a fitted Gaussian,
/// and is of use with a hundred samples where a Frechet distance of 64 features needs thousands. Fewer samples read
/// larger: n and m draws of one distribution are at E|a - a'| (1/n + 1/m), under the root, on average.
///
/// # Errors
/// Fewer than 2 samples, of different sizes, not finite or beyond 1e70.
///
/// ```
/// use noisebook::prelude::*;
/// let (a, b) = (Tensor::from_slice(&[0.0, 1.0]).view([2, 1]), Tensor::from_slice(&[3.0, 4.0]).view([2, 1]));
/// assert!((energy_distance(&a, &b)?.powi(2) - 5.0).abs() < 1e-12); // 2 x 3 - 1/2 - 1/2
/// # Ok::<(), noisebook::Error>(())
/// ```
pub fn energy_distance(a: &Tensor, b: &Tensor) -> Result<f64> {
    let (a, b) = (features("a", a)?, features("b", b)?);
    if b.size()[1] != a.size()[1] {
        let rule = format!("as many as a, {}", a.size()[1]);
        return Err(Error::argument("b", format!("{} features", b.size()[1]), rule));
    }
    energy(&a, &b, mean_distance(&b, &b)?)
}

/// Where the mean distance within b is known.
fn energy(a: &Tensor, b: &Tensor, within_b: f64) -> Result<f64> {
    Ok((2.0 * mean_distance(a, b)? - mean_distance(a, a)? - within_b).max(0.0).sqrt())
}

/// The mean of the distances of all of a to all of b: N x D and M x D, float64.
fn mean_distance(a: &Tensor, b: &Tensor) -> Result<f64> {
    let mut sum = 0.0;
    in_parts(a, b, |distances| {
        sum += distances.f_sum(Kind::Double)?.f_double_value(&[])?;
        Ok(())
    })?;
    Ok(sum / (a.size()[0] * b.size()[0]) as f64)
}

impl SamplerComparison {
    /// How far each sampler's samples are from data: their [energy distance](energy_distance), against the number in which the
    /// samplers differ. It holds what the solver misses and what the model has not learned, and serves samplers with fresh noise
    /// as well as those without. The level line is what draws of the data themselves, as many, would read on average.
    ///
    /// Of more than 2,000 samples of the data 2,000 are taken, evenly spaced. Draw a hundred samples or more: `.count(200)`.
    ///
    /// # Errors
    /// Data of another shape; samples that are not finite.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let moons = Dataset::moons(400, 0.05)?;
    /// let ideal = Ideal::new(&moons, &Schedule::cosine(1_000)?)?;
    /// let comparison = Sampler::compare(&Sampler::ddim(1).count(200).step_counts([1, 4, 16]), &ideal)?;
    /// let distances = comparison.distances(&moons)?.values();
    /// assert!(distances[0] > distances[1] && distances[1] > distances[2]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn distances(&self, data: &Dataset) -> Result<Distances> {
        let images = self.images();
        let (shape, own) = (data.shape(), images.first().map_or(Vec::new(), Tensor::size));
        if own.get(1..) != shape.get(1..) {
            let rule = format!("the samples are {}", sides(&own[1..]));
            return Err(Error::argument("data", sides(&shape[1..]), rule));
        }
        let chosen: Vec<i64> = evenly(data.len(), MOST).into_iter().map(|index| index as i64).collect();
        let (all, taken) = (data.len(), chosen.len());
        let truth = features("data", &data.batch_of(&chosen)?.images)?;
        let within = mean_distance(&truth, &truth)?;
        let mut values = Vec::with_capacity(images.len());
        for samples in &images {
            values.push(energy(&features("samples", samples)?, &truth, within)?);
        }
        let (n, m) = (own[0] as f64, taken as f64);
        // Of different samples, without the pairs of one with itself.
        let floor = (within * m / (m - 1.0) * (1.0 / n + 1.0 / m)).sqrt();
        let few = if taken < all { format!("{} of ", grouped(taken)) } else { String::new() };
        let title = format!("Distance of {} samples to {few}{}", grouped(own[0] as usize), data.name());
        let distances = Distances::new(title, "energy distance", self.axis(), self.names(), values);
        Ok(distances.floor("data", floor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::Show;
    use crate::{Gaussian, Sampler, Schedule};

    /// scipy 1.17.1: energy_distance([0, 1, 3, 4.5, -2], [1.5, 2.5, 7]).
    #[test]
    fn of_numbers_it_is_that_of_scipy() {
        let column = |values: &[f64]| Tensor::from_slice(values).view([-1, 1]);
        let found = energy_distance(&column(&[0.0, 1.0, 3.0, 4.5, -2.0]), &column(&[1.5, 2.5, 7.0])).unwrap();
        assert!((found - 1.263_153_021_433_094_6).abs() < 1e-12, "{found}");
    }

    /// Of points at the corners of a rectangle 3 x 4: 2 (3 + 5)/2 - 4/2 - 4/2.
    #[test]
    fn of_points_it_is_by_hand() {
        let side = |x: f64| Tensor::from_slice(&[x, 0.0, x, 4.0]).view([2, 2]);
        assert!((energy_distance(&side(0.0), &side(3.0)).unwrap() - 2.0).abs() < 1e-12);
    }

    /// The floor is what draws of the same distribution read, on average over 20 seeds.
    #[test]
    fn the_floor_is_what_the_data_themselves_read() {
        let model = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::flow(10).unwrap()).unwrap();
        let draw = |count, seed| model.sample(count, seed).unwrap();
        let squares = (0..20).map(|seed| energy_distance(&draw(100, seed), &draw(200, seed + 50)).unwrap().powi(2));
        let mean = squares.sum::<f64>() / 20.0;
        // E|a - a'| = sqrt(2) sqrt(pi/2).
        let expected = std::f64::consts::PI.sqrt() * (1.0 / 100.0 + 1.0 / 200.0);
        assert!((mean / expected - 1.0).abs() < 0.25, "{mean}, not {expected}");
        let data = Dataset::new("normal", &draw(200, 0), None, &[]).unwrap();
        let comparison = Sampler::compare(&Sampler::ddim(5).count(100).etas([0.0, 1.0]), &model).unwrap();
        let text = comparison.distances(&data).unwrap().bundle().unwrap().plain_text().to_string();
        assert!(text.starts_with("Distance of 100 samples to normal\nsampler  eta  energy distance\neta 0 "), "{text}");
        let floor: f64 = text.lines().last().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
        assert!((floor / expected.sqrt() - 1.0).abs() < 0.1, "{floor}");
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let zeros = |size: [i64; 2]| Tensor::zeros(size, (Kind::Float, tch::Device::Cpu));
        let said = |a: &Tensor, b: &Tensor| energy_distance(a, b).unwrap_err().to_string();
        assert_eq!(said(&zeros([2, 3]), &zeros([2, 4])), "b = 4 features: as many as a, 3");
        assert_eq!(said(&zeros([1, 3]), &zeros([2, 3])), "a = [1, 3]: features are N x D, of at least 2 samples");
        let model = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::flow(10).unwrap()).unwrap();
        let comparison = Sampler::compare(&[Sampler::ddim(2)], &model).unwrap();
        let said = comparison.distances(&Dataset::digits().unwrap()).unwrap_err().to_string();
        assert_eq!(said, "data = 1 x 8 x 8: the samples are 2");
    }
}
