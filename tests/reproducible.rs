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

/// Saved, loaded and trained on: the same as if it had never left. What is frozen stays, decay of weights or not.
#[test]
fn a_loaded_model_goes_on_as_the_saved_one_and_keeps_what_is_frozen() -> Result<(), noisebook::Error> {
    let path = std::env::temp_dir().join(format!("noisebook-{}-goes-on.safetensors", std::process::id()));
    let mlp = Mlp::builder().hidden(16).layers(2).classes(2).build()?;
    let model = Diffusion::new(&mlp, &Schedule::flow(100)?, Prediction::Flow)?;
    let moons = Dataset::moons(200, 0.05)?;
    let trainer = |model: &Diffusion| Trainer::new(model).steps(3).batch_size(32).weight_decay(0.5).seed(4);
    trainer(&model).fit(&moons)?;
    model.save(&path)?;
    let loaded = Diffusion::load(&path)?;
    std::fs::remove_file(path).unwrap();
    let copies = |model: &Diffusion| -> Vec<(String, Tensor)> {
        model.network().parameters().named().into_iter().map(|(name, weight)| (name, weight.copy())).collect()
    };
    let before = copies(&model);
    for model in [&model, &loaded] {
        model.network().freeze(&["blocks.0", "time"])?;
        trainer(model).fit(&moons)?;
    }
    assert_eq!(loaded.network().parameters().trained_steps(), 6);
    let after = copies(&model);
    assert_eq!(copies(&loaded), after);
    for ((name, before), (_, after)) in before.iter().zip(&after) {
        let frozen = name.starts_with("blocks.0.") || name.starts_with("time.");
        assert_eq!(before == after, frozen, "{name}");
    }
    Ok(())
}
