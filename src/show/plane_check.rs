//! What a picture of the plane refuses.

use super::chart::{LARGEST, SMALLEST};
use super::look::SERIES;
use super::plane::{Layer, Plane};
use crate::{Error, Result};

impl Plane {
    pub(super) fn check(&self) -> Result<()> {
        let colours = self.colours().into_iter().max().map_or(0, |last| last + 1);
        if colours > SERIES.len() {
            let rule = format!("a picture has {} colours at most: more cannot be told apart", SERIES.len());
            return Err(Error::argument("layers", colours, rule));
        }
        let lengths = |of: &str, xs: &[f64], others: &[(&str, usize)]| {
            let odd = others.iter().find(|(_, length)| *length != xs.len());
            odd.map_or(Ok(()), |(name, length)| {
                let rule = format!("one for each of the {} xs", xs.len());
                Err(Error::argument(format!("{name} of {of}"), format!("{length} numbers"), rule))
            })
        };
        let mut heats = 0;
        for layer in &self.layers {
            match layer {
                Layer::Points { name, xs, ys } => lengths(&format!("'{name}'"), xs, &[("ys", ys.len())])?,
                Layer::Path { xs, ys, .. } => lengths("a path", xs, &[("ys", ys.len())])?,
                Layer::Arrows(arrows) => {
                    let (ys, us, vs) = (arrows.ys.len(), arrows.us.len(), arrows.vs.len());
                    lengths("the arrows", &arrows.xs, &[("ys", ys), ("us", us), ("vs", vs)])?;
                    arrows.check()?;
                }
                Layer::Heat(heat) => {
                    heat.check()?;
                    heats += 1;
                }
            }
        }
        if heats > 1 {
            return Err(Error::argument("heat maps", heats, "a picture has one at most"));
        }
        for (name, range) in [("x_range", self.x_range), ("y_range", self.y_range)] {
            check_range(name, range)?;
        }
        if let Some((width, height)) = self.size {
            let fits = (SMALLEST.1..=LARGEST).contains(&width) && (SMALLEST.1..=LARGEST).contains(&height);
            if !fits {
                let rule = format!("from {0} x {0} to {LARGEST} x {LARGEST} pixels", SMALLEST.1);
                return Err(Error::argument("size", format!("{width} x {height}"), rule));
            }
        }
        Ok(())
    }
}

/// That a range, where there is one, is two numbers in order.
pub(super) fn check_range(name: &str, range: Option<(f64, f64)>) -> Result<()> {
    match range {
        Some((low, high)) if !(low.is_finite() && high.is_finite() && low < high) => {
            Err(Error::argument(name, format!("({low}, {high})"), "two finite numbers, the lower first"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Show;
    use super::*;

    #[test]
    fn bad_arguments_are_named() {
        let refusal = |plane: Plane| plane.bundle().unwrap_err().to_string();
        let plane = || Plane::new("");
        assert_eq!(refusal(plane().points("a", &[1.0], &[])), "ys of 'a' = 0 numbers: one for each of the 1 xs");
        assert_eq!(refusal(plane().path(&[], &[1.0])), "ys of a path = 1 numbers: one for each of the 0 xs");
        assert_eq!(
            refusal(plane().arrows(&[1.0], &[1.0], &[1.0], &[])),
            "vs of the arrows = 0 numbers: one for each of the 1 xs"
        );
        assert_eq!(
            refusal(plane().arrows(&[1.0], &[1.0], &[1.0], &[1.0]).longest_arrow(0.0)),
            "longest_arrow = 0: a positive number"
        );
        let heat = |plane: Plane, values: &[f64]| plane.heat("p", 2, 1, values, (0.0, 1.0), (0.0, 1.0));
        assert_eq!(refusal(heat(plane(), &[0.0])), "values of 'p' = 1 numbers: one for each of the 2 x 1 cells");
        assert_eq!(refusal(heat(heat(plane(), &[0.0; 2]), &[0.0; 2])), "heat maps = 2: a picture has one at most");
        assert_eq!(
            refusal(heat(plane(), &[0.0; 2]).heat_range(1.0, f64::NAN)),
            "heat_range = (1, NaN): two finite numbers, the lower first"
        );
        assert_eq!(
            refusal(plane().heat("p", 0, 1, &[], (0.0, 1.0), (0.0, 1.0))),
            "cells of 'p' = 0 x 1: from 1 x 1 to 512 x 512"
        );
        assert_eq!(refusal(plane().x_range(1.0, 1.0)), "x_range = (1, 1): two finite numbers, the lower first");
        assert_eq!(refusal(plane().size(9, 300)), "size = 9 x 300: from 100 x 100 to 4000 x 4000 pixels");
        let many = (0..11).fold(plane(), |plane, _| plane.points("", &[0.0], &[0.0]));
        assert_eq!(refusal(many), "layers = 11: a picture has 10 colours at most: more cannot be told apart");
    }
}
