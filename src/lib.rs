//! Learn and build diffusion models one visible step at a time.
//!
//! Every value of the subject (a data set, a schedule, a noised image, a network, a training run, a sampling
//! trajectory) is a Rust value that draws itself when it ends a notebook cell, and every process (noising, training,
//! sampling) can be taken one step at a time or run whole.
//!
//! ```
//! use noisebook::prelude::*;
//!
//! let digits = Dataset::digits()?;
//! let (train, test) = digits.split(0.9, 0)?;
//! let schedule = Schedule::cosine(1_000)?;
//! let unet = UNet::builder().channels(1).image_size(8).base_channels(8).classes(10).build()?;
//! let model = Diffusion::new(&unet, &schedule, Prediction::V)?;
//! let run = Trainer::new(&model).steps(2).fit(&train)?; // a thousand steps write digits
//! let samples = Sampler::ddim(5).guidance_scale(2.0).labels(0..10).sample(&run.ema()?)?;
//! samples.show()?;
//! # Ok::<(), noisebook::Error>(())
//! ```
//!
//! A value that ends a cell is a picture. `schedule.noise(&digits.image(0)?).at([0, 100, 250, 500, 750, 999])?`:
//!
#![cfg_attr(doc, doc = concat!("<div>\n", include_str!("front/noised.svg"), "</div>"))]
//!
//! One step of the way back, `steps.nth(99)` of `Sampler::ddpm().count(4).labels([3, 5, 7, 9]).iter(&model)?`:
//!
#![cfg_attr(doc, doc = concat!("<div>\n", include_str!("front/step.svg"), "</div>"))]
//!
//! # Layout
//! A room uses only rooms above it.
//!
//! | room | what it holds |
//! |---|---|
//! | [`Error`], [`device`], [`accel`] | the ground: one error; devices; speed |
//! | [`show`] | MIME bundles, grids, charts, pictures of the plane, tables, animations, live figures: parts of pictures |
//! | [`schedule`] | noise schedules: alpha(t), sigma(t) |
//! | [`process`] | the forward process: one jump, a Markov chain, an SDE |
//! | [`prediction`] | what a network predicts, how one prediction turns into another, and how much an error counts |
//! | [`Denoiser`] | the one trait that samplers see; [`Gaussian`], [`GaussianMixture`], [`Ideal`]: known without training; [`Denoising`]: what one says, level by level |
//! | [`net`] | layers and networks |
//! | [`data`] | data sets and batches |
//! | [`Diffusion`] | network + schedule + prediction: a denoiser that learns |
//! | [`sample`] | one sampler a file, guidance |
//! | [`train`] | trainer, optimizer, average of weights, checkpoints, logs |
//! | [`evaluate`] | nearest neighbours, likelihoods and bounds, score fields, densities, distances between distributions, a classifier's report |

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod denoiser;
mod diffusion;
mod error;
mod fields;
mod labels;
mod mean;
mod random;

pub mod accel;
pub mod data;
pub mod device;
pub mod evaluate;
pub mod net;
pub mod prediction;
pub mod prelude;
pub mod process;
pub mod sample;
pub mod schedule;
pub mod show;
pub mod train;

pub use data::Dataset;
pub use denoiser::{Denoiser, Denoising, Gaussian, GaussianMixture, Ideal};
pub use diffusion::Diffusion;
pub use error::{Error, Result};
pub use net::{Mlp, Network, UNet};
pub use prediction::Prediction;
pub use sample::Sampler;
pub use schedule::Schedule;
pub use train::Trainer;

/// The examples of the guide, which are compiled and run as those of the documentation are.
#[cfg(doctest)]
#[doc = include_str!("../docs/extending.md")]
struct Guide;
