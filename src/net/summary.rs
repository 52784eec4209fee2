//! The table that a network draws: a line a layer.

use super::parameters::Parameters;
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
    /// Numbers of the layers before it.
    before: usize,
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
        self.rows.push(Row { name: name.to_string(), what, shape, before, parameters: init.count() - before });
        Ok(layer)
    }

    /// A line a layer; where some of the parameters are frozen, one more column says of which layers.
    pub(super) fn table(&self, title: String, parameters: &Parameters) -> Table {
        let total: usize = self.rows.iter().map(|row| row.parameters).sum();
        let any_frozen = parameters.trainable() < parameters.len();
        let head = ["layer", "what", "output", "parameters", "share"].into_iter();
        let mut table = Table::new(head.chain(any_frozen.then_some("training"))).title(title);
        for row in &self.rows {
            let share = format!("{:.1}%", 100.0 * row.parameters as f64 / total as f64);
            let cells = [row.name.clone(), row.what.to_string(), row.shape.clone(), grouped(row.parameters), share];
            let training = match parameters.frozen_among(row.before..row.before + row.parameters) {
                0 => String::new(),
                count if count == row.parameters => "frozen".to_string(),
                count => format!("{} frozen", grouped(count)),
            };
            table = table.row(cells.into_iter().chain(any_frozen.then_some(training)));
        }
        table
    }

    /// Name and number of parameters of each layer.
    #[cfg(test)]
    pub(super) fn parameters(&self) -> Vec<(&str, usize)> {
        self.rows.iter().map(|row| (row.name.as_str(), row.parameters)).collect()
    }
}
