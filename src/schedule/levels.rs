//! The noise levels of a batch: one time an image.

use super::Schedule;
use super::chain::on_level;
use crate::device::upload;
use crate::show::{Bundle, Show, digits, grouped};
use crate::{Error, Result};
use tch::Tensor;

/// One noise level for each image of a batch, in the units that every network understands.
///
/// ```
/// use noisebook::prelude::*;
/// let schedule = Schedule::cosine(1_000)?;
/// let levels = Levels::new(&schedule, [0, 499, 999])?;
/// assert_eq!(levels.times(), [0.001, 0.5, 1.0]);
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Levels {
    times: Vec<f64>,
    count: usize,
}

impl Levels {
    /// Levels by their index in 0..N of a schedule.
    ///
    /// # Errors
    /// A level outside 0..N.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let schedule = Schedule::cosine(1_000)?;
    /// assert!(Levels::new(&schedule, [1_000]).is_err()); // the last of 1,000 levels is 999
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn new(schedule: &Schedule, levels: impl IntoIterator<Item = usize>) -> Result<Self> {
        let times = levels.into_iter().map(|level| schedule.time(level)).collect::<Result<_>>()?;
        Ok(Self { times, count: schedule.levels() })
    }

    /// The same time t in [0, 1] for `batch` images.
    ///
    /// # Errors
    /// t outside [0, 1].
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let schedule = Schedule::cosine(1_000)?;
    /// assert_eq!(Levels::at(&schedule, 0.25, 3)?.times(), [0.25; 3]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn at(schedule: &Schedule, t: f64, batch: usize) -> Result<Self> {
        if !(0.0..=1.0).contains(&t) {
            return Err(Error::argument("t", t, "time runs from 0 (data) to 1 (noise)"));
        }
        Ok(Self { times: vec![t; batch], count: schedule.levels() })
    }

    /// Times in [0, 1] of this schedule.
    pub(crate) fn from_times(schedule: &Schedule, times: Vec<f64>) -> Self {
        Self { times, count: schedule.levels() }
    }

    /// Those of some of the images.
    pub(crate) fn part(&self, start: usize, length: usize) -> Self {
        Self { times: self.times[start..start + length].to_vec(), count: self.count }
    }

    /// How many images these levels are for.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let schedule = Schedule::cosine(1_000)?;
    /// assert_eq!(Levels::new(&schedule, [0, 999])?.len(), 2);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there is none.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let schedule = Schedule::cosine(1_000)?;
    /// assert!(Levels::at(&schedule, 0.5, 0)?.is_empty());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// The times, each in [0, 1].
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let schedule = Schedule::cosine(1_000)?;
    /// assert_eq!(Levels::new(&schedule, [249, 999])?.times(), [0.25, 1.0]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn times(&self) -> Vec<f64> {
        self.times.clone()
    }

    /// The levels' indices t N - 1: whole numbers in 0..N where the times are a schedule's levels.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let schedule = Schedule::cosine(1_000)?;
    /// assert_eq!(Levels::at(&schedule, 0.5, 2)?.indices(), [499.0, 499.0]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn indices(&self) -> Vec<f64> {
        self.times.iter().map(|t| on_level(t * self.count as f64) - 1.0).collect()
    }

    /// alpha and sigma of each sample of `like`, of its kind, on its device: N x 1 x ... 1.
    pub(crate) fn alpha_sigma(&self, schedule: &Schedule, like: &Tensor) -> Result<(Tensor, Tensor)> {
        Ok((self.column(like, |t| schedule.alpha(t))?, self.column(like, |t| schedule.sigma(t))?))
    }

    /// A number for each sample of `like`, of its kind, on its device: N x 1 x ... 1.
    pub(crate) fn column(&self, like: &Tensor, value: impl Fn(f64) -> f64) -> Result<Tensor> {
        let values: Vec<f64> = self.times.iter().map(|&t| value(t)).collect();
        let mut shape = vec![1; like.dim()];
        shape[0] = -1;
        let values = Tensor::f_from_slice(&values)?.f_to_kind(like.f_kind()?)?;
        upload(&values.f_view(shape.as_slice())?, like.device())
    }
}

impl Show for Levels {
    fn bundle(&self) -> Result<Bundle> {
        let shown: Vec<String> = self.times.iter().take(10).map(|t| digits(*t)).collect();
        let more = if self.times.len() > 10 { ", ..." } else { "" };
        Ok(Bundle::text(format!("{} levels, t = {}{more}", grouped(self.times.len()), shown.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let schedule = Schedule::linear(4).unwrap();
        assert_eq!(
            Levels::at(&schedule, 1.5, 2).unwrap_err().to_string(),
            "t = 1.5: time runs from 0 (data) to 1 (noise)"
        );
        assert_eq!(Levels::new(&schedule, [4]).unwrap_err().to_string(), "level = 4: levels run from 0 to 3");
    }
}
