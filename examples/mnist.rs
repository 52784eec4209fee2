//! MNIST at 32 pixels, from the files to a model that writes what it is asked for.
//!
//! ```sh
//! cargo run --release --example mnist -- PATH_TO_MNIST                  # 3,000 steps of a small network, for two cores
//! cargo run --release --example mnist -- PATH_TO_MNIST 500              # 500 of them
//! cargo run --release --example mnist -- PATH_TO_MNIST 10000 article    # the article's network and recipe, for a GPU
//! ```
//!
//! The folder holds `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`, gzipped (`.gz`) or not. What comes of it lies
//! in `mnist-run`: the model (`model.safetensors`, which PyTorch opens too), and figures: the network's layers, the
//! losses, samples, their nearest images of the training set, and how a classifier reads them. docs/mnist.md shows one run.

use noisebook::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

type Failure = Box<dyn std::error::Error>;

/// Samples of each class in the picture, and those that a classifier reads.
const SHOWN: i64 = 10;
const READ: i64 = 50;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let folder =
        arguments.next().ok_or("say where MNIST is: cargo run --release --example mnist -- PATH_TO_MNIST [steps]")?;
    let steps = arguments.next().map_or(Ok(3_000), |steps| steps.parse())?;
    let out = PathBuf::from("mnist-run");
    fs::create_dir_all(&out)?;
    let trainer = match arguments.next().as_deref() {
        None => small(&out)?,
        Some("article") => article(&out)?,
        Some(other) => return Err(format!("{other}: the only network with a name is `article`").into()),
    };

    let (before, began) = (memory("VmRSS"), Instant::now());
    let mnist = Dataset::mnist(&folder)?.pad(32)?;
    println!("{} images of 32 x 32 in {:.2} s", mnist.len(), began.elapsed().as_secs_f64());
    if let (Some(before), Some(now), Some(most)) = (before, memory("VmRSS"), memory("VmHWM")) {
        let pixels = mnist.shape().iter().product::<i64>() as f64 / 1e6;
        println!("{pixels:.0} MB of pixels take {:.0} MB of memory, {:.0} while loading", now - before, most - before);
    }
    let (train, held_out) = mnist.split(0.9, 0)?;

    let run = trainer.steps(steps).validate(&held_out).validate_every((steps / 5).max(1)).fit(&train)?;
    draw(&out, "run", &run)?;
    println!("{run:?}");
    println!("A step: {}", run.timing());
    let averaged = run.ema()?;
    averaged.save(out.join("model.safetensors"))?;

    let began = Instant::now();
    let sampler = Sampler::ddim(50).guidance_scale(2.0);
    let samples = sampler.clone().labels((0..10 * SHOWN).map(|index| index % 10)).seed(0).sample(&averaged)?;
    println!("{} samples in {:.0} s", 10 * SHOWN, began.elapsed().as_secs_f64());
    draw(&out, "samples", &samples)?;
    draw(&out, "nearest", &samples.nearest(&train)?)?;

    let classifier = Classifier::fit(&train)?;
    let judge = held_out.classify(&classifier)?.accuracy();
    let samples = sampler.labels((0..10 * READ).map(|index| index % 10)).seed(1).sample(&averaged)?;
    let report = samples.classify(&classifier)?;
    draw(&out, "classes", &report)?;
    draw(&out, "classes-by-nearest", &samples.nearest(&held_out)?.class_report()?)?;
    println!(
        "A classifier reads {:.1}% of held-out images, and {:.1}% of samples as asked:",
        100.0 * judge,
        100.0 * report.accuracy()
    );
    report.show()?;
    if let Some(most) = memory("VmHWM") {
        println!("All of it took {most:.0} MB of memory at most, and is in {}", out.display());
    }
    Ok(())
}

/// A network of 281,000 numbers that predicts v.
fn small(out: &Path) -> Result<Trainer, Failure> {
    let unet = UNet::builder().channels(1).image_size(32).base_channels(16).channel_mults([1, 2, 2]).blocks(1);
    let unet = unet.attention_at([8]).classes(10).build()?;
    draw(out, "network", &unet)?;
    let model = Diffusion::new(&unet, &Schedule::cosine(1_000)?, Prediction::V)?;
    let trainer = Trainer::new(&model).batch_size(32).lr(2e-3).lr_schedule(LearningRate::Cosine { warm_up: 100 });
    Ok(trainer.ema(0.995).label_dropout(0.1))
}

/// The article's, which predicts the noise, and its recipe; but a larger batch, for a GPU.
fn article(out: &Path) -> Result<Trainer, Failure> {
    let unet = UNet::article().channels(1).classes(10).build()?;
    draw(out, "network", &unet)?;
    let model = Diffusion::new(&unet, &Schedule::linear(1_000)?, Prediction::Epsilon)?;
    let trainer = Trainer::new(&model).batch_size(128).lr(3e-4).lr_schedule(LearningRate::OneCycle);
    Ok(trainer.weight_decay(1e-3).precision(Precision::BFloat16).ema(Ema::article()).label_dropout(0.1))
}

/// What a notebook would show, as files: pixels alone as PNG, figures with their words as SVG, tables as HTML.
fn draw(folder: &Path, name: &str, value: &impl Show) -> Result<(), Failure> {
    let bundle = value.bundle()?;
    for (form, kind) in [("png", "image/png"), ("svg", "image/svg+xml"), ("html", "text/html")] {
        if bundle.get(kind).is_some() {
            bundle.save(folder.join(format!("{name}.{form}")))?;
        }
    }
    Ok(())
}

/// What this process holds, as Linux counts it (`VmRSS` now, `VmHWM` at most): megabytes.
fn memory(name: &str) -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: f64 = line.trim_matches([':', '\t', ' ']).split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1_024.0 / 1e6)
}
