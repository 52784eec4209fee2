//! Images into 16 matrices of channels x tiles, and back.
//!
//! Rows of 8 pixels, which 4 tiles share, go through two vectors of 4: the even columns and the odd ones. Tile i of a line spans
//! d0 to d3, the positions 2 i - 1 to 2 i + 2.

use super::four::Four;

/// The longest row, in pixels.
pub(super) const LONGEST: usize = 256;

/// A row of tiles, by fours: what each of the 4 positions of a tile says.
type Row = [[Four; 4]; LONGEST / 8];

/// Images: count, channels, height, width; the height is even, the width a multiple of 8 up to [`LONGEST`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Images {
    pub(super) count: usize,
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
}

impl Images {
    pub(super) fn tiles(self) -> usize {
        self.count * self.height / 2 * (self.width / 2)
    }

    /// Each plane of these channels: its channel, where its pixels begin, and its tiles.
    fn planes(self, (from, to): (usize, usize)) -> impl Iterator<Item = (usize, usize, usize)> {
        let (pixels, tiles) = (self.height * self.width, self.height * self.width / 4);
        (from..to).flat_map(move |channel| {
            (0..self.count).map(move |image| {
                (channel, (image * self.channels + channel) * pixels, (channel * self.count + image) * tiles)
            })
        })
    }
}

/// 16 matrices, one after another in memory, `stride` numbers from each to the next.
#[derive(Clone, Copy)]
pub(super) struct Sixteen {
    pub(super) first: *mut f32,
    pub(super) stride: usize,
}

impl Sixteen {
    /// What begins at number `at` of each.
    pub(super) fn from(self, at: usize) -> Self {
        Self { first: self.first.wrapping_add(at), ..self }
    }

    /// # Safety
    /// All 16 hold four numbers there.
    #[inline(always)]
    pub(super) unsafe fn load(self, matrix: usize, at: usize) -> Four {
        unsafe { Four::load(self.first.wrapping_add(matrix * self.stride + at)) }
    }

    /// # Safety
    /// As above, and nobody else has them.
    #[inline(always)]
    pub(super) unsafe fn store(self, matrix: usize, at: usize, four: Four) {
        unsafe { four.store(self.first.wrapping_add(matrix * self.stride + at)) }
    }
}

/// B^T d = (d0 - d2, d1 + d2, d2 - d1, d1 - d3) along a row.
///
/// # Safety
/// The row is as long as `fours` says.
#[inline(always)]
unsafe fn spread_row(row: *const f32, fours: usize, to: &mut Row) {
    let mut left = Four::zero();
    let mut now = unsafe { Four::load_pairs(row) };
    for k in 0..fours {
        let next =
            if k + 1 < fours { unsafe { Four::load_pairs(row.add(8 * k + 8)) } } else { (Four::zero(), Four::zero()) };
        let (even, odd) = now;
        to[k] = [odd.one_before(left) - odd, even + odd, odd - even, even - even.one_after(next.0)];
        (left, now) = (odd, next);
    }
}

/// V = B^T d B of all tiles.
///
/// # Safety
/// `x` holds the images, `v` has place for their tiles, and nobody else writes those of `channels`.
pub(super) unsafe fn spread(images: Images, channels: (usize, usize), x: *const f32, v: Sixteen) {
    let (fours, width) = (images.width / 8, images.width);
    let mut rows: [Row; 4] = [[[Four::zero(); 4]; LONGEST / 8]; 4];
    let [d0, d1, d2, d3] = &mut rows;
    for (_, pixels, tiles) in images.planes(channels) {
        let (mut d0, mut d1, mut d2, mut d3) = (&mut *d0, &mut *d1, &mut *d2, &mut *d3);
        // SAFETY: rows 0 to height - 1 of this plane, and the tiles of one row after another.
        unsafe {
            let plane = x.add(pixels);
            d0[..fours].fill([Four::zero(); 4]);
            spread_row(plane, fours, d1);
            for i in 0..images.height / 2 {
                spread_row(plane.add((2 * i + 1) * width), fours, d2);
                if 2 * i + 2 < images.height {
                    spread_row(plane.add((2 * i + 2) * width), fours, d3);
                } else {
                    d3[..fours].fill([Four::zero(); 4]);
                }
                for k in 0..fours {
                    let at = tiles + 4 * (i * fours + k);
                    for j in 0..4 {
                        let (d0, d1, d2, d3) = (d0[k][j], d1[k][j], d2[k][j], d3[k][j]);
                        v.store(j, at, d0 - d2);
                        v.store(4 + j, at, d1 + d2);
                        v.store(8 + j, at, d2 - d1);
                        v.store(12 + j, at, d1 - d3);
                    }
                }
                (d0, d1, d2, d3) = (d2, d3, d0, d1);
            }
        }
    }
}

/// The transpose of [`spread`]: each pixel takes from all tiles that saw it. Of a line, even 2 i takes v1 - v2 + v3 from tile i
/// and -v3 from the one before; odd 2 i + 1 takes v1 + v2 - v0 and v0 from the one after.
///
/// # Safety
/// As there; nobody else writes these channels of `x`.
pub(super) unsafe fn collect(images: Images, channels: (usize, usize), v: Sixteen, x: *mut f32) {
    let (fours, width, rows) = (images.width / 8, images.width, images.height / 2);
    let empty: Row = [[Four::zero(); 4]; LONGEST / 8];
    // Of this row of tiles: its even row of pixels, and the odd one above. Of the tiles above: v3, and what their odd row has.
    let (mut even, mut odd, mut above, mut waiting) = (empty, empty, empty, empty);
    for (_, pixels, tiles) in images.planes(channels) {
        above[..fours].fill([Four::zero(); 4]);
        waiting[..fours].fill([Four::zero(); 4]);
        // SAFETY: as in `spread`; rows of this plane.
        unsafe {
            let plane = x.add(pixels);
            for i in 0..rows {
                for k in 0..fours {
                    let at = tiles + 4 * (i * fours + k);
                    for j in 0..4 {
                        let (v0, v1, v2, v3) =
                            (v.load(j, at), v.load(4 + j, at), v.load(8 + j, at), v.load(12 + j, at));
                        even[k][j] = v1 - v2 + v3 - above[k][j];
                        odd[k][j] = waiting[k][j] + v0;
                        above[k][j] = v3;
                        waiting[k][j] = v1 + v2 - v0;
                    }
                }
                if i > 0 {
                    collect_row(&odd[..fours], plane.add((2 * i - 1) * width));
                }
                collect_row(&even[..fours], plane.add(2 * i * width));
            }
            collect_row(&waiting[..fours], plane.add((2 * rows - 1) * width));
        }
    }
}

/// # Safety
/// There is place for eight pixels each.
#[inline(always)]
unsafe fn collect_row(from: &[[Four; 4]], row: *mut f32) {
    let mut left = Four::zero();
    for k in 0..from.len() {
        let [v0, v1, v2, v3] = from[k];
        let right = if k + 1 < from.len() { from[k + 1][0] } else { Four::zero() };
        let even = v1 - v2 + v3 - v3.one_before(left);
        let odd = v1 + v2 - v0 + v0.one_after(right);
        left = v3;
        unsafe { Four::store_pairs(row.add(8 * k), even, odd) };
    }
}

/// y = A^T M A, 2 x 2 pixels of each tile: a line is (m0 + m1 + m2, m1 - m2 - m3). `bias` is added, one number a channel.
///
/// # Safety
/// As in [`collect`].
pub(super) unsafe fn gather(images: Images, channels: (usize, usize), m: Sixteen, bias: Option<&[f32]>, y: *mut f32) {
    let (fours, width) = (images.width / 8, images.width);
    for (channel, pixels, tiles) in images.planes(channels) {
        let bias = Four::all(bias.map_or(0.0, |bias| bias[channel]));
        for i in 0..images.height / 2 {
            for k in 0..fours {
                let at = tiles + 4 * (i * fours + k);
                let (mut above, mut below) = ([Four::zero(); 4], [Four::zero(); 4]);
                // SAFETY: as in `spread`.
                unsafe {
                    for j in 0..4 {
                        let (m0, m1, m2, m3) =
                            (m.load(j, at), m.load(4 + j, at), m.load(8 + j, at), m.load(12 + j, at));
                        above[j] = m0 + m1 + m2;
                        below[j] = m1 - m2 - m3;
                    }
                    let row = y.add(pixels + 2 * i * width + 8 * k);
                    gather_line(above, bias, row);
                    gather_line(below, bias, row.add(width));
                }
            }
        }
    }
}

/// # Safety
/// There is place for eight pixels.
#[inline(always)]
unsafe fn gather_line([m0, m1, m2, m3]: [Four; 4], bias: Four, row: *mut f32) {
    unsafe { Four::store_pairs(row, m0 + m1 + m2 + bias, m1 - m2 - m3 + bias) }
}

/// The transpose of [`gather`]: (y0, y0 + y1, y0 - y1, -y1) of a line.
///
/// # Safety
/// As in [`spread`].
pub(super) unsafe fn scatter(images: Images, channels: (usize, usize), y: *const f32, m: Sixteen) {
    let (fours, width) = (images.width / 8, images.width);
    for (_, pixels, tiles) in images.planes(channels) {
        for i in 0..images.height / 2 {
            for k in 0..fours {
                let at = tiles + 4 * (i * fours + k);
                // SAFETY: as in `spread`.
                unsafe {
                    let row = y.add(pixels + 2 * i * width + 8 * k);
                    let (above, below) = (scatter_line(row), scatter_line(row.add(width)));
                    for j in 0..4 {
                        m.store(j, at, above[j]);
                        m.store(4 + j, at, above[j] + below[j]);
                        m.store(8 + j, at, above[j] - below[j]);
                        m.store(12 + j, at, Four::zero() - below[j]);
                    }
                }
            }
        }
    }
}

/// # Safety
/// There are eight pixels.
#[inline(always)]
unsafe fn scatter_line(row: *const f32) -> [Four; 4] {
    let (y0, y1) = unsafe { Four::load_pairs(row) };
    [y0, y0 + y1, y0 - y1, Four::zero() - y1]
}
