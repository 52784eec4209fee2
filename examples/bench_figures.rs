//! How long figures take to draw: `make bench-figures`. A live figure is followed by a pause of a hundred times as long as it
//! took, so one that takes 2.5 ms comes four times a second, and one of 10 ms once, for 1% of the time.

use noisebook::prelude::*;
use noisebook::show::{Chart, Figure, Grid};
use std::time::Instant;

/// The fastest of 21 drawings, which other programs disturb least, in milliseconds.
fn milliseconds(figure: &dyn Show) -> Result<f64, noisebook::Error> {
    let mut fastest = f64::INFINITY;
    for _ in 0..21 {
        let began = Instant::now();
        figure.bundle()?;
        fastest = fastest.min(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(fastest)
}

/// Prints a line; an error says what takes too long.
fn report(name: &str, limit: f64, figure: &dyn Show) -> Result<(), noisebook::Error> {
    let (took, bytes) =
        (milliseconds(figure)?, figure.bundle()?.get("image/svg+xml").map_or(0, |svg| svg.to_string().len()));
    let verdict = if took < limit { "ok" } else { "TOO SLOW" };
    println!("{name:<44} {took:>8.2} ms (under {limit} ms: {verdict}), {:>4} kB", bytes / 1_000);
    Ok(())
}

fn main() -> Result<(), noisebook::Error> {
    tch::set_num_threads(1);
    tch::manual_seed(0);
    let noise = |shape: &[i64]| (Tensor::randn(shape, (Kind::Float, Device::Cpu)) * 0.5).clamp(-1.0, 1.0);
    for (name, shape) in
        [("1 x 8 x 8", [64, 1, 8, 8]), ("1 x 28 x 28", [64, 1, 28, 28]), ("3 x 32 x 32", [64, 3, 32, 32])]
    {
        let images = noise(&shape);
        report(&format!("64 images of {name}, from a tensor"), 5.0, &images)?;
    }
    let digits = Dataset::digits()?.images().narrow(0, 0, 64);
    report("64 digits", 5.0, &Grid::new(&digits)?)?;

    let steps: Vec<f64> = (1..=10_000).map(f64::from).collect();
    let losses: Vec<f64> = steps.iter().map(|i| 0.05 + 1.0 / i.sqrt() + 0.02 * (i * 0.731).sin()).collect();
    let curve = || Chart::new("Loss").x_label("step").y_label("mean squared error").line("each step", &steps, &losses);
    report("a loss curve of 10,000 points", 10.0, &curve())?;
    report("the same on a logarithmic axis", 10.0, &curve().log_y())?;
    let cloud = Chart::new("").points("", &steps, &losses);
    report("10,000 points that no line joins", 10.0, &cloud)?;
    let four = Figure::column([
        Figure::row([curve().size(375, 230), curve().log_y().size(375, 230)]),
        Figure::row([curve().size(375, 160), curve().size(375, 160)]),
    ]);
    report("four curves of 10,000 points in one figure", 20.0, &four)?;
    report("2,000 points in the plane", 10.0, &Dataset::moons(2_000, 0.05)?)
}
