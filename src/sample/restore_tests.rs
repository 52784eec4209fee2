//! Restoring against conditional means in closed form.

use super::*;
use crate::{Dataset, Diffusion, Gaussian, Ideal, Prediction, Sampler, Schedule, UNet};
use tch::Device;

const MEAN: [f64; 3] = [0.2, -0.1, 0.3];
const COVARIANCE: [f64; 9] = [0.25, 0.15, 0.05, 0.15, 0.36, 0.1, 0.05, 0.1, 0.16];

fn correlated(schedule: &Schedule) -> Gaussian {
    let covariance = Tensor::from_slice(&COVARIANCE).view([3, 3]);
    Gaussian::new(&Tensor::from_slice(&MEAN), &covariance, schedule).unwrap()
}

fn known(model: &Gaussian, values: [f64; 3]) -> Restore {
    let image = Tensor::from_slice(&values);
    Restore::new(model, &image.isfinite(), &image).unwrap()
}

fn largest(x: Tensor) -> f64 {
    x.abs().max().double_value(&[])
}

/// Predicted x_0 = M x_t, which no data has: M has a negative direction.
#[derive(Clone)]
struct Crooked(Schedule);

impl Denoiser for Crooked {
    fn denoise(&self, xt: &Tensor, _: f64, _: Option<&Tensor>) -> Result<Tensor> {
        let matrix = Tensor::from_slice(&[0.5, 0.0, 0.2, 0.0, -0.5, 0.8, 0.2, 0.8, 0.3]).view([3, 3]);
        Ok(xt.f_matmul(&matrix.f_to_kind(xt.f_kind()?)?)?)
    }

    fn schedule(&self) -> &Schedule {
        &self.0
    }

    fn sample_shape(&self) -> Vec<i64> {
        vec![3]
    }

    fn classes(&self) -> Option<i64> {
        None
    }

    fn device(&self) -> Device {
        Device::Cpu
    }
}

/// A network's derivative is none of a covariance. Along a negative direction the system has no solution to go to.
#[test]
fn a_derivative_that_is_no_covariance_leads_nowhere_far() {
    let model = Crooked(Schedule::cosine(100).unwrap());
    let image = Tensor::from_slice(&[0.3, 0.9, f64::NAN]);
    let xt = Tensor::from_slice(&[0.1, 0.2, -0.4, 0.0, -1.0, 0.5]).view([2, 3]);
    for iterations in [1, 3, 5, 20] {
        let restore = Restore::new(&model, &image.isfinite(), &image).unwrap().iterations(iterations);
        let x0 = restore.denoise(&xt, 0.5, None).unwrap();
        assert!(largest(x0.shallow_clone()) < 10.0, "{iterations}: {x0:?}");
        assert!(largest(x0.narrow(1, 0, 2) - image.narrow(0, 0, 2)) < 1e-12);
    }
}

/// E[x_0 | x_t, y] by conditioning the joint Gaussian of x_0 and (y, x_t), with one known element and with two.
#[test]
fn of_a_gaussian_it_is_the_conditional_mean() {
    let (mean, covariance) = (Tensor::from_slice(&MEAN), Tensor::from_slice(&COVARIANCE).view([3, 3]));
    for schedule in [Schedule::linear(100), Schedule::edm(100), Schedule::flow(100)].map(Result::unwrap) {
        let model = correlated(&schedule);
        for (values, indices) in [([0.7, f64::NAN, f64::NAN], vec![0i64]), ([0.7, f64::NAN, -0.5], vec![0, 2])] {
            let inpaint = known(&model, values);
            let picked = Tensor::eye(3, (Kind::Double, Device::Cpu)).index_select(0, &Tensor::from_slice(&indices));
            let y: Vec<f64> = indices.iter().map(|&index| values[index as usize]).collect();
            for t in [0.01, 0.5, 0.97] {
                let (alpha, sigma) = (schedule.alpha(t), schedule.sigma(t));
                let xt = Tensor::from_slice(&[0.5, -0.3, 1.0, -2.0, 0.4, 0.1]).view([2, 3]);
                let measure = Tensor::cat(&[&picked, &(Tensor::eye(3, (Kind::Double, Device::Cpu)) * alpha)], 0);
                let seen =
                    Tensor::cat(&[Tensor::from_slice(&y).expand([2, y.len() as i64], false), xt.shallow_clone()], 1);
                let noise = Tensor::cat(
                    &[
                        Tensor::zeros([indices.len() as i64], (Kind::Double, Device::Cpu)),
                        Tensor::full([3], sigma * sigma, (Kind::Double, Device::Cpu)),
                    ],
                    0,
                );
                let spread = measure.matmul(&covariance).matmul(&measure.transpose(0, 1)) + noise.diag(0);
                let gain = covariance.matmul(&measure.transpose(0, 1)).matmul(&spread.inverse());
                let away = seen - measure.matmul(&mean);
                let expected = away.matmul(&gain.transpose(0, 1)) + &mean;
                let said = tch::no_grad(|| inpaint.denoise(&xt, t, None)).unwrap();
                let error = largest(said - expected);
                assert!(error < 1e-5, "{schedule:?} {values:?} {t}: {error}");
            }
        }
    }
}

/// Nothing left of the image, or a model that is certain of another: finite, and y where it is known.
#[test]
fn it_stays_finite() {
    let flow = known(&correlated(&Schedule::flow(10).unwrap()), [0.7, f64::NAN, f64::NAN]);
    let xt = Tensor::from_slice(&[0.5f32, -0.3, 1.0]).view([1, 3]);
    let said = flow.denoise(&xt, 1.0, None).unwrap();
    assert!(largest(said - Tensor::from_slice(&[0.7f32, -0.1, 0.3])) < 1e-6);
    let points = Dataset::new("points", &Tensor::from_slice(&[1.0, 0.0, 0.0, 1.0]).view([2, 2]), None, &[]).unwrap();
    let ideal = Ideal::new(&points, &Schedule::edm(10).unwrap()).unwrap();
    let image = Tensor::from_slice(&[5.0, 0.0]);
    let certain = Restore::new(&ideal, &Tensor::from_slice(&[1i64, 0]), &image).unwrap();
    let said = certain.denoise(&Tensor::from_slice(&[0.99, 0.01]).view([1, 2]), 0.1, None).unwrap();
    assert!(largest(said - Tensor::from_slice(&[5.0, 0.0])) < 1e-6);
}

/// Passes backwards through a float32 network, while sampling has gradients off.
#[test]
fn a_network_keeps_what_is_known() {
    let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).blocks(1).build();
    let model = Diffusion::new(&unet.unwrap(), &Schedule::cosine(10).unwrap(), Prediction::V).unwrap();
    let (digits, mask) = (Dataset::digits().unwrap(), Tensor::ones([1, 8, 8], (Kind::Float, Device::Cpu)).tril(0));
    let inpaint = Restore::new(&model, &mask, &digits.image(3).unwrap()).unwrap();
    let images = Sampler::ddim(3).count(2).sample(&inpaint).unwrap().images();
    assert!(largest((&images - digits.image(3).unwrap()) * &mask) < 1e-6);
    assert!(images.isfinite().all().int64_value(&[]) == 1 && largest(images.get(0) - images.get(1)) > 1e-3);
}

/// Grey and super-resolution of images whose pixels are correlated: the mean of x_0 given x_t and y, by conditioning the
/// joint Gaussian, with as many iterations as there are known numbers.
#[test]
fn of_gaussian_images_it_is_the_conditional_mean() {
    let options = (Kind::Double, Device::Cpu);
    let root = (Tensor::arange(64, options) * 1.7).sin().view([8, 8]);
    let covariance = root.matmul(&root.transpose(0, 1)) * 0.05 + Tensor::eye(8, options) * 0.1;
    let mean = (Tensor::arange(8, options) * 0.9).cos().view([2, 2, 2]) * 0.3;
    let image = (Tensor::arange(8, options) * 2.3).sin().view([2, 2, 2]);
    // Rows of A: the two channels of each pixel; the four pixels of each channel.
    let eye = |size| Tensor::eye(size, options);
    let (pixels, channels) =
        (Tensor::cat(&[eye(4), eye(4)], 1) / 2.0, eye(2).repeat_interleave_self_int(4, 1, None) / 4.0);
    for (measurement, a, known) in [(Measurement::grey(), pixels, 4), (Measurement::downsample(2), channels, 2)] {
        for schedule in [Schedule::linear(100), Schedule::edm(100)].map(Result::unwrap) {
            let model = Gaussian::new(&mean, &covariance, &schedule).unwrap();
            let restore = Restore::new(&model, &measurement, &image).unwrap().iterations(known);
            for t in [0.05, 0.5, 0.95] {
                let (alpha, sigma) = (schedule.alpha(t), schedule.sigma(t));
                let xt = (Tensor::arange(16, options) * 3.1).cos().view([2, 2, 2, 2]) * (alpha + sigma);
                let measure = Tensor::cat(&[a.shallow_clone(), eye(8) * alpha], 0);
                let y = a.matmul(&image.view([8, 1])).view([1, -1]).expand([2, a.size()[0]], false);
                let seen = Tensor::cat(&[y, xt.view([2, 8])], 1);
                let noise =
                    Tensor::cat(&[Tensor::zeros([a.size()[0]], options), Tensor::full([8], sigma * sigma, options)], 0);
                let spread = measure.matmul(&covariance).matmul(&measure.transpose(0, 1)) + noise.diag(0);
                let gain = covariance.matmul(&measure.transpose(0, 1)).matmul(&spread.inverse());
                let away = seen - measure.matmul(&mean.view([8, 1])).view([1, -1]);
                let expected = away.matmul(&gain.transpose(0, 1)) + mean.view([1, 8]);
                let error = largest(restore.denoise(&xt, t, None).unwrap().view([2, 8]) - expected);
                assert!(error < 1e-4, "{measurement:?} {schedule:?} {t}: {error}");
            }
        }
    }
}

/// By projection what is known is y exactly and the rest is the model's; of independent pixels that is the conditional
/// mean, whatever the measurement.
#[test]
fn a_projection_keeps_what_is_known_and_the_rest_of_the_model() {
    let schedule = Schedule::cosine(100).unwrap();
    let model = Gaussian::isotropic(0.2, 0.5, [3, 4, 4], &schedule).unwrap();
    let (xt, image) = (model.sample(2, 1).unwrap().to_kind(Kind::Double), model.sample(1, 2).unwrap().get(0));
    for measurement in [Measurement::grey(), Measurement::downsample(2), Measurement::downsample(4)] {
        let restore = Restore::new(&model, &measurement, &image).unwrap();
        let (said, own) =
            (restore.iterations(0).denoise(&xt, 0.5, None).unwrap(), model.denoise(&xt, 0.5, None).unwrap());
        let left = |x: &Tensor| measurement.apply(x).unwrap();
        assert!(largest(left(&said) - left(&image)) < 1e-7);
        assert!(largest((&said - left(&said)) - (&own - left(&own))) < 1e-12);
        assert!(largest(restore.denoise(&xt, 0.5, None).unwrap() - &said) < 1e-6);
        let samples = Sampler::ddim(5).clip(false).count(2).sample(&restore.iterations(0)).unwrap().images();
        assert!(largest(left(&samples) - left(&image)) < 1e-6);
    }
}

#[test]
fn refusals_name_argument_value_and_rule() {
    let model = correlated(&Schedule::cosine(10).unwrap());
    let (mask, image) = (Tensor::from_slice(&[true, false, false]), Tensor::from_slice(&[0.7, 0.0, 0.0]));
    let said = |mask: &Tensor, image: &Tensor| Restore::new(&model, mask, image).unwrap_err().to_string();
    assert_eq!(said(&mask.view([1, 3]), &image), "mask = [1, 3]: of the shape of a sample, 3");
    assert_eq!(said(&mask, &image.narrow(0, 0, 2)), "image = [2]: of the shape of a sample, 3");
    assert_eq!(said(&mask.zeros_like(), &image), "mask = 0 known: at least 1 element is known");
    assert_eq!(said(&mask, &(&image / 0.0)), "image = inf: known elements are finite");
    let inpaint = Restore::new(&model, &mask, &image).unwrap();
    assert_eq!(format!("{inpaint:?}"), "inpainting: 1 of 3 elements known, 5 iterations");
    let xt = Tensor::zeros([1, 3], (Kind::Double, Device::Cpu));
    let two = Restore::new(&model, &mask, &Tensor::stack(&[&image, &image], 0)).unwrap();
    let count = two.denoise(&xt, 0.5, None).unwrap_err().to_string();
    assert_eq!(count, "count = 1: there are 2 images to restore: draw one sample for each");
    assert_eq!(format!("{:?}", two.iterations(0)), "inpainting: 1 of 3 elements known, by projection");
    let digits = Dataset::digits().unwrap();
    let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).blocks(1).build();
    let bridge = Diffusion::new(&unet.unwrap(), &Schedule::flow(10).unwrap(), Prediction::Flow).unwrap();
    let bridge = bridge.source(&digits);
    let whole = Tensor::ones([1, 8, 8], (Kind::Bool, Device::Cpu));
    let restore = Restore::new(&bridge, &whole, &digits.image(0).unwrap()).unwrap();
    let refused = Sampler::ddim(2).sample(&restore).unwrap_err().to_string();
    let rule = "the covariance is that of Gaussian noise, and this model leads from one data set to another";
    assert_eq!(refused, format!("model = a bridge: {rule}"));
    let gradient = inpaint.denoise(&xt.set_requires_grad(true), 0.5, None).unwrap_err().to_string();
    assert_eq!(gradient, "xt = with a gradient: what is made up has no gradient");
}
