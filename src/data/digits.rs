//! The handwritten digits inside the crate.

use super::{Dataset, idx};
use crate::Result;
use tch::{Kind, Tensor};

impl Dataset {
    /// 1,797 real handwritten digits, 8 x 8 grey pixels, 10 classes: the test part of "Optical Recognition of
    /// Handwritten Digits" (Alpaydin & Kaynak 1998, UCI Machine Learning Repository, CC BY 4.0).
    ///
    /// Ink is 1, paper is -1; the source counts 0 to 16 inked pixels in each 4 x 4 block of a 32 x 32 scan.
    ///
    /// # Errors
    /// What libtorch says when there is no memory left.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let digits = Dataset::digits()?;
    /// assert_eq!((digits.len(), digits.images().size()), (1_797, vec![1_797, 1, 8, 8]));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn digits() -> Result<Self> {
        let (sizes, pixels) = idx::read("digits/images", include_bytes!("digits/images.idx3.gz"))?;
        let (_, labels) = idx::read("digits/labels", include_bytes!("digits/labels.idx1.gz"))?;
        let shape = [sizes[0] as i64, 1, sizes[1] as i64, sizes[2] as i64];
        let images = Tensor::f_from_data_size(&pixels, &shape, Kind::Uint8)?.f_to_kind(Kind::Float)?;
        let images = images.f_div_scalar(8.0)?.f_sub_scalar(1.0)?;
        let labels = Tensor::f_from_slice(&labels)?.f_to_kind(Kind::Int64)?;
        Self::new("digits", &images, Some(&labels), &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Counted in the source file, digits.csv.gz, with awk.
    #[test]
    fn they_are_those_of_the_source() {
        let digits = Dataset::digits().unwrap();
        let labels = Vec::<i64>::try_from(digits.labels()).unwrap();
        let count = |class| labels.iter().filter(|&&label| label == class).count();
        assert_eq!((0..10).map(count).collect::<Vec<_>>(), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        let images = digits.images();
        assert_eq!((images.min().double_value(&[]), images.max().double_value(&[])), (-1.0, 1.0));
        let ink = ((images + 1.0) * 8.0).sum(Kind::Double).double_value(&[]);
        assert_eq!(ink, 561_718.0);
        // The third row of the first digit, a zero.
        let row = Vec::<f32>::try_from((digits.image(0).unwrap().get(0).get(2) + 1.0) * 8.0).unwrap();
        assert_eq!(row, [0.0, 3.0, 15.0, 2.0, 0.0, 11.0, 8.0, 0.0]);
    }
}
