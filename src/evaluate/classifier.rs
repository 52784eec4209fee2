//! A small classifier of images, to see whether samples are what was asked for.

use super::ClassReport;
use crate::data::Dataset;
use crate::net::{Parameters, layers};
use crate::random::{Stream, generator, permutation};
use crate::sample::Samples;
use crate::show::{grouped, interrupted, sides};
use crate::train::{AdamW, BETA1};
use crate::{Error, Result, device};
use layers::{Conv2d, Linear};
use std::rc::Rc;
use tch::{Kind, Tensor, no_grad_guard};

const STEPS: usize = 600;
const BATCH: usize = 64;
const LR: f64 = 2e-3;
const WEIGHT_DECAY: f64 = 0.01;
/// Channels of the two convolutions, the sides of what the second sees pooled to, and the width after them.
const WIDTHS: (i64, i64, i64, i64) = (32, 64, 4, 128);
/// Images that are classified at once.
const AT_ONCE: i64 = 500;

/// A small convolutional network that tells the classes of images: two convolutions with pooling, two linear layers, trained
/// with AdamW on the cross-entropy. It knows images without noise, and so judges samples, and guides nothing.
///
/// A clone is the same classifier.
///
/// ```
/// # use noisebook::prelude::*;
/// let (train, test) = Dataset::digits()?.split(0.9, 0)?;
/// let classifier = Classifier::fit_steps(&train, 60, 0)?; // Classifier::fit takes ten times as many
/// assert!(test.classify(&classifier)?.accuracy() > 0.5);
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone)]
pub struct Classifier {
    inner: Rc<Inner>,
}

struct Inner {
    name: String,
    classes: Vec<String>,
    shape: Vec<i64>,
    parameters: Parameters,
    convs: (Conv2d, Conv2d),
    linears: (Linear, Linear),
}

impl Classifier {
    /// Trains on the labelled images of a data set, 600 steps of 64 images: seconds on the digits, half a minute on MNIST with
    /// two cores. Its weights and batches are those of seed 0.
    ///
    /// # Errors
    /// Points, images without labels or of one class, fewer than 64; an interrupt.
    ///
    /// ```no_run
    /// # use noisebook::prelude::*;
    /// let (train, test) = Dataset::digits()?.split(0.9, 0)?;
    /// let classifier = Classifier::fit(&train)?; // 98% of the held-out digits
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn fit(train: &Dataset) -> Result<Self> {
        Self::fit_steps(train, STEPS, 0)
    }

    /// The same with a number of steps and a seed.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), and no steps.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let error = Classifier::fit_steps(&Dataset::moons(100, 0.05)?, 10, 0).unwrap_err();
    /// assert_eq!(error.to_string(), "images = [2]: a classifier takes images, C x H x W");
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn fit_steps(train: &Dataset, steps: usize, seed: u64) -> Result<Self> {
        let classifier = Self::new(train, steps, seed)?;
        let parameters = &classifier.inner.parameters;
        let mut optimizer = AdamW::new(&parameters.flat(), WEIGHT_DECAY)?;
        let an_epoch = train.len() / BATCH;
        let mut order = Vec::new();
        for step in 0..steps {
            if interrupted() {
                return Err(Error::argument("steps", steps, format!("the classifier was interrupted at step {step}")));
            }
            let (epoch, within) = (step / an_epoch, step % an_epoch);
            if within == 0 {
                order = permutation(&mut generator(seed, Stream::ClassifierOrder, epoch as u64), train.len());
            }
            let batch = train.batch_of(&order[within * BATCH..(within + 1) * BATCH])?;
            let labels = batch.labels.f_to_device(parameters.device())?;
            let loss = classifier.logits(&batch.images)?.f_cross_entropy_loss(
                &labels,
                None::<Tensor>,
                tch::Reduction::Mean,
                -100,
                0.0,
            )?;
            let gradient = parameters.gradient(&loss)?;
            // Straight down to 0: the last steps settle.
            let lr = LR * (1.0 - step as f64 / steps as f64);
            parameters.update(|flat| optimizer.step(flat, &gradient, lr, BETA1))?;
        }
        Ok(classifier)
    }

    fn new(train: &Dataset, steps: usize, seed: u64) -> Result<Self> {
        let (classes, shape) = (train.classes(), train.shape()[1..].to_vec());
        let [channels, _, _] = shape[..] else {
            return Err(Error::argument("images", format!("{shape:?}"), "a classifier takes images, C x H x W"));
        };
        if steps == 0 {
            return Err(Error::argument("steps", steps, "take at least 1 step"));
        }
        if train.len() < BATCH {
            return Err(Error::argument("images", train.len(), format!("a classifier takes at least {BATCH}")));
        }
        if classes.len() < 2 || train.labels().f_min()?.f_int64_value(&[])? < 0 {
            let rule = "a classifier needs two classes or more, and a label for every image";
            return Err(Error::argument("data set", train.name(), rule));
        }
        let (first, second, side, hidden) = WIDTHS;
        let mut init = Parameters::builder(seed);
        let convs =
            (Conv2d::new(&mut init, "conv1", channels, first, 3)?, Conv2d::new(&mut init, "conv2", first, second, 3)?);
        let linears = (
            Linear::new(&mut init, "linear1", second * side * side, hidden)?,
            Linear::new(&mut init, "linear2", hidden, classes.len() as i64)?,
        );
        let parameters = init.build(device::best())?;
        let name = train.name().to_string();
        Ok(Self { inner: Rc::new(Inner { name, classes, shape, parameters, convs, linears }) })
    }

    /// N x classes.
    fn logits(&self, images: &Tensor) -> Result<Tensor> {
        let (net, side) = (&*self.inner, WIDTHS.2);
        let x = images.f_to_device(net.parameters.device())?.f_to_kind(Kind::Float)?;
        let x = net.convs.0.forward(&x)?.f_silu()?;
        // Images of one row or column have no half.
        let x = x.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], true)?;
        let x = net.convs.1.forward(&x)?.f_silu()?.f_adaptive_avg_pool2d([side, side])?;
        net.linears.1.forward(&net.linears.0.forward(&x.f_flatten(1, -1)?)?.f_silu()?)
    }

    /// The class of each image: N, int64, on the CPU.
    ///
    /// # Errors
    /// Images of another shape than those that it was trained on.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let (train, test) = Dataset::digits()?.split(0.9, 0)?;
    /// let classifier = Classifier::fit_steps(&train, 10, 0)?;
    /// assert_eq!(classifier.classify(&test.images())?.size(), [180]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn classify(&self, images: &Tensor) -> Result<Tensor> {
        let (size, shape) = (images.size(), &self.inner.shape);
        if size.len() != 4 || size[0] == 0 || size[1..] != shape[..] {
            let rule = format!("this classifier takes N x {}", sides(shape));
            return Err(Error::argument("images", format!("{size:?}"), rule));
        }
        let _guard = no_grad_guard();
        let of = |start: i64| -> Result<Tensor> {
            let some = images.f_narrow(0, start, AT_ONCE.min(size[0] - start))?;
            Ok(self.logits(&some)?.f_argmax(1, false)?.f_to_device(tch::Device::Cpu)?)
        };
        let parts = (0..size[0]).step_by(AT_ONCE as usize).map(of).collect::<Result<Vec<_>>>()?;
        Ok(Tensor::f_cat(&parts, 0)?)
    }

    fn report(&self, images: &Tensor, labels: &Tensor, were_asked: bool) -> Result<ClassReport> {
        let by = format!("a classifier of {}", self.inner.name);
        ClassReport::by(&by, were_asked, (labels, &self.classify(images)?), self.inner.classes.clone())
    }
}

impl std::fmt::Debug for Classifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Inner { name, classes, shape, parameters, .. } = &*self.inner;
        let (classes, weights) = (classes.len(), grouped(parameters.len()));
        write!(f, "Classifier of {name}: {}, {classes} classes, {weights} parameters", sides(shape))
    }
}

impl Samples {
    /// The classes that were asked for beside those that a classifier sees.
    ///
    /// # Errors
    /// Samples without labels, or of another shape than the classifier knows.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let digits = Dataset::digits()?;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).classes(10).build()?;
    /// # let model = Diffusion::new(&unet, &Schedule::cosine(100)?, Prediction::V)?;
    /// # let classifier = Classifier::fit_steps(&digits, 1, 0)?;
    /// let report = Sampler::ddim(2).labels(0..10).sample(&model)?.classify(&classifier)?;
    /// println!("{:.0}% as asked", 100.0 * report.accuracy());
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn classify(&self, classifier: &Classifier) -> Result<ClassReport> {
        classifier.report(&self.images(), &self.labels(), true)
    }
}

impl Dataset {
    /// The labels beside the classes that a classifier sees: of held-out images, how good a judge it is.
    ///
    /// # Errors
    /// Images without labels, or of another shape than the classifier knows.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let (train, test) = Dataset::digits()?.split(0.9, 0)?;
    /// let report = test.classify(&Classifier::fit_steps(&train, 60, 0)?)?;
    /// report.show()?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn classify(&self, classifier: &Classifier) -> Result<ClassReport> {
        classifier.report(&self.images(), &self.labels(), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "slow: trains for some seconds"]
    fn it_reads_more_than_95_percent_of_the_held_out_digits() {
        let (train, test) = Dataset::digits().unwrap().split(0.9, 0).unwrap();
        let accuracy = test.classify(&Classifier::fit(&train).unwrap()).unwrap().accuracy();
        println!("{accuracy}");
        assert!(accuracy > 0.95, "{accuracy}");
    }

    /// 1 x 32 x 9 and 32 x 64 x 9 of the convolutions, 1,024 x 128 and 128 x 10 of the layers, and their shifts.
    #[test]
    fn its_debug_is_one_line() {
        let classifier = Classifier::fit_steps(&Dataset::digits().unwrap(), 1, 0).unwrap();
        let count = 32 * 9 + 32 + 32 * 64 * 9 + 64 + 1024 * 128 + 128 + 128 * 10 + 10;
        assert_eq!(count, 151_306);
        assert_eq!(format!("{classifier:?}"), "Classifier of digits: 1 x 8 x 8, 10 classes, 151,306 parameters");
    }

    #[test]
    fn the_same_seed_gives_the_same_weights() {
        let digits = Dataset::digits().unwrap();
        let weights = |seed| Classifier::fit_steps(&digits, 3, seed).unwrap().inner.parameters.flat();
        assert_eq!(weights(0), weights(0));
        assert_ne!(weights(0), weights(1));
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let digits = Dataset::digits().unwrap();
        let said = |set: &Dataset, steps| Classifier::fit_steps(set, steps, 0).unwrap_err().to_string();
        assert_eq!(said(&digits, 0), "steps = 0: take at least 1 step");
        let (few, _) = digits.split(0.02, 0).unwrap();
        assert_eq!(said(&few, 1), "images = 36: a classifier takes at least 64");
        let plain = Dataset::new("plain", &digits.images(), None, &[]).unwrap();
        let rule = "a classifier needs two classes or more, and a label for every image";
        assert_eq!(said(&plain, 1), format!("data set = plain: {rule}"));
        let classifier = Classifier::fit_steps(&digits, 1, 0).unwrap();
        let error = classifier.classify(&digits.images().narrow(2, 0, 4)).unwrap_err().to_string();
        assert_eq!(error, "images = [1797, 1, 4, 8]: this classifier takes N x 1 x 8 x 8");
        let error = plain.classify(&classifier).unwrap_err().to_string();
        assert_eq!(error, "label = -1: a report needs a label for every sample, asked for and seen");
    }
}
