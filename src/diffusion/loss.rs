//! The loss: how wrong the network is about noised samples.

use super::{Diffusion, Noised};
use crate::accel::Replays;
use crate::data::Batch;
use crate::denoiser::Denoiser;
use crate::prediction::{LossWeight, Prediction};
use crate::schedule::{Levels, TrainingLevels};
use crate::show::sides;
use crate::{Error, Result};
use tch::{Kind, Tensor};

/// What one forward pass of training made.
pub(crate) struct Evaluation {
    pub(crate) loss: Tensor,
    /// The loss of each sample, without a gradient: N.
    pub(crate) each: Tensor,
    /// Predicted x_0.
    pub(crate) x0: Tensor,
}

impl Diffusion {
    /// The loss of a batch: the mean over its images of weight(t) times the mean squared error of the prediction, each image
    /// at a level of its own and with fresh noise (Ho et al. 2020, algorithm 1 and eq. 14). A scalar tensor with a gradient.
    ///
    /// The draws depend on `seed` alone.
    ///
    /// # Errors
    /// Images or labels that the network was not built for; a weight, levels or a source that make no sense.
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

    /// The loss with the draws of step `step` of a run, dropout among them.
    pub(crate) fn evaluate(&self, images: &Tensor, labels: &Tensor, seed: u64, step: u64) -> Result<Evaluation> {
        let noised = self.noised(images, labels, seed, step)?;
        self.judge(&noised, &self.predict(&noised)?)
    }

    /// The same without dropout, as in sampling: for a pass that measures.
    pub(crate) fn evaluate_still(&self, images: &Tensor, labels: &Tensor, seed: u64, step: u64) -> Result<Evaluation> {
        let noised = self.noised(images, labels, seed, step)?;
        self.judge(&noised, &self.predict_still(&noised)?)
    }

    /// What the network says of noised samples while it trains: with dropout.
    pub(crate) fn predict(&self, noised: &Noised) -> Result<Tensor> {
        let Noised { input, levels, labels, seed, step, .. } = noised;
        self.network.forward_training(input, levels, labels.as_ref(), *seed, *step)
    }

    /// The same of a network without dropout, as operations on its device alone; `waves` are from [`waves`](Self::waves).
    pub(crate) fn predict_encoded(&self, noised: &Noised, waves: &Tensor) -> Result<Tensor> {
        self.network.forward_encoded(&noised.input, waves, noised.labels.as_ref())
    }

    /// What the network sees of the levels, where a pass of it can be recorded.
    pub(crate) fn waves(&self, levels: &Levels) -> Result<Option<Tensor>> {
        if Replays::on(self.device()) { self.network.encode(levels) } else { Ok(None) }
    }

    /// What the network says of noised samples.
    pub(crate) fn predict_still(&self, noised: &Noised) -> Result<Tensor> {
        self.network.forward(&noised.input, &noised.levels, noised.labels.as_ref())
    }

    /// How wrong `output` is.
    pub(crate) fn judge(&self, noised: &Noised, output: &Tensor) -> Result<Evaluation> {
        let Noised { images, eps, xt, alpha, sigma, .. } = noised;
        let target = self.prediction.target(images, eps, alpha, sigma)?;
        let squares = output.f_sub(&target)?.f_square()?;
        let (loss, each) = weighted_mean(&squares, noised.weights.as_ref())?;
        let x0 = self.prediction.x0(xt, &output.f_detach()?, alpha, sigma)?;
        Ok(Evaluation { loss, each, x0 })
    }

    /// The best answer there is for the data of `ideal`, as this model's network would say it.
    pub(crate) fn best_output(&self, ideal: &dyn Denoiser, noised: &Noised, t: f64) -> Result<Tensor> {
        let x0 = ideal.denoise(&noised.xt, t, noised.labels.as_ref())?.f_to_device(self.device())?;
        Prediction::X0.convert(self.prediction, &noised.xt, &x0, &noised.alpha, &noised.sigma)
    }

    /// Whether it starts from samples instead of from noise.
    pub(crate) fn has_source(&self) -> bool {
        self.source.is_some()
    }

    pub(crate) fn levels_in_training(&self) -> TrainingLevels {
        self.training_levels
    }

    /// What the setters took, beside the schedule and the prediction.
    pub(crate) fn check(&self) -> Result<()> {
        self.loss_weight.check()?;
        self.training_levels.check(&self.schedule)?;
        let Some(source) = &self.source else { return Ok(()) };
        if self.schedule.alpha(1.0) > 0.0 {
            let rule = format!(
                "the {} schedule leaves some of x_0 at t = 1, where a sample of the source has to stand alone: take flow or \
                 zero terminal SNR",
                self.schedule.name()
            );
            return Err(Error::argument("source", source.name(), rule));
        }
        if matches!(self.prediction, Prediction::Edm { .. }) {
            let rule = "its scales are those of Gaussian noise: from a source predict flow, v or x_0";
            return Err(Error::argument("prediction", self.prediction, rule));
        }
        if self.loss_weight == LossWeight::Likelihood {
            let rule = "the variational bound is that of Gaussian noise: from a source take another weight";
            return Err(Error::argument("loss_weight", self.loss_weight, rule));
        }
        let (size, sample) = (source.shape(), self.network.sample_shape());
        if size[1..] != sample {
            let rule = format!("this model takes samples of {}", sides(&sample));
            return Err(Error::argument("source", format!("{:?}", &size[1..]), rule));
        }
        Ok(())
    }
}

/// The mean of all, and of each sample.
fn weighted_mean(squares: &Tensor, weights: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
    let mean = |squares: &Tensor| squares.f_flatten(1, -1)?.f_mean_dim(1, false, Kind::Float);
    let Some(weights) = weights else {
        return Ok((squares.f_mean(Kind::Float)?, mean(&squares.f_detach()?)?));
    };
    let each = mean(squares)?.f_mul(weights)?;
    Ok((each.f_mean(Kind::Float)?, each.f_detach()?))
}

#[cfg(test)]
mod tests {
    use super::super::tests::model;
    use super::*;
    use crate::net::{Network, UNet};
    use crate::schedule::TrainingLevels;
    use crate::show::Show;
    use crate::{Dataset, Schedule};
    use tch::Device;

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
    fn dropout_is_in_the_loss_and_not_in_what_measures() {
        let builder = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).blocks(1);
        let [plain, dropping] = [0.0, 0.5].map(|share| {
            let unet = builder.clone().dropout(share).build().unwrap();
            let _guard = tch::no_grad_guard();
            for (_, mut weight) in unet.parameters().named() {
                let _ = weight.f_add_scalar_(0.05).unwrap();
            }
            Diffusion::new(&unet, &Schedule::cosine(100).unwrap(), Prediction::V).unwrap()
        });
        let batch = Dataset::digits().unwrap().batch(8, 0).unwrap();
        let of = |model: &Diffusion, still: bool| {
            let pass = if still { Diffusion::evaluate_still } else { Diffusion::evaluate };
            pass(model, &batch.images, &batch.labels, 3, 4).unwrap().loss.double_value(&[])
        };
        assert_eq!(of(&plain, false), of(&dropping, true));
        assert_eq!(of(&dropping, false), of(&dropping, false));
        assert_ne!(of(&dropping, false), of(&dropping, true));
    }

    #[test]
    fn the_same_seed_gives_the_same_loss() {
        let (model, digits) = model(Prediction::V);
        let batch = digits.batch(16, 0).unwrap();
        let loss = |seed| model.loss(&batch, seed).unwrap().double_value(&[]);
        assert_eq!(loss(1), loss(1));
        assert_ne!(loss(1), loss(2));
    }

    /// x_1 takes the place of the noise: at t = 1, where a network that says nothing leaves x_t to itself, u = x_1 - x_0.
    #[test]
    fn a_source_stands_in_the_place_of_noise() {
        let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build().unwrap();
        let digits = Dataset::digits().unwrap();
        let dark = Dataset::new("dark", &digits.images().full_like(-0.5), None, &[]).unwrap();
        let bridge = Diffusion::new(&unet, &Schedule::flow(2).unwrap(), Prediction::Flow).unwrap().source(&dark);
        let batch = digits.batch(256, 0).unwrap();
        let noised = bridge.noised(&batch.images, &batch.labels, 3, 0).unwrap();
        let loss = bridge.judge(&noised, &bridge.predict(&noised).unwrap()).unwrap().loss;
        let Noised { xt, levels, .. } = noised;
        let t = levels.column(&xt, |t| t).unwrap();
        let path: Tensor = &batch.images * (1.0 - &t) - &t * 0.5;
        assert!((&xt - &path).abs().max().double_value(&[]) < 1e-6);
        let expected = (&batch.images + 0.5).square().mean(Kind::Double).double_value(&[]);
        assert!((loss.double_value(&[]) / expected - 1.0).abs() < 1e-5);
        let drawn = |step| bridge.clone().source(&digits).other_end(&[4, 1, 8, 8], 3, step).unwrap();
        assert!(drawn(0) == drawn(0) && drawn(0) != drawn(1));
        assert!(bridge.bundle().unwrap().plain_text().ends_with("\nsource:     dark"));
    }

    #[test]
    fn what_setters_took_is_refused_by_the_loss_and_by_a_trainer() {
        let (v, digits) = model(Prediction::V);
        let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build().unwrap();
        let flow = |prediction| Diffusion::new(&unet, &Schedule::flow(10).unwrap(), prediction).unwrap();
        let points = Dataset::new("points", &Tensor::zeros([4, 2], (Kind::Float, Device::Cpu)), None, &[]).unwrap();
        let batch = digits.batch(4, 0).unwrap();
        for (model, said) in [
            (
                v.clone().loss_weight(LossWeight::MinSnr { gamma: -1.0 }),
                "gamma = -1: the greatest SNR that counts is a positive number",
            ),
            (
                v.clone().training_levels(TrainingLevels::LogNormal { mean: 0.0, std: -1.0 }),
                "std = -1: the standard deviation is a positive number",
            ),
            (
                v.source(&digits),
                "source = digits: the cosine schedule leaves some of x_0 at t = 1, where a sample of the source has to stand \
                 alone: take flow or zero terminal SNR",
            ),
            (
                flow(Prediction::edm()).source(&digits),
                "prediction = edm: its scales are those of Gaussian noise: from a source predict flow, v or x_0",
            ),
            (
                flow(Prediction::Flow).loss_weight(LossWeight::Likelihood).source(&digits),
                "loss_weight = likelihood: the variational bound is that of Gaussian noise: from a source take another weight",
            ),
            (flow(Prediction::V).source(&points), "source = [2]: this model takes samples of 1 x 8 x 8"),
        ] {
            assert_eq!(model.loss(&batch, 0).unwrap_err().to_string(), said);
            assert_eq!(crate::Trainer::new(&model).iter(&digits).map(|_| ()).unwrap_err().to_string(), said);
        }
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
            "label = 10: the network's classes are 0 to 9, and -1 is no label"
        );
        batch.images = batch.images.narrow(2, 0, 7);
        assert_eq!(
            model.loss(&batch, 0).unwrap_err().to_string(),
            "images = [4, 1, 7, 8]: this model takes N x 1 x 8 x 8"
        );
    }
}
