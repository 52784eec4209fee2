//! Arrays that NumPy saved.

use super::Dataset;
use super::bytes::Bytes;
use super::samples::{Samples, Stored};
use crate::{Error, Result};
use std::path::Path;
use tch::{Kind, Tensor};

impl Dataset {
    /// The samples in a `.npy` file of NumPy: images N x H x W, N x C x H x W or N x H x W x C (C 1 or 3), or points N x D.
    /// Whole numbers of 8 bits count from 0, black, to 255; other numbers lie in [-1, 1] already. What is not finite is let in,
    /// for [`clean`](Self::clean) to find. Labels come with [`with_labels`](Self::with_labels).
    ///
    /// # Errors
    /// A file that cannot be read or is none of NumPy's; an array of another shape; pixels outside [-1, 1].
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let path = std::env::temp_dir().join("noisebook-example.npy");
    /// Tensor::from_slice(&[0u8, 255, 0, 255]).view([1, 2, 2]).write_npy(&path)?;
    /// let images = Dataset::npy(&path)?;
    /// assert_eq!(images.shape(), [1, 1, 2, 2]);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn npy(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let wrong = |rule: String| Error::argument("path", path.display(), rule);
        let array =
            Tensor::read_npy(path).map_err(|error| wrong(format!("is no .npy file that can be read: {error}")))?;
        let few = |side: i64| side == 1 || side == 3;
        let array = match *array.size() {
            [_, _] => array,
            [_, _, _] => array.f_unsqueeze(1)?,
            [_, channels, _, last] if few(last) && !few(channels) => array.f_permute([0, 3, 1, 2])?,
            [_, _, _, _] => array,
            ref other => {
                return Err(wrong(format!(
                    "holds an array of {other:?}: images are N x H x W, N x C x H x W or N x H x W x C, points N x D"
                )));
            }
        };
        let name = path.file_stem().map_or_else(|| "npy".into(), |stem| stem.to_string_lossy().into_owned());
        if let (Kind::Uint8, &[count, channels, height, width]) = (array.f_kind()?, array.size().as_slice())
            && array.numel() > 0
        {
            let mut bytes = Bytes::zeroed(array.numel(), false)?;
            array.f_contiguous()?.f_copy_data_u8(&mut bytes, array.numel())?;
            return Self::stored(
                &name,
                Stored::new(bytes, [channels, height, width]),
                &vec![-1; count as usize],
                vec![],
            );
        }
        let dataset = Self::unchecked(name, &array, None, &[])?;
        if let (Samples::Numbers(images), 4) = (&dataset.samples, array.dim()) {
            let finite = images.f_nan_to_num(0.0, 0.0, 0.0)?;
            let (low, high) = (finite.f_min()?.f_double_value(&[])?, finite.f_max()?.f_double_value(&[])?);
            if low < -1.0 - 1e-4 || high > 1.0 + 1e-4 {
                return Err(wrong(format!(
                    "pixels from {low} to {high} must lie in [-1, 1], or be whole numbers of 8 bits"
                )));
            }
        }
        Ok(dataset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::Folder;

    #[test]
    fn arrays_of_each_shape_become_data_sets() {
        let folder = Folder::new("npy");
        let read = |array: &Tensor| {
            let path = folder.path().join("some.npy");
            array.write_npy(&path).unwrap();
            Dataset::npy(path)
        };
        let bytes = Tensor::arange(2 * 4 * 5 * 3, (Kind::Uint8, tch::Device::Cpu));
        let last = read(&bytes.view([2, 4, 5, 3])).unwrap();
        assert_eq!((last.shape(), last.name()), (vec![2, 3, 4, 5], "some"));
        // The second channel of the pixel at row 1, column 2 of the first image is number (1 * 5 + 2) * 3 + 1 = 22.
        assert!((last.image(0).unwrap().double_value(&[1, 1, 2]) - (22.0 / 127.5 - 1.0)).abs() < 1e-6);
        assert_eq!(read(&bytes.view([6, 4, 5])).unwrap().shape(), [6, 1, 4, 5]);
        assert_eq!(read(&bytes.view([2, 3, 4, 5])).unwrap().shape(), [2, 3, 4, 5]);
        let numbers = Tensor::from_slice(&[0.5f64, -0.25, 7.0, f64::NAN]);
        assert_eq!(read(&numbers.view([2, 2])).unwrap().image(0).unwrap(), Tensor::from_slice(&[0.5f32, -0.25]));
        let said = |array: &Tensor| read(array).unwrap_err().to_string();
        let path = folder.path().join("some.npy").display().to_string();
        assert_eq!(
            said(&numbers.view([1, 2, 2])),
            format!("path = {path}: pixels from -0.25 to 7 must lie in [-1, 1], or be whole numbers of 8 bits")
        );
        assert_eq!(
            said(&numbers),
            format!(
                "path = {path}: holds an array of [4]: images are N x H x W, N x C x H x W or N x H x W x C, points N x D"
            )
        );
        folder.write("some.npy", b"not one");
        let said = Dataset::npy(folder.path().join("some.npy")).unwrap_err().to_string();
        assert!(said.starts_with(&format!("path = {path}: is no .npy file that can be read: ")), "{said}");
    }
}
