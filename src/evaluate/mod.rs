//! Is it any good? Nearest neighbours first.

mod nearest;

pub use nearest::Nearest;
