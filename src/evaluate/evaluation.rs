//! All that one measures of samples, beside the same of held-out data.

use super::{ClassReport, Frechet, Nearest, PrecisionRecall, energy_distance, frechet_distance, precision_recall};
use crate::data::Dataset;
use crate::mean::mean;
use crate::sample::Samples;
use crate::show::{Bundle, Show, Table, digits, evenly, grouped, sides};
use crate::{Error, Result};
use std::rc::Rc;
use tch::Tensor;

/// The paper's.
const K: usize = 3;
/// Training images that distributions are compared with.
const MOST: usize = 2_000;

/// Samples against the data that a model learned from, and held-out data against the same: what a number means, one reads off the
/// second column.
///
/// As the value of a cell it draws a table of distances with their counts, precision and recall, F1 of each class, and the samples
/// beside their nearest training images.
///
/// ```
/// use noisebook::prelude::*;
/// let (train, test) = Dataset::digits()?.split(0.9, 0)?;
/// let model = Ideal::new(&train, &Schedule::cosine(1_000)?)?; // or one that has learned
/// let samples = Sampler::ddim(10).labels(0..10).count(100).sample(&model)?;
/// Evaluation::of(&samples, &train, &test)?.show()?; // all of this model's samples are copies
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Samples and data compared with the training set.
    count: usize,
    train: Dataset,
    test: Dataset,
    /// How many of the training set distributions are compared with.
    taken: usize,
    samples: Measures,
    held_out: Measures,
}

/// What is measured of one set.
#[derive(Clone, Debug)]
struct Measures {
    frechet: Frechet,
    energy: f64,
    covered: PrecisionRecall,
    nearest: Rc<Nearest>,
    report: Option<ClassReport>,
}

impl Measures {
    fn of(images: &Tensor, truth: &Tensor, nearest: Nearest) -> Result<Self> {
        Ok(Self {
            frechet: frechet_distance(images, truth)?,
            energy: energy_distance(images, truth)?,
            covered: precision_recall(images, truth, K)?,
            // Without labels there is no report.
            report: nearest.class_report().ok(),
            nearest: Rc::new(nearest),
        })
    }

    fn mean_f1(&self) -> Option<f64> {
        Some(mean(&self.report.as_ref()?.f1()))
    }
}

impl Evaluation {
    /// Samples, the data that the model learned from, and data that it has not seen. Distances depend on counts, so that as many
    /// of the samples are taken as of the held-out data: the first samples, and held-out data evenly spaced, since a folder's comes
    /// class by class. Of more than 2,000 training images 2,000 are taken, evenly spaced too, for all but the nearest neighbours.
    ///
    /// Features are the pixels themselves: the numbers rank runs on the same data, and are not those of papers, whose features are
    /// an Inception network's.
    ///
    /// # Errors
    /// Data of other shapes than the samples'; fewer than 4 samples or data; samples that are not finite.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let moons = Dataset::moons(300, 0.05)?;
    /// let model = Ideal::new(&moons, &Schedule::cosine(1_000)?)?;
    /// let samples = Sampler::ddim(10).count(100).sample(&model)?;
    /// let evaluation = Evaluation::of(&samples, &moons, &moons.redraw(1)?)?; // points can be drawn anew
    /// assert!(evaluation.precision() > 0.9);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn of(samples: &Samples, train: &Dataset, test: &Dataset) -> Result<Self> {
        let size = samples.images().size()[1..].to_vec();
        for (name, data) in [("train", train), ("test", test)] {
            if data.shape()[1..] != size {
                let rule = format!("the samples are {}", sides(&size));
                return Err(Error::argument(name, sides(&data.shape()[1..]), rule));
            }
        }
        for (name, found) in [("samples", samples.len()), ("test", test.len()), ("train", train.len())] {
            if found <= K {
                return Err(Error::argument(name, found, format!("at least {} are needed", K + 1)));
            }
        }
        let count = samples.len().min(test.len());
        let spread = |data: &Dataset, most| evenly(data.len(), most).into_iter().map(|index| index as i64).collect();
        let (shown, taken): (Vec<i64>, Vec<i64>) = (spread(test, count), spread(train, MOST));
        let held_out = test.select(test.name().to_string(), &shown)?;
        let truth = train.batch_of(&taken)?.images;
        let drawn = samples.images().f_narrow(0, 0, count as i64)?;
        let labels = samples.labels().f_narrow(0, 0, count as i64)?;
        Ok(Self {
            count,
            taken: taken.len(),
            samples: Measures::of(&drawn, &truth, Nearest::find(drawn.shallow_clone(), labels, None, train)?)?,
            held_out: Measures::of(&held_out.images(), &truth, held_out.nearest(train)?)?,
            train: train.clone(),
            test: test.clone(),
        })
    }

    /// The [Frechet distance](frechet_distance) of the samples' pixels to those of the training data.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let (train, test) = Dataset::digits()?.split(0.9, 0)?;
    /// # let samples = Sampler::ddim(2).count(80).sample(&Ideal::new(&train, &Schedule::cosine(1_000)?)?)?;
    /// let found = Evaluation::of(&samples, &train, &test)?.frechet();
    /// assert_eq!(found.counts, (80, 1_617));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn frechet(&self) -> Frechet {
        self.samples.frechet
    }

    /// The share of samples that look like training data ([`precision_recall`], k = 3).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let (train, test) = Dataset::digits()?.split(0.9, 0)?;
    /// # let samples = Sampler::ddim(4).count(20).sample(&Ideal::new(&train, &Schedule::cosine(1_000)?)?)?;
    /// assert_eq!(Evaluation::of(&samples, &train, &test)?.precision(), 1.0); // copies
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn precision(&self) -> f64 {
        self.samples.covered.precision
    }

    /// The share of the training data that is among the samples ([`precision_recall`], k = 3).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let (train, test) = Dataset::digits()?.split(0.9, 0)?;
    /// # let samples = Sampler::ddim(4).labels([3]).count(40).sample(&Ideal::new(&train, &Schedule::cosine(1_000)?)?)?;
    /// assert!(Evaluation::of(&samples, &train, &test)?.recall() < 0.3); // all are threes
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn recall(&self) -> f64 {
        self.samples.covered.recall
    }

    /// Every number: its name, of the samples, of the held-out data. Shares are in percent.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let (train, test) = Dataset::digits()?.split(0.9, 0)?;
    /// # let samples = Sampler::ddim(2).count(20).sample(&Ideal::new(&train, &Schedule::cosine(1_000)?)?)?;
    /// for (name, samples, held_out) in Evaluation::of(&samples, &train, &test)?.measures() {
    ///     println!("{name}: {samples:.2}, held-out {held_out:.2}");
    /// }
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn measures(&self) -> Vec<(String, f64, f64)> {
        let number = |name: String, pick: &dyn Fn(&Measures) -> f64| (name, pick(&self.samples), pick(&self.held_out));
        let features = grouped(self.samples.frechet.features);
        let mut rows = vec![
            number(format!("Frechet distance ({features} numbers)"), &|set| set.frechet.distance),
            number("energy distance".into(), &|set| set.energy),
            number(format!("precision, k = {K} (%)"), &|set| 100.0 * set.covered.precision),
            number(format!("recall, k = {K} (%)"), &|set| 100.0 * set.covered.recall),
            number("nearest training sample, median distance".into(), &|set| set.nearest.median_distance()),
        ];
        if let (Some(samples), Some(held_out)) = (&self.samples.report, &self.held_out.report) {
            let f1 = (self.samples.mean_f1().unwrap_or(0.0), self.held_out.mean_f1().unwrap_or(0.0));
            let name = "nearest has the label asked for (%)".to_string();
            rows.push((name, 100.0 * samples.accuracy(), 100.0 * held_out.accuracy()));
            rows.push(("mean F1 (%)".into(), 100.0 * f1.0, 100.0 * f1.1));
        }
        rows
    }

    fn table(&self) -> Table {
        let (count, all) = (grouped(self.count), self.train.len());
        let of = if self.taken < all { format!("{} of {}", grouped(self.taken), grouped(all)) } else { grouped(all) };
        let few = if self.count <= self.samples.frechet.features {
            "; fewer samples than numbers in one: the Frechet distance knows not every direction"
        } else {
            ""
        };
        let title = format!(
            "{count} samples, and {count} held-out of {}, against {of} of {}{few}",
            self.test.name(),
            self.train.name()
        );
        let row = |table: Table, (name, samples, held_out): (String, f64, f64)| {
            let percent = name.ends_with("(%)");
            let said = |value: f64| if percent { format!("{value:.1}") } else { digits(value) };
            table.row(
                [said(samples), said(held_out)].into_iter().fold(vec![name], |row, cell| [row, vec![cell]].concat()),
            )
        };
        self.measures().into_iter().fold(Table::new(["measure", "samples", "held-out"]).title(title), row)
    }
}

impl Show for Evaluation {
    fn bundle(&self) -> Result<Bundle> {
        let mut parts = vec![self.table().bundle()?];
        if let Some(report) = &self.samples.report {
            parts.push(report.bundle()?);
        }
        // Images of other than 1 or 3 channels have no picture.
        parts.extend(self.samples.nearest.bundle().ok());
        let text: Vec<&str> = parts.iter().map(Bundle::plain_text).collect();
        let html: Vec<String> = parts.iter().filter_map(Bundle::to_html).collect();
        Ok(Bundle::text(text.join("\n\n")).html(html.join("\n")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ideal, Sampler, Schedule};

    /// Copies of the training data: nearest at 0, precision 1; each number is that of its own function.
    #[test]
    fn it_puts_together_what_each_function_says() {
        let (train, test) = Dataset::digits().unwrap().split(0.9, 0).unwrap();
        let model = Ideal::new(&train, &Schedule::cosine(100).unwrap()).unwrap();
        let samples = Sampler::ddim(5).labels(0..10).count(30).sample(&model).unwrap();
        let evaluation = Evaluation::of(&samples, &train, &test).unwrap();
        let spread: Vec<i64> = (0..30).map(|index| index * 179 / 29).collect(); // of 180
        let held_out = test.images().index_select(0, &Tensor::from_slice(&spread));
        let frechet = |images: &Tensor| frechet_distance(images, &train.images()).unwrap().distance;
        let covered = |images: &Tensor| precision_recall(images, &train.images(), 3).unwrap();
        let measures = evaluation.measures();
        assert_eq!((measures[0].1, measures[0].2), (frechet(&samples.images()), frechet(&held_out)));
        assert_eq!((measures[3].1, measures[3].2), {
            let recall = |images: &Tensor| 100.0 * covered(images).recall;
            (recall(&samples.images()), recall(&held_out))
        });
        assert!(measures[2].1 == 100.0 && measures[4].1 < 0.05 && measures[4].2 > 1.0, "{measures:?}");
        assert_eq!((measures[5].1, measures[6].1), (100.0, 100.0));
        let bundle = evaluation.bundle().unwrap();
        let text = bundle.plain_text();
        let head =
            "30 samples, and 30 held-out of digits (10%), against 1,617 of digits (90%); fewer samples than numbers";
        assert!(text.starts_with(head), "{text}");
        assert!(text.contains("\n\n30 samples, 100.0% seen as asked for, by the nearest of digits (90%)"), "{text}");
        assert!(text.contains("\n\n30 images, nearest of digits (90%): median distance 0.00"), "{text}");
        let html = bundle.get("text/html").unwrap().as_str().unwrap();
        assert!(html.matches("<table").count() == 2 && html.contains("%3Csvg"));
    }

    /// Of the first 30 of these all would be zeros and ones, and eight classes of ten without an F1.
    #[test]
    fn held_out_data_in_the_order_of_its_classes_is_seen_whole() {
        let (train, test) = Dataset::digits().unwrap().split(0.9, 0).unwrap();
        let order = Vec::<i64>::try_from(test.labels().argsort(0, false)).unwrap();
        let sorted = test.select("sorted".into(), &order).unwrap();
        let model = Ideal::new(&train, &Schedule::cosine(10).unwrap()).unwrap();
        let samples = Sampler::ddim(1).labels(0..10).count(30).sample(&model).unwrap();
        let measures = Evaluation::of(&samples, &train, &sorted).unwrap().measures();
        assert!(measures[6].2 > 90.0, "{measures:?}");
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let (train, test) = Dataset::digits().unwrap().split(0.9, 0).unwrap();
        let model = Ideal::new(&train, &Schedule::cosine(10).unwrap()).unwrap();
        let draw = |count| Sampler::ddim(1).count(count).sample(&model).unwrap();
        let said = |count, test: &Dataset| Evaluation::of(&draw(count), &train, test).unwrap_err().to_string();
        assert_eq!(said(3, &test), "samples = 3: at least 4 are needed");
        assert_eq!(said(9, &Dataset::moons(50, 0.1).unwrap()), "test = 2: the samples are 1 x 8 x 8");
    }
}
