//! Draws that depend on (seed, stream, step) alone.
//!
//! ChaCha8 is a counter-based generator: the seed and the stream make its key, the step its nonce. So step 700 of a
//! training run draws the same numbers whether or not the 699 before it ran, and nothing of a generator is ever saved.
//! libtorch's global generator is never touched.

use crate::device::upload;
use crate::{Error, Result};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use tch::{Device, Tensor};

/// What a draw is for. Numbers are part of what a seed means: they never change.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    Weights = 1,
    Split = 2,
    Order = 3,
    Level = 4,
    Noise = 5,
    LabelDropout = 6,
    Prior = 7,
    Sampling = 8,
    Forward = 9,
    Points = 10,
    Paths = 11,
    Truth = 12,
    Source = 13,
    Evaluation = 14,
    Flip = 20,
    Crop = 21,
    Validation = 30,
    Floor = 31,
    Dropout = 40,
    Frequencies = 41,
    ClassifierOrder = 42,
}

/// Nobody draws more at once: what is more was mistyped.
const MOST: usize = 10_000_000;

/// That so many are drawn: at least 1, and no more than memory holds.
pub(crate) fn check_count(name: &str, count: usize) -> Result<()> {
    if count == 0 {
        return Err(Error::argument(name, count, "draw at least 1"));
    }
    if count > MOST {
        return Err(Error::argument(name, count, "draw at most 10,000,000"));
    }
    Ok(())
}

/// The generator of one stream's `step`-th draw.
pub(crate) fn generator(seed: u64, stream: Stream, step: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(stream as u64).to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(step);
    rng
}

/// Standard normal float32 numbers. The first rows do not depend on how many follow.
pub(crate) fn normal(rng: &mut ChaCha8Rng, shape: &[i64], device: Device) -> Result<Tensor> {
    let count = shape.iter().product::<i64>().max(0);
    let values: Vec<f32> = (0..count).map(|_| StandardNormal.sample(rng)).collect();
    upload(&Tensor::f_from_slice(&values)?.f_view(shape)?, device)
}

/// Uniform float32 numbers in [-bound, bound).
pub(crate) fn uniform(rng: &mut ChaCha8Rng, shape: &[i64], bound: f64) -> Result<Tensor> {
    let count = shape.iter().product::<i64>().max(0);
    let values: Vec<f32> = (0..count).map(|_| ((2.0 * unit(rng) - 1.0) * bound) as f32).collect();
    Ok(Tensor::f_from_slice(&values)?.f_view(shape)?)
}

/// One number in [0, 1), with 53 random bits.
pub(crate) fn unit(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// One whole number in 0..bound.
pub(crate) fn below(rng: &mut ChaCha8Rng, bound: usize) -> usize {
    // A product of 64 by 64 bits: its bias is under bound / 2^64.
    ((u128::from(rng.next_u64()) * bound as u128) >> 64) as usize
}

/// A permutation of 0..count (Fisher-Yates).
pub(crate) fn permutation(rng: &mut ChaCha8Rng, count: usize) -> Vec<i64> {
    let mut order: Vec<i64> = (0..count as i64).collect();
    for i in (1..count).rev() {
        order.swap(i, below(rng, i + 1));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_depend_on_seed_stream_and_step_alone() {
        let draw = |seed, stream, step| below(&mut generator(seed, stream, step), 1 << 40);
        assert_eq!(draw(0, Stream::Noise, 7), draw(0, Stream::Noise, 7));
        assert_ne!(draw(0, Stream::Noise, 7), draw(0, Stream::Noise, 8));
        assert_ne!(draw(0, Stream::Noise, 7), draw(0, Stream::Level, 7));
        assert_ne!(draw(0, Stream::Noise, 7), draw(1, Stream::Noise, 7));
    }

    #[test]
    fn the_first_rows_do_not_depend_on_how_many_follow() {
        let rows = |n| normal(&mut generator(3, Stream::Prior, 0), &[n, 5], Device::Cpu).unwrap();
        assert_eq!(rows(2), rows(9).narrow(0, 0, 2));
    }

    #[test]
    fn normals_have_the_moments_of_a_standard_normal() {
        let x =
            normal(&mut generator(0, Stream::Noise, 0), &[400_000], Device::Cpu).unwrap().to_kind(tch::Kind::Double);
        let moment = |p: f64| x.pow_tensor_scalar(p).mean(tch::Kind::Double).double_value(&[]);
        // Standard errors at n = 400,000: 0.0016, 0.0022, 0.006, 0.0155; the bounds are four of them.
        for (p, expected, bound) in [(1.0, 0.0, 0.0064), (2.0, 1.0, 0.009), (3.0, 0.0, 0.025), (4.0, 3.0, 0.062)] {
            assert!((moment(p) - expected).abs() < bound, "moment {p}: {}", moment(p));
        }
    }

    #[test]
    fn counts_have_an_end() {
        let said = |count| check_count("count", count).unwrap_err().to_string();
        assert!(check_count("count", 1).is_ok() && check_count("count", 10_000_000).is_ok());
        assert_eq!(said(0), "count = 0: draw at least 1");
        assert_eq!(said(10_000_001), "count = 10000001: draw at most 10,000,000");
    }

    #[test]
    fn a_permutation_holds_each_number_once() {
        let mut order = permutation(&mut generator(0, Stream::Order, 0), 100);
        assert_ne!(order, (0..100).collect::<Vec<i64>>());
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<i64>>());
    }
}
