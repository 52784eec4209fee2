//! Predictions and weights in words: what a file says of them, and back.

use super::{LossWeight, Prediction};
use crate::Result;
use crate::fields::Fields;
use serde_json::{Value, json};

impl Prediction {
    pub(crate) fn to_json(self) -> Value {
        match self {
            Self::Epsilon => json!({"name": "epsilon"}),
            Self::X0 => json!({"name": "x0"}),
            Self::V => json!({"name": "v"}),
            Self::Score => json!({"name": "score"}),
            Self::Flow => json!({"name": "flow"}),
            Self::Edm { sigma_data } => json!({"name": "edm", "sigma_data": sigma_data}),
        }
    }

    pub(crate) fn from_json(fields: &Fields) -> Result<Self> {
        Ok(match fields.text("name")? {
            "epsilon" => Self::Epsilon,
            "x0" => Self::X0,
            "v" => Self::V,
            "score" => Self::Score,
            "flow" => Self::Flow,
            "edm" => Self::Edm { sigma_data: fields.number("sigma_data")? },
            _ => return Err(fields.unknown("name")),
        })
    }
}

impl LossWeight {
    pub(crate) fn to_json(self) -> Value {
        match self {
            Self::Simple => json!({"name": "simple"}),
            Self::MinSnr { gamma } => json!({"name": "min_snr", "gamma": gamma}),
            Self::Edm { sigma_data } => json!({"name": "edm", "sigma_data": sigma_data}),
            Self::Likelihood => json!({"name": "likelihood"}),
            Self::TruncatedSnr => json!({"name": "truncated_snr"}),
        }
    }

    pub(crate) fn from_json(fields: &Fields) -> Result<Self> {
        Ok(match fields.text("name")? {
            "simple" => Self::Simple,
            "min_snr" => Self::MinSnr { gamma: fields.number("gamma")? },
            "edm" => Self::Edm { sigma_data: fields.number("sigma_data")? },
            "likelihood" => Self::Likelihood,
            "truncated_snr" => Self::TruncatedSnr,
            _ => return Err(fields.unknown("name")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::ALL;
    use super::*;

    #[test]
    fn they_come_back() {
        for prediction in ALL.into_iter().chain([Prediction::Edm { sigma_data: 1.0 / 3.0 }]) {
            let text = prediction.to_json().to_string();
            let value: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(Prediction::from_json(&Fields(value.as_object().unwrap())).unwrap(), prediction);
        }
        let third = 1.0 / 3.0;
        for weight in [
            LossWeight::Simple,
            LossWeight::MinSnr { gamma: third },
            LossWeight::Edm { sigma_data: third },
            LossWeight::Likelihood,
            LossWeight::TruncatedSnr,
        ] {
            let value: Value = serde_json::from_str(&weight.to_json().to_string()).unwrap();
            assert_eq!(LossWeight::from_json(&Fields(value.as_object().unwrap())).unwrap(), weight);
        }
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let value = json!({"name": "noise"});
        let fields = Fields(value.as_object().unwrap());
        let rule = "name = \"noise\": the file's description names what this version does not know";
        assert_eq!(Prediction::from_json(&fields).unwrap_err().to_string(), rule);
        assert_eq!(LossWeight::from_json(&fields).unwrap_err().to_string(), rule);
    }
}
