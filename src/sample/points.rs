//! What sampling points looks like.

use super::figure::{drawn_x, x0_title};
use super::samples::Frame;
use super::steps::SampleStep;
use crate::Result;
use crate::show::{Chart, Cloud, Figure, Part, Plane, coordinates, grouped, sheet, sheets};
use tch::Tensor;

/// How many moments of the way are shown side by side.
pub(super) const MOMENTS: usize = 5;
/// How many ways are drawn.
const FOLLOWED: usize = 60;
/// How many points of a moment are drawn: as many as [`sheet`] takes.
pub(super) const DRAWN: i64 = 600;

/// x beside predicted x_0.
pub(super) fn step(step: &SampleStep) -> Result<Figure> {
    let cloud = |points: &Tensor| Cloud::new(points, step.labels.as_ref(), &[]);
    let captions = [format!("x\u{209c} at t = {:.3}, sigma = {:.3}", step.t, step.sigma), x0_title(step).to_string()];
    let title = format!("Reverse step {} of {}", grouped(step.index + 1), grouped(step.steps));
    Ok(sheet(&[cloud(&drawn_x(step)?)?, cloud(&step.x0)?], &captions, 2, &title))
}

/// x_t above predicted x_0.
pub(super) fn trajectory(frames: &[&Frame], labels: &Tensor, from: &str) -> Result<Figure> {
    let labels = labels.f_narrow(0, 0, frames[0].x.size()[0])?;
    let cloud = |points: &Tensor| Cloud::new(points, Some(&labels), &[]);
    let mut clouds = frames.iter().map(|frame| cloud(&frame.x)).collect::<Result<Vec<_>>>()?;
    for frame in frames {
        clouds.push(cloud(&frame.x0)?);
    }
    let mut captions: Vec<String> = frames.iter().map(|frame| format!("x\u{209c}, t = {:.2}", frame.t)).collect();
    captions.extend(vec!["predicted x\u{2080}".to_string(); frames.len()]);
    let title = format!("From {from} to data: x\u{209c} and what the model takes it for");
    let title = title + scaled(frames.iter().copied());
    Ok(sheet(&clouds, &captions, frames.len(), &title))
}

/// x_t beside predicted x_0, one figure a frame, all over one region.
pub(super) fn moments(frames: &[Frame], labels: &Tensor) -> Result<Vec<Figure>> {
    let labels = labels.f_narrow(0, 0, frames[0].x.size()[0])?;
    let cloud = |points: &Tensor| Cloud::new(points, Some(&labels), &[]);
    let rows = frames.iter().map(|frame| Ok(vec![cloud(&frame.x)?, cloud(&frame.x0)?])).collect::<Result<Vec<_>>>()?;
    let captions =
        frames.iter().map(|frame| vec![format!("x\u{209c} at t = {:.2}", frame.t), "predicted x\u{2080}".into()]);
    Ok(sheets(&rows, &captions.collect::<Vec<_>>()))
}

/// That x_t is drawn at the scale of its noise, where that is so.
pub(super) fn scaled<'a>(mut frames: impl Iterator<Item = &'a Frame>) -> &'static str {
    if frames.any(|frame| frame.sigma > 1.0) { "; x\u{209c} over sigma where that is above 1" } else { "" }
}

/// The ways of the first samples: through the plane, or against time where a sample is one number.
pub(super) fn paths(frames: &[Frame], samples: &Tensor, from: &str) -> Result<Figure> {
    let moments = frames.iter().map(|frame| coordinates(&frame.x)).collect::<Result<Vec<_>>>()?;
    let (count, dimension) = (samples.size()[0] as usize, moments[0].len());
    let drawn = count.min(FOLLOWED);
    let way = |sample: usize, axis: usize| moments.iter().map(|moment| moment[axis][sample]).collect::<Vec<f64>>();
    let of = if drawn < count {
        format!("the first {drawn} of {} samples", grouped(count))
    } else {
        format!("{count} samples")
    };
    let title = format!("From {from} to data: the ways of {of}{}", scaled(frames.iter()));
    let part: Part = if dimension == 1 {
        let times: Vec<f64> = frames.iter().map(|frame| frame.t).collect();
        let ways: Vec<Vec<f64>> = (0..drawn).map(|sample| way(sample, 0)).collect();
        Chart::new("").x_label(format!("time t: 0 is data, 1 is {from}")).y_label("x").lines("", &times, &ways).into()
    } else {
        let last = coordinates(samples)?;
        let plane = Plane::new("").x_label("x\u{2081}").y_label("x\u{2082}").points("samples", &last[0], &last[1]);
        (0..drawn).fold(plane, |plane, sample| plane.path(&way(sample, 0), &way(sample, 1))).into()
    };
    Ok(Figure::column([part]).title(title))
}
