//! Variance-exploding schedules: the image stays, noise piles up on it.

use super::chain::on_level;
use super::{Chain, Curve};
use crate::{Error, Result};

/// alpha = 1, and sigma(t) is `rung((t N - 1)/(N - 1))`: from the smallest sigma at the first level, rung 0, to the largest
/// at the last, rung 1; `slope` is its derivative. Below the first level the variance runs straight to 0, so that t = 0 is
/// the data.
pub(super) struct Exploding<F, G> {
    pub(super) levels: usize,
    pub(super) arguments: Vec<(&'static str, f64)>,
    pub(super) rung: F,
    pub(super) slope: G,
}

impl<F: Fn(f64) -> f64, G: Fn(f64) -> f64> Curve for Exploding<F, G> {
    fn alpha(&self, _: f64) -> f64 {
        1.0
    }

    fn sigma(&self, t: f64) -> f64 {
        let position = t * self.levels as f64;
        if position < 1.0 {
            (self.rung)(0.0) * position.sqrt()
        } else {
            (self.rung)((position - 1.0) / (self.levels - 1) as f64)
        }
    }

    fn log_snr(&self, t: f64) -> f64 {
        -2.0 * self.sigma(t).ln()
    }

    fn drift(&self, _: f64) -> f64 {
        0.0
    }

    fn diffusion(&self, t: f64) -> f64 {
        let (position, levels) = (on_level(t * self.levels as f64), self.levels as f64);
        if position <= 1.0 {
            return (self.rung)(0.0) * levels.sqrt();
        }
        let rung = (position - 1.0) / (levels - 1.0);
        (2.0 * (self.rung)(rung) * (self.slope)(rung) * levels / (levels - 1.0)).sqrt()
    }

    fn arguments(&self) -> &[(&'static str, f64)] {
        &self.arguments
    }

    fn chain(&self) -> Result<&Chain, &'static str> {
        Err(
            "variance exploding: it adds noise and keeps all of the image, so it has no betas; see alpha(t) and sigma(t)",
        )
    }
}

/// The rule for the ends of such a schedule.
pub(super) fn check_sigmas(min: f64, max: f64) -> Result<()> {
    if !(1e-9..=1e9).contains(&min) {
        return Err(Error::argument("sigma_min", min, "the least noise lies between 1e-9 and 1e9"));
    }
    if !(max <= 1e9 && max > min) {
        return Err(Error::argument(
            "sigma_max",
            max,
            format!("the most noise lies above sigma_min = {min}, at most 1e9"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::Schedule;

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let said = |levels, min, max| Schedule::geometric_between(levels, min, max).unwrap_err().to_string();
        assert_eq!(said(10, 0.0, 1.0), "sigma_min = 0: the least noise lies between 1e-9 and 1e9");
        assert_eq!(said(10, f64::NAN, 1.0), "sigma_min = NaN: the least noise lies between 1e-9 and 1e9");
        assert_eq!(said(10, 2.0, 2.0), "sigma_max = 2: the most noise lies above sigma_min = 2, at most 1e9");
        assert_eq!(said(1, 0.1, 2.0), "levels = 1: a schedule needs at least 2 levels");
        let edm = |min, max, rho| Schedule::edm_between(10, min, max, rho).unwrap_err().to_string();
        assert_eq!(edm(0.1, 2.0, 0.0), "rho = 0: the power lies between 0.1 and 100");
        assert_eq!(
            edm(0.1, f64::INFINITY, 7.0),
            "sigma_max = inf: the most noise lies above sigma_min = 0.1, at most 1e9"
        );
    }

    #[test]
    fn below_the_first_level_it_falls_to_the_data() {
        for schedule in [Schedule::geometric(10).unwrap(), Schedule::edm(10).unwrap()] {
            assert_eq!((schedule.sigma(0.0), schedule.log_snr(0.0)), (0.0, f64::INFINITY));
            let (half, first) = (schedule.sigma(0.05), schedule.sigma(0.1));
            assert!((half * half / (first * first) - 0.5).abs() < 1e-12);
        }
    }
}
