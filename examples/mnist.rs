//! MNIST at 32 pixels, from the files to a model that writes what it is asked for.
//!
//! ```sh
//! cargo run --release --example mnist -- PATH_TO_MNIST            # 3,000 steps
//! cargo run --release --example mnist -- PATH_TO_MNIST 500
//! ```
//!
//! The folder holds `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`, gzipped (`.gz`) or not. What comes of it lies
//! in `mnist-run`: the model (`model.safetensors`, which PyTorch opens too), and figures: the network's layers, the
//! losses, samples, their nearest images of the held-out set, and how a classifier reads them.
//!
//! The network is small, for two cores; `UNet::article().channels(1).classes(10)` is the article's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use noisebook::prelude::*;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

type Failure = Box<dyn std::error::Error>;

/// Samples of each class.
const OF_EACH: i64 = 10;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let folder =
        arguments.next().ok_or("say where MNIST is: cargo run --release --example mnist -- PATH_TO_MNIST [steps]")?;
    let steps = arguments.next().map_or(Ok(3_000), |steps| steps.parse())?;
    let out = PathBuf::from("mnist-run");
    fs::create_dir_all(&out)?;

    let began = Instant::now();
    let (train, held_out) = mnist(Path::new(&folder))?.split(0.9, 0)?;
    println!("{} images in {:.1} s", train.len() + held_out.len(), began.elapsed().as_secs_f64());

    let unet = UNet::builder().channels(1).image_size(32).base_channels(16).channel_mults([1, 2, 2]).blocks(1);
    let unet = unet.attention_at([8]).classes(10).build()?;
    draw(&out, "network", &unet)?;

    let model = Diffusion::new(&unet, &Schedule::cosine(1_000)?, Prediction::V)?;
    let trainer = Trainer::new(&model).steps(steps).batch_size(32).lr(2e-3).ema(0.995).label_dropout(0.1);
    let run = trainer.fit(&train)?;
    draw(&out, "run", &run)?;
    println!("{run:?}");
    let averaged = run.ema()?;
    averaged.save(out.join("model.safetensors"))?;

    let began = Instant::now();
    let labels = (0..10 * OF_EACH).map(|index| index / OF_EACH);
    let sampler = Sampler::ddim(50).guidance_scale(2.0).labels(labels).seed(0);
    let samples = sampler.sample(&averaged)?;
    println!("{} samples in {:.1} s", 10 * OF_EACH, began.elapsed().as_secs_f64());
    draw(&out, "samples", &samples)?;
    let nearest = samples.nearest(&held_out)?;
    draw(&out, "nearest", &nearest)?;
    draw(&out, "classes-by-nearest", &nearest.class_report()?)?;

    let classifier = Classifier::fit(&train)?;
    let judge = held_out.classify(&classifier)?.accuracy();
    let report = samples.classify(&classifier)?;
    draw(&out, "classes", &report)?;
    println!(
        "A classifier reads {:.1}% of held-out images, and {:.1}% of samples as asked",
        100.0 * judge,
        100.0 * report.accuracy()
    );
    println!("All of it is in {}", out.display());
    Ok(())
}

/// What a notebook would show, as files: pixels alone as PNG, figures with their words as SVG, tables as HTML.
fn draw(folder: &Path, name: &str, value: &impl Show) -> Result<(), Failure> {
    let bundle = value.bundle()?;
    let of = |kind: &str| bundle.get(kind).and_then(|value| value.as_str());
    if let Some(png) = of("image/png") {
        fs::write(folder.join(format!("{name}.png")), STANDARD.decode(png)?)?;
    }
    if let Some(svg) = of("image/svg+xml") {
        fs::write(folder.join(format!("{name}.svg")), svg)?;
    }
    if let Some(html) = of("text/html") {
        fs::write(folder.join(format!("{name}.html")), format!("<!doctype html>\n<meta charset=\"utf-8\">\n{html}\n"))?;
    }
    Ok(())
}

/// The training images, 28 x 28, with two pixels of paper on each side.
fn mnist(folder: &Path) -> Result<Dataset, Failure> {
    let (images, labels) = (idx(folder, "train-images-idx3-ubyte", 16)?, idx(folder, "train-labels-idx1-ubyte", 8)?);
    // Paper is 0 in the files.
    let images = Tensor::from_slice(&images).f_view([-1, 1, 28, 28])?.f_constant_pad_nd([2, 2, 2, 2])?;
    let images = images.to_kind(Kind::Float) / 127.5 - 1.0;
    let labels = Tensor::from_slice(&labels).to_kind(Kind::Int64);
    let names: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Ok(Dataset::new("mnist", &images, Some(&labels), &names)?)
}

/// The bytes of an idx file after its header.
fn idx(folder: &Path, name: &str, header: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    if let Ok(mut plain) = File::open(folder.join(name)) {
        plain.read_to_end(&mut bytes)?;
    } else {
        let path = folder.join(format!("{name}.gz"));
        let file = File::open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        GzDecoder::new(file).read_to_end(&mut bytes)?;
    }
    Ok(bytes.split_off(header))
}
