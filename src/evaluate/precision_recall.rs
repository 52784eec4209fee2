//! Precision and recall of samples: Kynkaanniemi et al. 2019, "Improved Precision and Recall Metric for Assessing Generative
//! Models".

use super::frechet::features;
use super::pairs::in_parts;
use crate::show::{Bundle, Show, grouped};
use crate::{Error, Result};
use tch::{Kind, Tensor};

/// How many samples look like data, and how much of the data is among them, by features of samples and of data (N x D; more
/// dimensions are flattened).
///
/// Each set covers the balls around its members that reach to their `k`-th nearest other member (eq. 1). Precision is the share of
/// samples that the data cover, recall the share of the data that the samples cover (eq. 2). The paper takes k = 3, as many samples
/// as data, 50,000, and features of a network; fewer samples cover less, so that only numbers of the same counts compare.
///
/// # Errors
/// Features of different sizes, or not finite; k = 0, or not below the number of samples and of data.
///
/// ```
/// use noisebook::prelude::*;
/// let column = |values: &[f64]| Tensor::from_slice(values).view([-1, 1]);
/// // Two of four samples lie among the data, and cover two of the four.
/// let found = precision_recall(&column(&[0.1, 0.9, 50.0, 50.1]), &column(&[0.0, 1.0, 2.0, 3.0]), 1)?;
/// assert_eq!((found.precision, found.recall), (0.5, 0.5));
/// # Ok::<(), noisebook::Error>(())
/// ```
pub fn precision_recall(samples: &Tensor, data: &Tensor, k: usize) -> Result<PrecisionRecall> {
    let (samples, data) = (features("samples", samples)?, features("data", data)?);
    let (size, counts) = (samples.size()[1], [samples.size()[0], data.size()[0]]);
    if data.size()[1] != size {
        let rule = format!("as many as samples, {size}");
        return Err(Error::argument("data", format!("{} features", data.size()[1]), rule));
    }
    let most = counts[0].min(counts[1]) - 1;
    if k == 0 || k as i64 > most {
        return Err(Error::argument("k", k, format!("from 1 to {most}: one less than there are samples or data")));
    }
    Ok(PrecisionRecall {
        precision: covered(&samples, &data, k)?,
        recall: covered(&data, &samples, k)?,
        k,
        counts: (counts[0] as usize, counts[1] as usize),
    })
}

/// The share of points within the balls around centres.
fn covered(points: &Tensor, centres: &Tensor, k: usize) -> Result<f64> {
    let (radii, mut inside) = (radii(centres, k)?, 0);
    in_parts(points, centres, |distances| {
        let within = distances.f_le_tensor(&radii)?.f_any_dim(1, false)?;
        inside += within.f_sum(Kind::Int64)?.f_int64_value(&[])?;
        Ok(())
    })?;
    Ok(inside as f64 / points.size()[0] as f64)
}

/// The distance of each to its k-th nearest other.
fn radii(centres: &Tensor, k: usize) -> Result<Tensor> {
    let mut parts = Vec::new();
    in_parts(centres, centres, |distances| {
        // The nearest of all is itself.
        parts.push(distances.f_kthvalue(k as i64 + 1, 1, false)?.0);
        Ok(())
    })?;
    Ok(Tensor::f_cat(&parts, 0)?)
}

/// Precision and recall with the counts that they depend on; [`precision_recall`] makes one. As the value of a cell it says both.
///
/// ```
/// # use noisebook::prelude::*;
/// let (train, test) = Dataset::digits()?.split(0.9, 0)?;
/// let found = precision_recall(&test.images(), &train.images(), 3)?; // pixels for features
/// assert!(found.precision > 0.8 && found.counts == (180, 1_617));
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct PrecisionRecall {
    /// The share of samples that look like data, in [0, 1].
    pub precision: f64,
    /// The share of the data that is among the samples, in [0, 1].
    pub recall: f64,
    /// To which neighbour a ball reaches.
    pub k: usize,
    /// How many samples and how many data.
    pub counts: (usize, usize),
}

impl Show for PrecisionRecall {
    fn bundle(&self) -> Result<Bundle> {
        let (samples, data) = (grouped(self.counts.0), grouped(self.counts.1));
        let percent = |share: f64| format!("{:.1}%", 100.0 * share);
        let (precision, recall, k) = (percent(self.precision), percent(self.recall), self.k);
        Ok(Bundle::text(format!(
            "precision {precision}, recall {recall}, of {samples} samples and {data} data, k = {k}"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy's k-d trees on 40 samples and 60 data of 3 numbers (tests/fixtures/precision_recall.py): k, precision, recall.
    #[test]
    fn its_numbers_are_those_of_scipy() {
        let rows = |count: i64, shift: f64| {
            let values = (0..count * 3).map(|at| {
                let (row, column) = ((at / 3) as f64, (at % 3) as f64);
                (1.7 * row + 0.9 * row * column + shift).sin() * (1.0 + 0.01 * row) + shift * 0.3
            });
            Tensor::from_slice(&values.collect::<Vec<f64>>()).view([count, 3])
        };
        let expected: Vec<(usize, f64, f64)> = include!("../../tests/fixtures/precision_recall.in");
        for (k, precision, recall) in expected {
            let found = precision_recall(&rows(40, 2.0), &rows(60, 0.0), k).unwrap();
            assert_eq!((found.precision, found.recall), (precision, recall), "k = {k}");
        }
    }

    #[test]
    fn it_says_its_counts() {
        let line = Tensor::arange(4, (Kind::Double, tch::Device::Cpu)).view([4, 1]);
        let text = precision_recall(&line, &line, 1).unwrap().bundle().unwrap().plain_text().to_string();
        assert_eq!(text, "precision 100.0%, recall 100.0%, of 4 samples and 4 data, k = 1");
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let zeros = |size: [i64; 2]| Tensor::zeros(size, (Kind::Float, tch::Device::Cpu));
        let said = |a: [i64; 2], b: [i64; 2], k| precision_recall(&zeros(a), &zeros(b), k).unwrap_err().to_string();
        assert_eq!(said([5, 2], [5, 3], 1), "data = 3 features: as many as samples, 2");
        for k in [0, 4] {
            let rule = "from 1 to 3: one less than there are samples or data";
            assert_eq!(said([4, 2], [9, 2], k), format!("k = {k}: {rule}"));
        }
    }
}
