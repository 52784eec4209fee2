//! The forward process in one jump: q(x_t | x_0) = N(alpha_t x_0, sigma_t^2 I), Ho et al. 2020, eq. 4.

use crate::random::{Stream, generator, normal};
use crate::{Error, Result, Schedule};
use std::rc::Rc;
use tch::Tensor;

impl Schedule {
    /// Noises `image` (C x H x W), a batch of images (N x C x H x W) or a set of points (N x D), each with noise of its own: say
    /// at which levels with [`at`](Noising::at).
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let digits = Dataset::digits()?;
    /// let strip = Schedule::cosine(1_000)?.noise(&digits.image(0)?).at([0, 250, 500, 999])?;
    /// assert_eq!(strip.images().size(), [4, 1, 8, 8]);
    /// let three = digits.batch(3, 0)?.images;
    /// assert_eq!(Schedule::cosine(1_000)?.noise(&three).at([250, 999])?.images().size(), [2, 3, 1, 8, 8]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn noise(&self, image: &Tensor) -> Noising {
        Noising { schedule: self.clone(), image: Rc::new(image.shallow_clone()), seed: 0 }
    }
}

/// An image, a batch or a set of points about to be noised; [`Schedule::noise`] makes one.
///
/// ```
/// # use noisebook::prelude::*;
/// # let (schedule, image) = (Schedule::cosine(1_000)?, Dataset::digits()?.image(0)?);
/// let noising = schedule.noise(&image).seed(3);
/// noising.at([0, 500, 999])?.show()?; // draws a strip; the same noising can be asked again
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Noising {
    schedule: Schedule,
    image: Rc<Tensor>,
    seed: u64,
}

impl Noising {
    /// The seed of the noise (default 0).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let (schedule, image) = (Schedule::cosine(1_000)?, Dataset::digits()?.image(0)?);
    /// let noised = |seed| Ok::<_, noisebook::Error>(schedule.noise(&image).seed(seed).at([500])?.images());
    /// assert_eq!(noised(1)?, noised(1)?);
    /// assert_ne!(noised(1)?, noised(2)?);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// x_t = alpha_t x_0 + sigma_t eps at these levels, all with the same eps: so what changes along the strip is the
    /// level alone. (Images and points of one set have an eps each.)
    ///
    /// # Errors
    /// No levels, a level outside 0..N, or a tensor that holds neither images nor points.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let (schedule, image) = (Schedule::cosine(1_000)?, Dataset::digits()?.image(0)?);
    /// let strip = schedule.noise(&image).at((0..1_000).step_by(250))?;
    /// assert_eq!(strip.levels(), [0, 250, 500, 750]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn at(&self, levels: impl IntoIterator<Item = usize>) -> Result<Strip> {
        let levels: Vec<usize> = levels.into_iter().collect();
        if levels.is_empty() {
            return Err(Error::argument("levels", "[]", "name at least one level"));
        }
        check(&self.image)?;
        let image = &*self.image;
        let mut rng = generator(self.seed, Stream::Forward, 0);
        let eps = normal(&mut rng, &image.size(), image.device())?;
        let mut noised = Vec::with_capacity(levels.len());
        for &level in &levels {
            let t = self.schedule.time(level)?;
            let kept = image.f_mul_scalar(self.schedule.alpha(t))?;
            noised.push(kept.f_add(&eps.f_mul_scalar(self.schedule.sigma(t))?)?);
        }
        Strip::new(&noised, levels, &self.schedule, "in one jump")
    }
}

/// The rule for what is noised: an image, a batch of them, or points.
pub(super) fn check(image: &Tensor) -> Result<()> {
    let size = image.size();
    if (2..=4).contains(&size.len()) && !size.contains(&0) {
        return Ok(());
    }
    let rule = "an image is a tensor C x H x W, a batch N x C x H x W, a set of points N x D";
    Err(Error::argument("image", format!("{size:?}"), rule))
}

/// An image, a batch or a set of points at several noise levels. As the value of a cell it draws itself as a strip, of a batch
/// one below another (the first eight, at ten of the levels), images whose noise is larger than 1 divided by sqrt(alpha^2 + sigma^2).
///
/// ```
/// # use noisebook::prelude::*;
/// # let (schedule, image) = (Schedule::cosine(1_000)?, Dataset::digits()?.image(0)?);
/// let strip = schedule.noise(&image).at([0, 999])?;
/// assert!(strip.bundle()?.plain_text().contains("0: 100%, 999: 0%")); // what is left of the variance
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Strip {
    pub(super) images: Rc<Tensor>,
    pub(super) levels: Vec<usize>,
    pub(super) schedule: Schedule,
    /// How the noise came: in one jump or step by step.
    pub(super) way: &'static str,
}

impl Strip {
    /// What is noised, at each of these levels.
    pub(super) fn new(noised: &[Tensor], levels: Vec<usize>, schedule: &Schedule, way: &'static str) -> Result<Self> {
        Ok(Self { images: Rc::new(Tensor::f_stack(noised, 0)?), levels, schedule: schedule.clone(), way })
    }

    /// The noised images, one a level: L x C x H x W; of a batch, L x N x C x H x W; of points, L x N x D.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let (schedule, image) = (Schedule::cosine(1_000)?, Dataset::digits()?.image(0)?);
    /// assert_eq!(schedule.noise(&image).at([0, 500, 999])?.images().size(), [3, 1, 8, 8]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn images(&self) -> Tensor {
        self.images.shallow_clone()
    }

    /// The levels, in 0..N.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let (schedule, image) = (Schedule::cosine(1_000)?, Dataset::digits()?.image(0)?);
    /// assert_eq!(schedule.noise(&image).at([0, 999])?.levels(), [0, 999]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn levels(&self) -> Vec<usize> {
        self.levels.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::Show;
    use tch::{Device, Kind};

    #[test]
    fn it_is_alpha_x0_plus_sigma_eps_with_one_eps() {
        let schedule = Schedule::linear(1_000).unwrap();
        let image = Tensor::linspace(-1, 1, 12, (Kind::Float, Device::Cpu)).view([3, 2, 2]);
        let strip = schedule.noise(&image).seed(5).at([0, 400, 999]).unwrap();
        // Two levels are two equations for x_0 and eps; eps solved from the last two must give the first.
        let (a1, s1) = (schedule.alpha(0.401), schedule.sigma(0.401));
        let (a2, s2) = (schedule.alpha(1.0), schedule.sigma(1.0));
        let (x1, x2) = (strip.images().get(1), strip.images().get(2));
        let eps = (&x2 * a1 - &x1 * a2) / (s2 * a1 - s1 * a2);
        let expected = &image * schedule.alpha(0.001) + &eps * schedule.sigma(0.001);
        assert!((strip.images().get(0) - expected).abs().max().double_value(&[]) < 1e-5);
        assert!((eps.std(false).double_value(&[]) - 1.0).abs() < 0.6);
    }

    /// Level 4 of sigma = 1, 2, 3 ... 10 has sigma = 5: a share of 1/26.
    #[test]
    fn exploding_noise_leaves_a_share_of_the_variance() {
        let schedule = Schedule::edm_between(10, 1.0, 10.0, 1.0).unwrap();
        let image = Tensor::zeros([1, 8, 8], (Kind::Float, Device::Cpu));
        let strip = schedule.noise(&image).at([4, 9]).unwrap();
        let text = strip.bundle().unwrap().plain_text().to_string();
        assert!(text.contains("4: 4%, 9: 1%"), "{text}");
        // With one eps the images are in proportion, whatever the scale of their picture.
        assert!((strip.images().get(1) - strip.images().get(0) * 2.0).abs().max().double_value(&[]) < 1e-5);
    }

    #[test]
    fn images_of_a_batch_have_noise_of_their_own_and_seeds_differ() {
        let schedule = Schedule::cosine(100).unwrap();
        let batch = Tensor::zeros([4, 1, 2, 2], (Kind::Float, Device::Cpu));
        let all = schedule.noise(&batch).at([0, 50]).unwrap().images();
        assert_eq!(all.size(), [2, 4, 1, 2, 2]);
        // The first is noised as it is alone, the others are not.
        assert_eq!(all.select(1, 0), schedule.noise(&batch.get(0)).at([0, 50]).unwrap().images());
        assert_ne!(all.select(1, 1), all.select(1, 0));
        assert_ne!(all, schedule.noise(&batch).seed(1).at([0, 50]).unwrap().images());
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let schedule = Schedule::cosine(100).unwrap();
        let image = Tensor::zeros([1, 2, 2], (Kind::Float, Device::Cpu));
        let said = |levels: &[usize]| schedule.noise(&image).at(levels.iter().copied()).unwrap_err().to_string();
        assert_eq!(said(&[100]), "level = 100: levels run from 0 to 99");
        assert_eq!(said(&[]), "levels = []: name at least one level");
        let flat = schedule.noise(&image.view([4])).at([0]).unwrap_err().to_string();
        let rule = "an image is a tensor C x H x W, a batch N x C x H x W, a set of points N x D";
        assert_eq!(flat, format!("image = [4]: {rule}"));
        let none = schedule.noise(&image.view([4, 1]).narrow(0, 0, 0)).at([0]).unwrap_err().to_string();
        assert_eq!(none, format!("image = [0, 1]: {rule}"));
    }

    /// All points are noised, each for itself: 10,000 at the origin spread to a Gaussian of sigma.
    #[test]
    fn every_point_has_noise_of_its_own() {
        let schedule = Schedule::flow(100).unwrap();
        let strip = schedule.noise(&Tensor::zeros([10_000, 2], (Kind::Float, Device::Cpu))).at([24, 99]).unwrap();
        assert_eq!(strip.images().size(), [2, 10_000, 2]);
        let std = strip.images().get(0).std(true).double_value(&[]);
        assert!((std / 0.25 - 1.0).abs() < 4.0 / 40_000f64.sqrt(), "{std}");
    }
}
