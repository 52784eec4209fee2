//! How much the error at each level counts in the loss.

use super::{Prediction, check_sigma_data};
use crate::{Error, Result, Schedule};

/// The weight of each level in the loss, which is the mean over the batch of weight(t) times the mean squared error of the
/// prediction.
///
/// Papers give it for one prediction or another; here all but [`Simple`](Self::Simple) are weights of
/// |x_0 - predicted x_0|^2, so that they mean the same for every prediction: |F - predicted F|^2 is k times that, with k = SNR
/// for epsilon and score, 1 for x_0, ((alpha^2 + sigma^2)/sigma)^2 for v, ((alpha + sigma)/sigma)^2 for flow, 1/c_out^2 for
/// edm, and counts by the weight over k.
///
/// ```
/// use noisebook::prelude::*;
/// let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
/// let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?.loss_weight(LossWeight::min_snr());
/// let loss = model.loss(&Dataset::digits()?.batch(8, 0)?, 1)?;
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum LossWeight {
    /// 1 for the prediction's own error, whatever it is (Ho et al. 2020, eq. 14). The default.
    #[default]
    Simple,
    /// min(SNR, gamma): images of little noise, which are easily told, count no more than at SNR = gamma (Hang et al. 2023,
    /// "Efficient Diffusion Training via Min-SNR Weighting Strategy").
    MinSnr {
        /// The greatest SNR that counts, above 0: 5 in the paper.
        gamma: f64,
    },
    /// 1/c_out^2 = (sigma^2 + alpha^2 sigma_data^2)/(sigma sigma_data)^2: 1 for the [`Edm`](Prediction::Edm) prediction of the
    /// same sigma_data (Karras et al. 2022, table 1).
    Edm {
        /// The standard deviation of the data, above 0: 0.5 in the paper.
        sigma_data: f64,
    },
    /// -SNR'(t)/2: with levels drawn uniformly the loss, times the numbers in an image, is the variational bound in nats, but
    /// for its ends (Kingma et al. 2021, "Variational Diffusion Models"; Song et al. 2021, "Maximum Likelihood Training of
    /// Score-Based Diffusion Models", where it is g^2 for the score).
    Likelihood,
    /// max(SNR, 1): as simple noise prediction, but where there is more noise than image x_0 itself counts (Salimans & Ho
    /// 2022, section 4).
    TruncatedSnr,
}

impl LossWeight {
    /// Min-SNR with gamma = 5 (Hang et al. 2023).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// assert_eq!(LossWeight::min_snr(), LossWeight::MinSnr { gamma: 5.0 });
    /// ```
    #[must_use]
    pub fn min_snr() -> Self {
        Self::MinSnr { gamma: 5.0 }
    }

    /// EDM's for data of standard deviation 0.5 (Karras et al. 2022, table 1).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// assert_eq!(LossWeight::edm(), LossWeight::Edm { sigma_data: 0.5 });
    /// ```
    #[must_use]
    pub fn edm() -> Self {
        Self::Edm { sigma_data: 0.5 }
    }

    /// The weight of the squared error of `prediction` at time `t` in (0, 1].
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let (schedule, weight) = (Schedule::cosine(1_000)?, LossWeight::min_snr());
    /// let snr = schedule.log_snr(0.2).exp(); // about 9: more than 5
    /// assert!((weight.weight(&schedule, Prediction::Epsilon, 0.2) - 5.0 / snr).abs() < 1e-9);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn weight(self, schedule: &Schedule, prediction: Prediction, t: f64) -> f64 {
        let (alpha, sigma) = (schedule.alpha(t), schedule.sigma(t));
        let snr = (alpha / sigma).powi(2);
        let of_x0 = match self {
            Self::Simple => return 1.0,
            Self::MinSnr { gamma } => snr.min(gamma),
            Self::Edm { sigma_data } => Prediction::Edm { sigma_data }.error_factor(alpha, sigma),
            // alpha alpha' is 0 where nothing is left of the image, and SNR' with it.
            Self::Likelihood if alpha == 0.0 => 0.0,
            // -d ln SNR/dt is g^2/sigma^2.
            Self::Likelihood => 0.5 * snr * (schedule.diffusion(t) / sigma).powi(2),
            Self::TruncatedSnr => snr.max(1.0),
        };
        of_x0 / prediction.error_factor(alpha, sigma)
    }

    pub(crate) fn check(self) -> Result<()> {
        match self {
            Self::MinSnr { gamma } if !(gamma.is_finite() && gamma > 0.0) => {
                Err(Error::argument("gamma", gamma, "the greatest SNR that counts is a positive number"))
            }
            Self::Edm { sigma_data } => check_sigma_data(sigma_data),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ALL;
    use super::*;

    fn close(value: f64, expected: f64, what: &str) {
        assert!((value - expected).abs() <= 1e-9 * expected.abs(), "{what}: {value} is not {expected}");
    }

    /// Closed form 5, for a variance-preserving schedule.
    #[test]
    fn min_snr_is_that_of_the_paper() {
        let schedule = Schedule::cosine(1_000).unwrap();
        for t in [0.001, 0.2, 0.5, 0.9, 1.0] {
            let (alpha, sigma) = (schedule.alpha(t), schedule.sigma(t));
            let snr = (alpha / sigma).powi(2);
            let weight = |prediction| LossWeight::min_snr().weight(&schedule, prediction, t);
            close(weight(Prediction::Epsilon), snr.min(5.0) / snr, "epsilon");
            close(weight(Prediction::X0), snr.min(5.0), "x_0");
            close(weight(Prediction::V), snr.min(5.0) / (snr + 1.0), "v");
        }
    }

    /// Closed form 7: lambda c_out^2 = 1; and in their own words lambda = (sigma^2 + d^2)/(sigma d)^2 of D's error.
    #[test]
    fn edm_weighs_its_own_prediction_evenly() {
        for schedule in crate::schedule::all(10) {
            for t in [0.1, 0.5, 1.0] {
                close(LossWeight::edm().weight(&schedule, Prediction::edm(), t), 1.0, "edm");
            }
        }
        let edm = Schedule::edm(10).unwrap();
        let sigma = edm.sigma(0.4);
        let lambda = (sigma * sigma + 0.25) / (0.5 * sigma).powi(2);
        close(LossWeight::edm().weight(&edm, Prediction::X0, 0.4), lambda, "lambda");
    }

    /// The slope of SNR itself; and beta/2 sigma^2 of the noise's error in the VP SDE.
    #[test]
    fn likelihood_is_the_slope_of_the_snr() {
        for schedule in crate::schedule::all(10) {
            for t in [0.15, 0.45, 0.95] {
                let snr = |t: f64| schedule.log_snr(t).exp();
                let slope = (snr(t + 1e-6) - snr(t - 1e-6)) / 2e-6;
                let weight = LossWeight::Likelihood.weight(&schedule, Prediction::X0, t);
                assert!((weight / (-0.5 * slope) - 1.0).abs() < 1e-5, "{schedule:?} {t}: {weight}");
            }
        }
        let vp = Schedule::vp(10).unwrap();
        let expected = 0.5 * 10.05 / vp.sigma(0.5).powi(2);
        close(LossWeight::Likelihood.weight(&vp, Prediction::Epsilon, 0.5), expected, "noise");
        let flow = Schedule::flow(10).unwrap(); // SNR = (1 - t)^2/t^2, so -SNR'/2 = (1 - t)/t^3
        close(LossWeight::Likelihood.weight(&flow, Prediction::X0, 0.5), 4.0, "flow");
        close(LossWeight::Likelihood.weight(&flow, Prediction::Flow, 1.0), 0.0, "flow at 1");
    }

    /// max(SNR, 1) of x_0's error is max(1, 1/SNR) of the noise's: Salimans & Ho 2022, section 4.
    #[test]
    fn truncated_snr_counts_x0_where_noise_prevails() {
        let schedule = Schedule::linear(1_000).unwrap();
        for (t, prevails) in [(0.05, false), (0.9, true)] {
            let snr = schedule.log_snr(t).exp();
            let weight = |prediction| LossWeight::TruncatedSnr.weight(&schedule, prediction, t);
            close(weight(Prediction::X0), if prevails { 1.0 } else { snr }, "x_0");
            close(weight(Prediction::Epsilon), if prevails { 1.0 / snr } else { 1.0 }, "epsilon");
        }
    }

    /// The noise's error is x_0's times sqrt(SNR), and so on: by changing predicted x_0 and converting.
    #[test]
    fn errors_of_different_predictions_count_alike() {
        use tch::Tensor;
        for schedule in crate::schedule::all(10) {
            let (alpha, sigma) = (Tensor::from(schedule.alpha(0.6)), Tensor::from(schedule.sigma(0.6)));
            for prediction in ALL.into_iter().filter(|one| one.check(&schedule).is_ok()) {
                let said = |x0: f64| {
                    let (xt, x0) = (Tensor::from(0.7), Tensor::from(x0));
                    Prediction::X0.convert(prediction, &xt, &x0, &alpha, &sigma).unwrap().double_value(&[])
                };
                let error = (said(0.3) - said(-0.5)).powi(2);
                let weight = LossWeight::min_snr().weight(&schedule, prediction, 0.6);
                let expected = LossWeight::min_snr().weight(&schedule, Prediction::X0, 0.6) * 0.8 * 0.8;
                close(weight * error, expected, &format!("{prediction} {schedule:?}"));
            }
        }
    }

    #[test]
    fn every_level_has_a_finite_weight() {
        let all = [LossWeight::Simple, LossWeight::min_snr(), LossWeight::edm(), LossWeight::Likelihood];
        for schedule in crate::schedule::all(1_000) {
            for prediction in ALL.into_iter().filter(|one| one.check(&schedule).is_ok()) {
                for weight in all.into_iter().chain([LossWeight::TruncatedSnr]) {
                    for t in [0.001, 0.5, 0.999, 1.0] {
                        let weight = weight.weight(&schedule, prediction, t);
                        assert!(weight.is_finite() && weight >= 0.0, "{weight} {prediction} {schedule:?} {t}");
                    }
                }
            }
        }
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let said = |weight: LossWeight| weight.check().unwrap_err().to_string();
        let rule = "the greatest SNR that counts is a positive number";
        assert_eq!(said(LossWeight::MinSnr { gamma: 0.0 }), format!("gamma = 0: {rule}"));
        assert_eq!(said(LossWeight::MinSnr { gamma: f64::NAN }), format!("gamma = NaN: {rule}"));
        let rule = "the data's standard deviation is a positive number";
        assert_eq!(said(LossWeight::Edm { sigma_data: -1.0 }), format!("sigma_data = -1: {rule}"));
    }
}
