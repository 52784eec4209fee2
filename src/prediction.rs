//! What a network predicts, and how one prediction turns into another.
//!
//! A noised image x_t = alpha x_0 + sigma eps has two unknowns and one equation: any second linear equation gives both.

use crate::{Error, Result, Schedule};
use tch::Tensor;

/// The quantity that a network is trained to predict from x_t.
///
/// ```
/// use noisebook::prelude::*;
/// let model_target = Prediction::V; // v = alpha eps - sigma x_0
/// assert_eq!(model_target.to_string(), "v");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Prediction {
    /// The noise eps (Ho et al. 2020, eq. 14). Well behaved while something of the image is left; near alpha = 0 its
    /// x_0 = (x_t - sigma eps)/alpha magnifies every error.
    Epsilon,
    /// The velocity v = alpha eps - sigma x_0 (Salimans & Ho 2022, appendix D). Well behaved at every level.
    V,
}

impl Prediction {
    /// What the network should have said: the target, of the shape of `x0`.
    ///
    /// `alpha` and `sigma` broadcast against the images: one number, or N x 1 x 1 x 1.
    ///
    /// # Errors
    /// Shapes that do not broadcast.
    ///
    /// ```
    /// # use tch::Tensor;
    /// # use noisebook::Prediction;
    /// let [x0, eps, alpha, sigma] = [1.0, 2.0, 0.6, 0.8].map(Tensor::from); // alpha^2 + sigma^2 = 1
    /// let v = Prediction::V.target(&x0, &eps, &alpha, &sigma)?;
    /// assert!((v.double_value(&[]) - (0.6 * 2.0 - 0.8 * 1.0)).abs() < 1e-12);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn target(self, x0: &Tensor, eps: &Tensor, alpha: &Tensor, sigma: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Epsilon => eps.shallow_clone(),
            Self::V => alpha.f_mul(eps)?.f_sub(&sigma.f_mul(x0)?)?,
        })
    }

    /// Predicted x_0 from x_t and the network's output.
    ///
    /// eps: x_0 = (x_t - sigma eps)/alpha; v: x_0 = (alpha x_t - sigma v)/(alpha^2 + sigma^2), whose divisor is 1 for a
    /// variance-preserving schedule.
    ///
    /// # Errors
    /// Shapes that do not broadcast.
    ///
    /// ```
    /// # use tch::Tensor;
    /// # use noisebook::Prediction;
    /// let [x0, eps, alpha, sigma] = [1.0, 2.0, 0.6, 0.8].map(Tensor::from);
    /// let xt = &alpha * &x0 + &sigma * &eps;
    /// let v = Prediction::V.target(&x0, &eps, &alpha, &sigma)?;
    /// assert!((Prediction::V.x0(&xt, &v, &alpha, &sigma)?.double_value(&[]) - 1.0).abs() < 1e-12); // x_0 again
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn x0(self, xt: &Tensor, output: &Tensor, alpha: &Tensor, sigma: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Epsilon => xt.f_sub(&sigma.f_mul(output)?)?.f_div(alpha)?,
            Self::V => {
                let square = alpha.f_square()?.f_add(&sigma.f_square()?)?;
                alpha.f_mul(xt)?.f_sub(&sigma.f_mul(output)?)?.f_div(&square)?
            }
        })
    }

    /// Whether a network can learn this under `schedule`.
    pub(crate) fn check(self, schedule: &Schedule) -> Result<()> {
        let name = schedule.name();
        let rule = match self {
            Self::Epsilon if schedule.alpha(1.0) == 0.0 => {
                format!(
                    "the {name} schedule leaves nothing of the image at t = 1, where the noise says nothing of x_0: predict v"
                )
            }
            Self::V if schedule.sigma(1.0) > 1.0 => {
                format!(
                    "in the {name} schedule sigma grows to {}, and v = alpha eps - sigma x_0 with it: predict epsilon",
                    schedule.sigma(1.0)
                )
            }
            _ => return Ok(()),
        };
        Err(Error::argument("prediction", self, rule))
    }
}

impl std::fmt::Display for Prediction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Epsilon => "epsilon",
            Self::V => "v",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Stream, generator, normal};
    use tch::{Device, Kind};

    const ALL: [Prediction; 2] = [Prediction::Epsilon, Prediction::V];

    /// By hand: x_0 = 0.5, eps = -1, alpha = 0.8, sigma = 0.6 make x_t = -0.2 and v = 0.8 (-1) - 0.6 (0.5) = -1.1.
    #[test]
    fn v_is_alpha_eps_minus_sigma_x0() {
        let [x0, eps, alpha, sigma, xt] = [0.5, -1.0, 0.8, 0.6, -0.2].map(Tensor::from);
        let v = Prediction::V.target(&x0, &eps, &alpha, &sigma).unwrap();
        assert!((v.double_value(&[]) + 1.1).abs() < 1e-12);
        let back = Prediction::V.x0(&xt, &v, &alpha, &sigma).unwrap();
        assert!((back.double_value(&[]) - 0.5).abs() < 1e-12);
    }

    /// Closed form 4: the exact target gives the exact x_0 back, at every level.
    #[test]
    fn targets_invert() {
        let mut rng = generator(0, Stream::Noise, 0);
        let mut draw = || normal(&mut rng, &[6, 1, 2, 2], Device::Cpu).unwrap().to_kind(Kind::Double);
        let (x0, eps) = (draw(), draw());
        let schedules = [Schedule::linear(1_000), Schedule::flow(1_000), Schedule::sub_vp(1_000), Schedule::edm(1_000)];
        for schedule in schedules.map(Result::unwrap) {
            for (t, prediction) in [0.001, 0.1, 0.5, 0.9, 1.0].into_iter().flat_map(|t| ALL.map(|one| (t, one))) {
                if prediction.check(&schedule).is_err() {
                    continue;
                }
                let (alpha, sigma) = (Tensor::from(schedule.alpha(t)), Tensor::from(schedule.sigma(t)));
                let xt = &alpha * &x0 + &sigma * &eps;
                let target = prediction.target(&x0, &eps, &alpha, &sigma).unwrap();
                let back = prediction.x0(&xt, &target, &alpha, &sigma).unwrap();
                let error = (back - &x0).abs().max().double_value(&[]);
                assert!(error < 1e-11, "{prediction} of {schedule:?} at {t}: {error}");
            }
        }
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let said = |one: Prediction, schedule: Result<Schedule>| one.check(&schedule.unwrap()).unwrap_err().to_string();
        assert_eq!(
            said(Prediction::Epsilon, Schedule::flow(10)),
            "prediction = epsilon: the flow schedule leaves nothing of the image at t = 1, where the noise says nothing of \
             x_0: predict v"
        );
        let zero = Schedule::cosine(10).unwrap().zero_terminal_snr();
        let start = "prediction = epsilon: the zero-terminal cosine schedule leaves nothing of the image";
        assert!(said(Prediction::Epsilon, zero).starts_with(start));
        assert_eq!(
            said(Prediction::V, Schedule::edm_between(10, 0.1, 16.0, 1.0)),
            "prediction = v: in the edm schedule sigma grows to 16, and v = alpha eps - sigma x_0 with it: predict epsilon"
        );
        assert!(said(Prediction::V, Schedule::geometric(10)).starts_with("prediction = v: in the geometric schedule"));
    }
}
