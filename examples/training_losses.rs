//! The losses of DESIGN's small network on the digits, one line a seed: what tests/parity/training.py lays beside PyTorch's.
//!
//! usage: training_losses STEPS SEEDS

use noisebook::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let numbers: Vec<usize> = std::env::args().skip(1).map(|word| word.parse()).collect::<Result<_, _>>()?;
    let [steps, seeds] = numbers[..] else { return Err("usage: training_losses STEPS SEEDS".into()) };
    let (train, _) = Dataset::digits()?.split(0.9, 0)?;
    for seed in 0..seeds as u64 {
        let unet = UNet::builder().channels(1).image_size(8).base_channels(16).channel_mults([1, 2, 2]);
        let unet = unet.blocks(1).attention_at([4]).classes(10).seed(seed).device(Device::Cpu).build()?;
        let model = Diffusion::new(&unet, &Schedule::cosine(1_000)?, Prediction::V)?;
        let trainer = Trainer::new(&model).batch_size(64).lr(2e-3).label_dropout(0.1).seed(seed);
        let losses = trainer.iter(&train)?.take(steps).map(|step| Ok(step?.loss));
        let losses = losses.collect::<Result<Vec<f64>, noisebook::Error>>()?;
        let words: Vec<String> = losses.iter().map(|loss| format!("{loss:.5}")).collect();
        println!("{}", words.join(" "));
    }
    Ok(())
}
