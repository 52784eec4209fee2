//! Counting numbers into bins.

/// The edges of equal bins over all finite values, and in each the density: its share of the values over its width. Values
/// that are all one number lie in bins around it.
pub(super) fn histogram(values: &[f64], bins: usize) -> (Vec<f64>, Vec<f64>) {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    let (mut low, mut high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    if low > high {
        (low, high) = (0.0, 1.0);
    } else if high - low <= 1e-12 * low.abs().max(high.abs()) {
        (low, high) = (low - 0.5, high + 0.5);
    }
    histogram_over(values, (low, high), bins)
}

/// The same over a range; what lies outside, or is not finite, is in no bin; only what is finite counts.
pub(super) fn histogram_over(values: &[f64], (low, high): (f64, f64), bins: usize) -> (Vec<f64>, Vec<f64>) {
    let bins = bins.max(1);
    let width = (high - low) / bins as f64;
    let mut counts = vec![0.0; bins];
    for value in values.iter().filter(|value| (low..=high).contains(value)) {
        counts[(((value - low) / width) as usize).min(bins - 1)] += 1.0;
    }
    let finite = values.iter().filter(|value| value.is_finite()).count();
    let all = finite.max(1) as f64 * width;
    let edges = (0..=bins).map(|edge| low + (high - low) * edge as f64 / bins as f64).collect();
    (edges, counts.into_iter().map(|count| count / all).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    // numpy.histogram([0, 1, 1.5, 4, 2, nan], bins=4, density=True) without the nan.
    #[test]
    fn it_is_that_of_numpy() {
        let (edges, densities) = histogram(&[0.0, 1.0, 1.5, 4.0, 2.0, f64::NAN], 4);
        assert_eq!(edges, [0.0, 1.0, 2.0, 3.0, 4.0]);
        for (density, expected) in densities.iter().zip([0.2, 0.4, 0.2, 0.2]) {
            assert!((density - expected).abs() < 1e-12, "{densities:?}");
        }
        assert_eq!(histogram(&[3.0, 3.0], 1), (vec![2.5, 3.5], vec![1.0]));
        assert_eq!(histogram_over(&[0.5, 1.5, 9.0, 7.0], (0.0, 2.0), 2).1, [0.25, 0.25]);
        assert_eq!(histogram(&[], 2), (vec![0.0, 0.5, 1.0], vec![0.0, 0.0]));
    }
}
