//! What a schedule looks like.

use super::Schedule;
use crate::show::{Bundle, Chart, Figure, Show, digits, grouped};
use crate::{Error, Result};

impl Schedule {
    /// Lays schedules over one another: the image's share of the variance, alpha^2/(alpha^2 + sigma^2), what each step takes
    /// of it, ln SNR and sigma, against time. In a variance-preserving schedule that share is abar. Schedules of one name are
    /// numbered; [`named`](Self::named) tells them apart better.
    ///
    /// # Errors
    /// Fewer than one schedule or more than six.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// Schedule::compare(&[&Schedule::linear(1_000)?, &Schedule::cosine(1_000)?])?.show()?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn compare(schedules: &[&Self]) -> Result<Comparison> {
        if !(1..=6).contains(&schedules.len()) {
            return Err(Error::argument("schedules", schedules.len(), "compare 1 to 6 schedules"));
        }
        let same = |name: &str, among: &[&Self]| among.iter().filter(|other| other.name() == name).count();
        let numbered = |(place, schedule): (usize, &&Self)| match same(schedule.name(), schedules) {
            1 => (*schedule).clone(),
            _ => {
                let number = same(schedule.name(), &schedules[..=place]);
                schedule.named(&format!("{} {number}", schedule.name()))
            }
        };
        Ok(Comparison { schedules: schedules.iter().enumerate().map(numbered).collect() })
    }

    /// A point a level, from the first level to the last; t = 0 is no level.
    pub(crate) fn curve(&self, value: impl Fn(f64) -> f64) -> (Vec<f64>, Vec<f64>) {
        let levels = self.levels();
        (1..=levels).map(|step| step as f64 / levels as f64).map(|t| (t, value(t))).unzip()
    }

    fn facts(&self) -> String {
        let half = match self.half_way() {
            Some(t) => format!("as much noise as image at t = {}", digits(t)),
            None if self.log_snr(1.0) > 0.0 => "more image than noise at every level".into(),
            None => "more noise than image at every level".into(),
        };
        format!("{} schedule, {} levels: {half}", self.name(), grouped(self.levels()))
    }

    /// Where ln SNR is 0, to two places, if it is between the first level and the last.
    fn half_way(&self) -> Option<f64> {
        let crosses = self.log_snr(1.0 / self.levels() as f64) >= 0.0 && self.log_snr(1.0) <= 0.0;
        crosses.then(|| (100.0 * self.time_at(0.0)).round() / 100.0)
    }

    /// The fall of the image's share of the variance over each step, per unit of t.
    fn share_lost(&self) -> (Vec<f64>, Vec<f64>) {
        let step = 1.0 / self.levels() as f64;
        self.curve(|t| (self.image_share((t - step).max(0.0)) - self.image_share(t)) / step)
    }
}

impl Show for Schedule {
    fn bundle(&self) -> Result<Bundle> {
        // Noise that outgrows the image needs another axis; what is left of the image's variance is then all of it.
        let explodes = self.sigma(1.0) > 1.0;
        let mut mix = Chart::new("How much image, how much noise").x_label("time t").y_label("factor").size(375, 230);
        for (name, value) in [("alpha", Self::alpha as fn(&Self, f64) -> f64), ("sigma", Self::sigma)] {
            let (t, y) = self.curve(|t| value(self, t));
            mix = mix.line(name, &t, &y);
        }
        let mix = if explodes {
            mix.log_y()
        } else {
            let (t, kept) = self.curve(|t| self.alpha(t).powi(2));
            let name = if self.chain().is_ok() { "abar = alpha\u{b2}" } else { "alpha\u{b2}" };
            mix.line(name, &t, &kept).y_range(0.0, 1.0)
        };
        let (t, log_snr) = self.curve(|t| self.log_snr(t));
        let snr = Chart::new("Signal to noise").x_label("time t").y_label("ln SNR").line("ln SNR", &t, &log_snr);
        let (t, lost) = self.share_lost();
        let mut below = vec![lost_chart().line("loss of share", &t, &lost).size(375, 200)];
        if let Ok(betas) = self.betas() {
            let (t, _) = self.curve(|_| 0.0);
            let beta =
                Chart::new("Noise that each level adds").x_label("time t").y_label("beta").line("beta", &t, &betas);
            below.push(beta.size(375, 200));
        }
        let rows = [Figure::row([mix, snr.size(375, 230)]), Figure::row(below)];
        Figure::column(rows).title(self.facts()).bundle()
    }
}

/// Schedules laid over one another; [`Schedule::compare`] makes one.
///
/// ```
/// # use noisebook::prelude::*;
/// let comparison = Schedule::compare(&[&Schedule::linear(100)?, &Schedule::cosine(100)?])?;
/// assert!(comparison.bundle()?.plain_text().starts_with("Schedules: linear, cosine"));
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Comparison {
    schedules: Vec<Schedule>,
}

impl Comparison {
    /// Draws how fast the image goes: the fall of its share of the variance, for a chain abar_(t - 1) - abar_t, over each step
    /// from level to level, per unit of t (so times N), that schedules of several N can be laid over one another.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let chart = Schedule::compare(&[&Schedule::linear(100)?, &Schedule::cosine(100)?])?.lost();
    /// assert!(chart.bundle()?.plain_text().starts_with("What each step takes of the image\n"));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn lost(&self) -> Chart {
        self.schedules.iter().fold(lost_chart(), |chart, schedule| {
            let (t, lost) = schedule.share_lost();
            chart.line(schedule.name(), &t, &lost)
        })
    }
}

fn lost_chart() -> Chart {
    Chart::new("What each step takes of the image").x_label("time t").y_label("share lost per unit of t")
}

impl Show for Comparison {
    fn bundle(&self) -> Result<Bundle> {
        let share = "image's share (abar)";
        let mut left = Chart::new("What is left of the image").x_label("time t").y_label(share).y_range(0.0, 1.0);
        let mut snr = Chart::new("Signal to noise").x_label("time t").y_label("ln SNR");
        let mut noise = Chart::new("How much noise").x_label("time t").y_label("sigma").log_y();
        for schedule in &self.schedules {
            let (t, sigmas) = schedule.curve(|t| schedule.sigma(t));
            noise = noise.line(schedule.name(), &t, &sigmas);
            let (t, shares) = schedule.curve(|t| schedule.image_share(t));
            left = left.line(schedule.name(), &t, &shares);
            let (t, log_snr) = schedule.curve(|t| schedule.log_snr(t));
            snr = snr.line(schedule.name(), &t, &log_snr);
        }
        let names: Vec<&str> = self.schedules.iter().map(|schedule| schedule.name()).collect();
        let half = |schedule: &Schedule| schedule.half_way().map_or("no level".to_string(), digits);
        let halves: Vec<String> = self.schedules.iter().map(half).collect();
        let rows = [[left, self.lost()], [snr, noise]].map(|row| Figure::row(row.map(|chart| chart.size(375, 220))));
        let title = format!("Schedules: {}; as much noise as image at t = {}", names.join(", "), halves.join(", "));
        Figure::column(rows).title(title).bundle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exploding_noise_takes_a_logarithmic_axis_and_nothing_is_off_the_picture() {
        for (schedule, scale, line) in [
            (Schedule::edm(100), "factor (logarithmic) against", "sigma: 100 points, from 0.002 to 80"),
            (Schedule::geometric(100), "factor (logarithmic) against", "alpha: 100 points, from 1 to 1"),
            (Schedule::flow(100), "factor against", "alpha\u{b2}: 100 points, from 0.9801 to 0"),
            (Schedule::sigmoid(100), "factor against", "abar = alpha\u{b2}: 100 points"),
        ] {
            let bundle = schedule.unwrap().bundle().unwrap();
            let text = bundle.plain_text();
            assert!(text.contains(scale) && text.contains(line), "{text}");
        }
    }

    /// From betas 1/4 and 1/2 the share falls from 1 to 3/4 to 3/8: over half a unit of t each time.
    #[test]
    fn what_a_step_takes_is_a_difference_of_shares() {
        let own = Schedule::from_betas([0.25, 0.5]).unwrap();
        let text = Schedule::compare(&[&own]).unwrap().lost().bundle().unwrap().plain_text().to_string();
        assert!(text.ends_with("2 points, from 0.5 to 0.75, lowest 0.5, highest 0.75"), "{text}");
    }

    /// abar = sin^2 is 1/2 half way (but for the offset 0.008); alpha = 1 - t and sigma = t are equal at 1/2; sigma = 1 of EDM's.
    #[test]
    fn titles_say_where_noise_and_image_are_equal() {
        let title = |schedule: Result<Schedule>| {
            let text = schedule.unwrap().bundle().unwrap().plain_text().to_string();
            text.lines().next().unwrap().to_string()
        };
        // (1 - 0.002^(1/7))/(80^(1/7) - 0.002^(1/7)) = 0.403.
        assert_eq!(title(Schedule::edm(1_000)), "edm schedule, 1,000 levels: as much noise as image at t = 0.4");
        assert_eq!(title(Schedule::cosine(1_000)), "cosine schedule, 1,000 levels: as much noise as image at t = 0.5");
        assert_eq!(title(Schedule::flow(1_000)), "flow schedule, 1,000 levels: as much noise as image at t = 0.5");
    }

    #[test]
    fn schedules_of_one_name_are_numbered() {
        let own = |last| Schedule::from_betas([0.1, last]).unwrap();
        let (a, b, linear) = (own(0.5), own(0.6), Schedule::linear(100).unwrap());
        let title = |schedules: &[&Schedule]| {
            let text = Schedule::compare(schedules).unwrap().bundle().unwrap().plain_text().to_string();
            text.split(';').next().unwrap().to_string()
        };
        assert_eq!(title(&[&a, &linear, &b]), "Schedules: custom 1, linear, custom 2");
        assert_eq!(title(&[&a.named("a"), &linear, &b]), "Schedules: a, linear, custom");
        assert!(a.named("a").facts().starts_with("a schedule, 2 levels"), "{}", a.named("a").facts());
    }

    #[test]
    fn a_title_says_if_they_are_never_equal() {
        let title = |betas: [f64; 2]| Schedule::from_betas(betas).unwrap().facts();
        // abar = 0.81 at the last level, and 0.1 at the first.
        assert!(title([0.1, 0.1]).ends_with("2 levels: more image than noise at every level"));
        assert!(title([0.9, 0.9]).ends_with("2 levels: more noise than image at every level"));
    }

    /// Of a chain, what each step takes is abar(i - 1) - abar(i), and all together all but abar(N).
    #[test]
    fn losses_add_up() {
        let schedule = Schedule::linear(100).unwrap();
        let (_, lost) = schedule.share_lost();
        let bars = schedule.alpha_bars();
        assert!((lost.iter().sum::<f64>() / 100.0 - (1.0 - bars[99])).abs() < 1e-12);
        assert!((lost[40] / 100.0 - (bars[39] - bars[40])).abs() < 1e-12);
        let said = |schedule: &Schedule| schedule.bundle().unwrap().plain_text().to_string();
        assert!(said(&schedule).contains("\nbeta against time t\nbeta: 100 points"), "{}", said(&schedule));
        assert!(!said(&Schedule::flow(100).unwrap()).contains("beta against"));
    }

    /// EDM keeps all of the image, and it is a share of 1/(1 + 80^2) of what there is.
    #[test]
    fn a_comparison_draws_the_share_of_the_variance() {
        let comparison = Schedule::compare(&[&Schedule::edm(100).unwrap(), &Schedule::cosine(100).unwrap()]).unwrap();
        let bundle = comparison.bundle().unwrap();
        assert!(bundle.plain_text().contains("edm: 100 points, from 1 to 0.0001562"), "{}", bundle.plain_text());
    }
}
