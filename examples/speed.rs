//! How fast training and sampling are. benches/article_unet.py measures PyTorch in the same way, and `make bench` runs both
//! in turn.
//!
//! ```sh
//! cargo run --example speed -- train                             # the article's network, 32 px, 128 images a step
//! cargo run --example speed -- train --net small --batch 64 --threads 2
//! cargo run --example speed -- sample --batch 8 --steps 5        # DDIM
//! cargo run --example speed -- train --batch 8 --profile         # by layer
//! ```
//!
//! | option | default | |
//! |---|---|---|
//! | `--net` | article | or small: the first notebook's, 281,000 parameters at 8 px |
//! | `--size`, `--channels` | 32, 1 | of the article's images |
//! | `--batch` | 128 | images a step |
//! | `--steps` | 30 | of each of three rounds; when sampling, of DDIM |
//! | `--threads` | 0 | 0: as many as libtorch takes |
//! | `--amp` | | bfloat16 where a layer is a product of matrices |
//! | `--channels-last` | | the layout N x H x W x C |
//! | `--turns` | | one round for each line of the standard input, and a line of seconds and CPU seconds for each |
//! | `--no-graphs` | | no CUDA graphs: every operation is launched by itself |
//! | `--profile` | | milliseconds of each layer, forward and backward |
//!
//! A step of training is the trainer's whole step: noise, forward, backward, the norm of the gradient and its clipping, AdamW,
//! the average of the weights. (The yardstick's has no clipping and no average.)

use noisebook::accel::{CudaGraphs, cuda_graphs, cudnn_benchmark, gpu_memory, peak_memory, tf32};
use noisebook::prelude::*;
use noisebook::train::TrainSteps;
use std::io::BufRead;
use std::time::Instant;

type Failure = Box<dyn std::error::Error>;

struct Options {
    what: String,
    net: String,
    size: i64,
    batch: usize,
    channels: i64,
    steps: usize,
    threads: i32,
    amp: bool,
    channels_last: bool,
    turns: bool,
    graphs: bool,
    profile: bool,
}

impl Options {
    fn read() -> Result<Self, Failure> {
        let mut words = std::env::args().skip(1);
        let what = words.next().unwrap_or_default();
        if !["train", "sample"].contains(&what.as_str()) {
            return Err(
                "usage: speed train|sample [--net article|small --size 32 --batch 128 --channels 1 --steps 30 \
                        --threads 0 --amp --channels-last --turns --no-graphs --profile]"
                    .into(),
            );
        }
        let mut options = Self {
            what,
            net: "article".to_string(),
            size: 32,
            batch: 128,
            channels: 1,
            steps: 30,
            threads: 0,
            amp: false,
            channels_last: false,
            turns: false,
            graphs: true,
            profile: false,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} takes a value"));
            match word.as_str() {
                "--net" => options.net = value()?,
                "--size" => options.size = value()?.parse()?,
                "--batch" => options.batch = value()?.parse()?,
                "--channels" => options.channels = value()?.parse()?,
                "--steps" => options.steps = value()?.parse()?,
                "--threads" => options.threads = value()?.parse()?,
                "--amp" => options.amp = true,
                "--channels-last" => options.channels_last = true,
                "--turns" => options.turns = true,
                "--no-graphs" => options.graphs = false,
                "--profile" => options.profile = true,
                _ => return Err(format!("{word} is no option").into()),
            }
        }
        if !["article", "small"].contains(&options.net.as_str()) {
            return Err(format!("--net {}: article or small", options.net).into());
        }
        if options.net == "small" {
            (options.size, options.channels) = (8, 1);
        }
        Ok(options)
    }

    fn model(&self) -> Result<Diffusion, noisebook::Error> {
        let (schedule, prediction) = (Schedule::linear(1_000)?, Prediction::Epsilon);
        if self.net == "small" {
            return Diffusion::new(&self.small()?, &schedule, prediction);
        }
        Diffusion::new(&self.article()?, &schedule, prediction)
    }

    fn small(&self) -> Result<UNet, noisebook::Error> {
        let unet = UNet::builder().channels(1).image_size(8).base_channels(16).channel_mults([1, 2, 2]).blocks(1);
        unet.attention_at([4]).classes(10).channels_last(self.channels_last).build()
    }

    fn article(&self) -> Result<ArticleUNet, noisebook::Error> {
        let article = UNet::article().channels(self.channels).image_size(self.size).classes(10);
        article.channels_last(self.channels_last).build()
    }

    /// Images of noise, as many as a batch has.
    fn images(&self) -> Result<Dataset, noisebook::Error> {
        let count = self.batch as i64;
        let numbers = Tensor::arange(count * self.channels * self.size * self.size, (Kind::Double, Device::Cpu));
        let images = (numbers.square() * 0.7).sin().view([count, self.channels, self.size, self.size]);
        let labels = Tensor::arange(count, (Kind::Int64, Device::Cpu)).remainder(10);
        let names: Vec<String> = (0..10).map(|class| class.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Dataset::new("noise", &images, Some(&labels), &names)
    }
}

/// What is measured, ready to run.
enum Work {
    Train(Box<TrainSteps>),
    Sample(Box<Diffusion>, Sampler),
}

impl Work {
    fn new(options: &Options) -> Result<Self, noisebook::Error> {
        let precision = if options.amp { Precision::BFloat16 } else { Precision::Float32 };
        let model = options.model()?.precision(precision);
        if options.what == "sample" {
            let sampler = Sampler::ddim(options.steps).labels([0]).count(options.batch).clip(false).frames(0);
            return Ok(Self::Sample(Box::new(model), sampler));
        }
        let trainer = Trainer::new(&model).batch_size(options.batch).lr(3e-4).weight_decay(1e-3).label_dropout(0.0);
        Ok(Self::Train(Box::new(trainer.precision(precision).iter(&options.images()?)?)))
    }

    fn run(&mut self, steps: usize) -> Result<(), noisebook::Error> {
        match self {
            Self::Train(training) => training.by_ref().take(steps).try_for_each(|step| step.map(|_| ())),
            Self::Sample(model, sampler) => sampler.sample(&**model).map(|_| ()),
        }
    }
}

/// Seconds of a clock on the wall, and of all threads together.
fn clocked(run: impl FnOnce() -> Result<(), noisebook::Error>) -> Result<(f64, f64), noisebook::Error> {
    let (began, before) = (Instant::now(), cpu_seconds());
    run()?;
    if let Device::Cuda(index) = noisebook::device::best() {
        tch::Cuda::synchronize(index as i64);
    }
    Ok((began.elapsed().as_secs_f64(), cpu_seconds() - before))
}

/// Bytes, of the GPU's memory where there is one.
fn peak() -> u64 {
    gpu_memory(noisebook::device::best()).map_or_else(peak_memory, |memory| memory.peak)
}

fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock writes into the structure alone.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
}

fn main() -> Result<(), Failure> {
    let options = Options::read()?;
    if options.threads > 0 {
        tch::set_num_threads(options.threads);
    }
    if noisebook::device::best() != Device::Cpu {
        tf32(true)?;
        cudnn_benchmark(true);
        cuda_graphs(options.graphs);
    }
    if options.profile {
        let times = match options.net.as_str() {
            "small" => options.small()?.layer_times(options.batch)?,
            _ => options.article()?.layer_times(options.batch)?,
        };
        println!("{}", times.bundle()?.plain_text());
        return Ok(());
    }
    let began = Instant::now();
    let mut work = Work::new(&options)?;
    work.run(1)?;
    let first = began.elapsed().as_secs_f64();
    let training = options.what == "train";
    let images = if training { options.steps * options.batch } else { options.batch };
    if options.turns {
        println!("ready");
        for line in std::io::stdin().lock().lines() {
            line?;
            let (wall, cpu) = clocked(|| work.run(options.steps))?;
            println!("{wall:.6} {cpu:.6}");
        }
        println!("first step {first:.2} s, peak {:.0} MB", peak() as f64 / 1e6);
        return Ok(());
    }
    if training {
        work.run(3.max(options.steps / 5))?;
    }
    let warm = began.elapsed().as_secs_f64();
    let mut rounds = Vec::new();
    for _ in 0..3 {
        rounds.push(clocked(|| work.run(options.steps))?);
    }
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (wall, cpu) = rounds[1];
    let what = if training { "train rust".to_string() } else { format!("sample ddim{}", options.steps) };
    let named = |yes: bool| if yes { "True" } else { "False" };
    println!(
        "{what} {}px batch {} amp={} channels_last={}: {:.1} images/s after {warm:.1} s of warm-up; first step {first:.2} s, \
         {:.1} ms of CPU an image, peak {:.0} MB",
        options.size,
        options.batch,
        named(options.amp),
        named(options.channels_last),
        images as f64 / wall,
        1e3 * cpu / images as f64,
        peak() as f64 / 1e6
    );
    let graphs = CudaGraphs::so_far();
    if noisebook::device::best() != Device::Cpu {
        let (recorded, replayed, refused) = (graphs.recorded, graphs.replayed, graphs.refused);
        println!(
            "CUDA graphs: {recorded} recorded, {replayed} replays, {refused} refused {}",
            graphs.reason.unwrap_or_default()
        );
    }
    Ok(())
}
