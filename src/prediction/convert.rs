//! From one prediction to another.

use super::Prediction;
use crate::Result;
use tch::Tensor;

/// c_skip and c_out of D = c_skip x_t + c_out F: Karras et al. 2022, table 1, for x_t/alpha and sigma/alpha, multiplied out
/// so that alpha = 0 is a number like any other.
struct Edm {
    c_skip: Tensor,
    c_out: Tensor,
    /// sqrt(sigma^2 + alpha^2 sigma_data^2), which is 1/c_in.
    norm: Tensor,
}

impl Edm {
    fn new(sigma_data: f64, alpha: &Tensor, sigma: &Tensor) -> Result<Self> {
        let variance = sigma.f_square()?.f_add(&alpha.f_mul_scalar(sigma_data)?.f_square()?)?;
        let norm = variance.f_sqrt()?;
        let c_skip = alpha.f_mul_scalar(sigma_data * sigma_data)?.f_div(&variance)?;
        let c_out = sigma.f_mul_scalar(sigma_data)?.f_div(&norm)?;
        Ok(Self { c_skip, c_out, norm })
    }
}

/// alpha^2 + sigma^2, which is 1 for a variance-preserving schedule.
fn square(alpha: &Tensor, sigma: &Tensor) -> Result<Tensor> {
    Ok(alpha.f_square()?.f_add(&sigma.f_square()?)?)
}

impl Prediction {
    /// What the network should have said: the target, of the shape of `x0`. EDM's is F = (sigma x_0/sigma_data - alpha
    /// sigma_data eps)/sqrt(sigma^2 + alpha^2 sigma_data^2).
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
            Self::X0 => x0.shallow_clone(),
            Self::V => alpha.f_mul(eps)?.f_sub(&sigma.f_mul(x0)?)?,
            Self::Score => eps.f_neg()?,
            Self::Flow => eps.f_sub(x0)?,
            Self::Edm { sigma_data } => {
                let image = sigma.f_mul(x0)?.f_div_scalar(sigma_data)?;
                let noise = alpha.f_mul(eps)?.f_mul_scalar(sigma_data)?;
                image.f_sub(&noise)?.f_div(&Edm::new(sigma_data, alpha, sigma)?.norm)?
            }
        })
    }

    /// Predicted x_0 from x_t and the network's output.
    ///
    /// | prediction | x_0 |
    /// |---|---|
    /// | epsilon | (x_t - sigma eps)/alpha |
    /// | v | (alpha x_t - sigma v)/(alpha^2 + sigma^2), whose divisor is 1 for a variance-preserving schedule |
    /// | score | (x_t + sigma s)/alpha, where the network says s = sigma times the score |
    /// | flow | (x_t - sigma u)/(alpha + sigma), whose divisor is 1 for the flow schedule |
    /// | edm | c_skip x_t + c_out F: c_skip = alpha d^2/(sigma^2 + alpha^2 d^2), c_out = sigma d/sqrt(sigma^2 + alpha^2 d^2), d = sigma_data |
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
            Self::X0 => output.shallow_clone(),
            Self::V => alpha.f_mul(xt)?.f_sub(&sigma.f_mul(output)?)?.f_div(&square(alpha, sigma)?)?,
            Self::Score => xt.f_add(&sigma.f_mul(output)?)?.f_div(alpha)?,
            Self::Flow => xt.f_sub(&sigma.f_mul(output)?)?.f_div(&alpha.f_add(sigma)?)?,
            Self::Edm { sigma_data } => {
                let Edm { c_skip, c_out, .. } = Edm::new(sigma_data, alpha, sigma)?;
                c_skip.f_mul(xt)?.f_add(&c_out.f_mul(output)?)?
            }
        })
    }

    /// Predicted eps from x_t and the network's output: the eps that makes x_t with predicted [`x0`](Self::x0), so
    /// (sigma x_t + alpha v)/(alpha^2 + sigma^2) for v and (x_t + alpha u)/(alpha + sigma) for flow.
    ///
    /// # Errors
    /// Shapes that do not broadcast.
    ///
    /// ```
    /// # use tch::Tensor;
    /// # use noisebook::Prediction;
    /// let [x0, eps, alpha, sigma] = [1.0, 2.0, 0.75, 0.25].map(Tensor::from); // alpha + sigma = 1
    /// let xt = &alpha * &x0 + &sigma * &eps;
    /// let u = Prediction::Flow.target(&x0, &eps, &alpha, &sigma)?;
    /// assert_eq!(Prediction::Flow.epsilon(&xt, &u, &alpha, &sigma)?.double_value(&[]), 2.0);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn epsilon(self, xt: &Tensor, output: &Tensor, alpha: &Tensor, sigma: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Epsilon => output.shallow_clone(),
            Self::X0 => xt.f_sub(&alpha.f_mul(output)?)?.f_div(sigma)?,
            Self::V => sigma.f_mul(xt)?.f_add(&alpha.f_mul(output)?)?.f_div(&square(alpha, sigma)?)?,
            Self::Score => output.f_neg()?,
            Self::Flow => xt.f_add(&alpha.f_mul(output)?)?.f_div(&alpha.f_add(sigma)?)?,
            Self::Edm { sigma_data } => {
                let norm = Edm::new(sigma_data, alpha, sigma)?.norm;
                let part = alpha.f_mul(output)?.f_mul_scalar(sigma_data)?;
                sigma.f_mul(xt)?.f_div(&norm)?.f_sub(&part)?.f_div(&norm)?
            }
        })
    }

    /// What a network that predicts `to` would have said in the place of this `output`: so a velocity from a noise, a score
    /// from a velocity.
    ///
    /// Where alpha = 0, epsilon and score give nothing but one another; where sigma = 0, x_0 gives nothing but itself.
    ///
    /// # Errors
    /// Shapes that do not broadcast.
    ///
    /// ```
    /// # use tch::Tensor;
    /// # use noisebook::Prediction;
    /// let [xt, eps, alpha, sigma] = [2.2, 2.0, 0.6, 0.8].map(Tensor::from);
    /// let v = Prediction::Epsilon.convert(Prediction::V, &xt, &eps, &alpha, &sigma)?;
    /// assert!((v.double_value(&[]) - 0.4).abs() < 1e-12); // x_0 = (2.2 - 1.6)/0.6 = 1, v = 1.2 - 0.8
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn convert(self, to: Self, xt: &Tensor, output: &Tensor, alpha: &Tensor, sigma: &Tensor) -> Result<Tensor> {
        if self == to {
            return Ok(output.shallow_clone());
        }
        to.target(&self.x0(xt, output, alpha, sigma)?, &self.epsilon(xt, output, alpha, sigma)?, alpha, sigma)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ALL;
    use super::*;
    use crate::random::{Stream, generator, normal};
    use tch::{Device, Kind};

    fn one(value: f64) -> Tensor {
        Tensor::from(value)
    }

    fn close(value: &Tensor, expected: f64) {
        let value = value.double_value(&[]);
        assert!((value - expected).abs() < 1e-12, "{value} is not {expected}");
    }

    /// Closed form 4, by hand: x_0 = 0.5, eps = -1, alpha = 0.8, sigma = 0.6 make x_t = -0.2 and
    /// v = 0.8 (-1) - 0.6 (0.5) = -1.1.
    #[test]
    fn v_is_alpha_eps_minus_sigma_x0() {
        let [x0, eps, alpha, sigma, xt] = [0.5, -1.0, 0.8, 0.6, -0.2].map(Tensor::from);
        let v = Prediction::V.target(&x0, &eps, &alpha, &sigma).unwrap();
        close(&v, -1.1);
        close(&Prediction::V.x0(&xt, &v, &alpha, &sigma).unwrap(), 0.8 * -0.2 + 0.6 * 1.1);
        close(&Prediction::V.epsilon(&xt, &v, &alpha, &sigma).unwrap(), 0.6 * -0.2 - 0.8 * 1.1);
    }

    /// Closed form 13: for alpha = 1 - t, sigma = t: eps = x + (1 - t) u, x_0 = x - t u, and the score is -eps/t.
    #[test]
    fn flow_is_the_straight_line() {
        let (t, x, u) = (0.3, 0.7, -1.4);
        let [xt, output, alpha, sigma] = [x, u, 1.0 - t, t].map(Tensor::from);
        close(&Prediction::Flow.x0(&xt, &output, &alpha, &sigma).unwrap(), x - t * u);
        let eps = x + (1.0 - t) * u;
        close(&Prediction::Flow.epsilon(&xt, &output, &alpha, &sigma).unwrap(), eps);
        let score = Prediction::Flow.convert(Prediction::Score, &xt, &output, &alpha, &sigma).unwrap();
        close(&(&score / &sigma), -eps / t);
        close(&Prediction::Flow.target(&one(x - t * u), &one(eps), &alpha, &sigma).unwrap(), u);
        let flow = crate::Schedule::flow(10).unwrap();
        let x0 = one(x - t * u);
        close(&flow.score(&xt, &x0, t).unwrap(), -eps / t);
    }

    /// Closed form 7: c_skip^2 (sigma^2 + d^2) + c_out^2 = d^2; and the target of N(0, d^2) has variance 1.
    #[test]
    fn the_scales_of_edm_keep_the_variance() {
        let d = 0.5;
        let edm = Prediction::Edm { sigma_data: d };
        for sigma in [0.002, 0.1, 1.0, 80.0] {
            let c_skip = edm.x0(&one(1.0), &one(0.0), &one(1.0), &one(sigma)).unwrap().double_value(&[]);
            let c_out = edm.x0(&one(0.0), &one(1.0), &one(1.0), &one(sigma)).unwrap().double_value(&[]);
            assert!((c_skip - d * d / (sigma * sigma + d * d)).abs() < 1e-12);
            assert!((c_skip.powi(2) * (sigma * sigma + d * d) + c_out.powi(2) - d * d).abs() < 1e-12, "{sigma}");
            let part =
                |x0: f64, eps: f64| edm.target(&one(x0), &one(eps), &one(1.0), &one(sigma)).unwrap().double_value(&[]);
            assert!((part(d, 0.0).powi(2) + part(0.0, 1.0).powi(2) - 1.0).abs() < 1e-12, "{sigma}");
        }
    }

    /// Karras et al.'s own network at x_t/alpha and sigma/alpha says the same of x_0.
    #[test]
    fn edm_is_the_same_on_any_schedule() {
        let edm = Prediction::Edm { sigma_data: 0.7 };
        for (alpha, sigma) in [(0.6, 0.8), (0.25, 0.75), (1.0, 16.0), (0.9, 0.01)] {
            let (xt, output) = (1.3, -0.4);
            let ours = edm.x0(&one(xt), &one(output), &one(alpha), &one(sigma)).unwrap();
            let theirs = edm.x0(&one(xt / alpha), &one(output), &one(1.0), &one(sigma / alpha)).unwrap();
            close(&ours, theirs.double_value(&[]));
            let scale = edm.input_scale(alpha, sigma) * alpha / edm.input_scale(1.0, sigma / alpha);
            assert!((scale - 1.0).abs() < 1e-12);
        }
    }

    /// Every exact target gives x_0, eps and every other target, at all levels of all schedules that it makes sense for.
    #[test]
    fn each_turns_into_each() {
        let mut rng = generator(0, Stream::Noise, 0);
        let mut draw = || normal(&mut rng, &[6, 1, 2, 2], Device::Cpu).unwrap().to_kind(Kind::Double);
        let (x0, eps) = (draw(), draw());
        for schedule in crate::schedule::all(1_000) {
            for t in [0.001, 0.1, 0.5, 0.9, 1.0] {
                let (alpha, sigma) = (one(schedule.alpha(t)), one(schedule.sigma(t)));
                let xt = &alpha * &x0 + &sigma * &eps;
                let makes_sense = |prediction: &&Prediction| prediction.check(&schedule).is_ok();
                for from in ALL.iter().filter(makes_sense) {
                    let output = from.target(&x0, &eps, &alpha, &sigma).unwrap();
                    let near = |value: Tensor, expected: &Tensor, what: &str| {
                        let error = (value - expected).abs().max().double_value(&[]);
                        let size = 1.0 + expected.abs().max().double_value(&[]);
                        assert!(error < 1e-11 * size, "{from} to {what}, {schedule:?} at {t}: {error}");
                    };
                    near(from.x0(&xt, &output, &alpha, &sigma).unwrap(), &x0, "x_0");
                    near(from.epsilon(&xt, &output, &alpha, &sigma).unwrap(), &eps, "eps");
                    for to in ALL.iter().filter(makes_sense) {
                        let expected = to.target(&x0, &eps, &alpha, &sigma).unwrap();
                        near(from.convert(*to, &xt, &output, &alpha, &sigma).unwrap(), &expected, &to.to_string());
                    }
                }
            }
        }
    }
}
