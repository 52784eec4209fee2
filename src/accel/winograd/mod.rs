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

use super::gradient::{Gradient, derived, possible, recording};
use super::parallel::Threads;
use super::symbols::find;
use crate::Result;
use image::{Images, LONGEST, Sixteen};
use std::ffi::c_void;
use std::sync::{Mutex, PoisonError};
use tch::{Device, Kind, Tensor, no_grad_guard};

/// Fewer channels or tiles are left to oneDNN: there the 16 products are too small (measured, `docs/performance.md`).
const CHANNELS: usize = 64;
const TILES: usize = 32;

/// Numbers of tiles that are worked on at once, so that they stay in the processor's cache; one image at least.
const AT_ONCE: usize = 1 << 21;

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
        Place(Sixteen { first: self.tensor.data_ptr().cast(), stride: self.stride })
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
        let Some(threads) = Threads::find().filter(|_| possible() && !autocast()) else { return Ok(None) };
        let bias = bias.map(Tensor::shallow_clone);
        Ok(Some(Self { x: x.shallow_clone(), weight: weight.shallow_clone(), bias, images, outputs, threads }))
    }

    fn forward(&self) -> Result<Tensor> {
        let (u, y) = (self.filters()?, self.result(self.outputs)?);
        let bias = self.bias.as_ref().map(Vec::<f32>::try_from).transpose()?;
        for (first, images) in self.parts() {
            let v = self.spread(&self.x, first, images)?;
            let m = Matrices::of(u.tensor.f_bmm(&v.tensor)?);
            let (m, y) = (m.place(), numbers(&y.f_narrow(0, first, images.count as i64)?));
            let images = Images { channels: self.outputs, ..images };
            // SAFETY: the sizes are those that `m` and `y` were made with.
            let gather = |from, to| unsafe { image::gather(images, (from, to), m.get(), bias.as_deref(), y.get()) };
            self.threads.share(self.outputs, &gather);
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
        let (u, x) = (self.filters()?.transposed()?, self.result(self.images.channels)?);
        for (first, images) in self.parts() {
            let m = self.scatter(there, first, images)?;
            let v = Matrices::of(u.f_bmm(&m.tensor)?);
            let (v, x) = (v.place(), numbers(&x.f_narrow(0, first, images.count as i64)?));
            // SAFETY: the sizes are those that `v` and `x` were made with.
            let collect = |from, to| unsafe { image::collect(images, (from, to), v.get(), x.get()) };
            self.threads.share(images.channels, &collect);
        }
        Ok(x)
    }

    fn gradient_of_weight(&self, there: &Tensor) -> Result<Tensor> {
        let mut sum: Option<Tensor> = None;
        for (first, images) in self.parts() {
            let (m, v) = (self.scatter(there, first, images)?, self.spread(&self.x, first, images)?.transposed()?);
            sum = Some(match sum {
                None => m.tensor.f_bmm(&v)?,
                Some(mut sum) => sum.f_baddbmm_(&m.tensor, &v)?,
            });
        }
        let gradient = self.weight.f_empty_like()?;
        if let Some(u) = sum.map(Matrices::of) {
            let (u, w) = (u.place(), numbers(&gradient));
            self.by_filters(&|part| {
                // SAFETY: `u` and `w` are of the weight's size.
                unsafe { filter::collect(part, u.get(), w.get()) }
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
        let step = (AT_ONCE / each).max(1);
        (0..all).step_by(step).map(move |first| (first as i64, Images { count: step.min(all - first), ..images }))
    }

    fn result(&self, channels: usize) -> Result<Tensor> {
        let Images { count, height, width, .. } = self.images;
        Ok(Tensor::f_empty([count, channels, height, width].map(|size| size as i64), (Kind::Float, Device::Cpu))?)
    }

    /// U: outputs x inputs.
    fn filters(&self) -> Result<Matrices> {
        let u = Matrices::new(self.outputs, self.images.channels)?;
        let (place, w) = (u.place(), numbers(&self.weight));
        self.by_filters(&|part| {
            // SAFETY: `u` was made for the weight's size.
            unsafe { filter::spread(part, w.get(), place.get()) }
        });
        Ok(u)
    }

    /// Parts of all filters, each a multiple of four.
    fn by_filters(&self, run: &(dyn Fn((usize, usize)) + Sync)) {
        let inputs = self.images.channels;
        self.threads.share(self.outputs, &|from, to| run((from * inputs, to * inputs)));
    }

    /// V of some images of `x`: channels x tiles.
    fn spread(&self, x: &Tensor, first: i64, images: Images) -> Result<Matrices> {
        let v = Matrices::new(images.channels, images.tiles())?;
        let (place, x) = (v.place(), numbers(&x.f_narrow(0, first, images.count as i64)?));
        // SAFETY: `v` was made for these images.
        self.threads.share(images.channels, &|from, to| unsafe {
            image::spread(images, (from, to), x.get(), place.get());
        });
        Ok(v)
    }

    /// The gradient of M, from that of y: outputs x tiles.
    fn scatter(&self, y: &Tensor, first: i64, images: Images) -> Result<Matrices> {
        let images = Images { channels: self.outputs, ..images };
        let m = Matrices::new(self.outputs, images.tiles())?;
        let (place, y) = (m.place(), numbers(&y.f_narrow(0, first, images.count as i64)?));
        // SAFETY: `m` was made for these images.
        self.threads.share(self.outputs, &|from, to| unsafe {
            image::scatter(images, (from, to), y.get(), place.get());
        });
        Ok(m)
    }
}

/// Whether operators on the CPU cast to half precision now, or may.
fn autocast() -> bool {
    let Some(found) = find(c"_ZN2at8autocast19is_autocast_enabledEN3c1010DeviceTypeE") else { return true };
    // SAFETY: the mangled name holds the argument's type, a signed byte; the CPU is 0.
    unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn(i8) -> bool>(found)(0) }
}

#[cfg(test)]
mod tests;
