//! The size of an image.

/// Height and width in pixels: one number for a square, or both.
///
/// ```
/// use noisebook::net::ImageSize;
/// assert_eq!(ImageSize::from(8), ImageSize::from((8, 8)));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ImageSize {
    /// Pixels from top to bottom.
    pub height: i64,
    /// Pixels from left to right.
    pub width: i64,
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

impl ImageSize {
    /// What a convolution of stride 2 leaves: half of each side, rounded up.
    pub(super) fn half(self) -> Self {
        Self { height: (self.height + 1) / 2, width: (self.width + 1) / 2 }
    }
}

impl std::fmt::Display for ImageSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} x {}", self.height, self.width)
    }
}
