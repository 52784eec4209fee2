//! How a network is told the time.

use crate::device::upload;
use crate::random::{Stream, generator};
use crate::{Error, Result};
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::TAU;
use tch::{Device, Kind, Tensor};

/// How a [`UNet`](super::UNet) or an [`Mlp`](super::Mlp) is told the time, before its two linear layers.
///
/// ```
/// # use noisebook::prelude::*;
/// let unet = UNet::builder().channels(1).image_size(8).base_channels(8).time_embedding(TimeEmbedding::fourier()).build()?;
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum TimeEmbedding {
    /// Sines and cosines of 1000 t, whose wavelengths grow in equal ratios (Vaswani et al. 2017, section 3.5). The default.
    #[default]
    Sinusoidal,
    /// sin(2 pi w t) and cos(2 pi w t), with frequencies w from N(0, scale^2) that are drawn once, with the network's seed
    /// (Tancik et al. 2020, "Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional Domains";
    /// Song et al. 2021, appendix C, who take ln sigma in the place of t).
    Fourier {
        /// The frequencies' standard deviation, above 0: 16 in Song et al. 2021.
        scale: f64,
    },
}

impl TimeEmbedding {
    /// Fourier features of scale 16 (Song et al. 2021, appendix C).
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// assert_eq!(TimeEmbedding::fourier(), TimeEmbedding::Fourier { scale: 16.0 });
    /// ```
    #[must_use]
    pub fn fourier() -> Self {
        Self::Fourier { scale: 16.0 }
    }

    /// That its frequencies can be drawn.
    pub(super) fn check(self) -> Result<()> {
        match self {
            Self::Fourier { scale } if !(scale.is_finite() && scale > 0.0) => {
                Err(Error::argument("scale", scale, "the frequencies' deviation is a positive number"))
            }
            _ => Ok(()),
        }
    }
}

/// `count` frequencies from N(0, scale^2).
pub(super) fn frequencies(seed: u64, count: i64, scale: f64) -> Vec<f64> {
    let mut rng = generator(seed, Stream::Frequencies, 0);
    let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
    (0..count).map(|_| scale * normal()).collect()
}

/// [sin(2 pi w t), cos(2 pi w t)] of each frequency, in halves: times N, result N x 2 frequencies, float32.
pub(super) fn fourier(times: &[f64], frequencies: &[f64], device: Device) -> Result<Tensor> {
    let angles: Vec<f64> = times.iter().flat_map(|t| frequencies.iter().map(move |w| TAU * w * t)).collect();
    waves(&Tensor::f_from_slice(&angles)?.f_view([-1, frequencies.len() as i64])?, device)
}

fn waves(angles: &Tensor, device: Device) -> Result<Tensor> {
    upload(&Tensor::f_cat(&[angles.f_sin()?, angles.f_cos()?], 1)?.f_to_kind(Kind::Float)?, device)
}

/// The sinusoidal embedding of Vaswani et al. 2017, section 3.5: [sin(t w_i), cos(t w_i)], w_i = 10000^(-2i/width), in
/// halves. Times N, result N x width (even), float32.
pub(crate) fn sinusoidal(times: &[f64], width: i64, device: Device) -> Result<Tensor> {
    let frequencies = sinusoidal_frequencies(width);
    // In float64 up to the sine: at t = 1000 a float32 product has lost the last digits.
    let angles: Vec<f64> = times.iter().flat_map(|t| frequencies.iter().map(move |w| t * w)).collect();
    waves(&Tensor::f_from_slice(&angles)?.f_view([-1, width / 2])?, device)
}

/// w_i = 10000^(-2i/width) of the first half.
pub(super) fn sinusoidal_frequencies(width: i64) -> Vec<f64> {
    let half = width / 2;
    (0..half).map(|i| (-(i as f64) / half as f64 * 10_000f64.ln()).exp()).collect()
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

    #[test]
    fn fourier_features_are_waves_of_drawn_frequencies() {
        let drawn = frequencies(3, 1_000, 16.0);
        assert_eq!(drawn[..5], frequencies(3, 5, 16.0));
        let square = drawn.iter().map(|w| w * w).sum::<f64>() / 1_000.0;
        assert!((square / 256.0 - 1.0).abs() < 4.0 * (2.0f64 / 1_000.0).sqrt(), "{square}");
        let values = fourier(&[0.25, 0.5], &[1.0, 3.0], Device::Cpu).unwrap();
        let expected = Tensor::from_slice2(&[[1f32, -1.0, 0.0, 0.0], [0.0, 0.0, -1.0, -1.0]]);
        assert!((values - expected).abs().max().double_value(&[]) < 1e-6);
    }
}
