//! What a notebook needs, in one line: `use noisebook::prelude::*;`.
//!
//! It leaves the name `Result` to the reader, whose own functions return other errors.

pub use crate::data::{Batch, Dataset};
pub use crate::denoiser::{Denoiser, Gaussian, GaussianMixture, Ideal};
pub use crate::diffusion::Diffusion;
pub use crate::evaluate::{
    ClassReport, Classifier, Density, Likelihood, LikelihoodMap, Nearest, ScoreField, VariationalBound,
    frechet_distance, ks_test,
};
pub use crate::net::{ArticleUNet, Mlp, Network, TimeEmbedding, UNet};
pub use crate::prediction::{LossWeight, Prediction};
pub use crate::process::{Paths, Posterior, Strip, Transition};
pub use crate::sample::{ClassifierFree, ClassifierGuided, Inpaint, SampleStep, Sampler, Samples};
pub use crate::schedule::{Levels, Schedule, Spacing, TrainingLevels};
pub use crate::show::Show;
pub use crate::train::{Ema, LearningRate, Precision, Run, TrainStep, Trainer};
pub use tch::{Device, Kind, Tensor};
