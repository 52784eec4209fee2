//! What a denoiser says of noised images, level by level.

use super::{Denoiser, check_noise, check_samples};
use crate::labels::caption;
use crate::random::{Stream, generator, normal};
use crate::show::{Bundle, Cloud, Figure, Grid, Show, digits, grouped, sheet_of_rows, two_digits};
use crate::{Error, Result};
use std::fmt;
use std::rc::Rc;
use tch::{Device, Kind, Tensor, no_grad_guard};

/// The times of the levels, unless the reader says so: at t = 1 nothing is left, and the answer is the mean.
const TIMES: [f64; 5] = [0.1, 0.25, 0.5, 0.75, 1.0];
/// How many images are drawn.
const SHOWN: i64 = 3;

/// Images as a denoiser takes them for, at several noise levels: x_t = alpha x_0 + sigma eps, predicted x_0, and x_0 itself.
///
/// As the value of a cell it draws the three below one another, a column a level, for the first three images. The mean squared
/// error of predicted x_0 stands below each column: over all images that were given.
///
/// ```
/// use noisebook::prelude::*;
/// let digits = Dataset::digits()?;
/// let ideal = Ideal::new(&digits, &Schedule::cosine(1_000)?)?; // or a model that has learned
/// Denoising::of(&ideal, &digits.batch(16, 0)?.images)?.show()?;
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone)]
pub struct Denoising {
    model: Rc<dyn Denoiser>,
    /// N x the shape of a sample, float64, on the CPU.
    images: Rc<Tensor>,
    labels: Option<Rc<Tensor>>,
    levels: Option<Vec<usize>>,
    seed: u64,
}

/// A column of the figure.
struct Column {
    t: f64,
    /// Of the images that are drawn.
    noised: Tensor,
    predicted: Tensor,
    error: f64,
}

impl Denoising {
    /// Any denoiser, and images N x C x H x W (one may be C x H x W; points: N x D), at t = 0.1, 0.25, 0.5, 0.75 and 1.
    ///
    /// # Errors
    /// Images of another shape than the model's; a bridge between two data sets, whose noise is not Gaussian.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 0.5, [1, 8, 8], &Schedule::cosine(1_000)?)?;
    /// let denoising = Denoising::of(&model, &Dataset::digits()?.image(0)?)?;
    /// assert_eq!(denoising.levels()?, [99, 249, 499, 749, 999]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn of(model: &(impl Denoiser + Clone + 'static), images: &Tensor) -> Result<Self> {
        check_noise(model, "noise that is taken away")?;
        let shape = model.sample_shape();
        let images = if images.size() == shape { images.f_unsqueeze(0)? } else { images.shallow_clone() };
        check_samples("images", &images, &shape)?;
        let images = images.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?;
        Ok(Self { model: Rc::new(model.clone()), images: Rc::new(images), labels: None, levels: None, seed: 0 })
    }

    /// These levels, in 0..N, a column each.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 0.5, [1, 8, 8], &Schedule::cosine(1_000)?)?;
    /// let denoising = Denoising::of(&model, &Dataset::digits()?.image(0)?)?.at([99, 499, 999]);
    /// assert_eq!(denoising.errors()?.len(), 3);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn at(&self, levels: impl IntoIterator<Item = usize>) -> Self {
        Self { levels: Some(levels.into_iter().collect()), ..self.clone() }
    }

    /// Tells the denoiser what the images are: N labels (int64; -1 is none).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let batch = Dataset::digits()?.batch(4, 0)?;
    /// let ideal = Ideal::new(&Dataset::digits()?, &Schedule::cosine(1_000)?)?;
    /// Denoising::of(&ideal, &batch.images)?.labels(&batch.labels).show()?; // of noise alone, the mean of its class
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn labels(&self, labels: &Tensor) -> Self {
        Self { labels: Some(Rc::new(labels.shallow_clone())), ..self.clone() }
    }

    /// The seed of the noise (default 0), which is the same at every level.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 0.5, [1, 8, 8], &Schedule::cosine(1_000)?)?;
    /// let denoising = Denoising::of(&model, &Dataset::digits()?.image(0)?)?;
    /// assert_ne!(denoising.seed(1).errors()?, denoising.errors()?);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn seed(&self, seed: u64) -> Self {
        Self { seed, ..self.clone() }
    }

    /// The levels of the columns, in 0..N.
    ///
    /// # Errors
    /// No levels, or one outside 0..N.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 0.5, [1, 8, 8], &Schedule::cosine(1_000)?)?;
    /// let denoising = Denoising::of(&model, &Dataset::digits()?.image(0)?)?;
    /// assert!(denoising.at([1_000]).levels().is_err()); // the last is 999
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn levels(&self) -> Result<Vec<usize>> {
        let schedule = self.model.schedule();
        let Some(levels) = &self.levels else {
            let level = |t: f64| ((t * schedule.levels() as f64).round() as usize).max(1) - 1;
            let mut levels: Vec<usize> = TIMES.into_iter().map(level).collect();
            levels.dedup();
            return Ok(levels);
        };
        if levels.is_empty() {
            return Err(Error::argument("levels", "[]", "name at least one level"));
        }
        levels.iter().try_for_each(|&level| schedule.time(level).map(drop))?;
        Ok(levels.clone())
    }

    /// The mean squared error of predicted x_0 at each level, over all numbers of all images.
    ///
    /// # Errors
    /// As [`levels`](Self::levels); labels that the model does not know.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let schedule = Schedule::flow(10)?; // alpha = sigma = 1/2 at level 4
    /// let model = Gaussian::isotropic(0.0, 1.0, [2], &schedule)?;
    /// let error = Denoising::of(&model, &model.sample(20_000, 0)?)?.at([4]).errors()?[0];
    /// assert!((error - 0.5).abs() < 0.02); // sigma^2/(alpha^2 + sigma^2)
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn errors(&self) -> Result<Vec<f64>> {
        Ok(self.columns()?.iter().map(|column| column.error).collect())
    }

    fn columns(&self) -> Result<Vec<Column>> {
        let _guard = no_grad_guard();
        let (schedule, device) = (self.model.schedule(), self.model.device());
        let shown = if self.images.dim() == 2 { self.images.size()[0] } else { self.images.size()[0].min(SHOWN) };
        let labels = match &self.labels {
            Some(labels) => Some(labels.f_to_device(device)?),
            None => None,
        };
        let mut rng = generator(self.seed, Stream::Forward, 0);
        let eps = normal(&mut rng, &self.images.size(), Device::Cpu)?.f_to_kind(Kind::Double)?;
        let column = |level: usize| -> Result<Column> {
            let t = schedule.time(level)?;
            let (alpha, sigma) = (schedule.alpha(t), schedule.sigma(t));
            let xt = self.images.f_mul_scalar(alpha)?.f_add(&eps.f_mul_scalar(sigma)?)?;
            let x0 = self.model.denoise(&xt.f_to_device(device)?, t, labels.as_ref())?.f_to_device(Device::Cpu)?;
            let error = x0.f_sub(&self.images)?.f_square()?.f_mean(Kind::Double)?.f_double_value(&[])?;
            // Where the variance explodes all would be black and white: it is drawn at the scale of the first.
            let noised = xt.f_narrow(0, 0, shown)?.f_div_scalar(alpha.hypot(sigma).max(1.0))?;
            Ok(Column { t, noised, predicted: x0.f_narrow(0, 0, shown)?, error })
        };
        self.levels()?.into_iter().map(column).collect()
    }

    fn title(&self, columns: &[Column]) -> String {
        let count = self.images.size()[0] as usize;
        let what = match (self.images.dim(), count) {
            (2, _) => format!("{} points", grouped(count)),
            (_, 1) => "an image".into(),
            _ => format!("{} images", grouped(count)),
        };
        let mut title = format!("Noise taken from {what}, {} schedule", self.model.schedule().name());
        if let [first, .., last] = columns {
            let (low, high) = (digits(first.error), digits(last.error));
            title += &format!(": mean squared error {low} at t = {:.2}, {high} at t = {:.2}", first.t, last.t);
        }
        title
    }

    /// A column a level; noisy, predicted and true of each image below one another.
    fn rows(&self, columns: &[Column]) -> Result<Grid> {
        let shown = self.images.size()[0].min(SHOWN);
        let labels = match &self.labels {
            Some(labels) => Vec::<i64>::try_from(&**labels)?,
            None => Vec::new(),
        };
        let (mut images, mut rows) = (Vec::new(), Vec::new());
        let mut captions: Vec<String> = columns.iter().map(|column| format!("t = {:.2}", column.t)).collect();
        for index in 0..shown {
            let label = labels.get(index as usize).map_or(String::new(), |&label| caption(label));
            let of = if label.is_empty() { label } else { format!(" of a {label}") };
            rows.extend([format!("noisy x\u{209c}{of}"), "predicted x\u{2080}".into(), "true x\u{2080}".into()]);
            let truth = self.images.f_get(index)?;
            for column in columns {
                images.push(column.noised.f_get(index)?);
            }
            for column in columns {
                images.push(column.predicted.f_get(index)?);
            }
            images.extend(columns.iter().map(|_| truth.shallow_clone()));
        }
        captions.resize(columns.len() * (rows.len() - 1), String::new());
        captions.extend(columns.iter().map(|column| format!("error {}", two_digits(column.error))));
        let grid = Grid::new(&Tensor::f_stack(&images, 0)?)?.columns(columns.len());
        Ok(grid.rows_together(3).captions(captions).row_labels(rows).title(self.title(columns)))
    }

    fn clouds(&self, columns: &[Column]) -> Result<Figure> {
        let mut clouds = Vec::new();
        let mut captions = Vec::new();
        let mut add = |points: &Tensor, caption: String| -> Result<()> {
            clouds.push(Cloud::new(points, self.labels.as_deref(), &[])?);
            captions.push(caption);
            Ok(())
        };
        columns.iter().try_for_each(|column| add(&column.noised, format!("t = {:.2}", column.t)))?;
        columns.iter().try_for_each(|column| add(&column.predicted, two_digits(column.error)))?;
        add(&self.images, String::new())?;
        let rows = ["noisy x\u{209c}", "predicted x\u{2080}, with its mean squared error", "true x\u{2080}"];
        Ok(sheet_of_rows(&clouds, &captions, columns.len(), &rows.map(String::from), &self.title(columns)))
    }
}

impl fmt::Debug for Denoising {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.columns().map_or_else(|error| error.to_string(), |columns| self.title(&columns)))
    }
}

impl Show for Denoising {
    fn bundle(&self) -> Result<Bundle> {
        let columns = self.columns()?;
        if self.images.dim() == 2 { self.clouds(&columns)?.bundle() } else { self.rows(&columns)?.bundle() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dataset, Gaussian, Ideal, Schedule};

    /// Of N(0, s^2) predicted x_0 misses by s^2 sigma^2/(alpha^2 s^2 + sigma^2) in the mean square.
    #[test]
    fn of_a_gaussian_the_error_is_the_posterior_variance() {
        for schedule in [Schedule::linear(100), Schedule::edm(100), Schedule::flow(100)].map(Result::unwrap) {
            let model = Gaussian::isotropic(0.0, 0.5, [1, 8, 8], &schedule).unwrap();
            let denoising = Denoising::of(&model, &model.sample(2_000, 0).unwrap()).unwrap();
            let levels = denoising.levels().unwrap();
            for (level, error) in levels.into_iter().zip(denoising.errors().unwrap()) {
                let t = schedule.time(level).unwrap();
                let (alpha, sigma) = (schedule.alpha(t), schedule.sigma(t));
                let expected = 0.25 * sigma * sigma / (alpha * alpha * 0.25 + sigma * sigma);
                // 128,000 squares: a standard error of 0.4%.
                assert!((error / expected - 1.0).abs() < 0.016, "{schedule:?} {level}: {error}, not {expected}");
            }
        }
    }

    #[test]
    fn it_draws_rows_for_each_image_and_errors_below() {
        let (digits, schedule) = (Dataset::digits().unwrap(), Schedule::cosine(100).unwrap());
        let ideal = Ideal::new(&digits, &schedule).unwrap();
        let batch = digits.batch(2, 0).unwrap();
        let bundle = Denoising::of(&ideal, &batch.images).unwrap().labels(&batch.labels).at([0, 99]).bundle().unwrap();
        let text = bundle.plain_text();
        assert!(text.starts_with("Noise taken from 2 images, cosine schedule: mean squared error "), "{text}");
        assert!(text.contains("\n12 images of 8 x 8 pixels, grey, 2 a row\nnoisy x\u{209c} of a "), "{text}");
        assert!(text.contains(": t = 0.01, t = 1.00\n") && text.contains("true x\u{2080}: error "), "{text}");
        let points = Gaussian::isotropic(0.0, 1.0, [2], &schedule).unwrap();
        let text = Denoising::of(&points, &points.sample(50, 0).unwrap()).unwrap().bundle().unwrap();
        assert!(text.plain_text().starts_with("Noise taken from 50 points"), "{}", text.plain_text());
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let model = Gaussian::isotropic(0.0, 1.0, [1, 8, 8], &Schedule::flow(10).unwrap()).unwrap();
        let error = Denoising::of(&model, &Tensor::zeros([2, 1, 4, 4], (Kind::Float, Device::Cpu))).unwrap_err();
        assert_eq!(error.to_string(), "images = [2, 1, 4, 4]: samples here are N x 1 x 8 x 8");
        let denoising = Denoising::of(&model, &Tensor::zeros([1, 8, 8], (Kind::Float, Device::Cpu))).unwrap();
        let said = |levels: &[usize]| denoising.at(levels.to_vec()).errors().unwrap_err().to_string();
        assert_eq!(said(&[]), "levels = []: name at least one level");
        assert_eq!(said(&[10]), model.schedule().time(10).unwrap_err().to_string());
    }
}
