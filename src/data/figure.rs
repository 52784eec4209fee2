//! What a data set looks like.

use super::Dataset;
use crate::Result;
use crate::show::{Bundle, Grid, Show, grouped};
use tch::Tensor;

/// Rows of a data set's grid.
const ROWS: usize = 4;
/// Columns of a data set's grid: one a class, where there are that many at most.
const COLUMNS: usize = 10;

/// Images with their classes' names (or, without names, their labels) below them.
pub(super) fn labelled_grid(images: &Tensor, labels: &Tensor, classes: &[String]) -> Result<Grid> {
    let labels = Vec::<i64>::try_from(labels)?;
    let caption = |&label: &i64| {
        let class = usize::try_from(label).ok().and_then(|class| classes.get(class));
        class.cloned().unwrap_or_else(|| crate::labels::caption(label))
    };
    Ok(Grid::new(images)?.columns(COLUMNS).captions(labels.iter().map(caption).collect()))
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
        let shown = self.batch_of(&self.specimens()?)?;
        let (size, classes) = (self.images().size(), self.classes());
        let kinds = if classes.is_empty() { "no classes".to_string() } else { format!("{} classes", classes.len()) };
        let title = format!(
            "{}: {} images of {} x {} x {}, {kinds}; {} shown",
            self.name(),
            grouped(self.len()),
            size[1],
            size[2],
            size[3],
            shown.images.size()[0]
        );
        labelled_grid(&shown.images, &shown.labels, &classes)?.title(title).bundle()
    }
}
