//! Predictions and weights in words and curves.

use super::{LossWeight, Prediction};
use crate::show::{Bundle, Chart, Show};
use crate::{Result, Schedule};
use std::fmt;

impl fmt::Display for Prediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Epsilon => "epsilon",
            Self::X0 => "x_0",
            Self::V => "v",
            Self::Score => "score",
            Self::Flow => "flow",
            Self::Edm { .. } => "edm",
        })
    }
}

impl Show for Prediction {
    fn bundle(&self) -> Result<Bundle> {
        let [what, x0, source, well] = match self {
            Self::Epsilon => [
                "the noise eps",
                "(x_t - sigma eps)/alpha",
                "Ho et al. 2020, eq. 14",
                "while something of the image is left",
            ],
            Self::X0 => ["the image x_0", "what the network says", "Ho et al. 2020, section 3.2", "at every level"],
            Self::V => [
                "the velocity v = alpha eps - sigma x_0",
                "(alpha x_t - sigma v)/(alpha^2 + sigma^2)",
                "Salimans & Ho 2022, appendix D",
                "at every level, unless sigma outgrows 1",
            ],
            Self::Score => [
                "sigma times the score, -eps",
                "(x_t + sigma (sigma score))/alpha",
                "Song & Ermon 2019, section 4.2",
                "while something of the image is left",
            ],
            Self::Flow => [
                "the velocity u = eps - x_0",
                "(x_t - sigma u)/(alpha + sigma)",
                "Liu et al. 2022, eq. 1; Lipman et al. 2022",
                "at every level of any schedule",
            ],
            Self::Edm { .. } => [
                "F of c_skip x_t + c_out F(c_in x_t)",
                "c_skip x_t + c_out F",
                "Karras et al. 2022, eq. 7 and table 1",
                "at every level of any schedule",
            ],
        };
        let data = match self {
            Self::Edm { sigma_data } => format!("\nsigma_data:   {sigma_data}"),
            _ => String::new(),
        };
        Ok(Bundle::text(format!(
            "Prediction {self}: {what}\nx_0:          {x0}\nsource:       {source}\nwell behaved: {well}{data}"
        )))
    }
}

impl LossWeight {
    /// Draws all weights for a network that predicts `prediction`, against time: those of its own squared error, with
    /// gamma = 5 and sigma_data = 0.5.
    ///
    /// # Errors
    /// A prediction that makes no sense for this schedule.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let chart = LossWeight::curves(&Schedule::cosine(1_000)?, Prediction::V)?;
    /// assert!(chart.bundle()?.plain_text().contains("min-SNR: 1,000 points"));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn curves(schedule: &Schedule, prediction: Prediction) -> Result<Chart> {
        prediction.check(schedule)?;
        let chart = Chart::new(format!("Weight of the error of {prediction}, {} schedule", schedule.name()))
            .x_label("time t")
            .y_label("weight")
            .log_y();
        let all = [Self::Simple, Self::min_snr(), Self::edm(), Self::Likelihood, Self::TruncatedSnr];
        Ok(all.into_iter().fold(chart, |chart, weight| {
            let (t, weights) = schedule.curve(|t| weight.weight(schedule, prediction, t));
            chart.line(weight.name(), &t, &weights)
        }))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::MinSnr { .. } => "min-SNR",
            Self::Edm { .. } => "EDM",
            Self::Likelihood => "likelihood",
            Self::TruncatedSnr => "truncated SNR",
        }
    }
}

impl fmt::Display for LossWeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MinSnr { gamma } => write!(f, "min-SNR with gamma = {gamma}"),
            Self::Edm { sigma_data } => write!(f, "EDM with sigma_data = {sigma_data}"),
            _ => f.write_str(self.name()),
        }
    }
}

impl Show for LossWeight {
    fn bundle(&self) -> Result<Bundle> {
        let [weight, source] = match self {
            Self::Simple => ["1 for the error of the prediction itself", "Ho et al. 2020, eq. 14"],
            Self::MinSnr { .. } => ["min(SNR, gamma)", "Hang et al. 2023"],
            Self::Edm { .. } => ["1/c_out^2", "Karras et al. 2022, table 1"],
            Self::Likelihood => ["-SNR'(t)/2: the sum is the variational bound", "Kingma et al. 2021"],
            Self::TruncatedSnr => ["max(SNR, 1)", "Salimans & Ho 2022, section 4"],
        };
        let of = if *self == Self::Simple { "weight:" } else { "weight of |x_0 - predicted x_0|^2:" };
        Ok(Bundle::text(format!("Loss weight {self}\n{of} {weight}\nsource: {source}")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::ALL;
    use super::*;

    #[test]
    fn they_say_what_they_are() {
        let text = |value: &dyn Show| value.bundle().unwrap().plain_text().to_string();
        for prediction in ALL {
            let text = text(&prediction);
            assert!(text.starts_with(&format!("Prediction {prediction}: ")) && text.lines().count() >= 4, "{text}");
        }
        assert!(text(&Prediction::edm()).ends_with("sigma_data:   0.5"));
        assert_eq!(
            text(&LossWeight::min_snr()),
            "Loss weight min-SNR with gamma = 5\nweight of |x_0 - predicted x_0|^2: min(SNR, gamma)\n\
             source: Hang et al. 2023"
        );
    }

    #[test]
    fn curves_refuse_what_makes_no_sense() {
        let error = LossWeight::curves(&Schedule::flow(10).unwrap(), Prediction::Score).unwrap_err().to_string();
        assert!(error.starts_with("prediction = score: the flow schedule leaves nothing"), "{error}");
    }
}
