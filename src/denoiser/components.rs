//! A mixture of isotropic Gaussians under noise: what [`GaussianMixture`](super::GaussianMixture) and
//! [`Ideal`](super::Ideal), whose components have no width, have in common.

use super::{Denoiser, check_samples, check_time};
use crate::{Error, Result, Schedule};
use std::f64::consts::PI;
use tch::{Device, Kind, Tensor};

/// As many responsibilities are held at a time: 32 MB in float64.
const MOST_AT_ONCE: i64 = 4_000_000;

/// Components k of weight w_k at mu_k with deviation s_k. Noised, component k is N(alpha mu_k, v_k I) with
/// v_k = alpha^2 s_k^2 + sigma^2.
#[derive(Debug)]
pub(super) struct Components {
    /// D numbers, which the means are told from: near the origin squares lose nothing.
    centre: Tensor,
    /// K x D.
    means: Tensor,
    /// |mu_k|^2 from the centre.
    squares: Tensor,
    log_weights: Tensor,
    variances: Tensor,
    /// Which label picks a component, where there are classes.
    labels: Option<Tensor>,
    classes: Option<i64>,
    shape: Vec<i64>,
    schedule: Schedule,
}

impl Components {
    /// Means K x the shape of a sample; positive weights that sum to 1; K deviations.
    pub(super) fn new(means: &Tensor, weights: &Tensor, stds: &Tensor, schedule: &Schedule) -> Result<Self> {
        let double = |x: &Tensor| x.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?.f_detach();
        let flat = double(means)?.f_flatten(1, -1)?;
        let centre = flat.f_mean_dim(&[0i64][..], false, Kind::Double)?;
        let near = flat.f_sub(&centre)?;
        Ok(Self {
            squares: square(&near)?,
            means: near,
            centre,
            log_weights: double(weights)?.f_log()?,
            variances: double(stds)?.f_square()?,
            labels: None,
            classes: None,
            shape: means.size()[1..].to_vec(),
            schedule: schedule.clone(),
        })
    }

    pub(super) fn shape(&self) -> &[i64] {
        &self.shape
    }

    pub(super) fn count(&self) -> i64 {
        self.means.size()[0]
    }

    /// Component k for label `labels[k]` of so many classes alone; -1 is for none.
    pub(super) fn with_labels(&self, labels: Tensor, classes: i64) -> Self {
        Self {
            centre: self.centre.shallow_clone(),
            means: self.means.shallow_clone(),
            squares: self.squares.shallow_clone(),
            log_weights: self.log_weights.shallow_clone(),
            variances: self.variances.shallow_clone(),
            labels: Some(labels),
            classes: Some(classes),
            shape: self.shape.clone(),
            schedule: self.schedule.clone(),
        }
    }

    /// ln p_t(x_t), or ln p_t(x_t | label) where a label picks components: N numbers.
    pub(super) fn log_density(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor> {
        let at = (self.schedule.alpha(t), self.schedule.sigma(t));
        let answer = self.by_parts(xt, labels, &mut |x, labels| {
            let joint = self.log_joint(x, labels, at)?.f_logsumexp(&[1i64][..], false)?;
            let picked = self.picked(&self.log_weights.f_unsqueeze(0)?, labels)?;
            Ok(joint.f_sub(&picked.f_logsumexp(&[1i64][..], false)?)?)
        })?;
        Ok(answer.f_to_kind(xt.f_kind()?)?)
    }

    /// Component `index[i]` plus its deviation times row i of `z`: N x D, for draws.
    pub(super) fn draw(&self, index: &Tensor, z: &Tensor) -> Result<Tensor> {
        let width = self.variances.f_sqrt()?.f_index_select(0, index)?.f_unsqueeze(1)?;
        let means = self.means.f_index_select(0, index)?.f_add(&self.centre)?;
        let shape: Vec<i64> = [-1].iter().chain(&self.shape).copied().collect();
        Ok(means.f_add(&width.f_mul(z)?)?.f_view(shape.as_slice())?)
    }

    /// The lowest and the highest number that lies within 4 deviations of a mean.
    pub(super) fn range(&self) -> Result<(f64, f64)> {
        let reach = self.variances.f_sqrt()?.f_mul_scalar(4.0)?.f_unsqueeze(1)?;
        let means = self.means.f_add(&self.centre)?;
        Ok((means.f_sub(&reach)?.f_min()?.f_double_value(&[])?, means.f_add(&reach)?.f_max()?.f_double_value(&[])?))
    }

    fn noised(&self, (alpha, sigma): (f64, f64)) -> Result<Tensor> {
        Ok(self.variances.f_mul_scalar(alpha * alpha)?.f_add_scalar(sigma * sigma)?)
    }

    fn centred(&self, x: &Tensor, alpha: f64) -> Result<Tensor> {
        Ok(x.f_sub(&self.centre.f_mul_scalar(alpha)?)?)
    }

    /// ln w_k N(x; alpha mu_k, v_k I), minus infinity where the label is another's: N x K. By the expanded square, so that
    /// nothing of N x K x D numbers is ever held.
    fn log_joint(&self, x: &Tensor, labels: Option<&Tensor>, (alpha, sigma): (f64, f64)) -> Result<Tensor> {
        let (x, noised) = (self.centred(x, alpha)?, self.noised((alpha, sigma))?);
        let across = x.f_matmul(&self.means.f_transpose(0, 1)?)?.f_mul_scalar(-2.0 * alpha)?;
        let distances =
            square(&x)?.f_unsqueeze(1)?.f_add(&across)?.f_add(&self.squares.f_mul_scalar(alpha * alpha)?)?;
        let size = self.means.size()[1] as f64;
        let scale = noised.f_mul_scalar(2.0 * PI)?.f_log()?.f_mul_scalar(-0.5 * size)?.f_add(&self.log_weights)?;
        let joint = scale.f_sub(&distances.f_div(&noised)?.f_mul_scalar(0.5)?)?;
        self.picked(&joint, labels)
    }

    /// `values` (N x K, or 1 x K) with minus infinity where a sample's label is not the component's.
    fn picked(&self, values: &Tensor, labels: Option<&Tensor>) -> Result<Tensor> {
        let (Some(labels), Some(own)) = (labels, &self.labels) else { return Ok(values.shallow_clone()) };
        let labels = labels.f_unsqueeze(1)?;
        let other = labels.f_ne_tensor(own)?.f_logical_and(&labels.f_ge(0)?)?;
        Ok(values.f_masked_fill(&other, f64::NEG_INFINITY)?)
    }

    /// What `f` says of N x D float64 rows and their labels, some rows at a time.
    fn by_parts(
        &self,
        xt: &Tensor,
        labels: Option<&Tensor>,
        f: &mut dyn FnMut(&Tensor, Option<&Tensor>) -> Result<Tensor>,
    ) -> Result<Tensor> {
        check_samples("xt", xt, &self.shape)?;
        let rows = xt.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?.f_flatten(1, -1)?;
        let count = rows.size()[0];
        let labels = match labels {
            Some(labels) => Some(self.checked(labels, count)?),
            None => None,
        };
        let part = (MOST_AT_ONCE / self.count()).max(1);
        let mut answers = Vec::new();
        for start in (0..count).step_by(part as usize) {
            let length = part.min(count - start);
            let labels = match &labels {
                Some(labels) => Some(labels.f_narrow(0, start, length)?),
                None => None,
            };
            answers.push(f(&rows.f_narrow(0, start, length)?, labels.as_ref())?);
        }
        Ok(Tensor::f_cat(&answers, 0)?)
    }

    /// Labels of which each has a component.
    fn checked(&self, labels: &Tensor, count: i64) -> Result<Tensor> {
        let labels = labels.f_to_device(Device::Cpu)?;
        crate::labels::check(&labels, count, self.classes.unwrap_or(0))?;
        if let Some(own) = &self.labels {
            let mut borne = vec![false; self.classes.unwrap_or(0) as usize];
            for label in Vec::<i64>::try_from(own)?.into_iter().filter(|&label| label >= 0) {
                borne[label as usize] = true;
            }
            let unknown = |&label: &i64| label >= 0 && !borne[label as usize];
            if let Some(label) = Vec::<i64>::try_from(&labels)?.into_iter().find(unknown) {
                return Err(Error::argument("label", label, "no sample of the data bears it"));
            }
        }
        Ok(labels)
    }
}

impl Denoiser for Components {
    /// E[x_0 | x_t] = sum r_k (sigma^2 mu_k + alpha s_k^2 x_t)/v_k, with responsibilities r_k proportional to
    /// w_k N(x_t; alpha mu_k, v_k I).
    fn denoise(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor> {
        check_time(t)?;
        let (alpha, sigma) = (self.schedule.alpha(t), self.schedule.sigma(t));
        let noised = self.noised((alpha, sigma))?;
        let keep = noised.f_reciprocal()?.f_mul_scalar(sigma * sigma)?;
        let gain = self.variances.f_div(&noised)?.f_mul_scalar(alpha)?.f_unsqueeze(1)?;
        let answer = self.by_parts(xt, labels, &mut |x, labels| {
            let responsibilities = self.log_joint(x, labels, (alpha, sigma))?.f_softmax(1, Kind::Double)?;
            let own = responsibilities.f_matmul(&gain)?.f_mul(&self.centred(x, alpha)?)?;
            Ok(responsibilities.f_mul(&keep)?.f_matmul(&self.means)?.f_add(&own)?.f_add(&self.centre)?)
        })?;
        Ok(answer.f_view_as(xt)?.f_to_kind(xt.f_kind()?)?)
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn sample_shape(&self) -> Vec<i64> {
        self.shape.clone()
    }

    fn classes(&self) -> Option<i64> {
        self.classes
    }

    fn device(&self) -> Device {
        Device::Cpu
    }
}

/// |x|^2 of each row.
fn square(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_square()?.f_sum_dim_intlist(&[1i64][..], false, Kind::Double)?)
}
