//! What training looks like.

use super::run::Record;
use super::steps::TrainStep;
use crate::Result;
use crate::show::{Bundle, Chart, Cloud, Figure, Grid, Part, Show, grouped, sheet};
use tch::Tensor;

/// The run in one line.
pub(super) fn facts(record: &Record, interrupted: bool) -> String {
    let done = record.losses.len();
    let recent = mean(&record.losses[done.saturating_sub(100)..]);
    let epochs = done as f64 / record.steps_an_epoch.max(1) as f64;
    let seconds = record.took.as_secs_f64();
    let ended = if interrupted { ", interrupted" } else { "" };
    let after = match record.earlier {
        0 => String::new(),
        1 => ", after 1 earlier one".to_string(),
        earlier => format!(", after {} earlier ones", grouped(earlier)),
    };
    format!(
        "Step {} of {}{after}{ended}: {epochs:.1} epochs in {seconds:.0} s, loss {recent:.4} (mean of the last {})",
        grouped(done),
        grouped(record.steps),
        done.min(100)
    )
}

/// The figure that follows training.
pub(super) fn live_figure(record: &Record) -> Result<Figure> {
    let loss: Part = loss_chart(record).size(375, 230).into();
    let mut row = vec![loss];
    if let Some(last) = record.snapshots.last() {
        let title = format!("Averaged weights after {} steps", grouped(last.step));
        row.extend(picture(&last.images, title));
    }
    let done = record.losses.len();
    let left = if done < record.steps && done > 0 {
        let rate = record.took.as_secs_f64() / done as f64;
        format!("; {:.0} s left", rate * (record.steps - done) as f64)
    } else {
        String::new()
    };
    Ok(Figure::row(row).title(facts(record, false) + &left))
}

/// Samples; images of other than 1 or 3 channels have no picture.
fn picture(samples: &Tensor, title: String) -> Option<Part> {
    if samples.dim() == 2 {
        return Some(Cloud::new(samples, None, &[]).ok()?.part(&title));
    }
    Some(Grid::new(samples).ok()?.columns(5).title(title).into())
}

fn loss_chart(record: &Record) -> Chart {
    let steps: Vec<f64> = (1..=record.losses.len()).map(|step| step as f64).collect();
    Chart::new("Loss")
        .x_label("step")
        .y_label("mean squared error")
        .log_y()
        .line("each step", &steps, &record.losses)
        .line("mean of 50", &steps, &smooth(&record.losses, 50))
}

/// The mean of up to `window` values that end at each.
fn smooth(values: &[f64], window: usize) -> Vec<f64> {
    let mut sum = 0.0;
    (0..values.len())
        .map(|i| {
            sum += values[i];
            if i >= window {
                sum -= values[i - window];
            }
            sum / (i + 1).min(window) as f64
        })
        .collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The figures of a finished run.
pub(super) struct Charts<'a>(pub(super) &'a Record);

impl Charts<'_> {
    pub(super) fn figure(&self, interrupted: bool) -> Result<Figure> {
        let record = self.0;
        let steps: Vec<f64> = (1..=record.losses.len()).map(|step| step as f64).collect();
        let lr = Chart::new("Learning rate").x_label("step").y_label("rate").line("lr", &steps, &record.lrs);
        let norm = Chart::new("Gradient norm, before clipping").x_label("step").y_label("norm").log_y();
        let norm = norm.line("norm", &steps, &record.gradient_norms);
        let small = [lr.size(375, 200), norm.size(375, 200)];
        let mut column: Vec<Part> = vec![loss_chart(record).size(750, 240).into(), Figure::row(small).into()];
        if let Ok(Some(snapshots)) = self.snapshots() {
            column.push(snapshots);
        }
        Ok(Figure::column(column).title(facts(record, interrupted)))
    }

    /// One row a moment, or of points one scatter.
    fn snapshots(&self) -> Result<Option<Part>> {
        let record = self.0;
        let Some(first) = record.snapshots.first() else { return Ok(None) };
        let images: Vec<&Tensor> = record.snapshots.iter().map(|snapshot| &snapshot.images).collect();
        let epoch = |step: usize| format!("epoch {:.1}", step as f64 / record.steps_an_epoch.max(1) as f64);
        let epochs: Vec<String> = record.snapshots.iter().map(|snapshot| epoch(snapshot.step)).collect();
        let title = "Samples of the averaged weights, from the same noise";
        if first.images.dim() == 2 {
            let clouds = images.into_iter().map(|set| Cloud::new(set, None, &[])).collect::<Result<Vec<_>>>()?;
            return Ok(Some(sheet(&clouds, &epochs, 5, title).into()));
        }
        let columns = first.images.size()[0] as usize;
        Ok(Some(Grid::new(&Tensor::f_cat(&images, 0)?)?.columns(columns).row_labels(epochs).title(title).into()))
    }
}

impl Show for TrainStep {
    fn bundle(&self) -> Result<Bundle> {
        let title = format!(
            "Training step {}: loss {:.4}, gradient norm {:.2}, {:.0} ms",
            self.index + 1,
            self.loss,
            self.gradient_norm,
            self.took.as_secs_f64() * 1e3
        );
        if self.images.dim() == 2 {
            let sets = [&self.images, &self.noised, &self.predicted];
            let clouds = sets.map(|set| Cloud::new(set, None, &[])).into_iter().collect::<Result<Vec<_>>>()?;
            let captions = ["points x\u{2080}", "noised x\u{209c}, each at its own t", "predicted x\u{2080}"];
            return sheet(&clouds, &captions.map(String::from), 3, &title).bundle();
        }
        let few = self.images.size()[0].min(8);
        let first = |images: &Tensor| images.f_to_device(tch::Device::Cpu)?.f_narrow(0, 0, few);
        let rows = Tensor::f_cat(&[first(&self.images)?, first(&self.noised)?, first(&self.predicted)?], 0)?;
        let mut captions = vec![String::new(); 2 * few as usize];
        captions.extend(self.levels.times().iter().take(few as usize).map(|t| format!("t = {t:.2}")));
        let labels = ["image x\u{2080}", "noised x\u{209c}", "predicted x\u{2080}"].map(String::from).to_vec();
        Grid::new(&rows)?.columns(few as usize).row_labels(labels).captions(captions).title(title).bundle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_is_a_mean_of_what_came_before() {
        assert_eq!(smooth(&[1.0, 3.0, 5.0, 7.0], 2), [1.0, 2.0, 4.0, 6.0]);
        assert_eq!(smooth(&[], 2), [0.0; 0]);
    }
}
