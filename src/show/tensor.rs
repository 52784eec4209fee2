//! Tensors draw themselves: images as a grid, the rest in words.

use super::axis::grouped;
use super::pixels::{check, shape};
use super::{Bundle, Grid, Show};
use crate::Result;
use tch::{Device, Kind, Tensor};

/// As many values are written out.
const MOST_VALUES: usize = 100;

/// Images (N x C x H x W or C x H x W, floats, C 1 or 3) are drawn as a [`Grid`]; of other tensors the shape, the kind,
/// the device and the range of the values are told, and of small ones the values.
///
/// ```
/// use noisebook::show::Show;
/// use tch::{Device, Kind, Tensor};
/// let images = Tensor::zeros([4, 1, 8, 8], (Kind::Float, Device::Cpu));
/// assert!(images.bundle()?.get("image/png").is_some());
/// let numbers = Tensor::from_slice(&[1.0_f32, 2.0, 6.0]);
/// assert_eq!(numbers.bundle()?.plain_text(), "Tensor 3, Float, Cpu: from 1 to 6, mean 3\n[1, 2, 6]");
/// # Ok::<(), noisebook::Error>(())
/// ```
impl Show for Tensor {
    fn bundle(&self) -> Result<Bundle> {
        if !self.defined() {
            return Ok(Bundle::text("an undefined tensor"));
        }
        if self.dim() == 3 {
            let one = self.f_unsqueeze(0)?;
            if check(&one).is_ok() {
                return Grid::new(&one)?.bundle();
            }
        }
        if check(self).is_ok() {
            return Grid::new(self)?.bundle();
        }
        Ok(Bundle::text(in_words(self)?))
    }
}

fn in_words(tensor: &Tensor) -> Result<String> {
    let _guard = tch::no_grad_guard();
    let (kind, device) = (tensor.f_kind()?, tensor.device());
    let head = format!("Tensor {}, {kind:?}, {device:?}", shape(tensor));
    if tensor.numel() == 0 {
        return Ok(format!("{head}: no values"));
    }
    if matches!(kind, Kind::ComplexHalf | Kind::ComplexFloat | Kind::ComplexDouble) {
        return Ok(head);
    }
    let values = tensor.f_detach()?.f_to(Device::Cpu)?.f_totype(Kind::Double)?.f_reshape([-1])?;
    let finite = values.f_masked_select(&values.f_isfinite()?)?;
    let mut text = head;
    if finite.numel() > 0 {
        let (low, high) = finite.f_aminmax(None, false)?;
        let [low, high, mean] = [low, high, finite.f_mean(None)?].map(|value| value.f_double_value(&[]));
        text += &format!(": from {} to {}, mean {}", digits(low?), digits(high?), digits(mean?));
    }
    let not_finite = values.numel() - finite.numel();
    if not_finite > 0 {
        let count = grouped(&not_finite.to_string());
        text += &format!("; {count} not finite (NaN or infinite)");
    }
    if values.numel() <= MOST_VALUES {
        let values = Vec::<f64>::try_from(&values)?;
        text += "\n";
        text += &nested(&values, &tensor.size());
    }
    Ok(text)
}

/// `[1, 2, 3]`, one line for each innermost row.
fn nested(values: &[f64], size: &[i64]) -> String {
    let numbers = |values: &[f64]| values.iter().map(|&value| digits(value)).collect::<Vec<_>>().join(", ");
    match size {
        [] => numbers(values),
        [_] => format!("[{}]", numbers(values)),
        [outer, inner @ ..] => {
            let parts = values.chunks(values.len() / *outer as usize).map(|part| nested(part, inner));
            let separator = format!(",{}", "\n".repeat(inner.len())) + " ";
            format!("[{}]", parts.collect::<Vec<_>>().join(&separator))
        }
    }
}

/// Four significant digits, without zeros at the end.
fn digits(value: f64) -> String {
    if value == value.trunc() && value.abs() < 1e6 {
        return format!("{value}");
    }
    if !value.is_finite() {
        return if value.is_nan() { "NaN".into() } else { value.to_string() };
    }
    super::words::digits(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text(tensor: &Tensor) -> String {
        tensor.bundle().unwrap().plain_text().to_string()
    }

    #[test]
    fn numbers_are_told_in_words() {
        assert_eq!(text(&Tensor::from(3_i64)), "Tensor a single number, Int64, Cpu: from 3 to 3, mean 3\n3");
        let table = Tensor::from_slice(&[1.5_f32, 2.0, 3.0, 0.123_456]).reshape([2, 2]);
        assert_eq!(text(&table), "Tensor 2 x 2, Float, Cpu: from 0.1235 to 3, mean 1.656\n[[1.5, 2],\n [3, 0.1235]]");
        let flags = Tensor::from_slice(&[true, false]);
        assert_eq!(text(&flags), "Tensor 2, Bool, Cpu: from 0 to 1, mean 0.5\n[1, 0]");
        assert_eq!(
            text(&Tensor::from_slice(&[f64::NAN, 1.0])),
            "Tensor 2, Double, Cpu: from 1 to 1, mean 1; 1 not finite (NaN or infinite)\n[NaN, 1]"
        );
        let long = Tensor::zeros([1_000], (Kind::Float, Device::Cpu));
        assert_eq!(text(&long), "Tensor 1000, Float, Cpu: from 0 to 0, mean 0");
        assert_eq!(text(&Tensor::zeros([0, 3], (Kind::Float, Device::Cpu))), "Tensor 0 x 3, Float, Cpu: no values");
        let complex = Tensor::zeros([2], (Kind::ComplexFloat, Device::Cpu));
        assert_eq!(text(&complex), "Tensor 2, ComplexFloat, Cpu");
    }

    #[test]
    fn images_are_drawn() {
        for shape in [vec![2, 3, 4, 4], vec![1, 4, 4]] {
            let bundle = Tensor::zeros(&shape, (Kind::Half, Device::Cpu)).bundle().unwrap();
            assert!(bundle.get("image/svg+xml").is_some(), "{shape:?}");
        }
    }
}
