//! The table that a network draws: a line a layer.

use super::parameters_builder::ParametersBuilder;
use crate::Result;
use crate::show::{Table, grouped};

/// What a network is made of.
#[derive(Debug, Default)]
pub(super) struct Summary {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    name: String,
    what: &'static str,
    shape: String,
    parameters: usize,
}

impl Summary {
    /// Builds a layer and notes it down; `shape` is its output's.
    pub(super) fn layer<T>(
        &mut self,
        init: &mut ParametersBuilder,
        name: &str,
        what: &'static str,
        shape: String,
        build: impl FnOnce(&mut ParametersBuilder) -> Result<T>,
    ) -> Result<T> {
        let before = init.count();
        let layer = build(init)?;
        self.rows.push(Row { name: name.to_string(), what, shape, parameters: init.count() - before });
        Ok(layer)
    }

    pub(super) fn table(&self, title: String) -> Table {
        let total: usize = self.rows.iter().map(|row| row.parameters).sum();
        let mut table = Table::new(["layer", "what", "output", "parameters", "share"]).title(title);
        for row in &self.rows {
            let share = format!("{:.1}%", 100.0 * row.parameters as f64 / total as f64);
            table = table.row([&row.name, row.what, &row.shape, &grouped(row.parameters), &share]);
        }
        table
    }

    /// Name and number of parameters of each layer.
    #[cfg(test)]
    pub(super) fn parameters(&self) -> Vec<(&str, usize)> {
        self.rows.iter().map(|row| (row.name.as_str(), row.parameters)).collect()
    }
}
