//! The U-Net against PyTorch.

use super::*;
use crate::Schedule;
use crate::show::Show;

fn small() -> UNet {
    let builder = UNet::builder().channels(1).image_size(8).base_channels(16).channel_mults([1, 2, 2]);
    builder.blocks(1).attention_at([4]).classes(10).build().unwrap()
}

fn input() -> (Tensor, Levels, Tensor) {
    let x = Tensor::linspace(-1, 1, 3 * 64, (Kind::Float, tch::Device::Cpu)).view([3, 1, 8, 8]);
    let levels = Levels::new(&Schedule::linear(1_000).unwrap(), [0, 400, 999]).unwrap();
    (x, levels, Tensor::from_slice(&[0i64, 9, -1]))
}

/// A network whose zero-initialised layers say something.
fn stirred() -> UNet {
    let unet = small();
    let _guard = tch::no_grad_guard();
    let flat = unet.parameters().flat();
    let stir = Tensor::arange(flat.numel() as i64, (Kind::Float, flat.device())).sin() * 0.1;
    let _ = unet.parameters().flat().f_add_(&stir).unwrap();
    unet
}

#[test]
fn the_summary_counts_every_parameter_once() {
    let unet = small();
    let rows: usize = unet.inner.summary.parameters().iter().map(|(_, count)| count).sum();
    assert_eq!(rows, unet.parameter_count());
    let named: usize = unet.parameters().named().iter().map(|(_, tensor)| tensor.numel()).sum();
    assert_eq!(named, unet.parameter_count());
}

/// The expected numbers are those of an independent network in PyTorch, in float64 (tests/fixtures/unet.py).
#[test]
fn it_computes_what_pytorch_does() {
    let (x, levels, labels) = input();
    let unet = small();
    let count = unet.parameter_count() as i64;
    let k = Tensor::arange(count, (Kind::Double, tch::Device::Cpu));
    {
        let _guard = tch::no_grad_guard();
        unet.parameters().flat().copy_(&((k * 0.7 + 0.1).sin() * 0.3));
    }
    let out = unet.forward(&x, &levels, Some(&labels)).unwrap().to_device(tch::Device::Cpu);
    let expected: [f64; 192] = include!("../../tests/fixtures/unet.in");
    let error = (out.view([-1]) - Tensor::from_slice(&expected)).abs().max().double_value(&[]);
    assert!(error < 2e-5, "{error}");
}

#[test]
fn it_starts_by_predicting_nothing() {
    let (x, levels, labels) = input();
    let out = small().forward(&x, &levels, Some(&labels)).unwrap();
    assert_eq!(out.abs().max().double_value(&[]), 0.0);
}

#[test]
fn time_and_label_each_change_the_output_and_no_label_is_minus_one() {
    let (x, levels, labels) = input();
    let unet = stirred();
    let x = x.get(0).expand([3, 1, 8, 8], false);
    let out = unet.forward(&x, &levels, Some(&labels)).unwrap();
    assert_ne!(out.get(0), out.get(1));
    let unlabelled = unet.forward(&x, &levels, None).unwrap();
    assert_ne!(out.get(0), unlabelled.get(0));
    assert!((out.get(2) - unlabelled.get(2)).abs().max().double_value(&[]) < 1e-5);
}

#[test]
fn a_clone_shares_weights_and_a_copy_does_not() {
    let (x, levels, _) = input();
    let unet = stirred();
    let (clone, copy) = (unet.clone(), unet.copy().unwrap());
    let before = copy.forward(&x, &levels, None).unwrap();
    assert_eq!(before, unet.forward(&x, &levels, None).unwrap());
    {
        let _guard = tch::no_grad_guard();
        let _ = unet.parameters().flat().f_mul_scalar_(0.5).unwrap();
    }
    assert_eq!(clone.forward(&x, &levels, None).unwrap(), unet.forward(&x, &levels, None).unwrap());
    assert_eq!(copy.forward(&x, &levels, None).unwrap(), before);
}

#[test]
fn the_same_seed_gives_the_same_weights() {
    let flat = |seed| UNet::builder().base_channels(8).seed(seed).build().unwrap().parameters().flat();
    assert_eq!(flat(1), flat(1));
    assert_ne!(flat(1), flat(2));
}

#[test]
fn refusals_name_argument_value_and_rule() {
    let (x, levels, labels) = input();
    let unet = small();
    let said = |x: &Tensor, labels: Option<&Tensor>| unet.forward(x, &levels, labels).unwrap_err().to_string();
    assert_eq!(said(&x.view([3, 64]), None), "x = [3, 64]: this network takes N x 1 x 8 x 8");
    assert_eq!(said(&x.narrow(0, 0, 2), None), "levels = 3: one for each of the 2 samples");
    assert_eq!(said(&x, Some(&labels.narrow(0, 0, 1))), "labels = [1]: one for each of the 3 images");
    let unknown = Tensor::from_slice(&[0i64, 9, 10]);
    assert_eq!(said(&x, Some(&unknown)), "label = 10: the network's classes are 0 to 9, and -1 is no label");
    let plain = UNet::builder().channels(1).image_size(8).base_channels(8).build().unwrap();
    assert_eq!(
        plain.forward(&x, &levels, Some(&labels)).unwrap_err().to_string(),
        "labels = Some: this network was built without classes: give None"
    );
}

/// As above, for odd sides and Fourier features (tests/fixtures/unet.py).
#[test]
fn it_computes_what_pytorch_does_at_odd_sizes() {
    let unet = UNet::builder().channels(1).image_size((7, 5)).base_channels(16).channel_mults([1, 2, 2]).blocks(1);
    let unet = unet.attention_at([4]).classes(10).device(tch::Device::Cpu).build().unwrap();
    let k = Tensor::arange(unet.parameter_count() as i64, (Kind::Double, tch::Device::Cpu));
    {
        let _guard = tch::no_grad_guard();
        unet.parameters().flat().copy_(&((k * 0.7 + 0.1).sin() * 0.3));
    }
    let x = Tensor::linspace(-1, 1, 70, (Kind::Float, tch::Device::Cpu)).view([2, 1, 7, 5]);
    let levels = Levels::new(&Schedule::linear(1_000).unwrap(), [400, 999]).unwrap();
    let out = unet.forward(&x, &levels, Some(&Tensor::from_slice(&[9i64, -1]))).unwrap();
    let expected: [f64; 70] = include!("../../tests/fixtures/unet_odd.in");
    let error = (out.view([-1]) - Tensor::from_slice(&expected)).abs().max().double_value(&[]);
    assert!(error < 2e-5, "{error}");
}

#[test]
fn every_size_comes_out_as_it_went_in() {
    for (height, width) in [(28, 28), (9, 9), (1, 7), (8, 5), (13, 30)] {
        let unet = UNet::builder().channels(1).image_size((height, width)).base_channels(8).blocks(1);
        let unet = unet.channel_mults([1, 1, 1, 1]).attention_at([height]).build();
        let x = Tensor::zeros([1, 1, height, width], (Kind::Float, tch::Device::Cpu));
        let levels = Levels::new(&Schedule::linear(10).unwrap(), [3]).unwrap();
        assert_eq!(unet.unwrap().forward(&x, &levels, None).unwrap().size(), [1, 1, height, width]);
    }
}

#[test]
fn dropout_works_in_training_alone_and_by_the_seed() {
    let (x, levels, labels) = input();
    let unet = UNet::builder().channels(1).image_size(8).base_channels(8).classes(10).dropout(0.3).build().unwrap();
    {
        let _guard = tch::no_grad_guard();
        let flat = unet.parameters().flat();
        let stir = Tensor::arange(flat.numel() as i64, (Kind::Float, flat.device())).sin() * 0.1;
        let _ = unet.parameters().flat().f_add_(&stir).unwrap();
    }
    let train = |seed, step| unet.forward_training(&x, &levels, Some(&labels), seed, step).unwrap();
    assert_eq!(train(1, 2), train(1, 2));
    assert_ne!(train(1, 2), train(1, 3));
    assert_ne!(train(1, 2), train(0, 2));
    let still = || unet.forward(&x, &levels, Some(&labels)).unwrap();
    assert_eq!(still(), still());
    assert_ne!(still(), train(1, 2));
}

#[test]
fn the_summary_says_what_is_frozen() {
    let unet = small();
    let text = || unet.bundle().unwrap().plain_text().to_string();
    assert!(!text().contains("training") && !text().contains("frozen"), "{}", text());
    unet.freeze(&["conv_out", "down.0.0.conv1.bias"]).unwrap(); // 16 x 9 weights and a bias; 16
    let text = text();
    let (title, rows) = text.split_once('\n').unwrap();
    assert!(title.ends_with(" parameters, 161 of them frozen"), "{title}");
    assert_eq!(format!("{unet:?}"), title);
    let marked: Vec<(&str, &str)> = rows
        .lines()
        .filter(|line| line.ends_with("frozen"))
        .map(|line| (line.split("  ").next().unwrap(), line.rsplit("  ").next().unwrap()))
        .collect();
    assert_eq!(marked, [("down.0.0", "16 frozen"), ("conv_out", "frozen")], "{text}");
    let html = unet.bundle().unwrap().get("text/html").unwrap().as_str().unwrap().to_string();
    assert_eq!(html.matches(">frozen</td>").count(), 1, "{html}");
}
