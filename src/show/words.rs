//! Charts, pictures of the plane and numbers in words.

use super::axis::{Scale, grouped};
use super::chart::{Chart, Series, Style};
use super::heat::Heat;
use super::plane::{Layer, Plane};
use super::plane_plot::Drawn;

impl Chart {
    /// What the chart shows, for a terminal and for those who cannot see it.
    pub(super) fn in_words(&self) -> String {
        let named = |label: &str, other: &str| if label.is_empty() { other.to_string() } else { label.to_string() };
        let log = |scale: Scale| if scale == Scale::Log { " (logarithmic)" } else { "" };
        let (x, y) = (named(&self.x_label, "x"), named(&self.y_label, "y"));
        let mut lines = vec![format!("{y}{} against {x}{}", log(self.y_scale), log(self.x_scale))];
        lines.extend(self.heat.iter().map(Heat::in_words));
        lines.extend(self.series.iter().map(|series| series.in_words(self.y_scale)));
        lines.join("\n")
    }
}

impl Series {
    fn in_words(&self, scale: Scale) -> String {
        let shown: Vec<f64> = self.ys.iter().copied().filter(|&y| scale.place(y).is_some()).collect();
        let count = grouped(&self.ys.len().to_string());
        let points = if self.ys.len() == 1 { "point" } else { "points" };
        let name = if self.name.is_empty() { String::new() } else { format!("{}: ", self.name) };
        let gaps = match self.ys.len() - shown.len() {
            0 => String::new(),
            gaps => format!(", {} of them not drawn", grouped(&gaps.to_string())),
        };
        let (Some(&first), Some(&last)) = (shown.first(), shown.last()) else {
            return format!("{name}{count} {points}{gaps}");
        };
        let (low, high) = shown.iter().fold((first, first), |(low, high), &y| (low.min(y), high.max(y)));
        let (low, high) = (digits(low), digits(high));
        match self.style {
            Style::Line | Style::Faint | Style::Measured if shown.len() == 1 => {
                format!("{name}{count} {points}, {low}{gaps}")
            }
            Style::Line | Style::Faint | Style::Measured => {
                let (first, last) = (digits(first), digits(last));
                format!("{name}{count} {points}, from {first} to {last}, lowest {low}, highest {high}{gaps}")
            }
            Style::Lines { drawn, total } => {
                let of = if drawn < total { format!("{drawn} of ") } else { String::new() };
                let (lines, points) = (grouped(&total.to_string()), self.ys.len() / drawn - 1);
                format!("{name}{of}{lines} lines of {points} points, lowest {low}, highest {high}")
            }
            Style::Points => format!("{name}{count} {points}, lowest {low}, highest {high}{gaps}"),
            Style::Bars => {
                let highest = (0..self.ys.len()).max_by(|&a, &b| self.ys[a].total_cmp(&self.ys[b])).unwrap_or(0);
                let edge = |index: usize| digits(self.xs[index]);
                let (from, to) = (edge(0), edge(self.xs.len() - 1));
                let at = format!("{} to {}", edge(highest), edge(highest + 1));
                format!("{name}{count} bars from {from} to {to}, highest {high} from {at}{gaps}")
            }
        }
    }
}

impl Heat {
    fn in_words(&self) -> String {
        let name = if self.name.is_empty() { String::new() } else { format!("{}: ", self.name) };
        let (low, high) = self.ends();
        let mut line =
            format!("{name}{} x {} cells, from {} to {}", self.columns, self.rows, digits(low), digits(high));
        if let Some((_, (x, y))) = self.highest() {
            line += &format!(", highest around ({}, {})", digits(x), digits(y));
        }
        if self.strange() > 0 {
            line += &format!(", {} not finite (magenta)", grouped(&self.strange().to_string()));
        }
        line
    }
}

impl Plane {
    /// What the picture shows, for a terminal and for those who cannot see it.
    pub(super) fn in_words(&self, drawn: &Drawn) -> String {
        let named = |label: &str, other: &str| if label.is_empty() { other.to_string() } else { label.to_string() };
        let (x, y) = (named(&self.x_label, "x"), named(&self.y_label, "y"));
        let (left, right, low, high) =
            (digits(drawn.x.low), digits(drawn.x.high), digits(drawn.y.low), digits(drawn.y.high));
        let mut lines = vec![format!("{x} from {left} to {right}, {y} from {low} to {high}, one scale on both axes")];
        let paths: Vec<usize> = self
            .layers
            .iter()
            .filter_map(|layer| if let Layer::Path { xs, .. } = layer { Some(xs.len()) } else { None })
            .collect();
        let mut paths_said = false;
        for layer in &self.layers {
            match layer {
                Layer::Points { name, xs, ys } => lines.push(points_in_words(name, xs, ys, drawn)),
                Layer::Path { .. } if paths_said => {}
                Layer::Path { .. } => {
                    paths_said = true;
                    let longest = grouped(&paths.iter().max().copied().unwrap_or(0).to_string());
                    lines.push(match paths.len() {
                        1 => format!("a path of {longest} points"),
                        count => format!("{} paths of at most {longest} points", grouped(&count.to_string())),
                    });
                }
                Layer::Arrows(arrows) => {
                    let (count, longest) = (grouped(&arrows.xs.len().to_string()), digits(arrows.longest()));
                    let scale = digits(arrows.scale());
                    lines.push(format!("{count} arrows, the longest {longest}, drawn at {scale} of their length"));
                }
                Layer::Heat(heat) => lines.push(heat.in_words()),
            }
        }
        lines.extend(drawn.sampled.clone());
        lines.join("\n")
    }
}

fn points_in_words(name: &str, xs: &[f64], ys: &[f64], drawn: &Drawn) -> String {
    let name = if name.is_empty() { String::new() } else { format!("{name}: ") };
    let many = if xs.len() == 1 { "point" } else { "points" };
    let finite: Vec<(f64, f64)> =
        xs.iter().copied().zip(ys.iter().copied()).filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    let inside =
        |(x, y): &&(f64, f64)| (drawn.x.low..=drawn.x.high).contains(x) && (drawn.y.low..=drawn.y.high).contains(y);
    let mut line = format!("{name}{} {many}", grouped(&xs.len().to_string()));
    if !finite.is_empty() {
        let mean = |pick: fn(&(f64, f64)) -> f64| digits(finite.iter().map(pick).sum::<f64>() / finite.len() as f64);
        line += &format!(" around ({}, {})", mean(|point| point.0), mean(|point| point.1));
    }
    match xs.len() - finite.iter().filter(inside).count() {
        0 => line,
        missing => line + &format!(", {} of them not drawn", grouped(&missing.to_string())),
    }
}

/// Four significant digits at most.
pub(crate) fn digits(value: f64) -> String {
    let size = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    if !(-4.0..6.0).contains(&size) {
        return format!("{value:.3e}");
    }
    let decimals = (3.0 - size).max(0.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { grouped(&text) }
}

/// Two significant digits, for a caption.
pub(crate) fn two_digits(value: f64) -> String {
    let size = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    if !(-4.0..2.0).contains(&size) {
        return digits(value);
    }
    let decimals = (1.0 - size) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits() {
        let written = [0.0, 1.0, 0.01, 12_345.6, 0.000_123_456, 1e-9, -2.5].map(digits);
        assert_eq!(written, ["0", "1", "0.01", "12,346", "0.0001235", "1.000e-9", "-2.5"]);
        let short = [0.0, 1.0, 0.010_53, 12.345, 0.000_123_456, 345.6, -2.55].map(two_digits);
        assert_eq!(short, ["0", "1", "0.011", "12", "0.00012", "345.6", "-2.5"]);
    }
}
