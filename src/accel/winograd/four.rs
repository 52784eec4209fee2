//! Four numbers of float32 in a register: SSE, which every x86-64 has.

use std::arch::x86_64::{
    __m128, _mm_add_ps, _mm_loadu_ps, _mm_mul_ps, _mm_set_ps, _mm_set1_ps, _mm_shuffle_ps, _mm_storeu_ps, _mm_sub_ps,
    _mm_unpackhi_ps, _mm_unpacklo_ps,
};
use std::ops::{Add, Sub};

#[derive(Clone, Copy, Debug)]
pub(super) struct Four(__m128);

// SAFETY, of all that follows: SSE is part of the architecture.
impl Four {
    #[inline(always)]
    pub(super) fn all(number: f32) -> Self {
        unsafe { Self(_mm_set1_ps(number)) }
    }

    #[inline(always)]
    pub(super) fn zero() -> Self {
        Self::all(0.0)
    }

    #[inline(always)]
    pub(super) fn of(a: f32, b: f32, c: f32, d: f32) -> Self {
        unsafe { Self(_mm_set_ps(d, c, b, a)) }
    }

    #[inline(always)]
    pub(super) fn half(self) -> Self {
        unsafe { Self(_mm_mul_ps(self.0, _mm_set1_ps(0.5))) }
    }

    /// # Safety
    /// Four numbers are there.
    #[inline(always)]
    pub(super) unsafe fn load(from: *const f32) -> Self {
        unsafe { Self(_mm_loadu_ps(from)) }
    }

    /// # Safety
    /// There is place for four.
    #[inline(always)]
    pub(super) unsafe fn store(self, to: *mut f32) {
        unsafe { _mm_storeu_ps(to, self.0) }
    }

    /// The even and the odd of eight numbers.
    ///
    /// # Safety
    /// Eight are there.
    #[inline(always)]
    pub(super) unsafe fn load_pairs(from: *const f32) -> (Self, Self) {
        unsafe {
            let (a, b) = (_mm_loadu_ps(from), _mm_loadu_ps(from.add(4)));
            (Self(_mm_shuffle_ps::<0b10_00_10_00>(a, b)), Self(_mm_shuffle_ps::<0b11_01_11_01>(a, b)))
        }
    }

    /// # Safety
    /// There is place for eight.
    #[inline(always)]
    pub(super) unsafe fn store_pairs(to: *mut f32, even: Self, odd: Self) {
        unsafe {
            _mm_storeu_ps(to, _mm_unpacklo_ps(even.0, odd.0));
            _mm_storeu_ps(to.add(4), _mm_unpackhi_ps(even.0, odd.0));
        }
    }

    /// The four numbers one before these: the last of `left`, and their first three.
    #[inline(always)]
    pub(super) fn one_before(self, left: Self) -> Self {
        unsafe {
            let ends = _mm_shuffle_ps::<0b00_00_11_11>(left.0, self.0);
            Self(_mm_shuffle_ps::<0b10_01_10_00>(ends, self.0))
        }
    }

    /// The four numbers one after these: their last three, and the first of `right`.
    #[inline(always)]
    pub(super) fn one_after(self, right: Self) -> Self {
        unsafe {
            let ends = _mm_shuffle_ps::<0b00_00_11_11>(self.0, right.0);
            Self(_mm_shuffle_ps::<0b10_00_10_01>(self.0, ends))
        }
    }
}

impl Add for Four {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        unsafe { Self(_mm_add_ps(self.0, other.0)) }
    }
}

impl Sub for Four {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        unsafe { Self(_mm_sub_ps(self.0, other.0)) }
    }
}
