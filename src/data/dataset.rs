//! A data set.

use super::augment::Random;
use super::recipe::Recipe;
use super::samples::{Samples, Stored};
use super::troubles::{Trouble, of_part};
use crate::{Error, Result};
use std::sync::Arc;
use tch::{Device, Kind, Tensor};

/// Images with labels: N x C x H x W, float32, in [-1, 1]; or points, N x D, float32; labels 0..classes, int64, or -1 for none.
///
/// A clone is cheap and shares the samples. Images that come from files are kept as bytes, and become numbers a batch at a
/// time; images that would not fit into memory lie in a file that the system pages in. As the value of a cell it draws a labelled grid of images, a scatter of points in
/// the plane, or the histogram of points on a line.
///
/// ```
/// use noisebook::prelude::*;
/// let digits = Dataset::digits()?;
/// let (train, test) = digits.split(0.9, 0)?;
/// assert_eq!((train.len(), test.len()), (1_617, 180));
/// # Ok::<(), noisebook::Error>(())
/// ```
pub struct Dataset {
    pub(super) name: String,
    pub(super) samples: Samples,
    labels: Tensor,
    classes: Vec<String>,
    /// What draws it again, where it is drawn from a distribution.
    pub(super) recipe: Option<Recipe>,
    /// What batches draw anew each time.
    pub(super) random: Vec<Random>,
    /// The samples' files, where each came from one.
    pub(super) files: Vec<Arc<str>>,
    /// What was amiss with files as they were read.
    pub(super) troubles: Arc<[Trouble]>,
}

impl Dataset {
    /// A data set from tensors, which it copies: images N x C x H x W in [-1, 1], or points N x D; labels N (int64; -1 is
    /// no label), if there are any; the classes' names.
    ///
    /// # Errors
    /// Images of another shape or outside [-1, 1], points that are not finite, labels of another length or kind, or that
    /// no class has.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let grey = Tensor::zeros([4, 1, 8, 8], (Kind::Float, Device::Cpu));
    /// let two = Dataset::new("grey", &grey, Some(&Tensor::from_slice(&[0i64, 1, 0, 1])), &["a", "b"])?;
    /// assert_eq!(two.classes(), ["a", "b"]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn new(name: impl Into<String>, images: &Tensor, labels: Option<&Tensor>, classes: &[&str]) -> Result<Self> {
        let dataset = Self::unchecked(name, images, labels, classes)?;
        let Samples::Numbers(images) = &dataset.samples else { return Ok(dataset) };
        let (low, high) = (images.f_min()?.f_double_value(&[])?, images.f_max()?.f_double_value(&[])?);
        // Rounding in a resize or a normalisation may step over the edge by a few units in the last place.
        let (lowest, highest, rule) = match images.dim() {
            2 => (f64::MIN, f64::MAX, "points must be finite"),
            _ => (-1.0 - 1e-4, 1.0 + 1e-4, "pixels must lie in [-1, 1]"),
        };
        if !(low >= lowest && high <= highest) {
            return Err(Error::argument("images", format!("{low} to {high}"), rule));
        }
        Ok(dataset)
    }

    /// As [`new`](Self::new), but whatever the numbers are: for [`report`](Self::report) and [`clean`](Self::clean) to
    /// find what is not finite. Training on such a set ends at its first loss that is not finite.
    ///
    /// # Errors
    /// Images of another shape, labels of another length or kind, or that no class has.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let points = Tensor::from_slice(&[0.0, 1.0, f32::NAN, 1.0]).view([2, 2]);
    /// assert!(Dataset::new("measured", &points, None, &[]).is_err());
    /// let measured = Dataset::unchecked("measured", &points, None, &[])?;
    /// assert_eq!(measured.clean()?.apply()?.len(), 1);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn unchecked(
        name: impl Into<String>,
        images: &Tensor,
        labels: Option<&Tensor>,
        classes: &[&str],
    ) -> Result<Self> {
        let size = images.size();
        if !matches!(size.len(), 2 | 4) || size.contains(&0) {
            let rule = "must be N x C x H x W (points: N x D), none of them 0";
            return Err(Error::argument("images", format!("{size:?}"), rule));
        }
        let images = images.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?.f_detach_copy()?;
        let classes: Vec<String> = classes.iter().map(|class| (*class).to_string()).collect();
        let labels = match labels {
            Some(labels) => labels.f_to_device(Device::Cpu)?.f_detach_copy()?,
            None => Tensor::f_full([size[0]], -1, (Kind::Int64, Device::Cpu))?,
        };
        Self::of(name.into(), Samples::Numbers(images), labels, classes)
    }

    /// Of images that are bytes, at least one.
    pub(super) fn stored(name: &str, stored: Stored, labels: &[i64], classes: Vec<String>) -> Result<Self> {
        Self::of(name.into(), Samples::Bytes(stored), Tensor::f_from_slice(labels)?, classes)
    }

    fn of(name: String, samples: Samples, labels: Tensor, classes: Vec<String>) -> Result<Self> {
        crate::labels::check(&labels, samples.shape()[0], classes.len() as i64)?;
        Ok(Self {
            name,
            samples,
            labels,
            classes,
            recipe: None,
            random: Vec::new(),
            files: Vec::new(),
            troubles: Arc::new([]),
        })
    }

    /// The same samples with labels: N (int64; -1 is no label), and the classes' names.
    ///
    /// # Errors
    /// Labels of another length or kind, or that no class has.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let grey = Tensor::zeros([2, 1, 8, 8], (Kind::Float, Device::Cpu));
    /// let grey = Dataset::new("grey", &grey, None, &[])?.with_labels(&Tensor::from_slice(&[1i64, 0]), &["a", "b"])?;
    /// assert_eq!(grey.classes(), ["a", "b"]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn with_labels(&self, labels: &Tensor, classes: &[&str]) -> Result<Self> {
        let labels = labels.f_to_device(Device::Cpu)?.f_detach_copy()?;
        crate::labels::check(&labels, self.len() as i64, classes.len() as i64)?;
        Ok(Self { labels, classes: classes.iter().map(|class| (*class).to_string()).collect(), ..self.clone() })
    }

    /// What it is called.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// assert_eq!(Dataset::digits()?.split(0.9, 0)?.1.name(), "digits (10%)");
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many images it holds.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// assert_eq!(Dataset::digits()?.len(), 1_797);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape()[0] as usize
    }

    /// Whether it holds none; no data set does.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// assert!(!Dataset::digits()?.is_empty());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The lengths of its sides: N, C, H, W; of points N, D.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// assert_eq!(Dataset::digits()?.shape(), [1_797, 1, 8, 8]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn shape(&self) -> Vec<i64> {
        self.samples.shape()
    }

    /// All images: N x C x H x W, float32, in [-1, 1]; points: N x D. Images that are kept as bytes become numbers here,
    /// which takes four times their memory: of many, take [`batch`](Self::batch)es.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let images = Dataset::digits()?.images();
    /// assert_eq!((images.min().double_value(&[]), images.max().double_value(&[])), (-1.0, 1.0)); // paper and ink
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn images(&self) -> Tensor {
        self.samples.all()
    }

    /// All labels: N, int64; -1 where an image has none.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let ones = Dataset::digits()?.labels().eq(1);
    /// println!("{} ones", ones.sum(Kind::Int64).int64_value(&[]));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn labels(&self) -> Tensor {
        self.labels.shallow_clone()
    }

    /// The classes' names, by label.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// assert_eq!(Dataset::digits()?.classes()[7], "7");
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn classes(&self) -> Vec<String> {
        self.classes.clone()
    }

    /// One image: C x H x W.
    ///
    /// # Errors
    /// An index outside 0..N.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let digits = Dataset::digits()?;
    /// assert_eq!(digits.image(0)?.size(), [1, 8, 8]);
    /// assert!(digits.image(1_797).is_err());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn image(&self, index: usize) -> Result<Tensor> {
        if index >= self.len() {
            let rule = format!("{} holds images 0 to {}", self.name, self.len() - 1);
            return Err(Error::argument("index", index, rule));
        }
        Ok(self.samples.gather(&[index as i64])?.f_get(0)?)
    }

    /// The images at these indices, in their order, as a data set of its own.
    pub(crate) fn select(&self, name: String, indices: &[i64]) -> Result<Self> {
        let labels = self.labels.f_index_select(0, &Tensor::f_from_slice(indices)?)?;
        let files = match self.files.as_slice() {
            [] => Vec::new(),
            files => indices.iter().map(|&index| files[index as usize].clone()).collect(),
        };
        let troubles = of_part(&self.troubles, &files).into();
        Ok(Self { name, samples: self.samples.select(indices)?, labels, files, troubles, recipe: None, ..self.clone() })
    }

    /// The same with other samples, as many.
    pub(super) fn with_samples(&self, samples: Samples) -> Self {
        Self { samples, recipe: None, ..self.clone() }
    }
}

impl Clone for Dataset {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            samples: self.samples.clone(),
            labels: self.labels(),
            classes: self.classes.clone(),
            recipe: self.recipe.clone(),
            random: self.random.clone(),
            files: self.files.clone(),
            troubles: self.troubles.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zeros(shape: &[i64]) -> Tensor {
        Tensor::zeros(shape, (Kind::Float, Device::Cpu))
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let said = |images: Tensor, labels: Option<&[i64]>| {
            let labels = labels.map(Tensor::from_slice);
            Dataset::new("x", &images, labels.as_ref(), &["a"]).unwrap_err().to_string()
        };
        let rule = "must be N x C x H x W (points: N x D), none of them 0";
        assert_eq!(said(zeros(&[2, 3, 4]), None), format!("images = [2, 3, 4]: {rule}"));
        assert_eq!(said(zeros(&[0, 2]), None), format!("images = [0, 2]: {rule}"));
        assert_eq!(said(zeros(&[2, 2]) / 0.0, None), "images = NaN to NaN: points must be finite");
        assert_eq!(said(zeros(&[1, 1, 2, 2]) + 2.0, None), "images = 2 to 2: pixels must lie in [-1, 1]");
        assert_eq!(said(zeros(&[1, 1, 2, 2]) / 0.0, None), "images = NaN to NaN: pixels must lie in [-1, 1]");
        assert_eq!(said(zeros(&[2, 1, 2, 2]), Some(&[0])), "labels = [1]: one for each of the 2 images");
        assert_eq!(said(zeros(&[1, 1, 2, 2]), Some(&[1])), "label = 1: the classes are 0 to 0, and -1 is no label");
        let error = Dataset::digits().unwrap().image(1_797).unwrap_err();
        assert_eq!(error.to_string(), "index = 1797: digits holds images 0 to 1796");
    }
}
