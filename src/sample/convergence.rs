//! What a sampler without fresh noise comes to as its steps grow shorter.

use super::sampler::{Sampler, Steps};
use crate::{Error, Result};

/// The same sampler in so many steps.
pub(super) fn limit_of(sampler: &Sampler, steps: usize) -> Result<Sampler> {
    if sampler.method.is_random(&sampler.knobs) {
        let rule = "its fresh noise leads to other samples with other steps: see distances(&data)";
        return Err(Error::argument("sampler", format!("{sampler:?}"), rule));
    }
    match sampler.steps {
        Steps::Count(_) => Ok(Sampler { steps: Steps::Count(steps), ..sampler.clone() }),
        _ => Err(misplaced(sampler, steps)),
    }
}

/// Steps were asked of a sampler that has none to set.
pub(super) fn misplaced(sampler: &Sampler, steps: usize) -> Error {
    let name = sampler.method.name();
    let rule = format!("{name} has no number of steps to set: it takes every level, or chooses its own");
    Error::argument("steps", steps, rule)
}
