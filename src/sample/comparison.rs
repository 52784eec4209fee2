//! Samplers beside one another, from the same noise.

use super::convergence::limit_of;
use super::differences::Differences;
use super::distances::{Axis, Distances};
use super::sampler::Sampler;
use crate::denoiser::Denoiser;
use crate::labels::caption;
use crate::show::{Bundle, Cloud, Figure, Grid, Part, Show, grouped, sheet};
use crate::{Error, Result};
use std::fmt;
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// More rows than this are no picture.
const MOST: usize = 20;
/// A grid draws this many images.
const TILES: usize = 100;
/// A row has as many images as fit beside a name, of so many letters or longer.
const ACROSS: usize = 10;
const LONG: usize = 14;
const BESIDE_LONG: usize = 8;

impl Sampler {
    /// What each of these samplers makes of the same noise, that of the first (at the scale of the level that each starts from):
    /// a row each, named by what differs. The lists come from [`step_counts`](Self::step_counts), [`guidance_scales`](Self::guidance_scales), [`etas`](Self::etas) and
    /// [`all`](Self::all), or are written out.
    ///
    /// The first says how many samples there are; the others need not. An interrupt ends it, and keeps the rows that are whole.
    ///
    /// # Errors
    /// No samplers or more than 20; one that draws another number of samples than the first; else as [`iter`](Self::iter).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let ideal = Ideal::new(&Dataset::digits()?, &Schedule::cosine(1_000)?)?; // or a model that has learned
    /// let sampler = Sampler::ddim(10).labels([3, 8]);
    /// Sampler::compare(&sampler.guidance_scales([0.0, 1.0, 2.0]), &ideal)?.show()?;
    /// Sampler::compare(&[Sampler::ddim(5).count(2), Sampler::heun(5)], &ideal)?.show()?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn compare(samplers: &[Self], model: &(impl Denoiser + Clone + 'static)) -> Result<SamplerComparison> {
        let Some(first) = samplers.first().filter(|_| samplers.len() <= MOST) else {
            return Err(Error::argument("samplers", samplers.len(), format!("compare 1 to {MOST} samplers")));
        };
        let model: Rc<dyn Denoiser> = Rc::new(model.clone());
        let noise = Rc::new(first.iter(&model)?.x);
        let std = first.first_std(&*model)?;
        let count = noise.size()[0] as usize;
        for sampler in samplers {
            if let Some(other) = sampler.count.or(sampler.labels.as_ref().map(Vec::len)).filter(|&other| other != count)
            {
                let rule = format!("all samplers draw as many as the first, {count}: give them the same .count(..)");
                return Err(Error::argument("count", other, rule));
            }
        }
        let mut rows = Vec::with_capacity(samplers.len());
        for sampler in samplers {
            match sampler.draw(&model, &noise, std)? {
                Some(row) => rows.push(row),
                None if rows.is_empty() => {
                    return Err(Error::argument("samplers", samplers.len(), "interrupted before the first was done"));
                }
                None => break,
            }
        }
        let asked = samplers.len();
        let samplers = samplers[..rows.len()].to_vec();
        Ok(SamplerComparison {
            model,
            differences: Rc::new(Differences::of(&samplers)),
            samplers,
            rows: rows.into(),
            noise,
            std,
            asked,
        })
    }

    /// The deviation of the noise that it starts from; 1 for a bridge's starts, which are no noise.
    fn first_std(&self, model: &dyn Denoiser) -> Result<f64> {
        Ok(match model.starts(1, self.seed)? {
            None => model.schedule().prior_std(self.times(model.schedule())?[0]),
            Some(_) => 1.0,
        })
    }

    /// The samples that it makes of this noise of this deviation, unless somebody asks for an end.
    fn draw(&self, model: &Rc<dyn Denoiser>, noise: &Tensor, std: f64) -> Result<Option<Row>> {
        let mut last = None;
        let start = noise.f_mul_scalar(self.first_std(&**model)? / std)?;
        let from_noise = Self { start: Some(Rc::new(start)), count: None, ..self.clone() };
        for step in from_noise.iter(model)? {
            last = Some(step?);
        }
        let Some(last) = last.filter(|step| step.index + 1 == step.steps) else { return Ok(None) };
        let labels = match &last.labels {
            Some(labels) => labels.f_to_device(Device::Cpu)?,
            None => Tensor::f_full([noise.size()[0]], -1, (Kind::Int64, Device::Cpu))?,
        };
        let samples = last.next.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?;
        Ok(Some(Row { samples, labels, evaluations: last.evaluations }))
    }
}

/// What one sampler made.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) samples: Tensor,
    labels: Tensor,
    evaluations: usize,
}

/// Samplers on one model, from the same noise; [`Sampler::compare`] makes one.
///
/// As the value of a cell it draws a row of samples for each, named by what differs; of points, a scatter each.
///
/// ```
/// # use noisebook::prelude::*;
/// # let ideal = Ideal::new(&Dataset::digits()?, &Schedule::cosine(1_000)?)?;
/// let comparison = Sampler::compare(&Sampler::ddim(4).count(3).step_counts([2, 4]), &ideal)?;
/// assert_eq!(comparison.names(), ["2 steps", "4 steps"]);
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone)]
pub struct SamplerComparison {
    model: Rc<dyn Denoiser>,
    samplers: Vec<Sampler>,
    differences: Rc<Differences>,
    rows: Rc<[Row]>,
    noise: Rc<Tensor>,
    /// The deviation of that noise.
    std: f64,
    /// How many samplers were asked for.
    asked: usize,
}

impl SamplerComparison {
    /// What each row is called.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::cosine(100)?)?;
    /// let comparison = Sampler::compare(&[Sampler::ddim(5), Sampler::euler(9)], &model)?;
    /// assert_eq!(comparison.names(), ["DDIM, 5 steps", "Euler, 9 steps"]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.differences.names()
    }

    /// The samples of each sampler: N x C x H x W (points: N x D), float32, on the CPU.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::cosine(100)?)?;
    /// let comparison = Sampler::compare(&Sampler::ddim(5).count(7).etas([0.0, 1.0]), &model)?;
    /// assert_eq!(comparison.images()[1].size(), [7, 2]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn images(&self) -> Vec<Tensor> {
        self.rows.iter().map(|row| row.samples.shallow_clone()).collect()
    }

    /// How often each sampler asked the denoiser: what it costs.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::cosine(100)?)?;
    /// let comparison = Sampler::compare(&[Sampler::ddim(5), Sampler::heun(5)], &model)?;
    /// assert_eq!(comparison.evaluations(), [5, 9]); // the last step of Heun's asks once
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn evaluations(&self) -> Vec<usize> {
        self.rows.iter().map(|row| row.evaluations).collect()
    }

    /// How far each sampler is from its own limit: the root mean square difference between its samples and those that it makes
    /// of the same noise in so many steps. On two logarithmic axes a sampler of order k falls along a line of slope -k.
    ///
    /// This is the error of the solver alone. Whether the samples are like the data, and whether fresh noise helps, which has no
    /// limit of this kind, [`distances`](Self::distances) says.
    ///
    /// # Errors
    /// A sampler with fresh noise, or without a number of steps; an interrupt; else as [`Sampler::iter`].
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let model = Gaussian::isotropic(0.0, 0.5, [2], &Schedule::vp(1_000)?)?;
    /// let errors = Sampler::compare(&Sampler::ddim(1).step_counts([20, 40, 80]), &model)?.convergence(1_000)?.values();
    /// assert!(errors[1] < 0.6 * errors[0] && errors[2] < 0.6 * errors[1]); // of first order
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn convergence(&self, steps: usize) -> Result<Distances> {
        let mut limits: Vec<(String, Tensor)> = Vec::new();
        let mut errors = Vec::with_capacity(self.rows.len());
        for (sampler, row) in self.samplers.iter().zip(&*self.rows) {
            let limit = limit_of(sampler, steps)?;
            // The words round numbers, and leave labels out.
            let exact = (&limit.labels, limit.guidance_scale, limit.knobs);
            let name = format!("{} {exact:?}", Differences::in_full(&limit));
            if !limits.iter().any(|(known, _)| *known == name) {
                let Some(found) = limit.draw(&self.model, &self.noise, self.std)? else {
                    return Err(Error::argument("convergence", steps, "interrupted before its samples were drawn"));
                };
                limits.push((name.clone(), found.samples));
            }
            let Some((_, at)) = limits.iter().find(|(known, _)| *known == name) else { continue };
            let square = row.samples.f_sub(at)?.f_square()?.f_mean(Kind::Double)?;
            errors.push(square.f_sqrt()?.f_double_value(&[])?);
        }
        let title = format!("Distance to the same sampler in {} steps", grouped(steps));
        Ok(Distances::new(title, "root mean square difference", self.axis(), self.names(), errors).log())
    }

    /// Where the samplers lie on a horizontal axis.
    pub(crate) fn axis(&self) -> Axis {
        self.differences.axis(&self.samplers, &self.evaluations())
    }

    fn title(&self) -> String {
        let mut title = self.differences.common();
        if self.rows.len() < self.asked {
            title += &format!("; interrupted, {} of {} drawn", self.rows.len(), self.asked);
        }
        title
    }

    fn picture(&self) -> Result<Part> {
        let names = self.names();
        if self.noise.dim() == 2 {
            let cloud = |row: &Row| Cloud::new(&row.samples, Some(&row.labels), &[]);
            let clouds = self.rows.iter().map(cloud).collect::<Result<Vec<_>>>()?;
            return Ok(sheet(&clouds, &names, 4, &self.title()).into());
        }
        let count = self.noise.size()[0] as usize;
        let long = names.iter().any(|name| name.chars().count() > LONG);
        let columns = count.min(if long { BESIDE_LONG } else { ACROSS }).min(TILES / self.rows.len());
        let first = |row: &Row| Ok(row.samples.f_narrow(0, 0, columns as i64)?);
        let images = self.rows.iter().map(first).collect::<Result<Vec<_>>>()?;
        let mut captions = Vec::new();
        for row in &*self.rows {
            let labels = Vec::<i64>::try_from(&row.labels)?;
            captions.extend(labels.into_iter().take(columns).map(caption));
        }
        // The same labels need be read but once.
        let (above, last) = captions.split_at_mut(columns * (self.rows.len() - 1));
        if above.chunks(columns).all(|row| row == last) {
            above.fill(String::new());
        }
        let few = if columns < count { format!("; {columns} of {} samples", grouped(count)) } else { String::new() };
        let grid = Grid::new(&Tensor::f_cat(&images, 0)?)?.columns(columns);
        Ok(grid.captions(captions).row_labels(names).title(self.title() + &few).into())
    }
}

impl fmt::Debug for SamplerComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.title(), self.names().join("; "))
    }
}

impl Show for SamplerComparison {
    fn bundle(&self) -> Result<Bundle> {
        match self.picture()? {
            Part::Grid(grid) => grid.bundle(),
            part => Figure::column([part]).bundle(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dataset, Gaussian, Ideal, Schedule};

    fn gaussian(schedule: &Schedule) -> Gaussian {
        Gaussian::isotropic(0.0, 0.5, [3], schedule).unwrap()
    }

    /// Of N(0, s^2) each step of DDIM takes x to g x with
    /// g = alpha_s c + sigma_s (1 - alpha_t c)/sigma_t, c = alpha_t s^2/(alpha_t^2 s^2 + sigma_t^2).
    #[test]
    fn convergence_is_the_difference_of_two_products() {
        let schedule = Schedule::linear(1_000).unwrap();
        let product = |steps: usize| -> f64 {
            let gain = |k: usize| {
                let (t, s) = ((steps - k) as f64 / steps as f64, (steps - k - 1) as f64 / steps as f64);
                let (alpha, sigma) = (schedule.alpha(t), schedule.sigma(t));
                let x0 = 0.25 * alpha / (0.25 * alpha * alpha + sigma * sigma);
                if k + 1 == steps {
                    x0
                } else {
                    schedule.alpha(s) * x0 + schedule.sigma(s) * (1.0 - alpha * x0) / sigma
                }
            };
            (0..steps).map(gain).product()
        };
        let model = gaussian(&schedule);
        let samplers = Sampler::ddim(1).count(50).seed(3).step_counts([4, 10, 50]);
        let comparison = Sampler::compare(&samplers, &model).unwrap();
        let noise = comparison.noise.square().mean(Kind::Double).sqrt().double_value(&[]);
        let errors = comparison.convergence(200).unwrap().values();
        for (steps, error) in [4, 10, 50].into_iter().zip(errors) {
            let expected = (product(steps) - product(200)).abs() * noise;
            assert!((error / expected - 1.0).abs() < 1e-4, "{steps}: {error}, not {expected}");
        }
    }

    #[test]
    fn all_start_from_the_noise_of_the_first() {
        let model = gaussian(&Schedule::flow(100).unwrap());
        let samplers =
            [Sampler::ddim(10).seed(4).count(5), Sampler::heun(10).seed(9).count(5), Sampler::ddim(10).seed(4)];
        let error = Sampler::compare(&[Sampler::ddim(10).count(5), Sampler::ddim(10).count(6)], &model).unwrap_err();
        let rule = "all samplers draw as many as the first, 5: give them the same .count(..)";
        assert_eq!(error.to_string(), format!("count = 6: {rule}"));
        let comparison = Sampler::compare(&samplers, &model).unwrap();
        let alone = Sampler::ddim(10).seed(4).count(5).sample(&model).unwrap();
        let images = comparison.images();
        assert_eq!((&images[0], &images[2]), (&alone.images(), &alone.images()));
        let again = Sampler::heun(10).start_from(&alone.noise()).sample(&model).unwrap();
        assert_eq!(images[1], again.images());
        assert_eq!(comparison.evaluations(), [10, 19, 10]);
    }

    /// Leading steps begin below t = 1, where noise that explodes is less: all rows are as if drawn alone with one seed.
    #[test]
    fn each_starts_at_the_scale_of_its_first_level() {
        let model = gaussian(&Schedule::edm(100).unwrap());
        let leading = |steps| Sampler::ddim(steps).count(5).spacing(crate::schedule::Spacing::Leading);
        let samplers = [Sampler::ddim(10).count(5), leading(10), leading(50)];
        let comparison = Sampler::compare(&samplers, &model).unwrap();
        let tops = samplers.each_ref().map(|sampler| sampler.iter(&model).unwrap().x.std(true).double_value(&[]));
        assert!(tops[1] < 0.8 * tops[0], "{tops:?}");
        for (sampler, images) in samplers.iter().zip(comparison.images()) {
            let alone = sampler.sample(&model).unwrap().images();
            assert!((images - alone).abs().max().double_value(&[]) < 1e-6, "{sampler:?}");
        }
        // Started too wide it would be about as far off as the data is wide.
        let errors = comparison.convergence(100).unwrap().values();
        assert!(errors.iter().all(|error| *error < 0.2), "{errors:?}");
    }

    #[test]
    fn a_row_is_named_by_what_differs() {
        let ideal = Ideal::new(&Dataset::digits().unwrap(), &Schedule::cosine(100).unwrap()).unwrap();
        let sampler = Sampler::ddim(3).labels([3, 8]);
        let comparison = Sampler::compare(&sampler.guidance_scales([0.0, 1.0, 2.0]), &ideal).unwrap();
        let text = comparison.bundle().unwrap().plain_text().to_string();
        let expected = "DDIM, 3 steps, from the same noise, seed 0\n6 images of 8 x 8 pixels, grey, 2 a row\nw = 0\nw = 1\nw = 2: 3, 8";
        assert_eq!(text, expected);
        let points = gaussian(&Schedule::flow(10).unwrap());
        let text = format!("{:?}", Sampler::compare(&Sampler::ddim(10).etas([0.0, 0.5]), &points).unwrap());
        assert_eq!(text, "DDIM, 10 steps, from the same noise, seed 0: eta 0; eta 0.5");
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let model = gaussian(&Schedule::flow(10).unwrap());
        let said = |samplers: &[Sampler]| Sampler::compare(samplers, &model).unwrap_err().to_string();
        assert_eq!(said(&[]), "samplers = 0: compare 1 to 20 samplers");
        assert_eq!(said(&vec![Sampler::ddim(1); 21]), "samplers = 21: compare 1 to 20 samplers");
        let rule = "DDPM has no number of steps to set: it takes every level, or chooses its own";
        assert_eq!(said(&Sampler::ddpm().step_counts([5])), format!("steps = 5: {rule}"));
        let of =
            |sampler: Sampler| Sampler::compare(&[sampler], &model).unwrap().convergence(10).unwrap_err().to_string();
        let rule = "its fresh noise leads to other samples with other steps: see distances(&data)";
        assert_eq!(of(Sampler::ddim(5).eta(1.0)), format!("sampler = DDIM, 5 steps, eta 1: {rule}"));
        let rule = "probability flow has no number of steps to set: it takes every level, or chooses its own";
        assert_eq!(of(Sampler::probability_flow()), format!("steps = 10: {rule}"));
    }
}
