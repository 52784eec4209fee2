//! Points in the plane, drawn from the shapes that papers try generative models on.
//!
//! The formulas and scales are scikit-learn's (moons, circles, swiss roll) and FFJORD's (Grathwohl et al. 2019, its
//! `toy_data.py`: swiss roll, spirals, checkerboard, eight Gaussians). All are drawn with seed 0; see
//! [`redraw`](Dataset::redraw).

use super::Dataset;
use super::recipe::{Draw, Recipe};
use crate::Result;
use crate::random::{below, unit};
use rand_chacha::ChaCha8Rng;
use std::f64::consts::{PI, SQRT_2};

/// 0.5 over the square root of 2.
pub(super) const EIGHT_DEVIATION: f64 = 0.5 / SQRT_2;

impl Dataset {
    /// Two half circles in one another: (cos a, sin a) and (1 - cos a, 1/2 - sin a), a uniform in [0, pi], plus
    /// N(0, noise^2) on each coordinate; classes "upper" and "lower" in turn (scikit-learn's `make_moons`).
    ///
    /// # Errors
    /// No points; noise that is negative or not finite.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let moons = Dataset::moons(2_000, 0.05)?;
    /// assert_eq!(moons.images().size(), [2_000, 2]);
    /// moons.show()?; // a scatter, coloured by class
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn moons(count: usize, noise: f64) -> Result<Self> {
        Recipe::Moons { noise }.draw(count, 0)
    }

    /// A circle of radius 1 and one of radius 1/2 inside it, uniform in the angle, plus N(0, noise^2) on each coordinate;
    /// classes "outer" and "inner" in turn (scikit-learn's `make_circles` with factor 1/2).
    ///
    /// # Errors
    /// No points; noise that is negative or not finite.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// assert_eq!(Dataset::circles(1_000, 0.05)?.classes(), ["outer", "inner"]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn circles(count: usize, noise: f64) -> Result<Self> {
        Recipe::Circles { noise }.draw(count, 0)
    }

    /// A rolled-up line: (a cos a, a sin a)/5, a uniform in [3 pi/2, 9 pi/2], plus N(0, noise^2) on each coordinate
    /// (scikit-learn's `make_swiss_roll` seen from its end, at FFJORD's scale, whose noise is 0.2).
    ///
    /// # Errors
    /// No points; noise that is negative or not finite.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let roll = Dataset::swiss_roll(1_000, 0.05)?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn swiss_roll(count: usize, noise: f64) -> Result<Self> {
        Recipe::SwissRoll { noise }.draw(count, 0)
    }

    /// Two spirals, one the other turned by half a turn: (-a cos a, a sin a)/3 and its negative, a = 3 pi sqrt(u), u uniform
    /// in [0, 1], plus N(0, noise^2) on each coordinate; a class an arm, in turn (FFJORD's `2spirals`, whose noise is 0.1,
    /// without its uniform part).
    ///
    /// # Errors
    /// No points; noise that is negative or not finite.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let spiral = Dataset::spiral(1_000, 0.1)?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn spiral(count: usize, noise: f64) -> Result<Self> {
        Recipe::Spiral { noise }.draw(count, 0)
    }

    /// Uniform on the dark squares of a board of 4 x 4 over [-4, 4] x [-4, 4], the one at the lower left among them (FFJORD's
    /// `checkerboard`).
    ///
    /// # Errors
    /// No points.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let board = Dataset::checkerboard(2_000)?;
    /// assert!(board.images().abs().max().double_value(&[]) <= 4.0);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn checkerboard(count: usize) -> Result<Self> {
        Recipe::Checkerboard.draw(count, 0)
    }

    /// Eight equal Gaussians on a circle: radius 4/sqrt(2) = 2.83, deviation 0.5/sqrt(2) = 0.354; class k at the angle
    /// k pi/4, drawn at random (FFJORD's `8gaussians`).
    ///
    /// # Errors
    /// No points.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// assert_eq!(Dataset::eight_gaussians(2_000)?.classes().len(), 8);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn eight_gaussians(count: usize) -> Result<Self> {
        Recipe::EightGaussians.draw(count, 0)
    }
}

pub(super) fn moon(rng: &mut ChaCha8Rng, index: usize) -> Draw {
    let (sin, cos) = (PI * unit(rng)).sin_cos();
    if index.is_multiple_of(2) { (cos, sin, 0) } else { (1.0 - cos, 0.5 - sin, 1) }
}

pub(super) fn circle(rng: &mut ChaCha8Rng, index: usize) -> Draw {
    let (sin, cos) = (2.0 * PI * unit(rng)).sin_cos();
    if index.is_multiple_of(2) { (cos, sin, 0) } else { (0.5 * cos, 0.5 * sin, 1) }
}

pub(super) fn swiss_roll(rng: &mut ChaCha8Rng) -> Draw {
    let angle = 1.5 * PI * (1.0 + 2.0 * unit(rng));
    (angle * angle.cos() / 5.0, angle * angle.sin() / 5.0, -1)
}

pub(super) fn spiral(rng: &mut ChaCha8Rng, index: usize) -> Draw {
    let angle = 3.0 * PI * unit(rng).sqrt();
    let (x, y) = (-angle * angle.cos() / 3.0, angle * angle.sin() / 3.0);
    if index.is_multiple_of(2) { (x, y, 0) } else { (-x, -y, 1) }
}

pub(super) fn checkerboard(rng: &mut ChaCha8Rng) -> Draw {
    let column = below(rng, 4);
    let row = 2 * below(rng, 2) + column % 2;
    let mut within = |square: usize| 2.0 * (square as f64 + unit(rng)) - 4.0;
    (within(column), within(row), -1)
}

pub(super) fn eight_gaussians(rng: &mut ChaCha8Rng) -> Draw {
    let class = below(rng, 8);
    let (sin, cos) = (class as f64 * PI / 4.0).sin_cos();
    (4.0 / SQRT_2 * cos, 4.0 / SQRT_2 * sin, class as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Kind, Tensor};

    const COUNT: usize = 40_000;

    /// Mean and covariance of those with this label, or of all.
    fn moments(dataset: &Dataset, label: Option<i64>) -> [f64; 5] {
        let points = dataset.images().to_kind(Kind::Double);
        let points = match label {
            Some(label) => points.index_select(0, &dataset.labels().eq(label).nonzero().view([-1])),
            None => points,
        };
        let mean = points.mean_dim(0, false, Kind::Double);
        let centred = &points - &mean;
        let covariance = centred.tr().matmul(&centred) / points.size()[0] as f64;
        let number = |tensor: &Tensor, at: &[i64]| tensor.double_value(at);
        [
            number(&mean, &[0]),
            number(&mean, &[1]),
            number(&covariance, &[0, 0]),
            number(&covariance, &[0, 1]),
            number(&covariance, &[1, 1]),
        ]
    }

    /// Within about five standard errors, which are at most this bound a unit of scale.
    fn close(found: [f64; 5], expected: [f64; 5], bound: f64) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < bound, "{found} and not {expected}");
        }
    }

    // 2/pi is the mean of sin over [0, pi], 1/2 that of its square; the rest follows.
    #[test]
    fn moons() {
        let moons = Dataset::moons(COUNT, 0.1).unwrap();
        let (height, spread) = (2.0 / PI, 0.5 - 4.0 / (PI * PI) + 0.01);
        close(moments(&moons, Some(0)), [0.0, height, 0.51, 0.0, spread], 0.025);
        close(moments(&moons, Some(1)), [1.0, 0.5 - height, 0.51, 0.0, spread], 0.025);
        close(moments(&moons, None), [0.5, 0.25, 0.76, -0.193_310, 0.254_190], 0.025);
        // Without noise they are arcs of radius 1.
        let arcs = Dataset::moons(100, 0.0).unwrap().images().to_kind(Kind::Double);
        let upper = arcs.slice(0, 0, 100, 2).square().sum_dim_intlist(1, false, Kind::Double).sqrt();
        let lower = (arcs.slice(0, 1, 100, 2) - Tensor::from_slice(&[1.0, 0.5])).square();
        let lower = lower.sum_dim_intlist(1, false, Kind::Double).sqrt();
        assert!((upper - 1.0).abs().max().double_value(&[]) < 1e-6);
        assert!((lower - 1.0).abs().max().double_value(&[]) < 1e-6);
    }

    #[test]
    fn circles() {
        let circles = Dataset::circles(COUNT, 0.1).unwrap();
        close(moments(&circles, Some(0)), [0.0, 0.0, 0.51, 0.0, 0.51], 0.025);
        close(moments(&circles, Some(1)), [0.0, 0.0, 0.135, 0.0, 0.135], 0.01);
    }

    // scipy.integrate.quad of the formula over a, and the noise.
    #[test]
    fn swiss_roll() {
        const SWISS: [f64; 5] = [0.4, 0.042_441, 1.764_573, 0.171_519, 1.942_772];
        close(moments(&Dataset::swiss_roll(COUNT, 0.1).unwrap(), None), SWISS, 0.09);
    }

    // scipy.integrate.quad of the formula over u, and the noise.
    #[test]
    fn spiral() {
        const ARM: [f64; 5] = [0.141_471, 0.636_646, 2.540_720, 0.424_690, 1.988_750];
        let spiral = Dataset::spiral(COUNT, 0.1).unwrap();
        close(moments(&spiral, Some(0)), ARM, 0.08);
        let [x, y, xx, xy, yy] = ARM;
        close(moments(&spiral, Some(1)), [-x, -y, xx, xy, yy], 0.08);
        // E r^2 = pi^2/2, and the noise.
        let [_, _, xx, _, yy] = moments(&spiral, None);
        assert!((xx + yy - PI * PI / 2.0 - 0.02).abs() < 0.08);
    }

    // Uniform on [-4, 4] in each coordinate; columns and rows of one parity have means -1 and 1, hence the covariance.
    #[test]
    fn checkerboard() {
        let board = Dataset::checkerboard(COUNT).unwrap();
        close(moments(&board, None), [0.0, 0.0, 16.0 / 3.0, 1.0, 16.0 / 3.0], 0.15);
        let squares = (board.images() / 2.0).floor().to_kind(Kind::Int64).sum_dim_intlist(1, false, Kind::Int64);
        assert_eq!(squares.remainder(2).sum(Kind::Int64).int64_value(&[]), 0);
    }

    #[test]
    fn eight_gaussians() {
        let eight = Dataset::eight_gaussians(COUNT).unwrap();
        close(moments(&eight, None), [0.0, 0.0, 4.125, 0.0, 4.125], 0.15);
        close(moments(&eight, Some(1)), [2.0, 2.0, 0.125, 0.0, 0.125], 0.03);
        close(moments(&eight, Some(6)), [0.0, -8_f64.sqrt(), 0.125, 0.0, 0.125], 0.03);
    }
}
