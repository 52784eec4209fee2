//! Each image's nearest image of another set: a classifier, and a test for copies.

use super::pairs::distances as pairwise;
use crate::data::Dataset;
use crate::labels;
use crate::sample::Samples;
use crate::show::{Bundle, Chart, Figure, Grid, Part, Plane, Show, coordinates, digits, evenly, grouped};
use crate::{Error, Result};
use std::rc::Rc;
use tch::{Kind, Tensor};

/// How many pairs a figure shows.
const SHOWN: i64 = 20;
/// Images of the other set that are numbers at once: it may be larger than memory.
const AT_ONCE: usize = 1_024;
/// As many stand side by side.
const COLUMNS: i64 = 10;
/// How many pairs of points are drawn: more would cover one another.
const PAIRS: usize = 80;
const BINS: usize = 30;
/// The size of a picture that has another beside it.
const BESIDE: (u32, u32) = (372, 320);

/// Images, each with its nearest neighbour in a data set by Euclidean distance over all pixels (in [-1, 1]).
///
/// As the value of a cell it draws pairs with their distances: image above neighbour, or points of the plane joined to theirs.
///
/// ```
/// # use noisebook::prelude::*;
/// # let (train, test) = Dataset::digits()?.split(0.9, 0)?;
/// let nearest = test.nearest(&train)?;
/// nearest.show()?;
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone)]
pub struct Nearest {
    images: Rc<Tensor>,
    pub(super) labels: Rc<Tensor>,
    /// The names of the images' classes; those of their neighbours' are `classes`.
    own_classes: Rc<[String]>,
    neighbours: Rc<Tensor>,
    pub(super) neighbour_labels: Rc<Tensor>,
    pub(super) classes: Rc<[String]>,
    distances: Rc<[f64]>,
    indices: Rc<[i64]>,
    pub(super) of: String,
    /// Whether the images' labels were asked for: those of a data set are what its images are.
    pub(super) asked: bool,
}

impl Nearest {
    /// `own_classes` are the images', where they come from a data set; samples are of the classes of `dataset`.
    pub(super) fn find(
        images: Tensor,
        labels: Tensor,
        own_classes: Option<Vec<String>>,
        dataset: &Dataset,
    ) -> Result<Self> {
        if images.size()[1..] != dataset.shape()[1..] {
            let rule = format!("{} holds images of {:?}", dataset.name(), &dataset.shape()[1..]);
            return Err(Error::argument("images", format!("{:?}", &images.size()[1..]), rule));
        }
        let rows = |images: &Tensor| -> Result<Tensor> { Ok(images.f_flatten(1, -1)?.f_to_kind(Kind::Double)?) };
        let of = rows(&images)?;
        let mut best = vec![(f64::INFINITY, 0); images.size()[0] as usize];
        for first in (0..dataset.len()).step_by(AT_ONCE) {
            let chosen: Vec<i64> = (first as i64..(first + AT_ONCE).min(dataset.len()) as i64).collect();
            let all = pairwise(&of, &rows(&dataset.batch_of(&chosen)?.images)?)?;
            let (distances, indices) = all.f_min_dim(1, false)?;
            let found = Vec::<f64>::try_from(distances)?.into_iter().zip(Vec::<i64>::try_from(indices)?);
            for (best, (distance, index)) in best.iter_mut().zip(found) {
                if distance < best.0 {
                    *best = (distance, first as i64 + index);
                }
            }
        }
        let (distances, indices): (Vec<f64>, Vec<i64>) = best.into_iter().unzip();
        let neighbours = dataset.batch_of(&indices)?;
        Ok(Self {
            images: Rc::new(images),
            labels: Rc::new(labels),
            asked: own_classes.is_none(),
            own_classes: own_classes.unwrap_or_else(|| dataset.classes()).into(),
            neighbours: Rc::new(neighbours.images),
            neighbour_labels: Rc::new(neighbours.labels),
            classes: dataset.classes().into(),
            distances: distances.into(),
            indices: indices.into(),
            of: dataset.name().to_string(),
        })
    }

    /// The distance of each image to its neighbour.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let (train, test) = Dataset::digits()?.split(0.9, 0)?;
    /// assert_eq!(test.nearest(&test)?.distances(), [0.0; 180]); // each image is its own copy
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn distances(&self) -> Vec<f64> {
        self.distances.to_vec()
    }

    /// The neighbour of each image: its index in the data set.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let (train, test) = Dataset::digits()?.split(0.9, 0)?;
    /// let first = test.nearest(&train)?.indices()[0];
    /// assert_eq!(train.image(first as usize)?.size(), [1, 8, 8]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn indices(&self) -> Vec<i64> {
        self.indices.to_vec()
    }

    /// The median distance (for an even number, the mean of the middle two).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let (train, test) = Dataset::digits()?.split(0.9, 0)?;
    /// assert!(test.nearest(&train)?.median_distance() > 1.0); // what to expect of an image that is no copy
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn median_distance(&self) -> f64 {
        let mut sorted = self.distances.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
    }

    /// The share of images whose neighbour bears their label: the accuracy of a 1-nearest-neighbour classifier.
    ///
    /// # Errors
    /// Images without labels.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let (train, test) = Dataset::digits()?.split(0.9, 0)?;
    /// let unlabelled = Dataset::new("without labels", &test.images(), None, &[])?;
    /// assert!(unlabelled.nearest(&train)?.accuracy().is_err());
    /// assert!(test.nearest(&train)?.accuracy()? > 0.95);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn accuracy(&self) -> Result<f64> {
        for labels in [&self.labels, &self.neighbour_labels] {
            if labels.f_min()?.f_int64_value(&[])? < 0 {
                return Err(Error::argument("label", -1, "accuracy needs a label for every image and its neighbour"));
            }
        }
        Ok(self
            .labels
            .f_eq_tensor(&self.neighbour_labels)?
            .f_to_kind(Kind::Double)?
            .f_mean(Kind::Double)?
            .f_double_value(&[])?)
    }
}

impl Samples {
    /// Each sample's nearest image of `dataset`: whether it is of the label that was asked for, and whether it is a copy.
    ///
    /// # Errors
    /// Images of another shape.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let digits = Dataset::digits()?;
    /// let unet = UNet::builder().channels(1).image_size(8).base_channels(8).classes(10).build()?;
    /// let model = Diffusion::new(&unet, &Schedule::cosine(1_000)?, Prediction::V)?;
    /// let nearest = Sampler::ddim(2).labels(0..10).sample(&model)?.nearest(&digits)?;
    /// println!("{:.0}% as asked, median distance {:.2}", 100.0 * nearest.accuracy()?, nearest.median_distance());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn nearest(&self, dataset: &Dataset) -> Result<Nearest> {
        Nearest::find(self.images(), self.labels(), None, dataset)
    }
}

impl Dataset {
    /// Each image's nearest image of `other`: what held-out images say is the distance to expect of a sample that is no
    /// copy.
    ///
    /// # Errors
    /// Images of another shape.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let (train, test) = Dataset::digits()?.split(0.9, 0)?;
    /// assert!(test.nearest(&train)?.accuracy()? > 0.95);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn nearest(&self, other: &Dataset) -> Result<Nearest> {
        Nearest::find(self.images(), self.labels(), Some(self.classes()), other)
    }
}

impl Nearest {
    fn facts(&self) -> String {
        let agree = self.accuracy().map_or(String::new(), |share| format!(", {:.1}% of the same label", 100.0 * share));
        let median = self.median_distance();
        let median = if median == 0.0 || median >= 0.1 { format!("{median:.2}") } else { digits(median) };
        format!("nearest of {}: median distance {median}{agree}", self.of)
    }

    /// Pairs of points, and all distances.
    fn points(&self) -> Result<Figure> {
        let count = self.distances.len();
        let distances = Chart::new("How far all are").x_label("distance to the nearest");
        let distances = distances.histogram("points", &self.distances, BINS).y_label("density");
        let (points, neighbours) = (coordinates(&self.images)?, coordinates(&self.neighbours)?);
        if points.len() == 1 {
            return Ok(Figure::column([distances]).title(self.in_words("points")));
        }
        let shown = evenly(count, PAIRS);
        let pick =
            |columns: &[Vec<f64>], axis: usize| -> Vec<f64> { shown.iter().map(|&i| columns[axis][i]).collect() };
        let [px, py, nx, ny] = [pick(&points, 0), pick(&points, 1), pick(&neighbours, 0), pick(&neighbours, 1)];
        let of = if shown.len() < count { format!("{} of them, each", shown.len()) } else { "Each".to_string() };
        let pairs = Plane::new(format!("{of} with its nearest")).x_label("x\u{2081}").y_label("x\u{2082}");
        let pairs = pairs.pairs([&nx, &ny], [&px, &py]).size(BESIDE.0, BESIDE.1);
        let note = format!("dot: a point; ring: the nearest of {}", self.of);
        let parts: [Part; 2] = [pairs.into(), distances.size(BESIDE.0, BESIDE.1).into()];
        Ok(Figure::row(parts).title(self.in_words("points")).note(note))
    }

    fn in_words(&self, what: &str) -> String {
        format!("{} {what}, {}", grouped(self.distances.len()), self.facts())
    }
}

impl std::fmt::Debug for Nearest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.in_words(if self.images.dim() == 2 { "points" } else { "images" }))
    }
}

impl Show for Nearest {
    fn bundle(&self) -> Result<Bundle> {
        if self.images.dim() == 2 {
            return self.points()?.bundle();
        }
        let count = self.images.size()[0];
        // Of 20 or fewer all are shown, but for one where their number is odd: a row that is not full would draw the next
        // one's neighbours beside its images.
        let rows_of_pairs = if count > COLUMNS { 2 } else { 1 };
        let columns = count.min(SHOWN) / rows_of_pairs;
        let shown = columns * rows_of_pairs;
        let (own, near) = (Vec::<i64>::try_from(&*self.labels)?, Vec::<i64>::try_from(&*self.neighbour_labels)?);
        let (mut images, mut captions, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for start in (0..shown).step_by(columns as usize) {
            images.push(self.images.f_narrow(0, start, columns)?);
            images.push(self.neighbours.f_narrow(0, start, columns)?);
            let range = start as usize..(start + columns) as usize;
            captions.extend(own[range.clone()].iter().map(|&label| labels::name(label, &self.own_classes)));
            captions.extend(range.map(|i| {
                let name = labels::name(near[i], &self.classes);
                format!("{name} at {:.2}", self.distances[i]).trim_start().to_string()
            }));
            rows.extend(["image".to_string(), "nearest".to_string()]);
        }
        let title = format!("{}; {shown} shown", self.in_words("images"));
        let grid = Grid::new(&Tensor::f_cat(&images, 0)?)?.columns(columns as usize);
        grid.rows_together(2).captions(captions).row_labels(rows).title(title).bundle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn points(values: &[[f32; 2]], labels: &[i64]) -> Dataset {
        let flat: Vec<f32> = values.iter().flatten().copied().collect();
        let images = Tensor::from_slice(&flat).view([-1, 1, 1, 2]).to_device(Device::Cpu);
        Dataset::new("points", &images, Some(&Tensor::from_slice(labels)), &["a", "b"]).unwrap()
    }

    #[test]
    fn neighbours_distances_and_accuracy_of_four_points() {
        let train = points(&[[0.0, 0.0], [1.0, 1.0]], &[0, 1]);
        let near = points(&[[0.3, 0.4], [1.0, 0.9], [0.0, 0.0], [0.6, 0.8]], &[0, 1, 1, 1]).nearest(&train).unwrap();
        assert_eq!(near.indices(), [0, 1, 0, 1]);
        for (distance, expected) in near.distances().into_iter().zip([0.5, 0.1, 0.0, 0.2f64.sqrt()]) {
            assert!((distance - expected).abs() < 1e-7);
        }
        assert!((near.median_distance() - (0.1 + 0.2f64.sqrt()) / 2.0).abs() < 1e-7);
        assert_eq!(near.accuracy().unwrap(), 0.75);
    }

    /// Thirteen images in two rows of six, each row with the row of its neighbours below it.
    #[test]
    fn every_image_stands_above_its_neighbour() {
        let digits = Dataset::digits().unwrap();
        let few = |count| Dataset::new("few", &digits.images().narrow(0, 0, count), None, &[]).unwrap();
        for (count, rows) in [(1, 2), (10, 2), (12, 4), (13, 4), (20, 4), (30, 4)] {
            let text = few(count).nearest(&digits).unwrap().bundle().unwrap().plain_text().to_string();
            let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("nearest: ")).collect();
            assert_eq!(2 * lines.len(), rows, "{text}");
            let shown = text.matches(" at 0.00").count() as i64;
            assert_eq!(shown, count.min(20) / 2 * 2 + i64::from(count == 1), "{text}");
            assert!(lines.iter().all(|line| line.matches(" at 0.00").count() == lines[0].matches(" at 0.00").count()));
            assert!(text.contains(&format!("; {shown} shown")), "{text}");
        }
    }

    #[test]
    fn captions_are_the_classes_names() {
        let train = points(&[[0.0, 0.0], [1.0, 1.0]], &[0, -1]);
        let images = Tensor::from_slice(&[0.0f32, 0.5, 1.0, 1.0]).view([2, 1, 1, 2]);
        let test = Dataset::new("test", &images, Some(&Tensor::from_slice(&[1i64, 0])), &["x", "y"]).unwrap();
        let text = |nearest: Nearest| nearest.bundle().unwrap().plain_text().to_string();
        let said = text(test.nearest(&train).unwrap());
        assert!(said.ends_with("\nimage: y, x\nnearest: a at 0.50, at 0.00"), "{said}");

        let digits = Dataset::digits().unwrap();
        let fives = ["nought", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
        let named = digits.with_labels(&digits.labels(), &fives).unwrap();
        let ideal = crate::Ideal::new(&digits, &crate::Schedule::cosine(10).unwrap()).unwrap();
        let samples = crate::Sampler::ddim(5).labels([5]).sample(&ideal).unwrap();
        let said = text(samples.nearest(&named).unwrap());
        assert!(said.contains("\nimage: five\nnearest: five at "), "{said}");
    }

    #[test]
    fn points_are_joined_to_their_neighbours() {
        let moons = Dataset::moons(100, 0.05).unwrap();
        let nearest = moons.redraw(1).unwrap().nearest(&moons).unwrap();
        let text = nearest.bundle().unwrap().plain_text().to_string();
        let title = format!("{nearest:?}");
        assert!(title.starts_with("100 points, nearest of moons: median distance 0.0"), "{title}");
        assert!(text.starts_with(&format!("{title}\n80 of them, each with its nearest\n")), "{text}");
        assert!(
            text.contains("\n80 paths of at most 2 points") && text.contains("\npoints: 30 bars from 0.0"),
            "{text}"
        );
        let line = Dataset::new("line", &Tensor::from_slice(&[0.0f32, 1.0, 3.0]).view([3, 1]), None, &[]).unwrap();
        let text = line.nearest(&line).unwrap().bundle().unwrap().plain_text().to_string();
        assert!(text.starts_with("3 points, nearest of line: median distance 0.00\nHow far all are"), "{text}");
    }

    #[test]
    fn accuracy_needs_labels() {
        let (train, bare) = (points(&[[0.0, 0.0]], &[0]), points(&[[0.5, 0.0]], &[-1]));
        for near in [train.nearest(&bare).unwrap(), bare.nearest(&train).unwrap()] {
            let said = near.accuracy().unwrap_err().to_string();
            assert_eq!(said, "label = -1: accuracy needs a label for every image and its neighbour");
        }
    }

    #[test]
    fn digits_of_another_shape_are_refused() {
        let digits = Dataset::digits().unwrap();
        let error = points(&[[0.0, 0.0]], &[0]).nearest(&digits).unwrap_err().to_string();
        assert_eq!(error, "images = [1, 1, 2]: digits holds images of [1, 8, 8]");
    }
}
