//! The forward process step by step: the Markov chain x_t = a x_s + b z from level to level, Ho et al. 2020, eq. 2.

use super::noise::{Strip, check};
use crate::random::{Stream, generator, normal};
use crate::show::interrupted;
use crate::{Error, Result, Schedule};
use std::rc::Rc;
use tch::Tensor;

impl Schedule {
    /// Noises `image` (C x H x W), a batch of images (N x C x H x W) or a set of points (N x D) one level at a time, with fresh
    /// noise at each: say which levels to keep with [`every`](Walk::every). The steps are those of
    /// [`transition`](Self::transition), so any schedule walks.
    ///
    /// [`noise`](Self::noise) comes to the same distribution at each level in one jump.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let digits = Dataset::digits()?;
    /// let strip = Schedule::cosine(1_000)?.walk(&digits.image(0)?).every(250)?;
    /// assert_eq!(strip.levels(), [0, 250, 500, 750, 999]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn walk(&self, image: &Tensor) -> Walk {
        Walk { schedule: self.clone(), image: Rc::new(image.shallow_clone()), seed: 0 }
    }
}

/// An image, a batch or a set of points about to walk to noise; [`Schedule::walk`] makes one.
///
/// ```
/// # use noisebook::prelude::*;
/// # let (schedule, image) = (Schedule::cosine(1_000)?, Dataset::digits()?.image(0)?);
/// let walk = schedule.walk(&image).seed(3);
/// walk.every(100)?.show()?; // draws a strip; the same walk can be asked again
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Walk {
    schedule: Schedule,
    image: Rc<Tensor>,
    seed: u64,
}

impl Walk {
    /// The seed of the noise (default 0).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let (schedule, image) = (Schedule::cosine(100)?, Dataset::digits()?.image(0)?);
    /// let walked = |seed| Ok::<_, noisebook::Error>(schedule.walk(&image).seed(seed).every(50)?.images());
    /// assert_eq!(walked(1)?, walked(1)?);
    /// assert_ne!(walked(1)?, walked(2)?);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Walks through all levels and keeps every `n`-th, from level 0 on, and the last. An interrupt ends the walk at the
    /// level that it has come to.
    ///
    /// # Errors
    /// `n` = 0, or a tensor that holds neither images nor points.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let (schedule, image) = (Schedule::cosine(100)?, Dataset::digits()?.image(0)?);
    /// assert_eq!(schedule.walk(&image).every(40)?.levels(), [0, 40, 80, 99]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn every(&self, n: usize) -> Result<Strip> {
        if n == 0 {
            return Err(Error::argument("n", n, "keep every first level, every second, ..: at least 1"));
        }
        check(&self.image)?;
        let mut x = self.image.shallow_clone();
        let (count, mut levels, mut kept) = (self.schedule.levels(), Vec::new(), Vec::new());
        for level in 0..count {
            let (t, s) = ((level + 1) as f64 / count as f64, level as f64 / count as f64);
            let step = self.schedule.transition(t, s)?;
            // Step 0 of this stream is the noise of the jump.
            let mut rng = generator(self.seed, Stream::Forward, level as u64 + 1);
            let z = normal(&mut rng, &x.size(), x.device())?;
            x = x.f_mul_scalar(step.scale)?.f_add(&z.f_mul_scalar(step.std)?)?;
            let ends = level + 1 == count || interrupted();
            if level % n == 0 || ends {
                levels.push(level);
                kept.push(x.shallow_clone());
            }
            if ends {
                break;
            }
        }
        Strip::new(&kept, levels, &self.schedule, "as the Markov chain")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::Show;
    use tch::{Device, Kind};

    /// At every level the chain has the marginal of the jump: mean alpha x_0, standard deviation sigma.
    #[test]
    fn it_comes_to_the_marginals_of_every_schedule() {
        let count = 40_000.0_f64;
        let ones = Tensor::ones([20_000, 2], (Kind::Float, Device::Cpu));
        for schedule in crate::schedule::all(10) {
            let strip = schedule.walk(&ones).every(1).unwrap();
            for level in 0..10 {
                let (t, x) = (schedule.time(level).unwrap(), strip.images().get(level as i64).to_kind(Kind::Double));
                let (alpha, sigma) = (schedule.alpha(t), schedule.sigma(t));
                let (mean, std) = (x.mean(Kind::Double).double_value(&[]), x.std(true).double_value(&[]));
                assert!((mean - alpha).abs() < 4.0 * sigma / count.sqrt(), "{schedule:?} {level}: {mean}");
                assert!((std / sigma - 1.0).abs() < 4.0 / (2.0 * count).sqrt(), "{schedule:?} {level}: {std}");
            }
        }
    }

    /// From betas 0.36 and 0.19: x = 0.8 x + 0.6 z, then 0.9 x + sqrt(0.19) z, with noise that is fresh each time.
    #[test]
    fn each_step_adds_noise_of_its_own() {
        let schedule = Schedule::from_betas([0.36, 0.19]).unwrap();
        let image = Tensor::linspace(-1, 1, 4, (Kind::Float, Device::Cpu)).view([1, 2, 2]);
        let strip = schedule.walk(&image).seed(7).every(1).unwrap();
        let z = |step| normal(&mut generator(7, Stream::Forward, step), &[1, 2, 2], Device::Cpu).unwrap();
        let first = &image * 0.8 + z(1) * 0.6;
        let second = &first * 0.9 + z(2) * 0.19_f64.sqrt();
        assert!((strip.images() - Tensor::stack(&[first, second], 0)).abs().max().double_value(&[]) < 1e-6);
    }

    #[test]
    fn what_is_kept_changes_nothing() {
        let schedule = Schedule::edm(12).unwrap();
        let image = Tensor::zeros([1, 8, 8], (Kind::Float, Device::Cpu));
        let (all, some) = (schedule.walk(&image).every(1).unwrap(), schedule.walk(&image).every(5).unwrap());
        assert_eq!(some.levels(), [0, 5, 10, 11]);
        assert_eq!(some.images(), all.images().index_select(0, &Tensor::from_slice(&[0i64, 5, 10, 11])));
        let text = some.bundle().unwrap().plain_text().to_string();
        assert!(text.starts_with("Noised as the Markov chain, edm schedule: level, and the image's share"), "{text}");
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let schedule = Schedule::cosine(10).unwrap();
        let said = |shape: &[i64], n| {
            schedule.walk(&Tensor::zeros(shape, (Kind::Float, Device::Cpu))).every(n).unwrap_err().to_string()
        };
        assert_eq!(said(&[1, 2, 2], 0), "n = 0: keep every first level, every second, ..: at least 1");
        let rule = "an image is a tensor C x H x W, a batch N x C x H x W, a set of points N x D";
        assert_eq!(said(&[4], 1), format!("image = [4]: {rule}"));
    }
}
