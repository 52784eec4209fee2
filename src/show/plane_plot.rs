//! The inside of a picture of the plane: where everything lies, and its layers.

use super::axis::{Axis, Scale};
use super::chart::Style;
use super::grid::evenly;
use super::grouped;
use super::heat::Heat;
use super::legend::Legend;
use super::look::{self, LABEL_SIZE, SERIES, shorten, text, text_width, wrap};
use super::mesh::{Axes, Frame, mesh};
use super::plane::{Layer, Plane};
use super::plot::SHOWN;
use super::trace::Pixel;
use super::ways::{self, Ends};
use super::words::digits;
use crate::Result;

/// More points than this are a crowd: a sample of them is drawn.
const MOST_DOTS: usize = 2_000;
/// Dots of one path cover one another without adding up; those of several do, so that density shows.
const DOTS_A_PATH: usize = 250;

const WIDEST: f64 = 420.0;
const NARROWEST: f64 = 100.0;
const NOTE_LINE: f64 = 17.0;
/// How far marks may stand out of the frame.
const OVERHANG: f64 = 3.0;

/// Where everything lies.
pub(super) struct Layout {
    frame: Frame,
    x: Axis,
    y: Axis,
    width: f64,
    height: f64,
    /// The names of the layers of points.
    legend: Legend,
    bar: Option<Axis>,
}

/// A drawing, and what its words need to know of it.
pub(super) struct Drawn {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) body: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// How many points are drawn of how many, where not all are.
    pub(super) sampled: Option<String>,
}

pub(super) fn draw(plane: &Plane, available: f64) -> Result<Drawn> {
    let layout = layout(plane, available);
    let Layout { frame, x, y, .. } = &layout;
    let axes = Axes { x, y, x_label: &plane.x_label, y_label: &plane.y_label };
    let mut body = mesh(&axes, frame, layout.width, layout.height)?;
    body += &layers(plane, &layout)?;
    if !body.contains("class=\"series\"") {
        let note = shorten("nothing to draw", frame.right - frame.left, LABEL_SIZE);
        body += &text((frame.left + frame.right) / 2.0, (frame.top + frame.bottom) / 2.0, "middle", &note);
    }
    let mut beside = frame.right;
    if let (Some(heat), Some(axis)) = (heat(plane), &layout.bar) {
        body += &heat.bar(frame, axis)?;
        beside += heat.bar_width(axis);
    }
    body += &layout.legend.svg(beside, frame.bottom, (0.0, layout.height + 4.0), Legend::stacked(frame.top));
    let mut height = layout.height + layout.legend.below();
    for note in notes(plane) {
        for line in wrap(&note, layout.width, LABEL_SIZE) {
            height += NOTE_LINE;
            body += &text(0.0, height - 5.0, "start", &shorten(&line, layout.width, LABEL_SIZE));
        }
    }
    Ok(Drawn { width: layout.width, height, body, x: layout.x, y: layout.y, sampled: sampled(plane) })
}

pub(super) fn layout(plane: &Plane, available: f64) -> Layout {
    let width = plane.size.map_or(available.clamp(NARROWEST, WIDEST).floor(), |(width, _)| f64::from(width));
    let named = plane.layers.iter().zip(plane.colours()).filter_map(|(layer, colour)| match layer {
        Layer::Points { name, .. } => Some((name.as_str(), colour, Style::Points)),
        _ => None,
    });
    // A single layer needs no name beside it.
    let few = plane.bare || named.clone().count() < 2;
    let high = plane.size.map_or(0.6 * width, |(_, height)| f64::from(height));
    let legend = Legend::new(named.filter(|_| !few), (width, high));
    let mut beside = legend.beside();
    // The bar's numbers do not depend on where it lies; how many they are, hardly.
    let bar = heat(plane).map(|heat| heat.bar_axis(plane.size.map_or(0.7 * width, |(_, height)| f64::from(height))));
    if let (Some(heat), Some(axis)) = (heat(plane), &bar) {
        beside += heat.bar_width(axis);
    }
    let right = width - beside.max(if plane.bare { 4.0 } else { 14.0 }).ceil();

    let (x_range, y_range) = ranges(plane);
    let tick_width = |axis: &Axis| axis.names.iter().map(|name| text_width(name, LABEL_SIZE)).fold(8.0, f64::max);
    let label = |label: &str| if label.is_empty() { 0.0 } else { 18.0 };
    let rough = Axis::new(Scale::Linear, y_range.0, y_range.1, 6);
    let left = if plane.bare { 6.0 } else { tick_width(&rough) + 13.0 } + label(&plane.y_label);
    let below = if plane.bare { 6.0 } else { 27.0 } + label(&plane.x_label);
    let (left, top) = (left.ceil(), if plane.bare { 4.0 } else { 8.0 });

    let across = (right - left).max(30.0);
    let shape = (y_range.1 - y_range.0) / (x_range.1 - x_range.0);
    let height =
        plane.size.map_or((top + across * shape.clamp(0.4, 1.2) + below).ceil(), |(_, height)| f64::from(height));
    let up = (height - top - below).max(30.0);
    let frame = Frame { left, right: left + across, top, bottom: top + up };
    // One scale: what has room to spare shows more.
    let unit = ((x_range.1 - x_range.0) / across).max((y_range.1 - y_range.0) / up);
    let axis = |(low, high): (f64, f64), pixels: f64, apart: f64| {
        let (middle, half) = ((low + high) / 2.0, unit * pixels / 2.0);
        let mut axis = Axis::new(Scale::Linear, middle - half, middle + half, ((pixels / apart) as usize).max(2));
        if plane.bare {
            axis.names.fill(String::new());
        }
        axis
    };
    Layout { x: axis(x_range, across, 60.0), y: axis(y_range, up, 40.0), frame, width, height, legend, bar }
}

fn heat(plane: &Plane) -> Option<&Heat> {
    plane.layers.iter().find_map(|layer| if let Layer::Heat(heat) = layer { Some(heat) } else { None })
}

/// What the axes have to show at least.
fn ranges(plane: &Plane) -> ((f64, f64), (f64, f64)) {
    let mut corners: Vec<(f64, f64)> = Vec::new();
    for layer in &plane.layers {
        match layer {
            Layer::Points { xs, ys, .. } | Layer::Path { xs, ys, .. } => {
                corners.extend(xs.iter().copied().zip(ys.iter().copied()));
            }
            Layer::Arrows(arrows) => corners.extend(arrows.finite().map(|[x, y, _, _]| (x, y))),
            Layer::Heat(heat) => {
                corners.extend(heat.corners());
            }
        }
    }
    corners.retain(|(x, y)| Scale::Linear.place(*x).is_some() && Scale::Linear.place(*y).is_some());
    let around = |pick: fn(&(f64, f64)) -> f64| {
        let places = corners.iter().map(pick);
        if heat(plane).is_some() {
            // The map fills the frame.
            return places.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), p| (low.min(p), high.max(p)));
        }
        let axis = Axis::around(Scale::Linear, places, 0.05, 5);
        (axis.low, axis.high)
    };
    (
        plane.x_range.unwrap_or_else(|| around(|corner| corner.0)),
        plane.y_range.unwrap_or_else(|| around(|corner| corner.1)),
    )
}

impl Layout {
    fn pixel(&self, px: f64, py: f64) -> Option<Pixel> {
        let place = (Scale::Linear.place(px)?, Scale::Linear.place(py)?);
        Some(self.frame.pixel(&self.x, &self.y, place))
    }

    fn inside(&self, (px, py): Pixel) -> bool {
        let Frame { left, right, top, bottom } = self.frame;
        (left - 0.05..=right + 0.05).contains(&px) && (top - 0.05..=bottom + 0.05).contains(&py)
    }

    /// The pixels of points in the picture.
    fn dots(&self, xs: &[f64], ys: &[f64]) -> Vec<Pixel> {
        let pixels = xs.iter().zip(ys).filter_map(|(&px, &py)| self.pixel(px, py));
        pixels.filter(|&pixel| self.inside(pixel)).collect()
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> (Frame, &Axis, &Axis) {
        (self.frame, &self.x, &self.y)
    }
}

/// All layers, cut at the frame. An SVG inside the SVG cuts without an id, which two figures in one page could share.
fn layers(plane: &Plane, layout: &Layout) -> Result<String> {
    let Frame { left, right, top, bottom } = layout.frame;
    let total = count(plane);
    let mut body = String::new();
    let mut ends = Ends::default();
    let colours = plane.colours();
    for (layer, &index) in plane.layers.iter().zip(&colours) {
        let colour = SERIES[index % SERIES.len()];
        match layer {
            Layer::Points { xs, ys, .. } => {
                let shown = evenly(xs.len(), share(xs.len(), total));
                let pick = |all: &[f64]| shown.iter().map(|&index| all[index]).collect::<Vec<f64>>();
                body += &scatter(&layout.dots(&pick(xs), &pick(ys)), total.min(MOST_DOTS), right - left, index);
            }
            Layer::Path { stroke, xs, ys } => {
                let pixels: Vec<Option<Pixel>> = xs.iter().zip(ys.iter()).map(|(&x, &y)| layout.pixel(x, y)).collect();
                body += &ways::line(&pixels, *stroke, index);
                // A line in pieces, such as the edges of a graph, starts and ends nowhere.
                if xs.iter().chain(ys.iter()).all(|value| value.is_finite()) {
                    ends.add(&pixels, *stroke, index);
                }
            }
            Layer::Arrows(arrows) => body += &arrows.svg(&layout.frame, (&layout.x, &layout.y), colour),
            Layer::Heat(heat) => body += &heat.svg(&layout.frame, (&layout.x, &layout.y))?,
        }
    }
    body += &ends.svg();
    let (x, y, width, height) =
        (left - OVERHANG, top - OVERHANG, right - left + 2.0 * OVERHANG, bottom - top + 2.0 * OVERHANG);
    Ok(format!(
        "<svg x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
         viewBox=\"{x:.1} {y:.1} {width:.1} {height:.1}\">\n{body}</svg>\n"
    ))
}

/// Dots, in several paths.
fn scatter(dots: &[Pixel], all: usize, width: f64, index: usize) -> String {
    // So many that they would cover the picture are small, and a few are large enough to tell their colours apart.
    let size = (4.5 * (width / 360.0).sqrt() * (300.0 / all.max(40) as f64).powf(0.25)).clamp(1.6, 7.5);
    let groups = dots.len().div_ceil(DOTS_A_PATH).max(1);
    (0..groups)
        .map(|group| look::dots(dots.iter().skip(group).step_by(groups).copied(), size, 0.65, index, SHOWN))
        .collect()
}

/// How many points there are in all layers.
fn count(plane: &Plane) -> usize {
    plane.layers.iter().map(|layer| if let Layer::Points { xs, .. } = layer { xs.len() } else { 0 }).sum()
}

/// How many of a layer's points are drawn, of `total` in all layers.
fn share(points: usize, total: usize) -> usize {
    if total > MOST_DOTS { (MOST_DOTS * points).div_ceil(total) } else { points }
}

fn sampled(plane: &Plane) -> Option<String> {
    let total = count(plane);
    let layers = plane.layers.iter();
    let drawn = layers.map(|layer| if let Layer::Points { xs, .. } = layer { share(xs.len(), total) } else { 0 });
    let drawn: usize = drawn.sum();
    (drawn < total).then(|| format!("{} of {} points drawn", grouped(drawn), grouped(total)))
}

fn notes(plane: &Plane) -> Vec<String> {
    let mut notes: Vec<String> = sampled(plane).into_iter().collect();
    for layer in &plane.layers {
        match layer {
            Layer::Arrows(arrows) => notes.push(match arrows.longest {
                Some(longest) if longest < arrows.longest() => {
                    format!("the longest arrows stand for {} and more", digits(longest))
                }
                _ => format!("longest arrow: {}", digits(arrows.longest())),
            }),
            Layer::Heat(heat) if heat.strange() > 0 => {
                notes.push(format!("magenta: {} values are not finite", grouped(heat.strange())));
            }
            _ => {}
        }
    }
    notes
}
