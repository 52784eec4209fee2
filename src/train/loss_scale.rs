//! The factor of the loss in float16.

use crate::accel::Precision;

/// The factor that keeps float16's gradients within its range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct LossScale {
    pub(super) scale: f64,
    /// Steps since it changed.
    pub(super) good: usize,
}

/// Below this no gradient is too large for float16: it is not finite for another reason.
const LEAST: f64 = 1.0 / 1024.0;
const PATIENCE: usize = 2_000;

impl LossScale {
    pub(super) fn new(precision: Precision) -> Self {
        Self { scale: if precision == Precision::Float16 { 65_536.0 } else { 1.0 }, good: 0 }
    }

    /// Whether the step may be made. A gradient that overflowed halves the scale; false also means that it is to be skipped.
    pub(super) fn takes(&mut self, finite: bool) -> bool {
        if finite {
            self.good += 1;
            if self.good == PATIENCE {
                *self = Self { scale: 2.0 * self.scale, good: 0 };
            }
        } else {
            *self = Self { scale: 0.5 * self.scale, good: 0 };
        }
        finite
    }

    /// Whether scaling less may still help.
    pub(super) fn may_shrink(self) -> bool {
        self.scale > LEAST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// torch.amp.GradScaler: init_scale 65,536, growth 2 after 2,000 steps in a row, backoff 0.5.
    #[test]
    fn the_scale_is_that_of_pytorch() {
        let mut scale = LossScale::new(Precision::Float16);
        assert!(!scale.takes(false) && scale.scale == 32_768.0);
        for _ in 0..1_999 {
            assert!(scale.takes(true) && scale.scale == 32_768.0);
        }
        assert!(scale.takes(true));
        assert_eq!(scale, LossScale { scale: 65_536.0, good: 0 });
    }
}
