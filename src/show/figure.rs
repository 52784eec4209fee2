//! Several charts, grids and pictures of the plane as one picture.

use super::look::{Drawing, LABEL_SIZE, PAGE_WIDTH, text as label, text_width, wrap};
use super::{Bundle, Chart, Grid, Plane, Show};
use crate::{Error, Result};

const GAP: f64 = 16.0;
const NOTE_GAP: f64 = 4.0;
const NOTE_LINE: f64 = 16.0;

/// Charts, grids and pictures of the plane in one picture, below one another or side by side.
///
/// ```
/// use noisebook::show::{Chart, Figure, Show};
/// let left = Chart::new("up").line("", &[0.0, 1.0], &[0.0, 1.0]);
/// let right = Chart::new("down").line("", &[0.0, 1.0], &[1.0, 0.0]);
/// let figure = Figure::row([left, right]).title("Two lines");
/// assert!(figure.bundle()?.plain_text().starts_with("Two lines\nup\n"));
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Figure {
    parts: Vec<Part>,
    direction: Direction,
    title: String,
    note: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Column,
    Row,
}

/// What a [`Figure`] is made of.
///
/// ```
/// use noisebook::show::{Chart, Part};
/// let part = Part::from(Chart::new("nothing yet"));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Part {
    /// Lines, points and bars over two axes.
    Chart(Chart),
    /// Images.
    Grid(Grid),
    /// A region of the plane.
    Plane(Plane),
    /// A picture that is itself made of parts.
    Figure(Figure),
}

impl From<Chart> for Part {
    fn from(chart: Chart) -> Self {
        Self::Chart(chart)
    }
}

impl From<Grid> for Part {
    fn from(grid: Grid) -> Self {
        Self::Grid(grid)
    }
}

impl From<Plane> for Part {
    fn from(plane: Plane) -> Self {
        Self::Plane(plane)
    }
}

impl From<Figure> for Part {
    fn from(figure: Figure) -> Self {
        Self::Figure(figure)
    }
}

impl Part {
    fn draw(&self, available: f64) -> Result<Drawing> {
        match self {
            Self::Chart(chart) => chart.draw(available),
            Self::Grid(grid) => grid.draw(available),
            Self::Plane(plane) => plane.draw(available),
            Self::Figure(figure) => figure.draw(available),
        }
    }
}

impl Figure {
    /// Parts below one another.
    ///
    /// ```
    /// use noisebook::show::{Chart, Figure};
    /// let figure = Figure::column([Chart::new("loss"), Chart::new("learning rate")]);
    /// ```
    #[must_use]
    pub fn column(parts: impl IntoIterator<Item = impl Into<Part>>) -> Self {
        Self::new(Direction::Column, parts)
    }

    /// Parts side by side, each with an equal share of the page's width.
    ///
    /// ```
    /// use noisebook::show::{Chart, Figure, Part};
    /// let chart = Chart::new("loss");
    /// let both = Figure::column([chart.clone(), chart.clone()]);
    /// let figure = Figure::row([Part::from(chart), Part::from(both)]);
    /// ```
    #[must_use]
    pub fn row(parts: impl IntoIterator<Item = impl Into<Part>>) -> Self {
        Self::new(Direction::Row, parts)
    }

    /// Sets the title of the whole.
    ///
    /// ```
    /// use noisebook::show::{Chart, Figure};
    /// let figure = Figure::column([Chart::new("loss")]).title("Training");
    /// ```
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Sets a line below the whole: what else one should know.
    ///
    /// ```
    /// use noisebook::show::{Chart, Figure};
    /// let figure = Figure::column([Chart::new("loss")]).note("every tenth step");
    /// ```
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    fn new(direction: Direction, parts: impl IntoIterator<Item = impl Into<Part>>) -> Self {
        Self {
            parts: parts.into_iter().map(Into::into).collect(),
            direction,
            title: String::new(),
            note: String::new(),
        }
    }

    /// The figure in a place of this width.
    pub(super) fn draw(&self, available: f64) -> Result<Drawing> {
        let count = self.parts.len();
        if count == 0 {
            return Err(Error::argument("parts", 0, "a figure has at least one part"));
        }
        let share = match self.direction {
            Direction::Column => available,
            Direction::Row => (available - GAP * (count - 1) as f64) / count as f64,
        };
        let drawings = self.parts.iter().map(|part| part.draw(share)).collect::<Result<Vec<_>>>()?;
        let (mut x, mut y, mut width, mut height) = (0.0, 0.0, 0.0_f64, 0.0_f64);
        let mut body = String::new();
        for drawing in &drawings {
            body += &drawing.moved(x, y);
            width = width.max(x + drawing.width);
            height = height.max(y + drawing.height);
            match self.direction {
                Direction::Column => y += drawing.height + GAP,
                Direction::Row => x += drawing.width + GAP,
            }
        }
        let join = |texts: Vec<&str>, separator: &str| texts.join(separator);
        let mut text = join(drawings.iter().map(|drawing| drawing.text.as_str()).collect(), "\n\n");
        let mut alternative = join(drawings.iter().map(|drawing| drawing.alternative.as_str()).collect(), " ");
        if !self.note.is_empty() {
            height += NOTE_GAP;
            for line in wrap(&self.note, width.max(available), LABEL_SIZE) {
                height += NOTE_LINE;
                width = width.max(text_width(&line, LABEL_SIZE));
                body += &label(0.0, height - 4.0, "start", &line);
            }
            text += &format!("\n\n{}", self.note);
            alternative += &format!(" {}", self.note);
        }
        Ok(Drawing { width, height, body, text, alternative }.titled(&self.title, available))
    }
}

impl Show for Figure {
    fn bundle(&self) -> Result<Bundle> {
        Ok(self.draw(PAGE_WIDTH)?.bundle())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tch::{Device, Kind, Tensor};

    fn chart() -> Chart {
        Chart::new("a chart").line("", &[0.0, 1.0], &[0.0, 1.0])
    }

    fn grid() -> Grid {
        Grid::new(&Tensor::zeros([4, 1, 8, 8], (Kind::Float, Device::Cpu))).unwrap().title("a grid")
    }

    #[test]
    fn a_row_shares_the_page_and_a_column_grows() {
        let one = chart().draw(PAGE_WIDTH).unwrap();
        let row = Figure::row([chart(), chart(), chart()]).draw(PAGE_WIDTH).unwrap();
        assert!(row.width <= PAGE_WIDTH && row.height < one.height, "{} x {}", row.width, row.height);
        let column = Figure::column([chart(), chart()]).draw(PAGE_WIDTH).unwrap();
        assert_eq!((column.width, column.height), (one.width, 2.0 * one.height + GAP));
    }

    #[test]
    fn parts_of_all_kinds_make_one_svg() {
        let figure = Figure::column([
            Part::from(chart()),
            Part::from(grid()),
            Part::from(Figure::row([Part::from(grid()), Part::from(chart())]).title("inside")),
        ])
        .title("the whole");
        let bundle = figure.bundle().unwrap();
        let svg = bundle.get("image/svg+xml").unwrap().as_str().unwrap();
        assert_eq!((svg.matches("<svg").count(), svg.matches("</svg>").count()), (1, 1));
        assert_eq!(svg.matches("<g ").count(), svg.matches("</g>").count());
        assert_eq!(svg.matches("<image").count(), 2);
        let text = bundle.plain_text();
        assert!(text.starts_with("the whole\na chart\n") && text.contains("\n\ninside\na grid\n4 images"), "{text}");
    }

    #[test]
    fn a_figure_of_nothing_and_a_bad_part_are_errors() {
        let error = Figure::row(Vec::<Part>::new()).bundle().unwrap_err();
        assert_eq!(error.to_string(), "parts = 0: a figure has at least one part");
        let error = Figure::row([Part::from(grid().columns(0)), Part::from(chart())]).bundle().unwrap_err();
        assert_eq!(error.to_string(), "columns = 0: from 1 to 1,000");
    }
}
