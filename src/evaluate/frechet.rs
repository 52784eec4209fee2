//! The Frechet distance of two sets of features: Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule Converge to
//! a Local Nash Equilibrium", whose FID takes features of an Inception network.

use crate::show::{Bundle, Show, digits, grouped};
use crate::{Error, Result};
use tch::{Device, Kind, Tensor};

/// The product of two covariances of such features is far from infinity.
const LARGEST: f64 = 1e70;

/// The Frechet distance of Gaussians fitted to two sets of features, a and b (N x D; more dimensions are flattened):
///
/// |mean a - mean b|^2 + tr(A + B - 2 (A B)^(1/2)), with covariances A and B over N - 1 (Dowson & Landau 1982). In float64; the
/// root's trace is that of the root of A^(1/2) B A^(1/2), which is symmetric.
///
/// It falls with the number of samples: 1,000 images read 32 where 50,000 give under 3. So the counts stand beside it, and
/// only distances of the same counts compare.
///
/// # Errors
/// Fewer than 2 samples, features of different sizes, not finite or beyond 1e70.
///
/// ```
/// use noisebook::prelude::*;
/// let schedule = Schedule::cosine(100)?;
/// let (a, b) = (Gaussian::isotropic(0.0, 1.0, [2], &schedule)?, Gaussian::isotropic(3.0, 1.0, [2], &schedule)?);
/// let found = frechet_distance(&a.sample(5_000, 0)?, &b.sample(5_000, 1)?)?;
/// assert!((found.distance - 18.0).abs() < 0.6); // 3 away in each of two directions
/// # Ok::<(), noisebook::Error>(())
/// ```
pub fn frechet_distance(a: &Tensor, b: &Tensor) -> Result<Frechet> {
    let (a, b) = (features("a", a)?, features("b", b)?);
    let size = a.size()[1];
    if b.size()[1] != size {
        return Err(Error::argument("b", format!("{} features", b.size()[1]), format!("as many as a, {size}")));
    }
    let mean = |x: &Tensor| x.f_mean_dim(&[0i64][..], true, Kind::Double);
    let covariance = |x: &Tensor, mean: &Tensor| {
        let x = x.f_sub(mean)?;
        x.f_transpose(0, 1)?.f_matmul(&x)?.f_div_scalar((x.size()[0] - 1) as f64)
    };
    let (mean_a, mean_b) = (mean(&a)?, mean(&b)?);
    let (spread_a, spread_b) = (covariance(&a, &mean_a)?, covariance(&b, &mean_b)?);
    // Rounding may leave eigenvalues a little below 0.
    let (values, axes) = spread_a.f_linalg_eigh("L")?;
    let root = axes.f_mul(&values.f_clamp_min(0.0)?.f_sqrt()?)?.f_matmul(&axes.f_transpose(0, 1)?)?;
    let both = root.f_matmul(&spread_b)?.f_matmul(&root)?;
    let shared = both.f_linalg_eigvalsh("L")?.f_clamp_min(0.0)?.f_sqrt()?.f_sum(Kind::Double)?;
    let apart = mean_a.f_sub(&mean_b)?.f_square()?.f_sum(Kind::Double)?;
    let total = apart.f_add(&spread_a.f_trace()?)?.f_add(&spread_b.f_trace()?)?.f_sub(&shared.f_mul_scalar(2.0)?)?;
    Ok(Frechet {
        distance: total.f_double_value(&[])?.max(0.0),
        counts: (a.size()[0] as usize, b.size()[0] as usize),
        features: size as usize,
    })
}

/// N x D, float64.
pub(super) fn features(name: &str, x: &Tensor) -> Result<Tensor> {
    let size = x.size();
    if size.len() < 2 || size[0] < 2 || size.contains(&0) {
        let rule = "features are N x D, of at least 2 samples";
        return Err(Error::argument(name, format!("{size:?}"), rule));
    }
    let x = x.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?.f_detach()?.f_flatten(1, -1)?;
    let largest = x.f_abs()?.f_max()?.f_double_value(&[])?;
    if largest.is_nan() || largest > LARGEST {
        let rule = "all features are finite, none beyond 1e70: their fourth powers are taken";
        return Err(Error::argument(name, format!("{largest:e}"), rule));
    }
    Ok(x)
}

/// A Frechet distance with the counts that it depends on; [`frechet_distance`] makes one. As the value of a cell it says both.
///
/// ```
/// # use noisebook::prelude::*;
/// let (a, b) = Dataset::digits()?.split(0.5, 0)?;
/// let found = frechet_distance(&a.images(), &b.images())?; // pixels for features
/// assert_eq!(found.counts, (899, 898));
/// println!("{:.2} of {} and {}", found.distance, found.counts.0, found.counts.1);
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Frechet {
    /// The distance, in squared units of the features.
    pub distance: f64,
    /// How many samples of a and of b.
    pub counts: (usize, usize),
    /// How many features a sample has.
    pub features: usize,
}

impl Show for Frechet {
    fn bundle(&self) -> Result<Bundle> {
        let (a, b) = self.counts;
        let few = if a.min(b) <= self.features {
            "\nfewer samples than features: the covariances are not known in every direction"
        } else {
            ""
        };
        let (a, b, size) = (grouped(a), grouped(b), grouped(self.features));
        let distance = digits(self.distance);
        Ok(Bundle::text(format!("Frechet distance {distance}, of {a} and {b} samples with {size} features{few}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(value: impl Fn(f64, f64) -> f64) -> Tensor {
        let values: Vec<f64> = (0..36).map(|index| value(f64::from(index / 3), f64::from(index % 3))).collect();
        Tensor::from_slice(&values).view([12, 3])
    }

    #[test]
    fn it_says_its_counts() {
        let a = rows(|i, j| (i * j).sin());
        let text = |a: &Tensor| frechet_distance(a, a).unwrap().bundle().unwrap().plain_text().to_string();
        assert!(text(&a).ends_with("of 12 and 12 samples with 3 features"), "{}", text(&a));
        assert!(text(&a.narrow(0, 0, 3)).contains("fewer samples than features"));
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let a = rows(|i, j| i + j);
        let said = |a: &Tensor, b: &Tensor| frechet_distance(a, b).unwrap_err().to_string();
        assert_eq!(said(&a, &a.narrow(1, 0, 2)), "b = 2 features: as many as a, 3");
        assert_eq!(said(&a.narrow(0, 0, 1), &a), "a = [1, 3]: features are N x D, of at least 2 samples");
        let rule = "all features are finite, none beyond 1e70: their fourth powers are taken";
        assert_eq!(said(&a, &(&a / 0.0)), format!("b = NaN: {rule}"));
        assert_eq!(said(&(&a * 1e200), &a), format!("a = 1.3e201: {rule}"));
        // What is allowed has a distance: here, apart by twice the means of 5.5, 6.5 and 7.5.
        let far = frechet_distance(&(&a * 7e68), &(&a * -7e68)).unwrap().distance / 49e136;
        assert!((far / (4.0 * 128.75) - 1.0).abs() < 1e-6, "{far}");
    }
}
