//! Numbers of the closed forms from numpy and scipy: tests/fixtures/closed_forms.py.

const FIXTURE: &str = include_str!("../../tests/fixtures/closed_forms.in");

/// The numbers of a line.
pub(super) fn numbers(name: &str) -> Vec<f64> {
    let line = FIXTURE.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(';')).unwrap();
    line.split(' ').map(|number| number.parse().unwrap()).collect()
}
