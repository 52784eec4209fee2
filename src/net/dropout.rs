//! Numbers left out at random: Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting".

use crate::Result;
use crate::random::{Stream, generator};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use tch::{Kind, Tensor};

/// Shares are counted in these: two random bytes decide over a number.
const PARTS: f64 = 65_536.0;

/// The draws of one step of training, layer after layer.
pub(super) struct Dropout {
    rng: ChaCha8Rng,
    dropped: i64,
}

impl Dropout {
    /// Drops each number with this probability, below 1, to 1/65,536: never all of them, which nothing could make up for.
    pub(super) fn new(probability: f64, seed: u64, step: u64) -> Self {
        let dropped = (probability * PARTS).round().min(PARTS - 1.0) as i64;
        Self { rng: generator(seed, Stream::Dropout, step), dropped }
    }

    /// `x` with numbers of it 0, and the others as much larger as keeps the mean. Drawn on the CPU, so that every device
    /// drops the same.
    pub(super) fn apply(&mut self, x: &Tensor) -> Result<Tensor> {
        let mut bytes = vec![0; 2 * x.numel()];
        self.rng.fill_bytes(&mut bytes);
        let drawn = Tensor::f_from_data_size(&bytes, &x.size(), Kind::Int16)?.f_to_device(x.device())?;
        let kept = drawn.f_ge(self.dropped - 32_768)?.f_to_kind(x.f_kind()?)?;
        Ok(x.f_mul(&kept)?.f_mul_scalar(PARTS / (PARTS - self.dropped as f64))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn it_drops_its_share_and_keeps_the_mean() {
        let ones = Tensor::ones([400, 1_000], (Kind::Double, Device::Cpu));
        let drop = |step| Dropout::new(0.25, 0, step).apply(&ones).unwrap();
        let out = drop(3);
        assert_eq!(out, drop(3));
        assert_ne!(out, drop(4));
        let zero = out.eq(0.0).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
        assert!((zero - 0.25).abs() < 4.0 * (0.25f64 * 0.75 / 400_000.0).sqrt(), "{zero}");
        assert!((out.max().double_value(&[]) - 4.0 / 3.0).abs() < 1e-12);
        assert_eq!(Dropout::new(0.0, 0, 0).apply(&ones).unwrap(), ones);
        let all_but_some = Dropout::new(1.0 - 1e-9, 0, 0).apply(&ones).unwrap();
        assert!((all_but_some.max().double_value(&[]), all_but_some.min().double_value(&[])) == (65_536.0, 0.0));
        let mut layers = Dropout::new(0.25, 0, 3);
        assert_ne!(layers.apply(&ones).unwrap(), layers.apply(&ones).unwrap());
    }
}
