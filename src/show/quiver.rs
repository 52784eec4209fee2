//! Arrows at points of the plane.

use super::axis::Axis;
use super::grid::evenly;
use super::mesh::Frame;
use crate::{Error, Result};
use std::fmt::Write;
use std::sync::Arc;

/// More arrows than this are a thicket: a sample of them is drawn.
const MOST_ARROWS: usize = 1_600;

/// The longest arrow as a share of the distance between arrows.
const FULL: f64 = 0.95;

#[derive(Clone, Debug)]
pub(super) struct Arrows {
    pub(super) xs: Arc<[f64]>,
    pub(super) ys: Arc<[f64]>,
    pub(super) us: Arc<[f64]>,
    pub(super) vs: Arc<[f64]>,
    /// The length that is drawn as long as arrows are apart.
    pub(super) longest: Option<f64>,
}

impl Arrows {
    pub(super) fn check(&self) -> Result<()> {
        match self.longest {
            Some(length) if !(length.is_finite() && length > 0.0) => {
                Err(Error::argument("longest_arrow", length, "a positive number"))
            }
            _ => Ok(()),
        }
    }

    /// x, y, u, v of those that can be drawn.
    pub(super) fn finite(&self) -> impl Iterator<Item = [f64; 4]> {
        let all = self.xs.iter().zip(self.ys.iter()).zip(self.us.iter().zip(self.vs.iter()));
        all.map(|((&x, &y), (&u, &v))| [x, y, u, v]).filter(|arrow| arrow.iter().all(|number| number.is_finite()))
    }

    /// The length of the longest.
    pub(super) fn longest(&self) -> f64 {
        self.finite().map(|[_, _, u, v]| u.hypot(v)).fold(0.0, f64::max)
    }

    /// How long an arrow of length 1 is drawn, in the axes' own measure.
    pub(super) fn scale(&self) -> f64 {
        let longest = self.longest.unwrap_or_else(|| self.longest());
        if longest > 0.0 { FULL * self.apart() / longest } else { 1.0 }
    }

    /// About how far the arrows are from one another: the side of a cell, were they a square grid over their region.
    fn apart(&self) -> f64 {
        let side = |pick: fn([f64; 4]) -> f64| {
            let (low, high) =
                self.finite().map(pick).fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), p| (a.min(p), b.max(p)));
            if high > low { high - low } else { 0.0 }
        };
        let (width, height, count) = (side(|arrow| arrow[0]), side(|arrow| arrow[1]), self.finite().count() as f64);
        if width > 0.0 && height > 0.0 {
            // n columns and m rows with n m = count and equal sides: (n - 1) s = width, (m - 1) s = height.
            let (a, b, c) = (1.0 - count, width + height, width * height);
            (b + (b * b - 4.0 * a * c).sqrt()) / (-2.0 * a)
        } else if count > 1.0 && width + height > 0.0 {
            (width + height) / (count - 1.0)
        } else {
            1.0
        }
    }

    /// All arrows in one path.
    pub(super) fn svg(&self, frame: &Frame, (x, y): (&Axis, &Axis), colour: &str) -> String {
        let scale = self.scale();
        let longest = self.longest.unwrap_or(f64::INFINITY);
        let arrows: Vec<[f64; 4]> = self.finite().collect();
        let mut path = String::new();
        for [px, py, u, v] in evenly(arrows.len(), MOST_ARROWS).into_iter().map(|index| arrows[index]) {
            let cut = (longest / u.hypot(v)).min(1.0);
            let from = frame.pixel(x, y, (px, py));
            let to = frame.pixel(x, y, (px + cut * scale * u, py + cut * scale * v));
            let (across, down) = (to.0 - from.0, to.1 - from.1);
            let length = across.hypot(down);
            if length < 0.7 {
                let _ = write!(path, "M{:.1} {:.1}h0", from.0, from.1);
                continue;
            }
            let (along, aside) = (head(length) / length, 0.55 * head(length) / length);
            let wing =
                |side: f64| (to.0 - along * across - side * aside * down, to.1 - along * down + side * aside * across);
            let (left, right) = (wing(1.0), wing(-1.0));
            let _ = write!(path, "M{:.1} {:.1}L{:.1} {:.1}", from.0, from.1, to.0, to.1);
            let _ = write!(path, "M{:.1} {:.1}L{:.1} {:.1}L{:.1} {:.1}", left.0, left.1, to.0, to.1, right.0, right.1);
        }
        if path.is_empty() {
            return path;
        }
        format!(
            "<path class=\"series\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.1\" stroke-linecap=\"round\" \
             stroke-linejoin=\"round\" d=\"{path}\"/>\n"
        )
    }
}

/// The length of the head of an arrow of this length, in pixels.
fn head(length: f64) -> f64 {
    (0.4 * length).min(5.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(columns: usize, rows: usize, side: f64) -> Arrows {
        let (mut xs, mut ys) = (Vec::new(), Vec::new());
        for row in 0..rows {
            for column in 0..columns {
                xs.push(column as f64 * side);
                ys.push(row as f64 * side);
            }
        }
        let us: Vec<f64> = (0..xs.len()).map(|index| if index == 3 { 7.0 } else { 1.0 }).collect();
        Arrows { us: us.into(), vs: vec![0.0; xs.len()].into(), xs: xs.into(), ys: ys.into(), longest: None }
    }

    #[test]
    fn the_longest_arrow_is_nearly_as_long_as_arrows_are_apart() {
        for (columns, rows, side) in [(5, 5, 0.25), (20, 10, 3.0), (2, 9, 1.0), (6, 1, 0.5)] {
            let arrows = grid(columns, rows, side);
            assert!((arrows.scale() * 7.0 - FULL * side).abs() < 1e-9, "{columns} x {rows}: {}", arrows.scale());
            let short = Arrows { longest: Some(1.0), ..arrows };
            assert!((short.scale() - FULL * side).abs() < 1e-9);
        }
    }
}
