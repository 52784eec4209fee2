//! How densely points lie in the plane.

use crate::data::Dataset;
use crate::sample::Samples;
use crate::show::{Bundle, Cloud, Figure, Part, Plane, Show, coordinates, grouped};
use crate::{Error, Result};
use tch::Tensor;

/// The density of points in the plane as a histogram: the share of the points in a cell over the cell's area. As the value of
/// a cell it draws a heat map. Of points on a line it draws the histogram, of points of more numbers that of the first two.
///
/// ```
/// use noisebook::prelude::*;
/// let density = Dataset::checkerboard(100_000)?.density()?;
/// let values = density.values(); // 1/32 in the cells of eight squares, but for chance, and 0 in the others
/// assert_eq!(values.size(), [100, 100]);
/// density.show()?;
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Density {
    name: String,
    points: Cloud,
    count: usize,
    columns: usize,
    rows: usize,
    values: Vec<f64>,
    x_range: (f64, f64),
    y_range: (f64, f64),
}

/// About so many points lie in a cell, were they spread evenly.
const POINTS_A_CELL: f64 = 8.0;
/// Cells along the longer side at most, and along each at least.
const MOST_CELLS: f64 = 100.0;
const LEAST_CELLS: f64 = 12.0;

impl Density {
    /// Of points N x D, over the region where they lie, in cells of a size that their number allows.
    ///
    /// # Errors
    /// A tensor of another shape, or without points that are finite.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let density = Density::of(&Dataset::moons(5_000, 0.05)?.images())?;
    /// density.show()?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn of(points: &Tensor) -> Result<Self> {
        Self::named("", points)
    }

    fn named(name: &str, points: &Tensor) -> Result<Self> {
        let cloud = Cloud::new(points, None, &[])?;
        let mut columns = coordinates(points)?.into_iter();
        let xs = columns.next().unwrap_or_default();
        let ys = columns.next().unwrap_or_else(|| vec![0.0; xs.len()]);
        let finite: Vec<(f64, f64)> = xs.into_iter().zip(ys).filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
        if finite.is_empty() {
            return Err(Error::argument("points", format!("{:?}", points.size()), "none of them is finite"));
        }
        let range = |pick: fn(&(f64, f64)) -> f64| {
            let (low, high) = finite.iter().map(pick).fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
            if high > low { (low, high) } else { (low - 0.5, high + 0.5) }
        };
        let (x_range, y_range) = (range(|point| point.0), range(|point| point.1));
        let (width, height) = (x_range.1 - x_range.0, y_range.1 - y_range.0);
        let side = (width * height * POINTS_A_CELL / finite.len() as f64).sqrt().max(width.max(height) / MOST_CELLS);
        let cells = |length: f64| (length / side).round().max(LEAST_CELLS) as usize;
        let (columns, rows) = (cells(width), cells(height));
        let mut values = vec![0.0; columns * rows];
        let one = (columns * rows) as f64 / (width * height * finite.len() as f64);
        for (x, y) in &finite {
            let column = (((x - x_range.0) / width * columns as f64) as usize).min(columns - 1);
            let row = (((y - y_range.0) / height * rows as f64) as usize).min(rows - 1);
            values[row * columns + column] += one;
        }
        Ok(Self { name: name.into(), points: cloud, count: finite.len(), columns, rows, values, x_range, y_range })
    }

    /// The density of each cell, rows x columns from the lower left, float64: over all cells it integrates to 1.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let density = Density::of(&Dataset::moons(5_000, 0.05)?.images())?;
    /// let ((left, right), (low, high)) = density.region();
    /// assert!((density.values().mean(Kind::Double).double_value(&[]) * (right - left) * (high - low) - 1.0).abs() < 1e-9);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn values(&self) -> Tensor {
        Tensor::from_slice(&self.values).view([self.rows as i64, self.columns as i64])
    }

    /// The region of the cells: from x to x, and from y to y.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let ((left, right), _) = Dataset::checkerboard(1_000)?.density()?.region();
    /// assert!(left >= -4.0 && right <= 4.0);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn region(&self) -> ((f64, f64), (f64, f64)) {
        (self.x_range, self.y_range)
    }

    /// The density of the densest cell.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// assert!(Dataset::moons(5_000, 0.05)?.density()?.highest() > 0.5);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn highest(&self) -> f64 {
        self.values.iter().copied().fold(0.0, f64::max)
    }
}

impl Dataset {
    /// How densely its points lie.
    ///
    /// # Errors
    /// A data set of images.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// Dataset::swiss_roll(10_000, 0.1)?.density()?.show()?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn density(&self) -> Result<Density> {
        Density::named(self.name(), &self.images())
    }
}

impl Samples {
    /// How densely samples that are points lie.
    ///
    /// # Errors
    /// Samples that are images.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let model = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::cosine(100)?)?;
    /// Sampler::ddim(10).count(1_000).sample(&model)?.density()?.show()?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn density(&self) -> Result<Density> {
        Density::named("samples", &self.images())
    }
}

impl Show for Density {
    fn bundle(&self) -> Result<Bundle> {
        let of = if self.name.is_empty() { String::new() } else { format!("{}: ", self.name) };
        let title = format!("{of}density of {} points", grouped(self.count));
        let part: Part = if self.points.is_on_a_line() {
            self.points.part("")
        } else {
            let plane = Plane::new("").x_label("x\u{2081}").y_label("x\u{2082}");
            let (x, y) = self.region();
            plane.heat("density", self.columns, self.rows, &self.values, x, y).heat_range(0.0, self.highest()).into()
        };
        Figure::column([part]).title(title).bundle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    /// Eight squares of 2 x 2, so 1/32 in them and 0 between them.
    #[test]
    fn of_a_checkerboard_it_is_that_of_its_squares() {
        let density = Dataset::checkerboard(400_000).unwrap().density().unwrap();
        let values = density.values();
        assert_eq!(values.size(), [100, 100]);
        // Rows and columns 6 to 18 lie within the first of the four squares, as 31 to 43 do in the second.
        let mean = |row: i64, column: i64| {
            values.narrow(0, 25 * row + 6, 12).narrow(1, 25 * column + 6, 12).mean(Kind::Double).double_value(&[])
        };
        for row in 0..4 {
            for column in 0..4 {
                let expected = if (row + column) % 2 == 0 { 1.0 / 32.0 } else { 0.0 };
                assert!((mean(row, column) - expected).abs() < 0.001, "{row} {column}: {}", mean(row, column));
            }
        }
    }

    #[test]
    fn it_draws_a_heat_map_or_a_histogram() {
        let said = |points: &Tensor| Density::of(points).unwrap().bundle().unwrap().plain_text().to_string();
        let moons = Dataset::moons(2_000, 0.05).unwrap();
        let text = moons.density().unwrap().bundle().unwrap().plain_text().to_string();
        assert!(
            text.starts_with("moons: density of 2,000 points\n") && text.contains("\ndensity: 22 x 12 cells"),
            "{text}"
        );
        let line = said(&moons.images().narrow(1, 0, 1));
        assert!(line.starts_with("density of 2,000 points\ndensity against x\n40 bars"), "{line}");
        let one = said(&Tensor::zeros([1, 2], (Kind::Float, Device::Cpu)));
        assert!(one.contains("density: 12 x 12 cells, from 0 to 144"), "{one}");
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let error = Dataset::digits().unwrap().density().unwrap_err().to_string();
        assert_eq!(error, "points = [1797, 1, 8, 8]: points are a tensor N x D");
        let none = Tensor::full([3, 2], f64::NAN, (Kind::Float, Device::Cpu));
        assert_eq!(Density::of(&none).unwrap_err().to_string(), "points = [3, 2]: none of them is finite");
    }
}
