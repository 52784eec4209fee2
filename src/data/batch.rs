//! A handful of images to train on.

use super::{Dataset, augment};
use crate::random::{Stream, generator, permutation};
use crate::schedule::{Levels, TrainingLevels};
use crate::show::{Bundle, Show};
use crate::{Error, Result, Schedule};
use tch::Tensor;

/// Images and labels for one training step, and the names of the labels' classes.
///
/// ```
/// use noisebook::prelude::*;
/// let batch = Dataset::digits()?.batch(8, 0)?; // size, seed
/// assert_eq!((batch.images.size(), batch.labels.size()), (vec![8, 1, 8, 8], vec![8]));
/// # Ok::<(), noisebook::Error>(())
/// ```
///
/// Images of one's own make one, too:
///
/// ```
/// use noisebook::prelude::*;
/// let images = Tensor::zeros([2, 1, 8, 8], (Kind::Float, Device::Cpu));
/// let batch = Batch { images, labels: Tensor::from_slice(&[0i64, -1]), classes: vec!["star".into()] };
/// assert!(batch.bundle()?.plain_text().ends_with("\nstar, \u{2013}")); // the second has no label
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Debug)]
pub struct Batch {
    /// N x C x H x W, float32, in [-1, 1]; or points, N x D.
    pub images: Tensor,
    /// N, int64; -1 is no label.
    pub labels: Tensor,
    /// The classes' names, by label, as far as they have names.
    pub classes: Vec<String>,
}

impl Clone for Batch {
    /// Both share the tensors.
    fn clone(&self) -> Self {
        let (images, labels) = (self.images.shallow_clone(), self.labels.shallow_clone());
        Self { images, labels, classes: self.classes.clone() }
    }
}

impl Batch {
    /// A level for each image, uniform over the schedule's levels: those that [`loss`](crate::Diffusion::loss) draws with this
    /// seed, unless the model has [`training_levels`](crate::Diffusion::training_levels) of its own.
    ///
    /// # Errors
    /// Images without a batch dimension.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let levels = Dataset::digits()?.batch(8, 0)?.levels(&Schedule::cosine(1_000)?, 2)?;
    /// assert_eq!(levels.len(), 8);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn levels(&self, schedule: &Schedule, seed: u64) -> Result<Levels> {
        let shape = self.images.size();
        let Some(&count) = shape.first() else {
            return Err(Error::argument("images", format!("{shape:?}"), "a batch is N x C x H x W"));
        };
        TrainingLevels::default().draw(schedule, count as usize, seed)
    }
}

impl Show for Batch {
    fn bundle(&self) -> Result<Bundle> {
        if self.images.dim() == 2 {
            return super::figure::points(&self.images, &self.labels, &self.classes, "")?.bundle();
        }
        super::figure::labelled_grid(&self.images, &self.labels, &self.classes)?.bundle()
    }
}

impl Dataset {
    /// `size` different images, drawn with this seed; mirrored and shifted where the data set asks for that.
    ///
    /// # Errors
    /// A size of 0 or one larger than the data set.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let digits = Dataset::digits()?;
    /// assert_eq!(digits.batch(8, 0)?.images, digits.batch(8, 0)?.images); // the same seed, the same images
    /// assert!(digits.batch(2_000, 0).is_err()); // there are 1,797
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn batch(&self, size: usize, seed: u64) -> Result<Batch> {
        check_batch_size(size, self)?;
        let order = permutation(&mut generator(seed, Stream::Order, 0), self.len());
        let batch = self.batch_of(&order[..size])?;
        Ok(Batch { images: augment::apply(&self.random, batch.images, seed)?, ..batch })
    }

    /// The images at these indices, as they are.
    pub(crate) fn batch_of(&self, indices: &[i64]) -> Result<Batch> {
        let labels = self.labels().f_index_select(0, &Tensor::f_from_slice(indices)?)?;
        Ok(Batch { images: self.samples.gather(indices)?, labels, classes: self.classes() })
    }
}

/// The rule for batches, by hand or in training.
pub(crate) fn check_batch_size(size: usize, dataset: &Dataset) -> Result<()> {
    if size == 0 {
        return Err(Error::argument("batch_size", size, "must be at least 1"));
    }
    if size > dataset.len() {
        let rule = format!("{} holds {} images", dataset.name(), dataset.len());
        return Err(Error::argument("batch_size", size, rule));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_holds_different_images_with_their_labels() {
        let digits = Dataset::digits().unwrap();
        let batch = digits.batch(1_797, 3).unwrap();
        let (mut drawn, mut all) =
            (Vec::<i64>::try_from(&batch.labels).unwrap(), Vec::<i64>::try_from(digits.labels()).unwrap());
        assert_ne!(drawn, all);
        drawn.sort_unstable();
        all.sort_unstable();
        assert_eq!(drawn, all);
        assert_eq!(digits.batch(8, 3).unwrap().images, batch.images.narrow(0, 0, 8));
        assert_ne!(digits.batch(8, 4).unwrap().images, batch.images.narrow(0, 0, 8));
    }

    #[test]
    fn a_batch_names_its_classes_and_says_what_has_none() {
        let images = Tensor::zeros([3, 1, 2, 2], (tch::Kind::Float, tch::Device::Cpu));
        let pets = |labels: [i64; 3]| {
            Dataset::new("pets", &images, Some(&Tensor::from_slice(&labels)), &["cat", "dog"]).unwrap()
        };
        let said = |batch: Batch| batch.bundle().unwrap().plain_text().lines().last().unwrap().to_string();
        let some = pets([1, -1, 0]).batch_of(&[0, 1, 2]).unwrap();
        assert_eq!(some.clone().classes, ["cat", "dog"]);
        assert_eq!(said(some), "dog, \u{2013}, cat");
        let none = pets([-1, -1, -1]).batch(3, 0).unwrap();
        assert_eq!(said(none), "3 images of 2 x 2 pixels, grey, 10 a row");
        let mut loader = crate::data::Loader::new(&pets([1, 1, 1]), 2, 0).unwrap();
        assert_eq!(said(loader.batch(0).unwrap()), "dog, dog");
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let digits = Dataset::digits().unwrap();
        assert_eq!(digits.batch(0, 0).unwrap_err().to_string(), "batch_size = 0: must be at least 1");
        assert_eq!(digits.batch(1_798, 0).unwrap_err().to_string(), "batch_size = 1798: digits holds 1797 images");
    }
}
