//! What the density of single numbers looks like as noise is added.

use crate::show::Chart;
use crate::{Result, Schedule};
use tch::Tensor;

/// How many points a line has.
const POINTS: i64 = 401;

/// The times that are drawn: from the data, or where it has no density from the first level, to noise.
pub(super) fn density_times(schedule: &Schedule, from_data: bool) -> [f64; 4] {
    [if from_data { 0.0 } else { 1.0 / schedule.levels() as f64 }, 0.25, 0.5, 1.0]
}

/// The density of x_t at these times. Where alpha^2 + sigma^2 is not 1 it is that of x_t over its root, so that all of them
/// lie over one axis: `range` holds the data.
pub(super) fn density_chart(
    title: String,
    schedule: &Schedule,
    (low, high): (f64, f64),
    times: &[f64],
    log_density: &dyn Fn(&Tensor, f64) -> Result<Tensor>,
) -> Result<Chart> {
    let (low, high) = (low.min(-3.5), high.max(3.5));
    let xs: Vec<f64> = (0..POINTS).map(|i| low + (high - low) * i as f64 / (POINTS - 1) as f64).collect();
    let grid = Tensor::f_from_slice(&xs)?.f_view([POINTS, 1])?;
    let preserving = schedule.betas().is_ok();
    let x_label = if preserving { "x\u{209c}" } else { "x\u{209c} over the root of alpha\u{b2} + sigma\u{b2}" };
    let mut chart = Chart::new(title).x_label(x_label).y_label("density");
    for &t in times {
        let scale = schedule.alpha(t).hypot(schedule.sigma(t));
        let density = log_density(&grid.f_mul_scalar(scale)?, t)?.f_exp()?.f_mul_scalar(scale)?;
        chart = chart.line(format!("t = {t}"), &xs, &Vec::<f64>::try_from(density)?);
    }
    Ok(chart)
}
