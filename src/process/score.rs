//! The score of a noised image: where it is more likely.

use super::check_noisy;
use crate::{Result, Schedule};
use tch::Tensor;

impl Schedule {
    /// The score of q(x_t | x_0): grad ln N(x_t; alpha x_0, sigma^2 I) = (alpha x_0 - x_t)/sigma^2, which is -eps/sigma
    /// (Vincent 2011; Song & Ermon 2019, section 2.1). Of the shape of `xt`.
    ///
    /// With predicted x_0 = E\[x_0 | x_t\] in the place of x_0 it is the score of x_t itself.
    ///
    /// # Errors
    /// Unless 0 < t <= 1; shapes that do not broadcast.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let flow = Schedule::flow(10)?; // x_t = 0.5 x_0 + 0.5 eps at t = 0.5
    /// let (x0, xt) = (Tensor::from(1.0), Tensor::from(0.5 * 1.0 + 0.5 * 3.0));
    /// assert_eq!(flow.score(&xt, &x0, 0.5)?.double_value(&[]), -3.0 / 0.5);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn score(&self, xt: &Tensor, x0: &Tensor, t: f64) -> Result<Tensor> {
        check_noisy(t)?;
        let towards = x0.f_mul_scalar(self.alpha(t))?.f_sub(xt)?;
        Ok(towards.f_div_scalar(self.sigma(t).powi(2))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    /// The gradient of the logarithm of the density itself, by autograd.
    #[test]
    fn it_is_the_gradient_of_the_log_density() {
        for schedule in crate::schedule::all(10) {
            let x0 = Tensor::from_slice(&[0.3, -1.0, 0.8]);
            let xt = Tensor::from_slice(&[0.1, 2.0, -0.7]).set_requires_grad(true);
            let (alpha, sigma) = (schedule.alpha(0.6), schedule.sigma(0.6));
            ((&xt - &x0 * alpha).square() / (-2.0 * sigma * sigma)).sum(Kind::Double).backward();
            let score = schedule.score(&xt.detach(), &x0, 0.6).unwrap();
            let error = ((&score - xt.grad()) / &score).abs().max().double_value(&[]);
            assert!(error < 1e-12, "{schedule:?}: {error}");
        }
    }

    #[test]
    fn without_noise_there_is_none() {
        let x = Tensor::from(0.5);
        let error = Schedule::flow(10).unwrap().score(&x, &x, 0.0).unwrap_err().to_string();
        assert_eq!(error, "t = 0: time runs from 0 (data), where there is no noise, to 1 (noise): take t above 0");
    }
}
