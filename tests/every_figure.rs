//! Every value that draws itself keeps to one look, and says in words what it shows.

#![allow(clippy::unwrap_used)]

use noisebook::prelude::*;
use noisebook::show::{Animation, Bundle, Chart, Figure, Grid, Plane, Table};
use std::path::Path;

const WIDEST: f64 = 800.0;
const MOST_BYTES: usize = 2_000_000;
/// The grey of text, and the ten colours of series.
const COLOURS: [&str; 11] = [
    "#777777", "#1177cc", "#dd5500", "#b2239d", "#3ea0b2", "#9485f4", "#eb2273", "#ac647c", "#7e693c", "#7c47ed",
    "#0d9e4c",
];

type Shown = (&'static str, Bundle);

/// What a cell binds can be cloned.
fn of(name: &'static str, value: &(impl Show + Clone)) -> Shown {
    only_shown(name, &value.clone())
}

/// libtorch's own, and a way that is being walked.
fn only_shown(name: &'static str, value: &dyn Show) -> Shown {
    (name, value.bundle().unwrap())
}

/// What show/ itself has.
fn parts() -> Vec<Shown> {
    let (xs, ys) = ([0.0, 1.0, 2.0], [1.0, 3.0, 2.0]);
    let chart = Chart::new("a chart").x_label("step").y_label("loss").line("one", &xs, &ys).points("two", &xs, &ys);
    let many = (0..10).fold(Plane::new("ten sets"), |plane, k| plane.points(k.to_string(), &[f64::from(k)], &[0.5]));
    let images = Tensor::rand([10_000, 3, 8, 8], (Kind::Float, Device::Cpu)) * 2 - 1;
    let figure = Figure::row([chart.clone(), chart.clone()]).title("two");
    vec![
        of("Chart", &chart),
        of("Chart", &Chart::new("bars").histogram("x", &ys, 4)),
        of("Chart", &Chart::new("heat").heat("value", 3, 1, &ys, (0.0, 1.0), (0.0, 9.0))),
        of("Plane", &many),
        of(
            "Plane",
            &Plane::new("").heat("p", 3, 1, &ys, (0.0, 3.0), (0.0, 1.0)).arrows(&xs, &ys, &ys, &xs).path(&xs, &ys),
        ),
        of("Grid", &Grid::new(&images).unwrap().title("a crowd")),
        of("Figure", &figure),
        of("Animation", &Animation::new([figure.clone(), figure])),
        of("Table", &Table::new(["layer", "parameters"]).row(["one", "1,000"]).title("Layers")),
        of("Bundle", &Bundle::text("a text")),
        only_shown("Tensor", &images),
        only_shown("Tensor", &Tensor::from_slice(&[1.0_f32, 2.0])),
        only_shown("Option", &Some(Tensor::from(1.0))),
        only_shown("Result", &Ok::<_, noisebook::Error>(Tensor::from(1.0))),
    ]
}

fn noise() -> Vec<Shown> {
    let (schedule, edm) = (Schedule::linear(100).unwrap(), Schedule::edm(100).unwrap());
    let (image, points) = (Dataset::digits().unwrap().image(0).unwrap(), Dataset::moons(100, 0.05).unwrap().images());
    vec![
        of("Schedule", &schedule),
        of("Schedule", &edm),
        of("Comparison", &Schedule::compare(&[&schedule, &edm, &Schedule::flow(100).unwrap()]).unwrap()),
        of("Levels", &Levels::new(&schedule, [0, 99]).unwrap()),
        of("Spacing", &Spacing::Trailing),
        of("Chart", &Spacing::Trailing.chart(&schedule, 10).unwrap()),
        of("TrainingLevels", &TrainingLevels::edm()),
        of("Figure", &TrainingLevels::edm().histogram(&edm, 0).unwrap()),
        of("Noising", &schedule.noise(&image)),
        of("Walk", &schedule.walk(&image)),
        of("Strip", &schedule.noise(&image).at([0, 50, 99]).unwrap()),
        of("Strip", &schedule.walk(&points).every(50).unwrap()),
        of("Strip", &edm.noise(&Dataset::digits().unwrap().batch(3, 0).unwrap().images).at([0, 99]).unwrap()),
        of("Transition", &schedule.transition(1.0, 0.5).unwrap()),
        of("Posterior", &schedule.posterior(1.0, 0.5).unwrap()),
        of("Paths", &Paths::brownian(100).unwrap()),
        of("Prediction", &Prediction::V),
        of("LossWeight", &LossWeight::min_snr()),
        of("Chart", &LossWeight::curves(&schedule, Prediction::V).unwrap()),
    ]
}

/// What is known of points in the plane.
fn plane() -> Vec<Shown> {
    let schedule = Schedule::flow(50).unwrap();
    let (moons, gaussian) =
        (Dataset::moons(200, 0.05).unwrap(), Gaussian::isotropic(0.0, 0.5, [2], &schedule).unwrap());
    let ideal = Ideal::new(&moons, &schedule).unwrap();
    let means = Tensor::from_slice(&[-1.0, 0.0, 1.0, 0.0]).view([2, 2]);
    let drawn = gaussian.sample(100, 0).unwrap();
    let data = Dataset::new("normal", &drawn, None, &[]).unwrap();
    let samples = Sampler::euler(10).count(80).sample(&ideal).unwrap();
    vec![
        of("Dataset", &moons),
        of("Gaussian", &gaussian),
        of("GaussianMixture", &GaussianMixture::new([0.5, 0.5], &means, [0.5, 0.5], &schedule).unwrap()),
        of("Ideal", &ideal),
        of("Density", &moons.density().unwrap()),
        of("ScoreField", &ScoreField::of(&ideal, 0.5).unwrap()),
        of("FieldComparison", &ScoreField::compare(&ideal, &gaussian, 0.5).unwrap()),
        of("LikelihoodMap", &LikelihoodMap::of(&gaussian, &drawn).unwrap()),
        of("Likelihood", &Likelihood::exact()),
        of("Likelihoods", &Likelihood::exact().of(&gaussian, &drawn, None).unwrap()),
        of("Frechet", &frechet_distance(&drawn, &moons.images()).unwrap()),
        of("KolmogorovSmirnov", &ks_test(&drawn.select(1, 0), &moons.images().select(1, 0)).unwrap()),
        of("VariationalBound", &VariationalBound::ddpm()),
        of(
            "Bound",
            &VariationalBound::ddpm()
                .of(&Gaussian::isotropic(0.0, 0.5, [2], &Schedule::cosine(20).unwrap()).unwrap(), &data)
                .unwrap(),
        ),
        of("Samples", &samples),
        of("Trajectory", &samples.trajectory().unwrap()),
        of("Animation", &samples.animation().unwrap()),
        of("Figure", &samples.paths().unwrap()),
        of("ClassifierGuided", &ClassifierGuided::new(&gaussian, 1.0, |x, _, _| Ok(x.select(1, 0)))),
    ]
}

fn images() -> Vec<Shown> {
    let (train, test) = Dataset::digits().unwrap().split(0.9, 0).unwrap();
    let unet = UNet::builder()
        .channels(1)
        .image_size(8)
        .base_channels(8)
        .channel_mults([1])
        .blocks(1)
        .classes(10)
        .build()
        .unwrap();
    let model = Diffusion::new(&unet, &Schedule::cosine(100).unwrap(), Prediction::V).unwrap();
    let trainer = Trainer::new(&model).steps(3).batch_size(16).validate(&test);
    let run = trainer.fit(&train).unwrap();
    let sampler = Sampler::ddim(5).labels(0..10);
    let samples = sampler.sample(&model).unwrap();
    let nearest = test.nearest(&train).unwrap();
    let half = Tensor::zeros([1, 8, 8], (Kind::Bool, Device::Cpu));
    let _ = half.narrow(1, 0, 4).fill_(1);
    let mut steps = sampler.iter(&model).unwrap();
    let (plain, few) = (Sampler::ddim(5), test.batch(4, 0).unwrap().images);
    let ideal = Ideal::new(&train, &Schedule::cosine(100).unwrap()).unwrap();
    let comparison = Sampler::compare(&plain.count(4).step_counts([2, 4]), &model).unwrap();
    vec![
        of("Dataset", &train),
        of("Batch", &train.batch(8, 0).unwrap()),
        of("Report", &train.report().unwrap()),
        of("Cleaning", &train.clean().unwrap()),
        of("UNet", &unet),
        of("LayerTimes", &unet.layer_times(2).unwrap()),
        of("Mlp", &Mlp::builder().build().unwrap()),
        of("ArticleUNet", &UNet::article().build().unwrap()),
        of("TimeFeatures", &unet.time_embedding().unwrap()),
        of("TimeEmbedding", &TimeEmbedding::fourier()),
        of("Diffusion", &model),
        of("TrainStep", &trainer.iter(&train).unwrap().next().unwrap().unwrap()),
        of("Run", &run),
        of("LossByLevel", &run.loss_by_level().unwrap()),
        of("LearningRate", &LearningRate::Cosine { warm_up: 10 }),
        of("Sampler", &sampler),
        of("Vec", &Sampler::all()),
        of("SampleStep", &steps.next().unwrap().unwrap()),
        only_shown("SampleSteps", &steps),
        of("Samples", &samples),
        of("Trajectory", &samples.trajectory().unwrap()),
        of("Animation", &samples.animation().unwrap()),
        of("ClassifierFree", &ClassifierFree::new(&model)),
        of("Restore", &Inpaint::new(&model, &half, &train.image(0).unwrap()).unwrap()),
        of("Nearest", &samples.nearest(&train).unwrap()),
        of("Evaluation", &Evaluation::of(&sampler.count(20).sample(&model).unwrap(), &train, &test).unwrap()),
        of("PrecisionRecall", &precision_recall(&test.images(), &train.images(), 3).unwrap()),
        of("Denoising", &Denoising::of(&model, &few).unwrap()),
        of("SamplerComparison", &comparison),
        of("Distances", &comparison.convergence(20).unwrap()),
        of("Measurement", &Measurement::downsample(2)),
        of("Reconstruction", &plain.reconstruct(&model, &few).unwrap()),
        of("Triptych", &plain.restore(&ideal, Measurement::downsample(2), &few).unwrap()),
        of("Restoration", &plain.restore(&ideal, &half, &few).unwrap()),
        of("RunComparison", &Run::compare(&[("one", &run), ("two", &run)]).unwrap()),
        of("Figure", &run.samples_by_epoch().unwrap()),
        of("ClassReport", &nearest.class_report().unwrap()),
    ]
}

/// The values of an attribute.
fn values<'a>(svg: &'a str, attribute: &str) -> Vec<&'a str> {
    let start = format!(" {attribute}=\"");
    svg.split(start.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

fn check_svg(name: &str, svg: &str) {
    assert!(svg.len() < MOST_BYTES, "{name}: {} bytes", svg.len());
    let head = svg.split('>').next().unwrap();
    assert!(head.contains("role=\"img\"") && values(head, "aria-label")[0].len() > 20, "{name}: {head}");
    assert!(svg.contains("<desc>") && head.contains("max-width:100%"), "{name}: {head}");
    let width: f64 = values(head, "width")[0].parse().unwrap();
    assert!(width <= WIDEST, "{name} is {width} pixels wide: {head}");
    // No script, nothing that two figures of a page could share, and no page of its own.
    for strange in ["<script", " id=\"", "<rect width=\"100%\"", "http://www.w3.org/1999"] {
        assert!(!svg.contains(strange), "{name}: {strange}");
    }
    for size in values(svg, "font-size") {
        // 12 and 14 pixels; plotters draws ten times as large, in a group that makes it small again.
        let size: f64 = size.parse().unwrap();
        assert!([12.0, 14.0, 120.0].iter().any(|usual| (size - usual).abs() < 0.01), "{name}: a font of {size} pixels");
    }
    for attribute in ["fill", "stroke"] {
        let odd = values(svg, attribute).into_iter().find(|colour| *colour != "none" && !COLOURS.contains(colour));
        assert_eq!(odd, None, "{name}: another {attribute}");
    }
}

#[test]
fn all_have_words_and_one_look() {
    tch::manual_seed(0);
    for (name, bundle) in [parts(), noise(), plane(), images()].concat() {
        let text = bundle.plain_text();
        assert!(text.trim().len() > 5 && !text.starts_with('<'), "{name}: {text}");
        if let Some(svg) = bundle.get("image/svg+xml") {
            check_svg(name, svg.as_str().unwrap());
            assert!(text.lines().count() > 1, "{name}: {text}");
        }
        if let Some(html) = bundle.get("text/html").and_then(|html| html.as_str()) {
            // JupyterLab takes both out of a notebook that it does not trust.
            assert!(!html.contains("<script") && !html.contains("<svg"), "{name}");
            assert_eq!(html.matches("<img").count(), html.matches(" alt=").count(), "{name}");
        }
        if bundle.get("image/png").is_some() {
            assert!(bundle.get("image/svg+xml").is_some(), "{name}: a PNG has no words, the drawing beside it has");
        }
    }
}

#[test]
fn ten_thousand_images_show_a_sample_and_say_so() {
    let images = Tensor::zeros([10_000, 1, 8, 8], (Kind::Float, Device::Cpu));
    let text = images.bundle().unwrap().plain_text().to_string();
    assert!(text.ends_with("\n100 of 10,000 images, evenly spaced"), "{text}");
}

/// The names in `impl Show for NAME`.
fn implementations(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            implementations(&path, found);
        }
        if path.extension().is_none_or(|ending| ending != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text.lines().filter(|line| line.starts_with("impl")) {
            if let Some((_, name)) = line.split_once("Show for ") {
                found.push(name.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_string());
            }
        }
    }
}

#[test]
fn no_type_that_draws_itself_is_left_out() {
    let mut found = Vec::new();
    implementations(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 40, "{found:?}");
    let text = include_str!("every_figure.rs");
    let missing: Vec<&String> = found.iter().filter(|name| !text.contains(&format!("\"{name}\""))).collect();
    assert!(missing.is_empty(), "add these to tests/every_figure.rs: {missing:?}");
}
