//! One step of the forward process: q(x_t | x_s), from less noise to more.

use super::check_times;
use crate::show::{Bundle, Show, digits};
use crate::{Result, Schedule};

impl Schedule {
    /// The step from time `s` to a later `t`: q(x_t | x_s) = N(a x_s, (sigma_t^2 - a^2 sigma_s^2) I) with
    /// a = alpha_t/alpha_s (Kingma et al. 2021, "Variational Diffusion Models", appendix A). From one level of a chain to the
    /// next it is N(sqrt(1 - beta) x_s, beta I): Ho et al. 2020, eq. 2.
    ///
    /// # Errors
    /// Unless 0 <= s < t <= 1.
    ///
    /// ```
    /// let schedule = noisebook::Schedule::from_betas([0.36, 0.19])?;
    /// let step = schedule.transition(1.0, 0.5)?; // the second step
    /// assert!((step.scale - 0.9).abs() < 1e-12 && (step.std * step.std - 0.19).abs() < 1e-12);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn transition(&self, t: f64, s: f64) -> Result<Transition> {
        check_times(t, s)?;
        Ok(Transition { scale: self.alpha(t) / self.alpha(s), std: self.sigma(t) * self.lost(t, s).sqrt(), t, s })
    }

    /// 1 - SNR_t/SNR_s, free of cancellation where the levels are close: it is beta/sigma_t^2 in a chain.
    pub(super) fn lost(&self, t: f64, s: f64) -> f64 {
        -(self.log_snr(t) - self.log_snr(s)).exp_m1()
    }
}

/// A step of the forward process; [`Schedule::transition`] makes one. As the value of a cell it writes itself with its
/// numbers.
///
/// ```
/// # use noisebook::prelude::*;
/// let step = Schedule::flow(10)?.transition(1.0, 0.5)?;
/// assert!(step.bundle()?.plain_text().ends_with("x_t = 0 x_s + 1 z, z ~ N(0, I)"));
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Transition {
    /// The factor of x_s, in [0, 1].
    pub scale: f64,
    /// The standard deviation of the noise that the step adds.
    pub std: f64,
    t: f64,
    s: f64,
}

impl Show for Transition {
    fn bundle(&self) -> Result<Bundle> {
        Ok(Bundle::text(format!(
            "The step from s = {} to t = {}: q(x_t | x_s)\nx_t = {} x_s + {} z, z ~ N(0, I)",
            digits(self.s),
            digits(self.t),
            digits(self.scale),
            digits(self.std)
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ho et al. 2020, eq. 2: a chain's own betas.
    #[test]
    fn from_level_to_level_it_is_the_chain() {
        let schedule = Schedule::linear(1_000).unwrap();
        for (i, beta) in schedule.betas().unwrap().into_iter().enumerate() {
            let step = schedule.transition((i + 1) as f64 / 1_000.0, i as f64 / 1_000.0).unwrap();
            assert!((step.scale.powi(2) - (1.0 - beta)).abs() < 1e-12, "{i}");
            assert!((step.std.powi(2) / beta - 1.0).abs() < 1e-9, "{i}: {}", step.std);
        }
    }

    /// Two steps, one after the other, are one step; and from the data it is the marginal.
    #[test]
    fn steps_add_up() {
        for schedule in crate::schedule::all(37) {
            let step = |t, s| schedule.transition(t, s).unwrap();
            for (t, s, r) in [(0.9, 0.5, 0.2), (0.31, 0.3, 0.0), (1.0, 0.99, 0.01)] {
                let (first, second, both) = (step(s, r), step(t, s), step(t, r));
                assert!((first.scale * second.scale - both.scale).abs() < 1e-12, "{schedule:?}");
                let variance = (second.scale * first.std).powi(2) + second.std.powi(2);
                assert!((variance / both.std.powi(2) - 1.0).abs() < 1e-9, "{schedule:?} {t} {s} {r}");
            }
            let jump = step(0.4, 0.0);
            assert!((jump.scale - schedule.alpha(0.4)).abs() + (jump.std - schedule.sigma(0.4)).abs() < 1e-12);
        }
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let schedule = Schedule::cosine(10).unwrap();
        let said = |t, s| schedule.transition(t, s).unwrap_err().to_string();
        let rule = "time runs from 0 (data), where there is no noise, to 1 (noise): take t above 0";
        assert_eq!(said(0.0, 0.0), format!("t = 0: {rule}"));
        assert_eq!(said(f64::NAN, 0.0), format!("t = NaN: {rule}"));
        assert_eq!(said(1.5, 0.0), format!("t = 1.5: {rule}"));
        assert_eq!(said(0.5, 0.5), "s = 0.5: the later time comes first, and s lies below t = 0.5, from 0 (data)");
        assert_eq!(said(0.5, -0.1), "s = -0.1: the later time comes first, and s lies below t = 0.5, from 0 (data)");
    }
}
