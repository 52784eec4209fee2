//! Classifier-free guidance: Ho & Salimans 2022.

use crate::denoiser::Denoiser;
use crate::{Result, Schedule};
use std::rc::Rc;
use tch::{Device, Tensor};

/// A denoiser pushed towards its labels: x_0 = x_0(no label) + w (x_0(label) - x_0(no label)).
///
/// For one x_t, x_0 and eps are affine in one another, so this is e_u + w (e_c - e_u) too. w = 1 is plain conditional,
/// w = 0 ignores the label; larger w gives clearer, less varied samples. (Ho & Salimans' own w is this one less 1.)
pub(super) struct ClassifierFree {
    inner: Rc<dyn Denoiser>,
    scale: f64,
}

impl ClassifierFree {
    /// Guides `inner` with scale `w`.
    pub(super) fn new(inner: Rc<dyn Denoiser>, scale: f64) -> Self {
        Self { inner, scale }
    }
}

impl Denoiser for ClassifierFree {
    fn denoise(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor> {
        let Some(labels) = labels else { return self.inner.denoise(xt, t, None) };
        if self.scale == 1.0 {
            return self.inner.denoise(xt, t, Some(labels));
        }
        // Both halves in one batch.
        let twice = Tensor::f_cat(&[xt, xt], 0)?;
        let labels = Tensor::f_cat(&[labels.shallow_clone(), labels.f_full_like(-1)?], 0)?;
        let both = self.inner.denoise(&twice, t, Some(&labels))?;
        let count = xt.size()[0];
        let (with, without) = (both.f_narrow(0, 0, count)?, both.f_narrow(0, count, count)?);
        Ok(without.f_add(&with.f_sub(&without)?.f_mul_scalar(self.scale)?)?)
    }

    fn schedule(&self) -> &Schedule {
        self.inner.schedule()
    }

    fn sample_shape(&self) -> Vec<i64> {
        self.inner.sample_shape()
    }

    fn classes(&self) -> Option<i64> {
        self.inner.classes()
    }

    fn device(&self) -> Device {
        self.inner.device()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::Error;

    /// The exact denoiser of one Gaussian N(mu_c, s^2) a class, and of N(0, s^2) without a label:
    /// E[x_0 | x_t] = mu + s^2 alpha/(alpha^2 s^2 + sigma^2) (x_t - alpha mu).
    pub(crate) struct Gaussians {
        pub(crate) schedule: Schedule,
        pub(crate) means: Vec<f64>,
        pub(crate) std: f64,
    }

    impl Denoiser for Gaussians {
        fn denoise(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor> {
            let (alpha, sigma, variance) = (self.schedule.alpha(t), self.schedule.sigma(t), self.std.powi(2));
            let labels = match labels {
                Some(labels) => Vec::<i64>::try_from(labels)?,
                None => vec![-1; xt.size()[0] as usize],
            };
            let mean: Vec<f32> =
                labels.iter().map(|&c| usize::try_from(c).map_or(0.0, |c| self.means[c] as f32)).collect();
            let mean = Tensor::f_from_slice(&mean)?.f_view([-1, 1, 1, 1])?;
            let gain = variance * alpha / (alpha.powi(2) * variance + sigma.powi(2));
            Ok(&mean + (xt - &mean * alpha) * gain)
        }

        fn schedule(&self) -> &Schedule {
            &self.schedule
        }

        fn sample_shape(&self) -> Vec<i64> {
            vec![1, 16, 16]
        }

        fn classes(&self) -> Option<i64> {
            Some(self.means.len() as i64)
        }

        fn device(&self) -> Device {
            Device::Cpu
        }
    }

    /// Closed form 15, at one x_t: guidance of equal-variance Gaussians is the denoiser of the Gaussian with mean
    /// mu_u + w (mu_c - mu_u).
    #[test]
    fn guiding_gaussians_moves_the_mean() -> Result<(), Error> {
        let schedule = Schedule::cosine(1_000)?;
        let gaussians = |means: &[f64]| Gaussians { schedule: schedule.clone(), means: means.to_vec(), std: 0.4 };
        let (labels, moved) = (Tensor::from_slice(&[1i64, 0]), gaussians(&[2.0 * 0.5, 2.0 * -0.3]));
        let guided = ClassifierFree::new(Rc::new(gaussians(&[0.5, -0.3])), 2.0);
        let xt = Tensor::linspace(-2, 2, 2 * 256, (tch::Kind::Float, Device::Cpu)).view([2, 1, 16, 16]);
        let difference = guided.denoise(&xt, 0.6, Some(&labels))? - moved.denoise(&xt, 0.6, Some(&labels))?;
        assert!(difference.abs().max().double_value(&[]) < 1e-6);
        Ok(())
    }
}
