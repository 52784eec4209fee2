//! In what samplers differ, in words and in numbers.

use super::distances::Axis;
use super::sampler::{Sampler, Steps};
use crate::show::{digits, grouped};

/// What one says of a sampler, in this order.
const STEPS: usize = 1;
const ETA: usize = 2;
const GUIDANCE: usize = 3;
const WORDS: usize = 10;

/// The words for each of several samplers, and which of them differ.
#[derive(Debug)]
pub(super) struct Differences {
    words: Vec<[String; WORDS]>,
    differ: [bool; WORDS],
    guided: bool,
}

fn words(sampler: &Sampler) -> [String; WORDS] {
    let knobs = &sampler.knobs;
    let named =
        |name: &str, value: Option<f64>| value.map_or(String::new(), |value| format!("{name} {}", digits(value)));
    let steps = match sampler.steps {
        Steps::EveryLevel => "every level".to_string(),
        Steps::Moments(_) => "adaptive steps".into(),
        Steps::Count(1) | Steps::Misplaced(1) => "1 step".into(),
        Steps::Count(steps) | Steps::Misplaced(steps) => format!("{} steps", grouped(steps)),
    };
    [
        sampler.method.name().to_string(),
        steps,
        named("eta", knobs.eta),
        format!("w = {}", digits(sampler.guidance_scale)),
        named("corrections", knobs.corrections.map(|count| count as f64)),
        named("snr", knobs.snr),
        named("tolerance", knobs.tolerance),
        sampler.spacing.map_or(String::new(), |spacing| spacing.to_string()),
        sampler.clip.map_or(String::new(), |clip| if clip { "clipped".into() } else { "not clipped".into() }),
        format!("seed {}", sampler.seed),
    ]
}

fn joined<'a>(words: impl Iterator<Item = &'a String>) -> String {
    words.filter(|word| !word.is_empty()).cloned().collect::<Vec<_>>().join(", ")
}

impl Differences {
    pub(super) fn of(samplers: &[Sampler]) -> Self {
        let words: Vec<_> = samplers.iter().map(words).collect();
        let differ = std::array::from_fn(|at| words.iter().any(|other| other[at] != words[0][at]));
        let guided = samplers.iter().any(|sampler| sampler.guidance_scale != 1.0);
        Self { words, differ, guided }
    }

    /// All that there is to say of one.
    pub(super) fn in_full(sampler: &Sampler) -> String {
        joined(words(sampler).iter())
    }

    /// What tells each from the others; where nothing does, the sampler and its steps.
    pub(super) fn names(&self) -> Vec<String> {
        let different = self.differ.contains(&true);
        self.without(&|at| if different { !self.differ[at] } else { at > STEPS })
    }

    /// The words of each but for those left out.
    fn without(&self, left_out: &dyn Fn(usize) -> bool) -> Vec<String> {
        let kept = |words: &[String; WORDS]| joined((0..WORDS).filter(|&at| !left_out(at)).map(|at| &words[at]));
        self.words.iter().map(kept).collect()
    }

    /// What is true of all of them, as a title.
    pub(super) fn common(&self) -> String {
        let last = WORDS - 1;
        let shared = |at: &usize| !self.differ[*at] && (*at != GUIDANCE || self.guided) && *at != last;
        let common = joined((0..WORDS).filter(shared).map(|at| &self.words[0][at]));
        let seed = if self.differ[last] { String::new() } else { format!(", {}", self.words[0][last]) };
        let from = if common.is_empty() { "From the same noise" } else { ", from the same noise" };
        format!("{common}{from}{seed}")
    }

    /// The number in which they differ, if it is one alone; else what they cost.
    pub(super) fn axis(&self, samplers: &[Sampler], evaluations: &[usize]) -> Axis {
        let alone = |one: usize| self.differ.iter().enumerate().all(|(at, &differs)| differs == (at == one));
        let evaluated = || evaluations.iter().map(|&count| count as f64).collect();
        let (label, log, xs): (_, _, Vec<f64>) = if alone(GUIDANCE) {
            ("guidance scale w", false, samplers.iter().map(|sampler| sampler.guidance_scale).collect())
        } else if alone(ETA) {
            ("eta", false, samplers.iter().map(|sampler| sampler.knobs.eta.unwrap_or(0.0)).collect())
        } else {
            ("evaluations of the denoiser", true, evaluated())
        };
        let on_axis = |at: usize| !self.differ[at] || at == STEPS || ([GUIDANCE, ETA].contains(&at) && alone(at));
        Axis { label, log, xs, lines: self.without(&on_axis) }
    }
}
