//! Tables.

use super::look::escape;
use super::{Bundle, Show};
use crate::{Error, Result};

/// A table, as HTML in a notebook and as aligned text in a terminal. Columns of numbers are aligned on the right.
///
/// ```
/// use noisebook::show::{Show, Table};
/// let table = Table::new(["layer", "parameters"]).row(["stem", "160"]).row(["down 1", "4,640"]).title("Two layers");
/// assert_eq!(
///     table.bundle()?.plain_text(),
///     "Two layers\nlayer   parameters\nstem           160\ndown 1       4,640"
/// );
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    title: String,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Row, column, share.
    shades: Vec<(usize, usize, f64)>,
}

impl Table {
    /// A table with these columns.
    ///
    /// ```
    /// let table = noisebook::show::Table::new(["sampler", "steps", "time (s)"]);
    /// ```
    #[must_use]
    pub fn new(head: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            title: String::new(),
            head: head.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
            shades: Vec::new(),
        }
    }

    /// Adds a row.
    ///
    /// ```
    /// let table = noisebook::show::Table::new(["sampler", "steps"]).row(["DDIM".to_string(), 50.to_string()]);
    /// ```
    #[must_use]
    pub fn row(mut self, cells: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.rows.push(cells.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the title.
    ///
    /// ```
    /// let table = noisebook::show::Table::new(["sampler", "steps"]).title("Samplers compared");
    /// ```
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Colours a cell, the stronger the nearer its share is to 1.
    #[must_use]
    pub(crate) fn shade(mut self, row: usize, column: usize, share: f64) -> Self {
        self.shades.push((row, column, share));
        self
    }

    /// The background of a cell, light enough for the text on it in a light and in a dark page.
    fn background(&self, row: usize, column: usize) -> String {
        match self.shades.iter().find(|&&(one, other, share)| (one, other) == (row, column) && share > 0.0) {
            Some((_, _, share)) => format!(";background:rgba(17,119,204,{:.2})", 0.6 * share),
            None => String::new(),
        }
    }

    fn check(&self) -> Result<()> {
        let columns = self.head.len();
        match self.rows.iter().position(|row| row.len() != columns) {
            Some(at) => {
                let cells = format!("{} cells", self.rows[at].len());
                Err(Error::argument(format!("row {at}"), cells, format!("one for each of the {columns} columns")))
            }
            None => Ok(()),
        }
    }

    /// Whether a column holds numbers alone.
    fn numbers(&self, column: usize) -> bool {
        let is_number = |cell: &String| {
            let starts =
                cell.trim_start_matches(['-', '−', '+', '.']).starts_with(|first: char| first.is_ascii_digit());
            cell.is_empty() || starts && !cell.contains('x') && !cell.contains('×')
        };
        !self.rows.is_empty() && self.rows.iter().all(|row| is_number(&row[column]))
    }

    fn html(&self) -> String {
        let row = |at: Option<usize>, cells: &[String]| {
            let tag = if at.is_some() { "td" } else { "th" };
            let cells = cells.iter().enumerate().map(|(column, cell)| {
                let side = if self.numbers(column) { "right" } else { "left" };
                let background = at.map_or(String::new(), |row| self.background(row, column));
                format!("<{tag} style=\"text-align:{side}{background}\">{}</{tag}>", escape(cell))
            });
            format!("<tr>{}</tr>\n", cells.collect::<String>())
        };
        // Above the table, not a caption in it: that would be as narrow as the table.
        let (title, label) = match escape(&self.title).as_str() {
            "" => (String::new(), String::new()),
            title => (
                format!("<div style=\"text-align:left;font-weight:600\">{title}</div>\n"),
                format!(" aria-label=\"{title}\""),
            ),
        };
        let body: String = self.rows.iter().enumerate().map(|(at, cells)| row(Some(at), cells)).collect();
        format!(
            "{title}<table{label}>\n<thead>{}</thead>\n<tbody>\n{body}</tbody>\n</table>\n",
            row(None, &self.head).trim_end()
        )
    }

    fn text(&self) -> String {
        let all = || std::iter::once(&self.head).chain(&self.rows);
        let count = |cell: &String| cell.chars().count();
        let widths: Vec<usize> =
            (0..self.head.len()).map(|column| all().map(|row| count(&row[column])).max().unwrap_or(0)).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().enumerate().map(|(column, cell)| {
                let room = " ".repeat(widths[column] - count(cell));
                if self.numbers(column) { room + cell } else { cell.clone() + &room }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_string()
        };
        let title = Some(self.title.clone()).filter(|title| !title.is_empty());
        title.into_iter().chain(all().map(line)).collect::<Vec<_>>().join("\n")
    }
}

impl Show for Table {
    fn bundle(&self) -> Result<Bundle> {
        self.check()?;
        Ok(Bundle::text(self.text()).html(self.html()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn cells_are_escaped_and_aligned() {
        let table = Table::new(["layer", "shape", "n"]).row(["<stem>", "1 x 8", "10"]).row(["é", "2 x 16", "-1,000"]);
        let bundle = table.title("a & b").bundle().unwrap();
        let html = bundle.get("text/html").unwrap().as_str().unwrap();
        assert!(html.contains("<td style=\"text-align:left\">&lt;stem&gt;</td>"), "{html}");
        assert!(html.contains("<td style=\"text-align:left\">1 x 8</td>"));
        assert!(html.contains("<td style=\"text-align:right\">-1,000</td>"));
        assert!(html.contains("a &amp; b</div>\n<table aria-label=\"a &amp; b\">\n<thead>"), "{html}");
        let expected = "a & b\nlayer   shape        n\n<stem>  1 x 8       10\né       2 x 16  -1,000";
        assert_eq!(bundle.plain_text(), expected);
    }

    #[test]
    fn a_row_of_another_length_is_an_error() {
        let error = Table::new(["a", "b"]).row(["1", "2"]).row(["1"]).bundle().unwrap_err();
        assert_eq!(error.to_string(), "row 1 = 1 cells: one for each of the 2 columns");
        let empty = Table::new(["a", "b"]).bundle().unwrap();
        assert_eq!(empty.plain_text(), "a  b");
    }
}
