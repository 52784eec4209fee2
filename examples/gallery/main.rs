//! Draws the figures of this crate into a page, docs/gallery.md, each below the code that drew it: `make gallery`.
//!
//! The code on the page is this file's own: what stands between `page.figure(...)` and `page.draw(&expression)?`.

mod page;

use noisebook::prelude::*;
use page::Page;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut page = Page::new("docs", include_str!("main.rs"));
    data(&mut page)?;
    forward(&mut page)?;
    networks(&mut page)?;
    images(&mut page)?;
    plane(&mut page)?;
    page.write()
}

fn data(page: &mut Page) -> Result<(), Box<dyn Error>> {
    page.section("Data");

    page.figure("Images with their labels");
    let digits = Dataset::digits()?;
    page.draw(&digits)?;

    page.figure("Points in the plane");
    let eight = Dataset::eight_gaussians(1_500)?;
    page.draw(&eight)?;

    page.figure("What is in a data set");
    page.draw(&digits.report()?)?;

    page.figure("Where points are dense");
    page.draw(&Dataset::checkerboard(50_000)?.density()?)
}

fn forward(page: &mut Page) -> Result<(), Box<dyn Error>> {
    let digits = Dataset::digits()?;
    page.section("Noise");

    page.figure("A schedule");
    let schedule = Schedule::linear(1_000)?;
    page.draw(&schedule)?;

    page.figure("Schedules compared");
    let (cosine, edm) = (Schedule::cosine(1_000)?, Schedule::edm(1_000)?);
    page.draw(&Schedule::compare(&[&schedule, &cosine, &edm])?)?;

    page.figure("One image, more and more noise");
    page.draw(&schedule.noise(&digits.image(0)?).at((0..8).map(|k| 999 * k / 7))?)?;

    page.figure("The same, as the Markov chain that it is");
    page.draw(&schedule.walk(&digits.image(0)?).every(333)?)?;

    page.figure("Points, more and more noise");
    let moons = Dataset::moons(2_000, 0.05)?;
    page.draw(&schedule.noise(&moons.images()).at([0, 100, 250, 500, 999])?)?;

    page.figure("Brownian motion");
    page.draw(&Paths::brownian(200)?)?;

    page.figure("The Ornstein-Uhlenbeck process");
    page.draw(&Paths::ornstein_uhlenbeck(1.0, 1.0, 200)?)?;

    page.figure("Langevin dynamics");
    let means = Tensor::from_slice(&[-2.0, 2.0]).view([2, 1]);
    let modes = GaussianMixture::new([0.5, 0.5], &means, [0.5, 0.5], &cosine)?;
    page.draw(&Paths::langevin(&modes, 0.2, 0.02, 200)?)?;

    page.figure("The levels of noise that training sees");
    page.draw(&TrainingLevels::edm().histogram(&edm, 0)?)?;

    page.figure("How much an error counts");
    page.draw(&LossWeight::curves(&cosine, Prediction::V)?)?;

    page.figure("Where a sampler's steps lie");
    page.draw(&Spacing::Trailing.chart(&cosine, 20)?)
}

fn networks(page: &mut Page) -> Result<(), Box<dyn Error>> {
    page.section("Networks");

    page.figure("What a network is made of");
    let builder = UNet::builder().channels(1).image_size(8).base_channels(16).channel_mults([1, 2, 2]).blocks(1);
    let unet = builder.attention_at([4]).classes(10).build()?;
    page.draw(&unet)?;

    page.figure("What a network sees of the time");
    page.draw(&unet.time_embedding()?)?;

    page.figure("Fourier features");
    page.draw(&TimeEmbedding::fourier())?;

    page.figure("A learning rate");
    page.draw(&LearningRate::Cosine { warm_up: 100 })
}

fn images(page: &mut Page) -> Result<(), Box<dyn Error>> {
    page.section("Training and sampling");

    page.figure("One step of training");
    let (train, test) = Dataset::digits()?.split(0.9, 0)?;
    let builder = UNet::builder().channels(1).image_size(8).base_channels(16).channel_mults([1, 2]).blocks(1);
    let model = Diffusion::new(&builder.classes(10).build()?, &Schedule::cosine(1_000)?, Prediction::V)?;
    let trainer = Trainer::new(&model).steps(600).batch_size(64).lr(3e-3).ema(0.99).label_dropout(0.1);
    page.draw(&trainer.iter(&train)?.next())?;

    page.figure("A training run (while it goes on, this figure moves)");
    let run = trainer.validate(&test).fit(&train)?;
    page.draw(&run)?;

    page.figure("The loss by the level of noise");
    page.draw(&run.loss_by_level()?)?;

    page.figure("Samples as training went on, of trained and of averaged weights");
    page.draw(&run.samples_by_epoch()?)?;

    page.figure("What the model takes noised images for");
    let model = run.ema()?;
    let batch = test.batch(8, 0)?;
    page.draw(&Denoising::of(&model, &batch.images)?.labels(&batch.labels))?;

    page.figure("Samples, a class in each column");
    let samples = Sampler::ddim(50).guidance_scale(2.0).labels(0..10).count(80).sample(&model)?;
    page.draw(&samples)?;

    page.figure("The way that they came");
    page.draw(&samples.trajectory()?)?;

    page.figure("The same, moving");
    page.draw(&samples.animation()?)?;

    page.figure("One step of it");
    page.draw(&Sampler::ddim(10).labels(0..8).iter(&model)?.nth(4))?;

    page.figure("Each beside its nearest image of the training set");
    page.draw(&samples.nearest(&train)?)?;

    page.figure("Which samples are what was asked for");
    page.draw(&samples.classify(&Classifier::fit(&train)?)?)?;

    page.figure("How like the data they are");
    page.draw(&Evaluation::of(&samples, &train, &test)?)?;

    comparisons(page, &model, &train)?;
    uses(page, &model, &train, &test)
}

fn comparisons(page: &mut Page, model: &Diffusion, train: &Dataset) -> Result<(), Box<dyn Error>> {
    page.section("Samplers compared");

    page.figure("More and more guidance");
    let sampler = Sampler::ddim(20).labels(0..10);
    page.draw(&Sampler::compare(&sampler.guidance_scales([0.0, 1.0, 2.0, 3.0]), model)?)?;

    page.figure("More and more steps");
    page.draw(&Sampler::compare(&sampler.step_counts([1, 2, 5, 10, 20]), model)?)?;

    page.figure("How near the data they come");
    let many = Sampler::ddim(1).labels(0..10).count(200);
    page.draw(&Sampler::compare(&many.step_counts([1, 2, 5, 10, 20]), model)?.distances(train)?)?;

    page.figure("More and more noise on the way");
    page.draw(&Sampler::compare(&sampler.etas([0.0, 0.5, 1.0]), model)?)?;

    page.figure("Samplers from one noise");
    let samplers = [Sampler::ddim(10), Sampler::heun(10), Sampler::dpmpp_2m(10), Sampler::ancestral(10)];
    page.draw(&Sampler::compare(&samplers.map(|sampler| sampler.labels(0..10)), model)?)?;

    page.figure("Samplers of first and second order, and where they would end");
    let known = Gaussian::isotropic(0.2, 0.5, [2], &Schedule::vp(1_000)?)?;
    let counts = [5, 10, 20, 40];
    let kinds = [Sampler::ddim(1), Sampler::heun(1), Sampler::dpmpp_2m(1)];
    let samplers = kinds.map(|one| one.step_counts(counts)).concat();
    page.draw(&Sampler::compare(&samplers, &known)?.convergence(1_000)?)
}

fn uses(page: &mut Page, model: &Diffusion, train: &Dataset, test: &Dataset) -> Result<(), Box<dyn Error>> {
    page.section("What else one can do with a model");

    page.figure("From one noise to another");
    let noise = Sampler::ddim(20).labels([3, 8]).sample(model)?.noise();
    page.draw(&Sampler::ddim(20).interpolate(model, &noise.get(0), &noise.get(1), 10)?)?;

    page.figure("To noise and back by the same ODE");
    let images = test.batch(8, 0)?.images;
    page.draw(&Sampler::ddim(50).reconstruct(model, &images)?)?;

    page.figure("Super-resolution");
    let ideal = Ideal::new(train, &Schedule::cosine(1_000)?)?; // or a model that has learned for longer
    page.draw(&Sampler::ddim(20).restore(&ideal, Measurement::downsample(2), &images)?)?;

    page.figure("Inpainting");
    let upper = Tensor::zeros([1, 8, 8], (Kind::Bool, Device::Cpu));
    let _ = upper.narrow(1, 0, 4).fill_(1); // the upper half is known
    page.draw(&Sampler::ddim(20).restore(&ideal, &upper, &images)?)
}

fn plane(page: &mut Page) -> Result<(), Box<dyn Error>> {
    page.section("In the plane, where everything can be seen");

    page.figure("The score");
    let moons = Dataset::moons(2_000, 0.05)?;
    let ideal = Ideal::new(&moons, &Schedule::linear(1_000)?)?; // the best denoiser of these points
    page.draw(&ScoreField::of(&ideal, 0.3)?)?;

    page.figure("The ways of samples");
    let samples = Sampler::heun(30).count(500).sample(&ideal)?;
    page.draw(&samples.paths()?)?;

    page.figure("The way back, moment by moment");
    page.draw(&samples.trajectory()?)?;

    page.figure("The same, moving");
    page.draw(&samples.animation()?)?;

    page.figure("A learned score beside the true one");
    let mlp = Mlp::builder().build()?;
    let model = Diffusion::new(&mlp, &Schedule::linear(1_000)?, Prediction::V)?;
    let run = Trainer::new(&model).steps(800).batch_size(256).lr(2e-3).fit(&moons)?;
    page.draw(&ScoreField::compare(&run.ema()?, &ideal, 0.3)?.titles("learned", "ideal"))?;

    page.figure("How likely each point is to a model");
    let modes = Tensor::from_slice(&[-1.0, 0.0, 1.0, 0.5, 0.5, -1.0]).view([3, 2]);
    let mixture = GaussianMixture::new([0.3, 0.4, 0.3], &modes, [0.3, 0.2, 0.25], &Schedule::cosine(1_000)?)?;
    page.draw(&LikelihoodMap::of(&mixture, &mixture.sample(300, 0)?)?)?;

    page.figure("A bridge from one data set to another");
    let circles = Dataset::circles(2_000, 0.05)?;
    let flow = Diffusion::new(&Mlp::builder().build()?, &Schedule::flow(1_000)?, Prediction::Flow)?.source(&moons);
    let run = Trainer::new(&flow).steps(800).batch_size(256).lr(2e-3).fit(&circles)?;
    page.draw(&Sampler::heun(30).count(500).sample(&run.ema()?)?.paths()?)
}
