//! A batch on its way from the data to the noise.

use super::Diffusion;
use crate::denoiser::Denoiser;
use crate::device::upload;
use crate::prediction::LossWeight;
use crate::random::{Stream, below, generator, normal};
use crate::schedule::Levels;
use crate::show::sides;
use crate::{Error, Result};
use tch::{Kind, Tensor};

/// Samples on their way from the data to the noise, as training shows them to the network.
pub(crate) struct Noised {
    pub(crate) images: Tensor,
    /// None if the network knows no classes.
    pub(super) labels: Option<Tensor>,
    /// The other end: noise, or samples of the source.
    pub(super) eps: Tensor,
    /// alpha x_0 + sigma eps.
    pub(crate) xt: Tensor,
    pub(super) alpha: Tensor,
    pub(super) sigma: Tensor,
    /// `xt` at the scale that the network sees.
    pub(super) input: Tensor,
    /// How much the loss of each sample counts; None where all count alike.
    pub(super) weights: Option<Tensor>,
    pub(crate) levels: Levels,
    /// Of a network's dropout.
    pub(super) seed: u64,
    pub(super) step: u64,
}

impl Noised {
    /// The same with other tensors, of which there are as many.
    fn map(&self, mut to: impl FnMut(&Tensor) -> Result<Tensor>) -> Result<Self> {
        Ok(Self {
            images: to(&self.images)?,
            labels: self.labels.as_ref().map(&mut to).transpose()?,
            eps: to(&self.eps)?,
            xt: to(&self.xt)?,
            alpha: to(&self.alpha)?,
            sigma: to(&self.sigma)?,
            input: to(&self.input)?,
            weights: self.weights.as_ref().map(&mut to).transpose()?,
            levels: self.levels.clone(),
            seed: self.seed,
            step: self.step,
        })
    }

    /// Some of the samples.
    pub(crate) fn part(&self, start: usize, length: usize) -> Result<Self> {
        Ok(Self {
            levels: self.levels.part(start, length),
            // Masks of its own for each part.
            step: self.step + ((start as u64) << 32),
            ..self.map(|all| Ok(all.f_narrow(0, start as i64, length as i64)?))?
        })
    }

    /// All that differs from batch to batch, as [`with`](Self::with) takes it.
    pub(crate) fn tensors(&self) -> Result<Vec<Tensor>> {
        let mut tensors = Vec::new();
        self.map(|own| {
            tensors.push(own.shallow_clone());
            Ok(own.shallow_clone())
        })?;
        Ok(tensors)
    }

    /// This batch with the tensors of another.
    pub(crate) fn with(&self, tensors: &[Tensor]) -> Result<Self> {
        let mut others = tensors.iter();
        self.map(|own| Ok(others.next().unwrap_or(own).shallow_clone()))
    }
}

impl Diffusion {
    /// A batch at the levels and with the noise of step `step` of a run.
    pub(crate) fn noised(&self, images: &Tensor, labels: &Tensor, seed: u64, step: u64) -> Result<Noised> {
        self.check()?;
        let count = images.size().first().map_or(0, |&count| count as usize);
        let levels = self.training_levels.draw_step(&self.schedule, count, seed, step)?;
        self.noised_at(images, labels, levels, seed, step)
    }

    /// A batch at levels of one's own choice.
    pub(crate) fn noised_at(
        &self,
        images: &Tensor,
        labels: &Tensor,
        levels: Levels,
        seed: u64,
        step: u64,
    ) -> Result<Noised> {
        let device = self.device();
        let shape = images.size();
        let sample = self.network.sample_shape();
        if shape.len() != sample.len() + 1 || shape[0] == 0 || shape[1..] != sample {
            let rule = format!("this model takes N x {}", sides(&sample));
            return Err(Error::argument("images", format!("{shape:?}"), rule));
        }
        let labels = match self.network.classes() {
            None => None,
            Some(classes) => {
                crate::labels::check_for("the network's classes", labels, shape[0], classes)?;
                Some(upload(labels, device)?)
            }
        };
        let images = upload(images, device)?;
        let eps = self.other_end(&shape, seed, step)?;
        let (alpha, sigma) = levels.alpha_sigma(&self.schedule, &images)?;
        let xt = alpha.f_mul(&images)?.f_add(&sigma.f_mul(&eps)?)?;
        let input = xt.f_to_kind(Kind::Float)?;
        let input = input.f_mul(&levels.column(&input, |t| self.input_scale(t))?)?;
        let weights = match self.loss_weight {
            LossWeight::Simple => None,
            weight => {
                let of_each = Tensor::f_zeros(&shape[..1], (Kind::Float, device))?;
                Some(levels.column(&of_each, |t| weight.weight(&self.schedule, self.prediction, t))?)
            }
        };
        Ok(Noised { images, labels, eps, xt, alpha, sigma, input, weights, levels, seed, step })
    }

    /// What stands at t = 1: Gaussian noise, or samples of the source.
    pub(super) fn other_end(&self, shape: &[i64], seed: u64, step: u64) -> Result<Tensor> {
        let Some(source) = &self.source else {
            return normal(&mut generator(seed, Stream::Noise, step), shape, self.device());
        };
        let mut rng = generator(seed, Stream::Source, step);
        let drawn: Vec<i64> = (0..shape[0]).map(|_| below(&mut rng, source.len()) as i64).collect();
        upload(&source.batch_of(&drawn)?.images, self.device())
    }

    /// Samples of the source, if there is one: what the way back starts from.
    pub(crate) fn source_samples(&self, count: i64, seed: u64) -> Result<Option<Tensor>> {
        self.source.as_ref().map(|_| self.other_end(&[count], seed, 0)).transpose()
    }
}
