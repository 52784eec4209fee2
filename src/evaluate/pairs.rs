//! Distances of all of one set to all of another.

use crate::Result;
use tch::Tensor;

/// Rows whose distances to all others are held at once.
const AT_ONCE: i64 = 500;

/// |a - b| of each row of a and each of b: by differences, not by the expanded square, which loses small distances.
pub(super) fn distances(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let exact = 2;
    Ok(Tensor::f_cdist(a, b, 2.0, exact)?)
}

/// The same for some rows of a after the other, so that they never fill the memory.
pub(super) fn in_parts(a: &Tensor, b: &Tensor, mut take: impl FnMut(Tensor) -> Result<()>) -> Result<()> {
    let count = a.size()[0];
    for start in (0..count).step_by(AT_ONCE as usize) {
        take(distances(&a.f_narrow(0, start, AT_ONCE.min(count - start))?, b)?)?;
    }
    Ok(())
}
