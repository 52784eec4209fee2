//! Groups 4, 5, 7 and 8: predictions, loss weights, and the least loss that there is.

use super::{close, linear, near, row, rows, values};
use noisebook::prelude::*;

/// v = alpha eps - sigma x_0; x_0 = alpha x - sigma v; eps = sigma x + alpha v, where alpha^2 + sigma^2 = 1.
#[test]
fn group_4_v() {
    let schedule = linear();
    let (x0, eps) = (row(&[0.7, -0.2]), row(&[-1.1, 0.4]));
    for t in [0.001, 0.3, 1.0] {
        let (a, s) = (schedule.alpha(t), schedule.sigma(t));
        let (alpha, sigma) = (Tensor::from(a), Tensor::from(s));
        let x = &x0 * a + &eps * s;
        let v = Prediction::V.target(&x0, &eps, &alpha, &sigma).unwrap();
        for (value, expected) in [
            (v.shallow_clone(), &eps * a - &x0 * s),
            (Prediction::V.x0(&x, &v, &alpha, &sigma).unwrap(), &x * a - &v * s),
            (Prediction::V.epsilon(&x, &v, &alpha, &sigma).unwrap(), &x * s + &v * a),
        ] {
            assert!((value - expected).abs().max().double_value(&[]) < 1e-12);
        }
    }
}

/// |eps - eps^|^2 = SNR |x_0 - x_0^|^2, |v - v^|^2 = (SNR + 1) |x_0 - x_0^|^2, and the min-SNR weights.
#[test]
fn group_5_losses_of_one_another() {
    let schedule = linear();
    for expected in rows("min_snr") {
        let (t, snr) = (expected[0] / 1e3, expected[1]);
        close(schedule.log_snr(t).exp(), snr, 1e-9, "SNR");
        let (alpha, sigma) = (Tensor::from(schedule.alpha(t)), Tensor::from(schedule.sigma(t)));
        let (x0, wrong, eps) = (row(&[0.7]), row(&[0.5]), row(&[-1.1]));
        let x = &x0 * &alpha + &eps * &sigma;
        // The noise and the v that go with another x_0 at the same x.
        let noise = |x0: &Tensor| (&x - x0 * &alpha) / &sigma;
        let square = |prediction: Prediction| {
            let said = |x0: &Tensor| prediction.target(x0, &noise(x0), &alpha, &sigma).unwrap();
            values(&(said(&x0) - said(&wrong)).square())[0]
        };
        close(square(Prediction::Epsilon), snr * 0.04, 1e-9, "eps");
        close(square(Prediction::V), (snr + 1.0) * 0.04, 1e-9, "v");
        let weight = LossWeight::MinSnr { gamma: 5.0 };
        for (prediction, expected) in
            [Prediction::Epsilon, Prediction::X0, Prediction::V].into_iter().zip(&expected[2..])
        {
            close(weight.weight(&schedule, prediction, t), *expected, 1e-9, "min-SNR weight");
        }
    }
}

/// EDM's preconditioning by its own formulas: D = c_skip x + c_out F, and the network's input has unit variance.
#[test]
fn group_7_edm() {
    for expected in rows("edm") {
        let [sigma, c_skip, c_out, c_in, weight] = expected[..] else { panic!("five numbers") };
        let prediction = Prediction::Edm { sigma_data: 0.5 };
        let (alpha, s) = (Tensor::from(1.0), Tensor::from(sigma));
        let denoised =
            |x: f64, output: f64| values(&prediction.x0(&row(&[x]), &row(&[output]), &alpha, &s).unwrap())[0];
        close(denoised(1.0, 0.0), c_skip, 1e-9, "c_skip");
        close(denoised(0.0, 1.0), c_out, 1e-9, "c_out");
        close(prediction.input_scale(1.0, sigma), c_in, 1e-9, "c_in");
        close(c_skip.powi(2) * (sigma.powi(2) + 0.25) + c_out.powi(2), 0.25, 1e-9, "the variance");
        // The weight of F's own error, 1, is lambda c_out^2.
        let schedule = Schedule::edm_between(2, sigma / 2.0, sigma, 7.0).unwrap();
        let edm = LossWeight::Edm { sigma_data: 0.5 };
        close(edm.weight(&schedule, Prediction::X0, 1.0), weight, 1e-9, "lambda");
        close(edm.weight(&schedule, prediction, 1.0), 1.0, 1e-9, "lambda c_out^2");
        close((c_in * (sigma.powi(2) + 0.25).sqrt()).powi(2), 1.0, 1e-9, "unit variance");
    }
}

/// The ideal denoiser's mean squared error of the noise, s^2 abar/(s^2 abar + 1 - abar), averaged over the levels.
#[test]
fn group_8_the_least_loss() {
    let schedule = linear();
    let expected = &rows("least_epsilon")[0];
    for (std, expected) in [1.0, 0.5f64].iter().zip(expected) {
        let mean: f64 =
            schedule.alpha_bars().iter().map(|bar| std.powi(2) * bar / (std.powi(2) * bar + 1.0 - bar)).sum::<f64>()
                / 1e3;
        close(mean, *expected, 1e-9, "the formula");
        // The same by noising samples of the truth and asking the denoiser for the noise: 200 samples a level.
        let model = Gaussian::isotropic(0.0, *std, [1], &schedule).unwrap();
        let x0 = model.sample(200_000, 0).unwrap().to_kind(Kind::Double).view([1_000, 200, 1]);
        let eps = Gaussian::isotropic(0.0, 1.0, [1], &schedule).unwrap().sample(200_000, 1).unwrap();
        let eps = eps.to_kind(Kind::Double).view([1_000, 200, 1]);
        let mut sum = 0.0;
        for level in 0..1_000 {
            let t = schedule.time(level as usize).unwrap();
            let (x0, eps) = (x0.get(level), eps.get(level));
            let x = x0 * schedule.alpha(t) + &eps * schedule.sigma(t);
            let said = model.epsilon(&x, t, None).unwrap();
            sum += (said - eps).square().mean(Kind::Double).double_value(&[]);
        }
        // A squared Gaussian error of variance m has standard error m sqrt(2/n), here below 0.0018 of the mean.
        near(sum / 1e3, *expected, 4.0 * 0.0025 * expected, "measured");
    }
}
