//! What sampling looks like.

use super::points;
use super::samples::{Frame, Samples};
use super::steps::SampleStep;
use crate::labels::caption;
use crate::show::{Animation, Bundle, Cloud, Figure, Grid, Part, Show, grouped};
use crate::{Error, Result};
use std::path::Path;
use tch::Tensor;

/// How many samples a trajectory shows.
pub(super) const FOLLOWED: i64 = 3;
/// How many images an animation shows.
pub(super) const MOVING: i64 = 16;
/// How many moments of each: more would not fit a notebook's column.
const MOMENTS: usize = 10;

/// Samples with their labels.
pub(super) fn samples_picture(samples: &Tensor, labels: &Tensor, title: String) -> Result<Part> {
    if samples.dim() == 2 {
        return Ok(Cloud::new(samples, Some(labels), &[])?.part(&title));
    }
    let captions = Vec::<i64>::try_from(labels)?.into_iter().map(caption).collect();
    Ok(Grid::new(samples)?.columns(10).captions(captions).title(title).into())
}

impl Samples {
    /// Writes the picture of the samples to a file whose name ends in `png` (images alone, without captions) or `svg`.
    ///
    /// # Errors
    /// Another ending; a file that cannot be written; images of other than 1 or 3 channels.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 0.5, [1, 8, 8], &Schedule::cosine(100)?)?;
    /// # let path = std::env::temp_dir().join(format!("noisebook-doc-samples-{}.png", std::process::id()));
    /// Sampler::ddim(2).sample(&model)?.save(&path)?;
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.bundle()?.save(path)
    }
}

/// x_t as it is drawn: where the variance explodes all would be black and white, so it comes at the scale of its noise.
pub(super) fn drawn_x(step: &SampleStep) -> Result<Tensor> {
    Ok(step.x.f_div_scalar(step.sigma.max(1.0))?)
}

/// The last step leads to what the model takes x_t for.
pub(super) fn x0_title(step: &SampleStep) -> &'static str {
    if step.index + 1 == step.steps { "predicted x\u{2080}: the samples" } else { "predicted x\u{2080}" }
}

/// x beside predicted x_0.
pub(super) fn step_figure(step: &SampleStep) -> Result<Figure> {
    if step.x.dim() == 2 {
        return points::step(step);
    }
    let few = step.x.size()[0].min(8);
    let part = |images: &Tensor, title: String| -> Result<Grid> {
        Ok(Grid::new(&images.f_narrow(0, 0, few)?)?.columns(4).title(title))
    };
    let x = part(&drawn_x(step)?, format!("x\u{209c} at t = {:.3}, sigma = {:.3}", step.t, step.sigma))?;
    let x0 = part(&step.x0, x0_title(step).into())?;
    let title = format!("Reverse step {} of {}", grouped(step.index + 1), grouped(step.steps));
    Ok(Figure::row([x, x0]).title(title))
}

impl Show for SampleStep {
    fn bundle(&self) -> Result<Bundle> {
        step_figure(self)?.bundle()
    }
}

/// The way back of a few samples; [`Samples::trajectory`](super::Samples::trajectory) makes one.
///
/// ```
/// # use noisebook::prelude::*;
/// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
/// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
/// Sampler::ddim(4).count(2).sample(&model)?.trajectory()?.show()?; // a row of x_t and one of x_0 for each sample
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Trajectory {
    picture: Part,
    times: Vec<f64>,
}

impl Trajectory {
    /// At least two frames.
    pub(super) fn new(frames: &[Frame], labels: &Tensor, from: &str) -> Result<Self> {
        // Evenly spread, the first and the last among them.
        let are_points = frames[0].x.dim() == 2;
        let (moments, last) = (frames.len().min(if are_points { points::MOMENTS } else { MOMENTS }), frames.len() - 1);
        let frames: Vec<&Frame> = (0..moments).map(|k| &frames[k * last / (moments - 1)]).collect();
        let times = frames.iter().map(|frame| frame.t).collect();
        let picture = if are_points {
            points::trajectory(&frames, labels, from)?.into()
        } else {
            rows(&frames, labels, from)?.into()
        };
        Ok(Self { picture, times })
    }

    /// The times of the frames, falling to 0.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let samples = Sampler::ddim(2).count(1).sample(&model)?;
    /// assert_eq!(samples.trajectory()?.times(), [1.0, 0.5, 0.0]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn times(&self) -> Vec<f64> {
        self.times.clone()
    }
}

/// All frames one after another, x_t beside predicted x_0.
pub(super) fn animation(frames: &[Frame], labels: &Tensor, from: &str) -> Result<Animation> {
    if frames[0].x.dim() == 2 {
        let title = way(from, "data") + points::scaled(frames.iter());
        return Ok(Animation::new(points::moments(frames, labels)?).title(title));
    }
    let figure = |frame: &Frame| -> Result<Figure> {
        let part = |images: &Tensor, title: String| Ok::<_, Error>(Grid::new(images)?.columns(4).title(title));
        let x = part(&frame.x, format!("x\u{209c} at t = {:.2}", frame.t))?;
        Ok(Figure::row([x, part(&frame.x0, "predicted x\u{2080}".into())?]))
    };
    Ok(Animation::new(frames.iter().map(figure).collect::<Result<Vec<_>>>()?).title(way(from, "image")))
}

fn way(from: &str, to: &str) -> String {
    format!("From {from} to {to}: x\u{209c} and what the model takes it for")
}

/// For each of the first samples a row of x_t and one of predicted x_0.
fn rows(frames: &[&Frame], labels: &Tensor, from: &str) -> Result<Grid> {
    let followed = frames[0].x.size()[0].min(FOLLOWED);
    let labels = Vec::<i64>::try_from(labels)?;
    let (mut images, mut rows) = (Vec::new(), Vec::new());
    for sample in 0..followed {
        let label = labels.get(sample as usize).map_or(String::new(), |&label| caption(label));
        let of = if label.is_empty() { label } else { format!(" of a {label}") };
        rows.push(format!("x\u{209c}{of}"));
        rows.push("predicted x\u{2080}".to_string());
        for pick in [|frame: &Frame| frame.x.shallow_clone(), |frame: &Frame| frame.x0.shallow_clone()] {
            for frame in frames {
                images.push(pick(frame).f_get(sample)?);
            }
        }
    }
    let mut captions = vec![String::new(); frames.len() * (rows.len() - 1)];
    captions.extend(frames.iter().map(|frame| format!("t = {:.2}", frame.t)));
    let title = way(from, "image");
    let grid = Grid::new(&Tensor::f_stack(&images, 0)?)?.columns(frames.len());
    Ok(grid.rows_together(2).row_labels(rows).captions(captions).title(title))
}

impl Show for Trajectory {
    fn bundle(&self) -> Result<Bundle> {
        match &self.picture {
            Part::Grid(grid) => grid.bundle(),
            part => Figure::column([part.clone()]).bundle(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Diffusion, Prediction, Sampler, Schedule, UNet};

    /// At sigma = 80 hardly a pixel lies in [-1, 1]; at the picture's scale about two of three do.
    #[test]
    fn exploding_noise_is_drawn_at_its_scale() {
        let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build().unwrap();
        let model = Diffusion::new(&unet, &Schedule::edm(10).unwrap(), Prediction::Epsilon).unwrap();
        let step = Sampler::ddim(2).iter(&model).unwrap().next().unwrap().unwrap();
        let inside = |x: Tensor| x.abs().le(1.0).to_kind(tch::Kind::Double).mean(None).double_value(&[]);
        assert!(inside(step.x.shallow_clone()) < 0.05);
        // 1,024 pixels of N(0, 1): 0.683, with a standard error of 0.0146.
        assert!((inside(drawn_x(&step).unwrap()) - 0.683).abs() < 0.06);
    }
}
