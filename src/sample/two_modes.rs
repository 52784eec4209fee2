use super::sampler::Sampler;
use crate::denoiser::Denoiser;
use crate::random::{Stream, generator, normal, unit};
use crate::{Result, Schedule};
use tch::{Device, Kind, Tensor};

#[derive(Clone)]
struct Two(Schedule);
const MODES: [(f64, f64, f64); 2] = [(0.3, -0.6, 0.2f64), (0.7, 0.5, 0.3)];
impl Denoiser for Two {
    fn denoise(&self, xt: &Tensor, t: f64, _: Option<&Tensor>) -> Result<Tensor> {
        let (alpha, sigma) = (self.0.alpha(t), self.0.sigma(t));
        let logs: Vec<Tensor> = MODES
            .iter()
            .map(|(w, m, s)| {
                let v = (alpha * s).powi(2) + sigma * sigma;
                (xt - alpha * *m).square() / (-2.0 * v) + (w / v.sqrt()).ln()
            })
            .collect();
        let share = Tensor::stack(&logs, 0).softmax(0, Kind::Double);
        let mut sum = xt.zeros_like();
        for (k, (_, m, s)) in MODES.iter().enumerate() {
            let v = (alpha * s).powi(2) + sigma * sigma;
            sum += share.get(k as i64) * ((xt - alpha * *m) * (alpha * s * s / v) + *m);
        }
        Ok(sum)
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
fn truth(n: usize, seed: u64) -> Vec<f64> {
    let mut rng = generator(seed, Stream::Split, 0);
    let pick: Vec<bool> = (0..n).map(|_| unit(&mut rng) < 0.3).collect();
    let z = Vec::<f64>::try_from(normal(&mut rng, &[n as i64], Device::Cpu).unwrap().to_kind(Kind::Double)).unwrap();
    pick.iter()
        .zip(z)
        .map(|(&p, z)| {
            let (_, m, s) = MODES[usize::from(!p)];
            m + s * z
        })
        .collect()
}
fn ks(a: &[f64], b: &[f64]) -> (f64, f64) {
    let (mut a, mut b) = (a.to_vec(), b.to_vec());
    a.sort_by(f64::total_cmp);
    b.sort_by(f64::total_cmp);
    let (mut i, mut j, mut d) = (0, 0, 0.0f64);
    while i < a.len() && j < b.len() {
        if a[i] <= b[j] {
            i += 1
        } else {
            j += 1
        }
        d = d.max((i as f64 / a.len() as f64 - j as f64 / b.len() as f64).abs());
    }
    let en = (a.len() as f64 * b.len() as f64 / (a.len() + b.len()) as f64).sqrt();
    let l = en * d;
    let p: f64 = 2.0 * (1..100).map(|k| (-1f64).powi(k - 1) * (-2.0 * f64::from(k * k) * l * l).exp()).sum::<f64>();
    (d, p.clamp(0.0, 1.0))
}
fn cdf_error(x: &[f64]) -> f64 {
    let mut x = x.to_vec();
    x.sort_by(f64::total_cmp);
    let big = truth(1_000_000, 99);
    ks(&x, &big).0
}
#[test]
fn two_modes_experiment() {
    let which = std::env::var("TM").unwrap_or_default();
    for schedule in [
        Schedule::linear(1_000),
        Schedule::cosine(1_000),
        Schedule::geometric(1_000),
        Schedule::edm(1_000),
        Schedule::flow(1_000),
    ] {
        let model = Two(schedule.unwrap());
        for sampler in Sampler::all().into_iter().chain([Sampler::ddim(3)]) {
            if !format!("{sampler:?}").contains(&which) {
                continue;
            }
            let began = std::time::Instant::now();
            let line: Vec<String> = (0..3)
                .map(|seed| {
                    let x = match sampler.clone().count(10_000).seed(seed).sample(&model) {
                        Ok(x) => x,
                        Err(e) => return e.to_string(),
                    };
                    let x = Vec::<f64>::try_from(x.images().to_kind(Kind::Double).view([-1])).unwrap();
                    let (d, p) = ks(&x, &truth(10_000, seed + 100));
                    format!("{d:.4} p {p:.3} (true {:.4})", cdf_error(&x))
                })
                .collect();
            println!("{:?} {sampler:?}: {} {:.1}s", model.0.name(), line.join(" | "), began.elapsed().as_secs_f64());
        }
    }
}
