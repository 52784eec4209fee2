//! The way back: from noise to data.
//!
//! x_t = alpha x_0 + sigma eps, and a denoiser says what x_0 to expect of x_t. All samplers walk down the levels with that
//! answer; they differ in whether they take fresh noise, and in how they draw the answer on from level to level.
//!
//! | sampler | new noise | order | evaluations a step | |
//! |---|---|---|---|---|
//! | [`ddpm`](Sampler::ddpm), [`ddpm_beta`](Sampler::ddpm_beta) | yes | 1 | 1 | the Markov chain backwards |
//! | [`ddim`](Sampler::ddim), [`euler`](Sampler::euler) | no (`eta`) | 1 | 1 | straight lines of x/alpha against sigma/alpha |
//! | [`ancestral`](Sampler::ancestral) | yes | 1 | 1 | DDPM's step between any levels |
//! | [`heun`](Sampler::heun) | no | 2 | 2 | the mean slope of a step |
//! | [`dpmpp_2m`](Sampler::dpmpp_2m) | no | 2 | 1 | remembers the last step |
//! | [`dpmpp_2m_sde`](Sampler::dpmpp_2m_sde) | yes | 2 | 1 | the same with fresh noise |
//! | [`unipc`](Sampler::unipc) | no | 3 | 1 | and corrects it |
//! | [`dpm_solver_3`](Sampler::dpm_solver_3) | no | 3 | 3 | looks ahead twice |
//! | [`probability_flow`](Sampler::probability_flow) | no | 5, adaptive | as needed | as exact as you ask |
//! | [`reverse_sde`](Sampler::reverse_sde) | yes | 1 | 1 | the SDE backwards |
//! | [`predictor_corrector`](Sampler::predictor_corrector) | yes | 1 | 2 | the SDE, and Langevin dynamics |
//! | [`annealed_langevin`](Sampler::annealed_langevin) | yes | | many | Langevin dynamics alone |
//!
//! Some are biased by design, and all by steps that are too long. With the exact denoiser of a Gaussian of variance 1/4 and the
//! linear schedule of 1,000 levels, the variance of the samples comes out as this part of the true one (by recursion:
//! tests/fixtures/biases.py); `probability_flow` misses less than 0.1%.
//!
//! | sampler | steps | variance |
//! |---|---|---|
//! | `ddpm`, `ddpm_beta` | 1,000 | 0.985, 1.003 |
//! | `ddim`, `euler` | 100 | 0.943, 0.941 |
//! | `ancestral` | 250 | 0.950 |
//! | `heun` | 50 | 1.013 |
//! | `dpmpp_2m`, `dpmpp_2m_sde` | 50, 60 | 1.004, 1.008 |
//! | `unipc` | 30 | 1.005 |
//! | `dpm_solver_3` | 15 | 1.001 |
//! | `reverse_sde` | 1,000 | 1.004 |
//! | `predictor_corrector` | 1,000 | 1.025 |
//! | `annealed_langevin` | 100 | 1.053 |
//!
//! What a denoiser says can be changed before a sampler sees it, by a denoiser around it: [`ClassifierFree`] and
//! [`ClassifierGuided`] push it towards a label, [`Restore`] holds what a [`Measurement`] knows.
//!
//! [`Sampler::compare`] lays samplers beside one another, from the same noise: [`Sampler::step_counts`],
//! [`Sampler::guidance_scales`] and [`Sampler::etas`] make lists of them, and a [`SamplerComparison`] measures what it drew.
//!
//! The state is float64, whatever the network's kind. The last step of every sampler, to the data at t = 0, is predicted
//! x_0. A step from alpha = 0, where nothing is left of the image, is DDIM's where the sampler's own would be infinite, and DDPM's
//! where that of `reverse_sde` or `predictor_corrector`, which are right for short steps, would make noise wider than it is.

mod ancestral;
mod annealed_langevin;
mod classifier_guided;
mod comparison;
mod convergence;
mod ddim;
mod ddpm;
mod ddpm_beta;
mod differences;
mod distances;
pub(crate) mod dormand_prince;
mod dpm_solver_3;
mod dpmpp_2m;
mod dpmpp_2m_sde;
mod encode;
mod euler;
mod figure;
#[cfg(test)]
mod fixtures;
mod guidance;
mod heun;
mod measurement;
mod points;
mod predictor_corrector;
pub(crate) mod probability_flow;
mod reconstruction;
mod restoration;
mod restore;
mod reverse_sde;
mod rule;
mod sampler;
mod samples;
mod start;
mod steps;
mod sweeps;
mod triptych;
mod unipc;

pub use classifier_guided::ClassifierGuided;
pub use comparison::SamplerComparison;
pub use distances::Distances;
pub use figure::Trajectory;
pub use guidance::ClassifierFree;
pub use measurement::Measurement;
pub use reconstruction::Reconstruction;
pub use restoration::Restoration;
pub use restore::{Inpaint, Restore};
pub use sampler::Sampler;
pub use samples::Samples;
pub use steps::{SampleStep, SampleSteps};
