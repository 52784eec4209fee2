//! What the cells of a notebook have made so far, as source: for questions about a cell that was not run.

/// Definitions, variables and dependencies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notebook {
    /// `use` lines and definitions.
    items: String,
    /// Names and types.
    variables: Vec<(String, String)>,
    /// `:dep` lines.
    dependencies: Vec<String>,
}

impl Notebook {
    /// From evcxr's source for the analysis of a cell, in which all definitions stand at the top.
    pub fn new(source: &str, mut variables: Vec<(String, String)>, dependencies: Vec<String>) -> Self {
        let items = source.split("struct EvcxrUserCodeError {").next().unwrap_or_default();
        let items = items.split_once('\n').map_or("", |(_allowed, items)| items.trim());
        variables.sort();
        Self { items: items.to_string(), variables, dependencies }
    }

    /// Source that stands before a cell in place of all earlier ones, but for the dependencies.
    pub fn source(&self) -> String {
        let mut source = format!("{}\n", self.items);
        for (name, kind) in &self.variables {
            source.push_str(&format!("let {name}: {kind} = todo!();\n"));
        }
        source
    }

    pub fn dependencies(&self) -> &[String] {
        &self.dependencies
    }

    /// Names that begin with `start`.
    pub fn names<'a>(&'a self, start: &'a str) -> impl Iterator<Item = &'a str> {
        self.variables.iter().map(|(name, _)| name.as_str()).filter(move |name| name.starts_with(start))
    }
}
