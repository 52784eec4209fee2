//! What a sampler costs beside its denoiser: the time of a step without the network's, in percent of it.
//!
//! ```sh
//! cargo run --example sampler_overhead            # 4 samples, 5 steps of each sampler
//! cargo run --example sampler_overhead -- 16 20
//! ```
//!
//! At most 20 evaluations a step are waited for. The model is the article's network at 32 x 32 pixels, one channel, untrained, on the CPU.

use noisebook::prelude::*;
use noisebook::show::Table;
use std::cell::Cell;
use std::num::{NonZeroUsize, ParseIntError};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Evaluations a step, on average, after which a sampler's share is known.
const MOST: usize = 20;

/// A model that adds up the time that it takes.
#[derive(Clone)]
struct Clocked {
    model: Diffusion,
    spent: Rc<Cell<Duration>>,
}

impl Denoiser for Clocked {
    fn denoise(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor, noisebook::Error> {
        let began = Instant::now();
        let x0 = self.model.denoise(xt, t, labels);
        self.spent.set(self.spent.get() + began.elapsed());
        x0
    }

    fn schedule(&self) -> &Schedule {
        self.model.schedule()
    }

    fn sample_shape(&self) -> Vec<i64> {
        self.model.sample_shape()
    }

    fn classes(&self) -> Option<i64> {
        self.model.classes()
    }

    fn device(&self) -> Device {
        self.model.device()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |default: usize| -> Result<usize, ParseIntError> {
        arguments.next().map_or(Ok(default), |text| text.parse::<NonZeroUsize>().map(NonZeroUsize::get))
    };
    let (samples, steps) = (argument(4)?, argument(5)?);

    let article = UNet::article().channels(1).device(Device::Cpu).build()?;
    let model = Diffusion::new(&article, &Schedule::linear(1_000)?, Prediction::Epsilon)?;
    let clocked = Clocked { model, spent: Rc::default() };
    // The first evaluation allocates and plans.
    Sampler::ddim(1).count(samples).sample(&clocked)?;

    let title = format!("{steps} steps of {samples} samples, the article's network at 32 x 32 on the CPU");
    let mut table =
        Table::new(["sampler", "evaluations", "a step (ms)", "outside the network (ms)", "overhead"]).title(title);
    for sampler in Sampler::all() {
        let sampler = sampler.count(samples);
        let (mut taken, mut evaluations) = (0, 0);
        clocked.spent.set(Duration::ZERO);
        let began = Instant::now();
        for step in sampler.iter(&clocked)?.take(steps) {
            evaluations = step?.evaluations;
            taken += 1;
            // A step of the adaptive sampler takes hundreds of an untrained network.
            if evaluations >= MOST * steps {
                break;
            }
        }
        let (whole, network) = (began.elapsed().as_secs_f64(), clocked.spent.get().as_secs_f64());
        let milliseconds = |seconds: f64| format!("{:.2}", 1e3 * seconds / f64::from(taken));
        table = table.row([
            format!("{sampler:?}"),
            evaluations.to_string(),
            milliseconds(whole),
            milliseconds(whole - network),
            format!("{:.2}%", 100.0 * (whole - network) / network),
        ]);
    }
    table.show()?;
    Ok(())
}
