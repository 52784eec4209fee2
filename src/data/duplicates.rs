//! Images that are there twice, or nearly so.

use super::parallel::in_threads;
use super::samples::Samples;
use crate::Result;
use std::collections::HashMap;
use tch::{Kind, Tensor};

/// The root mean square of two images' differences up to which they are near duplicates.
pub(super) const NEAR: f64 = 0.05;

/// Its square, with room for the rounding of float32.
const NEAR_SQUARE: f32 = (NEAR * NEAR * 1.001) as f32;

/// Blocks of an image in each direction whose means are compared first.
const BLOCKS: i64 = 8;

/// Images that a thread looks at before it takes others.
const CHUNK: usize = 256;

/// Points in a leaf of the tree.
const LEAF: usize = 16;

/// A number for each row of N x anything, the same for the same row.
pub(super) fn fingerprints(chunk: &Tensor) -> Result<Vec<u64>> {
    let size = chunk.numel() / chunk.size()[0] as usize;
    let numbers = Vec::<f32>::try_from(chunk.f_flatten(0, -1)?)?;
    let mix = |sum: u64, x: &f32| (sum ^ u64::from(x.to_bits())).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    Ok(numbers.chunks_exact(size).map(|row| row.iter().fold(0, mix)).collect())
}

/// Each sample that is the same as an earlier one, and that one: the first of its kind.
pub(super) fn exact(samples: &Samples, fingerprints: &[u64]) -> Result<Vec<(usize, usize)>> {
    let mut first: HashMap<u64, Vec<usize>> = HashMap::with_capacity(fingerprints.len());
    let mut pairs = Vec::new();
    for (index, &fingerprint) in fingerprints.iter().enumerate() {
        let alike = first.entry(fingerprint).or_default();
        let mut same = None;
        for &other in alike.iter() {
            if samples.distance(index, other)? == 0.0 {
                same = Some(other);
                break;
            }
        }
        match same {
            Some(other) => pairs.push((index, other)),
            None => alike.push(index),
        }
    }
    Ok(pairs)
}

/// For each image numbers whose Euclidean distance is at most the root mean square of the images' differences: the means of
/// equal blocks (Jensen), each times the root of its share of the image.
pub(super) fn sketches(images: &Tensor) -> Result<Vec<f32>> {
    let (_, _, height, width) = images.size4()?;
    let (rows, columns) = (BLOCKS.min(height), BLOCKS.min(width));
    let (h, w) = (height / rows, width / columns);
    // Rows and columns that are left over only add to the images' differences.
    let grey = images.f_mean_dim(1, true, Kind::Float)?.f_narrow(2, 0, rows * h)?.f_narrow(3, 0, columns * w)?;
    let share = ((h * w) as f64 / (height * width) as f64).sqrt();
    Ok(Vec::<f32>::try_from(
        grey.f_avg_pool2d([h, w], [h, w], [0, 0], false, true, None)?.f_mul_scalar(share)?.f_flatten(0, -1)?,
    )?)
}

/// Each of these images that is near an earlier one of them, and that one. `sketches` are of all images.
pub(super) fn near(samples: &Samples, sketches: &[f32], among: Vec<usize>) -> Result<Vec<(usize, usize)>> {
    let count = samples.shape()[0] as usize;
    let tree = Tree { points: sketches, dimension: sketches.len() / count.max(1) };
    let mut order = among.clone();
    let root = tree.grow(&mut order, 0);
    // A tensor may go to another thread, but not be looked at from two.
    let parts: Vec<(&[usize], Samples)> = among.chunks(CHUNK).map(|chunk| (chunk, samples.clone())).collect();
    let found = in_threads("Looking for near duplicates", parts.into_iter(), |(chunk, samples)| {
        let mut pairs = Vec::new();
        for &index in chunk {
            let mut accept = |other| Ok(other < index && samples.distance(index, other)? <= NEAR);
            let outside = &mut vec![0.0; tree.dimension];
            if let Some(other) = tree.find(&root, &order, (index, outside, 0.0), &mut accept)? {
                pairs.push((index, other));
            }
        }
        Ok(pairs)
    })?;
    Ok(found.into_iter().collect::<Result<Vec<_>>>()?.concat())
}

/// Points, N x dimension.
struct Tree<'a> {
    points: &'a [f32],
    dimension: usize,
}

/// A node of a k-d tree (Bentley 1975) over a stretch of the order.
enum Node {
    Leaf {
        first: usize,
        end: usize,
    },
    /// Points up to `at` along `axis` below, from it on above.
    Split {
        axis: usize,
        at: f32,
        below: Box<Node>,
        above: Box<Node>,
    },
}

impl Tree<'_> {
    fn point(&self, index: usize) -> &[f32] {
        &self.points[index * self.dimension..(index + 1) * self.dimension]
    }

    fn grow(&self, order: &mut [usize], first: usize) -> Node {
        let leaf = Node::Leaf { first, end: first + order.len() };
        if order.len() <= LEAF {
            return leaf;
        }
        let spread = |axis: usize| {
            let numbers = order.iter().map(|&index| self.point(index)[axis]);
            let (low, high) = numbers.fold((f32::MAX, f32::MIN), |(low, high), x| (low.min(x), high.max(x)));
            high - low
        };
        let spreads: Vec<f32> = (0..self.dimension).map(spread).collect();
        let axis = (0..self.dimension).max_by(|&a, &b| spreads[a].total_cmp(&spreads[b])).unwrap_or(0);
        if spreads.get(axis).is_none_or(|&spread| spread <= 0.0) {
            return leaf;
        }
        let middle = order.len() / 2;
        order.select_nth_unstable_by(middle, |&a, &b| self.point(a)[axis].total_cmp(&self.point(b)[axis]));
        let at = self.point(order[middle])[axis];
        let (below, above) = order.split_at_mut(middle);
        let (below, above) = (self.grow(below, first), self.grow(above, first + middle));
        Node::Split { axis, at, below: Box::new(below), above: Box::new(above) }
    }

    /// The first point within `NEAR` of another that is accepted. `beyond` says how far the other lies outside the node's box
    /// along each axis, and `square` the sum of its squares.
    fn find(
        &self,
        node: &Node,
        order: &[usize],
        (from, beyond, square): (usize, &mut [f32], f32),
        accept: &mut dyn FnMut(usize) -> Result<bool>,
    ) -> Result<Option<usize>> {
        let point = self.point(from);
        match node {
            Node::Leaf { first, end } => {
                for &other in &order[*first..*end] {
                    if within(point, self.point(other)) && accept(other)? {
                        return Ok(Some(other));
                    }
                }
                Ok(None)
            }
            Node::Split { axis, at, below, above } => {
                let offset = point[*axis] - at;
                let (near, far) = if offset < 0.0 { (below, above) } else { (above, below) };
                if let Some(found) = self.find(near, order, (from, beyond, square), accept)? {
                    return Ok(Some(found));
                }
                let before = std::mem::replace(&mut beyond[*axis], offset);
                let square = square - before * before + offset * offset;
                let found = match square <= NEAR_SQUARE {
                    true => self.find(far, order, (from, beyond, square), accept),
                    false => Ok(None),
                };
                beyond[*axis] = before;
                found
            }
        }
    }
}

/// Whether two points are within `NEAR`; most are not, and show that early.
fn within(one: &[f32], other: &[f32]) -> bool {
    let mut square = 0.0;
    one.chunks(8).zip(other.chunks(8)).all(|(one, other)| {
        square += one.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
        square <= NEAR_SQUARE
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    /// Against all pairs, by the definition.
    #[test]
    fn near_duplicates_are_those_of_all_pairs() {
        tch::manual_seed(0);
        for shape in [[300, 1, 8, 8], [200, 3, 9, 7], [150, 1, 2, 3]] {
            // Some 20 kinds of images with noise around the bound.
            let kinds = Tensor::rand([20, shape[1], shape[2], shape[3]], (Kind::Float, Device::Cpu)) * 2 - 1;
            let which = Tensor::randint(20, [shape[0]], (Kind::Int64, Device::Cpu));
            let images = (kinds.index_select(0, &which) + Tensor::randn(shape, (Kind::Float, Device::Cpu)) * 0.035)
                .clamp(-1.0, 1.0);
            let flat = images.flatten(1, -1).to_kind(Kind::Double);
            let size = flat.size()[1] as f64;
            let distances = (flat.unsqueeze(1) - flat.unsqueeze(0)).square().sum_dim_intlist(2, false, Kind::Double);
            let distances = (distances / size).sqrt();
            let samples = Samples::Numbers(images.shallow_clone());
            let found = near(&samples, &sketches(&images).unwrap(), (0..shape[0] as usize).collect()).unwrap();
            let named: Vec<usize> = found.iter().map(|&(index, _)| index).collect();
            let expected: Vec<usize> = (1..shape[0])
                .filter(|&index| distances.get(index).narrow(0, 0, index).min().double_value(&[]) <= NEAR)
                .map(|index| index as usize)
                .collect();
            assert!(!expected.is_empty() && expected.len() < shape[0] as usize - 20);
            assert_eq!(named, expected);
            assert!(found.iter().all(|&(a, b)| b < a && distances.double_value(&[a as i64, b as i64]) <= NEAR));
        }
    }
}
