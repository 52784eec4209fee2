//! What a data set looks like.

use super::Dataset;
use crate::Result;
use crate::labels::classes_in_words;
use crate::show::{Bundle, Cloud, Figure, Grid, Show, grouped, sides};
use std::fmt;
use tch::Tensor;

/// Rows of a data set's grid.
const ROWS: usize = 4;
/// Columns of a data set's grid: one a class, where there are that many at most.
const COLUMNS: usize = 10;

/// Images with their classes' names (or, without names, their labels) below them, and a dash where one of them has no label.
pub(super) fn labelled_grid(images: &Tensor, labels: &Tensor, classes: &[String]) -> Result<Grid> {
    let labels = Vec::<i64>::try_from(labels)?;
    let labelled = labels.iter().any(|&label| label >= 0);
    let caption = |&label: &i64| match label {
        ..0 if labelled => "\u{2013}".to_string(),
        _ => crate::labels::name(label, classes),
    };
    Ok(Grid::new(images)?.columns(COLUMNS).captions(labels.iter().map(caption).collect()))
}

/// Points coloured by their classes, below their number.
pub(super) fn points(points: &Tensor, labels: &Tensor, classes: &[String], name: &str) -> Result<Figure> {
    let (count, dimension) = points.size2()?;
    let kinds =
        if classes.is_empty() { String::new() } else { format!(", {}", classes_in_words(Some(classes.len() as i64))) };
    let drawn = if dimension > 2 { "; the first two are drawn" } else { "" };
    let numbers = if dimension == 1 { "number" } else { "numbers" };
    let title = format!("{name}{} points of {dimension} {numbers}{kinds}{drawn}", grouped(count as usize));
    Ok(Figure::column([Cloud::new(points, Some(labels), classes)?.part("")]).title(title))
}

impl Dataset {
    /// The first images of each class in turn, so that columns are classes; without labels, simply the first.
    fn specimens(&self) -> Result<Vec<i64>> {
        let labels = Vec::<i64>::try_from(self.labels())?;
        let mut by_class = vec![Vec::new(); self.classes().len().max(1)];
        for (index, &label) in labels.iter().enumerate() {
            match usize::try_from(label) {
                Ok(class) => by_class[class].push(index as i64),
                Err(_) if by_class.len() == 1 => by_class[0].push(index as i64),
                Err(_) => {}
            }
        }
        if by_class.iter().all(Vec::is_empty) {
            return Ok((0..self.len().min(ROWS * COLUMNS) as i64).collect());
        }
        if by_class.len() == 1 {
            return Ok(by_class[0].iter().copied().take(ROWS * COLUMNS).collect());
        }
        by_class.truncate(COLUMNS);
        let turns = (0..ROWS).flat_map(|turn| by_class.iter().filter_map(move |class| class.get(turn)));
        Ok(turns.copied().collect())
    }
}

impl Show for Dataset {
    fn bundle(&self) -> Result<Bundle> {
        if self.shape().len() == 2 {
            return points(&self.images(), &self.labels(), &self.classes(), &format!("{}: ", self.name()))?.bundle();
        }
        let shown = self.batch_of(&self.specimens()?)?;
        let title = format!("{self:?}; {} shown", shown.images.size()[0]);
        labelled_grid(&shown.images, &shown.labels, &shown.classes)?.title(title).bundle()
    }
}

impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.shape().len() == 2 { "points" } else { "images" };
        let kinds = classes_in_words(Some(self.classes().len() as i64).filter(|&count| count > 0));
        write!(f, "{}: {} {what} of {}, {kinds}", self.name(), grouped(self.len()), sides(&self.shape()[1..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn points_are_drawn_by_class() {
        let said = |dataset: &Dataset| dataset.bundle().unwrap().plain_text().to_string();
        let moons = said(&Dataset::moons(100, 0.0).unwrap());
        assert!(moons.starts_with("moons: 100 points of 2 numbers, 2 classes\nx\u{2081} from"), "{moons}");
        assert!(moons.contains("\nupper: 50 points around") && moons.contains("\nlower: 50 points around"), "{moons}");
        let eight = said(&Dataset::eight_gaussians(100).unwrap());
        assert!((0..8).all(|class| eight.contains(&format!("\n{class}: "))), "{eight}");
        let zeros = |dimension| Tensor::zeros([3, dimension], (Kind::Float, Device::Cpu));
        let line = said(&Dataset::new("line", &zeros(1), None, &[]).unwrap());
        assert!(line.starts_with("line: 3 points of 1 number\ndensity against x\n40 bars from -0.5 to 0.5"), "{line}");
        let many = said(&Dataset::new("many", &zeros(5), None, &[]).unwrap());
        assert!(many.starts_with("many: 3 points of 5 numbers; the first two are drawn\n"), "{many}");
    }

    #[test]
    fn in_debug_a_data_set_is_a_line() {
        assert_eq!(format!("{:?}", Dataset::digits().unwrap()), "digits: 1,797 images of 1 x 8 x 8, 10 classes");
        assert_eq!(format!("{:?}", Dataset::swiss_roll(5, 0.0).unwrap()), "swiss roll: 5 points of 2, no classes");
    }

    #[test]
    fn a_batch_of_points_is_drawn_too() {
        let batch = Dataset::moons(100, 0.0).unwrap().batch(8, 0).unwrap();
        let text = batch.bundle().unwrap().plain_text().to_string();
        assert!(text.starts_with("8 points of 2 numbers, 2 classes\n") && text.contains("\nupper: "), "{text}");
    }
}
