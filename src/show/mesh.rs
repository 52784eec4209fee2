//! The frame of a plot, with its grid lines, its ticks and their names; plotters draws it.

use super::axis::Axis;
use super::look::LABEL_SIZE;
use super::trace::Pixel;
use crate::{Error, Result};
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::prelude::*;
use plotters::style::FontTransform;
use std::ops::Range;

/// plotters counts in whole pixels, too coarse for a smooth line: it draws this much larger.
const FINE: f64 = 10.0;

/// plotters divides font sizes by this.
const FONT_UNIT: f64 = 1.24;

const GREY: RGBColor = RGBColor(0x77, 0x77, 0x77);
/// Around the labels of the axes, so that their tails are not cut off.
const MARGIN: f64 = 3.0;

/// Where the plot lies in the drawing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

/// Two axes with what they show.
pub(super) struct Axes<'a> {
    pub(super) x: &'a Axis,
    pub(super) y: &'a Axis,
    pub(super) x_label: &'a str,
    pub(super) y_label: &'a str,
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, (start, end): (i32, i32)) -> i32 {
        start + (f64::from(end - start) * (place - self.low) / (self.high - self.low)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl Frame {
    /// Where a pair of places lies on the screen.
    pub(super) fn pixel(&self, x: &Axis, y: &Axis, (px, py): (f64, f64)) -> Pixel {
        let across = (px - x.low) / (x.high - x.low);
        let up = (py - y.low) / (y.high - y.low);
        (self.left + across * (self.right - self.left), self.bottom - up * (self.bottom - self.top))
    }
}

/// A drawing of this size with the axes around the frame.
pub(super) fn mesh(axes: &Axes, frame: &Frame, width: f64, height: f64) -> Result<String> {
    let (x, y) = (axes.x, axes.y);
    let fine = |pixels: f64| (pixels * FINE).round() as i32;
    let mut svg = String::new();
    {
        let size = (fine(width).unsigned_abs(), fine(height).unsigned_abs());
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let style = ("sans-serif", LABEL_SIZE * FONT_UNIT * FINE).into_font().color(&GREY);
        let name = |axis: &Axis, place: f64| {
            axis.ticks.iter().position(|&tick| tick == place).map_or(String::new(), |index| axis.names[index].clone())
        };
        let mut plot = ChartBuilder::on(&area)
            .margin_top(fine(frame.top))
            .margin_right(fine(width - frame.right))
            .margin_left(fine(MARGIN))
            .margin_bottom(fine(MARGIN))
            .y_label_area_size(fine(frame.left - MARGIN))
            .x_label_area_size(fine(height - frame.bottom - MARGIN))
            .build_cartesian_2d(x.clone(), y.clone())
            .map_err(Error::display)?;
        plot.configure_mesh()
            .axis_style(GREY.stroke_width(FINE as u32))
            .bold_line_style(GREY.mix(0.28).stroke_width(FINE as u32))
            .light_line_style(TRANSPARENT)
            .label_style(style.clone())
            .axis_desc_style(style.transform(FontTransform::None))
            .x_label_formatter(&|place| name(x, *place))
            .y_label_formatter(&|place| name(y, *place))
            .x_desc(axes.x_label)
            .y_desc(axes.y_label)
            .set_all_tick_mark_size(fine(4.0))
            .draw()
            .map_err(Error::display)?;
        area.present().map_err(Error::display)?;
    }
    // The inside of plotters' own document, back at its size and in our fonts.
    let start = svg.find('>').map_or(0, |at| at + 1);
    let inside = svg[start..].trim_end().trim_end_matches("</svg>").replace(" font-family=\"sans-serif\"", "");
    Ok(format!("<g transform=\"scale({})\">{inside}</g>\n", 1.0 / FINE))
}

#[cfg(test)]
mod tests {
    use super::super::look::TEXT;
    use super::*;

    #[test]
    fn the_colour_of_plotters_parts_is_the_text_colour() {
        let RGBColor(red, green, blue) = GREY;
        assert_eq!(TEXT, format!("#{red:02x}{green:02x}{blue:02x}"));
    }
}
