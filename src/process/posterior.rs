//! One step back where x_0 is known: q(x_s | x_t, x_0).

use super::check_times;
use crate::show::{Bundle, Show, digits};
use crate::{Result, Schedule};
use tch::Tensor;

impl Schedule {
    /// The step back from time `t` to an earlier `s` for a known x_0: q(x_s | x_t, x_0) = N(c_0 x_0 + c_x x_t, beta~ I), Ho
    /// et al. 2020, eq. 6 and 7, with abar_t/abar_s for a step's alpha. For other schedules than chains it is that of the
    /// Gaussian step [`transition`](Self::transition) (Kingma et al. 2021, "Variational Diffusion Models", appendix A).
    ///
    /// # Errors
    /// Unless 0 <= s < t <= 1.
    ///
    /// ```
    /// let schedule = noisebook::Schedule::from_betas([0.36, 0.19])?;
    /// let back = schedule.posterior(1.0, 0.5)?;
    /// assert!((back.variance - 0.19 * 0.36 / (1.0 - 0.64 * 0.81)).abs() < 1e-12); // beta (1 - abar_s)/(1 - abar_t)
    /// let last = schedule.posterior(0.5, 0.0)?;
    /// assert_eq!((last.c_0, last.c_x, last.variance), (1.0, 0.0, 0.0)); // the data itself
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn posterior(&self, t: f64, s: f64) -> Result<Posterior> {
        check_times(t, s)?;
        let (alpha_t, sigma_t) = (self.alpha(t), self.sigma(t));
        let (alpha_s, sigma_s) = (self.alpha(s), self.sigma(s));
        let lost = self.lost(t, s);
        Ok(Posterior {
            c_0: alpha_s * lost,
            c_x: alpha_t / alpha_s * (sigma_s / sigma_t).powi(2),
            variance: lost * sigma_s.powi(2),
            t,
            s,
        })
    }
}

/// A step back where x_0 is known; [`Schedule::posterior`] makes one. DDPM takes it with predicted x_0 in the place of x_0.
/// As the value of a cell it writes itself with its numbers.
///
/// ```
/// # use noisebook::prelude::*;
/// let back = Schedule::flow(10)?.posterior(1.0, 0.5)?;
/// assert!(back.bundle()?.plain_text().ends_with("x_s = 0.5 x_0 + 0 x_t + 0.5 z, z ~ N(0, I)"));
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Posterior {
    /// The mean's factor of x_0.
    pub c_0: f64,
    /// The mean's factor of x_t.
    pub c_x: f64,
    /// The variance beta~ of each number.
    pub variance: f64,
    t: f64,
    s: f64,
}

impl Posterior {
    /// The mean c_0 x_0 + c_x x_t, of the shape of the two.
    ///
    /// # Errors
    /// Shapes that do not broadcast.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let back = Schedule::cosine(1_000)?.posterior(0.5, 0.499)?;
    /// let (xt, x0) = (Tensor::from(1.0), Tensor::from(-1.0));
    /// assert_eq!(back.mean(&xt, &x0)?.double_value(&[]), back.c_x - back.c_0);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn mean(&self, xt: &Tensor, x0: &Tensor) -> Result<Tensor> {
        Ok(x0.f_mul_scalar(self.c_0)?.f_add(&xt.f_mul_scalar(self.c_x)?)?)
    }
}

impl Show for Posterior {
    fn bundle(&self) -> Result<Bundle> {
        Ok(Bundle::text(format!(
            "The step back from t = {} to s = {}, x_0 known: q(x_s | x_t, x_0)\nx_s = {} x_0 + {} x_t + {} z, z ~ N(0, I)",
            digits(self.t),
            digits(self.s),
            digits(self.c_0),
            digits(self.c_x),
            digits(self.variance.sqrt())
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Closed form 2, from the betas themselves.
    #[test]
    fn it_is_that_of_the_paper() {
        let schedule = Schedule::linear(1_000).unwrap();
        let (betas, alpha_bars) = (schedule.betas().unwrap(), schedule.alpha_bars());
        for i in [1, 10, 500, 999] {
            let (beta, bar, before) = (betas[i], alpha_bars[i], alpha_bars[i - 1]);
            let expected = [
                beta * before.sqrt() / (1.0 - bar),
                (1.0 - beta).sqrt() * (1.0 - before) / (1.0 - bar),
                beta * (1.0 - before) / (1.0 - bar),
            ];
            let (t, s) = (schedule.time(i).unwrap(), schedule.time(i - 1).unwrap());
            let Posterior { c_0, c_x, variance, .. } = schedule.posterior(t, s).unwrap();
            for (value, expected) in [c_0, c_x, variance].into_iter().zip(expected) {
                assert!((value / expected - 1.0).abs() < 1e-9, "level {i}: {value} is not {expected}");
            }
        }
        let Posterior { c_0, c_x, variance, .. } = schedule.posterior(0.001, 0.0).unwrap();
        assert!((c_0 - 1.0).abs() < 1e-12 && c_x == 0.0 && variance == 0.0);
    }

    /// Closed form 3: in sigma-space it is the ancestral step.
    #[test]
    fn the_variance_is_that_of_the_ancestral_step() {
        for schedule in crate::schedule::all(10) {
            let ratio = |t: f64| (schedule.sigma(t) / schedule.alpha(t)).powi(2);
            for (t, s) in [(0.9, 0.8), (0.5, 0.1), (0.3, 0.299)] {
                let up = ratio(s) * (ratio(t) - ratio(s)) / ratio(t);
                let variance = schedule.posterior(t, s).unwrap().variance;
                assert!((variance / schedule.alpha(s).powi(2) / up - 1.0).abs() < 1e-9, "{schedule:?}");
            }
        }
    }

    /// A posterior draw of a noised x_0 has the marginal of the next time: alpha_s x_0 and variance sigma_s^2.
    #[test]
    fn it_keeps_the_marginals_of_every_schedule() {
        for schedule in crate::schedule::all(10) {
            for (t, s) in [(1.0, 0.9), (0.7, 0.2), (0.1, 0.05), (0.1, 0.0)] {
                let Posterior { c_0, c_x, variance, .. } = schedule.posterior(t, s).unwrap();
                let mean = c_0 + c_x * schedule.alpha(t);
                let total = (c_x * schedule.sigma(t)).powi(2) + variance;
                assert!((mean - schedule.alpha(s)).abs() < 1e-12, "{schedule:?} {t} {s}: {mean}");
                assert!(
                    (total - schedule.sigma(s).powi(2)).abs() < 1e-12 * (1.0 + total),
                    "{schedule:?} {t} {s}: {total}"
                );
            }
        }
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let error = Schedule::cosine(10).unwrap().posterior(0.2, 0.4).unwrap_err().to_string();
        assert_eq!(error, "s = 0.4: the later time comes first, and s lies below t = 0.2, from 0 (data)");
    }
}
