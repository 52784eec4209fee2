//! What a sampler drew.

use super::figure::{FOLLOWED, MOVING, Trajectory, animation, drawn_x, samples_picture, step_figure};
use super::points;
use super::sampler::Sampler;
use super::steps::SampleSteps;
use crate::show::{Animation, Bundle, Figure, Live, Part, Place, Show, grouped, interrupted};
use crate::{Error, Result};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tch::{Device, Kind, Tensor};

/// Sampling that ends sooner draws no live picture: the samples themselves are there at once.
const LIVE_AFTER: Duration = Duration::from_secs(2);
/// As many numbers of images are kept of a moment, about.
const KEPT_NUMBERS: i64 = 200_000;

/// Samples, with what led to them. As the value of a cell they draw a grid: in the cell that drew them, in the place of the
/// picture that moved meanwhile.
///
/// ```
/// # use noisebook::prelude::*;
/// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).classes(10).build()?;
/// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
/// let samples = Sampler::ddim(5).labels([3, 8]).sample(&model)?;
/// assert!(samples.bundle()?.plain_text().starts_with("2 samples, seed 0"));
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Samples {
    images: Rc<Tensor>,
    noise: Rc<Tensor>,
    labels: Rc<Tensor>,
    seed: u64,
    frames: Rc<[Frame]>,
    /// Where they came from, in words.
    from: &'static str,
    done: usize,
    total: usize,
    /// Whether they lead from one noise to another.
    pub(super) between: bool,
    /// Of the live figure.
    place: Option<Place>,
}

/// A moment of the way back.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) t: f64,
    pub(super) sigma: f64,
    /// As it is drawn.
    pub(super) x: Tensor,
    pub(super) x0: Tensor,
}

/// Whether a picture that moves is due after this time.
fn is_live(sampler: &Sampler, took: Duration) -> bool {
    sampler.live && took > LIVE_AFTER
}

impl Frame {
    /// A thousand frames of all samples would fill the memory: only as many are kept as figures draw.
    fn new(t: f64, sigma: f64, x: &Tensor, x0: &Tensor) -> Result<Self> {
        let drawn = x.size()[0].min(if x.dim() == 2 { points::DRAWN } else { kept_images(x) });
        // A copy of its own: a view would keep the whole.
        let part = |x: &Tensor| -> Result<Tensor> {
            Ok(x.f_narrow(0, 0, drawn)?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_detach_copy()?)
        };
        Ok(Self { t, sigma, x: part(x)?, x0: part(x0)? })
    }
}

/// Of large images fewer are kept.
fn kept_images(x: &Tensor) -> i64 {
    let numbers: i64 = x.size()[1..].iter().product();
    (KEPT_NUMBERS / numbers.max(1)).clamp(FOLLOWED, MOVING)
}

impl Samples {
    /// Takes all steps, keeping as many frames as `sampler` says spread evenly, the first among them. An interrupt ends it at the next.
    pub(super) fn collect(mut steps: SampleSteps, sampler: &Sampler) -> Result<Self> {
        let (total, seed) = (steps.steps(), sampler.seed);
        let frames = sampler.frames.min(total);
        let kept =
            |index: usize| index == 0 && frames > 0 || index * frames / total > (index.max(1) - 1) * frames / total;
        let (began, mut live) = (Instant::now(), Live::new());
        let from = match steps.denoiser.starts(1, seed) {
            Ok(Some(_)) => "the source",
            _ => "noise",
        };
        let noise = steps.x.f_to_device(Device::Cpu)?;
        let (mut last, mut kept_frames, mut drawn) = (None, Vec::new(), false);
        // One step is taken in any case: a cell that was interrupted while it trained keeps all that it binds.
        while let Some(step) = steps.advance() {
            let step = step?;
            if kept(step.index) {
                kept_frames.push(Frame::new(step.t, step.sigma, &drawn_x(&step)?, &step.x0)?);
            }
            // A picture that cannot be drawn costs nothing but itself.
            let took = began.elapsed();
            if is_live(sampler, took) {
                let left = took.mul_f64((total - step.index - 1) as f64 / (step.index + 1) as f64).as_secs_f64();
                let figure = || Ok(step_figure(&step)?.note(format!("about {left:.0} s left")));
                drawn |= live.update_with(figure).unwrap_or(false);
            }
            let stopped = interrupted();
            let cut = step.cut;
            last = Some(step);
            if stopped || cut {
                break;
            }
        }
        let last = last.ok_or_else(|| Error::argument("steps", 0, "no step was left to take"))?;
        if drawn {
            let took = format!("{:.0} s", began.elapsed().as_secs_f64());
            let _ = step_figure(&last).and_then(|figure| live.finish(&figure.note(took)));
        }
        let done = last.index + usize::from(!last.cut);
        let images = if done == total { &last.next } else { &last.x0 };
        let labels = match last.labels {
            Some(labels) => labels.f_to_device(Device::Cpu)?,
            None => Tensor::f_full([images.size()[0]], -1, (Kind::Int64, Device::Cpu))?,
        };
        if done == total {
            kept_frames.push(Frame::new(0.0, 0.0, &last.next, &last.next)?);
        }
        let images = images.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?;
        let [images, noise, labels] = [images, noise, labels].map(Rc::new);
        Ok(Self {
            images,
            noise,
            labels,
            seed,
            frames: kept_frames.into(),
            from,
            done,
            total,
            between: false,
            place: live.place(),
        })
    }

    /// The samples: N x C x H x W (points: N x D), float32, on the CPU.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// assert_eq!(Sampler::ddim(2).count(4).sample(&model)?.images().size(), [4, 1, 8, 8]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn images(&self) -> Tensor {
        self.images.shallow_clone()
    }

    /// The noise that they began as: x at the first time, float64, of the shape of [`images`](Self::images).
    /// [`Sampler::start_from`](super::Sampler::start_from) takes it up again.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// assert_eq!(Sampler::ddim(2).count(4).sample(&model)?.noise().size(), [4, 1, 8, 8]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn noise(&self) -> Tensor {
        self.noise.shallow_clone()
    }

    /// The labels that were asked for (N, int64); all -1 where none were.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// assert_eq!(Sampler::ddim(2).count(4).sample(&model)?.labels(), Tensor::from_slice(&[-1_i64; 4]));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn labels(&self) -> Tensor {
        self.labels.shallow_clone()
    }

    /// Whether an interrupt ended sampling early. The images are then what the model took the last x_t for.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// assert!(!Sampler::ddim(2).count(1).sample(&model)?.interrupted());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.done < self.total
    }

    /// How many there are.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// assert_eq!(Sampler::ddim(2).sample(&model)?.len(), 16); // the default
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.images.size()[0] as usize
    }

    /// Whether there are none; a sampler draws at least one.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// assert!(!Sampler::ddim(2).sample(&model)?.is_empty());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The seed that drew them.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// assert_eq!(Sampler::ddim(2).seed(7).sample(&model)?.seed(), 7);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The way that the first samples came: x_t above predicted x_0.
    ///
    /// # Errors
    /// If no frames were kept, or an interrupt came before the second.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let unet = UNet::builder().channels(1).image_size(8).base_channels(8).build()?;
    /// let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let trajectory = Sampler::ddim(4).count(2).sample(&model)?.trajectory()?;
    /// assert_eq!(trajectory.times(), [1.0, 0.75, 0.5, 0.25, 0.0]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn trajectory(&self) -> Result<Trajectory> {
        self.check_frames()?;
        Trajectory::new(&self.frames, &self.labels, self.from)
    }

    /// The way that the first samples came (up to 16 images, 600 points), moving: x_t beside predicted x_0 at each of the frames
    /// that were kept. [`Sampler::frames`](super::Sampler::frames) keeps more of them.
    ///
    /// # Errors
    /// As [`trajectory`](Self::trajectory).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.5, 0.2, [2], &Schedule::cosine(100)?)?;
    /// let animation = Sampler::ddim(20).count(100).frames(20).sample(&model)?.animation()?;
    /// assert!(animation.bundle()?.plain_text().contains("Animation of 21 figures"));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn animation(&self) -> Result<Animation> {
        self.check_frames()?;
        animation(&self.frames, &self.labels, self.from)
    }

    /// The ways of samples that are points, from noise (or a source) to data, as lines through the frames that were kept: in the
    /// plane and against time, or against time alone where a point is one number. Of many ways three are in colours of their own.
    /// A ring is where a way starts, a dot where it ends.
    ///
    /// # Errors
    /// Samples that are images; if no frames were kept, or an interrupt came before the second.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.5, 0.2, [2], &Schedule::cosine(100)?)?;
    /// let samples = Sampler::ddim(16).count(40).clip(false).sample(&model)?;
    /// samples.paths()?.show()?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn paths(&self) -> Result<Figure> {
        if self.images.dim() != 2 {
            let rule = "ways are drawn of points, N x D; see trajectory for images";
            return Err(Error::argument("samples", format!("{:?}", self.images.size()), rule));
        }
        self.check_frames()?;
        points::paths(&self.frames, &self.images, self.from)
    }

    fn check_frames(&self) -> Result<()> {
        if self.frames.len() < 2 {
            let rule = "a trajectory needs two moments: sample with .frames(16), and not interrupted at once";
            return Err(Error::argument("frames", self.frames.len(), rule));
        }
        Ok(())
    }
}

impl Show for Samples {
    fn bundle(&self) -> Result<Bundle> {
        let early = if self.interrupted() {
            format!(", interrupted at step {} of {}", self.done, self.total)
        } else {
            String::new()
        };
        let count = grouped(self.len());
        let title = if self.between {
            format!("{count} samples from noises between two, along a great circle{early}")
        } else {
            format!("{count} samples, seed {}{early}", self.seed)
        };
        let bundle = match samples_picture(&self.images, &self.labels, title)? {
            Part::Grid(grid) => grid.bundle(),
            part => Figure::column([part]).bundle(),
        };
        Ok(bundle?.in_place(self.place.as_ref()))
    }
}

#[cfg(test)]
mod tests {
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
        let head = "From noise to data: x\u{209c} and what the model takes it for\nAnimation of 17 figures in 4.9 s, the last:\n";
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
}
