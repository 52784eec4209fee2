//! A handful of images to train on.

use super::{Dataset, augment};
use crate::random::{Stream, generator, permutation};
use crate::schedule::{Levels, TrainingLevels};
use crate::show::{Bundle, Show};
use crate::{Error, Result, Schedule};
use tch::Tensor;

/// Images and labels for one training step.
///
/// ```
/// use noisebook::prelude::*;
/// let batch = Dataset::digits()?.batch(8, 0)?; // size, seed
/// assert_eq!((batch.images.size(), batch.labels.size()), (vec![8, 1, 8, 8], vec![8]));
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Debug)]
pub struct Batch {
    /// N x C x H x W, float32, in [-1, 1]; or points, N x D.
    pub images: Tensor,
    /// N, int64; -1 is no label.
    pub labels: Tensor,
}

impl Clone for Batch {
    /// Both share the tensors.
    fn clone(&self) -> Self {
        Self { images: self.images.shallow_clone(), labels: self.labels.shallow_clone() }
    }
}

impl Batch {
    /// A level for each image, uniform over the schedule's levels: those that [`loss`](crate::Diffusion::loss) draws
    /// with this seed.
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
            return super::figure::points(&self.images, &self.labels, &[], "")?.bundle();
        }
        super::figure::labelled_grid(&self.images, &self.labels, &[])?.bundle()
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
        let Batch { images, labels } = self.batch_of(&order[..size])?;
        Ok(Batch { images: augment::apply(&self.random, images, seed)?, labels })
    }

    /// The images at these indices, as they are.
    pub(crate) fn batch_of(&self, indices: &[i64]) -> Result<Batch> {
        let labels = self.labels().f_index_select(0, &Tensor::f_from_slice(indices)?)?;
        Ok(Batch { images: self.samples.gather(indices)?, labels })
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
    fn refusals_name_argument_value_and_rule() {
        let digits = Dataset::digits().unwrap();
        assert_eq!(digits.batch(0, 0).unwrap_err().to_string(), "batch_size = 0: must be at least 1");
        assert_eq!(digits.batch(1_798, 0).unwrap_err().to_string(), "batch_size = 1798: digits holds 1797 images");
    }
}
