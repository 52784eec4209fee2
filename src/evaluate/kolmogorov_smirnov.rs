//! Whether two sets of numbers come from one distribution: Kolmogorov 1933 and Smirnov 1948.

use crate::show::{Bundle, Show, digits, grouped};
use crate::{Error, Result};
use std::f64::consts::PI;
use tch::{Device, Kind, Tensor};

/// The two-sample Kolmogorov-Smirnov test of numbers a and b (N, or N x 1): the largest distance D between the shares of a and
/// of b that lie at or below a number, and how often chance alone makes one as large if both come from one distribution.
///
/// The p-value is Kolmogorov's limit, Q(l) = 2 (e^(-2 l^2) - e^(-8 l^2) + e^(-18 l^2) - ...), at
/// l = (sqrt(n) + 0.12 + 0.11/sqrt(n)) D with n = n_a n_b/(n_a + n_b) (Stephens 1970): good from n = 4 on. It is for
/// continuous distributions; with many equal numbers it is too large.
///
/// # Errors
/// No numbers, more than one a sample, or some that are not finite.
///
/// ```
/// use noisebook::prelude::*;
/// let means = Tensor::from_slice(&[-1.0, 1.0]).view([2, 1]);
/// let modes = GaussianMixture::new([0.5, 0.5], &means, [0.3, 0.3], &Schedule::cosine(1_000)?)?;
/// let samples = Sampler::ddim(100).clip(false).count(1_000).sample(&modes)?;
/// let test = ks_test(&samples.images(), &modes.sample(1_000, 1)?)?;
/// assert!(test.p_value > 0.01); // no reason to doubt the sampler
/// # Ok::<(), noisebook::Error>(())
/// ```
pub fn ks_test(a: &Tensor, b: &Tensor) -> Result<KolmogorovSmirnov> {
    let (a, b) = (sorted("a", a)?, sorted("b", b)?);
    let (mut i, mut j, mut statistic) = (0, 0, 0.0_f64);
    while i < a.len() && j < b.len() {
        // Equal numbers are passed together.
        let at = a[i].min(b[j]);
        i += a[i..].iter().take_while(|&&x| x == at).count();
        j += b[j..].iter().take_while(|&&x| x == at).count();
        statistic = statistic.max((i as f64 / a.len() as f64 - j as f64 / b.len() as f64).abs());
    }
    let (n_a, n_b) = (a.len() as f64, b.len() as f64);
    let root = (n_a * n_b / (n_a + n_b)).sqrt();
    let p_value = kolmogorov((root + 0.12 + 0.11 / root) * statistic);
    Ok(KolmogorovSmirnov { statistic, p_value, counts: (a.len(), b.len()) })
}

/// How likely the supremum of a Brownian bridge is above l.
fn kolmogorov(l: f64) -> f64 {
    if l <= 0.0 {
        return 1.0;
    }
    if l < 1.0 {
        // The same function by Jacobi's theta identity: here the other series would need many terms.
        let term = |k: f64| (-(k * PI / l).powi(2) / 8.0).exp();
        return 1.0 - (2.0 * PI).sqrt() / l * (term(1.0) + term(3.0) + term(5.0));
    }
    let term = |k: f64| (-2.0 * (k * l).powi(2)).exp();
    2.0 * (term(1.0) - term(2.0) + term(3.0) - term(4.0) + term(5.0))
}

fn sorted(name: &str, x: &Tensor) -> Result<Vec<f64>> {
    let size = x.size();
    if size.first().is_none_or(|&count| count == 0) || size[1..].iter().any(|&side| side != 1) {
        return Err(Error::argument(name, format!("{size:?}"), "the test is of single numbers: N, or N x 1"));
    }
    let x = x.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?.f_detach()?.f_reshape([-1])?;
    let mut values = Vec::<f64>::try_from(x)?;
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        return Err(Error::argument(name, value, "all numbers are finite"));
    }
    values.sort_by(f64::total_cmp);
    Ok(values)
}

/// The outcome of a Kolmogorov-Smirnov test; [`ks_test`] makes one. As the value of a cell it says what it found.
///
/// ```
/// # use noisebook::prelude::*;
/// let (a, b) = (Tensor::from_slice(&[1.0, 2.0, 3.0]), Tensor::from_slice(&[2.5, 3.5]));
/// assert!((ks_test(&a, &b)?.statistic - 2.0 / 3.0).abs() < 1e-12); // two of three against none
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct KolmogorovSmirnov {
    /// The largest distance between the two distribution functions, in [0, 1].
    pub statistic: f64,
    /// How often it is as large by chance, in [0, 1].
    pub p_value: f64,
    /// How many numbers of a and of b.
    pub counts: (usize, usize),
}

impl Show for KolmogorovSmirnov {
    fn bundle(&self) -> Result<Bundle> {
        let (statistic, p) = (digits(self.statistic), digits(self.p_value));
        let (a, b) = (grouped(self.counts.0), grouped(self.counts.1));
        Ok(Bundle::text(format!("Kolmogorov-Smirnov: D = {statistic}, p = {p}, of {a} and {b} numbers")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy 1.17: scipy.special.kolmogorov.
    #[test]
    fn the_limit_is_that_of_scipy() {
        for (l, expected) in [
            (0.0, 1.0),
            (0.3, 0.999_990_694_198_665_5),
            (0.5, 0.963_945_243_664_875_1),
            (0.8, 0.544_142_411_574_198_1),
            (0.99, 0.280_873_839_225_548_9),
            (1.0, 0.269_999_671_677_354_56),
            (1.2, 0.112_249_666_670_724_97),
            (2.0, 0.000_670_925_255_779_695_3),
            (4.0, 2.532_833_109_818_835e-14),
        ] {
            assert!((kolmogorov(l) / expected - 1.0).abs() < 1e-9, "{l}: {}", kolmogorov(l));
        }
    }

    /// scipy 1.17: scipy.stats.ks_2samp(method='exact') of sin(1 + 7 k) + 0.3 cos(3 k^2) and s + sin(2 + 5 k) +
    /// 0.3 cos(1 + 2 k^2).
    #[test]
    fn the_test_is_that_of_scipy() {
        for (n, m, s, statistic, p) in [
            (50, 80, 0.0, 0.085, 0.964_338),
            (300, 200, 0.05, 0.063_333_333_333, 0.704_875),
            (300, 200, 0.2, 0.125, 0.044_248_3),
            (1_000, 1_500, 0.1, 0.065_333_333_333, 0.011_547_9),
        ] {
            let a: Vec<f64> =
                (0..n).map(f64::from).map(|k| (1.0 + 7.0 * k).sin() + 0.3 * (3.0 * k * k).cos()).collect();
            let b: Vec<f64> =
                (0..m).map(f64::from).map(|k| s + (2.0 + 5.0 * k).sin() + 0.3 * (1.0 + 2.0 * k * k).cos()).collect();
            let found = ks_test(&Tensor::from_slice(&a), &Tensor::from_slice(&b).view([-1, 1])).unwrap();
            assert!((found.statistic - statistic).abs() < 1e-9, "{found:?}");
            assert!((found.p_value / p - 1.0).abs() < 0.04, "{found:?}");
            assert_eq!(found.counts, (n as usize, m as usize));
        }
    }

    #[test]
    fn equal_numbers_are_passed_together() {
        let a = Tensor::from_slice(&[1.0, 1.0, 2.0, 2.0]);
        assert_eq!(ks_test(&a, &a).unwrap().statistic, 0.0);
        assert_eq!(ks_test(&a, &Tensor::from_slice(&[2i64])).unwrap().statistic, 0.5);
        let text = ks_test(&a, &a).unwrap().bundle().unwrap().plain_text().to_string();
        assert_eq!(text, "Kolmogorov-Smirnov: D = 0, p = 1, of 4 and 4 numbers");
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let a = Tensor::from_slice(&[1.0, 2.0]);
        let said = |b: &Tensor| ks_test(&a, b).unwrap_err().to_string();
        assert_eq!(said(&a.view([1, 2])), "b = [1, 2]: the test is of single numbers: N, or N x 1");
        assert_eq!(said(&(&a / 0.0)), "b = inf: all numbers are finite");
    }
}
