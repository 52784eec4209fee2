//! What training writes down as it goes on: JSON lines, and event files for TensorBoard.

mod progress;
mod tensorboard;

pub(super) use progress::{Progress, clock};

use super::record::{Snapshot, Validated};
use super::step::TrainStep;
use crate::{Error, Result};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use serde_json::json;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};
use tensorboard::{EventFile, Histogram};

/// Bins of a histogram of weights.
const BINS: i64 = 40;

/// The open files of a folder.
#[derive(Debug)]
pub(super) struct Log {
    folder: PathBuf,
    lines: File,
    events: EventFile,
}

impl Log {
    /// Opens a folder, to go on after `step` steps.
    pub(super) fn open(folder: &Path, step: usize) -> Result<Self> {
        let opened = (|| {
            fs::create_dir_all(folder)?;
            let lines = OpenOptions::new().create(true).append(true).open(folder.join("log.jsonl"))?;
            Ok((lines, EventFile::create(folder, step)?))
        })();
        let (lines, events) = opened.map_err(|error| refusal(folder, &error))?;
        Ok(Self { folder: folder.to_path_buf(), lines, events })
    }

    pub(super) fn step(&mut self, step: &TrainStep, steps_an_epoch: usize) -> Result<()> {
        let (number, timing) = (step.index + 1, step.timing);
        let line = json!({
            "step": number,
            "epoch": number as f64 / steps_an_epoch as f64,
            "loss": step.loss,
            "gradient_norm": step.gradient_norm,
            "lr": step.lr,
            "skipped": step.skipped,
            "seconds": step.took.as_secs_f64(),
            "seconds_data": timing.data.as_secs_f64(),
            "seconds_forward": timing.forward.as_secs_f64(),
            "seconds_backward": timing.backward.as_secs_f64(),
            "seconds_optimizer": timing.optimizer.as_secs_f64(),
        });
        self.written(|log| {
            log.line(&line)?;
            let scalars = [
                ("loss/train", step.loss),
                ("gradient norm", step.gradient_norm),
                ("learning rate", step.lr),
                ("seconds a step", step.took.as_secs_f64()),
            ];
            scalars.into_iter().try_for_each(|(tag, value)| log.events.scalar(number, tag, value))
        })
    }

    pub(super) fn validated(&mut self, validated: &Validated) -> Result<()> {
        let &Validated { step, loss, averaged } = validated;
        self.written(|log| {
            log.line(&json!({"step": step, "validation": loss, "validation_averaged": averaged}))?;
            log.events.scalar(step, "loss/validation", loss)?;
            log.events.scalar(step, "loss/validation, averaged weights", averaged)
        })
    }

    /// Samples, and the weights as histograms.
    pub(super) fn snapshot(&mut self, snapshot: &Snapshot, weights: &[(String, Tensor)]) -> Result<()> {
        let mut images = Vec::new();
        for (tag, set) in [("samples/averaged weights", &snapshot.images), ("samples/trained weights", &snapshot.raw)] {
            images.extend(picture(set)?.map(|picture| (tag, picture)));
        }
        let histograms = weights.iter().map(|(name, weight)| Ok((name, histogram(weight)?)));
        let histograms = histograms.collect::<Result<Vec<_>>>()?;
        self.written(|log| {
            for (tag, Picture { size, png }) in &images {
                log.events.image(snapshot.step, tag, *size, png)?;
            }
            histograms.iter().try_for_each(|(name, histogram)| {
                log.events.histogram(snapshot.step, &format!("weights/{name}"), histogram)
            })
        })
    }

    fn line(&mut self, line: &serde_json::Value) -> io::Result<()> {
        self.lines.write_all(format!("{line}\n").as_bytes())
    }

    fn written(&mut self, write: impl FnOnce(&mut Self) -> io::Result<()>) -> Result<()> {
        write(self).map_err(|error| refusal(&self.folder, &error))
    }
}

fn refusal(folder: &Path, error: &io::Error) -> Error {
    Error::argument("log_to", folder.display(), format!("cannot be written: {error}"))
}

/// A PNG file and its size.
struct Picture {
    size: (u32, u32),
    png: Vec<u8>,
}

/// Images N x C x H x W in [-1, 1] side by side, ten a row, as a PNG file; `None` for what is no picture.
fn picture(images: &Tensor) -> Result<Option<Picture>> {
    let &[count, channels @ (1 | 3), height, width] = images.size().as_slice() else { return Ok(None) };
    let columns = count.min(10);
    let rows = (count + columns - 1) / columns;
    let bytes =
        images.f_detach()?.f_to_device(tch::Device::Cpu)?.f_to_kind(Kind::Float)?.f_nan_to_num(0.0, 1.0, -1.0)?;
    let bytes = bytes.f_clamp(-1.0, 1.0)?.f_add_scalar(1.0)?.f_mul_scalar(127.5)?.f_round()?.f_to_kind(Kind::Uint8)?;
    let rest = Tensor::f_zeros([rows * columns - count, channels, height, width], (Kind::Uint8, tch::Device::Cpu))?;
    let tiles = Tensor::f_cat(&[bytes, rest], 0)?.f_view([rows, columns, channels, height, width])?;
    let pixels = tiles.f_permute([0, 3, 1, 4, 2])?.f_contiguous()?.f_view([-1])?;
    let pixels = Vec::<u8>::try_from(pixels)?;
    let (width, height) = ((columns * width) as u32, (rows * height) as u32);
    let colours = if channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    let mut png = Vec::new();
    PngEncoder::new(&mut png).write_image(&pixels, width, height, colours).map_err(Error::display)?;
    Ok(Some(Picture { size: (width, height), png }))
}

fn histogram(weight: &Tensor) -> Result<Histogram> {
    let values = weight.f_detach()?.f_to_kind(Kind::Double)?.f_to_device(tch::Device::Cpu)?;
    let number = |tensor: Tensor| -> Result<f64> { Ok(tensor.f_double_value(&[])?) };
    let (min, max) = (number(values.f_min()?)?, number(values.f_max()?)?);
    let (limits, counts) = if min < max {
        let width = (max - min) / BINS as f64;
        let counts = values.f_flatten(0, -1)?.f_histc(BINS)?;
        ((1..=BINS).map(|bin| min + width * bin as f64).collect(), Vec::<f64>::try_from(counts)?)
    } else {
        (vec![max], vec![values.numel() as f64])
    };
    Ok(Histogram {
        min,
        max,
        count: values.numel() as f64,
        sum: number(values.f_sum(Kind::Double)?)?,
        sum_of_squares: number(values.f_square()?.f_sum(Kind::Double)?)?,
        limits,
        counts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn images_lie_side_by_side() {
        let images = Tensor::arange(12, (Kind::Float, Device::Cpu)).view([12, 1, 1, 1]) / 5.5 - 1.0;
        let Picture { size, png } = picture(&images).unwrap().unwrap();
        assert_eq!(size, (10, 2));
        let read = image::load_from_memory(&png).unwrap().into_luma8();
        assert_eq!(read.as_raw()[..3], [0, 23, 46]); // i x 255/11, rounded
        assert_eq!(read.as_raw()[10..13], [232, 255, 0]);
        assert!(picture(&Tensor::zeros([3, 2], (Kind::Float, Device::Cpu))).unwrap().is_none());
    }

    #[test]
    fn a_histogram_counts_everything_once() {
        let Histogram { limits, counts, sum, .. } = histogram(&Tensor::from_slice(&[0.0, 1.0, 1.0, 40.0])).unwrap();
        assert_eq!((limits.len(), limits[0], limits[39], sum), (40, 1.0, 40.0, 42.0));
        assert_eq!((counts.iter().sum::<f64>(), counts[0], counts[1], counts[39]), (4.0, 1.0, 2.0, 1.0));
        assert_eq!(histogram(&Tensor::from_slice(&[2.0, 2.0])).unwrap().limits, [2.0]);
    }
}
