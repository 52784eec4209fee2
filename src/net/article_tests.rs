//! The article's network against its module in PyTorch.

use super::*;
use crate::Schedule;
use crate::show::Show;
use tch::{Device, no_grad_guard};

fn small() -> ArticleUNet {
    UNet::article().channels(3).image_size(16).classes(10).device(Device::Cpu).build().unwrap()
}

/// Weight k of all, in the order of the state dict: a fraction of k^2 modulo a prime; the norms' weights are 1 more.
fn by_formula() -> ArticleUNet {
    let article = small();
    let _guard = no_grad_guard();
    let k = Tensor::arange(article.parameter_count() as i64, (Kind::Int64, Device::Cpu));
    let weights = ((&k * &k).remainder(1_000_003).to_kind(Kind::Double) / 1_000_003.0 - 0.5) * 0.1;
    article.parameters().flat().copy_(&weights);
    for (name, mut weight) in article.parameters().named() {
        if name.ends_with("weight") && weight.dim() == 1 {
            let _ = weight.f_add_scalar_(1.0).unwrap();
        }
    }
    article
}

fn input() -> (Tensor, Levels, Tensor) {
    let x = Tensor::arange(2 * 3 * 256, (Kind::Double, Device::Cpu)).square().sin().view([2, 3, 16, 16]);
    let levels = Levels::new(&Schedule::linear(1_000).unwrap(), [3, 777]).unwrap();
    (x, levels, Tensor::from_slice(&[4i64, -1]))
}

/// Counts of T. Capelle's module in PyTorch.
#[test]
fn it_has_the_articles_parameters_block_by_block() {
    let article = small();
    let expected = [
        ("inc", 38_848),
        ("down1", 328_576),
        ("sa1", 99_584),
        ("down2", 1_246_976),
        ("sa2", 395_776),
        ("down3", 2_427_136),
        ("sa3", 395_776),
        ("bot1", 1_180_672),
        ("bot2", 1_180_672),
        ("up1", 6_228_864),
        ("sa4", 99_584),
        ("up2", 1_566_144),
        ("sa5", 25_216),
        ("up3", 422_720),
        ("sa6", 25_216),
        ("outc", 195),
        ("label_emb", 2_560),
    ];
    assert_eq!(article.inner.summary.parameters(), expected);
    let bundle = article.bundle().unwrap();
    let text = bundle.plain_text();
    assert!(text.starts_with("The article's U-Net for 3 x 16 x 16, 10 classes: 15,664,515 parameters"), "{text}");
    let count = |builder: ArticleUNetBuilder| builder.build().unwrap().parameter_count();
    assert_eq!(count(UNet::article()), 15_661_955);
    assert_eq!(count(UNet::article().channels(1)), 15_660_673);
    assert_eq!(count(UNet::article().channels(1).classes(10)), 15_663_233);
}

/// The expected numbers are those of the module in PyTorch, in float64 (tests/fixtures/article.py): the output for
/// a label and for none, and of every weight's gradient its norm and its product with cos k.
#[test]
fn it_computes_what_pytorch_does() {
    let (outputs, gradients): ([f64; 96], Vec<(&str, f64, f64)>) = include!("../../tests/fixtures/article.in");
    let (x, levels, labels) = input();
    let article = by_formula();
    let out = article.forward(&x, &levels, Some(&labels)).unwrap();
    let picked = out.detach().to_kind(Kind::Double).flatten(0, -1).slice(0, 0, None, 16);
    let expected = Tensor::from_slice(&outputs);
    let error = (picked - &expected).norm().double_value(&[]) / expected.norm().double_value(&[]);
    assert!(error < 1e-4, "outputs: {error}");

    out.mse_loss(&x.to_kind(Kind::Float), tch::Reduction::Mean).backward();
    let named = article.parameters().named();
    assert_eq!(named.len(), gradients.len());
    for ((name, weight), (expected_name, norm, product)) in named.iter().zip(gradients) {
        assert_eq!(name, expected_name);
        let gradient = weight.grad().to_kind(Kind::Double).flatten(0, -1);
        let cosines = Tensor::arange(gradient.numel() as i64, (Kind::Double, Device::Cpu)).cos();
        let values = [gradient.norm(), gradient.dot(&cosines)].map(|value| value.double_value(&[]));
        // |cos k| over n weights is sqrt(n/2): the product's error is that of the gradient times it, at most.
        let bounds = [1e-4 * norm, 1e-4 * norm * (gradient.numel() as f64 / 2.0).sqrt()];
        for ((value, expected), bound) in values.into_iter().zip([norm, product]).zip(bounds) {
            assert!((value - expected).abs() < bound, "{name}: {value} is not {expected}");
        }
    }
}

/// PyTorch's defaults: uniform in +-1/sqrt(fan in), Xavier for the attention's three maps, norms of ones.
#[test]
fn it_starts_as_pytorchs_layers_do() {
    let named = small().parameters().named();
    let largest = |name: &str| {
        let weight = &named.iter().find(|(one, _)| one == name).unwrap().1;
        weight.abs().max().double_value(&[])
    };
    for (name, bound) in [
        ("down3.maxpool_conv.1.double_conv.0.weight", 1.0 / (256.0f64 * 9.0).sqrt()),
        ("down1.emb_layer.1.weight", 1.0 / 16.0),
        ("sa3.mha.in_proj_weight", (6.0f64 / 1_024.0).sqrt()),
        ("sa3.mha.out_proj.weight", 1.0 / 16.0),
        ("up1.emb_layer.1.bias", 1.0 / 16.0),
        ("outc.weight", 1.0 / 8.0),
    ] {
        let most = largest(name);
        assert!(most <= bound && most > 0.95 * bound, "{name}: {most}, bound {bound}");
    }
    assert_eq!((largest("sa3.mha.in_proj_bias"), largest("sa3.mha.out_proj.bias")), (0.0, 0.0));
    assert_eq!((largest("sa3.ln.weight"), largest("inc.double_conv.1.weight")), (1.0, 1.0));
}

#[test]
fn no_label_adds_nothing_and_time_and_label_each_change_the_output() {
    let (x, levels, labels) = input();
    let article = small();
    let out = article.forward(&x, &levels, Some(&labels)).unwrap();
    let plain = article.forward(&x, &levels, None).unwrap();
    let apart = |i: i64| (out.get(i) - plain.get(i)).abs().max().double_value(&[]);
    assert!(apart(0) > 1e-3 && apart(1) < 1e-6, "{} {}", apart(0), apart(1));
    let later = Levels::new(&Schedule::linear(1_000).unwrap(), [4, 777]).unwrap();
    assert_ne!(article.forward(&x, &later, None).unwrap().get(0), plain.get(0));
}

#[test]
fn a_clone_shares_weights_and_a_copy_does_not() {
    let article = small();
    let (clone, copy) = (article.clone(), article.copy().unwrap());
    assert_eq!(copy.parameters().flat(), article.parameters().flat());
    {
        let _guard = no_grad_guard();
        let _ = article.parameters().flat().f_mul_scalar_(0.5).unwrap();
    }
    assert_eq!(clone.parameters().flat(), article.parameters().flat());
    assert_ne!(copy.parameters().flat(), article.parameters().flat());
}

#[test]
fn refusals_name_argument_value_and_rule() {
    let (x, levels, labels) = input();
    let article = small();
    let said = |x: &Tensor, labels: &Tensor| article.forward(x, &levels, Some(labels)).unwrap_err().to_string();
    assert_eq!(said(&x.narrow(2, 0, 8), &labels), "x = [2, 3, 8, 16]: this network takes N x 3 x 16 x 16");
    assert_eq!(said(&x, &(&labels + 6)), "label = 10: the network's classes are 0 to 9, and -1 is no label");
    assert_eq!(said(&x, &labels.get(0).view([1])), "labels = [1]: one for each of the 2 images");
}
