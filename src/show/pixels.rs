//! From tensors to bytes.

use super::mosaic::Tiles;
use crate::{Error, Result};
use tch::{Device, Kind, Tensor};

/// What no picture shows by itself, so that nobody takes a NaN for black.
const MAGENTA: [u8; 4] = [255, 0, 255, 255];

/// Images as bytes, and what was seen on the way.
#[derive(Debug)]
pub(super) struct Drawn {
    pub(super) tiles: Tiles,
    pub(super) not_finite: usize,
}

/// `2 x 3 x 4`, or `a single number`.
pub(super) fn shape(tensor: &Tensor) -> String {
    match tensor.size()[..] {
        [] => "a single number".into(),
        ref size => size.iter().map(i64::to_string).collect::<Vec<_>>().join(" x "),
    }
}

/// The number of images in a tensor that a grid can draw.
pub(super) fn check(images: &Tensor) -> Result<usize> {
    let refuse = |rule: &str| Err(Error::argument("images", format!("a tensor of shape {}", shape(images)), rule));
    if !images.defined() {
        return Err(Error::argument("images", "an undefined tensor", "a grid takes N x C x H x W, C 1 or 3"));
    }
    match images.size()[..] {
        [_, 1 | 3, height, width] if height == 0 || width == 0 => refuse("an image has at least one pixel"),
        [0, 1 | 3, _, _] => refuse("a grid takes at least one image"),
        [count, 1 | 3, _, _] => {
            let kind = images.f_kind()?;
            if matches!(kind, Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16) {
                return Ok(count as usize);
            }
            let value = format!("a tensor of kind {kind:?}");
            Err(Error::argument("images", value, "a grid takes floats in [-1, 1]; see Tensor::to_kind"))
        }
        _ => refuse("a grid takes N x C x H x W, C 1 or 3"),
    }
}

/// The images at these indices as bytes, made smaller where they are larger than `most` pixels.
pub(super) fn tiles(images: &Tensor, shown: &[usize], most: usize) -> Result<Drawn> {
    let _guard = tch::no_grad_guard();
    let indices: Vec<i64> = shown.iter().map(|&index| index as i64).collect();
    let indices = Tensor::from_slice(&indices).f_to(images.device())?;
    // Only what is drawn crosses from a GPU.
    let chosen = images.f_detach()?.f_index_select(0, &indices)?.f_to(Device::Cpu)?.f_totype(Kind::Float)?;
    let (height, width) = fit(chosen.size()[2], chosen.size()[3], most as i64);
    let chosen =
        if chosen.size()[2..] == [height, width] { chosen } else { chosen.f_adaptive_avg_pool2d([height, width])? };
    let values = chosen.f_permute([0, 2, 3, 1])?;
    let finite = values.f_isfinite()?;
    let not_finite = values.numel() - finite.f_sum(Kind::Int64)?.f_int64_value(&[])? as usize;
    let scaled = values.f_nan_to_num(0.0, 1.0, -1.0)?.f_clamp(-1.0, 1.0)?.f_add_scalar(1.0)?.f_mul_scalar(127.5)?;
    let bytes = to_vec(&scaled.f_round()?.f_totype(Kind::Uint8)?)?;

    let colours = values.size()[3] as usize;
    let bytes = match (not_finite, colours) {
        (0, 1) => with_opacity::<1>(&bytes),
        (0, _) => with_opacity::<3>(&bytes),
        _ => marked(&bytes, &to_vec(&finite.f_all_dim(-1, false)?.f_totype(Kind::Uint8)?)?, colours),
    };
    let channels = if (not_finite, colours) == (0, 1) { 2 } else { 4 };
    let tiles = Tiles { count: shown.len(), channels, width: width as usize, height: height as usize, bytes };
    Ok(Drawn { tiles, not_finite })
}

/// A size of the same shape with no side longer than `most`.
fn fit(height: i64, width: i64, most: i64) -> (i64, i64) {
    let longest = height.max(width);
    if longest <= most {
        return (height, width);
    }
    ((height * most / longest).max(1), (width * most / longest).max(1))
}

fn to_vec(bytes: &Tensor) -> Result<Vec<u8>> {
    let mut vec = vec![0; bytes.numel()];
    bytes.f_contiguous()?.f_copy_data_u8(&mut vec, bytes.numel())?;
    Ok(vec)
}

fn with_opacity<const COLOURS: usize>(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() / COLOURS * (COLOURS + 1));
    for pixel in bytes.chunks_exact(COLOURS) {
        out.extend_from_slice(pixel);
        out.push(255);
    }
    out
}

/// In colours, with magenta for every pixel that is not finite.
fn marked(bytes: &[u8], finite: &[u8], colours: usize) -> Vec<u8> {
    bytes
        .chunks_exact(colours)
        .zip(finite)
        .flat_map(|(pixel, &finite)| match (finite, pixel) {
            (0, _) => MAGENTA,
            (_, &[red, green, blue]) => [red, green, blue, 255],
            (_, pixel) => [pixel[0], pixel[0], pixel[0], 255],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Two images of 3 channels and 1 x 2 pixels.
    fn colours() -> Tensor {
        Tensor::from_slice(&[-1.0_f32, 1.0, 0.0, 0.5, -0.5, 2.0, -7.0, 0.25, 1.0, 1.0, 0.0, -1.0]).reshape([2, 3, 1, 2])
    }

    /// (x + 1) / 2 * 255 by hand, after clamping.
    const BYTES: [u8; 16] = [0, 128, 64, 255, 255, 191, 255, 255, 0, 255, 128, 255, 159, 255, 0, 255];

    #[test]
    fn values_become_bytes() {
        for kind in [Kind::Float, Kind::Double, Kind::Half, Kind::BFloat16] {
            let drawn = tiles(&colours().to_kind(kind), &[0, 1], 100).unwrap();
            assert_eq!(drawn.tiles.bytes, BYTES, "{kind:?}");
        }
        let drawn = tiles(&colours(), &[1], 100).unwrap();
        assert_eq!((drawn.tiles.count, drawn.tiles.bytes), (1, BYTES[8..].to_vec()));
        let grey = tiles(&Tensor::from_slice(&[-1.0_f64, 0.0, 1.0]).reshape([3, 1, 1, 1]), &[0, 1, 2], 100).unwrap();
        assert_eq!(grey.tiles.bytes, [0, 255, 128, 255, 255, 255]);
    }

    #[test]
    fn a_strided_tensor_that_wants_gradients_is_drawn_too() {
        let transposed = colours().reshape([2, 3, 2, 1]).set_requires_grad(true).transpose(2, 3);
        assert_eq!(tiles(&transposed, &[0, 1], 100).unwrap().tiles.bytes, BYTES);
    }

    #[test]
    fn what_is_not_finite_is_magenta() {
        let images = Tensor::from_slice(&[f32::NAN, 1.0, f32::INFINITY]).reshape([3, 1, 1, 1]);
        let drawn = tiles(&images, &[0, 1, 2], 100).unwrap();
        assert_eq!(drawn.tiles.bytes, [255, 0, 255, 255, 255, 255, 255, 255, 255, 0, 255, 255]);
        assert_eq!(drawn.not_finite, 2);
    }

    #[test]
    fn large_images_are_made_smaller() {
        let images = Tensor::ones([1, 1, 40, 80], (Kind::Float, Device::Cpu));
        let drawn = tiles(&images, &[0], 20).unwrap().tiles;
        assert_eq!((drawn.height, drawn.width, drawn.bytes[0]), (10, 20, 255));
    }
}
