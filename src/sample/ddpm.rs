//! Ancestral sampling: Ho et al. 2020, algorithm 2.

use super::steps::Update;
use crate::{Result, Schedule};
use tch::Tensor;

/// x_s from x_t, predicted x_0 and fresh noise z, for levels t > s of one schedule: a draw from the posterior
/// q(x_s | x_t, x_0), [`Schedule::posterior`].
///
/// The last step, to s = 0, has beta~ = 0: it is x_0 itself.
pub(super) struct Ddpm;

impl Update for Ddpm {
    fn update(&self, schedule: &Schedule, xt: &Tensor, x0: &Tensor, z: &Tensor, (t, s): (f64, f64)) -> Result<Tensor> {
        let posterior = schedule.posterior(t, s)?;
        Ok(posterior.mean(xt, x0)?.f_add(&z.f_mul_scalar(posterior.variance.sqrt())?)?)
    }

    fn is_random(&self) -> bool {
        true
    }
}
