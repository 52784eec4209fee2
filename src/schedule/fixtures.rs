//! The schedules beside those of other libraries, at every level, in float64: tests/fixtures/schedules.py.

use super::{Schedule, Spacing};
use crate::Result;

const FIXTURE: &str = include_str!("../../tests/fixtures/schedules.in");

/// One of every kind, in the order of the fixture.
pub(crate) fn all(levels: usize) -> Vec<Schedule> {
    let linear = Schedule::linear(levels);
    let zero = [Schedule::linear(levels), Schedule::cosine(levels)].map(|one| one.unwrap().zero_terminal_snr());
    let chains = [linear, Schedule::cosine(levels), Schedule::sigmoid(levels)].into_iter().chain(zero);
    let sdes = [Schedule::geometric(levels), Schedule::vp(levels), Schedule::sub_vp(levels)];
    chains.chain(sdes).chain([Schedule::edm(levels), Schedule::flow(levels)]).map(Result::unwrap).collect()
}

/// A line's name and its columns of numbers.
fn row(line: &str) -> (&str, Vec<Vec<f64>>) {
    let mut parts = line.split(';');
    let name = parts.next().unwrap();
    (name, parts.map(|column| column.split(' ').map(|number| number.parse().unwrap()).collect()).collect())
}

fn close(value: f64, expected: f64, relative: f64, what: &str) {
    assert!((value / expected - 1.0).abs() < relative, "{what}: {value} is not {expected}");
}

#[test]
fn they_are_those_of_other_libraries() {
    let schedules = all(1_000);
    assert_eq!(FIXTURE.lines().count(), schedules.len() + 1);
    for (line, schedule) in FIXTURE.lines().zip(schedules) {
        let (name, columns) = row(line);
        assert_eq!((schedule.name(), columns[0].len(), columns[1].len()), (name, 1_000, 1_000));
        for (level, (alpha, sigma)) in columns[0].iter().zip(&columns[1]).enumerate() {
            let t = schedule.time(level).unwrap();
            let what = format!("{name} {level}");
            assert!((schedule.alpha(t).powi(2) - alpha * alpha).abs() < 1e-6, "{what}: {}", schedule.alpha(t));
            close(schedule.sigma(t), *sigma, 1e-4, &what);
            let (log_snr, expected) = (schedule.log_snr(t), 2.0 * (alpha / sigma).ln());
            // ln SNR passes through 0, where no number has a relative error.
            let near = (log_snr - expected).abs() <= 1e-4 * expected.abs().max(0.1);
            assert!(near || log_snr == expected, "{what}: {log_snr} is not {expected}");
        }
    }
}

#[test]
fn spacings_are_those_of_other_libraries() {
    let (_, columns) = row(FIXTURE.lines().last().unwrap());
    let linear = Schedule::linear(1_000).unwrap();
    assert_eq!(Spacing::Trailing.times(&linear, 7).unwrap()[..7], columns[0]);
    assert_eq!(Spacing::Leading.times(&linear, 7).unwrap()[..7], columns[1]);
    let times = Spacing::Karras { rho: 7.0 }.times(&linear, 10).unwrap();
    assert_eq!((times.len(), columns[2].len()), (11, 10));
    times
        .iter()
        .zip(&columns[2])
        .for_each(|(&t, &ratio)| close(linear.sigma(t) / linear.alpha(t), ratio, 1e-6, "Karras"));
}

#[test]
fn continuous_time_meets_the_levels() {
    for schedule in all(37) {
        assert_eq!((schedule.alpha(0.0), schedule.sigma(0.0), schedule.log_snr(0.0)), (1.0, 0.0, f64::INFINITY));
        for t in (1..37).map(|i| f64::from(i) / 37.0) {
            // From either side, and as the three say of one another.
            for aside in [-1e-10, 1e-10] {
                assert!((schedule.alpha(t + aside) - schedule.alpha(t)).abs() < 1e-6, "{schedule:?} {t}");
                close(schedule.sigma(t + aside), schedule.sigma(t), 1e-6, "aside");
            }
            let expected = 2.0 * (schedule.alpha(t) / schedule.sigma(t)).ln();
            assert!((schedule.log_snr(t) - expected).abs() < 1e-9, "{schedule:?} {t}");
        }
        let falls = |i: u32| schedule.log_snr(f64::from(i) / 1e3) < schedule.log_snr(f64::from(i - 1) / 1e3);
        assert!((1..=972).all(falls), "{schedule:?}"); // at most to the last level but one: some end at minus infinity
    }
}
