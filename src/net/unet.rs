//! The U-Net of Ho et al. 2020, at any size.

use super::Network;
use super::checks::check_input;
use super::condition::Waves;
use super::dropout::Dropout;
use super::layer_times::{Clock, LayerTimes, title};
use super::layout::channels_last;
use super::parameters::Parameters;
use super::saved;
use super::summary::Summary;
use super::unet_builder::UNetBuilder;
use super::unet_layers::Layers;
use crate::Result;
use crate::labels::classes_in_words;
use crate::random::{Stream, generator, normal};
use crate::schedule::{Levels, Schedule};
use crate::show::{Bundle, Show, sides};
use std::path::Path;
use std::rc::Rc;
use tch::{Kind, Tensor};

/// A U-Net: the image shrinks through residual blocks, grows again, and on the way up sees what it was at each size on
/// the way down (Ronneberger et al. 2015; time, group norm and attention as in Ho et al. 2020, appendix B).
///
/// A clone points at the same weights; [`copy`](Self::copy) makes new ones. As the value of a cell it draws its layers.
///
/// ```
/// use noisebook::prelude::*;
/// let unet = UNet::builder().channels(1).image_size(8).base_channels(16).channel_mults([1, 2, 2])
///     .blocks(1).attention_at([4]).classes(10).build()?;
/// let schedule = Schedule::cosine(1_000)?;
/// let x = Tensor::zeros([2, 1, 8, 8], (Kind::Float, unet.device()));
/// let out = unet.forward(&x, &Levels::new(&schedule, [0, 999])?, Some(&Tensor::from_slice(&[3i64, -1])))?;
/// assert_eq!(out.size(), [2, 1, 8, 8]);
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone)]
pub struct UNet {
    inner: Rc<Inner>,
}

struct Inner {
    config: UNetBuilder,
    parameters: Parameters,
    summary: Summary,
    layers: Layers,
}

impl UNet {
    /// Starts the description of a network.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let unet = UNet::builder().channels(1).image_size(8).base_channels(8).build()?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn builder() -> UNetBuilder {
        UNetBuilder::default()
    }

    /// A network with weights of its own, equal to these. (A clone shares them.)
    ///
    /// # Errors
    /// What libtorch says when there is no memory left.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// let copy = unet.copy()?;
    /// assert_eq!(copy.parameters().named(), unet.parameters().named()); // equal now; training one leaves the other
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn copy(&self) -> Result<Self> {
        let copy = Self::from_valid(self.inner.config.clone())?;
        copy.inner.parameters.copy_from(&self.inner.parameters)?;
        Ok(copy)
    }

    /// Writes the network as a safetensors file: the weights under their names, and its description as JSON in the header.
    /// PyTorch opens it too (`safetensors.torch.load_file`). The file appears whole or not at all; what is frozen is part
    /// of it.
    ///
    /// # Errors
    /// A path that cannot be written.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let path = std::env::temp_dir().join("noisebook-doc-unet-save.safetensors");
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// unet.save(&path)?;
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        saved::save(self, path.as_ref())
    }

    /// The network of a file that [`save`](Self::save) wrote, on the best device there is.
    ///
    /// # Errors
    /// No such file; not one of safetensors; a file of another network, or of weights alone.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let path = std::env::temp_dir().join("noisebook-doc-unet-load.safetensors");
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// unet.save(&path)?;
    /// let same = UNet::load(&path)?;
    /// assert_eq!(same.parameters().named(), unet.parameters().named());
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        saved::load(path, Self::KIND, |fields, _| match fields {
            Some(fields) => Self::described(&fields),
            None => Err(saved::undescribed(path)),
        })
    }

    pub(super) fn waves(&self) -> &Waves {
        &self.inner.layers.condition.waves
    }

    pub(super) fn from_valid(config: UNetBuilder) -> Result<Self> {
        let mut init = Parameters::builder(config.seed);
        let (layers, summary) = Layers::new(&config, &mut init)?;
        let parameters = init.build(config.device_or_best()?)?;
        Ok(Self { inner: Rc::new(Inner { config, parameters, summary, layers }) })
    }

    /// How long each layer takes for so many images of noise, forward and backward.
    ///
    /// # Errors
    /// No image at all; what libtorch says when there is no memory left.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).build()?;
    /// unet.layer_times(8)?.show()?; // a table
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn layer_times(&self, images: usize) -> Result<LayerTimes> {
        let (x, levels) = input_of(self, images)?;
        let waves = self.waves_of(&levels)?;
        LayerTimes::measure(title(images)?, self.parameters(), |clock| self.pass(&x, &waves, None, None, clock))
    }

    fn waves_of(&self, levels: &Levels) -> Result<Tensor> {
        self.waves().of(&levels.times(), self.device())
    }

    fn pass(
        &self,
        x: &Tensor,
        waves: &Tensor,
        labels: Option<&Tensor>,
        mut dropout: Option<Dropout>,
        clock: &mut Clock,
    ) -> Result<Tensor> {
        let net = &self.inner.layers;
        let e = net.condition.forward(waves, labels)?;
        let mut x = x.f_to_device(self.device())?.f_to_kind(Kind::Float)?;
        if self.inner.config.channels_last {
            x = channels_last(&x)?;
        }
        x = clock.layer(format_args!("conv_in"), &[&x], |x| net.conv_in.forward(x[0]))?;
        let mut skips = vec![x.shallow_clone()];
        for (level, (blocks, halve)) in net.down.iter().enumerate() {
            for (i, block) in blocks.iter().enumerate() {
                let name = format_args!("down.{level}.{i}");
                x = clock.layer(name, &[&x, &e], |x| block.forward(x[0], x[1], &mut dropout))?;
                skips.push(x.shallow_clone());
            }
            if let Some(halve) = halve {
                x = clock.layer(format_args!("down.{level}.halve"), &[&x], |x| halve.forward(x[0]))?;
                skips.push(x.shallow_clone());
            }
        }
        let (first, last) = &net.middle;
        x = clock.layer(format_args!("middle.0"), &[&x, &e], |x| first.forward(x[0], x[1], &mut dropout))?;
        x = clock.layer(format_args!("middle.1"), &[&x, &e], |x| last.forward(x[0], x[1], &mut dropout))?;
        for (level, (blocks, double)) in (0..net.up.len()).rev().zip(&net.up) {
            for (i, block) in blocks.iter().enumerate() {
                let (name, skip) = (format_args!("up.{level}.{i}"), skips.pop());
                let inputs: Vec<&Tensor> = [&e, &x].into_iter().chain(&skip).collect();
                x = clock.layer(name, &inputs, |x| block.forward(&Tensor::f_cat(&x[1..], 1)?, x[0], &mut dropout))?;
            }
            if let (Some(double), Some(above)) = (double, skips.last()) {
                let (_, _, height, width) = above.size4()?;
                let name = format_args!("up.{level}.double");
                x = clock.layer(name, &[&x], |x| double.forward(x[0], [height, width]))?;
            }
        }
        let out = |x: &Tensor| net.conv_out.forward(&net.norm_out.forward(x)?.f_silu()?);
        Ok(clock.layer(format_args!("conv_out"), &[&x], |x| out(x[0]))?.f_contiguous()?)
    }
}

/// So many images for `network`, each at a level of its own.
pub(super) fn input_of(network: &dyn Network, images: usize) -> Result<(Tensor, Levels)> {
    let schedule = Schedule::linear(1_000)?;
    let levels = Levels::new(&schedule, (0..images).map(|image| image % schedule.levels()))?;
    let shape: Vec<i64> = std::iter::once(images as i64).chain(network.sample_shape()).collect();
    let x = normal(&mut generator(0, Stream::Noise, 0), &shape, network.device())?;
    Ok((x, levels))
}

impl Network for UNet {
    fn forward(&self, x: &Tensor, levels: &Levels, labels: Option<&Tensor>) -> Result<Tensor> {
        check_input(self, x, levels, labels)?;
        self.pass(x, &self.waves_of(levels)?, labels, None, &mut Clock::off())
    }

    fn forward_training(
        &self,
        x: &Tensor,
        levels: &Levels,
        labels: Option<&Tensor>,
        seed: u64,
        step: u64,
    ) -> Result<Tensor> {
        check_input(self, x, levels, labels)?;
        let dropout = (self.dropout() > 0.0).then(|| Dropout::new(self.dropout(), seed, step));
        self.pass(x, &self.waves_of(levels)?, labels, dropout, &mut Clock::off())
    }

    fn dropout(&self) -> f64 {
        self.inner.config.dropout
    }

    fn encode(&self, levels: &Levels) -> Result<Option<Tensor>> {
        self.waves_of(levels).map(Some)
    }

    fn forward_encoded(&self, x: &Tensor, waves: &Tensor, labels: Option<&Tensor>) -> Result<Tensor> {
        self.pass(x, waves, labels, None, &mut Clock::off())
    }

    fn parameters(&self) -> &Parameters {
        &self.inner.parameters
    }

    fn sample_shape(&self) -> Vec<i64> {
        let config = &self.inner.config;
        vec![config.channels, config.image_size.height, config.image_size.width]
    }

    fn classes(&self) -> Option<i64> {
        self.inner.config.classes
    }

    fn copy_network(&self) -> Result<Rc<dyn Network>> {
        Ok(Rc::new(self.copy()?))
    }

    fn description(&self) -> String {
        self.inner.config.describe().to_string()
    }
}

impl UNet {
    fn in_a_line(&self) -> String {
        let shape = sides(&self.sample_shape());
        let classes = classes_in_words(self.classes());
        format!("U-Net for {shape}, {classes}: {}", self.parameters().counted())
    }
}

impl std::fmt::Debug for UNet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.in_a_line())
    }
}

impl Show for UNet {
    fn bundle(&self) -> Result<Bundle> {
        self.inner.summary.table(self.in_a_line(), self.parameters()).bundle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schedule;

    fn small() -> UNet {
        let builder = UNet::builder().channels(1).image_size(8).base_channels(16).channel_mults([1, 2, 2]);
        builder.blocks(1).attention_at([4]).classes(10).build().unwrap()
    }

    fn input() -> (Tensor, Levels, Tensor) {
        let x = Tensor::linspace(-1, 1, 3 * 64, (Kind::Float, tch::Device::Cpu)).view([3, 1, 8, 8]);
        let levels = Levels::new(&Schedule::linear(1_000).unwrap(), [0, 400, 999]).unwrap();
        (x, levels, Tensor::from_slice(&[0i64, 9, -1]))
    }

    /// A network whose zero-initialised layers say something.
    fn stirred() -> UNet {
        let unet = small();
        let _guard = tch::no_grad_guard();
        let flat = unet.parameters().flat();
        let stir = Tensor::arange(flat.numel() as i64, (Kind::Float, flat.device())).sin() * 0.1;
        let _ = unet.parameters().flat().f_add_(&stir).unwrap();
        unet
    }

    #[test]
    fn the_summary_counts_every_parameter_once() {
        let unet = small();
        let rows: usize = unet.inner.summary.parameters().iter().map(|(_, count)| count).sum();
        assert_eq!(rows, unet.parameter_count());
        let named: usize = unet.parameters().named().iter().map(|(_, tensor)| tensor.numel()).sum();
        assert_eq!(named, unet.parameter_count());
    }

    /// The expected numbers are those of an independent network in PyTorch, in float64 (tests/fixtures/unet.py).
    #[test]
    fn it_computes_what_pytorch_does() {
        let (x, levels, labels) = input();
        let unet = small();
        let count = unet.parameter_count() as i64;
        let k = Tensor::arange(count, (Kind::Double, tch::Device::Cpu));
        {
            let _guard = tch::no_grad_guard();
            unet.parameters().flat().copy_(&((k * 0.7 + 0.1).sin() * 0.3));
        }
        let out = unet.forward(&x, &levels, Some(&labels)).unwrap().to_device(tch::Device::Cpu);
        let expected: [f64; 192] = include!("../../tests/fixtures/unet.in");
        let error = (out.view([-1]) - Tensor::from_slice(&expected)).abs().max().double_value(&[]);
        assert!(error < 2e-5, "{error}");
    }

    #[test]
    fn it_starts_by_predicting_nothing() {
        let (x, levels, labels) = input();
        let out = small().forward(&x, &levels, Some(&labels)).unwrap();
        assert_eq!(out.abs().max().double_value(&[]), 0.0);
    }

    #[test]
    fn time_and_label_each_change_the_output_and_no_label_is_minus_one() {
        let (x, levels, labels) = input();
        let unet = stirred();
        let x = x.get(0).expand([3, 1, 8, 8], false);
        let out = unet.forward(&x, &levels, Some(&labels)).unwrap();
        assert_ne!(out.get(0), out.get(1));
        let unlabelled = unet.forward(&x, &levels, None).unwrap();
        assert_ne!(out.get(0), unlabelled.get(0));
        assert!((out.get(2) - unlabelled.get(2)).abs().max().double_value(&[]) < 1e-5);
    }

    #[test]
    fn a_clone_shares_weights_and_a_copy_does_not() {
        let (x, levels, _) = input();
        let unet = stirred();
        let (clone, copy) = (unet.clone(), unet.copy().unwrap());
        let before = copy.forward(&x, &levels, None).unwrap();
        assert_eq!(before, unet.forward(&x, &levels, None).unwrap());
        {
            let _guard = tch::no_grad_guard();
            let _ = unet.parameters().flat().f_mul_scalar_(0.5).unwrap();
        }
        assert_eq!(clone.forward(&x, &levels, None).unwrap(), unet.forward(&x, &levels, None).unwrap());
        assert_eq!(copy.forward(&x, &levels, None).unwrap(), before);
    }

    #[test]
    fn the_same_seed_gives_the_same_weights() {
        let flat = |seed| UNet::builder().base_channels(8).seed(seed).build().unwrap().parameters().flat();
        assert_eq!(flat(1), flat(1));
        assert_ne!(flat(1), flat(2));
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let (x, levels, labels) = input();
        let unet = small();
        let said = |x: &Tensor, labels: Option<&Tensor>| unet.forward(x, &levels, labels).unwrap_err().to_string();
        assert_eq!(said(&x.view([3, 64]), None), "x = [3, 64]: this network takes N x 1 x 8 x 8");
        assert_eq!(said(&x.narrow(0, 0, 2), None), "levels = 3: one for each of the 2 samples");
        assert_eq!(said(&x, Some(&labels.narrow(0, 0, 1))), "labels = [1]: one for each of the 3 images");
        let unknown = Tensor::from_slice(&[0i64, 9, 10]);
        assert_eq!(said(&x, Some(&unknown)), "label = 10: the network's classes are 0 to 9, and -1 is no label");
        let plain = UNet::builder().channels(1).image_size(8).base_channels(8).build().unwrap();
        assert_eq!(
            plain.forward(&x, &levels, Some(&labels)).unwrap_err().to_string(),
            "labels = Some: this network was built without classes: give None"
        );
    }

    /// As above, for odd sides and Fourier features (tests/fixtures/unet.py).
    #[test]
    fn it_computes_what_pytorch_does_at_odd_sizes() {
        let unet = UNet::builder().channels(1).image_size((7, 5)).base_channels(16).channel_mults([1, 2, 2]).blocks(1);
        let unet = unet.attention_at([4]).classes(10).device(tch::Device::Cpu).build().unwrap();
        let k = Tensor::arange(unet.parameter_count() as i64, (Kind::Double, tch::Device::Cpu));
        {
            let _guard = tch::no_grad_guard();
            unet.parameters().flat().copy_(&((k * 0.7 + 0.1).sin() * 0.3));
        }
        let x = Tensor::linspace(-1, 1, 70, (Kind::Float, tch::Device::Cpu)).view([2, 1, 7, 5]);
        let levels = Levels::new(&Schedule::linear(1_000).unwrap(), [400, 999]).unwrap();
        let out = unet.forward(&x, &levels, Some(&Tensor::from_slice(&[9i64, -1]))).unwrap();
        let expected: [f64; 70] = include!("../../tests/fixtures/unet_odd.in");
        let error = (out.view([-1]) - Tensor::from_slice(&expected)).abs().max().double_value(&[]);
        assert!(error < 2e-5, "{error}");
    }

    #[test]
    fn every_size_comes_out_as_it_went_in() {
        for (height, width) in [(28, 28), (9, 9), (1, 7), (8, 5), (13, 30)] {
            let unet = UNet::builder().channels(1).image_size((height, width)).base_channels(8).blocks(1);
            let unet = unet.channel_mults([1, 1, 1, 1]).attention_at([height]).build();
            let x = Tensor::zeros([1, 1, height, width], (Kind::Float, tch::Device::Cpu));
            let levels = Levels::new(&Schedule::linear(10).unwrap(), [3]).unwrap();
            assert_eq!(unet.unwrap().forward(&x, &levels, None).unwrap().size(), [1, 1, height, width]);
        }
    }

    #[test]
    fn dropout_works_in_training_alone_and_by_the_seed() {
        let (x, levels, labels) = input();
        let unet = UNet::builder().channels(1).image_size(8).base_channels(8).classes(10).dropout(0.3).build().unwrap();
        {
            let _guard = tch::no_grad_guard();
            let flat = unet.parameters().flat();
            let stir = Tensor::arange(flat.numel() as i64, (Kind::Float, flat.device())).sin() * 0.1;
            let _ = unet.parameters().flat().f_add_(&stir).unwrap();
        }
        let train = |seed, step| unet.forward_training(&x, &levels, Some(&labels), seed, step).unwrap();
        assert_eq!(train(1, 2), train(1, 2));
        assert_ne!(train(1, 2), train(1, 3));
        assert_ne!(train(1, 2), train(0, 2));
        let still = || unet.forward(&x, &levels, Some(&labels)).unwrap();
        assert_eq!(still(), still());
        assert_ne!(still(), train(1, 2));
    }

    #[test]
    fn the_summary_says_what_is_frozen() {
        let unet = small();
        let text = || unet.bundle().unwrap().plain_text().to_string();
        assert!(!text().contains("training") && !text().contains("frozen"), "{}", text());
        unet.freeze(&["conv_out", "down.0.0.conv1.bias"]).unwrap(); // 16 x 9 weights and a bias; 16
        let text = text();
        let (title, rows) = text.split_once('\n').unwrap();
        assert!(title.ends_with(" parameters, 161 of them frozen"), "{title}");
        assert_eq!(format!("{unet:?}"), title);
        let marked: Vec<(&str, &str)> = rows
            .lines()
            .filter(|line| line.ends_with("frozen"))
            .map(|line| (line.split("  ").next().unwrap(), line.rsplit("  ").next().unwrap()))
            .collect();
        assert_eq!(marked, [("down.0.0", "16 frozen"), ("conv_out", "frozen")], "{text}");
        let html = unet.bundle().unwrap().get("text/html").unwrap().as_str().unwrap().to_string();
        assert_eq!(html.matches(">frozen</td>").count(), 1, "{html}");
    }
}
