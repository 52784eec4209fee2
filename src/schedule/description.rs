//! Schedules in words: what a file says of them, and back, to the last digit.

use super::{Schedule, TrainingLevels};
use crate::Result;
use crate::fields::Fields;
use serde_json::{Map, Value, json};

/// The constructors that take the number of levels alone.
type Named = fn(usize) -> Result<Schedule>;

fn named(name: &str) -> Option<Named> {
    Some(match name {
        "linear" => Schedule::linear,
        "cosine" => Schedule::cosine,
        "sigmoid" => Schedule::sigmoid,
        "vp" => Schedule::vp,
        "sub_vp" => Schedule::sub_vp,
        "flow" => Schedule::flow,
        _ => return None,
    })
}

impl Schedule {
    /// What made it, its levels, and its constructor's arguments; or, if it is not one of those with a name, its betas. Then
    /// what the reader calls it, if that is something else.
    pub(crate) fn to_json(&self) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("name".into(), self.kind().into());
        map.insert("levels".into(), self.levels().into());
        for &(argument, value) in self.curve.arguments() {
            map.insert(argument.into(), value.into());
        }
        if let Ok(chain) = self.curve.chain()
            && named(self.kind()).is_none()
        {
            map.insert("betas".into(), chain.betas.clone().into());
        }
        if self.name() != self.kind() {
            map.insert("called".into(), self.name().into());
        }
        map
    }

    /// The same schedule again.
    pub(crate) fn from_json(fields: &Fields) -> Result<Self> {
        let made = Self::made(fields)?;
        if fields.has("called") { Ok(made.named(fields.text("called")?)) } else { Ok(made) }
    }

    fn made(fields: &Fields) -> Result<Self> {
        let name = fields.text("name")?;
        let levels = fields.count("levels")? as usize;
        let sigmas = || -> Result<(f64, f64)> { Ok((fields.number("sigma_min")?, fields.number("sigma_max")?)) };
        if let Some(make) = named(name) {
            return make(levels);
        }
        match name {
            "geometric" => {
                let (min, max) = sigmas()?;
                Self::geometric_between(levels, min, max)
            }
            "edm" => {
                let (min, max) = sigmas()?;
                Self::edm_between(levels, min, max, fields.number("rho")?)
            }
            _ if fields.has("betas") => {
                let own = Self::from_betas(fields.numbers("betas")?)?;
                Ok(Self { kind: name.into(), ..own.named(name) })
            }
            _ => Err(fields.unknown("name")),
        }
    }
}

impl TrainingLevels {
    pub(crate) fn to_json(self) -> Value {
        match self {
            Self::Levels => json!({"name": "levels"}),
            Self::Uniform => json!({"name": "uniform"}),
            Self::LogNormal { mean, std } => json!({"name": "log_normal", "mean": mean, "std": std}),
            Self::LogitNormal { mean, std } => json!({"name": "logit_normal", "mean": mean, "std": std}),
            Self::UniformLogSnr => json!({"name": "uniform_log_snr"}),
        }
    }

    pub(crate) fn from_json(fields: &Fields) -> Result<Self> {
        let normal = || -> Result<(f64, f64)> { Ok((fields.number("mean")?, fields.number("std")?)) };
        Ok(match fields.text("name")? {
            "levels" => Self::Levels,
            "uniform" => Self::Uniform,
            "log_normal" => {
                let (mean, std) = normal()?;
                Self::LogNormal { mean, std }
            }
            "logit_normal" => {
                let (mean, std) = normal()?;
                Self::LogitNormal { mean, std }
            }
            "uniform_log_snr" => Self::UniformLogSnr,
            _ => return Err(fields.unknown("name")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::all;

    /// Through text, as in a file.
    fn through(map: &Map<String, Value>) -> Map<String, Value> {
        serde_json::from_str(&Value::from(map.clone()).to_string()).unwrap()
    }

    #[test]
    fn all_schedules_come_back_to_the_last_digit() {
        let third = 1.0 / 3.0;
        let own = [
            Schedule::from_betas((1..=40).map(|i| third * f64::from(i) / 40.0)),
            Schedule::from_betas([0.1, 0.7, 1.0]),
            Schedule::from_betas([0.1, third]).and_then(|own| own.zero_terminal_snr()),
            Schedule::geometric_between(9, third, 7.1),
            Schedule::edm_between(9, third, 81.3, 6.9),
            Schedule::sigmoid(50).and_then(|sigmoid| sigmoid.zero_terminal_snr()),
            Schedule::vp(50).and_then(|vp| vp.zero_terminal_snr()),
            // Named after another, or as nothing is.
            Schedule::from_betas([0.1, third]).map(|own| own.named("linear")),
            Schedule::edm(9).map(|edm| edm.named("mine")),
            Schedule::cosine(9).and_then(|cosine| cosine.named("mine").zero_terminal_snr()),
        ];
        for schedule in all(1_000).into_iter().chain(own.map(Result::unwrap)) {
            let map = through(&schedule.to_json());
            let back = Schedule::from_json(&Fields(&map)).unwrap();
            assert_eq!((back.name(), back.levels()), (schedule.name(), schedule.levels()));
            assert_eq!(back.betas().ok(), schedule.betas().ok());
            for t in (0..=300).map(|i| f64::from(i) / 300.0) {
                let of = |one: &Schedule| {
                    [one.alpha(t), one.sigma(t), one.log_snr(t), one.drift(t), one.diffusion(t)].map(f64::to_bits)
                };
                assert_eq!(of(&back), of(&schedule), "{schedule:?} at {t}");
            }
        }
    }

    #[test]
    fn training_levels_come_back() {
        let normal = (0.1 + 0.2, 1.0 / 3.0);
        for levels in [
            TrainingLevels::Levels,
            TrainingLevels::Uniform,
            TrainingLevels::LogNormal { mean: normal.0, std: normal.1 },
            TrainingLevels::LogitNormal { mean: -normal.0, std: normal.1 },
            TrainingLevels::UniformLogSnr,
        ] {
            let map = through(levels.to_json().as_object().unwrap());
            assert_eq!(TrainingLevels::from_json(&Fields(&map)).unwrap(), levels);
        }
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let said = |value: Value| Schedule::from_json(&Fields(value.as_object().unwrap())).unwrap_err().to_string();
        let unknown = "name = \"spiral\": the file's description names what this version does not know";
        assert_eq!(said(json!({"name": "spiral", "levels": 9})), unknown);
        let count = "levels = -1: the file's description needs a whole number, 0 or more, here";
        assert_eq!(said(json!({"name": "linear", "levels": -1})), count);
        let rule = "rho = null: the file's description needs a number here";
        assert_eq!(said(json!({"name": "edm", "levels": 9, "sigma_min": 1, "sigma_max": 2})), rule);
        let betas = "betas[1] = 2: each beta lies between 0 and 1, neither included; the last may be 1";
        assert_eq!(said(json!({"name": "custom", "levels": 2, "betas": [0.5, 2]})), betas);
    }
}
