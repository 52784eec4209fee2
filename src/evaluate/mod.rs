//! Is it any good? Copies, likelihoods and distances of distributions.
//!
//! | what | says | |
//! |---|---|---|
//! | [`Evaluation`] | all of the below that samples and data allow | beside the same of held-out data |
//! | [`Nearest`] | how far each sample is from the data | a classifier, and a test for copies |
//! | [`ClassReport`] | whether samples are of the class that was asked for | by the nearest image, or a trained [`Classifier`] |
//! | [`Likelihood`] | ln p of samples, by the probability-flow ODE | of held-out data: how well a model knows it |
//! | [`VariationalBound`] | a bound on the same, of DDPM's chain | level by level |
//! | [`ScoreField`] | where the score points in the plane | learned beside true: the angle between them |
//! | [`Density`] | where points lie | |
//! | [`LikelihoodMap`] | ln p over a region of the plane | and how much of the probability lies there |
//! | [`frechet_distance`] | the distance of two sets of features | of Gaussians fitted to them |
//! | [`precision_recall`] | how many samples look like data, how much of the data is among them | by nearest neighbours |
//! | [`energy_distance`] | the distance of two distributions | without features, of a hundred samples |
//! | [`ks_test`] | whether two sets of numbers are alike | a p-value |

mod bound;
mod class_report;
mod classifier;
mod density;
mod energy;
mod evaluation;
mod field;
mod field_figure;
#[cfg(test)]
mod fixtures;
mod frechet;
mod kolmogorov_smirnov;
mod likelihood;
mod likelihood_map;
mod likelihoods;
mod nearest;
mod pairs;
mod precision_recall;
mod region;

pub use bound::{Bound, VariationalBound};
pub use class_report::ClassReport;
pub use classifier::Classifier;
pub use density::Density;
pub use energy::energy_distance;
pub use evaluation::Evaluation;
pub use field::{FieldComparison, ScoreField};
pub use frechet::{Frechet, frechet_distance};
pub use kolmogorov_smirnov::{KolmogorovSmirnov, ks_test};
pub use likelihood::Likelihood;
pub use likelihood_map::LikelihoodMap;
pub use likelihoods::Likelihoods;
pub use nearest::Nearest;
pub use precision_recall::{PrecisionRecall, precision_recall};
