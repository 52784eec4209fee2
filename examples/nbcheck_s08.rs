//! x
#![allow(warnings)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
use noisebook::prelude::*;

let (ncsn, ddpm, vp) = (Schedule::geometric_between(1_000, 0.01, 10.0)?, Schedule::linear(1_000)?, Schedule::vp(1_000)?);
let moons = Dataset::moons(500, 0.05)?;
let ideal_ncsn = Ideal::new(&moons, &ncsn)?;
let ideal_ddpm = Ideal::new(&moons, &ddpm)?;
let ideal_vp = Ideal::new(&moons, &vp)?;

;
for (levels, corrections) in [(10, 100), (10, 3), (1, 100)] {
    let drawn = Sampler::annealed_langevin(levels).corrections(corrections).count(200).sample(&ideal_ncsn)?;
    let distance = frechet_distance(&drawn.images(), &moons.images())?.distance;
    println!("{levels} levels, {corrections} updates each: Frechet distance {distance:.4}");
}

;
Sampler::annealed_langevin(10).corrections(3).count(200).sample(&ideal_ncsn)?.trajectory()?

;
let points = ddpm.noise(&moons.images()).at([299])?.images().squeeze_dim(0).narrow(0, 0, 200);
let (alpha, sigma) = (ddpm.alpha(0.3), ddpm.sigma(0.3));
let x0 = ideal_ddpm.denoise(&points, 0.3, None)?;
let by_hand = (&x0 * alpha - &points) / (sigma * sigma);
let difference = (by_hand - ideal_ddpm.score(&points, 0.3, None)?).abs().max().double_value(&[]);
println!("largest difference of the scores: {difference:.1e}");

;
fn euler(model: &dyn Denoiser, noise: &Tensor, steps: usize, end: f64) -> Result<Tensor, noisebook::Error> {
    let (mut x, dt) = (noise.to_kind(Kind::Double), (1.0 - end) / steps as f64);
    for step in 0..steps {
        let t = 1.0 - step as f64 * dt;
        let (f, g) = (model.schedule().drift(t), model.schedule().diffusion(t));
        x = &x - (&x * f - model.score(&x, t, None)? * (0.5 * g * g)) * dt;
    }
    Ok(x)
}

fn apart(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).square().sum_dim_intlist([1].as_slice(), false, Kind::Double).sqrt().mean(Kind::Double).double_value(&[])
}

;
let noise = Sampler::heun(10).count(200).frames(0).sample(&ideal_vp)?.noise();
let reference = Sampler::heun(200).start_from(&noise).sample(&ideal_vp)?.images();
for steps in [100, 200, 400] {
    let x = euler(&ideal_vp, &noise, steps, 0.005)?;
    println!("{steps} steps: {:.4} from Heun's", apart(&ideal_vp.denoise(&x, 0.005, None)?, &reference));
}

;
let bell = Gaussian::isotropic(0.3, 0.5, [2], &vp)?;
let [first, last] = [1.0, 0.1].map(|t| (vp.alpha(t) * 0.5).hypot(vp.sigma(t))); // deviations at both ends
let from_mean = noise.to_kind(Kind::Double) - vp.alpha(1.0) * 0.3;
let exact = from_mean * (last / first) + vp.alpha(0.1) * 0.3;
for steps in [50, 100, 200, 400] {
    println!("{steps} steps on a Gaussian: error {:.6}", apart(&euler(&bell, &noise, steps, 0.1)?, &exact));
}

;
let flow = Schedule::flow(1_000)?;
let (train, circles) = (Dataset::moons(10_000, 0.05)?, Dataset::circles(10_000, 0.05)?);
let bridge = Diffusion::new(&Mlp::builder().build()?, &flow, Prediction::Flow)?.source(&train);
let crossing = Trainer::new(&bridge).steps(1_000).batch_size(256)
    .lr(4e-3).lr_schedule(LearningRate::OneCycle).ema(0.99).fit(&circles)?;

;
let landed = Sampler::euler(50).encode(&crossing.ema()?, &circles.images().narrow(0, 0, 500))?;
let distance = landed.unsqueeze(1) - train.images().narrow(0, 0, 4_000).unsqueeze(0);
let squares = distance.square().sum_dim_intlist([2].as_slice(), false, Kind::Double);
let near = squares.amin([1].as_slice(), false).lt(0.15 * 0.15).to_kind(Kind::Double);
println!("within 0.15 of a moon: {:.1}%", 100.0 * near.mean(Kind::Double).double_value(&[]));
Dataset::new("where circles land", &landed, None, &[])?
;
Ok(())
}
