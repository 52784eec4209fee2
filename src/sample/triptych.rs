//! Three states of the same samples, below one another.

use crate::Result;
use crate::labels::caption;
use crate::show::{Bundle, Cloud, Figure, Grid, Show, grouped, sheet, two_digits};
use tch::{Kind, Tensor};

/// How many images are drawn.
const SHOWN: i64 = 10;

/// Three rows of as many samples, with an error for each.
#[derive(Debug)]
pub(super) struct Triptych {
    /// Each N x the shape of a sample, on the CPU.
    pub(super) rows: [Tensor; 3],
    pub(super) names: [&'static str; 3],
    /// N, int64.
    pub(super) labels: Tensor,
    pub(super) errors: Vec<f64>,
    pub(super) title: String,
}

/// The mean squared difference of each sample: N numbers.
pub(super) fn squared_errors(a: &Tensor, b: &Tensor) -> Result<Vec<f64>> {
    let square = a.f_to_kind(Kind::Double)?.f_sub(&b.f_to_kind(Kind::Double)?)?.f_square()?;
    Ok(Vec::<f64>::try_from(square.f_flatten(1, -1)?.f_mean_dim(&[1i64][..], false, Kind::Double)?)?)
}

impl Show for Triptych {
    fn bundle(&self) -> Result<Bundle> {
        if self.rows[0].dim() == 2 {
            let clouds = self.rows.iter().map(|row| Cloud::new(row, Some(&self.labels), &[]));
            let clouds = clouds.collect::<Result<Vec<_>>>()?;
            let figure: Figure = sheet(&clouds, &self.names.map(String::from), 3, &self.title);
            return figure.bundle();
        }
        let count = self.rows[0].size()[0];
        let shown = count.min(SHOWN);
        let rows: Vec<Tensor> = self
            .rows
            .iter()
            .map(|row| Ok(row.f_narrow(0, 0, shown)?.f_to_kind(Kind::Float)?))
            .collect::<Result<_>>()?;
        let labels = Vec::<i64>::try_from(&self.labels)?;
        let mut captions: Vec<String> = labels.into_iter().take(shown as usize).map(caption).collect();
        captions.resize(2 * shown as usize, String::new());
        captions.extend(self.errors.iter().take(shown as usize).map(|&error| two_digits(error)));
        let few = if shown < count { format!("; {shown} of {} shown", grouped(count as usize)) } else { String::new() };
        let grid = Grid::new(&Tensor::f_cat(&rows, 0)?)?.columns(shown as usize).captions(captions);
        grid.row_labels(self.names.map(String::from).to_vec()).title(format!("{}{few}", self.title)).bundle()
    }
}
