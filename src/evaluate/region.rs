//! The region of the plane that a figure is about.

use crate::Result;
use crate::show::coordinates;
use tch::Tensor;

/// A grid of cells over a region, row by row from the lower left.
#[derive(Clone, Debug)]
pub(super) struct Region {
    pub(super) x: (f64, f64),
    pub(super) y: (f64, f64),
    pub(super) columns: usize,
    pub(super) rows: usize,
}

impl Region {
    /// Over the region where points lie, with a margin, `most` cells along its longer side.
    pub(super) fn over(points: &Tensor, most: usize) -> Result<Self> {
        let range = |values: &[f64]| {
            let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(a, b), &v| (a.min(v), b.max(v)));
            let room = (0.1 * (high - low)).max(0.05);
            (low - room, high + room)
        };
        let columns = coordinates(points)?;
        let (x, y) = (range(&columns[0]), range(&columns[1]));
        let (width, height) = (x.1 - x.0, y.1 - y.0);
        let side = width.max(height) / most as f64;
        let cells = |length: f64| ((length / side).round() as usize).max(2);
        Ok(Self { x, y, columns: cells(width), rows: cells(height) })
    }

    /// The middles of its cells.
    pub(super) fn middles(&self) -> (Vec<f64>, Vec<f64>) {
        let at = |(low, high): (f64, f64), index: usize, count: usize| {
            low + (high - low) * (index as f64 + 0.5) / count as f64
        };
        (0..self.columns * self.rows)
            .map(|index| (at(self.x, index % self.columns, self.columns), at(self.y, index / self.columns, self.rows)))
            .unzip()
    }

    /// The middles of its cells as points, N x 2.
    pub(super) fn points(&self) -> Result<Tensor> {
        let (xs, ys) = self.middles();
        Ok(Tensor::f_stack(&[Tensor::f_from_slice(&xs)?, Tensor::f_from_slice(&ys)?], 1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_lies_around_the_points_with_equal_cells() {
        let points = Tensor::from_slice(&[0.0, 0.0, 10.0, 5.0]).view([2, 2]);
        let region = Region::over(&points, 24).unwrap();
        assert_eq!((region.x, region.y, region.columns, region.rows), ((-1.0, 11.0), (-0.5, 5.5), 24, 12));
        let (xs, ys) = region.middles();
        assert_eq!((xs[0], ys[0], xs[25], ys[25]), (-0.75, -0.25, -0.25, 0.25));
        assert_eq!(region.points().unwrap().double_value(&[25, 1]), 0.25);
    }
}
