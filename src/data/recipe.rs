//! Data sets that are distributions: what is needed to draw one again.

use super::Dataset;
use super::picture::Darkness;
use super::plane;
use crate::random::{Stream, check_count, generator};
use crate::{Error, Result};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::sync::Arc;
use tch::Tensor;

/// A distribution of points in the plane.
#[derive(Clone, Debug)]
pub(super) enum Recipe {
    Moons { noise: f64 },
    Circles { noise: f64 },
    SwissRoll { noise: f64 },
    Spiral { noise: f64 },
    Checkerboard,
    EightGaussians,
    Picture { name: String, darkness: Arc<Darkness> },
}

/// One draw: x, y, and a class, or -1.
pub(super) type Draw = (f64, f64, i64);

impl Recipe {
    /// `count` points, one after another: the first do not depend on how many follow.
    pub(super) fn draw(&self, count: usize, seed: u64) -> Result<Dataset> {
        check_count("count", count)?;
        let noise = self.noise();
        if !(noise.is_finite() && noise >= 0.0) {
            return Err(Error::argument("noise", noise, "a deviation is at least 0"));
        }
        let mut rng = generator(seed, Stream::Points, 0);
        let (mut points, mut labels) = (Vec::with_capacity(2 * count), Vec::with_capacity(count));
        for index in 0..count {
            let (x, y, label) = self.point(&mut rng, index);
            points.extend([x + noise * normal(&mut rng), y + noise * normal(&mut rng)].map(|number| number as f32));
            labels.push(label);
        }
        let points = Tensor::f_from_slice(&points)?.f_view([count as i64, 2])?;
        let labels = Tensor::f_from_slice(&labels)?;
        let mut dataset = Dataset::new(self.name(), &points, Some(&labels), self.classes())?;
        dataset.recipe = Some(self.clone());
        Ok(dataset)
    }

    fn point(&self, rng: &mut ChaCha8Rng, index: usize) -> Draw {
        match self {
            Self::Moons { .. } => plane::moon(rng, index),
            Self::Circles { .. } => plane::circle(rng, index),
            Self::SwissRoll { .. } => plane::swiss_roll(rng),
            Self::Spiral { .. } => plane::spiral(rng, index),
            Self::Checkerboard => plane::checkerboard(rng),
            Self::EightGaussians => plane::eight_gaussians(rng),
            Self::Picture { darkness, .. } => darkness.point(rng),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Moons { .. } => "moons",
            Self::Circles { .. } => "circles",
            Self::SwissRoll { .. } => "swiss roll",
            Self::Spiral { .. } => "spiral",
            Self::Checkerboard => "checkerboard",
            Self::EightGaussians => "eight Gaussians",
            Self::Picture { name, .. } => name,
        }
    }

    fn classes(&self) -> &'static [&'static str] {
        match self {
            Self::Moons { .. } => &["upper", "lower"],
            Self::Circles { .. } => &["outer", "inner"],
            Self::Spiral { .. } => &["first arm", "second arm"],
            Self::EightGaussians => &["0", "1", "2", "3", "4", "5", "6", "7"],
            Self::SwissRoll { .. } | Self::Checkerboard | Self::Picture { .. } => &[],
        }
    }

    /// The deviation of what is added to each coordinate.
    fn noise(&self) -> f64 {
        match *self {
            Self::Moons { noise } | Self::Circles { noise } | Self::SwissRoll { noise } | Self::Spiral { noise } => {
                noise
            }
            Self::EightGaussians => plane::EIGHT_DEVIATION,
            Self::Checkerboard | Self::Picture { .. } => 0.0,
        }
    }
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(rng)
}

impl Dataset {
    /// As many points of the same distribution, drawn with another seed: what a model was not trained on.
    ///
    /// # Errors
    /// A data set that is no distribution to draw from: one of your own tensors, or a part of another.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let moons = Dataset::moons(100, 0.05)?; // seed 0
    /// assert_eq!(moons.redraw(0)?.images(), moons.images());
    /// assert_ne!(moons.redraw(1)?.images(), moons.images());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn redraw(&self, seed: u64) -> Result<Self> {
        match &self.recipe {
            Some(recipe) => recipe.draw(self.len(), seed),
            None => {
                let rule =
                    "only a distribution can be drawn again, such as Dataset::moons, whole; this is a set of samples";
                Err(Error::argument("data set", self.name(), rule))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_points_do_not_depend_on_how_many_follow() {
        for draw in
            [|n| Dataset::moons(n, 0.1), Dataset::checkerboard, Dataset::eight_gaussians, |n| Dataset::spiral(n, 0.0)]
        {
            let (few, many) = (draw(10).unwrap(), draw(50).unwrap());
            assert_eq!(few.images(), many.images().narrow(0, 0, 10));
            assert_eq!(many.redraw(0).unwrap().images(), many.images());
            assert_ne!(many.redraw(1).unwrap().images(), many.images());
        }
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        assert_eq!(Dataset::moons(0, 0.1).unwrap_err().to_string(), "count = 0: draw at least 1");
        for count in [usize::MAX, 1 << 40] {
            let said = Dataset::moons(count, 0.1).unwrap_err().to_string();
            assert_eq!(said, format!("count = {count}: draw at most 10,000,000"));
        }
        for (noise, shown) in [(-0.1, "-0.1"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
            let said = Dataset::circles(9, noise).unwrap_err().to_string();
            assert_eq!(said, format!("noise = {shown}: a deviation is at least 0"));
        }
        let rule = "only a distribution can be drawn again, such as Dataset::moons, whole; this is a set of samples";
        let digits = Dataset::digits().unwrap();
        assert_eq!(digits.redraw(1).unwrap_err().to_string(), format!("data set = digits: {rule}"));
        let (part, _) = Dataset::moons(10, 0.1).unwrap().split(0.5, 0).unwrap();
        assert_eq!(part.redraw(1).unwrap_err().to_string(), format!("data set = moons (50%): {rule}"));
    }
}
