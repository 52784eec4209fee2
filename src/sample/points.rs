//! What sampling points looks like.

use super::figure::{drawn_x, x0_title};
use super::samples::Frame;
use super::steps::SampleStep;
use crate::Result;
use crate::show::{Chart, Cloud, Figure, Part, Plane, coordinates, evenly, grouped, sheet, sheets};
use tch::Tensor;

/// How many moments of the way are shown side by side.
pub(super) const MOMENTS: usize = 5;
/// How many ways are drawn.
const FOLLOWED: usize = 60;
/// How many of them are in colours of their own: more would be a tangle.
const IN_COLOUR: usize = 3;
/// The size of a picture that has another beside it.
const BESIDE: (u32, u32) = (372, 320);
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

/// The ways of the first samples, a few of them in colours of their own: through the plane, and against time.
pub(super) fn paths(frames: &[Frame], samples: &Tensor, from: &str) -> Result<Figure> {
    let moments = frames.iter().map(|frame| coordinates(&frame.x)).collect::<Result<Vec<_>>>()?;
    let (count, dimension) = (samples.size()[0] as usize, moments[0].len());
    let drawn = count.min(FOLLOWED);
    let ways = |axis: usize| -> Vec<Vec<f64>> {
        (0..drawn).map(|sample| moments.iter().map(|moment| moment[axis][sample]).collect()).collect()
    };
    let times: Vec<f64> = frames.iter().map(|frame| frame.t).collect();
    let first = ways(0);
    let strong = standing_out(&first);
    let chart = against_time(&times, &first, &strong, from);
    let mut of = if drawn < count {
        format!("the first {drawn} of {} samples", grouped(count))
    } else {
        format!("{count} samples")
    };
    if strong.len() < drawn {
        of += &format!(", {} of them in colour", strong.len());
    }
    let title = format!("From {from} to data: the ways of {of}{}", scaled(frames.iter()));
    if dimension == 1 {
        return Ok(Figure::column([chart.y_label("x")]).title(title));
    }
    let last = coordinates(samples)?;
    let mut plane = Plane::new("").x_label("x\u{2081}").y_label("x\u{2082}").size(BESIDE.0, BESIDE.1);
    if strong.len() < drawn {
        plane = plane.points("samples", &last[0], &last[1]);
    }
    let ways: Vec<(Vec<f64>, Vec<f64>)> = first.into_iter().zip(ways(1)).collect();
    let parts: [Part; 2] =
        [plane.ways(&ways, &strong).into(), chart.y_label("x\u{2081}").size(BESIDE.0, BESIDE.1).into()];
    Ok(Figure::row(parts).title(title).note(format!("ring: {from}, where a way starts; dot: where it ends")))
}

/// The ways in colour, of those through the same coordinate: they start far apart.
fn standing_out(ways: &[Vec<f64>]) -> Vec<usize> {
    let start = |way: usize| ways[way].first().copied().unwrap_or_default();
    let mut order: Vec<usize> = (0..ways.len()).collect();
    order.sort_by(|&a, &b| start(a).total_cmp(&start(b)));
    // Not the outermost, which are odd.
    let odd = ways.len() / 12;
    evenly(ways.len() - 2 * odd, IN_COLOUR).into_iter().map(|index| order[odd + index]).collect()
}

fn against_time(times: &[f64], ways: &[Vec<f64>], strong: &[usize], from: &str) -> Chart {
    let mut chart = Chart::new("").x_label(format!("time t: 0 is data, 1 is {from}")).unnamed();
    let others: Vec<Vec<f64>> =
        (0..ways.len()).filter(|way| !strong.contains(way)).map(|way| ways[way].clone()).collect();
    if !others.is_empty() {
        chart = chart.lines("the others", times, &others);
    }
    strong.iter().fold(chart, |chart, &way| chart.line(format!("way {}", way + 1), times, &ways[way]))
}
