//! Histograms: counting numbers into bins, and drawing them as bars.

use super::chart::{Chart, Series, Style};
use crate::{Error, Result};

impl Chart {
    /// Adds bars on zero, as a histogram has: `heights` one for each pair of neighbouring `edges`.
    ///
    /// ```
    /// let chart = noisebook::show::Chart::new("two bins").bars("count", &[0.0, 0.5, 1.0], &[3.0, 7.0]);
    /// ```
    #[must_use]
    pub fn bars(self, name: impl Into<String>, edges: &[f64], heights: &[f64]) -> Self {
        self.with(name.into(), Style::Bars, edges, heights)
    }

    /// Adds the histogram of numbers as a density, whose bars' areas add up to 1. Numbers that are not finite are left out.
    ///
    /// ```
    /// use noisebook::show::{Chart, Show};
    /// let chart = Chart::new("").histogram("x", &[0.0, 0.1, 0.9, 1.0], 2);
    /// assert!(chart.bundle()?.plain_text().contains("x: 2 bars from 0 to 1, highest 1"));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn histogram(self, name: impl Into<String>, values: &[f64], bins: usize) -> Self {
        let (edges, densities) = histogram(values, bins);
        self.bars(name, &edges, &densities)
    }
}

impl Series {
    /// That bars have rising edges, one more than heights.
    pub(super) fn check_bars(&self) -> Result<()> {
        let (edges, heights) = (self.xs.len(), self.ys.len());
        if edges < 2 || !self.xs.windows(2).all(|pair| pair[0] < pair[1]) {
            let value = format!("{edges} numbers");
            return Err(Error::argument(format!("edges of '{}'", self.name), value, "at least two, and rising"));
        }
        if heights != edges - 1 {
            let (name, value) = (format!("heights of '{}'", self.name), format!("{heights} numbers"));
            return Err(Error::argument(name, value, format!("one for each of the {} bins", edges - 1)));
        }
        Ok(())
    }
}

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
    #![allow(clippy::unwrap_used)]
    use super::super::Show;
    use super::*;

    fn svg(chart: &Chart) -> String {
        chart.bundle().unwrap().get("image/svg+xml").unwrap().as_str().unwrap().to_string()
    }

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

    #[test]
    fn bars_stand_on_zero_and_reach_their_heights() {
        let chart = Chart::new("").bars("n", &[0.0, 1.0, 3.0], &[4.0, 2.0]).size(400, 200);
        let (x, y) = chart.axes(300.0, 150.0);
        assert_eq!((x.low, x.high, y.low), (0.0, 3.0, 0.0));
        assert!((y.high - 4.16).abs() < 1e-12);
        assert_eq!(chart.bundle().unwrap().plain_text(), "y against x\nn: 2 bars from 0 to 3, highest 4 from 0 to 1");
        assert_eq!(svg(&chart).matches("<path class=\"series\"").count(), 1);
        // Without a zero on the axis they stand on the frame.
        assert!(svg(&chart.log_y()).contains("class=\"series\""));
    }

    #[test]
    fn bad_arguments_are_named() {
        let refusal = |chart: &Chart| chart.bundle().unwrap_err().to_string();
        assert_eq!(
            refusal(&Chart::new("").bars("a", &[0.0, 1.0], &[1.0, 2.0])),
            "heights of 'a' = 2 numbers: one for each of the 1 bins"
        );
        for edges in [vec![1.0], vec![0.0, 0.0]] {
            let said = format!("edges of 'a' = {} numbers: at least two, and rising", edges.len());
            assert_eq!(refusal(&Chart::new("").bars("a", &edges, &[1.0])), said);
        }
    }
}
