//! Height and width.

use crate::{Error, Result};
use std::fmt;

/// Height and width in pixels: a number where they are the same, or `(height, width)`.
///
/// ```
/// use noisebook::data::ImageSize;
/// assert_eq!(ImageSize::from(32), ImageSize::from((32, 32)));
/// assert_eq!(ImageSize::from((48, 64)).to_string(), "48 x 64");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageSize {
    /// Rows.
    pub height: i64,
    /// Columns.
    pub width: i64,
}

impl ImageSize {
    /// Sides that are images' ones.
    pub(super) fn check(self) -> Result<[i64; 2]> {
        const LARGEST: i64 = 16_384;
        let sides = [self.height, self.width];
        if sides.iter().all(|side| (1..=LARGEST).contains(side)) {
            return Ok(sides);
        }
        Err(Error::argument("size", self, format!("each side is from 1 to {LARGEST} pixels")))
    }
}

impl From<i64> for ImageSize {
    fn from(side: i64) -> Self {
        Self { height: side, width: side }
    }
}

impl From<(i64, i64)> for ImageSize {
    fn from((height, width): (i64, i64)) -> Self {
        Self { height, width }
    }
}

impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {}", self.height, self.width)
    }
}
