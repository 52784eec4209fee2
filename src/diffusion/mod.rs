//! A diffusion model: a network, the schedule of its noise, and what it predicts.

#[cfg(test)]
mod best;
mod loss;
mod noised;
mod saved;

pub(crate) use loss::Evaluation;
pub(crate) use noised::Noised;

use crate::Result;
use crate::accel::{Autocast, Precision, Replays, recording};
use crate::data::Dataset;
use crate::denoiser::{Denoiser, check_samples, check_time};
use crate::device::upload;
use crate::labels::classes_in_words;
use crate::net::{Network, check_input};
use crate::prediction::{LossWeight, Prediction};
use crate::schedule::{Levels, Schedule, TrainingLevels};
use crate::show::{Bundle, Show, grouped, sides};
use std::cell::RefCell;
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// A network with the schedule and the prediction that it is trained for, and with how it is trained: which levels it sees,
/// and how much their errors count. What setters take is checked by [`loss`](Self::loss) and by a trainer.
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
#[derive(Clone)]
pub struct Diffusion {
    network: Rc<dyn Network>,
    schedule: Schedule,
    prediction: Prediction,
    loss_weight: LossWeight,
    training_levels: TrainingLevels,
    source: Option<Dataset>,
    precision: Precision,
    /// Passes of the network that a GPU recorded, for all clones.
    passes: Rc<RefCell<Replays>>,
}

impl Diffusion {
    /// Joins a network, which stays shared, to a schedule and a prediction.
    ///
    /// # Errors
    /// [`Prediction::Epsilon`] and [`Prediction::Score`] where the schedule leaves nothing of the image at t = 1 (flow, zero
    /// terminal SNR); [`Prediction::V`] where sigma outgrows 1 (geometric, edm); a sigma_data that is not positive.
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
        Ok(Self {
            network: Rc::new(network.clone()),
            schedule: schedule.clone(),
            prediction,
            loss_weight: LossWeight::default(),
            training_levels: TrainingLevels::default(),
            source: None,
            precision: Precision::default(),
            passes: Rc::default(),
        })
    }

    /// How much the error at each level counts in the loss (default [`LossWeight::Simple`]: all alike).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// let model = Diffusion::new(&unet, &Schedule::edm(1_000)?, Prediction::edm())?; // as in Karras et al. 2022
    /// let model = model.loss_weight(LossWeight::edm()).training_levels(TrainingLevels::edm());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn loss_weight(mut self, weight: LossWeight) -> Self {
        self.loss_weight = weight;
        self
    }

    /// Which levels training sees, and how often (default [`TrainingLevels::Levels`]: all N alike).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// let model = Diffusion::new(&unet, &Schedule::flow(1_000)?, Prediction::Flow)?;
    /// let model = model.training_levels(TrainingLevels::logit_normal()); // as in Esser et al. 2024
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn training_levels(mut self, levels: TrainingLevels) -> Self {
        self.training_levels = levels;
        self
    }

    /// Bridges two data sets: x_t = alpha x_0 + sigma x_1, where x_1 is a sample of `source`, drawn for each x_0 anew, in the
    /// place of Gaussian noise (Liu et al. 2022, section 2; the linear path of Albergo & Vanden-Eijnden 2022).
    ///
    /// The way back starts from samples of the source and takes no noise: samplers with fresh noise refuse. A score, guidance by
    /// one and samplers that add noise mean Gaussian noise, which is not there.
    ///
    /// [`loss`](Self::loss) refuses a schedule that leaves some of x_0 at t = 1 (take flow or zero terminal SNR), the edm
    /// prediction, whose scales are those of Gaussian noise, the likelihood weight, and samples of another shape.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let (moons, circles, mlp) = (Dataset::moons(500, 0.05)?, Dataset::circles(500, 0.05)?, Mlp::builder().build()?);
    /// let bridge = Diffusion::new(&mlp, &Schedule::flow(1_000)?, Prediction::Flow)?.source(&moons);
    /// Trainer::new(&bridge).steps(2).fit(&circles)?; // learns x_1 - x_0, from a circle to a moon
    /// let across = Sampler::euler(5).start_from(&moons.images()).sample(&bridge)?; // and goes back
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn source(mut self, source: &Dataset) -> Self {
        self.source = Some(source.clone());
        self
    }

    /// In which numbers the network computes when the model denoises, in sampling and where it is measured (default
    /// [`Precision::Float32`]). Training has a setting of its own, and a file does not keep this one. On a GPU with tensor cores
    /// half precision is several times faster; a CPU without such instructions is slower by it.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let samples = Sampler::ddim(5).count(4).sample(&model.clone().precision(Precision::BFloat16))?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn precision(self, precision: Precision) -> Self {
        Self { precision, passes: Rc::default(), ..self }
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
        Ok(Self { network: self.network.copy_network()?, passes: Rc::default(), ..self.clone() })
    }

    /// The factor of `xt` as it goes into the network.
    fn input_scale(&self, t: f64) -> f64 {
        self.prediction.input_scale(self.schedule.alpha(t), self.schedule.sigma(t))
    }

    /// What the network says of it: by a replay where a GPU has recorded its pass.
    fn output(&self, input: &Tensor, levels: &Levels, labels: Option<&Tensor>) -> Result<Tensor> {
        let waves = if recording() { None } else { self.waves(levels)? };
        let Some(waves) = waves else {
            let _autocast = Autocast::on(self.precision, self.device())?;
            return self.network.forward(input, levels, labels);
        };
        check_input(&*self.network, input, levels, labels)?;
        let labels = labels.map(|labels| upload(labels, self.device())).transpose()?;
        let inputs: Vec<Tensor> = [input.shallow_clone(), waves].into_iter().chain(labels).collect();
        let pass = |inputs: &[Tensor]| {
            let _autocast = Autocast::on(self.precision, self.device())?;
            Ok(vec![self.network.forward_encoded(&inputs[0], &inputs[1], inputs.get(2))?])
        };
        let outputs = self.passes.borrow_mut().run(self.device(), &inputs, &pass)?;
        Ok(outputs[0].f_detach_copy()?)
    }
}

impl Denoiser for Diffusion {
    fn denoise(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor> {
        check_time(t)?;
        check_samples("xt", xt, &self.sample_shape())?;
        let levels = Levels::at(&self.schedule, t, xt.size().first().map_or(0, |&n| n as usize))?;
        let xt = &xt.f_to_device(self.device())?;
        let input = xt.f_to_kind(Kind::Float)?.f_mul_scalar(self.input_scale(t))?;
        let output = self.output(&input, &levels, labels)?.f_to_kind(xt.f_kind()?)?;
        // Single numbers stay on the host, whatever the device.
        let number = |value: f64| Tensor::from(value).f_to_kind(xt.f_kind()?);
        let (alpha, sigma) = (number(self.schedule.alpha(t))?, number(self.schedule.sigma(t))?);
        self.prediction.x0(xt, &output, &alpha, &sigma)
    }

    fn starts(&self, count: usize, seed: u64) -> Result<Option<Tensor>> {
        self.source_samples(count as i64, seed)
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

impl std::fmt::Debug for Diffusion {
    /// One line, without the weights.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sample, count) = (sides(&self.network.sample_shape()), grouped(self.network.parameter_count()));
        write!(f, "Diffusion model of {sample}: {count} parameters, {}, predicts {}", self.schedule, self.prediction)
    }
}

impl Show for Diffusion {
    fn bundle(&self) -> Result<Bundle> {
        let sample = sides(&self.network.sample_shape());
        let classes = classes_in_words(self.network.classes());
        let source = self.source.as_ref().map_or(String::new(), |source| format!("\nsource:     {}", source.name()));
        Ok(Bundle::text(format!(
            "Diffusion model of {sample}, {classes}\n\
             network:    {} parameters on {:?}\n\
             schedule:   {}, {} levels\n\
             prediction: {}\n\
             weight:     {}\n\
             training:   {}{source}",
            grouped(self.network.parameter_count()),
            self.device(),
            self.schedule.name(),
            self.schedule.levels(),
            self.prediction,
            self.loss_weight,
            self.training_levels
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accel::{CudaGraphs, Pretended};
    use crate::net::UNet;
    use crate::{Sampler, Trainer};

    pub(super) fn model(prediction: Prediction) -> (Diffusion, Dataset) {
        let builder = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1, 2]).blocks(1);
        let unet = builder.classes(10).build().unwrap();
        let schedule = Schedule::cosine(1_000).unwrap();
        (Diffusion::new(&unet, &schedule, prediction).unwrap(), Dataset::digits().unwrap())
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
    fn denoising_refuses_what_every_denoiser_does() {
        let (model, digits) = model(Prediction::V);
        let xt = digits.images().narrow(0, 0, 3);
        let said = |xt: &Tensor, t| model.denoise(xt, t, None).unwrap_err().to_string();
        assert_eq!(said(&xt, 0.0), "t = 0: a denoiser is for times above 0, where there is noise, up to 1");
        assert_eq!(said(&xt.to_kind(Kind::Int64), 0.5), "xt = Int64: samples are floating-point numbers");
        assert_eq!(said(&xt.view([3, 64]), 0.5), "xt = [3, 64]: samples here are N x 1 x 8 x 8");
    }

    /// Times, labels, guidance and counts change, weights move: each replay is the plain pass. See train/gradient.rs.
    #[test]
    fn recorded_passes_are_the_plain_ones() {
        let digits = Dataset::digits().unwrap();
        let samples = |model: &Diffusion| -> Vec<Tensor> {
            let mut all = Vec::new();
            for (count, guidance) in [(3, 1.0), (3, 2.0), (4, 2.0), (3, 1.0)] {
                let sampler =
                    Sampler::ddim(5).labels([1, 7]).count(count).guidance_scale(guidance).seed(all.len() as u64);
                all.push(sampler.sample(model).unwrap().images());
                Trainer::new(model).steps(1).batch_size(8).live(false).fit(&digits).unwrap();
            }
            all
        };
        let (plain, _) = model(Prediction::V);
        let expected = samples(&plain);
        let _pretended = Pretended::new();
        let (recorded, _) = model(Prediction::V);
        let before = CudaGraphs::so_far().replayed;
        assert_eq!(samples(&recorded), expected);
        assert!(CudaGraphs::so_far().replayed >= before + 16);
        // A gradient through the network is not recorded.
        let xt = digits.images().narrow(0, 0, 3).set_requires_grad(true);
        recorded.denoise(&xt, 0.5, None).unwrap().sum(Kind::Float).backward();
        assert!(xt.grad().abs().max().double_value(&[]) > 0.0);
        let said = tch::no_grad(|| recorded.denoise(&xt, 0.5, Some(&Tensor::from_slice(&[0i64, 1, 10]))));
        assert_eq!(said.unwrap_err().to_string(), "label = 10: the network's classes are 0 to 9, and -1 is no label");
    }

    /// bfloat16 keeps 8 bits: its numbers are 2^-9 apart at the most, and some layers follow one another.
    #[test]
    fn half_precision_denoises_nearly_the_same() {
        let (model, digits) = model(Prediction::X0);
        Trainer::new(&model).steps(2).batch_size(8).live(false).fit(&digits).unwrap();
        let xt = digits.images().narrow(0, 0, 3);
        let full = model.denoise(&xt, 0.5, None).unwrap();
        let half = model.clone().precision(Precision::BFloat16).denoise(&xt, 0.5, None).unwrap();
        assert_eq!(half.kind(), Kind::Float);
        let apart = (&half - &full).norm().double_value(&[]) / full.norm().double_value(&[]);
        assert!(apart > 0.0 && apart < 0.05, "{apart}");
        assert_eq!(model.denoise(&xt, 0.5, None).unwrap(), full);
    }

    #[test]
    fn its_debug_is_a_line() {
        let (model, _) = model(Prediction::V);
        let count = grouped(model.network().parameter_count());
        let line =
            format!("Diffusion model of 1 x 8 x 8: {count} parameters, cosine schedule, 1,000 levels, predicts v");
        assert_eq!(format!("{model:?}"), line.replace("1,000 levels", "1000 levels"));
    }

    #[test]
    fn the_text_says_what_it_is_trained_for() {
        let (model, _) = model(Prediction::V);
        let model = model.loss_weight(LossWeight::min_snr()).training_levels(TrainingLevels::Uniform);
        let text = model.bundle().unwrap().plain_text().to_string();
        assert!(
            text.ends_with("prediction: v\nweight:     min-SNR with gamma = 5\ntraining:   uniform in t"),
            "{text}"
        );
    }
}
