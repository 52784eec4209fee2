//! Values that draw themselves: bundles of MIME types, and the parts of pictures that the other modules use.
//!
//! A type that implements [`Show`] is drawn when it ends a cell, and by `value.show()?` in the middle of one. Where the
//! drawing goes is found at run time: this crate's kernel, a stock Rust kernel, or a terminal.

mod animation;
mod axis;
mod bins;
mod bundle;
mod chart;
mod figure;
pub mod frame;
mod grid;
mod heat;
mod legend;
mod live;
mod look;
mod mesh;
mod message;
mod mosaic;
mod outlet;
mod pixels;
mod place;
mod plane;
mod plane_check;
mod plane_plot;
mod plot;
mod points;
mod quiver;
mod sheet;
mod table;
mod tensor;
mod trace;
mod ways;
mod words;

use crate::Result;
use frame::MessageKind;
use outlet::Outlet;

pub use animation::Animation;
pub use bundle::Bundle;
pub use chart::Chart;
pub use figure::{Figure, Part};
pub use grid::Grid;
pub(crate) use grid::evenly;
pub(crate) use points::{Cloud, coordinates, sheet, sheet_of_rows, sheets};

pub use live::Live;
pub(crate) use place::Place;
pub use plane::Plane;
pub use table::Table;
pub(crate) use words::{digits, two_digits};

/// A value that draws itself.
///
/// ```
/// use noisebook::show::{Bundle, Show};
///
/// struct Coin(bool);
///
/// impl Show for Coin {
///     fn bundle(&self) -> Result<Bundle, noisebook::Error> {
///         Ok(Bundle::text(if self.0 { "heads" } else { "tails" }))
///     }
/// }
///
/// assert_eq!(Coin(true).bundle()?.plain_text(), "heads");
/// Coin(false).show()?;
/// # Ok::<(), noisebook::Error>(())
/// ```
pub trait Show {
    /// What the value looks like.
    ///
    /// # Errors
    /// A value that cannot be drawn: a chart with fewer ys than xs, a grid with fewer captions than images.
    ///
    /// ```
    /// use noisebook::show::Show;
    /// assert_eq!(Some(tch::Tensor::from(1.5_f32)).bundle()?.plain_text().lines().count(), 2);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    fn bundle(&self) -> Result<Bundle>;

    /// Draws it now, in the middle of a cell.
    ///
    /// # Errors
    /// As [`bundle`](Self::bundle); an output that is closed, or a kernel that does not answer.
    ///
    /// ```
    /// use noisebook::show::{Bundle, Show};
    /// Bundle::text("halfway").show()?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    fn show(&self) -> Result<()> {
        Outlet::detect().show(MessageKind::DisplayData, &self.bundle()?, None, &mut std::io::stdout())
    }

    /// Draws it as the value of a cell: the kernel calls this on a cell's last expression. An error is drawn instead.
    ///
    /// ```
    /// use noisebook::show::{Bundle, Show};
    /// Bundle::text("the result").evcxr_display();
    /// ```
    fn evcxr_display(&self) {
        let bundle = self.bundle().unwrap_or_else(|error| Bundle::text(error.to_string()));
        let mut stdout = std::io::stdout();
        if let Err(error) = Outlet::detect().show(MessageKind::ExecuteResult, &bundle, None, &mut stdout) {
            eprintln!("{error}");
        }
    }
}

impl Show for Bundle {
    fn bundle(&self) -> Result<Bundle> {
        Ok(self.clone())
    }
}

impl<T: Show> Show for Option<T> {
    fn bundle(&self) -> Result<Bundle> {
        match self {
            Some(value) => value.bundle(),
            None => Ok(Bundle::text("None: nothing is left")),
        }
    }
}

/// An error is a text; the kernel knows it by `Err(`.
impl<T: Show, E: std::fmt::Display> Show for Result<T, E> {
    fn bundle(&self) -> Result<Bundle> {
        match self {
            Ok(value) => value.bundle(),
            Err(error) => Ok(Bundle::text(format!("Err({error})"))),
        }
    }
}

/// Takes away what the cell has shown so far; in a terminal nothing happens.
///
/// # Errors
/// A kernel that does not answer.
///
/// ```
/// noisebook::show::clear_output()?;
/// # Ok::<(), noisebook::Error>(())
/// ```
pub fn clear_output() -> Result<()> {
    Outlet::detect().clear(&mut std::io::stdout())
}

/// Whether somebody has asked the running cell to stop. Long loops look once a step, and keep what they have.
///
/// ```
/// assert!(!noisebook::show::interrupted());
/// ```
#[must_use]
pub fn interrupted() -> bool {
    Outlet::detect().interrupted()
}

/// The lengths of a tensor's sides: 1 x 8 x 8.
pub(crate) fn sides(lengths: &[i64]) -> String {
    lengths.iter().map(i64::to_string).collect::<Vec<_>>().join(" x ")
}

/// A count with commas between thousands: 1,797.
pub(crate) fn grouped(count: usize) -> String {
    axis::grouped(&count.to_string())
}
