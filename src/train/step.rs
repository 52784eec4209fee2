//! What one step of training was.

use super::record::Timing;
use crate::schedule::Levels;
use std::rc::Rc;
use std::time::Duration;
use tch::Tensor;

/// One training step, made. As the value of a cell it draws the batch, its noised images and what the model made of
/// them. Its tensors are on the model's device, but for the labels, which are on the CPU.
///
/// ```
/// # use noisebook::prelude::*;
/// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
/// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
/// let step = Trainer::new(&model).batch_size(8).iter(&Dataset::digits()?)?.next().unwrap()?;
/// assert_eq!((step.index, step.images.size(), step.levels.len()), (0, vec![8, 1, 8, 8], 8));
/// step.show()?;
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct TrainStep {
    /// The step's number, from 0.
    pub index: usize,
    /// The loss before the step.
    pub loss: f64,
    /// The norm of the gradient before it was clipped.
    pub gradient_norm: f64,
    /// The learning rate.
    pub lr: f64,
    /// Whether float16 could not hold the gradient, so that the weights stayed as they were.
    pub skipped: bool,
    /// The images of the batch: N x C x H x W.
    pub images: Tensor,
    /// Their labels as the network saw them: -1 where the label was dropped.
    pub labels: Tensor,
    /// Their noised versions x_t.
    pub noised: Tensor,
    /// The levels of the noise.
    pub levels: Levels,
    /// Predicted x_0.
    pub predicted: Tensor,
    /// The loss of each image: N.
    pub losses: Tensor,
    /// How long it took.
    pub took: Duration,
    /// Where the time went.
    pub timing: Timing,
    /// The names of the data set's classes.
    pub(super) classes: Rc<[String]>,
}

impl Clone for TrainStep {
    /// Both share the tensors.
    fn clone(&self) -> Self {
        Self {
            images: self.images.shallow_clone(),
            labels: self.labels.shallow_clone(),
            noised: self.noised.shallow_clone(),
            levels: self.levels.clone(),
            predicted: self.predicted.shallow_clone(),
            losses: self.losses.shallow_clone(),
            classes: self.classes.clone(),
            ..*self
        }
    }
}
