//! The sizes that images of data may have.

use crate::net::ImageSize;
use crate::{Error, Result};

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
