//! Lines, points and bars over two axes.

use super::axis::{Axis, Scale};
use super::grid::evenly;
use super::heat::Heat;
use super::look::{Drawing, PAGE_WIDTH};
use super::{Bundle, Show, plot};
use crate::{Error, Result};
use std::sync::Arc;

/// A line has a colour of its own up to here.
const MOST_SERIES: usize = super::look::SERIES.len();

/// Of more lines in one colour than this a sample is drawn.
const MOST_LINES: usize = 60;

pub(super) const SMALLEST: (u32, u32) = (120, 100);
pub(super) const LARGEST: u32 = 4_000;

/// Lines, points and bars over two labelled axes. Numbers that are not finite, or not positive on a logarithmic axis, are gaps.
///
/// ```
/// use noisebook::show::{Chart, Show};
/// let steps: Vec<f64> = (0..100).map(f64::from).collect();
/// let losses: Vec<f64> = steps.iter().map(|step| 1.0 / (1.0 + step)).collect();
/// let chart = Chart::new("the loss falls").x_label("step").y_label("loss").line("train", &steps, &losses).log_y();
/// assert!(chart.bundle()?.plain_text().contains("train: 100 points, from 1 to 0.01"));
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Chart {
    pub(super) title: String,
    pub(super) x_label: String,
    pub(super) y_label: String,
    pub(super) x_scale: Scale,
    pub(super) y_scale: Scale,
    pub(super) y_range: Option<(f64, f64)>,
    pub(super) size: Option<(u32, u32)>,
    pub(super) series: Vec<Series>,
    pub(super) heat: Option<Heat>,
    /// Whether names stand beside the series.
    pub(super) named: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Line,
    /// Many lines in one colour, one after another with a gap between: some are drawn of how many there are.
    Lines {
        drawn: usize,
        total: usize,
    },
    /// A line of which only its course matters: thin, beneath others.
    Faint,
    /// A line through what was measured, each with its dot.
    Measured,
    Points,
    /// Bars between edges: one x more than ys.
    Bars,
}

#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) style: Style,
    pub(super) xs: Arc<[f64]>,
    pub(super) ys: Arc<[f64]>,
}

impl Chart {
    /// A chart with a title, which may be empty.
    ///
    /// ```
    /// let chart = noisebook::show::Chart::new("nothing yet");
    /// ```
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            x_label: String::new(),
            y_label: String::new(),
            x_scale: Scale::Linear,
            y_scale: Scale::Linear,
            y_range: None,
            size: None,
            series: Vec::new(),
            heat: None,
            named: true,
        }
    }

    /// Says what the horizontal axis shows, with its unit.
    ///
    /// ```
    /// let chart = noisebook::show::Chart::new("").x_label("step");
    /// ```
    #[must_use]
    pub fn x_label(mut self, label: impl Into<String>) -> Self {
        self.x_label = label.into();
        self
    }

    /// Says what the vertical axis shows, with its unit.
    ///
    /// ```
    /// let chart = noisebook::show::Chart::new("").y_label("time (s)");
    /// ```
    #[must_use]
    pub fn y_label(mut self, label: impl Into<String>) -> Self {
        self.y_label = label.into();
        self
    }

    /// Adds a line; its name stands beside it, or below the chart where that has no room.
    ///
    /// ```
    /// let chart = noisebook::show::Chart::new("").line("a", &[0.0, 1.0, 2.0], &[1.0, f64::NAN, 3.0]);
    /// ```
    #[must_use]
    pub fn line(self, name: impl Into<String>, xs: &[f64], ys: &[f64]) -> Self {
        self.with(name.into(), Style::Line, xs, ys)
    }

    /// Adds a line that lies beneath others: thin and pale.
    pub(crate) fn faint_line(self, name: impl Into<String>, xs: &[f64], ys: &[f64]) -> Self {
        self.with(name.into(), Style::Faint, xs, ys)
    }

    /// Adds a line with a dot at each of its few points.
    pub(crate) fn measured(self, name: impl Into<String>, xs: &[f64], ys: &[f64]) -> Self {
        self.with(name.into(), Style::Measured, xs, ys)
    }

    /// Adds points that no line joins.
    ///
    /// ```
    /// let chart = noisebook::show::Chart::new("moons").points("data", &[0.0, 1.0], &[1.0, 0.0]);
    /// ```
    #[must_use]
    pub fn points(self, name: impl Into<String>, xs: &[f64], ys: &[f64]) -> Self {
        self.with(name.into(), Style::Points, xs, ys)
    }

    /// Adds many lines of one colour over the same xs: paths, or one curve a sample. More than 60 are a crowd: 60 are drawn,
    /// evenly spaced.
    ///
    /// ```
    /// let paths = [vec![0.0, 0.3, 0.1], vec![0.0, -0.2, -0.4]];
    /// let chart = noisebook::show::Chart::new("two walks").lines("walks", &[0.0, 1.0, 2.0], &paths);
    /// ```
    #[must_use]
    pub fn lines(self, name: impl Into<String>, xs: &[f64], lines: &[Vec<f64>]) -> Self {
        if let Some(other) = lines.iter().find(|line| line.len() != xs.len()) {
            return self.with(name.into(), Style::Line, xs, other);
        }
        let shown = evenly(lines.len(), MOST_LINES);
        let joined = |pick: &dyn Fn(usize) -> Vec<f64>| -> Vec<f64> {
            shown.iter().flat_map(|&line| pick(line).into_iter().chain([f64::NAN])).collect()
        };
        let (all_xs, all_ys) = (joined(&|_| xs.to_vec()), joined(&|line| lines[line].clone()));
        self.with(name.into(), Style::Lines { drawn: shown.len(), total: lines.len() }, &all_xs, &all_ys)
    }

    /// Makes the horizontal axis logarithmic.
    ///
    /// ```
    /// let chart = noisebook::show::Chart::new("").line("", &[1.0, 1_000.0], &[0.0, 1.0]).log_x();
    /// ```
    #[must_use]
    pub fn log_x(mut self) -> Self {
        self.x_scale = Scale::Log;
        self
    }

    /// Makes the vertical axis logarithmic.
    ///
    /// ```
    /// let chart = noisebook::show::Chart::new("").line("", &[0.0, 1.0], &[1e-6, 1.0]).log_y();
    /// ```
    #[must_use]
    pub fn log_y(mut self) -> Self {
        self.y_scale = Scale::Log;
        self
    }

    /// Shows this part of the vertical axis; what lies outside is cut off.
    ///
    /// ```
    /// let chart = noisebook::show::Chart::new("").line("", &[0.0, 1.0], &[-3.0, 7.0]).y_range(0.0, 1.0);
    /// ```
    #[must_use]
    pub fn y_range(mut self, low: f64, high: f64) -> Self {
        self.y_range = Some((low, high));
        self
    }

    /// Sets the size in pixels, title left out, and names where they are too long or too many to stand beside the plot. By default
    /// a chart takes the width that there is.
    ///
    /// ```
    /// let chart = noisebook::show::Chart::new("").size(320, 200);
    /// ```
    #[must_use]
    pub fn size(mut self, width: u32, height: u32) -> Self {
        self.size = Some((width, height));
        self
    }

    /// Leaves out the names beside the series: for a chart beside one that has them.
    pub(crate) fn unnamed(mut self) -> Self {
        self.named = false;
        self
    }

    pub(super) fn with(mut self, name: String, style: Style, xs: &[f64], ys: &[f64]) -> Self {
        self.series.push(Series { name, style, xs: xs.into(), ys: ys.into() });
        self
    }

    /// The chart in a place of this width.
    pub(super) fn draw(&self, available: f64) -> Result<Drawing> {
        self.check()?;
        let (width, height) = match self.size {
            Some((width, height)) => (f64::from(width), f64::from(height)),
            None => {
                let width = available.clamp(f64::from(SMALLEST.0), 640.0).floor();
                (width, (0.5 * width).clamp(200.0, 300.0).floor())
            }
        };
        let (body, height) = plot::draw(self, width, height)?;
        let text = self.in_words();
        let alternative = format!("Chart. {}", text.replace('\n', "; "));
        Ok(Drawing { width, height, body, text, alternative }.titled(&self.title, available))
    }

    /// The two axes, with ticks for a plot of this size.
    pub(super) fn axes(&self, width: f64, height: f64) -> (Axis, Axis) {
        let drawn = || {
            self.series
                .iter()
                .flat_map(Series::corners)
                .chain(self.heat.iter().flat_map(Heat::corners))
                .filter_map(|(x, y)| Some((self.x_scale.place(x)?, self.y_scale.place(y)?)))
        };
        let no_points = self.series.iter().all(|series| series.style != Style::Points);
        let has_bars = self.series.iter().any(|series| series.style == Style::Bars);
        let (across, up) = ((width / 75.0) as usize, (height / 36.0) as usize);
        let x = Axis::around(self.x_scale, drawn().map(|place| place.0), if no_points { 0.0 } else { 0.03 }, across);
        let y = match self.y_range.map(|(low, high)| (self.y_scale.place(low), self.y_scale.place(high))) {
            Some((Some(low), Some(high))) => Axis::new(self.y_scale, low, high, up),
            _ => {
                let ground = self.y_scale.place(0.0).filter(|_| has_bars);
                let margin = if self.heat.is_some() { 0.0 } else { 0.04 };
                let axis = Axis::around(self.y_scale, drawn().map(|place| place.1).chain(ground), margin, up);
                // Bars stand on the axis.
                let lowest = drawn().map(|place| place.1).fold(f64::INFINITY, f64::min);
                if has_bars && lowest >= 0.0 && ground.is_some() {
                    Axis::new(self.y_scale, 0.0, axis.high, up)
                } else {
                    axis
                }
            }
        };
        (x, y)
    }

    fn check(&self) -> Result<()> {
        if self.series.len() > MOST_SERIES {
            let rule = format!("a chart has {MOST_SERIES} series at most: more cannot be told apart");
            return Err(Error::argument("series", self.series.len(), rule));
        }
        for series in &self.series {
            let (xs, ys) = (series.xs.len(), series.ys.len());
            if series.style == Style::Bars {
                series.check_bars()?;
            } else if xs != ys {
                return Err(Error::argument(
                    format!("ys of '{}'", series.name),
                    format!("{ys} numbers"),
                    format!("one for each of the {xs} xs"),
                ));
            }
        }
        if let Some(heat) = &self.heat {
            heat.check()?;
            if (self.x_scale, self.y_scale) != (Scale::Linear, Scale::Linear) {
                let rule = "a heat map has cells of one size, so both axes are linear";
                return Err(Error::argument("axes", "logarithmic", rule));
            }
        }
        if let Some((low, high)) = self.y_range {
            let places = (self.y_scale.place(low), self.y_scale.place(high));
            if !matches!(places, (Some(low), Some(high)) if low < high) {
                let kind = if self.y_scale == Scale::Log { "positive numbers" } else { "finite numbers" };
                return Err(Error::argument(
                    "y_range",
                    format!("({low}, {high})"),
                    format!("two {kind}, the lower first"),
                ));
            }
        }
        if let Some((width, height)) = self.size {
            let fits = (SMALLEST.0..=LARGEST).contains(&width) && (SMALLEST.1..=LARGEST).contains(&height);
            if !fits {
                let rule = format!("from {} x {} to {LARGEST} x {LARGEST} pixels", SMALLEST.0, SMALLEST.1);
                return Err(Error::argument("size", format!("{width} x {height}"), rule));
            }
        }
        Ok(())
    }
}

impl Series {
    /// The points that the picture has to reach.
    fn corners(&self) -> impl Iterator<Item = (f64, f64)> {
        let last = self.ys.last().copied();
        let lefts = self.xs.iter().copied().zip(self.ys.iter().copied());
        lefts.chain(self.xs.last().copied().zip(last).filter(|_| self.style == Style::Bars))
    }
}

impl Show for Chart {
    fn bundle(&self) -> Result<Bundle> {
        Ok(self.draw(PAGE_WIDTH)?.bundle())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn svg(chart: &Chart) -> String {
        chart.bundle().unwrap().get("image/svg+xml").unwrap().as_str().unwrap().to_string()
    }

    fn text(chart: &Chart) -> String {
        chart.bundle().unwrap().plain_text().to_string()
    }

    fn refusal(chart: &Chart) -> String {
        chart.bundle().unwrap_err().to_string()
    }

    #[test]
    fn a_chart_says_everything_that_it_draws() {
        let chart = Chart::new("a < b").x_label("t & s").y_label("ᾱ").line("one\"", &[0.0, 1.0], &[0.0, 1.0]).points(
            "two",
            &[0.5],
            &[0.5],
        );
        let svg = svg(&chart);
        for content in ["a &lt; b", "t &amp; s", "ᾱ", "one&quot;", "two", "role=\"img\"", "<desc>"] {
            assert!(svg.contains(content), "{content}\n{svg}");
        }
        assert!(!svg.contains("a < b"));
        for tag in ["g", "text", "svg", "desc"] {
            let opened = svg.matches(&format!("<{tag} ")).count() + svg.matches(&format!("<{tag}>")).count();
            assert_eq!(opened, svg.matches(&format!("</{tag}>")).count(), "{tag}");
        }
        assert!(!svg.contains("id=\"") && !svg.contains("NaN") && !svg.contains("inf"));
        assert!(!svg.contains("#000000") && !svg.contains("#FFFFFF"), "a colour that one of the themes would swallow");
    }

    #[test]
    fn nothing_to_draw_is_said_in_the_frame() {
        for chart in [
            Chart::new("empty"),
            Chart::new("no points").line("a", &[], &[]),
            Chart::new("no numbers").line("a", &[0.0, 1.0], &[f64::NAN, f64::INFINITY]),
            Chart::new("none positive").line("a", &[0.0, 1.0], &[0.0, -1.0]).log_y(),
        ] {
            assert!(svg(&chart).contains("nothing to draw"), "{}", chart.title);
        }
    }

    #[test]
    fn strange_numbers_are_gaps() {
        let ys = [1.0, f64::NAN, 3.0, f64::INFINITY, 5.0, f64::MAX, 7.0, 8.0];
        let xs: Vec<f64> = (0..8).map(f64::from).collect();
        let chart = Chart::new("").line("a", &xs, &ys);
        assert_eq!(svg(&chart).matches("<polyline class=\"series\"").count(), 4);
        assert!(text(&chart).ends_with("from 1 to 8, lowest 1, highest 8, 3 of them not drawn"), "{}", text(&chart));
    }

    #[test]
    fn ten_thousand_points_stay_small() {
        let xs: Vec<f64> = (0..10_000).map(f64::from).collect();
        let ys: Vec<f64> = xs.iter().map(|x| (x * 0.731).sin() + 2.0).collect();
        for chart in [Chart::new("").line("a", &xs, &ys), Chart::new("").points("a", &xs, &ys)] {
            assert!(svg(&chart).len() < 150_000, "{}", svg(&chart).len());
        }
    }

    #[test]
    fn a_crowd_of_lines_is_sampled_and_says_so() {
        let lines: Vec<Vec<f64>> = (0..1_000).map(|line| vec![0.0, f64::from(line)]).collect();
        let chart = Chart::new("").lines("walks", &[0.0, 1.0], &lines).line("mean", &[0.0, 1.0], &[0.0, 499.5]);
        assert_eq!(svg(&chart).matches("<polyline class=\"series\"").count(), 61);
        assert!(
            text(&chart).contains("walks: 60 of 1,000 lines of 2 points, lowest 0, highest 999"),
            "{}",
            text(&chart)
        );
    }

    #[test]
    fn bad_arguments_are_named() {
        let chart = Chart::new("");
        assert_eq!(
            refusal(&chart.clone().line("a", &[1.0], &[1.0, 2.0])),
            "ys of 'a' = 2 numbers: one for each of the 1 xs"
        );
        assert_eq!(
            refusal(&chart.clone().log_y().y_range(0.0, 1.0)),
            "y_range = (0, 1): two positive numbers, the lower first"
        );
        assert_eq!(refusal(&chart.clone().y_range(1.0, 1.0)), "y_range = (1, 1): two finite numbers, the lower first");
        assert_eq!(refusal(&chart.clone().size(0, 9)), "size = 0 x 9: from 120 x 100 to 4000 x 4000 pixels");
        assert_eq!(
            refusal(&chart.clone().lines("a", &[1.0, 2.0], &[vec![0.0, 0.0], vec![1.0]])),
            "ys of 'a' = 1 numbers: one for each of the 2 xs"
        );
        let many = (0..11).fold(chart, |chart, _| chart.line("", &[0.0], &[0.0]));
        assert_eq!(refusal(&many), "series = 11: a chart has 10 series at most: more cannot be told apart");
    }
}
