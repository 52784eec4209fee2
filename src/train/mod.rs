//! Training: from data to a model.

mod adamw;
mod by_level;
mod checkpoint;
mod diagnosis;
mod ema;
mod figure;
mod gradient;
mod halt;
mod logs;
mod on_the_way;
mod precision;
mod rate;
mod record;
mod results;
mod run;
mod settings;
mod snapshot;
mod state;
mod step;
mod steps;
mod stopped;
mod threads;
mod trainer;
mod validation;
mod watch;

pub(crate) use adamw::{AdamW, BETA1};
pub use by_level::LossByLevel;
pub use ema::Ema;
pub use precision::Precision;
pub use rate::LearningRate;
pub use record::Timing;
pub use run::Run;
pub use step::TrainStep;
pub use steps::TrainSteps;
pub use stopped::Stopped;
pub use trainer::Trainer;
