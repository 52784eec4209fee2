//! An ODE with steps as long as a tolerance allows: Dormand & Prince 1980, "A family of embedded Runge-Kutta formulae",
//! of order 5 with an error estimate of order 4.

use crate::{Error, Result};
use tch::{Kind, Tensor};

/// dy/dt at a time and a state: tensors as the state's, detached.
pub(crate) type Slope<'a> = dyn FnMut(f64, &[Tensor]) -> Result<Vec<Tensor>> + 'a;

/// The nodes c of the stages after the first. The last stage is at the step's end, where the next step begins.
const NODES: [f64; 6] = [1.0 / 5.0, 3.0 / 10.0, 4.0 / 5.0, 8.0 / 9.0, 1.0, 1.0];

/// Row i: how far stage i + 1 goes along the slopes before it. The last row is the step of order 5.
const STAGES: [[f64; 6]; 6] = [
    [1.0 / 5.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [3.0 / 40.0, 9.0 / 40.0, 0.0, 0.0, 0.0, 0.0],
    [44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0, 0.0, 0.0, 0.0],
    [19_372.0 / 6_561.0, -25_360.0 / 2_187.0, 64_448.0 / 6_561.0, -212.0 / 729.0, 0.0, 0.0],
    [9_017.0 / 3_168.0, -355.0 / 33.0, 46_732.0 / 5_247.0, 49.0 / 176.0, -5_103.0 / 18_656.0, 0.0],
    [35.0 / 384.0, 0.0, 500.0 / 1_113.0, 125.0 / 192.0, -2_187.0 / 6_784.0, 11.0 / 84.0],
];

/// The step of order 5 less that of order 4: what it may be wrong by.
const ERROR: [f64; 7] =
    [71.0 / 57_600.0, 0.0, -71.0 / 16_695.0, 71.0 / 1_920.0, -17_253.0 / 339_200.0, 22.0 / 525.0, -1.0 / 40.0];

/// The way from (t, y) to `end`, one accepted step at a time. The state is any number of float64 tensors whose first
/// dimension is the sample.
///
/// A step is accepted where its error estimate, over atol + rtol |y|, has a root mean square over each sample's elements of at
/// most 1: the worst sample decides, of each tensor by itself.
#[derive(Debug)]
pub(crate) struct DormandPrince {
    t: f64,
    end: f64,
    y: Vec<Tensor>,
    rtol: f64,
    atol: f64,
    /// Signed; None before the first step.
    step: Option<f64>,
    slope: Vec<Tensor>,
    evaluations: usize,
}

/// A step that was accepted; the last ends exactly at `end`.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The state where it ended.
    pub(crate) y: Vec<Tensor>,
    /// Evaluations of dy/dt so far, those of refused steps among them.
    pub(crate) evaluations: usize,
}

impl DormandPrince {
    /// From the state `y` at `start` to `end`, which may lie on either side.
    ///
    /// # Errors
    /// Tolerances outside [1e-12, 1).
    pub(crate) fn new(start: f64, end: f64, y: &[Tensor], (rtol, atol): (f64, f64)) -> Result<Self> {
        for value in [rtol, atol] {
            if !(1e-12..1.0).contains(&value) {
                return Err(Error::argument("tolerance", value, "a tolerance is at least 1e-12 and below 1"));
            }
        }
        let y = y.iter().map(Tensor::shallow_clone).collect();
        Ok(Self { t: start, end, y, rtol, atol, step: None, slope: Vec::new(), evaluations: 0 })
    }

    /// The next step that holds the tolerance; None at the end.
    ///
    /// # Errors
    /// What `f` says; a place where no step is small enough.
    pub(crate) fn step(&mut self, f: &mut Slope) -> Result<Option<Accepted>> {
        if self.t == self.end {
            return Ok(None);
        }
        let mut step = match self.step {
            Some(step) => step,
            None => self.first_step(f)?,
        };
        let mut most = 10.0;
        loop {
            let left = self.end - self.t;
            let last = step.abs() >= left.abs() * (1.0 - 1e-12);
            let h = if last { left } else { step };
            if h.abs() < 1e-14 * self.t.abs().max(self.end.abs()) {
                let rule = format!("at {:.6} no step is small enough: is the denoiser finite there?", self.t);
                return Err(Error::argument("tolerance", self.rtol, rule));
            }
            let (y, slopes) = self.attempt(f, h)?;
            let terms: Vec<(f64, &Vec<Tensor>)> = ERROR.iter().map(|&c| c * h).zip(&slopes).collect();
            let error = self.norm(&combine(None, &terms)?, Some(&y))?;
            let factor = if error.is_finite() { (0.9 * error.powf(-0.2)).clamp(0.2, most) } else { 0.2 };
            step = h * factor;
            if error <= 1.0 {
                self.t = if last { self.end } else { self.t + h };
                self.step = Some(step);
                self.y = y;
                self.slope = slopes.into_iter().next_back().unwrap_or_default();
                return Ok(Some(self.accepted()));
            }
            // After a refusal the next step does not grow.
            most = 1.0;
        }
    }

    /// All steps; the state at the end.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    #[cfg(test)]
    pub(crate) fn integrate(&mut self, f: &mut Slope) -> Result<Accepted> {
        while self.step(f)?.is_some() {}
        Ok(self.accepted())
    }

    fn accepted(&self) -> Accepted {
        let y = self.y.iter().map(Tensor::shallow_clone).collect();
        Accepted { y, evaluations: self.evaluations }
    }

    /// The state after a step of `h`, and the slopes of all seven stages.
    fn attempt(&mut self, f: &mut Slope, h: f64) -> Result<(Vec<Tensor>, Vec<Vec<Tensor>>)> {
        let mut slopes = vec![self.slope.iter().map(Tensor::shallow_clone).collect()];
        let mut y = Vec::new();
        for (node, row) in NODES.iter().zip(STAGES) {
            let terms: Vec<(f64, &Vec<Tensor>)> = row.iter().map(|&a| a * h).zip(&slopes).collect();
            y = combine(Some(&self.y), &terms)?;
            let slope = f(self.t + node * h, &y)?;
            slopes.push(slope);
            self.evaluations += 1;
        }
        Ok((y, slopes))
    }

    /// Hairer, Norsett & Wanner 1993, "Solving Ordinary Differential Equations I", section II.4: one at which an Euler step
    /// would be off by about a hundredth of the tolerance.
    fn first_step(&mut self, f: &mut Slope) -> Result<f64> {
        self.slope = f(self.t, &self.y)?;
        let (size, speed) = (self.norm(&self.y, None)?, self.norm(&self.slope, None)?);
        let guess = if size < 1e-5 || speed < 1e-5 { 1e-6 } else { 0.01 * size / speed };
        let guess = guess.min((self.end - self.t).abs());
        let signed = guess.copysign(self.end - self.t);
        let ahead = f(self.t + signed, &combine(Some(&self.y), &[(signed, &self.slope)])?)?;
        self.evaluations += 2;
        let bend = self.norm(&combine(Some(&ahead), &[(-1.0, &self.slope)])?, None)? / guess;
        let steepest = speed.max(bend);
        let by_bend = if steepest > 1e-15 { (0.01 / steepest).powf(0.2) } else { (guess * 1e-3).max(1e-6) };
        let step = by_bend.min(100.0 * guess).min((self.end - self.t).abs());
        // A slope that is not finite shows in the first step itself.
        Ok(if step.is_finite() { step.copysign(self.end - self.t) } else { signed })
    }

    /// The largest root mean square over a sample of x/(atol + rtol |y|), y the larger of the step's two ends.
    fn norm(&self, x: &[Tensor], end: Option<&[Tensor]>) -> Result<f64> {
        let mut worst = 0.0_f64;
        for (index, (x, y)) in x.iter().zip(&self.y).enumerate() {
            let mut size = y.f_abs()?;
            if let Some(end) = end {
                size = size.f_maximum(&end[index].f_abs()?)?;
            }
            let scaled = x.f_div(&size.f_mul_scalar(self.rtol)?.f_add_scalar(self.atol)?)?;
            let samples =
                scaled.f_square()?.f_reshape([x.size()[0], -1])?.f_mean_dim(&[1i64][..], false, Kind::Double)?;
            let largest = samples.f_max()?.f_double_value(&[])?.sqrt();
            // f64::max would pass over a NaN.
            worst = if largest.is_nan() { f64::INFINITY } else { worst.max(largest) };
        }
        Ok(worst)
    }
}

/// y + sum of c x, tensor by tensor.
fn combine(y: Option<&[Tensor]>, terms: &[(f64, &Vec<Tensor>)]) -> Result<Vec<Tensor>> {
    let count = y.map_or_else(|| terms.first().map_or(0, |(_, x)| x.len()), <[Tensor]>::len);
    let mut sums = Vec::with_capacity(count);
    for index in 0..count {
        let mut sum = y.map(|y| y[index].shallow_clone());
        for (c, x) in terms.iter().filter(|(c, _)| *c != 0.0) {
            let term = x[index].f_mul_scalar(*c)?;
            sum = Some(match sum {
                Some(sum) => sum.f_add(&term)?,
                None => term,
            });
        }
        sums.extend(sum);
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(values: &[f64]) -> Tensor {
        Tensor::from_slice(values).view([-1, 1])
    }

    fn solver(end: f64, y: &Tensor, tolerance: f64) -> DormandPrince {
        DormandPrince::new(0.0, end, &[y.shallow_clone()], (tolerance, tolerance)).unwrap()
    }

    /// Its stability polynomial (Hairer, Norsett & Wanner 1996, section IV.2): one step of y' = z y is
    /// 1 + z + z^2/2 + z^3/6 + z^4/24 + z^5/120 + z^6/600.
    #[test]
    fn one_step_is_its_stability_polynomial() {
        for z in [-0.5, 0.3, 1.0] {
            // Whatever the error: one step goes the whole way.
            let (rtol, atol, step, slope) = (1e9, 1e9, Some(1.0), vec![column(&[z])]);
            let mut solver = DormandPrince { rtol, atol, step, slope, ..solver(1.0, &column(&[1.0]), 0.5) };
            let end = solver.integrate(&mut |_, y| Ok(vec![&y[0] * z])).unwrap();
            let expected =
                1.0 + z * (1.0 + z / 2.0 * (1.0 + z / 3.0 * (1.0 + z / 4.0 * (1.0 + z / 5.0)))) + z.powi(6) / 600.0;
            assert!((end.y[0].double_value(&[0, 0]) - expected).abs() < 1e-14, "{z}");
            assert_eq!((solver.t, end.evaluations), (1.0, 6));
        }
    }

    /// y' = y (1 - y) cos t has ln(y/(1 - y)) = ln(y_0/(1 - y_0)) + sin t; and a second tensor that gathers cos t.
    #[test]
    fn the_error_follows_the_tolerance_either_way() {
        for end in [7.0, -7.0] {
            for tolerance in [1e-4, 1e-7, 1e-10] {
                let start = column(&[0.1, 0.5, 0.9]);
                let state = [start.shallow_clone(), Tensor::zeros([3], (Kind::Double, tch::Device::Cpu))];
                let mut solver = DormandPrince::new(0.0, end, &state, (tolerance, tolerance)).unwrap();
                let found = solver
                    .integrate(&mut |t: f64, y: &[Tensor]| {
                        Ok(vec![(1.0 - &y[0]) * &y[0] * t.cos(), y[1].full_like(t.cos())])
                    })
                    .unwrap();
                let expected = (start.logit(None) + end.sin()).sigmoid();
                let error = (&found.y[0] - expected).abs().max().double_value(&[]);
                assert!(error < 10.0 * tolerance, "{end} {tolerance}: {error}");
                assert!((&found.y[1] - end.sin()).abs().max().double_value(&[]) < 10.0 * tolerance);
                assert_eq!(solver.t, end);
            }
        }
    }

    /// Step for step it is scipy 1.17's RK45, which has the same controller: y' = 3 cos y sin t from 0.3 over 20 units of
    /// time; evaluations, accepted steps and the end as scipy.integrate.solve_ivp has them.
    #[test]
    fn it_takes_the_steps_of_scipy() {
        for (tolerance, evaluations, steps, expected) in [
            (1e-4, 374, 43, 1.325_963_587_979_369_4),
            (1e-7, 1_082, 147, 1.322_300_283_164_149_7),
            (1e-10, 3_470, 538, 1.322_311_767_457_006_8),
        ] {
            let mut solver = solver(20.0, &column(&[0.3]), tolerance);
            let mut taken = 0;
            let mut last = None;
            while let Some(step) = solver.step(&mut |t, y| Ok(vec![y[0].cos() * (3.0 * t.sin())])).unwrap() {
                taken += 1;
                last = Some(step);
            }
            let last = last.unwrap();
            assert_eq!((last.evaluations, taken), (evaluations, steps));
            assert!((last.y[0].double_value(&[0, 0]) - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let said = |tolerances| DormandPrince::new(0.0, 1.0, &[], tolerances).unwrap_err().to_string();
        for (value, shown) in [(-1.0, "-1"), (0.0, "0"), (1e-13, "0.0000000000001"), (1.0, "1"), (f64::NAN, "NaN")] {
            let expected = format!("tolerance = {shown}: a tolerance is at least 1e-12 and below 1");
            assert_eq!(said((value, 0.1)), expected);
            assert_eq!(said((0.1, value)), expected);
        }
        let mut stuck = solver(1.0, &column(&[1.0]), 1e-6);
        let error = stuck.integrate(&mut |_, y| Ok(vec![&y[0] / 0.0])).unwrap_err().to_string();
        assert_eq!(error, "tolerance = 0.000001: at 0.000000 no step is small enough: is the denoiser finite there?");
    }
}
