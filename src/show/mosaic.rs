//! Many small images as one PNG, enlarged without blur.

use crate::{Error, Result};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

/// Images of one size as bytes, row by row, with 2 channels (grey, opacity) or 4 (red, green, blue, opacity).
#[derive(Clone, Debug)]
pub(super) struct Tiles {
    pub(super) count: usize,
    pub(super) channels: usize,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) bytes: Vec<u8>,
}

/// Where the tiles lie in the mosaic, in pixels of the PNG.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) columns: usize,
    /// How many pixels of the PNG a pixel of a tile takes, in each direction.
    pub(super) enlarged: usize,
    /// How many pixels of the PNG one of the page takes.
    pub(super) density: usize,
    /// From the left edge of a tile to that of the next.
    pub(super) pitch_x: usize,
    /// The upper edge of each row.
    pub(super) tops: Vec<usize>,
}

impl Tiles {
    /// The mosaic's width and height.
    pub(super) fn size(&self, layout: &Layout) -> (usize, usize) {
        let columns = layout.columns.min(self.count).max(1);
        let last_top = layout.tops.last().copied().unwrap_or(0);
        ((columns - 1) * layout.pitch_x + self.width * layout.enlarged, last_top + self.height * layout.enlarged)
    }

    /// The mosaic's pixels; what lies between the tiles is transparent.
    pub(super) fn mosaic(&self, layout: &Layout) -> Vec<u8> {
        let (width, height) = self.size(layout);
        let row_bytes = width * self.channels;
        let mut pixels = vec![0; row_bytes * height];
        let tile_row_bytes = self.width * self.channels;
        for (index, tile) in self.bytes.chunks_exact(tile_row_bytes * self.height).enumerate() {
            let left = index % layout.columns * layout.pitch_x * self.channels;
            let top = layout.tops[index / layout.columns];
            for (y, row) in tile.chunks_exact(tile_row_bytes).enumerate() {
                let first = (top + y * layout.enlarged) * row_bytes + left;
                let length = tile_row_bytes * layout.enlarged;
                let enlarged = &mut pixels[first..first + length];
                let widened = enlarged.chunks_exact_mut(self.channels * layout.enlarged);
                for (from, to) in row.chunks_exact(self.channels).zip(widened) {
                    repeat(from, to);
                }
                for copy in 1..layout.enlarged {
                    pixels.copy_within(first..first + length, first + copy * row_bytes);
                }
            }
        }
        pixels
    }

    /// The mosaic as the bytes of a PNG file. Pixels repeat in both directions, which Paeth's filter turns into zeros, and
    /// the fast compression is made for zeros: ten times as fast as the next, for a file as small.
    pub(super) fn png(&self, layout: &Layout) -> Result<Vec<u8>> {
        let (width, height) = self.size(layout);
        let colours = if self.channels == 2 { ExtendedColorType::La8 } else { ExtendedColorType::Rgba8 };
        let mut bytes = Vec::new();
        PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Paeth)
            .write_image(&self.mosaic(layout), width as u32, height as u32, colours)
            .map_err(Error::display)?;
        Ok(bytes)
    }
}

/// Fills `to` with copies of `from`, twice as many each time.
fn repeat(from: &[u8], to: &mut [u8]) {
    let mut filled = from.len();
    to[..filled].copy_from_slice(from);
    while filled < to.len() {
        let more = filled.min(to.len() - filled);
        to.copy_within(..more, filled);
        filled += more;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tiles() -> Tiles {
        // Three tiles of 2 x 1 grey pixels: 10 20, 30 40, 50 60.
        let bytes = vec![10, 255, 20, 255, 30, 255, 40, 255, 50, 255, 60, 255];
        Tiles { count: 3, channels: 2, width: 2, height: 1, bytes }
    }

    #[test]
    fn every_pixel_becomes_a_square() {
        let layout = Layout { columns: 2, enlarged: 2, density: 1, pitch_x: 5, tops: vec![0, 3] };
        let greys: Vec<u8> = tiles().mosaic(&layout).chunks_exact(2).map(|pixel| pixel[0] * (pixel[1] / 255)).collect();
        #[rustfmt::skip]
        let expected = [
            10, 10, 20, 20, 0, 30, 30, 40, 40,
            10, 10, 20, 20, 0, 30, 30, 40, 40,
             0,  0,  0,  0, 0,  0,  0,  0,  0,
            50, 50, 60, 60, 0,  0,  0,  0,  0,
            50, 50, 60, 60, 0,  0,  0,  0,  0,
        ];
        assert_eq!(tiles().size(&layout), (9, 5));
        assert_eq!(greys, expected);
    }

    #[test]
    fn the_png_holds_the_same_pixels() {
        let layout = Layout { columns: 3, enlarged: 3, density: 1, pitch_x: 7, tops: vec![0] };
        let png = tiles().png(&layout).unwrap();
        let read = image::load_from_memory(&png).unwrap().into_luma_alpha8();
        assert_eq!(read.dimensions(), (20, 3));
        assert_eq!(read.into_raw(), tiles().mosaic(&layout));
    }
}
