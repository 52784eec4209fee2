//! What must hold without training: fifteen groups of closed forms, through the public interface. Their numbers come from
//! tests/fixtures/closed_forms.py (numpy and scipy).

#![allow(clippy::unwrap_used)]

mod densities;
mod losses;
mod process;
mod sampling;

use noisebook::prelude::*;

const FIXTURE: &str = include_str!("../fixtures/closed_forms.in");

/// The numbers of the fixture's lines of this name, a row a line.
fn rows(name: &str) -> Vec<Vec<f64>> {
    let is_named = |line: &&str| line.split(';').next() == Some(name);
    let numbers = |line: &str| line.split([';', ' ']).filter_map(|part| part.parse().ok()).collect();
    let rows: Vec<Vec<f64>> = FIXTURE.lines().filter(is_named).map(numbers).collect();
    assert!(!rows.is_empty(), "no line {name}");
    rows
}

/// Within `tolerance` of `expected`, as a share of it.
fn close(value: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((value - expected).abs() <= tolerance * expected.abs(), "{what}: {value} is not {expected}");
}

/// Within `tolerance` of `expected`.
fn near(value: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((value - expected).abs() <= tolerance, "{what}: {value} is not {expected}");
}

fn linear() -> Schedule {
    Schedule::linear(1_000).unwrap()
}

/// float64 numbers as one row.
fn row(values: &[f64]) -> Tensor {
    Tensor::from_slice(values).view([1, -1])
}

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(tensor.to_kind(Kind::Double).reshape([-1])).unwrap()
}
