//! Runs beside one another, and the samples of one by epoch.

use super::figure::smooth;
use super::record::Snapshot;
use super::run::Run;
use crate::mean::mean;
use crate::show::{Bundle, Chart, Cloud, Figure, Grid, Part, Show, digits, evenly, grouped, sheet_of_rows};
use crate::{Error, Result};
use tch::Tensor;

/// Moments of a run that fit beside one another.
const MOMENTS: usize = 5;
/// Runs that fit below one another.
const MOST: usize = 12;
/// Lines that a chart tells apart.
const MOST_LINES: usize = 6;
/// Losses that are averaged.
const WINDOW: usize = 50;
/// How wide a sample is, at most.
const IMAGE: i64 = 58;
/// How wide a cell of samples is on the page.
const CELL: i64 = 120;

impl Run {
    /// The samples that were drawn as training went on, from the same noise every time: of the trained weights, and below them of
    /// their average, epoch by epoch. Of more than five moments five are drawn, evenly spaced.
    ///
    /// # Errors
    /// A run that ended before its first samples, or whose images no grid can draw.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let run = Trainer::new(&model).steps(4).sample_every(2).batch_size(8).fit(&Dataset::digits()?)?;
    /// run.samples_by_epoch()?.show()?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn samples_by_epoch(&self) -> Result<Figure> {
        let moments = self.moments("run", MOMENTS)?;
        let epoch = |step: usize| format!("epoch {:.1}", step as f64 / self.record.steps_an_epoch.max(1) as f64);
        let names: Vec<String> = moments.iter().map(|moment| epoch(moment.step)).collect();
        let title = "Samples of the trained weights and of their average, by epoch, from the same noise";
        if moments[0].images.dim() == 2 {
            let sets = moments.iter().map(|moment| &moment.raw).chain(moments.iter().map(|moment| &moment.images));
            let clouds = sets.map(|set| Cloud::new(set, None, &[])).collect::<Result<Vec<_>>>()?;
            let captions = [names.clone(), names].concat();
            let rows = ["trained weights", "their average"].map(String::from);
            return Ok(sheet_of_rows(&clouds, &captions, moments.len(), &rows, title));
        }
        let rows: Vec<&Tensor> = moments.iter().flat_map(|moment| [&moment.raw, &moment.images]).collect();
        let labels = names.iter().flat_map(|name| [format!("{name}, trained"), "average".to_string()]).collect();
        let columns = moments[0].images.size()[0] as usize;
        let grid = Grid::new(&Tensor::f_cat(&rows, 0)?)?.columns(columns);
        let mut grid = grid.rows_together(2).row_labels(labels);
        // Ten small images fit beside their labels.
        let width = rows[0].size()[3].max(1);
        if width <= IMAGE {
            grid = grid.scale((IMAGE / width) as u32);
        }
        Ok(Figure::column([grid]).title(title))
    }

    /// Runs that differ in one thing (a schedule, a prediction, a rate), each with a name: an ablation.
    ///
    /// # Errors
    /// No runs or more than 12; one that ended before its first samples.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let digits = Dataset::digits()?;
    /// let run = |schedule: Schedule| {
    ///     let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).blocks(1).build()?;
    ///     Trainer::new(&Diffusion::new(&unet, &schedule, Prediction::V)?).steps(5).batch_size(8).fit(&digits)
    /// };
    /// let (linear, cosine) = (run(Schedule::linear(100)?)?, run(Schedule::cosine(100)?)?);
    /// Run::compare(&[("linear", &linear), ("cosine", &cosine)])?.show()?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn compare(runs: &[(impl AsRef<str>, &Self)]) -> Result<RunComparison> {
        if !(1..=MOST).contains(&runs.len()) {
            return Err(Error::argument("runs", runs.len(), format!("compare 1 to {MOST} runs")));
        }
        let runs: Vec<(String, Self)> =
            runs.iter().map(|(name, run)| (name.as_ref().to_string(), (*run).clone())).collect();
        runs.iter().try_for_each(|(name, run)| run.moments(name, 1).map(drop))?;
        Ok(RunComparison { runs })
    }

    /// At most so many of the moments at which samples were drawn.
    fn moments(&self, name: &str, most: usize) -> Result<Vec<&Snapshot>> {
        let snapshots = &self.record.snapshots;
        if snapshots.is_empty() && self.trainer.sample_every == Some(0) {
            return Err(Error::argument(name, "no samples", "sample_every(0) turned them off"));
        }
        if snapshots.is_empty() {
            return Err(Error::argument(name, "no samples", "the run ended before its first samples were drawn"));
        }
        Ok(evenly(snapshots.len(), most).into_iter().map(|at| &snapshots[at]).collect())
    }

    /// The mean of the last losses until a step.
    fn loss_at(&self, step: usize) -> f64 {
        let losses = &self.record.losses[..step.min(self.record.losses.len())];
        let last = &losses[losses.len().saturating_sub(WINDOW)..];
        mean(last)
    }
}

/// Runs with their names; [`Run::compare`] makes one.
///
/// As the value of a cell it draws a row for each run and a column for each moment at which it drew samples: of the averaged
/// weights, from the same noise, above the loss at that step (the mean of the last 50). Below are the losses of all runs. Losses of
/// different predictions or weights do not compare; samples do.
///
/// ```
/// # use noisebook::prelude::*;
/// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
/// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
/// let fit = |lr: f64| Trainer::new(&model.copy()?).steps(2).batch_size(8).lr(lr).fit(&Dataset::digits()?);
/// let comparison = Run::compare(&[("lr 1e-3", &fit(1e-3)?), ("lr 1e-2", &fit(1e-2)?)])?;
/// assert_eq!(comparison.names(), ["lr 1e-3", "lr 1e-2"]);
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RunComparison {
    runs: Vec<(String, Run)>,
}

impl RunComparison {
    /// The names of the runs.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// # let run = Trainer::new(&model).steps(1).batch_size(8).fit(&Dataset::digits()?)?;
    /// assert_eq!(Run::compare(&[("small", &run)])?.names(), ["small"]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.runs.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The last loss of each run: the mean of its last 50 steps.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// # let run = Trainer::new(&model).steps(1).batch_size(8).fit(&Dataset::digits()?)?;
    /// assert_eq!(Run::compare(&[("small", &run)])?.losses(), run.losses()); // of one step
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn losses(&self) -> Vec<f64> {
        self.runs.iter().map(|(_, run)| run.loss_at(run.record.done())).collect()
    }

    /// Rows of as many moments as the shortest run has.
    fn rows(&self) -> Result<Vec<Vec<&Snapshot>>> {
        let fewest = self.runs.iter().map(|(_, run)| run.record.snapshots.len()).fold(MOMENTS, usize::min);
        self.runs.iter().map(|(name, run)| run.moments(name, fewest)).collect()
    }

    fn samples(&self) -> Result<Part> {
        let title = "Samples of the averaged weights by step, from the same noise, with the loss";
        let rows = self.rows()?;
        let (mut sets, mut captions) = (Vec::new(), Vec::new());
        for ((_, run), moments) in self.runs.iter().zip(&rows) {
            for moment in moments {
                sets.push(&moment.images);
                captions.push(format!("{}: {}", grouped(moment.step), digits(run.loss_at(moment.step))));
            }
        }
        let columns = rows[0].len();
        if sets[0].dim() == 2 {
            let clouds = sets.into_iter().map(|set| Cloud::new(set, None, &[])).collect::<Result<Vec<_>>>()?;
            return Ok(sheet_of_rows(&clouds, &captions, columns, &self.names(), title).into());
        }
        let (shape, name) = (sets[0].size()[1..].to_vec(), &self.runs[0].0);
        if let Some(at) = sets.iter().position(|set| set.size()[1..] != shape) {
            let rule = format!("compare runs of one image size: {name} has {:?}", &shape);
            return Err(Error::argument(&self.runs[at / columns].0, format!("{:?}", &sets[at].size()[1..]), rule));
        }
        let captions = captions.into_iter().map(|caption| format!("step {caption}")).collect();
        let cells = sets.into_iter().map(cell).collect::<Result<Vec<_>>>()?;
        let width = cells[0].size()[2].max(1);
        let grid =
            Grid::new(&Tensor::f_stack(&cells, 0)?)?.columns(columns).captions(captions).row_labels(self.names());
        Ok(grid.scale(((CELL + width / 2) / width).max(1) as u32).title(title).into())
    }

    fn losses_chart(&self) -> Chart {
        let mut chart = Chart::new(format!("Loss, mean of {WINDOW} steps")).x_label("step").y_label("loss");
        for (name, run) in &self.runs {
            let steps: Vec<f64> = (1..=run.record.done()).map(|step| step as f64).collect();
            chart = chart.line(name, &steps, &smooth(&run.record.losses, WINDOW));
        }
        chart.log_y().size(750, 240)
    }
}

/// Up to nine samples as one image: a square of squares.
fn cell(samples: &Tensor) -> Result<Tensor> {
    let size = samples.size();
    let side = [3, 2, 1].into_iter().find(|side| side * side <= size[0]).unwrap_or(1);
    let (channels, gap) = (size[1], (size[2] / 16).max(1));
    let (height, width) = (size[2] + gap, size[3] + gap);
    let padded = samples.f_narrow(0, 0, side * side)?.f_constant_pad_nd([0, gap, 0, gap])?;
    let square = padded.f_view([side, side, channels, height, width])?.f_permute([2, 0, 3, 1, 4])?;
    let square = square.f_reshape([channels, side * height, side * width])?;
    Ok(square.f_narrow(1, 0, side * height - gap)?.f_narrow(2, 0, side * width - gap)?)
}

impl Show for RunComparison {
    fn bundle(&self) -> Result<Bundle> {
        let mut parts = vec![self.samples()?];
        if self.runs.len() <= MOST_LINES {
            parts.push(self.losses_chart().into());
        }
        let named = self.names().into_iter().zip(self.losses());
        let named: Vec<String> = named.map(|(name, loss)| format!("{name} (loss {})", digits(loss))).collect();
        Figure::column(parts).title(format!("{} runs: {}", self.runs.len(), named.join("; "))).bundle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dataset, Diffusion, Mlp, Prediction, Schedule, Trainer, UNet};
    use tch::{Device, Kind};

    fn run(size: i64, steps: usize) -> Run {
        let unet = UNet::builder().channels(1).image_size(size).base_channels(8).channel_mults([1]).blocks(1);
        let model = Diffusion::new(&unet.build().unwrap(), &Schedule::cosine(10).unwrap(), Prediction::V).unwrap();
        let grey = Tensor::zeros([8, 1, size, size], (Kind::Float, Device::Cpu));
        let grey = Dataset::new("grey", &grey, None, &[]).unwrap();
        Trainer::new(&model).steps(steps).batch_size(4).fit(&grey).unwrap()
    }

    #[test]
    fn a_row_for_each_run_with_its_losses() {
        let (short, long) = (run(4, 3), run(4, 60));
        let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
        let comparison = Run::compare(&[("short", &short), ("long", &long)]).unwrap();
        let expected = [mean(&short.losses()), mean(&long.losses()[10..])];
        assert!(comparison.losses().iter().zip(expected).all(|(loss, expected)| (loss - expected).abs() < 1e-12));
        let text = comparison.bundle().unwrap().plain_text().to_string();
        // Three moments of the short run: the first, the middle and the last of the other's five.
        let losses = long.losses();
        let [first, middle, last] = [mean(&losses[..12]), mean(&losses[..36]), mean(&losses[10..])].map(digits);
        assert!(text.contains(&format!("\nlong: step 12: {first}, step 36: {middle}, step 60: {last}\n")), "{text}");
        assert!(text.contains("6 images of 9 x 9 pixels, grey, 3 a row\nshort: step 1: "), "{text}");
        assert!(text.contains("\nLoss, mean of 50 steps\n") && text.contains("\nlong: 60 points"), "{text}");
    }

    #[test]
    fn a_cell_holds_its_samples_in_order() {
        let samples = Tensor::arange(10, (Kind::Float, Device::Cpu)).view([10, 1, 1, 1]).expand([10, 1, 2, 2], false);
        let cell = cell(&samples).unwrap();
        assert_eq!(cell.size(), [1, 8, 8]);
        let at = |y: i64, x: i64| cell.double_value(&[0, y, x]);
        assert_eq!([at(0, 0), at(1, 4), at(3, 0), at(7, 7), at(2, 0)], [0.0, 1.0, 3.0, 8.0, 0.0]);
    }

    #[test]
    fn samples_by_epoch_lie_trained_above_average() {
        let text = run(4, 10).samples_by_epoch().unwrap().bundle().unwrap().plain_text().to_string();
        assert!(
            text.contains("80 images of 4 x 4 pixels, grey, 8 a row\nrows: epoch 1.0, trained, average, epoch 2.0"),
            "{text}"
        );
        let moons = Dataset::moons(64, 0.05).unwrap();
        let mlp = Mlp::builder().dims(2).hidden(8).layers(1).classes(2).build().unwrap();
        let model = Diffusion::new(&mlp, &Schedule::cosine(10).unwrap(), Prediction::V).unwrap();
        let run = Trainer::new(&model).steps(2).batch_size(16).fit(&moons).unwrap();
        let text = run.samples_by_epoch().unwrap().bundle().unwrap().plain_text().to_string();
        assert!(
            text.contains("\ntrained weights\nepoch 0.2\n") && text.contains("\ntheir average\nepoch 0.2\n"),
            "{text}"
        );
        let text = Run::compare(&[("moons", &run)]).unwrap().bundle().unwrap().plain_text().to_string();
        assert!(text.contains("\nmoons\n1: "), "{text}");
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let none: [(&str, &Run); 0] = [];
        assert_eq!(Run::compare(&none).unwrap_err().to_string(), "runs = 0: compare 1 to 12 runs");
        let (four, eight) = (run(4, 1), run(8, 1));
        let error = Run::compare(&[("four", &four), ("eight", &eight)]).unwrap().bundle().unwrap_err();
        let rule = "compare runs of one image size: four has [1, 4, 4]";
        assert_eq!(error.to_string(), format!("eight = [1, 8, 8]: {rule}"));
    }
}
