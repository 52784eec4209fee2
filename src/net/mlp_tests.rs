//! The network for points against its equations, by hand.

use super::*;
use crate::Schedule;
use crate::net::TimeEmbedding;
use crate::show::Show;
use tch::{Device, no_grad_guard};

fn small() -> Mlp {
    Mlp::builder().hidden(16).layers(2).classes(3).device(Device::Cpu).build().unwrap()
}

/// A network whose zero-initialised layers say something.
fn stirred() -> Mlp {
    let mlp = small();
    let _guard = no_grad_guard();
    let mut flat = mlp.parameters().flat();
    let _ = flat.f_add_(&(Tensor::arange(flat.numel() as i64, (Kind::Float, Device::Cpu)).sin() * 0.1)).unwrap();
    mlp
}

fn input() -> (Tensor, Levels, Tensor) {
    let x = Tensor::from_slice(&[0.3, -0.7, 1.1, 0.2, -2.0, 0.5]).view([3, 2]);
    let levels = Levels::new(&Schedule::cosine(1_000).unwrap(), [0, 400, 999]).unwrap();
    (x, levels, Tensor::from_slice(&[0i64, 2, -1]))
}

#[test]
fn its_debug_is_a_line() {
    let line = "Multilayer perceptron for points in 2 dimensions, 3 classes: 3,634 parameters";
    assert_eq!(format!("{:?}", small()), line);
    let one = Mlp::builder().dims(1).classes(1).build().unwrap();
    assert!(format!("{one:?}").starts_with("Multilayer perceptron for points in 1 dimension, 1 class: "), "{one:?}");
}

/// By hand: time (64 + 1) 16 + (16 + 1) 16, classes 4 x 16, first (2 + 1) 16, blocks 2 (17 x 16 + 17 x 32 + 17 x 16),
/// last 17 x 2.
#[test]
fn it_counts_its_parameters_layer_by_layer() {
    let mlp = small();
    let expected = [
        ("time.0", 1_040),
        ("time.1", 272),
        ("classes", 64),
        ("first", 48),
        ("blocks.0", 1_088),
        ("blocks.1", 1_088),
        ("last", 34),
    ];
    assert_eq!(mlp.inner.summary.parameters(), expected);
    assert_eq!(mlp.parameter_count(), 3_634);
}

#[test]
fn it_draws_its_layers() {
    let bundle = small().bundle().unwrap();
    let text = bundle.plain_text();
    assert!(
        text.starts_with("Multilayer perceptron for points in 2 dimensions, 3 classes: 3,634 parameters"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 2 + 7);
}

#[test]
fn it_starts_by_predicting_nothing() {
    let (x, levels, labels) = input();
    assert_eq!(small().forward(&x, &levels, Some(&labels)).unwrap(), Tensor::zeros_like(&x).to_kind(Kind::Float));
}

/// One block of two units, in plain numbers: the equation of the type's doc.
#[test]
fn it_computes_its_equation() {
    let mlp = Mlp::builder().dims(1).hidden(2).layers(1).device(Device::Cpu).build().unwrap();
    {
        let _guard = no_grad_guard();
        let mut flat = mlp.parameters().flat();
        let k = Tensor::arange(flat.numel() as i64, (Kind::Double, Device::Cpu));
        flat.copy_(&(k * 0.7 + 0.1).sin());
    }
    let levels = Levels::at(&Schedule::cosine(1_000).unwrap(), 0.25, 1).unwrap();
    let out = mlp.forward(&Tensor::from_slice(&[0.8]).view([1, 1]), &levels, None).unwrap();

    let named = mlp.parameters().named();
    let silu = |x: &Vec<f64>| -> Vec<f64> { x.iter().map(|x| x / (1.0 + (-x).exp())).collect() };
    let linear = |name: &str, x: &[f64]| -> Vec<f64> {
        let of = |part: &str| {
            let wanted = format!("{name}.{part}");
            let weight = &named.iter().find(|(name, _)| *name == wanted).unwrap().1;
            Vec::<f64>::try_from(weight.to_kind(Kind::Double).flatten(0, -1)).unwrap()
        };
        let rows = of("weight");
        let products = rows.chunks(x.len()).map(|row| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>());
        products.zip(of("bias")).map(|(sum, bias)| sum + bias).collect()
    };
    let angles: Vec<f64> = (0..32).map(|i| 250.0 * 10_000f64.powf(-f64::from(i) / 32.0)).collect();
    let time: Vec<f64> = angles.iter().map(|a| a.sin()).chain(angles.iter().map(|a| a.cos())).collect();
    let e = silu(&linear("time.1", &silu(&linear("time.0", &time))));
    let h = linear("first", &[0.8]);
    let (a, m) = (linear("blocks.0.first", &silu(&h)), linear("blocks.0.modulation", &e));
    let inner = (0..2).map(|i| (1.0 + m[i]) * a[i] + m[2 + i]).collect();
    let b = linear("blocks.0.last", &silu(&inner));
    let expected = linear("last", &silu(&vec![h[0] + b[0], h[1] + b[1]]))[0];
    assert!((out.double_value(&[0, 0]) - expected).abs() < 1e-5, "{out:?} is not {expected}");
}

#[test]
fn dropout_works_in_training_alone_and_by_the_seed() {
    let (x, levels, labels) = input();
    let plain = stirred();
    let mlp = Mlp::builder().hidden(16).layers(2).classes(3).dropout(0.3).device(Device::Cpu).build().unwrap();
    mlp.parameters().copy_from(plain.parameters()).unwrap();
    let train = |seed, step| mlp.forward_training(&x, &levels, Some(&labels), seed, step).unwrap();
    assert_eq!(train(1, 2), train(1, 2));
    assert_ne!(train(1, 2), train(1, 3));
    assert_ne!(train(1, 2), train(0, 2));
    let still = mlp.forward(&x, &levels, Some(&labels)).unwrap();
    assert_eq!(still, plain.forward(&x, &levels, Some(&labels)).unwrap());
    assert_ne!(still, train(1, 2));
}

/// The first layer of time sees the waves of `time.rs`, whose numbers are tested there.
#[test]
fn fourier_features_change_what_it_hears_of_the_time() {
    let (x, levels, _) = input();
    let make = |embedding| {
        let mlp = Mlp::builder().hidden(16).layers(2).classes(3).time_embedding(embedding).device(Device::Cpu);
        let mlp = mlp.build().unwrap();
        mlp.parameters().copy_from(stirred().parameters()).unwrap();
        mlp
    };
    let out = |mlp: &Mlp| mlp.forward(&x, &levels, None).unwrap();
    let (sines, fourier) = (make(TimeEmbedding::Sinusoidal), make(TimeEmbedding::fourier()));
    assert_eq!(out(&sines), out(&stirred()));
    assert_ne!(out(&sines), out(&fourier));
    assert_eq!(out(&fourier.copy().unwrap()), out(&fourier));
}

#[test]
fn the_gradient_flows_to_the_points() {
    let (x, levels, labels) = input();
    let (mlp, x) = (stirred(), x.set_requires_grad(true));
    mlp.forward(&x, &levels, Some(&labels)).unwrap().sum(Kind::Float).backward();
    let slope = x.grad().double_value(&[1, 0]);
    let at = |h: f64| {
        let _guard = no_grad_guard();
        let step = Tensor::from_slice(&[0.0, 0.0, h, 0.0, 0.0, 0.0]).view([3, 2]);
        mlp.forward(&(&x + step), &levels, Some(&labels)).unwrap().sum(Kind::Double).double_value(&[])
    };
    let difference = (at(0.01) - at(-0.01)) / 0.02;
    assert!(slope != 0.0 && (slope - difference).abs() < 1e-3 * slope.abs().max(0.1), "{slope} is not {difference}");
}

#[test]
fn time_and_label_each_change_the_output_and_no_label_is_minus_one() {
    let (x, levels, labels) = input();
    let mlp = stirred();
    let x = x.narrow(0, 0, 1).expand([3, 2], false);
    let out = mlp.forward(&x, &levels, Some(&labels)).unwrap();
    let unlabelled = mlp.forward(&x, &levels, None).unwrap();
    assert_ne!(out.get(0), unlabelled.get(0));
    assert_ne!(unlabelled.get(0), unlabelled.get(1));
    assert!((out.get(2) - unlabelled.get(2)).abs().max().double_value(&[]) < 1e-6);
}

#[test]
fn a_clone_shares_weights_and_a_copy_does_not() {
    let mlp = stirred();
    let (clone, copy) = (mlp.clone(), mlp.copy().unwrap());
    assert_eq!(copy.parameters().flat(), mlp.parameters().flat());
    {
        let _guard = no_grad_guard();
        let _ = mlp.parameters().flat().f_mul_scalar_(0.5).unwrap();
    }
    assert_eq!(clone.parameters().flat(), mlp.parameters().flat());
    assert_ne!(copy.parameters().flat(), mlp.parameters().flat());
}

#[test]
fn refusals_name_argument_value_and_rule() {
    let (x, levels, labels) = input();
    let mlp = small();
    let said = |x: &Tensor, labels: &Tensor| mlp.forward(x, &levels, Some(labels)).unwrap_err().to_string();
    assert_eq!(said(&x.view([2, 3]), &labels), "x = [2, 3]: this network takes N x 2");
    assert_eq!(said(&x.narrow(0, 0, 2), &labels), "levels = 3: one for each of the 2 samples");
    assert_eq!(said(&x, &(labels + 1)), "label = 3: the network's classes are 0 to 2, and -1 is no label");
}
