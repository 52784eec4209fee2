//! The forward process: from an image to noise, in one jump, step by step, and as an SDE; and one step back where x_0 is
//! known.
//!
//! | what | equation | |
//! |---|---|---|
//! | [`Schedule::noise`](crate::Schedule::noise) | q(x_t \| x_0) = N(alpha_t x_0, sigma_t^2 I) | one jump |
//! | [`Schedule::transition`](crate::Schedule::transition), [`Schedule::walk`](crate::Schedule::walk) | q(x_t \| x_s) | the Markov chain |
//! | [`Schedule::posterior`](crate::Schedule::posterior) | q(x_s \| x_t, x_0) | one step back |
//! | [`Schedule::score`](crate::Schedule::score) | grad ln q(x_t \| x_0) = (alpha_t x_0 - x_t)/sigma_t^2 | uphill to the data |
//! | [`Schedule::sde`](crate::Schedule::sde) | dx = f x dt + g dw | ever smaller steps |

mod figure;
mod noise;
mod paths;
mod posterior;
mod score;
mod sde;
mod transition;
mod walk;

pub use noise::{Noising, Strip};
pub(crate) use paths::Law;
pub use paths::Paths;
pub use posterior::Posterior;
pub use transition::Transition;
pub use walk::Walk;

use crate::{Error, Result};

/// The rule for a step between two times, s before t.
fn check_times(t: f64, s: f64) -> Result<()> {
    check_noisy(t)?;
    if !(0.0..t).contains(&s) {
        return Err(Error::argument(
            "s",
            s,
            format!("the later time comes first, and s lies below t = {t}, from 0 (data)"),
        ));
    }
    Ok(())
}

/// The rule for a time at which there is noise.
fn check_noisy(t: f64) -> Result<()> {
    if !(t > 0.0 && t <= 1.0) {
        return Err(Error::argument(
            "t",
            t,
            "time runs from 0 (data), where there is no noise, to 1 (noise): take t above 0",
        ));
    }
    Ok(())
}
