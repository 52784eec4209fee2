//! The one error of the crate.

use std::fmt;

/// What every fallible function here returns. The prelude leaves the name `Result` to the reader.
///
/// ```
/// fn half_way(levels: usize) -> noisebook::Result<f64> {
///     Ok(noisebook::Schedule::cosine(levels)?.alpha(0.5))
/// }
/// assert!(half_way(0).is_err());
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be done, in the words of the notebook.
///
/// `Display` holds the cause and what to do about it; `Debug` is the same text, since a cell may show either.
///
/// ```
/// let error = noisebook::Schedule::linear(1).unwrap_err();
/// assert_eq!(error.to_string(), "levels = 1: a schedule needs at least 2 levels");
/// assert_eq!(format!("{error:?}"), error.to_string());
/// ```
#[non_exhaustive]
pub enum Error {
    /// An argument breaks a rule.
    Argument {
        /// The argument's name, as the caller writes it.
        name: String,
        /// Its value.
        value: String,
        /// The rule that it breaks, and what to do.
        rule: String,
    },
    /// libtorch refused an operation.
    Torch {
        /// The first line of what it said, without its stack.
        cause: String,
    },
    /// A figure could not be drawn or sent.
    Display {
        /// What went wrong.
        cause: String,
    },
}

impl Error {
    pub(crate) fn argument(name: impl Into<String>, value: impl fmt::Display, rule: impl Into<String>) -> Self {
        Self::Argument { name: name.into(), value: value.to_string(), rule: rule.into() }
    }

    pub(crate) fn display(cause: impl fmt::Display) -> Self {
        Self::Display { cause: cause.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument { name, value, rule } => write!(f, "{name} = {value}: {rule}"),
            Self::Torch { cause } => write!(f, "libtorch: {cause}"),
            Self::Display { cause } => write!(f, "the figure could not be drawn: {cause}"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

impl From<tch::TchError> for Error {
    /// Keeps the first line: below it stands a C++ stack that helps nobody in a notebook.
    fn from(error: tch::TchError) -> Self {
        let text = error.to_string();
        let cause = text.lines().next().unwrap_or("no message").trim();
        Self::Torch { cause: cause.trim_start_matches("Internal torch error: ").to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Kind, Tensor};

    #[test]
    fn torch_errors_keep_one_line() {
        let a = Tensor::zeros([2, 3], (Kind::Float, tch::Device::Cpu));
        let error = Error::from(a.f_matmul(&a).unwrap_err());
        let text = error.to_string();
        assert!(text.starts_with("libtorch: mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)"), "{text}");
        assert_eq!(text.lines().count(), 1);
    }
}
