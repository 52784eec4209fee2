//! The inside of a chart: plotters draws the frame, the grid lines and the ticks; the series and their names are ours.

use super::axis::Axis;
use super::chart::{Chart, Style};
use super::look::{LABEL_SIZE, SERIES, shorten, text, text_width};
use super::trace::{Pixel, dots, pieces};
use crate::{Error, Result};
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::prelude::*;
use plotters::style::FontTransform;
use std::fmt::Write;
use std::ops::Range;

/// plotters counts in whole pixels, too coarse for a smooth line: it draws this much larger.
const FINE: f64 = 10.0;

/// plotters divides font sizes by this.
const FONT_UNIT: f64 = 1.24;

const GREY: RGBColor = RGBColor(0x77, 0x77, 0x77);
/// Around the labels of the axes, so that their tails are not cut off.
const MARGIN: f64 = 3.0;

const WIDEST_NAME: f64 = 150.0;
const NAME_LINE: f64 = 16.0;
const SWATCH: f64 = 12.0;

/// Where the plot lies in the drawing.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
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

pub(super) fn draw(chart: &Chart, width: f64, height: f64) -> Result<String> {
    // A single series needs no name beside it: the axis has one.
    let named = if chart.series.len() > 1 { chart.series.as_slice() } else { &[] };
    let names: Vec<String> =
        named.iter().map(|series| shorten(&series.name, WIDEST_NAME.min(width / 4.0), LABEL_SIZE)).collect();
    let widest = names.iter().map(|name| text_width(name, LABEL_SIZE)).fold(0.0, f64::max);
    let room_for_names = if widest > 0.0 { SWATCH + 8.0 + widest } else { 16.0 };
    let bottom = height - if chart.x_label.is_empty() { 27.0 } else { 43.0 };
    let (x, y) = chart.axes(width - 60.0 - room_for_names, bottom);
    let tick_width = y.names.iter().map(|name| text_width(name, LABEL_SIZE)).fold(8.0, f64::max);
    let left = tick_width + if chart.y_label.is_empty() { 13.0 } else { 33.0 };
    let frame = Frame { left: left.ceil(), right: width - room_for_names.ceil(), top: 8.0, bottom };

    let mut body = mesh(chart, &x, &y, &frame, width, height)?;
    let mut ends = Vec::new();
    for (index, series) in chart.series.iter().enumerate() {
        let points: Vec<Option<Pixel>> = series
            .xs
            .iter()
            .zip(series.ys.iter())
            .map(|(&px, &py)| Some(frame.pixel(&x, &y, (chart.x_scale.place(px)?, chart.y_scale.place(py)?))))
            .collect();
        let colour = SERIES[index % SERIES.len()];
        match series.style {
            Style::Line => body += &line(&points, &frame, colour),
            Style::Points => body += &marks(&dots(&points, frame.top, frame.bottom), colour),
        }
        let end = match series.style {
            Style::Line => points.iter().flatten().next_back().map(|point| point.1),
            Style::Points => Some(frame.top + NAME_LINE * (index as f64 + 0.5)),
        };
        if let Some(end) = end.filter(|_| names.get(index).is_some_and(|name| !name.is_empty())) {
            ends.push((index, end.clamp(frame.top + 5.0, frame.bottom - 5.0)));
        }
    }
    if body.matches("class=\"series\"").count() == 0 {
        let note = "nothing to draw: no finite numbers";
        body += &text((frame.left + frame.right) / 2.0, (frame.top + frame.bottom) / 2.0, "middle", note);
    }
    for (index, height) in apart(ends, frame.bottom) {
        body +=
            &legend(&names[index], frame.right + 6.0, height, SERIES[index % SERIES.len()], chart.series[index].style);
    }
    Ok(body)
}

impl Frame {
    fn pixel(&self, x: &Axis, y: &Axis, (px, py): (f64, f64)) -> Pixel {
        let across = (px - x.low) / (x.high - x.low);
        let up = (py - y.low) / (y.high - y.low);
        (self.left + across * (self.right - self.left), self.bottom - up * (self.bottom - self.top))
    }
}

fn mesh(chart: &Chart, x: &Axis, y: &Axis, frame: &Frame, width: f64, height: f64) -> Result<String> {
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
            .x_desc(&chart.x_label)
            .y_desc(&chart.y_label)
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

fn line(points: &[Option<Pixel>], frame: &Frame, colour: &str) -> String {
    let mut body = String::new();
    for piece in pieces(points, frame.top, frame.bottom) {
        let places = piece.iter().fold(String::new(), |mut places, (x, y)| {
            let _ = write!(places, "{x:.1},{y:.1} ");
            places
        });
        body += &format!(
            "<polyline class=\"series\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\" stroke-linejoin=\"round\" \
             stroke-linecap=\"round\" points=\"{}\"/>\n",
            places.trim_end()
        );
    }
    body
}

/// All dots in one path: strokes of no length with round ends.
fn marks(dots: &[Pixel], colour: &str) -> String {
    if dots.is_empty() {
        return String::new();
    }
    let size = if dots.len() > 1_000 { 2.5 } else { 4.5 };
    let path = dots.iter().fold(String::new(), |mut path, (x, y)| {
        let _ = write!(path, "M{x} {y}h0");
        path
    });
    format!(
        "<path class=\"series\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{size}\" stroke-linecap=\"round\" \
         stroke-opacity=\"0.8\" d=\"{path}\"/>\n"
    )
}

/// Names at their lines' ends, moved as far as it takes to keep them off one another.
fn apart(mut ends: Vec<(usize, f64)>, bottom: f64) -> Vec<(usize, f64)> {
    ends.sort_by(|a, b| a.1.total_cmp(&b.1));
    for index in 1..ends.len() {
        ends[index].1 = ends[index].1.max(ends[index - 1].1 + NAME_LINE);
    }
    let mut limit = bottom;
    for end in ends.iter_mut().rev() {
        end.1 = end.1.min(limit);
        limit = end.1 - NAME_LINE;
    }
    ends
}

fn legend(name: &str, x: f64, y: f64, colour: &str, style: Style) -> String {
    let swatch = match style {
        Style::Line => format!("<path stroke=\"{colour}\" stroke-width=\"2.5\" d=\"M{x:.1} {y:.1}h{SWATCH}\"/>\n"),
        Style::Points => {
            format!("<circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>\n", x + SWATCH / 2.0)
        }
    };
    swatch + &text(x + SWATCH + 4.0, y + 4.0, "start", name)
}

#[cfg(test)]
mod tests {
    use super::super::look::TEXT;
    use super::*;

    #[test]
    fn names_keep_off_one_another_and_inside() {
        let placed = apart(vec![(0, 100.0), (1, 100.0), (2, 20.0), (3, 98.0)], 110.0);
        for pair in placed.windows(2) {
            assert!(pair[1].1 - pair[0].1 >= NAME_LINE - 1e-9, "{placed:?}");
        }
        assert!(placed.iter().all(|end| end.1 <= 110.0));
        assert_eq!(placed[0], (2, 20.0));
    }

    #[test]
    fn the_colour_of_plotters_parts_is_the_text_colour() {
        let RGBColor(red, green, blue) = GREY;
        assert_eq!(TEXT, format!("#{red:02x}{green:02x}{blue:02x}"));
    }
}
