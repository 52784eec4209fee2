//! How long each layer of a network takes.

use super::parameters::Parameters;
use crate::show::{Bundle, Show, Table, grouped};
use crate::{Error, Result};
use std::fmt;
use std::time::{Duration, Instant};
use tch::{Cuda, Device, Kind, Tensor};

/// Passes whose least times count, after one to warm up.
const PASSES: usize = 3;

/// What each layer costs, forward and backward; as the value of a cell it draws a table.
///
/// [`UNet::layer_times`](super::UNet::layer_times) and [`ArticleUNet::layer_times`](super::ArticleUNet::layer_times) measure
/// it: each layer by itself, the least of three passes. Layers whose work is small may seem slower than they are within a whole
/// pass, since here each waits for the one before.
///
/// ```
/// # use noisebook::prelude::*;
/// let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
/// let times = unet.layer_times(4)?;
/// assert_eq!(times.layers()[0].0, "conv_in");
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct LayerTimes {
    title: String,
    laps: Vec<(String, Duration, Duration)>,
}

impl LayerTimes {
    /// The times of what `pass` sends through a clock.
    pub(super) fn measure(
        title: String,
        parameters: &Parameters,
        mut pass: impl FnMut(&mut Clock) -> Result<Tensor>,
    ) -> Result<Self> {
        let mut laps: Vec<(String, Duration, Duration)> = Vec::new();
        for index in 0..=PASSES {
            let mut clock = Clock { on: Some(parameters), laps: Vec::new() };
            let _ = pass(&mut clock)?;
            if index <= 1 {
                laps = clock.laps;
                continue;
            }
            for (least, lap) in laps.iter_mut().zip(clock.laps) {
                (least.1, least.2) = (least.1.min(lap.1), least.2.min(lap.2));
            }
        }
        Ok(Self { title, laps })
    }

    /// Name, forward time and backward time of each layer, in the order in which an image passes them.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// for (layer, forward, backward) in unet.layer_times(4)?.layers() {
    ///     println!("{layer}: {forward:?} and {backward:?}");
    /// }
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn layers(&self) -> Vec<(String, Duration, Duration)> {
        self.laps.clone()
    }
}

impl Show for LayerTimes {
    fn bundle(&self) -> Result<Bundle> {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let whole: f64 = self.laps.iter().map(|(_, forward, backward)| ms(*forward + *backward)).sum();
        let table = Table::new(["layer", "forward (ms)", "backward (ms)", "share"]).title(&self.title);
        let row = |table: Table, (layer, forward, backward): &(String, Duration, Duration)| {
            let share = format!("{:.1}%", 100.0 * ms(*forward + *backward) / whole);
            table.row([layer.clone(), format!("{:.2}", ms(*forward)), format!("{:.2}", ms(*backward)), share])
        };
        self.laps.iter().fold(table, row).bundle()
    }
}

impl fmt::Debug for LayerTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)?;
        self.laps.iter().try_for_each(|(layer, forward, backward)| write!(f, "\n{layer}: {forward:?}, {backward:?}"))
    }
}

/// What a pass goes through, layer by layer: nothing, or a clock that also sends each layer's sum back.
pub(super) struct Clock<'a> {
    on: Option<&'a Parameters>,
    laps: Vec<(String, Duration, Duration)>,
}

impl Clock<'_> {
    /// For a pass that nobody measures.
    pub(super) fn off() -> Self {
        Self { on: None, laps: Vec::new() }
    }

    pub(super) fn layer(
        &mut self,
        name: fmt::Arguments,
        inputs: &[&Tensor],
        run: impl FnOnce(&[&Tensor]) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let Some(parameters) = self.on else { return run(inputs) };
        let inputs: Vec<Tensor> =
            inputs.iter().map(|input| Ok(input.f_detach()?.f_set_requires_grad(true)?)).collect::<Result<_>>()?;
        let inputs: Vec<&Tensor> = inputs.iter().collect();
        let device = parameters.device();
        let began = now(device);
        let out = run(&inputs)?;
        let forward = now(device) - began;
        let weights = parameters.tensors().iter().map(|(_, weight)| weight).filter(|weight| weight.requires_grad());
        let leaves: Vec<&Tensor> = inputs.into_iter().chain(weights).collect();
        let began = now(device);
        let _ = Tensor::f_run_backward(&[out.f_sum(Kind::Float)?], &leaves, false, false)?;
        self.laps.push((name.to_string(), forward, now(device) - began));
        Ok(out.f_detach()?)
    }
}

/// The moment at which the device has done all that it was told.
fn now(device: Device) -> Instant {
    if let Device::Cuda(index) = device {
        Cuda::synchronize(index as i64);
    }
    Instant::now()
}

/// What a table of so many images is called.
pub(super) fn title(images: usize) -> Result<String> {
    if images == 0 {
        return Err(Error::argument("images", images, "measure at least 1"));
    }
    let plural = if images == 1 { "" } else { "s" };
    Ok(format!("Time by layer, {} image{plural}", grouped(images)))
}

#[cfg(test)]
mod tests {
    use crate::UNet;
    use crate::show::Show;

    #[test]
    fn every_layer_that_an_image_passes_is_measured() {
        let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1, 2]).blocks(1);
        let times = unet.attention_at([4]).build().unwrap().layer_times(2).unwrap();
        let names: Vec<String> = times.layers().into_iter().map(|(name, _, _)| name).collect();
        let expected = ["conv_in", "down.0.0", "down.0.halve", "down.1.0", "middle.0", "middle.1"].into_iter();
        let expected = expected.chain(["up.1.0", "up.1.1", "up.1.double", "up.0.0", "up.0.1", "conv_out"]);
        assert_eq!(names, expected.collect::<Vec<_>>());
        assert!(times.layers().iter().all(|(_, forward, backward)| !forward.is_zero() && !backward.is_zero()));
        let text = times.bundle().unwrap().plain_text().to_string();
        assert!(text.starts_with("Time by layer, 2 images\nlayer"), "{text}");
        let article = UNet::article().image_size(8).classes(10).build().unwrap().layer_times(1).unwrap();
        let names: Vec<String> = article.layers().into_iter().map(|(name, _, _)| name).collect();
        let expected = "inc down1 sa1 down2 sa2 down3 sa3 bot1 bot2 up1 sa4 up2 sa5 up3 sa6 outc";
        assert_eq!(names.join(" "), expected);
    }

    #[test]
    fn nothing_takes_no_time() {
        let said = UNet::article().image_size(8).build().unwrap().layer_times(0).unwrap_err().to_string();
        assert_eq!(said, "images = 0: measure at least 1");
    }
}
