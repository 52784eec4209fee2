//! What a notebook needs, in one line: `use noisebook::prelude::*;`.
//!
//! It leaves the name `Result` to the reader, whose own functions return other errors.

pub use crate::accel::Precision;
pub use crate::data::{Batch, Dataset};
pub use crate::denoiser::{Denoiser, Denoising, Gaussian, GaussianMixture, Ideal};
pub use crate::diffusion::Diffusion;
pub use crate::evaluate::{
    ClassReport, Classifier, Density, Evaluation, Likelihood, LikelihoodMap, Nearest, ScoreField, VariationalBound,
    energy_distance, frechet_distance, ks_test, precision_recall,
};
pub use crate::net::{ArticleUNet, Mlp, Network, TimeEmbedding, UNet};
pub use crate::prediction::{LossWeight, Prediction};
pub use crate::process::{Paths, Posterior, Strip, Transition};
pub use crate::sample::{
    ClassifierFree, ClassifierGuided, Inpaint, Measurement, Reconstruction, Restoration, Restore, SampleStep, Sampler,
    SamplerComparison, Samples,
};
pub use crate::schedule::{Levels, Schedule, Spacing, TrainingLevels};
pub use crate::show::Show;
pub use crate::train::{Ema, LearningRate, Run, RunComparison, TrainStep, Trainer};
pub use tch::{Device, Kind, Tensor};
