//! Images of another size, and other numbers.

use super::samples::{Samples, Scale};
use super::{Dataset, ImageSize};
use crate::{Error, Result};
use tch::{Kind, Tensor};

impl Dataset {
    /// Images of another size: bilinear, and where they become smaller each pixel is a mean over all that it covers (as
    /// Pillow's `resize` and PyTorch's `interpolate` with `antialias=True`). The ratio of the sides changes with the size; see
    /// [`crop`](Self::crop).
    ///
    /// # Errors
    /// Points; sides outside 1 to 16,384.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let digits = Dataset::digits()?;
    /// assert_eq!(digits.resize(16)?.image(0)?.size(), [1, 16, 16]);
    /// assert_eq!(digits.resize((8, 12))?.image(0)?.size(), [1, 8, 12]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn resize(&self, size: impl Into<ImageSize>) -> Result<Self> {
        self.check_images()?;
        let size = size.into().check()?;
        let resized = |images: &Tensor| -> Result<Tensor> {
            Ok(images.f_internal_upsample_bilinear2d_aa(size, false, None, None)?)
        };
        let samples = self.samples.map(size, &resized, &|bytes| {
            Ok(resized(&bytes.f_to_kind(Kind::Float)?)?.f_round()?.f_clamp(0.0, 255.0)?.f_to_kind(Kind::Uint8)?)
        })?;
        Ok(self.with_samples(samples))
    }

    /// Larger images: a border of -1, black, which is the paper of MNIST; a pixel that is left over goes to the right and to
    /// the bottom.
    ///
    /// # Errors
    /// Points; a size below the images'.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let padded = Dataset::digits()?.pad(12)?;
    /// assert_eq!(padded.image(0)?.size(), [1, 12, 12]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn pad(&self, size: impl Into<ImageSize>) -> Result<Self> {
        self.check_images()?;
        let (size, from) = (size.into(), self.image_size());
        let sides = size.check()?;
        let missing = [size.height - from.height, size.width - from.width];
        if missing.iter().any(|&side| side < 0) {
            let rule = format!("images are {from}, and padding makes them larger: see resize and crop");
            return Err(Error::argument("size", size, rule));
        }
        let [top, left] = missing.map(|side| side / 2);
        let border = [left, missing[1] - left, top, missing[0] - top];
        let dark = match &self.samples {
            Samples::Bytes(stored) => f64::from(stored.scale.dark()),
            Samples::Numbers(_) => -1.0,
        };
        let pad = |images: &Tensor| -> Result<Tensor> { Ok(images.f_pad(border, "constant", dark)?) };
        Ok(self.with_samples(self.samples.map(sides, &pad, &pad)?))
    }

    /// The middle of the images; a pixel that is left over goes from the right and from the bottom.
    ///
    /// # Errors
    /// Points; a size above the images'.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let digits = Dataset::digits()?;
    /// assert_eq!(digits.pad(12)?.crop(8)?.images(), digits.images());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn crop(&self, size: impl Into<ImageSize>) -> Result<Self> {
        self.check_images()?;
        let (size, from) = (size.into(), self.image_size());
        let sides = size.check()?;
        let extra = [from.height - size.height, from.width - size.width];
        if extra.iter().any(|&side| side < 0) {
            let rule = format!("images are {from}, and cropping makes them smaller: see resize and pad");
            return Err(Error::argument("size", size, rule));
        }
        let crop = |images: &Tensor| -> Result<Tensor> {
            Ok(images.f_narrow(2, extra[0] / 2, sides[0])?.f_narrow(3, extra[1] / 2, sides[1])?.f_contiguous()?)
        };
        Ok(self.with_samples(self.samples.map(sides, &crop, &crop)?))
    }

    /// Images whose darkest and lightest numbers, over the whole set, become -1 and 1; points whose every coordinate
    /// has mean 0 and standard deviation 1 (with N below the root).
    ///
    /// # Errors
    /// Numbers that are not finite, or images that are all of one value.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let moons = Dataset::moons(1_000, 0.05)?.normalize()?;
    /// assert!(moons.images().std_dim(0, false, false).allclose(&Tensor::from_slice(&[1.0f32, 1.0]), 1e-4, 1e-4, false));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn normalize(&self) -> Result<Self> {
        let samples = match &self.samples {
            Samples::Bytes(stored) => {
                let bytes = (0..stored.len()).flat_map(|index| stored.image(index));
                let (low, high) = bytes.fold((255u8, 0u8), |(low, high), &byte| (low.min(byte), high.max(byte)));
                self.check_range(f64::from(low), f64::from(high))?;
                let scale = Scale { low: f64::from(low), half: (f64::from(high) - f64::from(low)) / 2.0 };
                Samples::Bytes(stored.scaled(scale))
            }
            Samples::Numbers(numbers) if numbers.dim() == 2 => {
                let numbers = numbers.f_to_kind(Kind::Double)?;
                let centred = numbers.f_sub(&numbers.f_mean_dim(0, true, Kind::Double)?)?;
                let deviation = centred.f_square()?.f_mean_dim(0, true, Kind::Double)?.f_sqrt()?;
                if !deviation.f_isfinite()?.f_all()?.f_int64_value(&[]).is_ok_and(|all| all == 1) {
                    return Err(Error::argument(
                        "data set",
                        &self.name,
                        "holds numbers that are not finite: see clean",
                    ));
                }
                // A coordinate that is one number stays at its mean, 0.
                let ones = deviation.f_ones_like()?;
                let deviation = deviation.f_where_self(&deviation.f_gt(0.0)?, &ones)?;
                Samples::Numbers(centred.f_div(&deviation)?.f_to_kind(Kind::Float)?)
            }
            Samples::Numbers(numbers) => {
                let (low, high) = (numbers.f_min()?.f_double_value(&[])?, numbers.f_max()?.f_double_value(&[])?);
                self.check_range(low, high)?;
                let half = (high - low) / 2.0;
                Samples::Numbers(numbers.f_sub_scalar(low)?.f_div_scalar(half)?.f_sub_scalar(1.0)?)
            }
        };
        Ok(self.with_samples(samples))
    }

    fn check_range(&self, low: f64, high: f64) -> Result<()> {
        if !(low.is_finite() && high.is_finite()) {
            return Err(Error::argument("data set", &self.name, "holds numbers that are not finite: see clean"));
        }
        if low == high {
            return Err(Error::argument("data set", &self.name, "holds one value alone, which has no range"));
        }
        Ok(())
    }

    /// Refuses points.
    pub(super) fn check_images(&self) -> Result<()> {
        match self.shape().len() {
            4 => Ok(()),
            _ => Err(Error::argument("data set", &self.name, "holds points; this is for images")),
        }
    }

    fn image_size(&self) -> ImageSize {
        let shape = self.shape();
        ImageSize { height: shape[2], width: shape[3] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::bytes::Bytes;
    use crate::data::samples::Stored;

    /// Bytes 0, 37, 74, .. modulo 256, as bytes and as numbers.
    fn ramp(count: i64, height: i64, width: i64) -> [Dataset; 2] {
        let bytes: Vec<u8> = (0..count * height * width).map(|index| (index * 37 % 256) as u8).collect();
        let stored = Stored::new(Bytes::Memory(bytes), [1, height, width]);
        let stored = Dataset::stored("ramp", stored, &vec![-1; count as usize], vec![]).unwrap();
        let numbers = Dataset::new("ramp", &stored.images(), None, &[]).unwrap();
        [stored, numbers]
    }

    fn bytes(images: &Tensor) -> Vec<f32> {
        Vec::<f32>::try_from(((images + 1.0) * 127.5).view([-1])).unwrap()
    }

    // PIL.Image.resize(size, BILINEAR) of the same 6 x 8 bytes, Pillow 13.0.
    #[test]
    fn resizing_is_that_of_pillow() {
        let expected: [((i64, i64), &[u8]); 2] = [
            ((3, 4), &[55, 122, 164, 84, 126, 165, 99, 82, 182, 109, 87, 148]),
            (
                (5, 6),
                &[
                    20, 65, 113, 164, 185, 61, 65, 110, 158, 184, 85, 46, 111, 156, 193, 104, 48, 92, 157, 202, 122,
                    53, 94, 138, 202, 147, 54, 90, 139, 183,
                ],
            ),
        ];
        for (size, expected) in expected {
            for set in ramp(1, 6, 8) {
                let found = bytes(&set.resize(size).unwrap().images());
                for (found, &expected) in found.iter().zip(expected) {
                    assert!((found - f32::from(expected)).abs() <= 1.01, "{size:?}: {found} and not {expected}");
                }
            }
        }
        // More than a chunk of images: each as if alone.
        let [many, _] = ramp(2_500, 4, 4);
        let all = many.resize(2).unwrap();
        let part = many.select("part".into(), &[2_400]).unwrap().resize(2).unwrap();
        assert_eq!(part.image(0).unwrap(), all.image(2_400).unwrap());
    }

    #[test]
    fn padding_and_cropping_keep_the_middle() {
        for set in ramp(3, 2, 3) {
            let padded = set.pad((5, 4)).unwrap();
            let rows: Vec<Vec<f32>> = bytes(&padded.image(1).unwrap()).chunks(4).map(<[f32]>::to_vec).collect();
            let round = |row: &[f32]| row.iter().map(|byte| byte.round()).collect::<Vec<_>>();
            // The second image begins with byte 6 * 37 = 222.
            let expected = [[0.0; 4], [222.0, 3.0, 40.0, 0.0], [77.0, 114.0, 151.0, 0.0], [0.0; 4], [0.0; 4]];
            assert_eq!(rows.iter().map(|row| round(row)).collect::<Vec<_>>(), expected);
            assert_eq!(padded.crop((2, 3)).unwrap().images().size(), [3, 1, 2, 3]);
            assert_eq!(round(&bytes(&set.crop((1, 2)).unwrap().image(1).unwrap())), [222.0, 3.0]);
        }
    }

    #[test]
    fn normalized_images_fill_the_range_and_points_are_standard() {
        let bytes = Bytes::Memory(vec![50, 100, 150, 75]);
        let set = Dataset::stored("dim", Stored::new(bytes, [1, 2, 2]), &[-1], vec![]).unwrap();
        let again = Dataset::new("dim", &set.images(), None, &[]).unwrap();
        for set in [set, again] {
            let normal = set.normalize().unwrap();
            let numbers = Vec::<f32>::try_from(normal.images().view([-1])).unwrap();
            for (found, expected) in numbers.iter().zip([-1.0, 0.0, 1.0, -0.5]) {
                assert!((found - expected).abs() < 1e-6, "{numbers:?}");
            }
            // A border of paper is as dark as the darkest.
            assert!((normal.pad(4).unwrap().images().min().double_value(&[]) + 1.0).abs() < 1e-6);
        }
        // numpy: ([1, 2, 6] - 3) / std, std = sqrt(14/3); the other coordinate is one number.
        let points = Tensor::from_slice(&[1.0f32, 5.0, 2.0, 5.0, 6.0, 5.0]).view([3, 2]);
        let normal = Dataset::new("points", &points, None, &[]).unwrap().normalize().unwrap();
        let expected = [-0.925_820_1, 0.0, -0.462_910_05, 0.0, 1.388_730_2, 0.0f32];
        assert!(normal.images().view([-1]).allclose(&Tensor::from_slice(&expected), 1e-6, 1e-6, false));
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let said = |set: Result<Dataset>| set.unwrap_err().to_string();
        let digits = Dataset::digits().unwrap();
        let moons = Dataset::moons(10, 0.1).unwrap();
        assert_eq!(said(moons.resize(4)), "data set = moons: holds points; this is for images");
        assert_eq!(said(digits.resize((0, 4))), "size = 0 x 4: each side is from 1 to 16384 pixels");
        let rule = "images are 8 x 8, and padding makes them larger: see resize and crop";
        assert_eq!(said(digits.pad((9, 7))), format!("size = 9 x 7: {rule}"));
        let rule = "images are 8 x 8, and cropping makes them smaller: see resize and pad";
        assert_eq!(said(digits.crop(9)), format!("size = 9 x 9: {rule}"));
        let zeros = |shape: &[i64]| Tensor::zeros(shape, tch::kind::FLOAT_CPU);
        let grey = Dataset::new("grey", &zeros(&[2, 1, 2, 2]), None, &[]).unwrap();
        assert_eq!(said(grey.normalize()), "data set = grey: holds one value alone, which has no range");
        let broken = Dataset::unchecked("broken", &(zeros(&[2, 2]) / 0.0), None, &[]).unwrap();
        assert_eq!(said(broken.normalize()), "data set = broken: holds numbers that are not finite: see clean");
    }
}
