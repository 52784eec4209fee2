//! Taking out what is amiss, after saying what that is.

use super::Dataset;
use super::report::Report;
use crate::{Error, Result};

/// What cleaning would remove; [`Dataset::clean`] finds it, [`apply`](Self::apply) does it. As the value of a cell it draws
/// a table, and the samples that would go.
///
/// By default those that are not finite go, and all but the first of those that are the same or nearly so; see [`Report`] for
/// the rules. Blank images and outliers stay: they may be the data.
///
/// ```
/// use noisebook::prelude::*;
/// let cleaning = Dataset::digits()?.clean()?;
/// println!("{cleaning:?}"); // what would go
/// let cleaned = cleaning.apply()?;
/// assert_eq!(cleaned.len(), 1_797 - cleaning.removed().len());
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone)]
pub struct Cleaning {
    pub(super) report: Report,
    near: bool,
    blank: bool,
    outliers: bool,
}

impl Dataset {
    /// Finds what to remove, and removes nothing yet: see [`Cleaning`].
    ///
    /// # Errors
    /// What libtorch says when there is no memory left.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let moons = Dataset::moons(100, 0.05)?;
    /// assert_eq!(moons.clean()?.apply()?.len(), 100); // all different, all finite
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn clean(&self) -> Result<Cleaning> {
        Ok(Cleaning { report: self.report()?, near: true, blank: false, outliers: false })
    }
}

impl Cleaning {
    /// Leaves near duplicates in.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let all = Dataset::digits()?.clean()?.keep_near_duplicates();
    /// assert!(all.removed().is_empty());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn keep_near_duplicates(mut self) -> Self {
        self.near = false;
        self
    }

    /// Removes images of one value, too.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let images = Tensor::cat(&[Dataset::digits()?.images(), Tensor::zeros([1, 1, 8, 8], (Kind::Float, Device::Cpu))], 0);
    /// let cleaning = Dataset::new("with one grey", &images, None, &[])?.clean()?.blank();
    /// assert!(cleaning.removed().contains(&1_797));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn blank(mut self) -> Self {
        self.blank = true;
        self
    }

    /// Removes outliers, too.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let points = Tensor::from_slice(&[0.0f32, 1.0, 2.0, 3.0, 4.0, 99.0]).view([6, 1]);
    /// let cleaning = Dataset::new("points", &points, None, &[])?.clean()?.outliers();
    /// assert_eq!(cleaning.removed(), [5]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn outliers(mut self) -> Self {
        self.outliers = true;
        self
    }

    /// The samples that would go, by index.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let points = Tensor::from_slice(&[1.0f32, 2.0, 1.0]).view([3, 1]);
    /// assert_eq!(Dataset::new("points", &points, None, &[])?.clean()?.removed(), [2]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn removed(&self) -> Vec<usize> {
        let mut removed: Vec<usize> = self.reasons().into_iter().flat_map(|(_, indices)| indices).collect();
        removed.sort_unstable();
        removed.dedup();
        removed
    }

    /// The data set without them.
    ///
    /// # Errors
    /// Nothing that would be left.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let points = Tensor::from_slice(&[1.0f32, 2.0, 1.0]).view([3, 1]);
    /// let cleaned = Dataset::new("points", &points, None, &[])?.clean()?.apply()?;
    /// assert_eq!((cleaned.name(), cleaned.len()), ("points (cleaned)", 2));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn apply(&self) -> Result<Dataset> {
        let (removed, dataset) = (self.removed(), &self.report.dataset);
        if removed.len() == dataset.len() {
            return Err(Error::argument("data set", dataset.name(), "nothing of it would be left: keep some of it"));
        }
        let kept: Vec<i64> = (0..dataset.len())
            .filter(|index| removed.binary_search(index).is_err())
            .map(|index| index as i64)
            .collect();
        dataset.select(format!("{} (cleaned)", dataset.name()), &kept)
    }

    /// Why they would go, and which.
    pub(super) fn reasons(&self) -> Vec<(&'static str, Vec<usize>)> {
        let repeats = |pairs: Vec<(usize, usize)>| pairs.into_iter().map(|(index, _)| index).collect();
        let report = &self.report;
        let mut reasons = vec![("not finite", report.not_finite()), ("exact duplicates", repeats(report.duplicates()))];
        if self.near {
            reasons.push(("near duplicates", repeats(report.near_duplicates())));
        }
        if self.blank {
            reasons.push(("of one value", report.blank()));
        }
        if self.outliers {
            reasons.push(("outliers", report.outliers()));
        }
        reasons
    }
}

impl std::fmt::Debug for Cleaning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use crate::show::Show;
        let text = self.bundle().map_or_else(|error| error.to_string(), |bundle| bundle.plain_text().to_string());
        write!(f, "{text}")
    }
}
