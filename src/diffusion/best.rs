//! The loss of the best network that there is: closed forms.

use super::Diffusion;
use crate::Result;
use crate::data::Batch;
use crate::denoiser::Denoiser;
use crate::net::{Network, Parameters, UNet};
use crate::prediction::{ALL, LossWeight, Prediction};
use crate::random::{Stream, generator, normal};
use crate::sample::Sampler;
use crate::schedule::{Levels, Schedule, TrainingLevels};
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// Says what is best for data from N(0, 1): E[x_0 | x_t] = alpha x_t/(alpha^2 + sigma^2), as its prediction.
#[derive(Clone, Debug)]
struct Best {
    schedule: Schedule,
    prediction: Prediction,
    /// A network has weights: these are idle.
    idle: UNet,
}

impl Network for Best {
    fn forward(&self, x: &Tensor, levels: &Levels, _: Option<&Tensor>) -> Result<Tensor> {
        let (alpha, sigma) = levels.alpha_sigma(&self.schedule, x)?;
        let scale =
            levels.column(x, |t| self.prediction.input_scale(self.schedule.alpha(t), self.schedule.sigma(t)))?;
        let xt = x / scale;
        let x0 = &xt * &alpha / (alpha.square() + sigma.square());
        Prediction::X0.convert(self.prediction, &xt, &x0, &alpha, &sigma)
    }

    fn parameters(&self) -> &Parameters {
        self.idle.parameters()
    }

    fn sample_shape(&self) -> Vec<i64> {
        vec![100]
    }

    fn classes(&self) -> Option<i64> {
        None
    }

    fn copy_network(&self) -> Result<Rc<dyn Network>> {
        Ok(Rc::new(self.clone()))
    }
}

fn best(schedule: &Schedule, prediction: Prediction) -> Diffusion {
    let idle = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).device(Device::Cpu);
    let idle = idle.build().unwrap();
    Diffusion::new(&Best { schedule: schedule.clone(), prediction, idle }, schedule, prediction).unwrap()
}

/// 20,000 points of 100 numbers from N(0, 1).
fn grain() -> Batch {
    let images = normal(&mut generator(9, Stream::Prior, 0), &[20_000, 100], Device::Cpu).unwrap();
    Batch { images, labels: Tensor::full([20_000], -1, (Kind::Int64, Device::Cpu)), classes: Vec::new() }
}

/// Closed form 8: at s = 1 the least error of the noise is the mean of abar, 0.27551 for the linear schedule.
#[test]
fn the_least_loss_of_unit_gaussians_is_the_mean_abar() {
    let loss = best(&Schedule::linear(1_000).unwrap(), Prediction::Epsilon).loss(&grain(), 0).unwrap();
    // The mean over 20,000 drawn levels stands for the mean over all: abar's spread is 0.32.
    let loss = loss.double_value(&[]);
    assert!((loss - 0.27551).abs() < 4.0 * 0.33 / 20_000f64.sqrt(), "{loss}");
}

/// The least error of x_0 is sigma^2/(alpha^2 + sigma^2) at each level, so every prediction has the loss
/// E[w sigma^2/(alpha^2 + sigma^2)], w the weight of x_0's error.
#[test]
fn a_weight_means_the_same_for_every_prediction() {
    let grain = grain();
    for schedule in [Schedule::cosine(100), Schedule::edm(100), Schedule::flow(100)].map(Result::unwrap) {
        for prediction in ALL.into_iter().filter(|one| one.check(&schedule).is_ok()) {
            let model = best(&schedule, prediction).loss_weight(LossWeight::min_snr());
            let model = model.training_levels(TrainingLevels::Uniform);
            let noised = model.noised(&grain.images, &grain.labels, 5, 0).unwrap();
            let loss = model.judge(&noised, &model.predict(&noised).unwrap()).unwrap().loss;
            let expected: f64 = noised
                .levels
                .times()
                .into_iter()
                .map(|t| {
                    let (square, noise) = (schedule.alpha(t).powi(2), schedule.sigma(t).powi(2));
                    (square / noise).min(5.0) * noise / (square + noise)
                })
                .sum();
            let (loss, expected) = (loss.double_value(&[]), expected / 20_000.0);
            assert!((loss / expected - 1.0).abs() < 0.01, "{prediction} {schedule:?}: {loss} is not {expected}");
        }
    }
}

/// A network sees x_t at the prediction's scale: with EDM's, of variance 1 for data of that deviation.
#[test]
fn exploding_noise_goes_in_at_unit_variance() {
    let schedule = Schedule::edm(10).unwrap();
    let model = best(&schedule, Prediction::Edm { sigma_data: 1.0 });
    let xt = Tensor::from_slice(&[3.0, -40.0]).repeat([1, 50]);
    let x0 = model.denoise(&xt, 1.0, None).unwrap();
    assert_eq!(x0.kind(), Kind::Double);
    let expected = &xt / (1.0 + 6_400.0);
    assert!((x0 - expected).abs().max().double_value(&[]) < 1e-6);
}

/// The best there is between N(1, 0.5^2) at t = 0 and N(-2, 0.3^2) at t = 1, independent of one another.
#[derive(Clone)]
struct Bridge(Schedule);

const ENDS: [(f64, f64); 2] = [(1.0, 0.5), (-2.0, 0.3)];

impl Denoiser for Bridge {
    fn denoise(&self, xt: &Tensor, t: f64, _: Option<&Tensor>) -> Result<Tensor> {
        let (alpha, sigma, [(m_0, s_0), (m_1, s_1)]) = (self.0.alpha(t), self.0.sigma(t), ENDS);
        let gain = alpha * s_0 * s_0 / ((alpha * s_0).powi(2) + (sigma * s_1).powi(2));
        Ok((xt - (alpha * m_0 + sigma * m_1)) * gain + m_0)
    }

    fn schedule(&self) -> &Schedule {
        &self.0
    }

    fn sample_shape(&self) -> Vec<i64> {
        vec![1]
    }

    fn classes(&self) -> Option<i64> {
        None
    }

    fn device(&self) -> Device {
        Device::Cpu
    }
}

/// Samplers that add no noise carry N(-2, 0.3^2) to N(1, 0.5^2), each point to the one as many deviations from the mean.
#[test]
fn a_bridge_leads_from_one_gaussian_to_the_other() {
    let zero = Schedule::cosine(1_000).unwrap().zero_terminal_snr().unwrap();
    for schedule in [Schedule::flow(1_000).unwrap(), zero] {
        let deviations = Tensor::from_slice(&[-2.0, -0.5, 0.0, 1.0, 3.0]).view([-1, 1]);
        let [target, source] = ENDS.map(|(mean, std)| &deviations * std + mean);
        for (sampler, error) in [(Sampler::euler(500), 0.02), (Sampler::heun(200), 0.003), (Sampler::ddim(500), 0.02)] {
            let samples = sampler.clip(false).start_from(&source).sample(&Bridge(schedule.clone())).unwrap();
            let off = (samples.images() - &target).abs().max().double_value(&[]);
            assert!(off < error, "{schedule:?}: {off}");
        }
    }
}
