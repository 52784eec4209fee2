//! How a network is told the time.

use crate::Result;
use tch::{Device, Kind, Tensor};

/// The sinusoidal embedding of Vaswani et al. 2017, section 3.5: [sin(t w_i), cos(t w_i)], w_i = 10000^(-2i/width), in
/// halves. Times N, result N x width (even), float32.
pub(crate) fn sinusoidal(times: &[f64], width: i64, device: Device) -> Result<Tensor> {
    let half = width / 2;
    let frequency = |i: i64| (-(i as f64) / half as f64 * 10_000f64.ln()).exp();
    // In float64 up to the sine: at t = 1000 a float32 product has lost the last digits.
    let angles: Vec<f64> = times.iter().flat_map(|t| (0..half).map(move |i| t * frequency(i))).collect();
    let angles = Tensor::f_from_slice(&angles)?.f_view([-1, half])?;
    Ok(Tensor::f_cat(&[angles.f_sin()?, angles.f_cos()?], 1)?.f_to_kind(Kind::Float)?.f_to_device(device)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sines_then_cosines_from_fast_to_slow() {
        let values = Vec::<f64>::try_from(sinusoidal(&[2.0], 4, Device::Cpu).unwrap().to_kind(Kind::Double).view([-1]));
        let expected = [2f64.sin(), 0.02f64.sin(), 2f64.cos(), 0.02f64.cos()];
        for (value, expected) in values.unwrap().iter().zip(expected) {
            assert!((value - expected).abs() < 1e-7, "{value} is not {expected}");
        }
    }
}
