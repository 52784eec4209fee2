//! How predicted x_0 changes with x_t.

use super::Denoiser;
use crate::show::interrupted;
use crate::{Error, Result};
use tch::{Kind, Tensor, with_grad};

/// Predicted x_0 at some x_t, with its derivatives there: J = d x_0/d x_t. By Tweedie's formula sigma^2/alpha J is the
/// covariance of x_0 given x_t.
#[derive(Debug)]
pub(crate) struct Jacobian {
    x: Tensor,
    x0: Tensor,
}

impl Jacobian {
    /// Also while gradients are off, as they are in sampling.
    pub(crate) fn at(model: &dyn Denoiser, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Self> {
        let x = xt.f_detach_copy()?.f_set_requires_grad(true)?;
        let x0 = with_grad(|| model.denoise(&x, t, labels))?;
        Ok(Self { x, x0 })
    }

    /// Predicted x_0.
    pub(crate) fn x0(&self) -> Result<Tensor> {
        Ok(self.x0.f_detach()?)
    }

    /// J^T v, sample by sample: one pass backwards. `v` is of the shape of x_0.
    pub(crate) fn transposed(&self, v: &Tensor) -> Result<Tensor> {
        if !self.x0.requires_grad() {
            return Ok(self.x.f_zeros_like()?);
        }
        let product = with_grad(|| self.x0.f_mul(v)?.f_sum(self.x0.f_kind()?))?;
        let (keep_graph, create_graph) = (true, false);
        Ok(Tensor::f_run_backward(&[product], &[&self.x], keep_graph, create_graph)?.remove(0))
    }

    /// The trace of J for each sample: exactly, by as many passes backwards as a sample has numbers, of which
    /// an interrupt makes an error; N numbers.
    pub(crate) fn trace(&self) -> Result<Tensor> {
        let (count, size) = (self.x0.size()[0], self.x0.f_flatten(1, -1)?.size()[1]);
        let mut trace = Tensor::f_zeros([count], (Kind::Double, self.x0.device()))?;
        for index in 0..size {
            go_on()?;
            let v = self.x0.f_zeros_like()?.f_detach()?.f_reshape([count, size])?;
            let _ = v.f_narrow(1, index, 1)?.f_fill_(1.0)?;
            let row = self.transposed(&v.f_view_as(&self.x0)?)?.f_reshape([count, size])?;
            trace = trace.f_add(&row.f_select(1, index)?.f_to_kind(Kind::Double)?)?;
        }
        Ok(trace)
    }

    /// v^T J v for each sample, whose mean over random signs v is the trace, or an error after an interrupt: N numbers.
    pub(crate) fn quadratic(&self, v: &Tensor) -> Result<Tensor> {
        go_on()?;
        let products = self.transposed(v)?.f_mul(v)?.f_flatten(1, -1)?;
        Ok(products.f_sum_dim_intlist(&[1i64][..], false, Kind::Double)?)
    }
}

/// One trace may take minutes: whoever waits for it looks at each pass.
fn go_on() -> Result<()> {
    if interrupted() {
        return Err(Error::argument("trace", "not whole", "interrupted"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Gaussian;
    use super::*;
    use crate::Schedule;
    use tch::no_grad;

    /// A Gaussian's J is alpha S (alpha^2 S + sigma^2)^-1, and sigma^2/alpha J the covariance of x_0 given x_t.
    #[test]
    fn it_is_the_posterior_covariance_of_a_gaussian() {
        let schedule = Schedule::cosine(100).unwrap();
        let covariance = Tensor::from_slice(&[2.0, 0.5, 0.5, 1.0]).view([2, 2]);
        let model = Gaussian::new(&Tensor::from_slice(&[1.0, 0.0]), &covariance, &schedule).unwrap();
        let (alpha, sigma) = (schedule.alpha(0.5), schedule.sigma(0.5));
        let precision =
            covariance.inverse() + Tensor::eye(2, (Kind::Double, tch::Device::Cpu)) * (alpha / sigma).powi(2);
        let expected = precision.inverse() * (alpha / sigma.powi(2));
        let xt = Tensor::from_slice(&[0.3, -2.0, 1.0, 5.0, 0.0, 0.0]).view([3, 2]);
        no_grad(|| {
            let jacobian = Jacobian::at(&model, &xt, 0.5, None).unwrap();
            let v = Tensor::from_slice(&[1.0, -1.0]).expand([3, 2], false);
            let error = jacobian.transposed(&v).unwrap() - v.matmul(&expected);
            assert!(error.abs().max().double_value(&[]) < 1e-12);
            let trace = jacobian.trace().unwrap() - expected.trace();
            assert!(trace.abs().max().double_value(&[]) < 1e-12);
            let quadratic =
                jacobian.quadratic(&v).unwrap() - (v.matmul(&expected) * &v).sum_dim_intlist(1, false, None);
            assert!(quadratic.abs().max().double_value(&[]) < 1e-12);
            assert_eq!(jacobian.x0().unwrap(), model.denoise(&xt, 0.5, None).unwrap());
        });
    }
}
