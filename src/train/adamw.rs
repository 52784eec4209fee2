//! AdamW: Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2.

use crate::Result;
use crate::accel::{Step, fused_adamw};
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
    /// Whether the test beside the fused step wants the plain one.
    #[cfg(test)]
    pub(super) by_operators: bool,
}

pub(crate) const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

impl AdamW {
    pub(crate) fn new(weights: &Tensor, weight_decay: f64) -> Result<Self> {
        Ok(Self {
            mean: weights.f_zeros_like()?,
            square: weights.f_zeros_like()?,
            steps: 0,
            weight_decay,
            #[cfg(test)]
            by_operators: false,
        })
    }

    /// Moves `weights` in place, in one pass where libtorch has that; to be called without gradients.
    pub(crate) fn step(&mut self, weights: &mut Tensor, gradient: &Tensor, lr: f64, beta1: f64) -> Result<()> {
        self.steps += 1;
        #[cfg(test)]
        if self.by_operators {
            return self.step_by_operators(weights, gradient, lr, beta1);
        }
        let (number, weight_decay) = (self.steps, self.weight_decay);
        let step = Step { number, lr, betas: (beta1, BETA2), weight_decay, epsilon: EPSILON };
        if fused_adamw(weights, gradient, &self.mean, &self.square, step)? {
            return Ok(());
        }
        self.step_by_operators(weights, gradient, lr, beta1)
    }

    /// The same as plain operators, a pass over memory each.
    fn step_by_operators(&mut self, weights: &mut Tensor, gradient: &Tensor, lr: f64, beta1: f64) -> Result<()> {
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
    use tch::{Device, Kind};

    fn adamw(weights: &Tensor, weight_decay: f64, by_operators: bool) -> AdamW {
        AdamW { by_operators, ..AdamW::new(weights, weight_decay).unwrap() }
    }

    /// The expected weights are PyTorch's: torch.optim.AdamW([w], lr=0.1, weight_decay=0.2) on float64
    /// w = [1, -2, 0.5], with the gradients [0.1, -0.2, 0] and [0.3, 0.1, -5] (tests/fixtures/adamw.py).
    #[test]
    fn it_steps_as_pytorch_does() {
        for by_operators in [false, true] {
            let mut weights = Tensor::from_slice(&[1.0, -2.0, 0.5]);
            let mut adamw = adamw(&weights, 0.2, by_operators);
            adamw.step(&mut weights, &Tensor::from_slice(&[0.1, -0.2, 0.0]), 0.1, BETA1).unwrap();
            adamw.step(&mut weights, &Tensor::from_slice(&[0.3, 0.1, -5.0]), 0.1, BETA1).unwrap();
            let expected = include!("../../tests/fixtures/adamw.in");
            for (value, expected) in Vec::<f64>::try_from(weights).unwrap().into_iter().zip(expected) {
                assert!((value - expected).abs() < 1e-12, "{value} is not {expected}");
            }
        }
    }

    /// 500 steps of 1,003 weights, whose rate and momentum change: apart by the rounding of float32 alone, which at each step is
    /// at most some units in the last place of numbers below 2.
    #[test]
    fn one_pass_and_plain_operators_agree() {
        let sizes = |k: i64| Tensor::arange(1_003, (Kind::Float, Device::Cpu)) * 0.37 + 0.11 * k as f64;
        let after = |by_operators| {
            let mut weights = sizes(0).sin();
            let mut adamw = adamw(&weights, 0.01, by_operators);
            for k in 0..500 {
                let gradient = &weights * 0.5 + sizes(k).cos() * 0.1;
                let (lr, beta1) = (1e-3 * (1.0 + (k as f64).sin()), 0.85 + 0.1 * (k % 2) as f64);
                adamw.step(&mut weights, &gradient, lr, beta1).unwrap();
            }
            (weights, adamw.mean, adamw.square)
        };
        let (fused, plain) = (after(false), after(true));
        assert!(fused.0 != sizes(0).sin());
        for (one, other) in [(fused.0, plain.0), (fused.1, plain.1), (fused.2, plain.2)] {
            let apart = (one - other).abs().max().double_value(&[]);
            assert!(apart < 5e-6, "{apart}");
        }
    }

    #[test]
    fn the_machine_has_the_one_pass() {
        let (weights, part) =
            (Tensor::from_slice(&[1f32, 2.0]), Tensor::from_slice(&[1f32, 2.0, 3.0, 4.0]).slice(0, 0, 4, 2));
        let step = Step { number: 1, lr: 0.1, betas: (BETA1, BETA2), weight_decay: 0.0, epsilon: EPSILON };
        let zeros = || weights.zeros_like();
        assert!(fused_adamw(&weights, &weights.copy(), &zeros(), &zeros(), step).unwrap());
        // What it cannot do is left to the operators.
        for other in [part, weights.to_kind(Kind::Double), weights.get(0)] {
            assert!(!fused_adamw(&weights, &other, &zeros(), &zeros(), step).unwrap());
        }
    }
}
