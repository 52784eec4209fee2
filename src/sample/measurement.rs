//! What is known of a sample: the part that a linear measurement leaves.

use crate::show::{Bundle, Show, grouped, sides};
use crate::{Error, Result};
use std::fmt;
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// A linear measurement y = A x_0 of samples: some of their elements, their grey, or their means over squares of pixels.
///
/// All that a method of restoring needs of it is P = A^+ A, with the pseudoinverse A^+: what the measurement leaves of a sample,
/// in the sample's own shape. [`Restore`](super::Restore) makes up the rest, and [`Sampler::restore`](super::Sampler::restore)
/// draws given, result and truth.
///
/// ```
/// use noisebook::prelude::*;
/// let image = Dataset::digits()?.image(0)?;
/// Measurement::downsample(2).apply(&image)?.show()?; // 4 x 4 numbers, drawn as 8 x 8 pixels
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone)]
pub struct Measurement {
    of: Of,
}

#[derive(Clone)]
enum Of {
    Elements(Rc<Tensor>),
    Channels,
    Squares(i64),
}

impl Measurement {
    /// The elements where `mask`, of the shape of a sample, is true (or not 0): inpainting. A mask itself serves wherever a
    /// measurement is asked for.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let known = Measurement::mask(&Tensor::from_slice(&[true, false]));
    /// assert_eq!(known.apply(&Tensor::from_slice(&[3.0, 4.0]))?, Tensor::from_slice(&[3.0, 0.0]));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn mask(mask: &Tensor) -> Self {
        Self { of: Of::Elements(Rc::new(mask.shallow_clone())) }
    }

    /// The mean of an image's channels: colourisation.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let red = Tensor::from_slice(&[1.0, -1.0, -1.0]).view([3, 1, 1]);
    /// assert!((Measurement::grey().apply(&red)? + 1.0 / 3.0).abs().max().double_value(&[]) < 1e-12);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn grey() -> Self {
        Self { of: Of::Channels }
    }

    /// The mean of each `factor` x `factor` pixels: super-resolution.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let image = Tensor::from_slice(&[0.0, 0.2, 0.4, 0.6]).view([1, 2, 2]);
    /// assert!((Measurement::downsample(2).apply(&image)? - 0.3).abs().max().double_value(&[]) < 1e-12);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn downsample(factor: i64) -> Self {
        Self { of: Of::Squares(factor) }
    }

    /// What it leaves of samples (N x their shape, or one): A^+ A x, of the same shape. Elements that are not known are 0, every
    /// channel is the grey, every pixel the mean of its square.
    ///
    /// # Errors
    /// Samples that it cannot measure: a mask of another shape, or one that knows nothing; grey of one channel; squares that do
    /// not fill the image.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let image = Dataset::digits()?.image(0)?;
    /// let error = Measurement::downsample(3).apply(&image).unwrap_err();
    /// assert_eq!(error.to_string(), "factor = 3: squares of 2 pixels or more, that fill 8 x 8");
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn apply(&self, samples: &Tensor) -> Result<Tensor> {
        let size = samples.size();
        let single = match &self.of {
            Of::Elements(mask) => size.len() == mask.dim(),
            Of::Channels | Of::Squares(_) => size.len() == 3,
        };
        let batch = if single { samples.f_unsqueeze(0)? } else { samples.shallow_clone() };
        self.check(batch.size().get(1..).unwrap_or_default())?;
        Ok(self.project(&batch)?.f_view_as(samples)?)
    }

    /// That samples of this shape can be measured.
    pub(super) fn check(&self, shape: &[i64]) -> Result<()> {
        match (&self.of, shape) {
            (Of::Elements(mask), _) if mask.size() != shape => {
                let rule = format!("of the shape of a sample, {}", sides(shape));
                Err(Error::argument("mask", format!("{:?}", mask.size()), rule))
            }
            (Of::Elements(mask), _) if count(mask)? == 0 => {
                Err(Error::argument("mask", "0 known", "at least 1 element is known"))
            }
            (Of::Elements(_), _) => Ok(()),
            (Of::Channels, &[channels, _, _]) if channels > 1 => Ok(()),
            (Of::Channels, _) => {
                let rule = "a grey image is made of one of two or more channels, C x H x W";
                Err(Error::argument("samples", sides(shape), rule))
            }
            (&Of::Squares(factor), &[_, height, width])
                if factor > 1 && height % factor == 0 && width % factor == 0 =>
            {
                Ok(())
            }
            (&Of::Squares(factor), shape) => {
                let rule = match shape {
                    [_, height, width] => format!("squares of 2 pixels or more, that fill {height} x {width}"),
                    _ => format!("squares are of images C x H x W, not of {}", sides(shape)),
                };
                Err(Error::argument("factor", factor, rule))
            }
        }
    }

    /// The same, its mask moved to a device once for all that it projects there.
    pub(super) fn on(&self, device: Device) -> Result<Self> {
        Ok(match &self.of {
            Of::Elements(mask) => Self::mask(&mask.f_to_device(device)?.f_to_kind(Kind::Bool)?),
            Of::Channels | Of::Squares(_) => self.clone(),
        })
    }

    /// A^+ A x of a batch: an orthogonal projection.
    pub(super) fn project(&self, batch: &Tensor) -> Result<Tensor> {
        match &self.of {
            Of::Elements(mask) => {
                let unknown = mask.f_to_device(batch.device())?.f_to_kind(Kind::Bool)?.f_logical_not()?;
                Ok(batch.f_masked_fill(&unknown, 0.0)?)
            }
            Of::Channels => {
                let grey = batch.f_mean_dim(&[1i64][..], true, batch.f_kind()?)?;
                Ok(grey.f_expand(batch.size(), false)?.f_contiguous()?)
            }
            &Of::Squares(factor) => {
                let size = batch.size();
                let parts = [size[0], size[1], size[2] / factor, factor, size[3] / factor, factor];
                let squares = batch.f_reshape(parts)?;
                let means = squares.f_mean_dim(&[3i64, 5][..], true, batch.f_kind()?)?;
                Ok(means.f_expand(parts, false)?.f_reshape(size.as_slice())?)
            }
        }
    }

    /// What is done when the rest is made up.
    pub(super) fn task(&self) -> &'static str {
        match self.of {
            Of::Elements(_) => "inpainting",
            Of::Channels => "colourisation",
            Of::Squares(_) => "super-resolution",
        }
    }
}

fn count(mask: &Tensor) -> Result<i64> {
    Ok(mask.f_to_kind(Kind::Bool)?.f_sum(Kind::Int64)?.f_int64_value(&[])?)
}

impl From<&Tensor> for Measurement {
    fn from(mask: &Tensor) -> Self {
        Self::mask(mask)
    }
}

impl From<&Measurement> for Measurement {
    fn from(measurement: &Measurement) -> Self {
        measurement.clone()
    }
}

impl fmt::Debug for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.of {
            Of::Elements(mask) => {
                let (known, all) = (count(mask).unwrap_or(0), mask.numel());
                write!(f, "{} of {} elements known", grouped(known as usize), grouped(all))
            }
            Of::Channels => f.write_str("the mean of the channels known"),
            Of::Squares(factor) => write!(f, "the mean of each {factor} x {factor} pixels known"),
        }
    }
}

impl Show for Measurement {
    fn bundle(&self) -> Result<Bundle> {
        Ok(Bundle::text(format!("{}: {self:?}", self.task())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A^+ (A A^+)^-1 A by an explicit matrix A, row by row, and the projection's two properties.
    #[test]
    fn it_is_the_orthogonal_projection_on_what_is_measured() {
        let (options, shape) = ((Kind::Double, Device::Cpu), [3, 4, 2]);
        let mask = Tensor::from_slice(&[true, false, false]).view([3, 1, 1]).expand(shape, false);
        let grey = Tensor::zeros([8, 24], options);
        for pixel in 0..8 {
            for channel in 0..3 {
                let _ = grey.get(pixel).get(channel * 8 + pixel).fill_(1.0 / 3.0);
            }
        }
        let squares = Tensor::zeros([6, 24], options);
        for element in 0..24i64 {
            let (channel, row) = (element / 8, element % 8 / 2);
            let _ = squares.get(channel * 2 + row / 2).get(element).fill_(0.25);
        }
        let picked = Tensor::eye(24, options).narrow(0, 0, 8);
        let x = Tensor::randn([5, 3, 4, 2], options);
        for (measurement, a) in
            [(Measurement::mask(&mask), picked), (Measurement::grey(), grey), (Measurement::downsample(2), squares)]
        {
            let expected = x.view([5, 24]).matmul(&a.pinverse(1e-12).matmul(&a).transpose(0, 1)).view_as(&x);
            let error = (measurement.apply(&x).unwrap() - expected).abs().max().double_value(&[]);
            assert!(error < 1e-12, "{measurement:?}: {error}");
        }
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let image = Tensor::zeros([1, 8, 8], (Kind::Float, Device::Cpu));
        let said = |measurement: Measurement| measurement.apply(&image).unwrap_err().to_string();
        let rule = "a grey image is made of one of two or more channels, C x H x W";
        assert_eq!(said(Measurement::grey()), format!("samples = 1 x 8 x 8: {rule}"));
        assert_eq!(said(Measurement::downsample(1)), "factor = 1: squares of 2 pixels or more, that fill 8 x 8");
        assert_eq!(said(Measurement::mask(&image)), "mask = 0 known: at least 1 element is known");
        let points = Measurement::downsample(2).apply(&Tensor::zeros([5, 2], (Kind::Float, Device::Cpu)));
        assert_eq!(points.unwrap_err().to_string(), "factor = 2: squares are of images C x H x W, not of 2");
    }
}
