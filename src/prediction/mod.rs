//! What a network predicts, how one prediction turns into another, and how much an error counts.
//!
//! A noised image x_t = alpha x_0 + sigma eps has two unknowns and one equation: any second linear equation gives both.

mod convert;
mod description;
mod figure;
mod weight;

pub use weight::LossWeight;

use crate::{Error, Result, Schedule};

/// The quantity that a network is trained to predict from x_t.
///
/// ```
/// use noisebook::prelude::*;
/// let model_target = Prediction::V; // v = alpha eps - sigma x_0
/// assert_eq!(model_target.to_string(), "v");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Prediction {
    /// The noise eps (Ho et al. 2020, eq. 14). Well behaved while something of the image is left; near alpha = 0 its
    /// x_0 = (x_t - sigma eps)/alpha magnifies every error.
    Epsilon,
    /// The clean image x_0 itself. Well behaved at every level; near the data its eps = (x_t - alpha x_0)/sigma magnifies
    /// every error.
    X0,
    /// The velocity v = alpha eps - sigma x_0 (Salimans & Ho 2022, appendix D). Well behaved at every level, unless sigma
    /// outgrows 1.
    V,
    /// The score, which is -eps/sigma: the network says sigma times it, -eps, which keeps its size at every level (Song &
    /// Ermon 2019, section 4.2). Well behaved where [`Epsilon`](Self::Epsilon) is.
    Score,
    /// The velocity u = eps - x_0 of a straight line from image to noise (Liu et al. 2022, eq. 1; Lipman et al. 2022). On
    /// any schedule x_0 = (x_t - sigma u)/(alpha + sigma), so it is well behaved at every level of all.
    Flow,
    /// The network F of D = c_skip x_t + c_out F(c_in x_t), where D is predicted x_0 and the three scales keep what goes in
    /// and what comes out at variance 1 (Karras et al. 2022, eq. 7 and table 1). With noise ratio sigma/alpha and image
    /// x_t/alpha in theirs, it serves any schedule. Well behaved at every level of all.
    Edm {
        /// The standard deviation of the data, above 0: 0.5 in the paper.
        sigma_data: f64,
    },
}

impl Prediction {
    /// EDM's with data of standard deviation 0.5, their default for images in [-1, 1] (Karras et al. 2022, table 1).
    ///
    /// ```
    /// # use noisebook::Prediction;
    /// assert_eq!(Prediction::edm(), Prediction::Edm { sigma_data: 0.5 });
    /// ```
    #[must_use]
    pub fn edm() -> Self {
        Self::Edm { sigma_data: 0.5 }
    }

    /// What x_t is multiplied by on its way into the network, so that its variance is about 1: EDM's
    /// c_in = 1/sqrt(sigma^2 + alpha^2 sigma_data^2), and 1/max(1, sqrt(alpha^2 + sigma^2)) for the others, which is 1 unless
    /// noise explodes.
    ///
    /// ```
    /// # use noisebook::Prediction;
    /// assert_eq!(Prediction::Epsilon.input_scale(0.6, 0.8), 1.0);
    /// assert_eq!(Prediction::Epsilon.input_scale(1.0, 80.0), 1.0 / 1.0_f64.hypot(80.0));
    /// assert_eq!(Prediction::edm().input_scale(1.0, 0.0), 2.0);
    /// ```
    #[must_use]
    pub fn input_scale(self, alpha: f64, sigma: f64) -> f64 {
        match self {
            Self::Edm { sigma_data } => 1.0 / sigma.hypot(alpha * sigma_data),
            _ => 1.0 / sigma.hypot(alpha).max(1.0),
        }
    }

    /// How much larger the square of its error is than that of predicted x_0.
    fn error_factor(self, alpha: f64, sigma: f64) -> f64 {
        let root = match self {
            Self::Epsilon | Self::Score => alpha / sigma,
            Self::X0 => 1.0,
            Self::V => (alpha.powi(2) + sigma.powi(2)) / sigma,
            Self::Flow => (alpha + sigma) / sigma,
            Self::Edm { sigma_data } => sigma.hypot(alpha * sigma_data) / (sigma * sigma_data),
        };
        root.powi(2)
    }

    /// Whether a network can learn this under `schedule`.
    pub(crate) fn check(self, schedule: &Schedule) -> Result<()> {
        let name = schedule.name();
        let rule = match self {
            Self::Epsilon | Self::Score if schedule.alpha(1.0) == 0.0 => {
                format!(
                    "the {name} schedule leaves nothing of the image at t = 1, where the noise says nothing of x_0: predict v, \
                     x_0, flow or edm"
                )
            }
            Self::V if schedule.sigma(1.0) > 1.0 => {
                format!(
                    "in the {name} schedule sigma grows to {}, and v = alpha eps - sigma x_0 with it: predict epsilon, x_0, \
                     score, flow or edm",
                    schedule.sigma(1.0)
                )
            }
            Self::Edm { sigma_data } => return check_sigma_data(sigma_data),
            _ => return Ok(()),
        };
        Err(Error::argument("prediction", self, rule))
    }
}

/// The rule for the standard deviation of the data.
fn check_sigma_data(sigma_data: f64) -> Result<()> {
    if sigma_data.is_finite() && sigma_data > 0.0 {
        return Ok(());
    }
    Err(Error::argument("sigma_data", sigma_data, "the data's standard deviation is a positive number"))
}

#[cfg(test)]
pub(crate) const ALL: [Prediction; 6] = [
    Prediction::Epsilon,
    Prediction::X0,
    Prediction::V,
    Prediction::Score,
    Prediction::Flow,
    Prediction::Edm { sigma_data: 0.5 },
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Closed form 7: c_in gives unit variance; and only exploding noise is scaled for the others.
    #[test]
    fn what_goes_into_the_network_keeps_its_size() {
        for schedule in crate::schedule::all(10) {
            for t in [0.1, 0.5, 1.0] {
                let (alpha, sigma) = (schedule.alpha(t), schedule.sigma(t));
                let scale = Prediction::Edm { sigma_data: 0.3 }.input_scale(alpha, sigma);
                let variance = scale.powi(2) * ((0.3 * alpha).powi(2) + sigma.powi(2));
                assert!((variance - 1.0).abs() < 1e-12, "{schedule:?} {t}: {variance}");
                let scale = Prediction::Flow.input_scale(alpha, sigma);
                let expected = if sigma > 1.0 || alpha == 1.0 { 1.0 / (1.0 + sigma * sigma).sqrt() } else { 1.0 };
                assert!((scale - expected).abs() < 1e-12, "{schedule:?} {t}: {scale}");
                assert_eq!(scale as f32, expected as f32); // float32 images are multiplied by 1 or left alone
            }
        }
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let said = |one: Prediction, schedule: Result<Schedule>| one.check(&schedule.unwrap()).unwrap_err().to_string();
        assert_eq!(
            said(Prediction::Epsilon, Schedule::flow(10)),
            "prediction = epsilon: the flow schedule leaves nothing of the image at t = 1, where the noise says nothing of \
             x_0: predict v, x_0, flow or edm"
        );
        let zero = Schedule::cosine(10).unwrap().zero_terminal_snr();
        let start = "prediction = score: the zero-terminal cosine schedule leaves nothing of the image";
        assert!(said(Prediction::Score, zero).starts_with(start));
        assert_eq!(
            said(Prediction::V, Schedule::edm_between(10, 0.1, 16.0, 1.0)),
            "prediction = v: in the edm schedule sigma grows to 16, and v = alpha eps - sigma x_0 with it: predict epsilon, \
             x_0, score, flow or edm"
        );
        assert!(said(Prediction::V, Schedule::geometric(10)).starts_with("prediction = v: in the geometric schedule"));
        for sigma_data in [0.0, f64::NAN] {
            assert_eq!(
                said(Prediction::Edm { sigma_data }, Schedule::edm(10)),
                format!("sigma_data = {sigma_data}: the data's standard deviation is a positive number")
            );
        }
    }
}
