//! How values draw themselves.
