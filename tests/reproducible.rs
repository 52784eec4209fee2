//! The same seed gives the same bytes, from the network's first weights to the last sample.
#![allow(clippy::unwrap_used)]

use noisebook::prelude::*;

/// Initialises, trains, averages and samples, and returns the samples' bits.
fn write_digits(seed: u64) -> Result<Vec<u32>, noisebook::Error> {
    let (train, _) = Dataset::digits()?.split(0.9, seed)?;
    let unet =
        UNet::builder().channels(1).image_size(8).base_channels(8).attention_at([4]).classes(10).seed(seed).build()?;
    let model = Diffusion::new(&unet, &Schedule::cosine(1_000)?, Prediction::V)?;
    let run = Trainer::new(&model).steps(4).batch_size(16).seed(seed).fit(&train)?;
    let sampler = Sampler::ddim(8).eta(0.5).guidance_scale(2.0).labels(0..10).seed(seed);
    let images = sampler.sample(&run.ema()?)?.images();
    let values = Vec::<f32>::try_from(images.flatten(0, -1))?;
    Ok(values.into_iter().map(f32::to_bits).collect())
}

#[test]
fn the_same_seed_gives_the_same_samples_byte_for_byte() -> Result<(), noisebook::Error> {
    let first = write_digits(7)?;
    // What ran in between changes nothing: no generator is shared.
    tch::manual_seed(123);
    let _ = Tensor::randn([100], (Kind::Float, Device::Cpu));
    assert_eq!(write_digits(7)?, first);
    assert_ne!(write_digits(8)?, first);
    Ok(())
}
