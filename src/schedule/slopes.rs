//! Drift and diffusion beside the curves whose slopes they are.

use super::{Schedule, all};

const LEVELS: usize = 37;

fn close(value: f64, expected: f64, relative: f64, what: &str) {
    assert!((value - expected).abs() <= relative * expected.abs().max(1e-9), "{what}: {value} is not {expected}");
}

/// m and P of dx = f x dt + g dw from one time to another, by the classical Runge-Kutta method.
fn moments(schedule: &Schedule, (m, p): (f64, f64), from: f64, to: f64) -> (f64, f64) {
    let (parts, mut state) = (200, [m, p]);
    let h = (to - from) / f64::from(parts);
    // Slopes may jump at a level: a stage at the start of a step means that step's.
    let slope = |t: f64, [m, p]: [f64; 2]| {
        let t = t.max(from + 1e-6 * (to - from));
        let (f, g) = (schedule.drift(t), schedule.diffusion(t));
        [f * m, 2.0 * f * p + g * g]
    };
    let moved = |y: [f64; 2], k: [f64; 2], h: f64| [y[0] + h * k[0], y[1] + h * k[1]];
    for k in 0..parts {
        let t = from + f64::from(k) * h;
        let a = slope(t, state);
        let b = slope(t + 0.5 * h, moved(state, a, 0.5 * h));
        let c = slope(t + 0.5 * h, moved(state, b, 0.5 * h));
        let d = slope(t + h, moved(state, c, h));
        for (y, (a, (b, (c, d)))) in state.iter_mut().zip(a.into_iter().zip(b.into_iter().zip(c.into_iter().zip(d)))) {
            *y += h / 6.0 * (a + 2.0 * b + 2.0 * c + d);
        }
    }
    (state[0], state[1])
}

/// Closed form 12: m' = f m and P' = 2 f P + g^2 give alpha and sigma^2 back, from the data on.
#[test]
fn the_moments_of_the_sde_are_the_marginals() {
    for schedule in all(LEVELS) {
        let mut state = (1.0, 0.0);
        // Some end at an infinite slope: the last step is taken to its middle.
        let times = (0..LEVELS).map(|i| i as f64).chain([LEVELS as f64 - 0.5]).map(|step| step / LEVELS as f64);
        for (from, to) in times.clone().zip(times.skip(1)) {
            state = moments(&schedule, state, from, to);
            let what = format!("{schedule:?} {to}");
            close(state.0, schedule.alpha(to), 1e-5, &what);
            close(state.1, schedule.sigma(to).powi(2), 1e-5, &what);
        }
    }
}

#[test]
fn they_are_the_slopes_of_the_curves() {
    for schedule in all(LEVELS) {
        for t in [0.004, 0.1, 0.35, 0.5, 0.77, 0.98, 0.999] {
            let h = 1e-6;
            let slope = |value: &dyn Fn(f64) -> f64| (value(t + h) - value(t - h)) / (2.0 * h);
            let what = format!("{schedule:?} {t}");
            close(schedule.drift(t), slope(&|t| schedule.alpha(t).ln()), 1e-5, &what);
            let square = -schedule.sigma(t).powi(2) * slope(&|t| schedule.log_snr(t));
            close(schedule.diffusion(t).powi(2), square, 1e-5, &what);
        }
    }
}

/// By hand: at a level, the step that leads there; at t = 0, the first one; infinite where nothing is left.
#[test]
fn at_a_level_they_are_those_of_its_step() {
    let own = Schedule::from_betas([0.1, 0.2, 0.5]).unwrap();
    for (t, beta) in [(0.0, 0.1), (1.0 / 3.0, 0.1), (0.34, 0.2), (2.0 / 3.0, 0.2), (1.0, 0.5)] {
        let rate = -3.0 * f64::ln(1.0 - beta);
        close(own.drift(t), -0.5 * rate, 1e-12, "drift");
        close(own.diffusion(t), rate.sqrt(), 1e-12, "diffusion");
    }
    // sigma = 1, 2, 3 at thirds: below the first level the variance is 3 t, between the others sigma = 3 t.
    let edm = Schedule::edm_between(3, 1.0, 3.0, 1.0).unwrap();
    for (t, square) in [(0.0, 3.0), (1.0 / 3.0, 3.0), (0.5, 9.0), (1.0, 18.0)] {
        assert_eq!(edm.drift(t), 0.0);
        close(edm.diffusion(t).powi(2), square, 1e-12, "diffusion");
    }
    let zero = Schedule::from_betas([0.36, 1.0]).unwrap();
    close(zero.drift(0.75), -2.0 / 0.5, 1e-12, "alpha runs straight to 0");
    for schedule in [zero, Schedule::flow(10).unwrap()] {
        assert_eq!((schedule.drift(1.0), schedule.diffusion(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
    }
}
