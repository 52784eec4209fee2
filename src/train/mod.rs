//! Training: from data to a model.

mod adamw;
mod figure;
mod run;
mod steps;
mod threads;
mod trainer;

pub(crate) use adamw::AdamW;
pub use run::Run;
pub use steps::{TrainStep, TrainSteps};
pub use trainer::Trainer;
