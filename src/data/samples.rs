//! The numbers of a data set: a tensor, or bytes that become numbers a batch at a time.

use super::bytes::Bytes;
use crate::Result;
use std::sync::Arc;
use tch::{Device, Kind, Tensor};

/// Images taken out of the bytes at once, in passes over all of them.
const CHUNK: usize = 1_024;

/// N x C x H x W, or N x D.
#[derive(Debug)]
pub(super) enum Samples {
    /// float32.
    Numbers(Tensor),
    /// A quarter of the memory, and parts share it.
    Bytes(Stored),
}

/// Images as bytes.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    bytes: Arc<Bytes>,
    /// C, H, W.
    shape: [i64; 3],
    /// Which of the images, where these are a part of all.
    rows: Option<Arc<[i64]>>,
    pub(super) scale: Scale,
}

/// What a byte b stands for: (b - low)/half - 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) half: f64,
}

impl Default for Scale {
    fn default() -> Self {
        Self { low: 0.0, half: 127.5 }
    }
}

impl Scale {
    fn table(self) -> [f32; 256] {
        std::array::from_fn(|byte| ((byte as f64 - self.low) / self.half - 1.0) as f32)
    }

    /// The byte of the darkest, -1.
    pub(super) fn dark(self) -> u8 {
        self.low.round().clamp(0.0, 255.0) as u8
    }
}

impl Stored {
    pub(super) fn new(bytes: Bytes, shape: [i64; 3]) -> Self {
        Self { bytes: Arc::new(bytes), shape, rows: None, scale: Scale::default() }
    }

    /// The same bytes, that stand for other numbers.
    pub(super) fn scaled(&self, scale: Scale) -> Self {
        Self { scale, ..self.clone() }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.as_ref().map_or_else(|| self.bytes.len() / self.size(), |rows| rows.len())
    }

    /// Bytes of one image.
    fn size(&self) -> usize {
        self.shape.iter().product::<i64>() as usize
    }

    pub(super) fn image(&self, index: usize) -> &[u8] {
        let row = self.rows.as_ref().map_or(index, |rows| rows[index] as usize);
        &self.bytes[row * self.size()..(row + 1) * self.size()]
    }

    fn gather(&self, indices: impl ExactSizeIterator<Item = usize>) -> Result<Tensor> {
        let table = self.scale.table();
        let mut numbers = Vec::with_capacity(indices.len() * self.size());
        let mut shape = vec![indices.len() as i64];
        shape.extend(self.shape);
        for index in indices {
            numbers.extend(self.image(index).iter().map(|&byte| table[usize::from(byte)]));
        }
        Ok(Tensor::f_from_slice(&numbers)?.f_view(shape.as_slice())?)
    }

    /// Each chunk of images, N x C x H x W in uint8, into one of another height and width.
    fn map(&self, [height, width]: [i64; 2], change: &dyn Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        let shape = [self.shape[0], height, width];
        let size = shape.iter().product::<i64>() as usize;
        let mut bytes = Bytes::zeroed(self.len() * size, self.bytes.on_disk())?;
        for (chunk, out) in bytes.chunks_mut(CHUNK * size).enumerate() {
            let first = chunk * CHUNK;
            let count = out.len() / size;
            let mut images = Vec::with_capacity(count * self.size());
            (first..first + count).for_each(|index| images.extend_from_slice(self.image(index)));
            let [channels, height, width] = self.shape;
            let images = Tensor::f_from_slice(&images)?.f_view([count as i64, channels, height, width])?;
            change(&images)?.f_contiguous()?.f_copy_data_u8(out, out.len())?;
        }
        Ok(Self { bytes: Arc::new(bytes), shape, rows: None, scale: self.scale })
    }
}

impl Samples {
    pub(super) fn shape(&self) -> Vec<i64> {
        match self {
            Self::Numbers(tensor) => tensor.size(),
            Self::Bytes(stored) => [&[stored.len() as i64], &stored.shape[..]].concat(),
        }
    }

    /// All of them; a new tensor where they are bytes.
    pub(super) fn all(&self) -> Tensor {
        match self {
            Self::Numbers(tensor) => tensor.shallow_clone(),
            Self::Bytes(stored) => {
                let all = Tensor::empty(self.shape(), (Kind::Float, Device::Cpu));
                let table = stored.scale.table();
                let mut rest = numbers_of(&all);
                for index in 0..stored.len() {
                    let (image, after) = rest.split_at_mut(stored.size());
                    image.iter_mut().zip(stored.image(index)).for_each(|(x, &byte)| *x = table[usize::from(byte)]);
                    rest = after;
                }
                all
            }
        }
    }

    /// Those at these indices.
    pub(super) fn gather(&self, indices: &[i64]) -> Result<Tensor> {
        match self {
            Self::Numbers(tensor) => Ok(tensor.f_index_select(0, &Tensor::f_from_slice(indices)?)?),
            Self::Bytes(stored) => stored.gather(indices.iter().map(|&index| index as usize)),
        }
    }

    /// Those at these indices, as samples of their own.
    pub(super) fn select(&self, indices: &[i64]) -> Result<Self> {
        Ok(match self {
            Self::Numbers(_) => Self::Numbers(self.gather(indices)?),
            Self::Bytes(stored) => {
                let row = |&index: &i64| stored.rows.as_ref().map_or(index, |rows| rows[index as usize]);
                Self::Bytes(Stored { rows: Some(indices.iter().map(row).collect()), ..stored.clone() })
            }
        })
    }

    /// The root mean square of the differences between two.
    pub(super) fn distance(&self, one: usize, other: usize) -> Result<f64> {
        match self {
            Self::Numbers(tensor) => {
                let difference = tensor.f_get(one as i64)?.f_sub(&tensor.f_get(other as i64)?)?;
                Ok(difference.f_square()?.f_mean(Kind::Double)?.f_sqrt()?.f_double_value(&[])?)
            }
            Self::Bytes(stored) => {
                let square = |(a, b): (&u8, &u8)| u64::from(a.abs_diff(*b)).pow(2);
                let sum: u64 = stored.image(one).iter().zip(stored.image(other)).map(square).sum();
                Ok((sum as f64 / stored.size() as f64).sqrt() / stored.scale.half)
            }
        }
    }

    /// All of them, some at a time: the index of the first, and the numbers.
    pub(super) fn chunks(&self) -> impl Iterator<Item = Result<(usize, Tensor)>> {
        let count = self.shape()[0] as usize;
        (0..count).step_by(CHUNK).map(move |first| {
            let indices: Vec<i64> = (first as i64..(first + CHUNK).min(count) as i64).collect();
            Ok((first, self.gather(&indices)?))
        })
    }

    /// Changes height and width: `numbers` are in [-1, 1], `bytes` uint8.
    pub(super) fn map(
        &self,
        size: [i64; 2],
        numbers: &dyn Fn(&Tensor) -> Result<Tensor>,
        bytes: &dyn Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<Self> {
        Ok(match self {
            Self::Numbers(tensor) => Self::Numbers(numbers(tensor)?),
            Self::Bytes(stored) => Self::Bytes(stored.map(size, bytes)?),
        })
    }
}

/// The float32 numbers of a new, contiguous tensor, to be written.
#[allow(clippy::mut_from_ref)]
fn numbers_of(tensor: &Tensor) -> &mut [f32] {
    // SAFETY: the tensor was just made: contiguous float32 on the CPU, and nothing else knows of it.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) }
}

impl Clone for Samples {
    fn clone(&self) -> Self {
        match self {
            Self::Numbers(tensor) => Self::Numbers(tensor.shallow_clone()),
            Self::Bytes(stored) => Self::Bytes(stored.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(on_disk: bool) -> Samples {
        let mut bytes = Bytes::zeroed(3 * 4, on_disk).unwrap();
        bytes.copy_from_slice(&[0, 255, 51, 102, 1, 2, 3, 4, 254, 253, 252, 251]);
        Samples::Bytes(Stored::new(bytes, [1, 2, 2]))
    }

    #[test]
    fn bytes_become_numbers() {
        for on_disk in [false, true] {
            let samples = stored(on_disk);
            let all = samples.all();
            assert_eq!(all.size(), [3, 1, 2, 2]);
            let first = Vec::<f32>::try_from(all.get(0).view([-1])).unwrap();
            for (found, expected) in first.iter().zip([-1.0, 1.0, -0.6, -0.2]) {
                assert!((found - expected).abs() < 1e-6, "{first:?}");
            }
            assert_eq!((first[0], first[1]), (-1.0, 1.0));
            assert_eq!(samples.gather(&[2, 0]).unwrap(), all.index_select(0, &Tensor::from_slice(&[2i64, 0])));
        }
    }

    #[test]
    fn a_part_shares_the_bytes_and_counts_from_0() {
        let samples = stored(false);
        let part = samples.select(&[2, 1]).unwrap().select(&[1, 0]).unwrap();
        assert_eq!((part.shape(), part.all()), (vec![2, 1, 2, 2], samples.gather(&[1, 2]).unwrap()));
        let (Samples::Bytes(whole), Samples::Bytes(part)) = (&samples, &part) else { unreachable!() };
        assert!(Arc::ptr_eq(&whole.bytes, &part.bytes));
    }
}
