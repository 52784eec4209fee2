//! A diffusion model: a network, the schedule of its noise, and what it predicts.

use crate::data::Batch;
use crate::denoiser::Denoiser;
use crate::net::Network;
use crate::prediction::Prediction;
use crate::random::{Stream, generator, normal};
use crate::schedule::{Levels, Schedule};
use crate::show::{Bundle, Show, grouped, sides};
use crate::{Error, Result};
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// A network with the schedule and the prediction that it is trained for.
///
/// A clone shares the network's weights, as the network itself does; [`copy`](Self::copy) has its own.
///
/// ```
/// use noisebook::prelude::*;
/// let digits = Dataset::digits()?;
/// let unet = UNet::builder().channels(1).image_size(8).base_channels(8).classes(10).build()?;
/// let model = Diffusion::new(&unet, &Schedule::cosine(1_000)?, Prediction::V)?;
/// let loss = model.loss(&digits.batch(8, 0)?, 1)?;
/// loss.backward();
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Diffusion {
    network: Rc<dyn Network>,
    schedule: Schedule,
    prediction: Prediction,
}

/// What one forward pass of training made.
pub(crate) struct Evaluation {
    pub(crate) loss: Tensor,
    pub(crate) xt: Tensor,
    pub(crate) x0: Tensor,
    pub(crate) levels: Levels,
}

impl Diffusion {
    /// Joins a network, which stays shared, to a schedule and a prediction.
    ///
    /// # Errors
    /// [`Prediction::Epsilon`] where the schedule leaves nothing of the image at t = 1 (flow, zero terminal SNR);
    /// [`Prediction::V`] where sigma outgrows 1 (geometric, edm).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// let model = Diffusion::new(&unet, &Schedule::linear(1_000)?, Prediction::Epsilon)?; // as in Ho et al. 2020
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn new(
        network: &(impl Network + Clone + 'static),
        schedule: &Schedule,
        prediction: Prediction,
    ) -> Result<Self> {
        prediction.check(schedule)?;
        Ok(Self { network: Rc::new(network.clone()), schedule: schedule.clone(), prediction })
    }

    /// The network.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// assert_eq!(model.network().parameter_count(), unet.parameter_count());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn network(&self) -> Rc<dyn Network> {
        Rc::clone(&self.network)
    }

    /// What it predicts.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// assert_eq!(model.prediction(), Prediction::V);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn prediction(&self) -> Prediction {
        self.prediction
    }

    /// A model with weights of its own, equal to these.
    ///
    /// # Errors
    /// What libtorch says when there is no memory left.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let copy = model.copy()?;
    /// Trainer::new(&copy).steps(1).batch_size(8).fit(&Dataset::digits()?)?;
    /// let weights = |model: &Diffusion| model.network().parameters().named().pop();
    /// assert_ne!(weights(&model), weights(&copy)); // only the copy has learned
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn copy(&self) -> Result<Self> {
        Ok(Self { network: self.network.copy_network()?, ..self.clone() })
    }

    /// The simple loss of a batch: the mean squared error of the prediction, each image at a level drawn uniformly and
    /// with fresh noise (Ho et al. 2020, algorithm 1 and eq. 14). A scalar tensor with a gradient.
    ///
    /// The draws depend on `seed` alone.
    ///
    /// # Errors
    /// Images or labels that the network was not built for.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let batch = Dataset::digits()?.batch(8, 0)?;
    /// assert_eq!(model.loss(&batch, 1)?.size(), [0_i64; 0]); // one number
    /// assert_eq!(model.loss(&batch, 1)?, model.loss(&batch, 1)?);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn loss(&self, batch: &Batch, seed: u64) -> Result<Tensor> {
        Ok(self.evaluate(&batch.images, &batch.labels, seed, 0)?.loss)
    }

    /// The loss with the draws of step `step` of a run.
    pub(crate) fn evaluate(&self, images: &Tensor, labels: &Tensor, seed: u64, step: u64) -> Result<Evaluation> {
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
                crate::labels::check(labels, shape[0], classes)?;
                Some(labels.f_to_device(device)?)
            }
        };
        let images = images.f_to_device(device)?;
        let levels = Levels::draw(&self.schedule, shape[0] as usize, seed, step);
        let eps = normal(&mut generator(seed, Stream::Noise, step), &shape, device)?;
        let (alpha, sigma) = levels.alpha_sigma(&self.schedule, &images)?;
        let xt = alpha.f_mul(&images)?.f_add(&sigma.f_mul(&eps)?)?;
        let output = self.network.forward(&xt, &levels, labels.as_ref())?;
        let target = self.prediction.target(&images, &eps, &alpha, &sigma)?;
        let loss = output.f_sub(&target)?.f_square()?.f_mean(Kind::Float)?;
        let x0 = self.prediction.x0(&xt, &output.f_detach()?, &alpha, &sigma)?;
        Ok(Evaluation { loss, xt, x0, levels })
    }
}

impl Denoiser for Diffusion {
    fn denoise(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor> {
        let levels = Levels::at(&self.schedule, t, xt.size().first().map_or(0, |&n| n as usize))?;
        let xt = &xt.f_to_device(self.device())?;
        let output = self.network.forward(xt, &levels, labels)?.f_to_kind(xt.f_kind()?)?;
        let (alpha, sigma) = levels.alpha_sigma(&self.schedule, xt)?;
        self.prediction.x0(xt, &output, &alpha, &sigma)
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn sample_shape(&self) -> Vec<i64> {
        self.network.sample_shape()
    }

    fn classes(&self) -> Option<i64> {
        self.network.classes()
    }

    fn device(&self) -> Device {
        self.network.device()
    }
}

impl Show for Diffusion {
    fn bundle(&self) -> Result<Bundle> {
        let sample = sides(&self.network.sample_shape());
        let classes = self.network.classes().map_or("no classes".into(), |count| format!("{count} classes"));
        Ok(Bundle::text(format!(
            "Diffusion model of {sample}, {classes}\n\
             network:    {} parameters on {:?}\n\
             schedule:   {}, {} levels\n\
             prediction: {}",
            grouped(self.network.parameter_count()),
            self.device(),
            self.schedule.name(),
            self.schedule.levels(),
            self.prediction
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dataset;
    use crate::net::UNet;

    fn model(prediction: Prediction) -> (Diffusion, Dataset) {
        let builder = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1, 2]).blocks(1);
        let unet = builder.classes(10).build().unwrap();
        let schedule = Schedule::cosine(1_000).unwrap();
        (Diffusion::new(&unet, &schedule, prediction).unwrap(), Dataset::digits().unwrap())
    }

    /// A new network says 0, so its loss is the mean square of the target: E eps^2 = 1 for noise; for v it is
    /// E[alpha^2] 1 + E[sigma^2] E[x_0^2].
    #[test]
    fn the_first_loss_is_the_targets_mean_square() {
        let (model, digits) = model(Prediction::Epsilon);
        let batch = digits.batch(1_797, 0).unwrap();
        let loss = model.loss(&batch, 1).unwrap().double_value(&[]);
        assert!((loss - 1.0).abs() < 4.0 * (2.0f64 / (1_797.0 * 64.0)).sqrt(), "{loss}");
        let (model, _) = self::model(Prediction::V);
        let loss = model.loss(&batch, 1).unwrap().double_value(&[]);
        let square = batch.images.square().mean(Kind::Double).double_value(&[]);
        let alpha_bars = model.schedule.alpha_bars();
        let kept = alpha_bars.iter().sum::<f64>() / alpha_bars.len() as f64;
        // The mean over 1,797 drawn levels stands for the mean over all: abar's spread is 0.36.
        assert!((loss - (kept + (1.0 - kept) * square)).abs() < 4.0 * 0.36 / 1_797f64.sqrt(), "{loss}");
    }

    #[test]
    fn the_same_seed_gives_the_same_loss() {
        let (model, digits) = model(Prediction::V);
        let batch = digits.batch(16, 0).unwrap();
        let loss = |seed| model.loss(&batch, seed).unwrap().double_value(&[]);
        assert_eq!(loss(1), loss(1));
        assert_ne!(loss(1), loss(2));
    }

    #[test]
    fn denoising_with_a_network_that_says_nothing_scales_the_image() {
        let (model, digits) = model(Prediction::V);
        let xt = digits.images().narrow(0, 0, 3);
        let x0 = model.denoise(&xt, 0.5, None).unwrap().to_device(Device::Cpu);
        let expected = &xt * model.schedule.alpha(0.5);
        assert!((x0 - expected).abs().max().double_value(&[]) < 1e-6);
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let (model, digits) = model(Prediction::V);
        let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build().unwrap();
        let flow = Diffusion::new(&unet, &Schedule::flow(10).unwrap(), Prediction::Epsilon).unwrap_err().to_string();
        assert!(flow.starts_with("prediction = epsilon: the flow schedule leaves nothing of the image"), "{flow}");
        let mut batch = digits.batch(4, 0).unwrap();
        batch.labels = Tensor::from_slice(&[0i64, 1, 2, 10]);
        assert_eq!(
            model.loss(&batch, 0).unwrap_err().to_string(),
            "label = 10: the classes are 0 to 9, and -1 is no label"
        );
        batch.images = batch.images.narrow(2, 0, 7);
        assert_eq!(
            model.loss(&batch, 0).unwrap_err().to_string(),
            "images = [4, 1, 7, 8]: this model takes N x 1 x 8 x 8"
        );
    }
}
