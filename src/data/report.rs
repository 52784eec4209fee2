//! What there is in a data set, and what is amiss.

use super::troubles::{Trouble, TroubleKind};
use super::{Dataset, duplicates};
use crate::Result;
use std::sync::Arc;
use tch::{Kind, Tensor};

/// What a data set holds, and what is amiss with it. As the value of a cell it draws a table, and the worst images.
///
/// The rules:
/// - not finite: a number in it is NaN or infinite; it counts nowhere else;
/// - one value: all pixels of the image are the same;
/// - exact duplicate: the same numbers as an earlier sample;
/// - near duplicate: an image whose pixels differ from an earlier one's by at most 0.05 (root mean square, of a range of 2);
/// - outlier: a sample that is farther from the mean of all (root mean square) than Q3 + 3 (Q3 - Q1), with the quartiles
///   Q1 and Q3 of these distances (Tukey 1977, "far out").
///
/// ```
/// use noisebook::prelude::*;
/// let report = Dataset::digits()?.report()?;
/// assert_eq!((report.low(), report.high()), (-1.0, 1.0));
/// assert!(report.duplicates().is_empty() && report.not_finite().is_empty());
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone)]
pub struct Report {
    pub(super) dataset: Dataset,
    /// How many samples each class has.
    pub(super) counts: Vec<usize>,
    pub(super) unlabelled: usize,
    low: f64,
    high: f64,
    mean: f64,
    std: f64,
    not_finite: Vec<usize>,
    blank: Vec<usize>,
    duplicates: Vec<(usize, usize)>,
    near: Vec<(usize, usize)>,
    /// How many of both kinds of duplicates bear another label than the sample that they repeat.
    pub(super) other_label: usize,
    outliers: Vec<usize>,
    /// The distance from the mean beyond which a sample is an outlier.
    pub(super) fence: f64,
    troubles: Arc<[Trouble]>,
}

impl Dataset {
    /// Counts, classes, range, duplicates, outliers, and the files' troubles: see [`Report`].
    ///
    /// # Errors
    /// What libtorch says when there is no memory left.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// Dataset::digits()?.report()?.show()?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn report(&self) -> Result<Report> {
        let _guard = tch::no_grad_guard();
        let shape = self.shape();
        let (count, images) = (self.len(), shape.len() == 4);
        let size = shape[1..].iter().product::<i64>();
        let mut total = Totals { low: f64::INFINITY, high: f64::NEG_INFINITY, ..Totals::default() };
        let (mut not_finite, mut blank) = (Vec::new(), Vec::new());
        let (mut fingerprints, mut sketches) = (Vec::with_capacity(count), Vec::new());
        for chunk in self.samples.chunks() {
            let (first, chunk) = chunk?;
            let flat = chunk.f_flatten(1, -1)?;
            let (lows, highs) = (numbers(&flat.f_amin([1i64], false)?)?, numbers(&flat.f_amax([1i64], false)?)?);
            for (index, (&low, &high)) in (first..).zip(lows.iter().zip(&highs)) {
                if !(low.is_finite() && high.is_finite()) {
                    not_finite.push(index);
                } else if low == high && images {
                    blank.push(index);
                }
            }
            let finite: Vec<i64> = (0..lows.len())
                .filter(|&row| lows[row].is_finite() && highs[row].is_finite())
                .map(|row| row as i64)
                .collect();
            total.add(&flat.f_index_select(0, &Tensor::f_from_slice(&finite)?)?)?;
            fingerprints.extend(duplicates::fingerprints(&chunk)?);
            if images {
                sketches.extend(duplicates::sketches(&chunk)?);
            }
        }
        let is_finite = |index: usize| not_finite.binary_search(&index).is_err();
        let mut exact = duplicates::exact(&self.samples, &fingerprints)?;
        exact.retain(|&(index, _)| is_finite(index));
        let near = if images {
            let repeated = |index| exact.binary_search_by_key(&index, |&(index, _)| index).is_ok();
            let among = (0..count).filter(|&index| is_finite(index) && !repeated(index)).collect();
            duplicates::near(&self.samples, &sketches, among)?
        } else {
            Vec::new()
        };
        let (outliers, fence) = self.outliers(&total, &is_finite)?;

        let labels = Vec::<i64>::try_from(self.labels())?;
        let mut counts = vec![0; self.classes().len()];
        labels.iter().filter_map(|&label| usize::try_from(label).ok()).for_each(|label| counts[label] += 1);
        let numbers = (total.count * size) as f64;
        let mean = total.sum / numbers;
        Ok(Report {
            dataset: self.clone(),
            counts,
            unlabelled: labels.iter().filter(|&&label| label < 0).count(),
            low: total.low,
            high: total.high,
            mean,
            std: (total.squares / numbers - mean * mean).max(0.0).sqrt(),
            not_finite,
            blank,
            other_label: exact.iter().chain(&near).filter(|&&(a, b)| labels[a] != labels[b]).count(),
            duplicates: exact,
            near,
            outliers,
            fence,
            troubles: self.troubles.clone(),
        })
    }

    /// Samples that are far from the mean, the farthest first, and how far that is.
    fn outliers(&self, total: &Totals, is_finite: &dyn Fn(usize) -> bool) -> Result<(Vec<usize>, f64)> {
        let Some(sum) = &total.sums else { return Ok((Vec::new(), f64::INFINITY)) };
        let mean = sum.f_div_scalar(total.count as f64)?.f_to_kind(Kind::Float)?;
        let mut distances = Vec::with_capacity(self.len());
        for chunk in self.samples.chunks() {
            let squares = chunk?.1.f_flatten(1, -1)?.f_sub(&mean)?.f_square()?;
            distances.extend(numbers(&squares.f_mean_dim(&[1i64][..], false, Kind::Double)?.f_sqrt()?)?);
        }
        let mut sorted: Vec<f64> =
            (0..self.len()).filter(|&index| is_finite(index)).map(|index| distances[index]).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let (q1, q3) = (quantile(&sorted, 0.25), quantile(&sorted, 0.75));
        // Samples that are all as far from the mean differ by rounding.
        let fence = q3 + 3.0 * (q3 - q1) + 1e-6;
        let mut outliers: Vec<usize> =
            (0..self.len()).filter(|&index| is_finite(index) && distances[index] > fence).collect();
        outliers.sort_by(|&a, &b| distances[b].total_cmp(&distances[a]));
        Ok((outliers, fence))
    }

    /// What a sample is called: its file, or its index.
    pub(super) fn sample_name(&self, index: usize) -> String {
        self.files.get(index).map_or_else(|| index.to_string(), ToString::to_string)
    }
}

/// Sums over the samples that are finite.
#[derive(Default)]
struct Totals {
    count: i64,
    low: f64,
    high: f64,
    sum: f64,
    squares: f64,
    /// Of each pixel.
    sums: Option<Tensor>,
}

impl Totals {
    fn add(&mut self, flat: &Tensor) -> Result<()> {
        if flat.numel() == 0 {
            return Ok(());
        }
        self.count += flat.size()[0];
        self.low = self.low.min(flat.f_min()?.f_double_value(&[])?);
        self.high = self.high.max(flat.f_max()?.f_double_value(&[])?);
        let sums = flat.f_sum_dim_intlist(&[0i64][..], false, Kind::Double)?;
        self.sum += sums.f_sum(Kind::Double)?.f_double_value(&[])?;
        self.squares += flat.f_square()?.f_sum(Kind::Double)?.f_double_value(&[])?;
        self.sums = Some(match &self.sums {
            Some(before) => before.f_add(&sums)?,
            None => sums,
        });
        Ok(())
    }
}

fn numbers(tensor: &Tensor) -> Result<Vec<f64>> {
    Ok(Vec::<f64>::try_from(tensor.f_to_kind(Kind::Double)?)?)
}

/// Between the two nearest of sorted numbers, as NumPy's `quantile`.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * sorted.len().saturating_sub(1) as f64;
    let (below, above) = (at.floor() as usize, at.ceil() as usize);
    match (sorted.get(below), sorted.get(above)) {
        (Some(low), Some(high)) => low + (high - low) * at.fract(),
        _ => 0.0,
    }
}

impl Report {
    /// The classes' names, and how many samples each has.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// assert_eq!(Dataset::digits()?.report()?.class_counts()[3], ("3".to_string(), 183));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn class_counts(&self) -> Vec<(String, usize)> {
        self.dataset.classes().into_iter().zip(self.counts.iter().copied()).collect()
    }

    /// The lowest number of all.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// assert_eq!(Dataset::digits()?.report()?.low(), -1.0);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn low(&self) -> f64 {
        self.low
    }

    /// The highest number of all.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// assert_eq!(Dataset::digits()?.report()?.high(), 1.0);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn high(&self) -> f64 {
        self.high
    }

    /// The mean of all numbers.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let mean = Dataset::digits()?.report()?.mean(); // 561,718 of 16 x 64 x 1,797 blocks are inked
    /// assert!((mean - (561_718.0 / (8.0 * 64.0 * 1_797.0) - 1.0)).abs() < 1e-6);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The standard deviation of all numbers; EDM's `sigma_data`.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// println!("{:.2}", Dataset::digits()?.report()?.std());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn std(&self) -> f64 {
        self.std
    }

    /// Samples with a number that is NaN or infinite.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let points = Tensor::from_slice(&[0.0, 1.0, f32::INFINITY]).view([3, 1]);
    /// assert_eq!(Dataset::unchecked("measured", &points, None, &[])?.report()?.not_finite(), [2]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn not_finite(&self) -> Vec<usize> {
        self.not_finite.clone()
    }

    /// Images whose pixels are all of one value.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// assert!(Dataset::digits()?.report()?.blank().is_empty());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn blank(&self) -> Vec<usize> {
        self.blank.clone()
    }

    /// Samples that are the same as an earlier one, and that one.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let points = Tensor::from_slice(&[1.0f32, 2.0, 1.0]).view([3, 1]);
    /// assert_eq!(Dataset::new("points", &points, None, &[])?.report()?.duplicates(), [(2, 0)]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn duplicates(&self) -> Vec<(usize, usize)> {
        self.duplicates.clone()
    }

    /// Images that are nearly the same as an earlier one, and that one; see [`Report`] for the rule.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// println!("{:?}", Dataset::digits()?.report()?.near_duplicates());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn near_duplicates(&self) -> Vec<(usize, usize)> {
        self.near.clone()
    }

    /// Samples far from all others, the farthest first; see [`Report`] for the rule.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let points = Tensor::from_slice(&[0.0f32, 1.0, 2.0, 3.0, 4.0, 99.0]).view([6, 1]);
    /// assert_eq!(Dataset::new("points", &points, None, &[])?.report()?.outliers(), [5]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn outliers(&self) -> Vec<usize> {
        self.outliers.clone()
    }

    /// Files of the whole folder that could not be read, each with the cause; they are not in the data set.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// assert!(Dataset::digits()?.report()?.unreadable().is_empty()); // they come from no folder
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn unreadable(&self) -> Vec<String> {
        let unreadable = self.troubles.iter().filter(|trouble| trouble.kind == TroubleKind::Unreadable);
        unreadable.flat_map(|trouble| trouble.files.clone()).collect()
    }

    /// What was unusual about a folder's files, in words, and which files they are: of a part, such as a
    /// [split](Dataset::split) makes, those of the part, and what is of the whole folder says so.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// for (what, files) in Dataset::digits()?.report()?.troubles() {
    ///     println!("{what}: {}", files.join(", ")); // grey, made colour: a.png, b.png
    /// }
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn troubles(&self) -> Vec<(String, Vec<String>)> {
        self.troubles.iter().map(|trouble| (trouble.words(), trouble.files.clone())).collect()
    }
}
