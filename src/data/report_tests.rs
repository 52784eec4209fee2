//! Data sets with known faults.

use super::Dataset;
use crate::show::Show;
use tch::{Device, Kind, Tensor};

/// 40 images of noise; then number 3 again, number 5 again with other noise of deviation 0.02, one with a NaN, a blank one,
/// and one that is black and white where the others are grey.
fn faulty() -> Dataset {
    tch::manual_seed(1);
    let noise = Tensor::rand([40, 1, 6, 6], (Kind::Float, Device::Cpu)) * 0.5;
    let near = (noise.get(5) + Tensor::randn([1, 6, 6], (Kind::Float, Device::Cpu)) * 0.02).clamp(-1.0, 1.0);
    let broken = noise.get(7).copy();
    let _ = broken.narrow(1, 0, 1).narrow(2, 0, 1).fill_(f64::NAN);
    let far = Tensor::ones([1, 6, 6], (Kind::Float, Device::Cpu)) * -1.0;
    let _ = far.narrow(1, 0, 3).fill_(1.0);
    let more = Tensor::stack(&[noise.get(3), near, broken, noise.get(0) * 0.0 + 0.25, far], 0);
    let labels =
        Tensor::cat(&[Tensor::zeros([40], (Kind::Int64, Device::Cpu)), Tensor::from_slice(&[1i64, 0, 0, -1, 1])], 0);
    Dataset::unchecked("faulty", &Tensor::cat(&[noise, more], 0), Some(&labels), &["a", "b"]).unwrap()
}

#[test]
fn every_fault_is_found() {
    let report = faulty().report().unwrap();
    assert_eq!(
        (report.not_finite(), report.duplicates(), report.near_duplicates()),
        (vec![42], vec![(40, 3)], vec![(41, 5)])
    );
    assert_eq!((report.blank(), report.outliers()), (vec![43], vec![44]));
    assert_eq!(report.class_counts(), [("a".to_string(), 42), ("b".to_string(), 2)]);
    assert_eq!((report.low(), report.high()), (-1.0, 1.0));
    let text = report.bundle().unwrap().plain_text().to_string();
    for line in
        ["samples", "a: 42, b: 2", "40 is 3", "41 is like 5", "without a label", "duplicates with another label"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    let html = report.bundle().unwrap().get("text/html").unwrap().as_str().unwrap().to_string();
    assert!(html.contains("<table") && html.contains("<img alt=\""));
}

#[test]
fn means_and_deviations_are_those_of_the_numbers() {
    // numpy.mean and numpy.std of the eight.
    let numbers = Tensor::from_slice(&[0.5f32, -0.25, 1.0, -1.0, 0.125, 0.75, -0.5, 0.0]);
    let report = Dataset::new("eight", &numbers.view([2, 1, 2, 2]), None, &[]).unwrap().report().unwrap();
    assert!((report.mean() - 0.078_125).abs() < 1e-9 && (report.std() - 0.621_670_821).abs() < 1e-8);
}

#[test]
fn cleaning_says_what_goes_before_it_goes() {
    let faulty = faulty();
    let cleaning = faulty.clean().unwrap();
    assert_eq!(cleaning.removed(), [40, 41, 42]);
    let text = format!("{cleaning:?}");
    assert!(text.starts_with("faulty: apply() would remove 3 of 45; nothing is removed yet\n"), "{text}");
    let cleaned = cleaning.apply().unwrap();
    assert_eq!((cleaned.name(), cleaned.len(), faulty.len()), ("faulty (cleaned)", 42, 45));
    assert_eq!(cleaned.image(40).unwrap(), faulty.image(43).unwrap());
    assert_eq!(cleaning.clone().keep_near_duplicates().removed(), [40, 42]);
    assert_eq!(cleaning.clone().blank().outliers().removed(), [40, 41, 42, 43, 44]);
    let again = cleaned.clean().unwrap();
    assert!(again.removed().is_empty());
    assert!(format!("{again:?}").starts_with("faulty (cleaned): nothing to remove\n"));
    let nothing = Tensor::from_slice(&[f32::NAN]).view([1, 1]);
    let error = Dataset::unchecked("nothing", &nothing, None, &[]).unwrap().clean().unwrap().apply().unwrap_err();
    assert_eq!(error.to_string(), "data set = nothing: nothing of it would be left: keep some of it");
}
