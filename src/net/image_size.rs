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
    /// How often it halves until a side is one pixel; a side that is one pixel from the start counts for nothing.
    pub(super) fn halvings(self) -> usize {
        let sides = [self.height, self.width].into_iter().filter(|&side| side > 1);
        sides.map(|side| (side - 1).ilog2() as usize + 1).min().unwrap_or(0)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halvings_are_counted_until_a_side_is_one_pixel() {
        for size in [(8, 8), (9, 16), (7, 300), (1, 45), (2, 2), (1, 1)].map(ImageSize::from) {
            let one = |size: &ImageSize| [size.height, size.width].contains(&1);
            let (mut now, mut count) = (size, 0);
            while if one(&size) { now.half() != now } else { !one(&now) } {
                (now, count) = (now.half(), count + 1);
            }
            assert_eq!(size.halvings(), count, "{size}");
        }
    }
}
