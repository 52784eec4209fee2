//! Samples on the way.

use crate::Result;
use crate::denoiser::Denoiser;
use crate::diffusion::Diffusion;
use crate::sample::Sampler;
use tch::{Device, Kind, Tensor};

/// DDIM steps of such samples: enough to see what the model has learned.
const STEPS: usize = 20;
/// Points of a snapshot.
const POINTS: i64 = 400;

/// One sample a class (eight without classes); of points, of which one says nothing, as many as make a picture. float32, on the CPU.
pub(super) fn snapshot(model: &Diffusion, seed: u64) -> Result<Tensor> {
    let steps = STEPS.min(model.schedule().levels());
    let sampler = Sampler::ddim(steps).frames(0).seed(seed);
    let points = model.sample_shape().len() == 1;
    let (labels, count) = match model.classes() {
        Some(classes) if points => (Some((0..POINTS).map(|index| index % classes).collect()), POINTS),
        Some(classes) => (Some((0..classes.min(10)).collect::<Vec<i64>>()), classes.min(10)),
        None => (None, if points { POINTS } else { 8 }),
    };
    let sampler = match labels {
        Some(labels) => sampler.labels(labels),
        None => sampler.count(count as usize),
    };
    // They are kept on the CPU, where those are that a checkpoint holds: a picture takes both.
    let kept = |images: &Tensor| Ok(images.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?);
    sampler.iter(model)?.last().transpose()?.map_or_else(|| Ok(Tensor::new()), |step| kept(&step.next))
}
