//! The inside of a chart: its series, and their names beside or below them.

use super::axis::Scale;
use super::chart::{Chart, Series, Style};
use super::legend::{Legend, dashes};
use super::look::{self, LABEL_SIZE, SERIES, text, text_width};
use super::mesh::{Axes, Frame, mesh};
use super::trace::{Pixel, dots, pieces};
use crate::Result;
use std::fmt::Write;

/// Above the plot, so that half of the highest number at the axis has room.
const TOP: f64 = 8.0;
/// What is drawn of the data.
pub(super) const SHOWN: &str = "class=\"series\" ";

/// The inside, and its height: what was asked for, and more where names stand below.
pub(super) fn draw(chart: &Chart, width: f64, height: f64) -> Result<(String, f64)> {
    let bottom = height - if chart.x_label.is_empty() { 27.0 } else { 43.0 };
    // A single series needs no name beside it: the axis has one.
    let named = if chart.named && chart.series.len() > 1 { chart.series.as_slice() } else { &[] };
    let names = named.iter().enumerate().map(|(index, series)| (series.name.as_str(), index, series.style));
    let legend = Legend::new(names, (width, bottom - TOP));
    let bar = chart.heat.as_ref().map(|heat| (heat, heat.bar_axis(bottom)));
    let room_for_bar = bar.as_ref().map_or(0.0, |(heat, axis)| heat.bar_width(axis));
    let beside = width - legend.beside().max(16.0).ceil();
    let (x, y) = chart.axes(beside - room_for_bar - 60.0, bottom);
    let tick_width = y.names.iter().map(|name| text_width(name, LABEL_SIZE)).fold(8.0, f64::max);
    let left = tick_width + if chart.y_label.is_empty() { 13.0 } else { 33.0 };
    let frame = Frame { left: left.ceil(), right: beside - room_for_bar.ceil(), top: TOP, bottom };

    let axes = Axes { x: &x, y: &y, x_label: &chart.x_label, y_label: &chart.y_label };
    let mut body = mesh(&axes, &frame, width, height)?;
    if let Some((heat, axis)) = &bar {
        body += &heat.svg(&frame, (&x, &y))?;
        body += &heat.bar(&frame, axis)?;
    }
    let mut ends = vec![None; chart.series.len()];
    for (index, series) in chart.series.iter().enumerate() {
        let points: Vec<Option<Pixel>> = series
            .xs
            .iter()
            .zip(series.ys.iter())
            .map(|(&px, &py)| Some(frame.pixel(&x, &y, (chart.x_scale.place(px)?, chart.y_scale.place(py)?))))
            .collect();
        let colour = SERIES[index % SERIES.len()];
        match series.style {
            Style::Line => body += &line(&points, &frame, index, THICK),
            Style::Faint => body += &line(&points, &frame, index, THIN),
            Style::Measured => {
                body += &line(&points, &frame, index, THICK);
                body += &look::dots(dots(&points, frame.top, frame.bottom).into_iter(), MEASURED, 1.0, index, SHOWN);
            }
            Style::Lines { drawn, .. } => body += &line(&points, &frame, index, if drawn > 3 { THIN } else { THICK }),
            Style::Points => body += &marks(&dots(&points, frame.top, frame.bottom), index),
            Style::Bars => body += &bars(series, chart.y_scale, &|place| frame.pixel(&x, &y, place), &frame, colour),
        }
        let end = match series.style {
            Style::Line | Style::Lines { .. } | Style::Faint | Style::Measured => {
                points.iter().flatten().next_back().map(|point| point.1)
            }
            Style::Points | Style::Bars => Legend::stacked(frame.top)(index, index),
        };
        ends[index] = end.map(|end| end.clamp(frame.top + 5.0, frame.bottom - 5.0));
    }
    if body.matches("class=\"series\"").count() == 0 {
        let note = "nothing to draw: no finite numbers";
        body += &text((frame.left + frame.right) / 2.0, (frame.top + frame.bottom) / 2.0, "middle", note);
    }
    body += &legend.svg(beside, frame.bottom, (0.0, height + 4.0), |_, index| ends[index]);
    Ok((body, height + legend.below()))
}

/// Width and opacity of a line that stands for itself, and of one among many.
const THICK: (f64, f64) = (1.8, 1.0);
const THIN: (f64, f64) = (0.9, 0.5);
/// The size of a dot on a line.
const MEASURED: f64 = 5.5;

fn line(points: &[Option<Pixel>], frame: &Frame, index: usize, (width, opacity): (f64, f64)) -> String {
    let (colour, dashes) = (SERIES[index % SERIES.len()], dashes(index));
    let mut body = String::new();
    for piece in pieces(points, frame.top, frame.bottom) {
        let places = piece.iter().fold(String::new(), |mut places, (x, y)| {
            let _ = write!(places, "{x:.1},{y:.1} ");
            places
        });
        body += &format!(
            "<polyline class=\"series\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" \
             stroke-opacity=\"{opacity}\"{dashes} stroke-linejoin=\"round\" stroke-linecap=\"round\" points=\"{}\"/>\n",
            places.trim_end()
        );
    }
    body
}

/// All bars in one path, which stand on zero, or on the frame where the axis has no zero.
fn bars(series: &Series, scale: Scale, pixel: &dyn Fn((f64, f64)) -> Pixel, frame: &Frame, colour: &str) -> String {
    let ground = scale.place(0.0).map_or(frame.bottom, |zero| pixel((0.0, zero)).1.clamp(frame.top, frame.bottom));
    let mut path = String::new();
    for (edges, &height) in series.xs.windows(2).zip(series.ys.iter()) {
        let (Some(height), [left, right]) = (scale.place(height), edges) else { continue };
        let (left, top) = pixel((*left, height));
        let (top, right) = (top.clamp(frame.top, frame.bottom), pixel((*right, height)).0);
        if (top - ground).abs() > 0.05 {
            let _ = write!(path, "M{left:.1} {ground:.1}V{top:.1}H{right:.1}V{ground:.1}");
        }
    }
    if path.is_empty() {
        return path;
    }
    format!(
        "<path class=\"series\" fill=\"{colour}\" fill-opacity=\"0.4\" stroke=\"{colour}\" stroke-width=\"0.8\" \
         d=\"{path}\"/>\n"
    )
}

/// All dots in one path.
fn marks(dots: &[Pixel], index: usize) -> String {
    let size = if dots.len() > 1_000 { 2.5 } else { 4.5 };
    look::dots(dots.iter().copied(), size, 0.8, index, SHOWN)
}
