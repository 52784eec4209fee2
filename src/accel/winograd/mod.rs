//! 3 x 3 convolutions with 2.25 times fewer multiplications: F(2 x 2, 3 x 3) of Lavin & Gray 2016, "Fast Algorithms for
//! Convolutional Neural Networks", section 4.1.
//!
//! A tile of 4 x 4 pixels d and a filter g of 3 x 3 make 2 x 2 pixels: y = A^T [(G g G^T) * (B^T d B)] A, where * is element by
//! element. Summed over the input channels, each of the 16 elements is a product of matrices (outputs x inputs) (inputs x tiles),
//! which libtorch computes. Backwards each map is its transpose.
//!
//! oneDNN, libtorch's library of convolutions, has no such path for AVX2, and its gradient of the weights is its slowest part.

// Plain loops over indices stay quick in a build that is hardly optimised, as the crate's own tests and programs are.
#[allow(clippy::needless_range_loop)]
mod filter;
mod four;
#[allow(clippy::needless_range_loop)]
mod image;

use super::gradient::{Gradient, derived, possible};
use super::parallel::Threads;
use super::precision::casts_on_cpu;
use super::switches::recording;
use crate::Result;
use image::{Images, LONGEST, Sixteen};
use std::sync::{Mutex, PoisonError};
use tch::{Device, Kind, Tensor, no_grad_guard};

/// Fewer channels or tiles are left to oneDNN: there the 16 products are too small (measured, `docs/performance.md`).
const CHANNELS: usize = 64;
const TILES: usize = 32;

/// Numbers of filters, or of tiles, that are worked on at once, so that they stay in the processor's cache and take little memory.
const AT_ONCE: usize = 1 << 20;

/// Fewer tiles at once make the products slow.
const TILES_AT_ONCE: usize = 128;

/// Between two of the 16 matrices: as far apart as a power of two, they would push each other out of the cache.
const APART: usize = 80;

/// The 3 x 3 convolution of `x` (N x C x H x W) with zeros around it, or None where it is not known to be faster.
pub(crate) fn convolve(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Option<Tensor>> {
    let Some(work) = Convolution::new(x, weight, bias)? else { return Ok(None) };
    let value = {
        let _guard = no_grad_guard();
        work.forward()?
    };
    let inputs: Vec<&Tensor> = [x, weight].into_iter().chain(bias).collect();
    let work = Mutex::new(work);
    let gradient: Gradient = Box::new(move |index, there| {
        let work = work.lock().unwrap_or_else(PoisonError::into_inner);
        if recording() { work.differentiable(index, there) } else { work.gradient(index, there) }
    });
    derived(value, &inputs, gradient).map(Some)
}

struct Convolution {
    x: Tensor,
    weight: Tensor,
    bias: Option<Tensor>,
    images: Images,
    outputs: usize,
    threads: Threads,
}

/// 16 matrices of `rows` x `columns`.
struct Matrices {
    tensor: Tensor,
    stride: usize,
}

impl Matrices {
    /// To be written here.
    fn new(rows: usize, columns: usize) -> Result<Self> {
        let (stride, size) = (rows * columns + APART, [16, rows as i64, columns as i64]);
        let memory = Tensor::f_empty([16 * stride as i64], (Kind::Float, Device::Cpu))?;
        let tensor = memory.f_as_strided(size, [stride as i64, columns as i64, 1], None)?;
        Ok(Self { tensor, stride })
    }

    /// What libtorch wrote, in one piece.
    fn of(tensor: Tensor) -> Self {
        let stride = tensor.numel() / 16;
        Self { tensor, stride }
    }

    fn transposed(&self) -> Result<Tensor> {
        Ok(self.tensor.f_transpose(1, 2)?)
    }

    fn place(&self) -> Place<Sixteen> {
        self.place_from(0, 0)
    }

    /// Where rows `from` on are: the place of row 0 of a larger matrix, of which these are a part.
    fn place_from(&self, from: usize, columns: usize) -> Place<Sixteen> {
        let first: *mut f32 = self.tensor.data_ptr().cast();
        Place(Sixteen { first: first.wrapping_sub(from * columns), stride: self.stride })
    }
}

/// A place in memory, of which each thread writes a part of its own.
#[derive(Clone, Copy)]
struct Place<T>(T);

// SAFETY: see there; who shares it keeps to that.
unsafe impl<T> Sync for Place<T> {}

impl<T: Copy> Place<T> {
    fn get(&self) -> T {
        self.0
    }
}

fn numbers(tensor: &Tensor) -> Place<*mut f32> {
    Place(tensor.data_ptr().cast())
}

impl Convolution {
    fn new(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Option<Self>> {
        let (&[count, channels, height, width], &[outputs, inputs, 3, 3]) = (&*x.size(), &*weight.size()) else {
            return Ok(None);
        };
        let suits = |tensor: &Tensor| {
            Ok::<_, crate::Error>(
                tensor.device() == Device::Cpu && tensor.f_kind()? == Kind::Float && tensor.is_contiguous(),
            )
        };
        let size = |number: i64| usize::try_from(number).unwrap_or(0);
        let images = Images { count: size(count), channels: size(channels), height: size(height), width: size(width) };
        let outputs = size(outputs);
        let large = images.channels.min(outputs) >= CHANNELS && images.tiles() >= TILES;
        // The transforms take four filters and four tiles at a time.
        let even = images.height.is_multiple_of(2)
            && images.width.is_multiple_of(8)
            && images.width <= LONGEST
            && images.channels.is_multiple_of(4);
        if !large || !even || channels != inputs || bias.is_some_and(|bias| bias.size() != [outputs as i64]) {
            return Ok(None);
        }
        for tensor in [x, weight].into_iter().chain(bias) {
            if !suits(tensor)? {
                return Ok(None);
            }
        }
        let Some(threads) = Threads::find().filter(|_| possible() && !casts_on_cpu()) else { return Ok(None) };
        let bias = bias.map(Tensor::shallow_clone);
        Ok(Some(Self { x: x.shallow_clone(), weight: weight.shallow_clone(), bias, images, outputs, threads }))
    }

    fn forward(&self) -> Result<Tensor> {
        // What stays is the first to be made, here and below, so that it leaves no holes in memory when the rest is gone.
        let y = self.result(self.outputs)?;
        let bias = self.bias.as_ref().map(Vec::<f32>::try_from).transpose()?;
        for outputs in blocks(self.outputs, self.images.channels) {
            let u = self.filters(outputs, (0, self.images.channels))?;
            for (first, images) in self.parts() {
                let v = self.spread(first, images)?;
                let m = Matrices::of(u.tensor.f_bmm(&v.tensor)?);
                let y = numbers(&y.f_narrow(0, first, images.count as i64)?);
                let (images, m) =
                    (Images { channels: self.outputs, ..images }, m.place_from(outputs.0, images.tiles()));
                self.share(outputs, &|part| {
                    // SAFETY: the sizes are those that `m` and `y` were made with.
                    unsafe { image::gather(images, part, m.get(), bias.as_deref(), y.get()) }
                });
            }
        }
        Ok(y)
    }

    /// With respect to x (0), the weight (1) and the bias (2).
    fn gradient(&self, index: usize, there: &Tensor) -> Result<Tensor> {
        match index {
            0 => self.gradient_of_x(&there.f_contiguous()?),
            1 => self.gradient_of_weight(&there.f_contiguous()?),
            _ => Ok(there.f_sum_dim_intlist(&[0_i64, 2, 3][..], false, Kind::Float)?),
        }
    }

    fn gradient_of_x(&self, there: &Tensor) -> Result<Tensor> {
        let x = self.result(self.images.channels)?;
        for inputs in blocks(self.images.channels, self.outputs) {
            let u = self.filters((0, self.outputs), inputs)?.transposed()?;
            for (first, images) in self.parts() {
                let m = self.scatter(there, first, images, (0, self.outputs))?;
                let v = Matrices::of(u.f_bmm(&m.tensor)?);
                let x = numbers(&x.f_narrow(0, first, images.count as i64)?);
                let v = v.place_from(inputs.0, images.tiles());
                self.share(inputs, &|part| {
                    // SAFETY: the sizes are those that `v` and `x` were made with.
                    unsafe { image::collect(images, part, v.get(), x.get()) }
                });
            }
        }
        Ok(x)
    }

    fn gradient_of_weight(&self, there: &Tensor) -> Result<Tensor> {
        let gradient = self.weight.f_empty_like()?;
        let inputs = self.images.channels;
        for outputs in blocks(self.outputs, inputs) {
            let mut sum: Option<Tensor> = None;
            for (first, images) in self.parts() {
                let m = self.scatter(there, first, images, outputs)?.tensor;
                let v = self.spread(first, images)?.transposed()?;
                sum = Some(match sum {
                    None => m.f_bmm(&v)?,
                    Some(mut sum) => sum.f_baddbmm_(&m, &v)?,
                });
            }
            let Some(u) = sum.map(Matrices::of) else { continue };
            let (u, w) = (u.place_from(outputs.0, inputs), numbers(&gradient));
            self.share(outputs, &|(from, to)| {
                // SAFETY: `u` is these outputs' part, `w` as large as the weight.
                unsafe {
                    filter::collect((to - from) * inputs, u.get().from(from * inputs), w.get().add(9 * from * inputs))
                }
            });
        }
        Ok(gradient)
    }

    /// The same by operators that have gradients themselves.
    fn differentiable(&self, index: usize, there: &Tensor) -> Result<Tensor> {
        Ok(match index {
            0 => there.f_conv_transpose2d(&self.weight, None::<Tensor>, 1, 1, 0, 1, 1)?,
            1 => {
                let (x, there) = (self.x.f_transpose(0, 1)?, there.f_transpose(0, 1)?);
                x.f_conv2d(&there, None::<Tensor>, 1, 1, 1, 1)?.f_transpose(0, 1)?
            }
            _ => there.f_sum_dim_intlist(&[0_i64, 2, 3][..], false, Kind::Float)?,
        })
    }

    /// Images that are worked on at once, and the first of each such part.
    fn parts(&self) -> impl Iterator<Item = (i64, Images)> {
        let (images, all) = (self.images, self.images.count);
        let each = 16 * (images.channels + self.outputs) * (images.tiles() / all);
        let step = (AT_ONCE / each).max(TILES_AT_ONCE.div_ceil(images.tiles() / all));
        (0..all).step_by(step).map(move |first| (first as i64, Images { count: step.min(all - first), ..images }))
    }

    fn result(&self, channels: usize) -> Result<Tensor> {
        let Images { count, height, width, .. } = self.images;
        Ok(Tensor::f_empty([count, channels, height, width].map(|size| size as i64), (Kind::Float, Device::Cpu))?)
    }

    /// U of some outputs and inputs.
    fn filters(&self, outputs: (usize, usize), inputs: (usize, usize)) -> Result<Matrices> {
        let (all, count) = (self.images.channels, inputs.1 - inputs.0);
        let u = Matrices::new(outputs.1 - outputs.0, count)?;
        let (place, w) = (u.place_from(outputs.0, count), numbers(&self.weight));
        self.share(outputs, &|(from, to)| {
            for output in from..to {
                // SAFETY: these inputs' filters of one output; `u` was made for them.
                unsafe {
                    filter::spread(count, w.get().add(9 * (output * all + inputs.0)), place.get().from(output * count))
                }
            }
        });
        Ok(u)
    }

    /// V of some images: channels x tiles.
    fn spread(&self, first: i64, images: Images) -> Result<Matrices> {
        let v = Matrices::new(images.channels, images.tiles())?;
        let (place, x) = (v.place(), numbers(&self.x.f_narrow(0, first, images.count as i64)?));
        self.share((0, images.channels), &|part| {
            // SAFETY: `v` was made for these images.
            unsafe { image::spread(images, part, x.get(), place.get()) }
        });
        Ok(v)
    }

    /// The gradient of M from that of y, for some outputs: outputs x tiles.
    fn scatter(&self, y: &Tensor, first: i64, images: Images, outputs: (usize, usize)) -> Result<Matrices> {
        let images = Images { channels: self.outputs, ..images };
        let m = Matrices::new(outputs.1 - outputs.0, images.tiles())?;
        let (place, y) =
            (m.place_from(outputs.0, images.tiles()), numbers(&y.f_narrow(0, first, images.count as i64)?));
        self.share(outputs, &|part| {
            // SAFETY: `m` was made for these images and outputs.
            unsafe { image::scatter(images, part, y.get(), place.get()) }
        });
        Ok(m)
    }

    /// Calls `run` for parts of from..to, each on a thread of its own.
    fn share(&self, (from, to): (usize, usize), run: &(dyn Fn((usize, usize)) + Sync)) {
        self.threads.share(to - from, &|start, end| run((from + start, from + end)));
    }
}

/// Parts of `rows` channels, each with its filters to or from all of `others`.
fn blocks(rows: usize, others: usize) -> impl Iterator<Item = (usize, usize)> {
    let step = (AT_ONCE / 16 / others).max(CHANNELS) / 4 * 4;
    (0..rows).step_by(step).map(move |from| (from, rows.min(from + step)))
}

#[cfg(test)]
mod tests;
