//! How a run of a sampler is checked against its model, and begins.

use super::convergence::misplaced;
use super::guidance::ClassifierFree;
use super::rule::Noise;
use super::sampler::{Sampler, Steps};
use super::samples::Samples;
use super::steps::SampleSteps;
use crate::denoiser::Denoiser;
use crate::random::{Stream, generator, normal};
use crate::schedule::Spacing;
use crate::show::sides;
use crate::{Error, Result, Schedule};
use std::rc::Rc;
use tch::{Kind, Tensor};

/// More would ask for more memory than there is.
const MOST_SAMPLES: usize = 1_000_000;

impl Sampler {
    /// The way back, to be taken one step at a time.
    ///
    /// # Errors
    /// 0 steps or more than the schedule has levels, 0 samples or more than 1,000,000, no labels or one that the model
    /// does not know, guidance without labels or not finite, a setting that this sampler does not have or that lies outside
    /// its range, a spacing or a sampler that makes no sense for the schedule, noise to start from of another shape.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let unet = UNet::builder().channels(1).image_size(8).base_channels(8).build()?;
    /// let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let mut steps = Sampler::ddpm().count(4).iter(&model)?;
    /// let first = steps.next().unwrap()?;
    /// assert_eq!((first.index, first.steps, first.t), (0, 100, 1.0));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn iter(&self, model: &(impl Denoiser + Clone + 'static)) -> Result<SampleSteps> {
        let times = self.times(model.schedule())?;
        let start = match &self.start {
            Some(start) => Some(self.batch_of("noise to start from", start, model)?),
            None => None,
        };
        let given = start.as_ref().map(|start| start.size()[0] as usize);
        let count = given.or(self.count).or(self.labels.as_ref().map(Vec::len)).unwrap_or(16);
        let x = match start {
            Some(start) => start,
            None => {
                let shape: Vec<i64> = [count as i64].into_iter().chain(model.sample_shape()).collect();
                self.check_count()?;
                if let Some(starts) = model.starts(count, self.seed)? {
                    return self.steps_of(model, times, starts.f_to_kind(Kind::Double)?, count);
                }
                let noise = normal(&mut generator(self.seed, Stream::Prior, 0), &shape, model.device())?;
                noise.f_to_kind(Kind::Double)?.f_mul_scalar(model.schedule().prior_std(times[0]))?
            }
        };
        self.steps_of(model, times, x, count)
    }

    /// Steps over these times from `x`: `count` samples.
    pub(super) fn steps_of(
        &self,
        model: &(impl Denoiser + Clone + 'static),
        times: Vec<f64>,
        x: Tensor,
        count: usize,
    ) -> Result<SampleSteps> {
        self.knobs.check(&*self.method)?;
        self.method.check(model.schedule())?;
        if self.method.is_random(&self.knobs) && model.starts(1, self.seed)?.is_some() {
            let rule = "this model leads from one data set to another, and fresh noise would lead off its way: take ddim \
                        without eta, euler, heun, dpm_solver_3, dpmpp_2m, unipc or probability_flow";
            return Err(Error::argument("sampler", format!("{self:?}"), rule));
        }
        self.check_guidance(model.classes())?;
        let labels = match self.checked_labels(model.classes(), count)? {
            Some(labels) => Some(Tensor::f_from_slice(&labels)?.f_to_device(model.device())?),
            None => None,
        };
        let is_image = model.sample_shape().len() == 3;
        Ok(SampleSteps {
            denoiser: Rc::new(ClassifierFree::of(Rc::new(model.clone()), self.guidance_scale)),
            rule: self.method.rule(&self.knobs),
            times,
            x,
            labels,
            clip: self.clip.unwrap_or(is_image && self.method.clips()),
            noise: seeded(self.seed),
            index: 0,
            evaluations: 0,
        })
    }

    /// The whole way back, with a live picture when it takes long.
    ///
    /// # Errors
    /// As [`iter`](Self::iter).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// let samples = Sampler::ddim(5).count(4).sample(&model)?;
    /// assert_eq!(samples.images().size(), [4, 1, 8, 8]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn sample(&self, model: &(impl Denoiser + Clone + 'static)) -> Result<Samples> {
        Samples::collect(self.iter(model)?, self)
    }

    /// Samples of `model` given by the reader, as a float64 batch on its device.
    pub(super) fn batch_of(&self, name: &str, given: &Tensor, model: &dyn Denoiser) -> Result<Tensor> {
        let (size, shape) = (given.size(), model.sample_shape());
        let batch = if size == shape { given.f_unsqueeze(0)? } else { given.shallow_clone() };
        if batch.size().is_empty() || batch.size()[0] == 0 || batch.size()[1..] != shape {
            let rule = format!("this model's samples are N x {}", sides(&shape));
            return Err(Error::argument(name, format!("{size:?}"), rule));
        }
        if self.count.is_some_and(|count| count as i64 != batch.size()[0]) {
            let rule = format!("leave it out: {} samples are given", batch.size()[0]);
            return Err(Error::argument("count", self.count.unwrap_or_default(), rule));
        }
        let batch = batch.f_detach()?.f_to_device(model.device())?.f_to_kind(Kind::Double)?;
        if batch.f_isfinite()?.f_all()?.f_int64_value(&[])? == 0 {
            return Err(Error::argument(name, "NaN or infinite", "all numbers are finite"));
        }
        Ok(batch)
    }

    /// From noise to 0.
    pub(super) fn times(&self, schedule: &Schedule) -> Result<Vec<f64>> {
        match (self.steps, self.spacing) {
            (Steps::EveryLevel, None) => Spacing::Trailing.times(schedule, schedule.levels()),
            (Steps::EveryLevel, Some(spacing)) => {
                let rule =
                    "DDPM takes every level; Sampler::ddim(steps).eta(1.0) takes its noise at the levels of a spacing";
                Err(Error::argument("spacing", spacing, rule))
            }
            (Steps::Count(steps), spacing) => spacing.unwrap_or_else(|| self.method.spacing()).times(schedule, steps),
            (Steps::Misplaced(steps), _) => Err(misplaced(self, steps)),
            (Steps::Moments(moments), spacing) => {
                spacing.unwrap_or_else(|| self.method.spacing()).times(schedule, moments.min(schedule.levels()))
            }
        }
    }

    fn check_count(&self) -> Result<()> {
        match self.count {
            Some(0) => Err(Error::argument("count", 0, "draw at least 1 sample")),
            Some(count) if count > MOST_SAMPLES => {
                Err(Error::argument("count", count, "draw at most 1,000,000 samples at a time"))
            }
            _ => Ok(()),
        }
    }

    fn check_guidance(&self, classes: Option<i64>) -> Result<()> {
        if !self.guidance_scale.is_finite() {
            return Err(Error::argument("guidance_scale", self.guidance_scale, "must be a finite number"));
        }
        if self.guidance_scale != 1.0 && self.labels.is_none() {
            let rule = match classes {
                Some(classes) => format!("guidance needs labels: add .labels(0..{classes})"),
                None => "guidance needs labels, and this model was built without classes".into(),
            };
            return Err(Error::argument("guidance_scale", self.guidance_scale, rule));
        }
        Ok(())
    }

    /// One label a sample, if labels were asked for.
    fn checked_labels(&self, classes: Option<i64>, count: usize) -> Result<Option<Vec<i64>>> {
        let Some(labels) = &self.labels else { return Ok(None) };
        if labels.is_empty() {
            return Err(Error::argument("labels", "[]", "name at least one class"));
        }
        let Some(classes) = classes else {
            return Err(Error::argument("labels", format!("{labels:?}"), "this model was built without classes"));
        };
        if labels.len() > count {
            let rule = format!("only {count} samples are drawn: name fewer labels, or leave count out");
            return Err(Error::argument("number of labels", labels.len(), rule));
        }
        if let Some(unknown) = labels.iter().find(|label| !(0..classes).contains(label)) {
            return Err(Error::argument(
                "label",
                unknown,
                format!("this model knows the classes 0 to {}", classes - 1),
            ));
        }
        Ok(Some(labels.iter().copied().cycle().take(count).collect()))
    }
}

/// Draws that depend on the seed, the step and the draw within it alone.
fn seeded(seed: u64) -> Noise {
    Rc::new(move |step, draw, like| {
        let mut rng = generator(seed, Stream::Sampling, step as u64 | draw << 32);
        Ok(normal(&mut rng, &like.size(), like.device())?.f_to_kind(Kind::Double)?)
    })
}

#[cfg(test)]
mod tests {
    use super::super::guidance::tests::Gaussians;
    use super::*;
    use tch::{Device, Kind};

    #[derive(Clone)]
    struct Shared(Rc<Gaussians>);

    impl Denoiser for Shared {
        fn denoise(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor> {
            self.0.denoise(xt, t, labels)
        }
        fn schedule(&self) -> &Schedule {
            self.0.schedule()
        }
        fn sample_shape(&self) -> Vec<i64> {
            self.0.sample_shape()
        }
        fn classes(&self) -> Option<i64> {
            self.0.classes()
        }
        fn device(&self) -> Device {
            Device::Cpu
        }
    }

    fn gaussians(levels: usize) -> Shared {
        gaussians_of(Schedule::linear(levels).unwrap())
    }

    fn gaussians_of(schedule: Schedule) -> Shared {
        Shared(Rc::new(Gaussians { schedule, means: vec![0.5, -0.25], std: 0.3 }))
    }

    fn moments(samples: &Tensor) -> (f64, f64) {
        (samples.mean(Kind::Double).double_value(&[]), samples.std(true).double_value(&[]))
    }

    /// With the exact denoiser the samples are the data's: mean mu_u + w (mu_c - mu_u), and its standard deviation.
    #[test]
    fn both_samplers_land_on_the_gaussian() {
        let model = gaussians(1_000);
        for sampler in [Sampler::ddpm(), Sampler::ddim(200), Sampler::ddim(200).eta(1.0)] {
            let sampler = sampler.clip(false).labels([0, 1]).count(40);
            let (x, guided) =
                (sampler.sample(&model).unwrap(), sampler.clone().guidance_scale(2.0).sample(&model).unwrap());
            for (class, mean) in [(0, 0.5), (1, -0.25)] {
                let of_class = Tensor::from_slice(&(0..20).map(|i| 2 * i + class).collect::<Vec<i64>>());
                // 20 x 256 values: the mean's standard error is 0.0042, the deviation's 0.003; DDIM's own error is below.
                let (m, s) = moments(&x.images().index_select(0, &of_class));
                assert!((m - mean).abs() < 0.017 && (s - 0.3).abs() < 0.015, "{sampler:?}: {m} {s}");
                let (m, s) = moments(&guided.images().index_select(0, &of_class));
                assert!((m - 2.0 * mean).abs() < 0.017 && (s - 0.3).abs() < 0.015, "{sampler:?}: {m} {s}");
            }
        }
    }

    /// Every schedule is a way from noise to the same data; so is every spacing of its steps.
    #[test]
    fn every_schedule_and_spacing_lands_on_the_gaussian() {
        for schedule in every_schedule(400) {
            let all =
                [Spacing::Uniform, Spacing::Quadratic, Spacing::LogSnr, Spacing::Angle, Spacing::Karras { rho: 7.0 }];
            let spaced = all.into_iter().flat_map(|one| [0.0, 1.0].map(|eta| Sampler::ddim(400).spacing(one).eta(eta)));
            for sampler in [Sampler::ddpm(), Sampler::ddim(200)].into_iter().chain(spaced) {
                lands(&sampler, &schedule);
            }
        }
    }

    /// So does every sampler, where its schedule has a finite drift.
    #[test]
    fn every_sampler_lands_on_the_gaussian_of_every_schedule() {
        for schedule in every_schedule(1_000) {
            for sampler in Sampler::all() {
                let refused = sampler.clone().count(1).iter(&gaussians_of(schedule.clone())).err();
                match refused {
                    None => lands(&sampler, &schedule),
                    Some(error) => {
                        let why = "nothing is left of the image at t = 1, where the drift of its SDE is infinite";
                        assert!(error.to_string().contains(why), "{error}");
                        assert_eq!(schedule.alpha(1.0), 0.0);
                    }
                }
            }
        }
    }

    fn every_schedule(levels: usize) -> Vec<Schedule> {
        let zero = Schedule::linear(levels).unwrap().zero_terminal_snr();
        let exploding = [Schedule::geometric(levels), Schedule::edm(levels)];
        let others = [
            Schedule::cosine(levels),
            Schedule::sigmoid(levels),
            Schedule::vp(levels),
            Schedule::sub_vp(levels),
            Schedule::flow(levels),
            zero,
        ];
        exploding.into_iter().chain(others).map(Result::unwrap).collect()
    }

    fn lands(sampler: &Sampler, schedule: &Schedule) {
        let sampler = sampler.clone().clip(false).labels([0]).count(20);
        let x = sampler.sample(&gaussians_of(schedule.clone())).unwrap();
        // The mean's standard error is 0.0042, the deviation's 0.003, and 0.01 for what first-order steps miss: ancestral ones
        // end up to 0.009 too narrow here.
        let (m, s) = moments(&x.images());
        assert!((m - 0.5).abs() < 0.027 && (s - 0.3).abs() < 0.025, "{schedule:?}, {sampler:?}: {m} {s}");
    }

    /// The variance of N(0, 1/4) as tests/fixtures/biases.py has it: exactly where a sampler takes no noise, and of 40,000
    /// numbers, whose share has a standard error of 0.007, where it does. What has no line there misses less than 0.1%. The
    /// table and each sampler's own text say so.
    #[test]
    fn samplers_are_biased_by_what_their_table_says() {
        let model = crate::Gaussian::isotropic(0.0, 0.5, [16], &Schedule::linear(1_000).unwrap()).unwrap();
        let fixture = include_str!("../../tests/fixtures/biases.in");
        let expected = |name: &str| {
            let mut columns = fixture.lines().find(|line| line.split(';').next() == Some(name))?.split(';').skip(1);
            Some((columns.next()?.parse::<usize>().unwrap(), columns.next()?.parse::<f64>().unwrap()))
        };
        for sampler in Sampler::all() {
            let name = sampler.method.constructor();
            let (steps, share) =
                expected(name).unwrap_or((sampler.clone().count(1).iter(&model).unwrap().steps(), 1.0));
            assert_eq!(sampler.clone().count(1).iter(&model).unwrap().steps(), steps, "{name}");
            if expected(name).is_some() {
                let text = |file: &str| {
                    let path = format!("{}/src/sample/{file}.rs", env!("CARGO_MANIFEST_DIR"));
                    std::fs::read_to_string(path).unwrap()
                };
                let table = text("mod");
                let row =
                    table.lines().find(|line| line.contains(&format!("`{name}`")) && !line.contains("](")).unwrap();
                for said in [row, &text(name)] {
                    assert!(said.contains(&format!("{share:.3}")), "{share:.3} of {name}: {row}");
                }
            }
            let one = Tensor::ones([1, 16], (Kind::Double, Device::Cpu));
            let ends = |seed| sampler.clone().seed(seed).start_from(&one).sample(&model).unwrap().images();
            let (got, tolerance) = if ends(0) == ends(1) {
                (ends(0).double_value(&[0, 0]).powi(2) * 4.0, 1e-3)
            } else {
                let x = sampler.clone().count(2_500).sample(&model).unwrap().images().to_kind(Kind::Double);
                (x.square().mean(Kind::Double).double_value(&[]) * 4.0, 0.028)
            };
            assert!((got - share).abs() < tolerance, "{name}: {got} is not {share}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_the_first_samples_do_not_depend_on_the_count() {
        let model = gaussians(50);
        let draw = |count, seed| Sampler::ddpm().labels([0]).count(count).seed(seed).sample(&model).unwrap().images();
        assert_eq!(draw(4, 7), draw(4, 7));
        assert_ne!(draw(4, 7), draw(4, 8));
        assert_eq!(draw(1, 7), draw(4, 7).narrow(0, 0, 1));
    }

    #[test]
    fn steps_count_down_to_the_data() {
        let mut steps = Sampler::ddim(3).count(2).iter(&gaussians(10)).unwrap();
        let made: Vec<_> = steps.by_ref().map(|step| step.unwrap()).map(|s| (s.index, s.t, s.evaluations)).collect();
        assert_eq!(made, [(0, 1.0, 1), (1, 0.7, 2), (2, 0.3, 3)]);
        assert!(steps.next().is_none());
    }

    /// Digits in the place of noise: the way back starts from them, and fresh noise is refused.
    #[test]
    fn a_bridge_starts_from_its_source() {
        let digits = crate::Dataset::digits().unwrap();
        let unet =
            crate::UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build().unwrap();
        let model = crate::Diffusion::new(&unet, &Schedule::flow(10).unwrap(), crate::Prediction::Flow).unwrap();
        let bridge = model.source(&digits);
        let starts = Sampler::euler(2).count(5).seed(1).sample(&bridge).unwrap().noise();
        assert_eq!(starts, bridge.starts(5, 1).unwrap().unwrap().to_kind(Kind::Double));
        let refused = Sampler::ddpm().sample(&bridge).unwrap_err().to_string();
        let rule = "sampler = DDPM, a step for each level: this model leads from one data set to another, and fresh noise would lead";
        assert!(refused.starts_with(rule), "{refused}");
        assert!(Sampler::ddim(2).eta(0.5).sample(&bridge).is_err());
        let refused = crate::evaluate::Likelihood::exact().of(&bridge, &digits.images(), None).unwrap_err().to_string();
        let rule = "the likelihood is that of Gaussian noise, and this model leads from one data set to another";
        assert_eq!(refused, format!("model = a bridge: {rule}"));
        assert!(crate::evaluate::VariationalBound::ddpm().of(&bridge, &digits).is_err());
        for dims in [1, 2] {
            let points = Tensor::zeros([9, dims], (Kind::Float, Device::Cpu));
            let points = crate::Dataset::new("points", &points, None, &[]).unwrap();
            let mlp = crate::Mlp::builder().dims(dims).hidden(8).layers(1).build().unwrap();
            let bridge = crate::Diffusion::new(&mlp, &Schedule::flow(10).unwrap(), crate::Prediction::Flow).unwrap();
            let bridge = bridge.source(&points);
            let refused = match dims {
                1 => crate::process::Paths::langevin(&bridge, 0.5, 0.1, 1).unwrap_err(),
                _ => crate::evaluate::ScoreField::of(&bridge, 0.5).unwrap_err(),
            };
            let rule = "the score is that of Gaussian noise, and this model leads from one data set to another";
            assert_eq!(refused.to_string(), format!("model = a bridge: {rule}"));
        }
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let model = gaussians(10);
        let said = |sampler: Sampler| sampler.iter(&model).unwrap_err().to_string();
        assert_eq!(
            said(Sampler::heun(5).tolerance(0.1)),
            "tolerance = 0.1: Heun has no tolerance: Sampler::probability_flow has"
        );
        assert_eq!(said(Sampler::probability_flow().tolerance(0.0)), "tolerance = 0: must lie in [1e-12, 1)");
        let owners = "Sampler::annealed_langevin and Sampler::predictor_corrector have";
        assert_eq!(said(Sampler::unipc(5).snr(0.1)), format!("snr = 0.1: UniPC has no snr: {owners}"));
        assert_eq!(
            said(Sampler::ddim(5).corrections(2)),
            format!("corrections = 2: DDIM has no corrections: {owners}")
        );
        let langevin = || Sampler::annealed_langevin(5);
        assert_eq!(said(langevin().snr(f64::NAN)), "snr = NaN: must be a finite number above 0");
        assert_eq!(said(langevin().corrections(0)), "corrections = 0: take from 1 to 10,000 at each level");
        let noise = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
        assert_eq!(
            said(Sampler::ddim(5).start_from(&noise(&[2, 1, 8, 8]))),
            "noise to start from = [2, 1, 8, 8]: this model's samples are N x 1 x 16 x 16"
        );
        assert_eq!(
            said(Sampler::ddim(5).start_from(&noise(&[2, 1, 16, 16])).count(3)),
            "count = 3: leave it out: 2 samples are given"
        );
        assert_eq!(said(Sampler::ddim(0)), "steps = 0: this schedule has 10 levels: take 1 to 10 steps");
        assert_eq!(said(Sampler::ddim(11)), "steps = 11: this schedule has 10 levels: take 1 to 10 steps");
        assert_eq!(said(Sampler::ddpm().labels([0, 2])), "label = 2: this model knows the classes 0 to 1");
        assert_eq!(said(Sampler::ddpm().labels([0; 0])), "labels = []: name at least one class");
        let rule = "only 2 samples are drawn: name fewer labels, or leave count out";
        assert_eq!(said(Sampler::ddpm().labels([0, 1, 1]).count(2)), format!("number of labels = 3: {rule}"));
        assert_eq!(said(Sampler::ddpm().count(0)), "count = 0: draw at least 1 sample");
        assert_eq!(said(Sampler::ddim(5).eta(1.5)), "eta = 1.5: must lie in [0, 1]");
        assert_eq!(said(Sampler::ddpm().eta(0.5)), "eta = 0.5: DDPM has no eta: Sampler::ddim has");
        assert_eq!(
            said(Sampler::ddpm().spacing(Spacing::Uniform)),
            "spacing = uniform: DDPM takes every level; Sampler::ddim(steps).eta(1.0) takes its noise at the levels of a \
             spacing"
        );
        assert_eq!(
            said(Sampler::ddim(2).spacing(Spacing::Karras { rho: -1.0 })),
            "rho = -1: the power lies between 0.1 and 100"
        );
        assert_eq!(
            said(Sampler::ddpm().count(10_000_000_000)),
            "count = 10000000000: draw at most 1,000,000 samples at a time"
        );
        let unlabelled = "guidance_scale = 2: guidance needs labels: add .labels(0..2)";
        assert_eq!(said(Sampler::ddpm().guidance_scale(2.0)), unlabelled);
        assert_eq!(
            said(Sampler::ddpm().labels([0]).guidance_scale(f64::NAN)),
            "guidance_scale = NaN: must be a finite number"
        );
    }
}
