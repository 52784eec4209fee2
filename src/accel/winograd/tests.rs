use super::*;

fn wave(size: &[i64], k: f64) -> Tensor {
    let count: i64 = size.iter().product();
    ((Tensor::arange(count, (Kind::Double, Device::Cpu)).square() * k).sin() * 0.5).to_kind(Kind::Float).view(size)
}

/// x, weight and bias.
fn inputs(count: i64, from: i64, to: i64, height: i64, width: i64) -> [Tensor; 3] {
    [wave(&[count, from, height, width], 0.71), wave(&[to, from, 3, 3], 1.37), wave(&[to], 2.3)]
        .map(|tensor| tensor.set_requires_grad(true))
}

/// By libtorch's own convolution in float64: the result, and the gradients of sum(result weights).
fn expected(inputs: &[Tensor], weights: &Tensor) -> Vec<Tensor> {
    let inputs: Vec<Tensor> =
        inputs.iter().map(|tensor| tensor.detach().to_kind(Kind::Double).set_requires_grad(true)).collect();
    let y = inputs[0].conv2d(&inputs[1], inputs.get(2), 1, 1, 1, 1);
    let mut all = Tensor::run_backward(&[(&y * weights).sum(Kind::Double)], &inputs, false, false);
    all.insert(0, y.detach());
    all
}

fn apart(one: &Tensor, other: &Tensor) -> f64 {
    (one - other).norm().double_value(&[]) / other.norm().double_value(&[])
}

#[test]
fn it_convolves_as_float64_does_forward_and_backward() {
    // One tile row and many; unequal sides; parts of unequal size; the smallest that is taken.
    for (count, from, to, height, width) in
        [(8, 64, 64, 2, 8), (5, 64, 96, 8, 16), (3, 128, 68, 10, 24), (6, 64, 64, 32, 32), (2, 64, 64, 8, 8)]
    {
        for bias in [false, true] {
            let inputs = inputs(count, from, to, height, width);
            let inputs = &inputs[..if bias { 3 } else { 2 }];
            let weights = wave(&[count, to, height, width], 0.37);
            let y = convolve(&inputs[0], &inputs[1], inputs.get(2)).unwrap().unwrap();
            let mut made = Tensor::run_backward(&[(&y * &weights).sum(Kind::Float)], inputs, false, false);
            made.insert(0, y.detach());
            for (made, expected) in made.iter().zip(expected(inputs, &weights)) {
                assert_eq!(made.size(), expected.size());
                let apart = apart(made, &expected);
                assert!(apart < 1e-6, "{from} -> {to}, {height} x {width}: {apart}");
            }
        }
    }
}

#[test]
fn large_weights_are_taken_in_blocks() {
    // 16 x 512 x 128 numbers are 2^20.
    assert_eq!(blocks(300, 512).collect::<Vec<_>>(), [(0, 128), (128, 256), (256, 300)]);
    let inputs = inputs(2, 512, 300, 8, 8);
    let weights = wave(&[2, 300, 8, 8], 0.37);
    let y = convolve(&inputs[0], &inputs[1], inputs.get(2)).unwrap().unwrap();
    let mut made = Tensor::run_backward(&[(&y * &weights).sum(Kind::Float)], &inputs, false, false);
    made.insert(0, y.detach());
    for (made, expected) in made.iter().zip(expected(&inputs, &weights)) {
        assert!(apart(made, &expected) < 1e-6);
    }
}

#[test]
fn the_parts_hold_every_image_once() {
    let [x, weight, _] = inputs(5, 64, 64, 32, 32);
    let parts: Vec<(i64, usize)> = Convolution::new(&x, &weight, None)
        .unwrap()
        .unwrap()
        .parts()
        .map(|(first, part)| (first, part.count))
        .collect();
    // 16 x 128 x 256 numbers an image, of 2^20.
    assert_eq!(parts, [(0, 2), (2, 2), (4, 1)]);
}

/// The same bytes again, and the same from one thread as from two: no thread adds to what another does.
#[test]
fn it_is_the_same_each_time() {
    let [x, weight, bias] = inputs(4, 64, 64, 16, 16);
    let run = || {
        let y = convolve(&x, &weight, Some(&bias)).unwrap().unwrap();
        let made = Tensor::run_backward(&[y.square().sum(Kind::Float)], &[&x, &weight], false, false);
        (y.detach(), made)
    };
    assert_eq!(run(), run());
}

#[test]
fn what_is_frozen_gets_no_gradient_and_gradients_have_gradients() {
    let [x, weight, _] = inputs(2, 64, 64, 8, 8);
    let other = |x: &Tensor, weight: &Tensor| x.conv2d(weight, None::<Tensor>, 1, 1, 1, 1);
    let own = |x: &Tensor, weight: &Tensor| convolve(x, weight, None).unwrap().unwrap();
    // The curvature along a line: d/dw of the slope in x.
    let curve = |convolve: &dyn Fn(&Tensor, &Tensor) -> Tensor| {
        let loss = convolve(&x, &weight).square().sum(Kind::Float);
        let slope = Tensor::run_backward(&[loss], &[&x], true, true).remove(0);
        Tensor::run_backward(&[slope.square().sum(Kind::Float)], &[&x, &weight], false, false)
    };
    for (one, expected) in curve(&own).iter().zip(curve(&other)) {
        assert!(apart(one, &expected) < 1e-5);
    }
    let slope = |x: &Tensor, weight: &Tensor, of: &Tensor| {
        Tensor::run_backward(&[own(x, weight).square().sum(Kind::Float)], &[of], false, false).remove(0)
    };
    let (still, frozen) = (x.detach(), weight.detach());
    assert_eq!(slope(&x, &frozen, &x), slope(&x, &weight, &x));
    assert_eq!(slope(&still, &weight, &weight), slope(&x, &weight, &weight));
    assert!(!own(&still, &frozen).requires_grad());
}

#[test]
fn the_rest_is_left_to_libtorch() {
    let takes = |x: &Tensor, weight: &Tensor| convolve(x, weight, None).unwrap().is_some();
    let [x, weight, _] = inputs(4, 64, 64, 8, 8);
    assert!(takes(&x, &weight));
    for other in [
        x.narrow(0, 0, 1),                                          // too few tiles
        x.narrow(2, 0, 7),                                          // an odd side
        x.to_kind(Kind::Double),                                    // float64
        x.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]), // channels last
        inputs(4, 64, 64, 8, 12)[0].shallow_clone(),                // not by eights
        inputs(4, 32, 64, 8, 8)[0].shallow_clone(),                 // other channels than the weight's
    ] {
        assert!(!takes(&other, &weight), "{other:?}");
    }
    assert!(!takes(&x, &weight.narrow(0, 0, 32)));
    assert!(!takes(&x, &weight.narrow(2, 0, 1)));
}
