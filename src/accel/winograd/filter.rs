//! Filters of 3 x 3 into 16 matrices of outputs x inputs, and back.

use super::four::Four;
use super::image::Sixteen;

/// G g of a line: (g0, (g0 + g1 + g2)/2, (g0 - g1 + g2)/2, g2).
#[inline(always)]
fn spread_line([g0, g1, g2]: [Four; 3]) -> [Four; 4] {
    let (outer, middle) = ((g0 + g2).half(), g1.half());
    [g0, outer + middle, outer - middle, g2]
}

/// G^T u: the transpose.
#[inline(always)]
fn collect_line([u0, u1, u2, u3]: [Four; 4]) -> [Four; 3] {
    let (sum, difference) = ((u1 + u2).half(), (u1 - u2).half());
    [u0 + sum, difference, sum + u3]
}

/// U = G g G^T of `count` filters, a multiple of four.
///
/// # Safety
/// `w` holds them, `u` has place for each, and nobody else writes there.
pub(super) unsafe fn spread(count: usize, w: *const f32, u: Sixteen) {
    for at in (0..count).step_by(4) {
        // SAFETY: four filters of nine numbers.
        unsafe {
            let w = w.add(9 * at);
            let first = spread_line([number(w), number(w.add(3)), number(w.add(6))]);
            let second = spread_line([number(w.add(1)), number(w.add(4)), number(w.add(7))]);
            let third = spread_line([number(w.add(2)), number(w.add(5)), number(w.add(8))]);
            for i in 0..4 {
                let row = spread_line([first[i], second[i], third[i]]);
                for j in 0..4 {
                    u.store(4 * i + j, at, row[j]);
                }
            }
        }
    }
}

/// One number of each of four filters.
///
/// # Safety
/// The filters are there.
#[inline(always)]
unsafe fn number(w: *const f32) -> Four {
    unsafe { Four::of(*w, *w.add(9), *w.add(18), *w.add(27)) }
}

/// The transpose: G^T U G.
///
/// # Safety
/// As above, with the parts changed.
pub(super) unsafe fn collect(count: usize, u: Sixteen, w: *mut f32) {
    for at in (0..count).step_by(4) {
        // SAFETY: four filters of nine numbers.
        unsafe {
            let mut rows = [[Four::zero(); 3]; 4];
            for i in 0..4 {
                rows[i] = collect_line([
                    u.load(4 * i, at),
                    u.load(4 * i + 1, at),
                    u.load(4 * i + 2, at),
                    u.load(4 * i + 3, at),
                ]);
            }
            let mut filters = [[0_f32; 4]; 9];
            for j in 0..3 {
                let column = collect_line([rows[0][j], rows[1][j], rows[2][j], rows[3][j]]);
                for i in 0..3 {
                    column[i].store(filters[3 * i + j].as_mut_ptr());
                }
            }
            let w = w.add(9 * at);
            for i in 0..9 {
                for filter in 0..4 {
                    *w.add(9 * filter + i) = filters[i][filter];
                }
            }
        }
    }
}
