//! Samples that keep frames, say what they are, and move.

use super::super::Sampler;
use super::{Show, is_live};
use crate::denoiser::Gaussian;
use crate::{Dataset, Diffusion, Mlp, Prediction, Schedule, UNet};

#[test]
fn a_moving_picture_comes_after_two_seconds_and_where_it_is_wanted() {
    let seconds = std::time::Duration::from_secs_f64;
    let quiet = Sampler::ddim(5).live(false);
    assert!(!is_live(&Sampler::ddim(5), seconds(1.9)) && is_live(&Sampler::ddim(5), seconds(2.1)));
    assert!(!is_live(&quiet, seconds(2.1)) && is_live(&quiet.live(true), seconds(2.1)));
}

fn model(channels: i64) -> Diffusion {
    let unet = UNet::builder().channels(channels).image_size(4).base_channels(8).channel_mults([1]).blocks(1);
    Diffusion::new(&unet.build().unwrap(), &Schedule::cosine(10).unwrap(), Prediction::V).unwrap()
}

#[test]
fn frames_run_from_pure_noise_to_the_result() {
    let times = |frames| -> Vec<f64> {
        let samples = Sampler::ddpm().count(1).frames(frames).sample(&model(1)).unwrap();
        let last = samples.frames.last().unwrap().x.to_kind(tch::Kind::Float);
        assert_eq!(last, samples.images());
        samples.frames.iter().map(|frame| frame.t).collect()
    };
    assert_eq!(times(1), [1.0, 0.0]);
    assert_eq!(times(2), [1.0, 0.5, 0.0]);
    let all: Vec<f64> = (0..=10).rev().map(|level| f64::from(level) / 10.0).collect();
    assert_eq!(times(10), all);
    assert_eq!(times(usize::MAX), all);
}

/// All points go straight to (1, 1).
fn there(dimension: i64) -> Gaussian {
    Gaussian::isotropic(1.0, 0.0, [dimension], &Schedule::cosine(100).unwrap()).unwrap()
}

#[test]
fn points_draw_scatters_and_their_ways() {
    let sample = |dimension| Sampler::ddim(20).count(70).clip(false).sample(&there(dimension)).unwrap();
    let said = |shown: &dyn Show| shown.bundle().unwrap().plain_text().to_string();
    let points = sample(2);
    assert!(said(&points).contains("70 points around (1, 1)"), "{}", said(&points));
    let trajectory = said(&points.trajectory().unwrap());
    assert!(trajectory.contains("\nx\u{209c}, t = 1.00\n"), "{trajectory}");
    assert_eq!(trajectory.matches("predicted x\u{2080}\n").count(), 5, "{trajectory}");
    let paths = said(&points.paths().unwrap());
    let title = "From noise to data: the ways of the first 60 of 70 samples, 3 of them in colour\n";
    assert!(paths.starts_with(title), "{paths}");
    assert!(paths.contains("60 paths of at most 17 points"), "{paths}");
    let line = said(&sample(1).paths().unwrap());
    assert!(line.contains("the others: 57 lines of 17 points") && line.matches("\nway ").count() == 3, "{line}");
    let step = Sampler::ddim(2).iter(&there(2)).unwrap().next().unwrap().unwrap();
    assert!(said(&step).contains("\nx\u{209c} at t = 1.000, sigma = 1.000\n"), "{}", said(&step));
}

#[test]
fn an_animation_moves_through_all_frames_that_were_kept() {
    let said = |samples: &super::Samples| samples.animation().unwrap().bundle().unwrap().plain_text().to_string();
    let points = said(&Sampler::ddim(20).count(70).clip(false).sample(&there(2)).unwrap());
    let head =
        "From noise to data: x\u{209c} and what the model takes it for\nAnimation of 17 figures in 4.9 s, the last:\n";
    assert!(points.starts_with(head), "{points}");
    let images = said(&Sampler::ddim(3).count(20).sample(&model(1)).unwrap());
    assert!(
        images.contains("Animation of 4 figures in 2.3 s, the last:\nx\u{209c} at t = 0.00\n16 images"),
        "{images}"
    );
}

/// What a bridge starts from is data.
#[test]
fn the_ways_of_a_bridge_start_from_its_source() {
    let moons = Dataset::moons(64, 0.05).unwrap();
    let mlp = Mlp::builder().dims(2).hidden(8).layers(1).build().unwrap();
    let bridge = Diffusion::new(&mlp, &Schedule::flow(10).unwrap(), Prediction::Flow).unwrap().source(&moons);
    let samples = Sampler::euler(4).count(5).sample(&bridge).unwrap();
    let said = |shown: &dyn Show| shown.bundle().unwrap().plain_text().to_string();
    assert!(
        said(&samples.paths().unwrap())
            .starts_with("From the source to data: the ways of 5 samples, 3 of them in colour\n")
    );
    assert!(said(&samples.trajectory().unwrap()).starts_with("From the source to data: x\u{209c} and what"));
}

#[test]
fn refusals_name_argument_value_and_rule() {
    let images = Sampler::ddim(2).count(1).sample(&model(1)).unwrap();
    let error = images.paths().unwrap_err().to_string();
    assert_eq!(error, "samples = [1, 1, 4, 4]: ways are drawn of points, N x D; see trajectory for images");
    let rule = "a trajectory needs two moments: sample with .frames(16), and not interrupted at once";
    let none = Sampler::ddim(2).frames(0).count(1).sample(&there(2)).unwrap();
    assert_eq!(none.paths().unwrap_err().to_string(), format!("frames = 1: {rule}"));
}

#[test]
fn images_that_no_grid_can_draw_are_sampled_all_the_same() {
    let samples = Sampler::ddim(2).count(3).sample(&model(5)).unwrap();
    assert_eq!(samples.images().size(), [3, 5, 4, 4]);
}
