//! How often a classifier sees the class that was asked for.

use super::Nearest;
use crate::mean::mean;
use crate::show::{Bundle, Show, Table, grouped};
use crate::{Error, Result};
use tch::Tensor;

/// The classes that were asked for (of held-out images: their own) beside those that a classifier sees: the confusion matrix, and accuracy, precision,
/// recall and F1 from it.
///
/// As the value of a cell it draws the matrix, a row for each class that was asked for, the stronger in colour the larger its share of the
/// row.
///
/// ```
/// # use noisebook::prelude::*;
/// let (train, test) = Dataset::digits()?.split(0.9, 0)?;
/// let report = test.nearest(&train)?.class_report()?;
/// println!("{:.1}% as asked, {:.1}% of the eights", 100.0 * report.accuracy(), 100.0 * report.recall()[8]);
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClassReport {
    by: String,
    /// Whether the classes were asked for, of samples; those of a data set are what its images are.
    asked: bool,
    classes: Vec<String>,
    counts: Vec<Vec<usize>>,
}

impl ClassReport {
    /// Of labels (N each, int64, from 0): the class that was asked for, and the one that a classifier sees.
    ///
    /// # Errors
    /// No classes or no labels, different numbers of labels, one that is no class.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let (asked, seen) = (Tensor::from_slice(&[0i64, 0, 1, 1]), Tensor::from_slice(&[0i64, 1, 1, 1]));
    /// let report = ClassReport::new(&asked, &seen, &["moon", "star"])?;
    /// assert_eq!((report.accuracy(), report.precision()), (0.75, vec![1.0, 2.0 / 3.0]));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn new(asked: &Tensor, seen: &Tensor, classes: &[impl AsRef<str>]) -> Result<Self> {
        let classes: Vec<String> = classes.iter().map(|class| class.as_ref().to_string()).collect();
        Self::by("", true, (asked, seen), classes)
    }

    pub(super) fn by(
        by: &str,
        were_asked: bool,
        (asked, seen): (&Tensor, &Tensor),
        classes: Vec<String>,
    ) -> Result<Self> {
        let (count, known) = (asked.size().first().copied().unwrap_or(0), classes.len() as i64);
        if count == 0 {
            return Err(Error::argument("labels", "none", "a report needs at least one"));
        }
        for labels in [asked, seen] {
            crate::labels::check(labels, count, known)?;
        }
        let mut counts = vec![vec![0; classes.len()]; classes.len()];
        for (asked, seen) in Vec::<i64>::try_from(asked)?.into_iter().zip(Vec::<i64>::try_from(seen)?) {
            if asked < 0 || seen < 0 {
                return Err(Error::argument(
                    "label",
                    -1,
                    "a report needs a label for every sample, asked for and seen",
                ));
            }
            counts[asked as usize][seen as usize] += 1;
        }
        Ok(Self { by: by.to_string(), asked: were_asked, classes, counts })
    }

    /// The confusion matrix: how many samples of each class (row) were seen as each (column).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let (asked, seen) = (Tensor::from_slice(&[0i64, 0, 1, 1]), Tensor::from_slice(&[0i64, 1, 1, 1]));
    /// let report = ClassReport::new(&asked, &seen, &["moon", "star"])?;
    /// assert_eq!(report.confusion(), [[1, 1], [0, 2]]); // one moon was seen as a star
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn confusion(&self) -> Vec<Vec<usize>> {
        self.counts.clone()
    }

    /// The share of samples that are seen as what was asked for.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let (asked, seen) = (Tensor::from_slice(&[0i64, 0, 1, 1]), Tensor::from_slice(&[0i64, 1, 1, 1]));
    /// assert_eq!(ClassReport::new(&asked, &seen, &["moon", "star"])?.accuracy(), 0.75);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        share((0..self.classes.len()).map(|class| self.counts[class][class]).sum(), self.len())
    }

    /// Of each class: the share of what is seen as it that was asked to be it; 0 where nothing is.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let (asked, seen) = (Tensor::from_slice(&[0i64, 0, 1, 1]), Tensor::from_slice(&[0i64, 1, 1, 1]));
    /// assert_eq!(ClassReport::new(&asked, &seen, &["moon", "star"])?.precision(), [1.0, 2.0 / 3.0]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn precision(&self) -> Vec<f64> {
        let seen = |class: usize| self.counts.iter().map(|row| row[class]).sum();
        (0..self.classes.len()).map(|class| share(self.counts[class][class], seen(class))).collect()
    }

    /// Of each class: the share of what was asked to be it that is seen as it; 0 where nothing was.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let (asked, seen) = (Tensor::from_slice(&[0i64, 0, 1, 1]), Tensor::from_slice(&[0i64, 1, 1, 1]));
    /// assert_eq!(ClassReport::new(&asked, &seen, &["moon", "star"])?.recall(), [0.5, 1.0]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn recall(&self) -> Vec<f64> {
        (0..self.classes.len()).map(|class| share(self.counts[class][class], self.asked(class))).collect()
    }

    /// Of each class: the harmonic mean of precision and recall, 2 P R/(P + R); 0 where both are.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let (asked, seen) = (Tensor::from_slice(&[0i64, 0, 1, 1]), Tensor::from_slice(&[0i64, 1, 1, 1]));
    /// let f1 = ClassReport::new(&asked, &seen, &["moon", "star"])?.f1();
    /// assert!((f1[0] - 2.0 / 3.0).abs() < 1e-12 && (f1[1] - 0.8).abs() < 1e-12);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn f1(&self) -> Vec<f64> {
        let both = self.precision().into_iter().zip(self.recall());
        both.map(|(p, r)| if p + r > 0.0 { 2.0 * p * r / (p + r) } else { 0.0 }).collect()
    }

    fn asked(&self, class: usize) -> usize {
        self.counts[class].iter().sum()
    }

    fn len(&self) -> usize {
        (0..self.classes.len()).map(|class| self.asked(class)).sum()
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl Show for ClassReport {
    fn bundle(&self) -> Result<Bundle> {
        let (first, right, count) = match self.asked {
            true => ("asked for", "seen as asked for", "samples"),
            false => ("true class", "seen as what they are", "images"),
        };
        let head = [first.to_string()].into_iter().chain(self.classes.iter().map(|class| format!("seen {class}")));
        let head = head.chain(["precision", "recall", "F1", count].map(String::from));
        let by = if self.by.is_empty() { String::new() } else { format!(", by {}", self.by) };
        let percent = |share: f64| format!("{:.1}", 100.0 * share);
        let title = format!(
            "{} {count}, {}% {right}{by}; precision, recall and F1 in %",
            grouped(self.len()),
            percent(self.accuracy())
        );
        let (precision, recall, f1) = (self.precision(), self.recall(), self.f1());
        let mut table = Table::new(head).title(title);
        for (row, class) in self.classes.iter().enumerate() {
            // An empty cell is easier to pass over than a 0.
            let counts = self.counts[row].iter().map(|&count| if count == 0 { String::new() } else { grouped(count) });
            let measures = [precision[row], recall[row], f1[row]].map(percent);
            let cells = [class.clone()].into_iter().chain(counts).chain(measures).chain([grouped(self.asked(row))]);
            table = table.row(cells);
            for (column, &count) in self.counts[row].iter().enumerate() {
                table = table.shade(row, column + 1, share(count, self.asked(row)));
            }
        }
        let averaged = |values: &[f64]| percent(mean(values));
        let blank = vec![String::new(); self.classes.len()];
        let means = [averaged(&precision), averaged(&recall), averaged(&f1), grouped(self.len())];
        table.row(["mean".to_string()].into_iter().chain(blank).chain(means)).bundle()
    }
}

impl Nearest {
    /// The labels of the images beside those of their neighbours: a 1-nearest-neighbour classifier's confusion matrix, and
    /// what follows from it.
    ///
    /// # Errors
    /// Images or neighbours without labels.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let (train, test) = Dataset::digits()?.split(0.9, 0)?;
    /// let nearest = test.nearest(&train)?;
    /// assert_eq!(nearest.class_report()?.accuracy(), nearest.accuracy()?);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn class_report(&self) -> Result<ClassReport> {
        let by = format!("the nearest of {}", self.of);
        ClassReport::by(&by, self.asked, (&self.labels, &self.neighbour_labels), self.classes.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dataset, Ideal, Sampler, Schedule};

    /// Labels asked for and seen, the confusion matrix, and precision, recall and F1.
    type Fixture = (Vec<i64>, Vec<i64>, Vec<Vec<usize>>, [Vec<f64>; 3]);

    /// scikit-learn's numbers for 60 labels (tests/fixtures/class_report.py); the last class is never seen.
    #[test]
    fn its_numbers_are_those_of_scikit_learn() {
        let (asked, seen, confusion, measures): Fixture = include!("../../tests/fixtures/class_report.in");
        let names = ["a", "b", "c", "d"];
        let report = ClassReport::new(&Tensor::from_slice(&asked), &Tensor::from_slice(&seen), &names).unwrap();
        assert_eq!(report.confusion(), confusion);
        for (values, expected) in [report.precision(), report.recall(), report.f1()].into_iter().zip(&measures) {
            for (value, expected) in values.iter().zip(expected) {
                assert!((value - expected).abs() < 1e-12, "{value} is not {expected}");
            }
        }
        let right = asked.iter().zip(&seen).filter(|(asked, seen)| asked == seen).count();
        assert_eq!(report.accuracy(), right as f64 / 60.0);
    }

    /// The article speaks of accuracy, precision, recall and F1 of a generator, and does not say of what: of a classifier, on
    /// images whose label was asked for.
    #[test]
    fn article_defect_7_the_measures_are_a_classifiers_on_images_whose_label_was_asked_for() {
        let digits = Dataset::digits().unwrap();
        let ideal = Ideal::new(&digits, &Schedule::cosine(100).unwrap()).unwrap();
        let report = |scale| {
            let sampler = Sampler::ddim(10).guidance_scale(scale).labels((0..100).map(|index| index % 10));
            sampler.sample(&ideal).unwrap().nearest(&digits).unwrap().class_report().unwrap()
        };
        // It draws what is in the data, of the class that it is asked for.
        let heard = report(1.0);
        assert_eq!((heard.accuracy(), heard.len()), (1.0, 100));
        assert_eq!([heard.precision(), heard.recall(), heard.f1()], [vec![1.0; 10], vec![1.0; 10], vec![1.0; 10]]);
        // Images as good, but of any class: a tenth is right by chance, give or take 3 in 100.
        let deaf = report(0.0);
        assert!(deaf.accuracy() < 0.25, "{}", deaf.accuracy());
    }

    #[test]
    fn it_draws_the_matrix() {
        let (asked, seen) = (Tensor::from_slice(&[0i64, 0, 0, 0, 1]), Tensor::from_slice(&[0i64, 0, 0, 1, 1]));
        let bundle = ClassReport::new(&asked, &seen, &["moon", "star"]).unwrap().bundle().unwrap();
        let expected = "5 samples, 80.0% seen as asked for; precision, recall and F1 in %\n\
                        asked for  seen moon  seen star  precision  recall    F1  samples\n\
                        moon               3          1      100.0    75.0  85.7        4\n\
                        star                          1       50.0   100.0  66.7        1\n\
                        mean                                  75.0    87.5  76.2        5";
        assert_eq!(bundle.plain_text(), expected);
        let html = bundle.get("text/html").unwrap().as_str().unwrap();
        assert!(html.contains("text-align:right;background:rgba(17,119,204,0.45)\">3</td>"), "{html}");
        assert!(html.contains("text-align:right;background:rgba(17,119,204,0.15)\">1</td>"), "{html}");
    }

    #[test]
    fn nobody_asked_for_the_images_of_a_data_set() {
        let (train, test) = Dataset::digits().unwrap().split(0.9, 0).unwrap();
        let nearest = test.nearest(&train).unwrap();
        let said = |report: ClassReport| {
            let text = report.bundle().unwrap().plain_text().to_string();
            text.lines().take(2).map(String::from).collect::<Vec<_>>()
        };
        let by_nearest = said(nearest.class_report().unwrap());
        let right = format!("{:.1}% seen as what they are", 100.0 * nearest.accuracy().unwrap());
        assert_eq!(
            by_nearest[0],
            format!("180 images, {right}, by the nearest of digits (90%); precision, recall and F1 in %")
        );
        assert!(
            by_nearest[1].starts_with("true class  seen 0") && by_nearest[1].ends_with(" F1  images"),
            "{by_nearest:?}"
        );
        let by_classifier =
            said(test.classify(&crate::evaluate::Classifier::fit_steps(&train, 1, 0).unwrap()).unwrap());
        assert!(by_classifier[1].starts_with("true class  "), "{by_classifier:?}");
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let said = |asked: &[i64], seen: &[i64]| {
            let labels = [asked, seen].map(Tensor::from_slice);
            ClassReport::new(&labels[0], &labels[1], &["a", "b"]).unwrap_err().to_string()
        };
        assert_eq!(said(&[], &[]), "labels = none: a report needs at least one");
        assert_eq!(said(&[0, 1], &[0]), "labels = [1]: one for each of the 2 images");
        assert_eq!(said(&[0, 1], &[0, 2]), "label = 2: the classes are 0 to 1, and -1 is no label");
        assert_eq!(said(&[0, -1], &[0, 1]), "label = -1: a report needs a label for every sample, asked for and seen");
    }
}
