//! A distance for each of several samplers, as a curve.

use crate::Result;
use crate::show::{Bundle, Chart, Show, Table, digits};

/// A chart tells this many lines apart.
const MOST_LINES: usize = 8;

/// Where samplers lie on a horizontal axis, and on which line.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(super) label: &'static str,
    pub(super) log: bool,
    pub(super) xs: Vec<f64>,
    pub(super) lines: Vec<String>,
}

/// A distance for each sampler of a [comparison](super::SamplerComparison).
///
/// As the value of a cell it draws the distances against the number in which the samplers differ, or against the evaluations
/// that they cost, a line for each kind of sampler. More kinds than colours are a table.
///
/// ```
/// # use noisebook::prelude::*;
/// let model = Gaussian::isotropic(0.0, 0.5, [2], &Schedule::vp(1_000)?)?;
/// let comparison = Sampler::compare(&Sampler::heun(1).step_counts([5, 10]), &model)?;
/// assert_eq!(comparison.convergence(100)?.values().len(), 2);
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Distances {
    title: String,
    what: String,
    axis: Axis,
    names: Vec<String>,
    values: Vec<f64>,
    floor: Option<(String, f64)>,
    log: bool,
}

impl Distances {
    pub(crate) fn new(title: String, what: &str, axis: Axis, names: Vec<String>, values: Vec<f64>) -> Self {
        Self { title, what: what.to_string(), axis, names, values, floor: None, log: false }
    }

    /// With a line for what one can hope for.
    pub(crate) fn floor(self, name: impl Into<String>, value: f64) -> Self {
        Self { floor: Some((name.into(), value)), ..self }
    }

    /// On a logarithmic axis, where the order of a sampler is a slope.
    pub(super) fn log(self) -> Self {
        Self { log: true, ..self }
    }

    /// The distance of each sampler, in their order.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let model = Gaussian::isotropic(0.0, 0.5, [2], &Schedule::vp(1_000)?)?;
    /// let errors = Sampler::compare(&Sampler::ddim(1).step_counts([10, 100]), &model)?.convergence(1_000)?.values();
    /// assert!(errors[1] < errors[0] / 5.0);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn values(&self) -> Vec<f64> {
        self.values.clone()
    }

    /// The names of the lines, each once.
    fn lines(&self) -> Vec<&String> {
        let mut lines: Vec<&String> = Vec::new();
        for line in &self.axis.lines {
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        lines
    }

    fn table(&self) -> Table {
        let head = ["sampler", self.axis.label, &self.what];
        let row = |table: Table, at: usize| {
            table.row([self.names[at].clone(), digits(self.axis.xs[at]), digits(self.values[at])])
        };
        let table = (0..self.values.len()).fold(Table::new(head).title(&self.title), row);
        match &self.floor {
            Some((name, value)) => table.row([name.clone(), String::new(), digits(*value)]),
            None => table,
        }
    }

    /// The title, and which sampler comes nearest.
    fn finding(&self) -> String {
        let finite = (0..self.values.len()).filter(|&at| self.values[at].is_finite());
        match finite.min_by(|&a, &b| self.values[a].total_cmp(&self.values[b])) {
            Some(best) if self.values.len() > 1 => {
                format!("{}: {} at best ({})", self.title, digits(self.values[best]), self.names[best])
            }
            _ => self.title.clone(),
        }
    }

    fn chart(&self) -> Chart {
        let mut chart = Chart::new(self.finding()).x_label(self.axis.label).y_label(&self.what);
        let all = || self.values.iter().chain(self.floor.iter().map(|(_, value)| value));
        let (low, high) = all().fold((f64::INFINITY, 0.0_f64), |(low, high), &value| (low.min(value), high.max(value)));
        // Orders of magnitude are read on a logarithmic axis; a 0 is a gap there.
        if self.log || low > 0.0 && high > 10.0 * low {
            chart = chart.log_y();
        }
        if self.axis.log {
            chart = chart.log_x();
        }
        for line in self.lines() {
            let mut points: Vec<(f64, f64)> = (0..self.values.len())
                .filter(|&at| self.axis.lines[at] == *line)
                .map(|at| (self.axis.xs[at], self.values[at]))
                .collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            let (xs, ys): (Vec<f64>, Vec<f64>) = points.into_iter().unzip();
            let name = if line.is_empty() { "samples" } else { line };
            chart = if xs.len() == 1 { chart.points(name, &xs, &ys) } else { chart.measured(name, &xs, &ys) };
        }
        if let Some((name, value)) = &self.floor {
            let ends = |start: f64, pick: fn(f64, f64) -> f64| self.axis.xs.iter().copied().fold(start, pick);
            let (first, last) = (ends(f64::INFINITY, f64::min), ends(f64::NEG_INFINITY, f64::max));
            chart = chart.line(name, &[first, last], &[*value, *value]);
        }
        chart
    }
}

impl Show for Distances {
    fn bundle(&self) -> Result<Bundle> {
        let table = self.table().bundle()?;
        if self.lines().len() > MOST_LINES {
            return Ok(table);
        }
        let chart = self.chart().bundle()?;
        let svg = chart.get("image/svg+xml").and_then(serde_json::Value::as_str).unwrap_or_default();
        Ok(Bundle::text(table.plain_text()).svg(svg))
    }
}

#[cfg(test)]
mod tests {
    use crate::show::Show;
    use crate::{Gaussian, Sampler, Schedule};

    #[test]
    fn each_kind_of_sampler_has_a_line_and_the_text_every_number() {
        let model = Gaussian::isotropic(0.0, 0.5, [2], &Schedule::vp(1_000).unwrap()).unwrap();
        let samplers = [Sampler::ddim(1).step_counts([5, 20]), Sampler::heun(1).step_counts([5, 20])].concat();
        let distances = Sampler::compare(&samplers, &model).unwrap().convergence(500).unwrap();
        assert_eq!(distances.lines(), ["DDIM", "Heun"]);
        assert_eq!(distances.axis.xs, [5.0, 20.0, 9.0, 39.0]);
        let bundle = distances.bundle().unwrap();
        let text = bundle.plain_text();
        assert!(text.starts_with("Distance to the same sampler in 500 steps\nsampler "), "{text}");
        assert!(text.lines().count() == 6 && text.contains("\nHeun, 20 steps  "), "{text}");
        assert!(bundle.get("image/svg+xml").unwrap().as_str().unwrap().contains("evaluations of the denoiser"));
        let seeds: Vec<Sampler> = (0..9).map(|seed| Sampler::heun(9).seed(seed)).collect();
        let table = Sampler::compare(&seeds, &model).unwrap().convergence(20).unwrap().bundle().unwrap();
        assert!(table.get("text/html").is_some() && table.get("image/svg+xml").is_none());
    }
}
