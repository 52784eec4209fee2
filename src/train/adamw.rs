//! AdamW: Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2.

use crate::Result;
use tch::Tensor;

/// The optimizer's memory, for one flat vector of weights.
///
/// m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; w = w - lr (m^ / (sqrt(v^) + eps) + decay w), with
/// m^ = m/(1 - b1^k), v^ = v/(1 - b2^k); b1 = 0.9 unless a rate moves it, b2 = 0.999, eps = 1e-8, as PyTorch's defaults.
#[derive(Debug)]
pub(crate) struct AdamW {
    pub(super) mean: Tensor,
    pub(super) square: Tensor,
    pub(super) steps: i32,
    weight_decay: f64,
}

pub(crate) const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

impl AdamW {
    pub(crate) fn new(weights: &Tensor, weight_decay: f64) -> Result<Self> {
        Ok(Self { mean: weights.f_zeros_like()?, square: weights.f_zeros_like()?, steps: 0, weight_decay })
    }

    /// Moves `weights` in place; to be called without gradients.
    pub(crate) fn step(&mut self, weights: &mut Tensor, gradient: &Tensor, lr: f64, beta1: f64) -> Result<()> {
        self.steps += 1;
        let _ = self.mean.f_mul_scalar_(beta1)?.f_add_(&gradient.f_mul_scalar(1.0 - beta1)?)?;
        let _ = self.square.f_mul_scalar_(BETA2)?.f_add_(&gradient.f_square()?.f_mul_scalar_(1.0 - BETA2)?)?;
        let bias1 = 1.0 - beta1.powi(self.steps);
        let bias2 = 1.0 - BETA2.powi(self.steps);
        let scale = self.square.f_sqrt()?.f_div_scalar_(bias2.sqrt())?.f_add_scalar_(EPSILON)?;
        let _ = weights.f_mul_scalar_(1.0 - lr * self.weight_decay)?;
        let _ = weights.f_sub_(&self.mean.f_div(&scale)?.f_mul_scalar_(lr / bias1)?)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected weights are PyTorch's: torch.optim.AdamW([w], lr=0.1, weight_decay=0.2) on float64
    /// w = [1, -2, 0.5], with the gradients [0.1, -0.2, 0] and [0.3, 0.1, -5] (tests/fixtures/adamw.py).
    #[test]
    fn it_steps_as_pytorch_does() {
        let mut weights = Tensor::from_slice(&[1.0, -2.0, 0.5]);
        let mut adamw = AdamW::new(&weights, 0.2).unwrap();
        adamw.step(&mut weights, &Tensor::from_slice(&[0.1, -0.2, 0.0]), 0.1, BETA1).unwrap();
        adamw.step(&mut weights, &Tensor::from_slice(&[0.3, 0.1, -5.0]), 0.1, BETA1).unwrap();
        let expected = include!("../../tests/fixtures/adamw.in");
        for (value, expected) in Vec::<f64>::try_from(weights).unwrap().into_iter().zip(expected) {
            assert!((value - expected).abs() < 1e-12, "{value} is not {expected}");
        }
    }
}
