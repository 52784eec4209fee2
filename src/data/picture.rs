//! Points where a picture is dark.

use super::Dataset;
use super::recipe::{Draw, Recipe};
use crate::random::unit;
use crate::{Error, Result};
use rand_chacha::ChaCha8Rng;
use std::path::Path;
use std::sync::Arc;

/// How dark the pixels of a picture are, in a running sum.
#[derive(Debug)]
pub(super) struct Darkness {
    width: usize,
    height: usize,
    /// Of the darkness up to and with each pixel, row by row.
    sums: Vec<f64>,
}

impl Dataset {
    /// Points where the PNG at `path` is dark, their density in proportion to the darkness: white and transparent pixels have
    /// none. The picture's middle is the origin, its longer side runs from -1 to 1, and y goes up. Seed 0; see
    /// [`redraw`](Self::redraw).
    ///
    /// # Errors
    /// No points; a file that cannot be read, is no PNG, or is white all over: the error names the path.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let error = Dataset::picture("no/such.png", 2_000).unwrap_err();
    /// assert!(error.to_string().starts_with("path = no/such.png: cannot be read: "));
    /// ```
    pub fn picture(path: impl AsRef<Path>, count: usize) -> Result<Self> {
        let path = path.as_ref();
        let darkness = Arc::new(Darkness::read(path)?);
        let name = path.file_stem().map_or_else(|| "picture".into(), |stem| stem.to_string_lossy().into_owned());
        Recipe::Picture { name, darkness }.draw(count, 0)
    }
}

impl Darkness {
    fn read(path: &Path) -> Result<Self> {
        let refuse = |rule: String| Error::argument("path", path.display(), rule);
        let bytes = std::fs::read(path).map_err(|error| refuse(format!("cannot be read: {error}")))?;
        let picture = image::load_from_memory_with_format(&bytes, image::ImageFormat::Png)
            .map_err(|error| refuse(format!("is no PNG picture: {error}")))?
            .into_luma_alpha8();
        let mut sum = 0.0;
        let dark = |pixel: &image::LumaA<u8>| f64::from(255 - pixel.0[0]) * f64::from(pixel.0[1]);
        let sums: Vec<f64> = picture
            .pixels()
            .map(|pixel| {
                sum += dark(pixel);
                sum
            })
            .collect();
        if sum == 0.0 {
            return Err(refuse("has no dark pixels, where the points would be".into()));
        }
        Ok(Self { width: picture.width() as usize, height: picture.height() as usize, sums })
    }

    /// A point in a dark pixel, uniform within it.
    pub(super) fn point(&self, rng: &mut ChaCha8Rng) -> Draw {
        let wanted = unit(rng) * self.sums.last().copied().unwrap_or(0.0);
        let index = self.sums.partition_point(|&sum| sum <= wanted).min(self.sums.len() - 1);
        let (column, row) = ((index % self.width) as f64, (index / self.width) as f64);
        let (width, height) = (self.width as f64, self.height as f64);
        let half = width.max(height) / 2.0;
        ((column + unit(rng) - width / 2.0) / half, (height / 2.0 - row - unit(rng)) / half, -1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    /// A file of one test, gone at its end.
    struct File(std::path::PathBuf);

    impl File {
        fn new(name: &str, bytes: &[u8]) -> Self {
            let path = std::env::temp_dir().join(format!("noisebook-{}-{name}", std::process::id()));
            std::fs::write(&path, bytes).unwrap();
            Self(path)
        }

        fn png(name: &str, width: u32, height: u32, pixels: &[[u8; 2]]) -> Self {
            let picture = image::GrayAlphaImage::from_raw(width, height, pixels.concat()).unwrap();
            let mut bytes = std::io::Cursor::new(Vec::new());
            picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
            Self::new(name, &bytes.into_inner())
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    /// Above: black, a third as dark, transparent, white. Below: half transparent black, and white.
    #[test]
    fn points_lie_where_it_is_dark_and_y_goes_up() {
        let pixels = [[0, 255], [170, 255], [0, 0], [255, 255], [0, 128], [255, 255], [255, 255], [255, 255]];
        let file = File::png("dark.png", 4, 2, &pixels);
        let points = Dataset::picture(&file.0, 22_000).unwrap().images();
        // Pixels are squares of 1/2 from (-1, 1/2) at the upper left.
        let inside = |left: f64, top: f64| {
            let (x, y) = (points.select(1, 0), points.select(1, 1));
            let across = x.ge(left).logical_and(&x.lt(left + 0.5));
            let down = y.le(top).logical_and(&y.gt(top - 0.5));
            across.logical_and(&down).sum(Kind::Double).double_value(&[])
        };
        let total = 255.0 * 255.0 + 85.0 * 255.0 + 255.0 * 128.0;
        for (left, top, dark) in [(-1.0, 0.5, 65_025.0), (-0.5, 0.5, 21_675.0), (-1.0, 0.0, 32_640.0)] {
            let expected = 22_000.0 * dark / total;
            assert!((inside(left, top) - expected).abs() < 5.0 * expected.sqrt(), "{left} {top}");
        }
        assert_eq!(inside(-1.0, 0.5) + inside(-0.5, 0.5) + inside(-1.0, 0.0), 22_000.0);
    }

    #[test]
    fn refusals_name_the_path() {
        let said = |file: &File| Dataset::picture(&file.0, 9).unwrap_err().to_string();
        let white = File::png("white.png", 2, 1, &[[255, 255], [0, 0]]);
        let rule = "has no dark pixels, where the points would be";
        assert_eq!(said(&white), format!("path = {}: {rule}", white.0.display()));
        let text = File::new("text.png", b"not a picture");
        assert!(
            said(&text).starts_with(&format!("path = {}: is no PNG picture: ", text.0.display())),
            "{}",
            said(&text)
        );
        let missing = Dataset::picture("no/such.png", 9).unwrap_err().to_string();
        assert_eq!(missing, "path = no/such.png: cannot be read: No such file or directory (os error 2)");
        let dark = File::png("black.png", 1, 1, &[[0, 255]]);
        assert_eq!(Dataset::picture(&dark.0, 0).unwrap_err().to_string(), "count = 0: draw at least 1");
    }
}
