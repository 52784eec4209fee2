//! The probability-flow ODE with steps as long as a tolerance allows: Song et al. 2021, "Score-Based Generative Modeling
//! through Stochastic Differential Equations", eq. 13.

use super::dormand_prince::DormandPrince;
use super::rule::{Knob, Knobs, Method, Rule, Step};
use super::sampler::{Sampler, Steps};
use crate::schedule::Spacing;
use crate::{Result, Schedule};
use tch::Tensor;

#[derive(Clone, Copy, Debug)]
struct ProbabilityFlow;

/// As Song et al. 2021, appendix D.4, have it.
const TOLERANCE: f64 = 1e-5;

impl Sampler {
    /// The probability-flow ODE (Song et al. 2021, eq. 13), as exactly as [`tolerance`](Self::tolerance) asks, by the
    /// Runge-Kutta method of Dormand & Prince of order 5 with adaptive steps.
    ///
    /// It goes along a circle: with alpha and sigma scaled to cos(theta) and sin(theta) by sqrt(alpha^2 + sigma^2), and y
    /// the x_t so scaled, dy/dtheta = cos(theta) eps - sin(theta) x_0, which is v (Salimans & Ho 2022, appendix D). That is
    /// finite for every schedule, from pure noise to the first level; from there the last step is predicted x_0.
    ///
    /// The ten steps that one sees are moments of the way, evenly spaced in theta; between them the ODE is solved in as many steps as it
    /// takes, which [`SampleStep::evaluations`](super::SampleStep::evaluations) tells. Predicted x_0 is not held within
    /// [-1, 1] unless [`clip`](Self::clip) says so.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let gaussian = Gaussian::isotropic(0.3, 0.5, &[2], &Schedule::flow(1_000)?)?;
    /// let exact = Sampler::probability_flow().tolerance(1e-8).count(500).sample(&gaussian)?;
    /// assert!((exact.images().mean(Kind::Double).double_value(&[]) - 0.3).abs() < 0.06);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn probability_flow() -> Self {
        Self::new(ProbabilityFlow, Steps::Moments(10))
    }

    /// The error that a step of [`probability_flow`](Self::probability_flow) may make, absolute and relative, in
    /// [1e-12, 1) (default 1e-5). Other samplers have no tolerance.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let sampler = Sampler::probability_flow().tolerance(1e-3); // fewer evaluations, less exact
    /// ```
    #[must_use]
    pub fn tolerance(&self, tolerance: f64) -> Self {
        Self { knobs: Knobs { tolerance: Some(tolerance), ..self.knobs }, ..self.clone() }
    }
}

impl Method for ProbabilityFlow {
    fn name(&self) -> &'static str {
        "probability flow"
    }

    fn constructor(&self) -> &'static str {
        "probability_flow"
    }

    fn about(&self) -> &'static str {
        "dy/d\u{3b8} = cos \u{3b8} \u{3b5} - sin \u{3b8} x\u{2080} by Dormand and Prince, steps as long as the tolerance allows; Song et \
         al. 2021, eq. 13"
    }

    fn rule(&self, knobs: &Knobs) -> Box<dyn Rule> {
        Box::new(Adaptive { tolerance: knobs.tolerance.unwrap_or(TOLERANCE) })
    }

    fn spacing(&self) -> Spacing {
        Spacing::Angle
    }

    fn takes(&self, knob: Knob) -> bool {
        knob == Knob::Tolerance
    }

    fn inverts(&self, _: &Knobs) -> bool {
        true
    }

    fn clips(&self) -> bool {
        false
    }
}

struct Adaptive {
    tolerance: f64,
}

impl Rule for Adaptive {
    fn step(&mut self, step: &Step) -> Result<Tensor> {
        let schedule = step.schedule();
        let first = 1.0 / schedule.levels() as f64;
        let to = if step.s == 0.0 { first } else { step.s };
        let mut x = step.x.shallow_clone();
        if (to - step.t).abs() > 1e-12 {
            let (from, until) = (Angle::at(schedule, step.t), Angle::at(schedule, to));
            let y = x.f_div_scalar(from.scale)?;
            let tolerances = (self.tolerance, self.tolerance);
            let mut solver = DormandPrince::new(from.theta, until.theta, &[y], tolerances)?;
            let mut slope = |theta: f64, y: &[Tensor]| {
                let (t, angle) = Angle::of(schedule, theta);
                let x0 = step.denoise(&y[0].f_mul_scalar(angle.scale)?, t)?;
                Ok(vec![angle.velocity(&y[0], &x0)?])
            };
            while let Some(accepted) = solver.step(&mut slope)? {
                if step.stopped() {
                    return Ok(x);
                }
                x = accepted.y[0].f_mul_scalar(until.scale)?;
            }
        }
        if step.s == 0.0 { step.denoise(&x, first) } else { Ok(x) }
    }
}

/// A level as an angle: alpha = scale cos(theta), sigma = scale sin(theta). It runs from near 0 at the first level to at most
/// a right angle, where nothing is left of the image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Angle {
    pub(crate) theta: f64,
    pub(crate) scale: f64,
}

impl Angle {
    pub(crate) fn at(schedule: &Schedule, t: f64) -> Self {
        let (alpha, sigma) = (schedule.alpha(t), schedule.sigma(t));
        Self { theta: sigma.atan2(alpha), scale: alpha.hypot(sigma) }
    }

    /// The time of an angle from the first level on, and its scale.
    pub(crate) fn of(schedule: &Schedule, theta: f64) -> (f64, Self) {
        let t = schedule.time_at(-2.0 * theta.tan().ln());
        (t, Self { theta, scale: Self::at(schedule, t).scale })
    }

    /// dy/dtheta = cos(theta) eps - sin(theta) x_0, with eps = (y - cos(theta) x_0)/sin(theta).
    pub(crate) fn velocity(&self, y: &Tensor, x0: &Tensor) -> Result<Tensor> {
        Ok(y.f_mul_scalar(self.theta.cos())?.f_sub(x0)?.f_div_scalar(self.theta.sin())?)
    }
}
