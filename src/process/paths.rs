//! Random paths of one number through time: what the forward process does to a pixel.

use crate::random::{Stream, check_count, generator};
use crate::show::{Bundle, Chart, Figure, Part, Show, digits, grouped};
use crate::{Error, Result};
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::PI;
use std::rc::Rc;
use tch::Tensor;

/// Steps of a path whose steps are exact.
const STEPS: usize = 150;

/// Paths of one number, x(0), x(dt), x(2 dt) and so on, each with its own randomness. As the value of a cell they draw
/// themselves, with two deviations of their law on both sides of its mean where it is normal, and beside them where they end.
///
/// ```
/// use noisebook::prelude::*;
/// let paths = Paths::brownian(200)?;
/// assert_eq!(paths.values().size(), [200, 151]); // at t = 0, 1/150, ... 1
/// assert!(paths.bundle()?.plain_text().starts_with("Brownian motion: 200 paths of 150 steps\n"));
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone)]
pub struct Paths {
    title: String,
    dt: f64,
    paths: Rc<[Vec<f64>]>,
    law: Law,
    draw: Rc<Draw>,
}

/// What is known of paths beforehand.
#[derive(Clone)]
pub(crate) enum Law {
    /// Normal at each time, with this mean and deviation.
    Normal(Vec<(f64, f64)>),
    /// A density that they end up with, after long enough: xs and the density there.
    Density(Vec<f64>, Vec<f64>),
}

/// `values[path][time]`, from a seed.
type Draw = dyn Fn(u64) -> Result<Vec<Vec<f64>>>;

impl Paths {
    /// Brownian motion, dx = dw from 0: x(t) - x(s) = N(0, t - s), so the variance at t is t. 150 exact steps to t = 1; seed 0.
    ///
    /// # Errors
    /// No paths, or more than 10,000,000.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let ends = Paths::brownian(2_000)?.values().select(1, -1);
    /// assert!((ends.std(true).double_value(&[]) - 1.0).abs() < 0.05);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn brownian(count: usize) -> Result<Self> {
        check_count("count", count)?;
        let dt = 1.0 / STEPS as f64;
        let law = Law::Normal(times(dt, STEPS).iter().map(|t| (0.0, t.sqrt())).collect());
        let draw = move |seed| Ok(chains(count, seed, 0.0, |x, z| x + dt.sqrt() * z));
        Ok(Self::new("Brownian motion", dt, law, draw(0)?, draw))
    }

    /// The Ornstein-Uhlenbeck process, dx = -theta x dt + sigma dw: pulled to 0 it forgets where it began, as a variance-preserving
    /// schedule makes pixels do. x(t + dt) = e^(-theta dt) x(t) + s sqrt(1 - e^(-2 theta dt)) z, with the stationary deviation
    /// s = sigma/sqrt(2 theta); all begin at 3 s. 150 exact steps to t = 4/theta; seed 0.
    ///
    /// # Errors
    /// No paths or more than 10,000,000; `theta` or `sigma` that is not positive and finite.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let ends = Paths::ornstein_uhlenbeck(0.5, 1.0, 2_000)?.values().select(1, -1); // s = 1
    /// assert!((ends.std(true).double_value(&[]) - 1.0).abs() < 0.05);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn ornstein_uhlenbeck(theta: f64, sigma: f64, count: usize) -> Result<Self> {
        for (name, value) in [("theta", theta), ("sigma", sigma)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::argument(name, value, "a positive number"));
            }
        }
        check_count("count", count)?;
        let dt = 4.0 / theta / STEPS as f64;
        let s = sigma / (2.0 * theta).sqrt();
        let spread = move |t: f64| s * (-(-2.0 * theta * t).exp_m1()).sqrt();
        let law = times(dt, STEPS).iter().map(|t| (3.0 * s * (-theta * t).exp(), spread(*t))).collect();
        let law = Law::Normal(law);
        let (kept, fresh) = ((-theta * dt).exp(), spread(dt));
        let title = format!("Ornstein-Uhlenbeck process, theta = {}, sigma = {}", digits(theta), digits(sigma));
        let draw = move |seed| Ok(chains(count, seed, 3.0 * s, |x, z| kept * x + fresh * z));
        Ok(Self::new(title, dt, law, draw(0)?, draw))
    }

    /// Paths with steps of `dt`, what is known of them, and what draws others from a seed.
    pub(crate) fn new(
        title: impl Into<String>,
        dt: f64,
        law: Law,
        paths: Vec<Vec<f64>>,
        draw: impl Fn(u64) -> Result<Vec<Vec<f64>>> + 'static,
    ) -> Self {
        Self { title: title.into(), dt, paths: paths.into(), law, draw: Rc::new(draw) }
    }

    fn steps(&self) -> usize {
        self.paths.first().map_or(0, |path| path.len() - 1)
    }

    /// As many paths of the same law, drawn with another seed.
    ///
    /// # Errors
    /// What a denoiser says whose score they follow.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let paths = Paths::brownian(3)?; // seed 0
    /// assert_eq!(paths.redraw(0)?.values(), paths.values());
    /// assert_ne!(paths.redraw(1)?.values(), paths.values());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn redraw(&self, seed: u64) -> Result<Self> {
        Ok(Self { paths: (self.draw)(seed)?.into(), ..self.clone() })
    }

    /// The times of the values, from 0.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// assert_eq!(Paths::brownian(3)?.times().last(), Some(&1.0));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn times(&self) -> Vec<f64> {
        times(self.dt, self.steps())
    }

    /// The values: paths x times, float64.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// assert_eq!(Paths::brownian(3)?.values().select(1, 0).abs().max().double_value(&[]), 0.0); // they begin at 0
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn values(&self) -> Tensor {
        Tensor::from_slice(&self.paths.concat()).view([self.paths.len() as i64, -1])
    }
}

/// 0, dt, 2 dt and so on.
fn times(dt: f64, steps: usize) -> Vec<f64> {
    (0..=steps).map(|step| dt * step as f64).collect()
}

/// Paths of their own randomness, each a chain of steps x -> `next`(x, standard normal). The first do not depend on how many
/// follow.
fn chains(count: usize, seed: u64, start: f64, next: impl Fn(f64, f64) -> f64) -> Vec<Vec<f64>> {
    let chain = |path: usize| {
        let mut rng = generator(seed, Stream::Paths, path as u64);
        let mut values = vec![start];
        for step in 0..STEPS {
            values.push(next(values[step], StandardNormal.sample(&mut rng)));
        }
        values
    };
    (0..count).map(chain).collect()
}

impl Show for Paths {
    fn bundle(&self) -> Result<Bundle> {
        let times = self.times();
        let mut walks = Chart::new("").x_label("time").y_label("x").size(500, 280);
        walks = walks.lines("paths", &times, &self.paths);
        let ends: Vec<f64> = self.paths.iter().filter_map(|path| path.last().copied()).collect();
        let mut last = Chart::new("").x_label("x at the end").y_label("density").size(240, 280);
        // Few paths fill few bars.
        let bins = ((2.0 * (ends.len() as f64).cbrt()).ceil() as usize).clamp(4, 25);
        last = last.histogram("paths", &ends, bins);
        match &self.law {
            Law::Normal(law) => {
                let band = [-2.0, 2.0].map(|stds| law.iter().map(|(mean, std)| mean + stds * std).collect());
                walks = walks.lines("law", &times, &band);
                let (mean, std) = law.last().copied().unwrap_or((0.0, 1.0));
                let xs: Vec<f64> = (0..=80).map(|i| mean + std * (f64::from(i) / 10.0 - 4.0)).collect();
                let density = |x: &f64| (-((x - mean) / std).powi(2) / 2.0).exp() / (std * (2.0 * PI).sqrt());
                last = last.line("law", &xs, &xs.iter().map(density).collect::<Vec<f64>>());
            }
            Law::Density(xs, density) => last = last.line("law", xs, density),
        }
        let (count, steps) = (grouped(self.paths.len()), grouped(self.steps()));
        let title = format!("{}: {count} paths of {steps} steps", self.title);
        Figure::row([Part::from(walks), Part::from(last)]).title(title).bundle()
    }
}

impl std::fmt::Debug for Paths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} paths of {} steps", self.title, self.paths.len(), self.steps())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    const COUNT: usize = 20_000;

    /// Mean and variance at a step.
    fn moments(paths: &Paths, step: i64) -> (f64, f64) {
        let values = paths.values().select(1, step);
        (values.mean(Kind::Double).double_value(&[]), values.var(true).double_value(&[]))
    }

    /// E x = 0, Var x = t, and increments are independent: Cov(x(1/2), x(1)) = 1/2. Bounds are five standard errors.
    #[test]
    fn brownian_motion_spreads_with_the_root_of_time() {
        let paths = Paths::brownian(COUNT).unwrap();
        for (step, t) in [(15, 0.1), (75, 0.5), (150, 1.0)] {
            let (mean, variance) = moments(&paths, step);
            assert!(mean.abs() < 5.0 * (t / COUNT as f64).sqrt(), "{mean} at {t}");
            assert!((variance / t - 1.0).abs() < 0.05, "{variance} at {t}");
        }
        let (half, whole) = (paths.values().select(1, 75), paths.values().select(1, 150));
        let covariance = (half * whole).mean(Kind::Double).double_value(&[]);
        assert!((covariance - 0.5).abs() < 5.0 * (0.75 / COUNT as f64).sqrt(), "{covariance}");
        assert!((paths.times()[75] - 0.5).abs() < 1e-12);
    }

    /// m(t) = 3 s e^(-theta t), P(t) = s^2 (1 - e^(-2 theta t)).
    #[test]
    fn an_ornstein_uhlenbeck_process_forgets_where_it_began() {
        let (theta, sigma): (f64, f64) = (2.0, 1.5);
        let paths = Paths::ornstein_uhlenbeck(theta, sigma, COUNT).unwrap();
        let s2 = sigma * sigma / (2.0 * theta);
        for step in [10_i64, 40, 150] {
            let t = 2.0 / 150.0 * step as f64;
            let (mean, variance) = moments(&paths, step);
            let expected = (3.0 * s2.sqrt() * (-theta * t).exp(), s2 * (1.0 - (-2.0 * theta * t).exp()));
            assert!((mean - expected.0).abs() < 5.0 * (expected.1 / COUNT as f64).sqrt(), "{mean} {expected:?}");
            assert!((variance / expected.1 - 1.0).abs() < 0.05, "{variance} {expected:?}");
            let Law::Normal(law) = &paths.law else { panic!("a normal law") };
            let (mean, std) = law[step as usize];
            assert!((mean - expected.0).abs() < 1e-12 && (std * std - expected.1).abs() < 1e-12);
        }
    }

    #[test]
    fn they_draw_their_law_and_their_ends() {
        let text = Paths::brownian(100).unwrap().bundle().unwrap().plain_text().to_string();
        assert!(text.contains("\npaths: 60 of 100 lines of 151 points"), "{text}");
        assert!(text.contains("\nlaw: 2 lines of 151 points, lowest -2, highest 2\n"), "{text}");
        assert!(text.contains("\nlaw: 81 points") && text.contains("highest 0.3989"), "{text}");
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        for (count, rule) in [(0, "draw at least 1"), (usize::MAX, "draw at most 10,000,000")] {
            let expected = format!("count = {count}: {rule}");
            assert_eq!(Paths::brownian(count).unwrap_err().to_string(), expected);
            assert_eq!(Paths::ornstein_uhlenbeck(1.0, 1.0, count).unwrap_err().to_string(), expected);
        }
        let said = |theta, sigma| Paths::ornstein_uhlenbeck(theta, sigma, 1).unwrap_err().to_string();
        assert_eq!(said(0.0, 1.0), "theta = 0: a positive number");
        assert_eq!(said(1.0, f64::NAN), "sigma = NaN: a positive number");
    }
}
