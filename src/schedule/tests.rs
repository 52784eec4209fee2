//! Schedules against numbers from elsewhere.

use super::*;

fn close(value: f64, expected: f64, relative: f64) {
    assert!((value / expected - 1.0).abs() < relative, "{value} is not {expected}");
}

// The expected numbers are closed forms, computed outside in float64 (numpy cumprod).
#[test]
fn linear_is_that_of_ddpm() {
    let schedule = Schedule::linear(1_000).unwrap();
    let betas = schedule.betas().unwrap();
    assert_eq!((betas[0], betas[999]), (1e-4, 0.02));
    close(schedule.alpha_bars()[999], 4.0358e-5, 1e-4);
    close(schedule.sigma(0.001) / schedule.alpha(0.001), 0.010_000_5, 1e-6);
    close(schedule.sigma(1.0) / schedule.alpha(1.0), 157.407, 1e-5);
}

#[test]
fn cosine_is_that_of_improved_ddpm() {
    let schedule = Schedule::cosine(1_000).unwrap();
    close(schedule.alpha_bars()[499], 0.493_84, 1e-5);
    close(schedule.alpha_bars()[999], 2.43e-9, 1e-2);
    assert_eq!(schedule.betas().unwrap()[999], 0.999);
}

#[test]
fn chains_preserve_the_variance_and_keep_their_alpha_bars() {
    for schedule in all(37).into_iter().filter(|schedule| schedule.betas().is_ok()) {
        let (betas, alpha_bars) = (schedule.betas().unwrap(), schedule.alpha_bars());
        let mut product = 1.0;
        for (level, (beta, alpha_bar)) in betas.into_iter().zip(alpha_bars).enumerate() {
            product *= 1.0 - beta;
            assert!((product - alpha_bar).abs() < 1e-12);
            let (alpha, sigma) =
                (schedule.alpha(schedule.time(level).unwrap()), schedule.sigma((level + 1) as f64 / 37.0));
            assert!((alpha * alpha - alpha_bar).abs() < 1e-12 && (sigma * sigma + alpha_bar - 1.0).abs() < 1e-12);
        }
    }
}

/// Closed form 14, for betas that are round numbers: sqrt(abar) = 0.8, 0.4 becomes 0.8, 0.
#[test]
fn zero_terminal_snr_keeps_the_first_level_and_ends_at_nothing() {
    let own = Schedule::from_betas([0.36, 0.75]).unwrap().zero_terminal_snr().unwrap();
    close(own.alpha(0.5), 0.8, 1e-12);
    assert_eq!((own.alpha(1.0), own.sigma(1.0), own.log_snr(1.0)), (0.0, 1.0, f64::NEG_INFINITY));
    close(own.alpha(0.75), 0.4, 1e-12); // straight to 0, where ln abar has no line
    let linear = Schedule::linear(1_000).unwrap();
    let zero = linear.zero_terminal_snr().unwrap();
    close(zero.sigma(0.001), linear.sigma(0.001), 1e-9);
    let again = zero.zero_terminal_snr().unwrap();
    assert_eq!((again.name(), again.alpha_bars()), ("zero-terminal linear", zero.alpha_bars()));
    assert!(Schedule::from_betas(zero.betas().unwrap()).is_ok());
}

/// Closed forms 12 and 13.
#[test]
fn sub_vp_and_flow_are_their_formulas() {
    let (sub_vp, flow) = (Schedule::sub_vp(10).unwrap(), Schedule::flow(10).unwrap());
    // B(0.5) = 0.05 + 2.4875; the variance-preserving sigma is the root.
    close(sub_vp.sigma(0.5), 1.0 - (-2.537_5_f64).exp(), 1e-12);
    close(sub_vp.alpha(0.5), (-1.268_75_f64).exp(), 1e-12);
    close(Schedule::vp(10).unwrap().sigma(0.5), (1.0 - (-2.537_5_f64).exp()).sqrt(), 1e-12);
    close(flow.sigma(0.3) / flow.alpha(0.3), 3.0 / 7.0, 1e-12);
    assert_eq!((flow.alpha(1.0), flow.log_snr(1.0)), (0.0, f64::NEG_INFINITY));
}

#[test]
fn other_level_counts_end_in_noise_too() {
    for levels in [50, 200, 4_000] {
        assert!(Schedule::linear(levels).unwrap().alpha_bars()[levels - 1] < 1e-4);
    }
}

#[test]
fn refusals_name_argument_value_and_rule() {
    assert_eq!(Schedule::linear(1).unwrap_err().to_string(), "levels = 1: a schedule needs at least 2 levels");
    let most = Schedule::linear(usize::MAX).unwrap_err().to_string();
    assert_eq!(most, format!("levels = {}: a schedule has at most 1,000,000 levels", usize::MAX));
    assert_eq!(Schedule::cosine(0).unwrap_err().to_string(), "levels = 0: a schedule needs at least 2 levels");
    for make in [Schedule::sigmoid, Schedule::geometric, Schedule::vp, Schedule::sub_vp, Schedule::edm, Schedule::flow]
    {
        assert_eq!(make(1).unwrap_err().to_string(), "levels = 1: a schedule needs at least 2 levels");
    }
    let error = Schedule::linear(10).unwrap().time(10).unwrap_err();
    assert_eq!(error.to_string(), "level = 10: levels run from 0 to 9");
}

#[test]
fn what_is_no_chain_says_why_it_has_no_betas() {
    let exploding =
        "variance exploding: it adds noise and keeps all of the image, so it has no betas; see alpha(t) and sigma(t)";
    let flow = "alpha + sigma = 1, not alpha^2 + sigma^2 = 1, so it is no chain with betas; see alpha(t) and sigma(t)";
    let sub_vp =
        "its sigma is 1 - alpha^2, not the sqrt(1 - abar) of a chain, so it has no betas; see alpha(t) and sigma(t)";
    for (schedule, why) in [
        (Schedule::geometric(10), format!("schedule = geometric: {exploding}")),
        (Schedule::edm(10), format!("schedule = edm: {exploding}")),
        (Schedule::sub_vp(10), format!("schedule = sub_vp: {sub_vp}")),
        (Schedule::flow(10), format!("schedule = flow: {flow}")),
    ] {
        let schedule = schedule.unwrap();
        assert_eq!(schedule.betas().unwrap_err().to_string(), why);
        assert_eq!(schedule.alpha_bars()[4], schedule.alpha(0.5).powi(2));
        assert_eq!(schedule.zero_terminal_snr().unwrap_err().to_string(), why);
    }
}
