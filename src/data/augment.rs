//! What a batch draws anew each time: mirrored and shifted images.

use super::Dataset;
use crate::random::{Stream, below, generator};
use crate::{Error, Result};
use tch::Tensor;

/// One random change.
#[derive(Clone, Copy, Debug)]
pub(super) enum Random {
    Flip { seed: u64 },
    Crop { padding: i64, seed: u64 },
}

impl Dataset {
    /// Every image of a batch is mirrored left to right with probability 1/2, drawn anew for every batch with this seed and the
    /// step's number. [`images`](Self::images) stay as they are.
    ///
    /// # Errors
    /// Points.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let flipped = Dataset::digits()?.flip(0)?; // seed; a mirrored 3 is no 3, so not the best of ideas
    /// assert_ne!(flipped.batch(8, 0)?.images, Dataset::digits()?.batch(8, 0)?.images);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn flip(&self, seed: u64) -> Result<Self> {
        self.drawing(Random::Flip { seed })
    }

    /// Every image of a batch is shifted by up to `padding` pixels up or down and left or right, drawn anew for every batch with
    /// this seed and the step's number; what comes in repeats the border. [`images`](Self::images) stay as they are.
    ///
    /// # Errors
    /// Points; padding below 1.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let shifted = Dataset::digits()?.random_crop(1, 0)?; // pixels, seed
    /// assert_eq!(shifted.batch(8, 0)?.images.size(), [8, 1, 8, 8]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn random_crop(&self, padding: i64, seed: u64) -> Result<Self> {
        if !(1..=1_024).contains(&padding) {
            return Err(Error::argument("padding", padding, "from 1 to 1,024 pixels"));
        }
        self.drawing(Random::Crop { padding, seed })
    }

    fn drawing(&self, random: Random) -> Result<Self> {
        self.check_images()?;
        let mut changed = self.clone();
        changed.recipe = None;
        changed.random.push(random);
        Ok(changed)
    }
}

/// The images of the batch of this step, changed at random.
pub(super) fn apply(random: &[Random], images: Tensor, step: u64) -> Result<Tensor> {
    random.iter().try_fold(images, |images, random| random.apply(&images, step))
}

impl Random {
    fn apply(self, images: &Tensor, step: u64) -> Result<Tensor> {
        let (count, _, height, width) = images.size4()?;
        match self {
            Self::Flip { seed } => {
                let mut rng = generator(seed, Stream::Flip, step);
                let mirrored: Vec<bool> = (0..count).map(|_| below(&mut rng, 2) == 1).collect();
                let mirrored = Tensor::f_from_slice(&mirrored)?.f_view([count, 1, 1, 1])?;
                Ok(images.f_flip([3i64])?.f_where_self(&mirrored, images)?)
            }
            Self::Crop { padding, seed } => {
                let mut rng = generator(seed, Stream::Crop, step);
                let wide = images.f_replication_pad2d([padding; 4])?;
                let mut offset = || below(&mut rng, 2 * padding as usize + 1) as i64;
                let shifted: Vec<Tensor> = (0..count)
                    .map(|index| {
                        let (down, right) = (offset(), offset());
                        wide.f_get(index)?.f_narrow(1, down, height)?.f_narrow(2, right, width)
                    })
                    .collect::<Result<_, _>>()?;
                Ok(Tensor::f_stack(&shifted, 0)?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn half_of_the_images_are_mirrored() {
        let digits = Dataset::digits().unwrap();
        let flipped = digits.flip(3).unwrap();
        let (plain, drawn) = (digits.batch(1_000, 5).unwrap(), flipped.batch(1_000, 5).unwrap());
        assert_eq!(plain.labels, drawn.labels);
        let same =
            |a: &Tensor, b: &Tensor| (a - b).abs().sum_dim_intlist([1i64, 2, 3].as_slice(), false, Kind::Float).eq(0.0);
        let (kept, mirrored) = (same(&plain.images, &drawn.images), same(&plain.images.flip([3i64]), &drawn.images));
        assert_eq!(kept.logical_or(&mirrored).sum(Kind::Int64).int64_value(&[]), 1_000);
        let count = mirrored.sum(Kind::Int64).int64_value(&[]);
        assert!((437..=563).contains(&count), "{count}"); // 500 +- 4 standard deviations
        assert_eq!(flipped.batch(1_000, 5).unwrap().images, drawn.images);
        assert_ne!(digits.flip(4).unwrap().batch(1_000, 5).unwrap().images, drawn.images);
        assert_eq!(flipped.images(), digits.images());
    }

    /// An image whose pixel at (y, x) is y/8 + x/100 says where it was cut out.
    #[test]
    fn shifts_are_uniform_and_repeat_the_border() {
        let (y, x) = (Tensor::arange(4, tch::kind::FLOAT_CPU) / 8, Tensor::arange(4, tch::kind::FLOAT_CPU) / 100);
        let image = y.view([4, 1]) + x.view([1, 4]);
        let set = Dataset::new("ramp", &image.expand([900, 1, 4, 4], false), None, &[]).unwrap();
        let drawn = set.random_crop(1, 0).unwrap().batch(900, 0).unwrap().images;
        let mut counts = [0; 9];
        for index in 0..900 {
            let cut = drawn.get(index).get(0);
            let (down, right) = (0..9)
                .map(|place| (place / 3, place % 3))
                .find(|&(down, right)| {
                    let rows = (Tensor::arange(4, tch::kind::INT64_CPU) + (down - 1)).clamp(0, 3);
                    let columns = (Tensor::arange(4, tch::kind::INT64_CPU) + (right - 1)).clamp(0, 3);
                    cut == image.index_select(0, &rows).index_select(1, &columns)
                })
                .unwrap();
            counts[(3 * down + right) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (60..=140).contains(count)), "{counts:?}"); // 100 +- 4 standard deviations
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let said = |set: Result<Dataset>| set.unwrap_err().to_string();
        let moons = Dataset::moons(10, 0.1).unwrap();
        assert_eq!(said(moons.flip(0)), "data set = moons: holds points; this is for images");
        assert_eq!(said(moons.random_crop(0, 0)), "padding = 0: from 1 to 1,024 pixels");
    }
}
