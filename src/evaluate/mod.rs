//! Is it any good? Nearest neighbours first.

mod density;
mod field;
mod field_figure;
mod nearest;

pub use density::Density;
pub use field::{FieldComparison, ScoreField};
pub use nearest::Nearest;
