//! What a network sees of the time, drawn.

use super::condition::Waves;
use super::mlp::Mlp;
use super::time::TimeEmbedding;
use super::unet::UNet;
use crate::show::{Bundle, Chart, Figure, Part, Show, digits};
use crate::{Error, Result};
use std::rc::Rc;
use tch::{Device, Tensor};

/// Times between 0 and 1 at which features are drawn: as many as a heat map has columns.
const TIMES: usize = 500;
/// More features would be rows thinner than a pixel.
const MOST_FEATURES: i64 = 512;
/// A value that shows an embedding on its own has so many.
const FEATURES: i64 = 64;
/// How often the waves that are drawn as curves go round, about.
const CURVES: [f64; 4] = [0.5, 1.6, 5.0, 16.0];

/// The features that tell a network the time, before its linear layers: sines, then as many cosines, of one time. As the value
/// of a cell it draws all of them over time as a heat map, and some as curves. Slow waves tell far times apart, fast ones near
/// times; together they are like the digits of a number. [`UNet::time_embedding`], [`Mlp::time_embedding`] and
/// [`TimeEmbedding::features`] make it.
///
/// ```
/// use noisebook::prelude::*;
/// let unet = UNet::builder().channels(1).image_size(8).base_channels(16).build()?;
/// let features = unet.time_embedding()?;
/// assert_eq!(features.values().size(), [500, 16]); // times x features
/// assert!(features.bundle()?.plain_text().starts_with("Time as 8 sines and 8 cosines"));
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TimeFeatures {
    times: Rc<[f64]>,
    /// One list a feature.
    features: Rc<[Vec<f64>]>,
    cycles: Rc<[f64]>,
    values: Rc<Tensor>,
}

impl TimeFeatures {
    pub(super) fn of(waves: &Waves) -> Result<Self> {
        let times: Vec<f64> = (0..TIMES).map(|k| (k as f64 + 0.5) / TIMES as f64).collect();
        let values = waves.of(&times, Device::Cpu)?;
        let features = Vec::<Vec<f64>>::try_from(values.f_to_kind(tch::Kind::Double)?.f_tr()?.f_contiguous()?)?;
        Ok(Self {
            times: times.into(),
            features: features.into(),
            cycles: waves.cycles().into(),
            values: Rc::new(values),
        })
    }

    /// The times of the values: 500 between 0 and 1.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// assert_eq!(TimeEmbedding::Sinusoidal.features(4, 0)?.times()[0], 0.001);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn times(&self) -> Vec<f64> {
        self.times.to_vec()
    }

    /// The features at these times: times x features, float32, on the CPU.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let values = TimeEmbedding::Sinusoidal.features(4, 0)?.values();
    /// assert!((values.double_value(&[0, 0]) - 1.0_f64.sin()).abs() < 1e-6); // the first sine of 1000 t, t = 0.001
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn values(&self) -> Tensor {
        self.values.shallow_clone()
    }

    /// The sines that are nearest to going round so often, each once, from slow to fast.
    fn curves(&self) -> Vec<usize> {
        let apart = |index: usize, cycles: f64| (self.cycles[index].abs().max(1e-9) / cycles).ln().abs();
        let nearest = |cycles: f64| {
            (0..self.cycles.len()).min_by(|&a, &b| apart(a, cycles).total_cmp(&apart(b, cycles))).unwrap_or(0)
        };
        let mut curves: Vec<usize> = CURVES.into_iter().map(nearest).collect();
        curves.dedup();
        curves
    }
}

impl Show for TimeFeatures {
    fn bundle(&self) -> Result<Bundle> {
        let (half, count) = (self.cycles.len(), self.features.len());
        let heat = Chart::new("All features: sines below, cosines above")
            .x_label("time t")
            .y_label("feature")
            .heat("value", self.times.len(), count, &self.features.concat(), (0.0, 1.0), (0.0, count as f64))
            .size(750, 280);
        let mut curves = Chart::new("Some of the sines").x_label("time t").y_label("value");
        for index in self.curves() {
            curves = curves.line(format!("feature {index}"), &self.times, &self.features[index]);
        }
        let waves = || self.cycles.iter().map(|cycles| 1.0 / cycles.abs());
        let (short, long) = (waves().fold(f64::INFINITY, f64::min), waves().fold(0.0, f64::max));
        let title = format!(
            "Time as {half} sines and {half} cosines: the shortest wave is {} long, the longest {}",
            digits(short),
            digits(long)
        );
        Figure::column([Part::from(heat), Part::from(curves.size(750, 200))]).title(title).bundle()
    }
}

impl TimeEmbedding {
    /// `count` features of this kind; a seed for the frequencies of Fourier's. [`UNet::time_embedding`] has those of a network.
    ///
    /// # Errors
    /// A count that is odd, or not from 2 to 512.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// TimeEmbedding::fourier().features(32, 0)?.show()?; // a heat map and curves
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn features(self, count: i64, seed: u64) -> Result<TimeFeatures> {
        if !(2..=MOST_FEATURES).contains(&count) || count % 2 != 0 {
            let rule = format!("an even number from 2 to {MOST_FEATURES}: half are sines, half cosines");
            return Err(Error::argument("count", count, rule));
        }
        self.check()?;
        TimeFeatures::of(&Waves::new(self, count, seed))
    }
}

impl Show for TimeEmbedding {
    /// 64 features of it, seed 0.
    fn bundle(&self) -> Result<Bundle> {
        self.features(FEATURES, 0)?.bundle()
    }
}

impl UNet {
    /// What the network sees of the time, before its linear layers.
    ///
    /// # Errors
    /// What libtorch says when there is no memory left.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let unet = UNet::builder().channels(1).image_size(8).base_channels(8).build()?;
    /// unet.time_embedding()?.show()?; // a heat map and curves
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn time_embedding(&self) -> Result<TimeFeatures> {
        TimeFeatures::of(self.waves())
    }
}

impl Mlp {
    /// What the network sees of the time, before its linear layers.
    ///
    /// # Errors
    /// What libtorch says when there is no memory left.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// assert_eq!(Mlp::builder().build()?.time_embedding()?.values().size(), [500, 64]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn time_embedding(&self) -> Result<TimeFeatures> {
        TimeFeatures::of(self.waves())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// w_i = 10000^(-2i/64): 2 pi/1000 long is the first wave in t, 10000^(31/32) times as long the last.
    #[test]
    fn it_says_how_long_its_waves_are() {
        let text = TimeEmbedding::Sinusoidal.bundle().unwrap().plain_text().to_string();
        let (short, long) = (std::f64::consts::TAU / 1e3, std::f64::consts::TAU / 1e3 * 10_000_f64.powf(31.0 / 32.0));
        let title =
            format!("Time as 32 sines and 32 cosines: the shortest wave is {short:.6} long, the longest {long:.2}");
        assert_eq!(text.lines().next(), Some(title.as_str()));
        assert!(text.contains("\nvalue: 500 x 64 cells, from -1 to 1, highest around ("), "{text}");
        // 16, 5, 1.6 and 0.5 rounds are those of i = ln(1000/(2 pi cycles))/ln(10000) 32 = 8, 12, 16, 20.
        for i in [8, 12, 16, 20] {
            assert!(text.contains(&format!("\nfeature {i}: 500 points, ")), "{text}");
        }
    }

    /// sin and cos of one wave: their squares add up to 1 at every time.
    #[test]
    fn features_are_those_of_the_network() {
        let builder = UNet::builder().channels(1).image_size(8).base_channels(8).seed(3);
        let unet = builder.time_embedding(TimeEmbedding::fourier()).build().unwrap();
        let values = unet.time_embedding().unwrap().values();
        assert_eq!(values, TimeEmbedding::fourier().features(8, 3).unwrap().values());
        assert_ne!(values, TimeEmbedding::fourier().features(8, 0).unwrap().values());
        let squares = values.square().view([500, 2, 4]).sum_dim_intlist(1, false, tch::Kind::Double);
        assert!((squares - 1.0).abs().max().double_value(&[]) < 1e-6);
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let said = |count| TimeEmbedding::Sinusoidal.features(count, 0).unwrap_err().to_string();
        for count in [0, 5, 514] {
            let rule = "an even number from 2 to 512: half are sines, half cosines";
            assert_eq!(said(count), format!("count = {count}: {rule}"));
        }
        let scale = TimeEmbedding::Fourier { scale: -1.0 }.features(4, 0).unwrap_err().to_string();
        assert_eq!(scale, "scale = -1: the frequencies' deviation is a positive number");
    }
}
