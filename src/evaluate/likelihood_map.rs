//! The likelihood over a region of the plane.

use super::Likelihood;
use super::region::Region;
use crate::denoiser::Denoiser;
use crate::show::{Bundle, Figure, Plane, Show};
use crate::{Error, Result};
use tch::Tensor;

/// Cells along the longer side.
const CELLS: usize = 40;
/// Finer steps would not change a picture.
const TOLERANCE: f64 = 1e-3;
/// What lies so many nats below the highest is as good as nothing.
const DEPTH: f64 = 12.0;

/// ln p over a region of the plane, by a model's probability-flow ODE with the exact trace; [`Likelihood`] says of which
/// density. As the value of a cell it draws a heat map, and says how much of the probability lies in the region.
///
/// ```
/// use noisebook::prelude::*;
/// let model = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::cosine(100)?)?;
/// let map = LikelihoodMap::of(&model, &model.sample(200, 0)?)?;
/// assert!((map.share() - 1.0).abs() < 0.05); // the region holds nearly all
/// map.show()?;
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LikelihoodMap {
    region: Region,
    nats: Vec<f64>,
}

impl LikelihoodMap {
    /// Over the region where these points lie (N x 2, without noise), with a margin, in at most 40 x 40 cells: of a model with
    /// classes, without a label.
    ///
    /// # Errors
    /// A model of anything but points of 2 numbers, a tensor that is not N x 2 or holds no points, what the model says; an
    /// interrupt, since there is no picture of half a region.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::cosine(100)?)?;
    /// let map = LikelihoodMap::of(&model, &Tensor::from_slice(&[-1.0, -1.0, 1.0, 1.0]).view([2, 2]))?;
    /// assert_eq!(map.values().size(), [40, 40]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn of(model: &dyn Denoiser, points: &Tensor) -> Result<Self> {
        if model.sample_shape() != [2] {
            let rule = "a map is drawn of the plane: take a model of points N x 2";
            return Err(Error::argument("sample shape", format!("{:?}", model.sample_shape()), rule));
        }
        if !matches!(points.size()[..], [1..=i64::MAX, 2]) {
            let rule = "points in the plane are a tensor N x 2";
            return Err(Error::argument("points", format!("{:?}", points.size()), rule));
        }
        let region = Region::over(points, CELLS)?;
        let nats = Likelihood::exact().tolerance(TOLERANCE).of(model, &region.points()?, None)?.nats();
        if nats.len() < region.columns * region.rows {
            return Err(Error::argument("cells", nats.len(), "an interrupt came before the map was whole"));
        }
        Ok(Self { region, nats })
    }

    /// ln p in nats at the middles of the cells, rows x columns from the lower left, float64.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::cosine(100)?)?;
    /// let map = LikelihoodMap::of(&model, &model.sample(200, 0)?)?;
    /// let highest = map.values().max().double_value(&[]); // -ln 2 pi = -1.838 at 0
    /// assert!((highest + 1.84).abs() < 0.05);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn values(&self) -> Tensor {
        Tensor::from_slice(&self.nats).view([self.region.rows as i64, self.region.columns as i64])
    }

    /// How much of the probability lies in the region: the sum of p over the cells times a cell's area.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let model = Gaussian::isotropic(0.0, 1.0, [2], &Schedule::cosine(100)?)?;
    /// let corner = Tensor::from_slice(&[0.0, 0.0, 5.0, 5.0]).view([2, 2]); // and a margin of 0.5
    /// assert!((LikelihoodMap::of(&model, &corner)?.share() - 0.6915f64.powi(2)).abs() < 0.02);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn share(&self) -> f64 {
        let Region { x, y, .. } = self.region;
        let area = (x.1 - x.0) * (y.1 - y.0) / self.nats.len() as f64;
        area * self.nats.iter().map(|nats| nats.exp()).sum::<f64>()
    }
}

impl Show for LikelihoodMap {
    fn bundle(&self) -> Result<Bundle> {
        let Region { x, y, columns, rows } = self.region;
        let highest = self.nats.iter().copied().filter(|nats| nats.is_finite()).fold(f64::MIN, f64::max);
        let plane = Plane::new("").x_label("x\u{2081}").y_label("x\u{2082}");
        let plane = plane.heat("ln p (nats)", columns, rows, &self.nats, x, y).heat_range(highest - DEPTH, highest);
        let title = format!("Likelihood: the region holds {:.1}% of the probability", 100.0 * self.share());
        Figure::column([plane]).title(title).bundle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schedule;
    use crate::denoiser::{Gaussian, GaussianMixture};
    use tch::{Device, Kind};

    /// The mixture's own density, under the first level's noise.
    #[test]
    fn it_is_the_density_of_the_model() {
        let schedule = Schedule::cosine(100).unwrap();
        let means = Tensor::from_slice(&[-1.0, 0.0, 1.0, 0.5]).view([2, 2]);
        let modes = GaussianMixture::new([0.4, 0.6], &means, [0.3, 0.5], &schedule).unwrap();
        let map = LikelihoodMap::of(&modes, &modes.sample(500, 0).unwrap()).unwrap();
        let truth = modes.log_density(&map.region.points().unwrap(), 0.01, None).unwrap();
        // x_t at the first level is alpha x: the density of x has 2 ln alpha more.
        let alpha = schedule.alpha(0.01);
        let found = Tensor::from_slice(&map.nats).to_kind(Kind::Double);
        let error = (found - truth - 2.0 * alpha.ln()).abs().max().double_value(&[]);
        assert!(error < 0.05, "{error}");
        assert!((map.share() - 1.0).abs() < 0.02, "{}", map.share());
        let text = map.bundle().unwrap().plain_text().to_string();
        assert!(text.starts_with("Likelihood: the region holds ") && text.contains("\nln p (nats): 40 x"), "{text}");
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let schedule = Schedule::cosine(100).unwrap();
        let image = Gaussian::isotropic(0.0, 1.0, [1, 8, 8], &schedule).unwrap();
        let points = Tensor::zeros([4, 2], (Kind::Float, Device::Cpu));
        let error = LikelihoodMap::of(&image, &points).unwrap_err().to_string();
        assert_eq!(error, "sample shape = [1, 8, 8]: a map is drawn of the plane: take a model of points N x 2");
        let plane = Gaussian::isotropic(0.0, 1.0, [2], &schedule).unwrap();
        let error = LikelihoodMap::of(&plane, &points.view([8])).unwrap_err().to_string();
        assert_eq!(error, "points = [8]: points in the plane are a tensor N x 2");
    }
}
