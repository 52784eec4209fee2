//! What training looks like.

use super::logs::clock;
use super::record::{Record, Snapshot, Validated};
use super::step::TrainStep;
use super::stopped::Stopped;
use crate::mean::mean;
use crate::show::{Bundle, Chart, Cloud, Figure, Grid, Part, Show, digits, grouped, sheet};
use crate::{Result, labels};
use tch::Tensor;

/// The widths of charts side by side: those at the left have names.
const LEFT: u32 = 420;
const RIGHT: u32 = 324;

/// The run in one line.
pub(super) fn facts(record: &Record, interrupted: bool, stopped: Option<&Stopped>) -> String {
    let done = record.done();
    let seconds = record.took.as_secs_f64();
    let ended = match (interrupted, stopped) {
        (true, _) => ", interrupted",
        (_, Some(_)) => ", stopped",
        _ => "",
    };
    let after = match record.earlier {
        0 => String::new(),
        1 => ", after 1 earlier one".to_string(),
        earlier => format!(", after {} earlier ones", grouped(earlier)),
    };
    let (resumed, time) = match record.resumed {
        0 if done == 0 => (String::new(), String::new()),
        0 => (String::new(), format!(" in {seconds:.0} s")),
        // How long the steps before took was another process's to know.
        resumed => (format!(", resumed at {}", grouped(resumed)), format!(", {seconds:.0} s since it was resumed")),
    };
    let epochs = epochs(done, record);
    let mut text =
        format!("Step {} of {}{after}{resumed}{ended}: {epochs}{time}", grouped(done), grouped(record.steps));
    match done.min(100) {
        0 => {}
        1 => text += &format!(", loss {}", loss(record.losses[0])),
        last => text += &format!(", loss {} (mean of the last {last})", loss(mean(&record.losses[done - last..]))),
    }
    if let Some(validated) = record.validations.last() {
        text += &format!(", validation {}", loss(validated.averaged));
    }
    if let Some(stopped) = stopped {
        text += &format!("; {stopped}");
    }
    if let Some(unsaved) = &record.unsaved {
        text += &format!("; not saved: {unsaved}");
    }
    text
}

/// 40.0 epochs; two digits of what is less than a tenth.
fn epochs(done: usize, record: &Record) -> String {
    let epochs = done as f64 / record.steps_an_epoch.max(1) as f64;
    if done == 0 {
        "no step taken".to_string()
    } else if epochs < 0.1 {
        let decimals = (1.0 - epochs.log10().floor()) as usize;
        format!("{} epochs", format!("{epochs:.decimals$}").trim_end_matches('0'))
    } else {
        format!("{epochs:.1} epochs")
    }
}

/// A loss to four decimals, where these say something and are not too many.
fn loss(value: f64) -> String {
    if value == 0.0 || (0.01..100.0).contains(&value.abs()) { format!("{value:.4}") } else { digits(value) }
}

/// How training goes, for a line in a terminal.
pub(super) fn progress_line(record: &Record) -> String {
    let (done, pace) = (record.done(), record.pace());
    let mut line = format!("step {} of {}", grouped(done), grouped(record.steps));
    if done > 0 {
        line += &format!("  loss {}", loss(mean(&record.losses[done.saturating_sub(100)..])));
    }
    if let Some(validated) = record.validations.last() {
        line += &format!("  validation {}", loss(validated.averaged));
    }
    line += &format!("  {:.1} steps/s  {} left", 1.0 / pace.max(1e-9), left(record));
    line
}

/// The time that is left.
fn left(record: &Record) -> String {
    clock(record.pace() * record.steps.saturating_sub(record.done()) as f64)
}

/// The figure that follows training.
pub(super) fn live_figure(record: &Record, stopped: Option<&Stopped>) -> Result<Figure> {
    let mut column = curves(record);
    if let Some(last) = record.snapshots.last() {
        let title = format!("Averaged weights after {} steps", grouped(last.step));
        column.extend(picture(&last.images, title));
    }
    let mut now = String::new();
    if record.done() < record.steps
        && stopped.is_none()
        && let (Some(lr), Some(norm)) = (record.lrs.last(), record.gradient_norms.last())
    {
        now = format!(", rate {}, gradient norm {}; {} left", digits(*lr), digits(*norm), left(record));
    }
    Ok(Figure::column(column).title(facts(record, false, stopped) + &now))
}

/// Samples; images of other than 1 or 3 channels have no picture.
fn picture(samples: &Tensor, title: String) -> Option<Part> {
    if samples.dim() == 2 {
        return Some(Cloud::new(samples, None, &[]).ok()?.part(&title));
    }
    Some(Grid::new(samples).ok()?.columns(10).title(title).into())
}

/// The loss on two axes, the rate and the gradient's norm, over the steps.
fn curves(record: &Record) -> Vec<Part> {
    let steps = steps(record);
    let losses = [
        loss_chart(record, "Loss, logarithmic").log_y().size(LEFT, 230),
        loss_chart(record, "Loss, linear").unnamed().size(RIGHT, 230),
    ];
    let lr = Chart::new("Learning rate").x_label("step").y_label("rate").line("lr", &steps, &record.lrs);
    let norm = Chart::new("Gradient norm, before clipping").x_label("step").y_label("norm").log_y();
    let norm = norm.line("norm", &steps, &record.gradient_norms);
    vec![Figure::row(losses).into(), Figure::row([lr.size(LEFT, 150), norm.size(RIGHT, 150)]).into()]
}

/// The numbers of the steps, from 1.
fn steps(record: &Record) -> Vec<f64> {
    (1..=record.losses.len()).map(|step| step as f64).collect()
}

fn loss_chart(record: &Record, title: &str) -> Chart {
    let (steps, floor) = (steps(record), record.floor.get().copied().flatten());
    let mut chart = Chart::new(title)
        .x_label("step")
        .y_label("loss")
        .faint_line("each step", &steps, &record.losses)
        .line("mean of 50", &steps, &smooth(&record.losses, 50));
    if !record.validations.is_empty() {
        let [at, trained, averaged] = validations(record);
        chart = chart.line("validation", &at, &trained).line("averaged", &at, &averaged);
    }
    match (floor, steps.as_slice()) {
        (Some(floor), [first, .., last]) => chart.line("ideal denoiser", &[*first, *last], &[floor, floor]),
        _ => chart,
    }
}

/// Steps, and the losses of trained and averaged weights after them.
fn validations(record: &Record) -> [Vec<f64>; 3] {
    let column = |number: fn(&Validated) -> f64| record.validations.iter().map(number).collect();
    [
        column(|validated| validated.step as f64),
        column(|validated| validated.loss),
        column(|validated| validated.averaged),
    ]
}

/// The mean of up to `window` values that end at each.
pub(super) fn smooth(values: &[f64], window: usize) -> Vec<f64> {
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

/// The figures of a finished run.
pub(super) struct Charts<'a>(pub(super) &'a Record);

impl Charts<'_> {
    pub(super) fn figure(&self, interrupted: bool, stopped: Option<&Stopped>) -> Result<Figure> {
        let record = self.0;
        let mut column = curves(record);
        let averaged = self.snapshots("Averaged weights, from the same noise", |snapshot| &snapshot.images);
        let trained = self.snapshots("Trained weights, from the same noise", |snapshot| &snapshot.raw);
        if let (Ok(Some(averaged)), Ok(Some(trained))) = (averaged, trained) {
            // Small images fit into half a page.
            match (averaged, trained, self.scale()) {
                (Part::Grid(averaged), Part::Grid(trained), scale @ 1..) => {
                    column.push(Figure::row([averaged.scale(scale), trained.scale(scale)]).into());
                }
                (averaged, trained, _) => column.extend([averaged, trained]),
            }
        }
        let made = record.done() - record.resumed;
        let mut figure = Figure::column(column).title(facts(record, interrupted, stopped));
        if made > 0 {
            let between = record.timing.between().map_or(String::new(), |between| format!("; {between}"));
            figure = figure.note(format!("a step: {}{between}", record.timing.share(made).of_step()));
        }
        Ok(figure)
    }

    /// How many pixels of the page a pixel of a sample takes where ten samples and a label fill half the page: 0 if none.
    fn scale(&self) -> u32 {
        let width = self.0.snapshots.first().and_then(|first| first.images.size().last().copied());
        28 / width.unwrap_or(0).max(1) as u32
    }

    /// One row a moment, or of points one scatter.
    fn snapshots(&self, title: &str, images: fn(&Snapshot) -> &Tensor) -> Result<Option<Part>> {
        let record = self.0;
        let Some(first) = record.snapshots.first() else { return Ok(None) };
        let sets: Vec<&Tensor> = record.snapshots.iter().map(images).collect();
        let epoch = |step: usize| format!("epoch {:.1}", step as f64 / record.steps_an_epoch.max(1) as f64);
        let epochs: Vec<String> = record.snapshots.iter().map(|snapshot| epoch(snapshot.step)).collect();
        if first.images.dim() == 2 {
            let clouds = sets.into_iter().map(|set| Cloud::new(set, None, &[])).collect::<Result<Vec<_>>>()?;
            return Ok(Some(sheet(&clouds, &epochs, 5, title).into()));
        }
        let columns = first.images.size()[0] as usize;
        Ok(Some(Grid::new(&Tensor::f_cat(&sets, 0)?)?.columns(columns).row_labels(epochs).title(title).into()))
    }
}

impl TrainStep {
    /// What the network was told: a class, or of labelled images that the label was dropped.
    fn label(&self, label: i64) -> String {
        if label < 0 && !self.classes.is_empty() { "dropped".into() } else { labels::name(label, &self.classes) }
    }
}

impl Show for TrainStep {
    fn bundle(&self) -> Result<Bundle> {
        let title = format!(
            "Training step {}: loss {}, gradient norm {}, {:.0} ms ({})",
            self.index + 1,
            loss(self.loss),
            digits(self.gradient_norm),
            self.took.as_secs_f64() * 1e3,
            self.timing
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
        let seen = Vec::<i64>::try_from(&self.labels.f_to_device(tch::Device::Cpu)?.f_narrow(0, 0, few)?)?;
        let mut captions: Vec<String> = seen.iter().map(|&label| self.label(label)).collect();
        captions.resize(2 * few as usize, String::new());
        captions.extend(self.levels.times().iter().take(few as usize).map(|t| format!("t = {t:.2}")));
        let labels = ["image x\u{2080}", "noised x\u{209c}", "predicted x\u{2080}"].map(String::from).to_vec();
        Grid::new(&rows)?.columns(few as usize).row_labels(labels).captions(captions).title(title).bundle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 5,000 steps an epoch.
    fn record(losses: &[f64], resumed: usize) -> Record {
        Record { losses: losses.to_vec(), steps: 9, resumed, steps_an_epoch: 5_000, ..Record::default() }
    }

    #[test]
    fn the_line_of_a_run_has_no_empty_numbers() {
        let said = |losses: &[f64], resumed| facts(&record(losses, resumed), false, None);
        assert_eq!(said(&[], 0), "Step 0 of 9: no step taken");
        assert_eq!(said(&[0.5], 0), "Step 1 of 9: 0.0002 epochs in 0 s, loss 0.5000");
        let large = "Step 2 of 9: 0.0004 epochs in 0 s, loss 6.230e9 (mean of the last 2)";
        assert_eq!(said(&[6_230_464_000.4; 2], 0), large);
        let much = "Step 2 of 9: 0.0004 epochs in 0 s, loss 5,019 (mean of the last 2)";
        assert_eq!(said(&[5_019.194_6; 2], 0), much);
        let resumed =
            "Step 3 of 9, resumed at 3: 0.0006 epochs, 0 s since it was resumed, loss 0.0012 (mean of the last 3)";
        assert_eq!(said(&[0.0012; 3], 3), resumed);
        let long = Record { losses: vec![1.0; 1_000], steps: 1_000, steps_an_epoch: 25, ..Record::default() };
        let text = "Step 1,000 of 1,000: 40.0 epochs in 0 s, loss 1.0000 (mean of the last 100)";
        assert_eq!(facts(&long, false, None), text);
        assert_eq!(progress_line(&record(&[], 0)).split("  ").next(), Some("step 0 of 9"));
    }

    #[test]
    fn smoothing_is_a_mean_of_what_came_before() {
        assert_eq!(smooth(&[1.0, 3.0, 5.0, 7.0], 2), [1.0, 2.0, 4.0, 6.0]);
        assert_eq!(smooth(&[], 2), [0.0; 0]);
    }
}
