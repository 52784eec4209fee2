//! Where in a notebook a live figure stands, so that its value is not drawn a second time below it.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How often the running cell's outputs were taken away. Each run of a cell is code of its own, with its own copy of this
/// crate's statics: so where this one lies in memory says which run it is.
static CLEARED: AtomicUsize = AtomicUsize::new(0);

/// A figure that stands in a cell and can be changed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    display_id: String,
    outputs: Outputs,
}

/// The outputs of one run of a cell, up to where they are taken away.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Outputs {
    cell: usize,
    cleared: usize,
}

impl Outputs {
    fn now() -> Self {
        Self { cell: (&raw const CLEARED).addr(), cleared: CLEARED.load(Ordering::Relaxed) }
    }
}

impl Place {
    /// Of a figure that the running cell has drawn.
    pub(super) fn new(display_id: &str) -> Self {
        Self { display_id: display_id.to_string(), outputs: Outputs::now() }
    }

    /// Whether the running cell still shows it.
    pub(super) fn is_here(&self) -> bool {
        self.outputs == Outputs::now()
    }

    pub(super) fn display_id(&self) -> &str {
        &self.display_id
    }

    #[cfg(test)]
    pub(super) fn of_another_cell(mut self) -> Self {
        self.outputs.cell += 1;
        self
    }
}

/// The running cell's outputs were taken away.
pub(super) fn cleared() {
    CLEARED.fetch_add(1, Ordering::Relaxed);
}
