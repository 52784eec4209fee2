//! What a notebook needs, in one line: `use noisebook::prelude::*;`.
//!
//! It leaves the name `Result` to the reader, whose own functions return other errors.

pub use crate::data::{Batch, Dataset};
pub use crate::denoiser::{Denoiser, Gaussian, GaussianMixture, Ideal};
pub use crate::diffusion::Diffusion;
<<<<<<< HEAD
pub use crate::evaluate::{Likelihood, Nearest, VariationalBound, frechet_distance, ks_test};
pub use crate::net::{ArticleUNet, Network, UNet};
pub use crate::prediction::Prediction;
pub use crate::process::{Posterior, Strip, Transition};
=======
pub use crate::evaluate::Nearest;
pub use crate::net::{ArticleUNet, Mlp, Network, UNet};
pub use crate::prediction::{LossWeight, Prediction};
pub use crate::process::{Paths, Posterior, Strip, Transition};
>>>>>>> wt-lead
pub use crate::sample::{SampleStep, Sampler, Samples};
pub use crate::schedule::{Levels, Schedule, Spacing, TrainingLevels};
pub use crate::show::Show;
pub use crate::train::{Run, TrainStep, Trainer};
pub use tch::{Device, Kind, Tensor};
