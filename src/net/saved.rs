//! Networks in files: weights under their names, and what the network is.

use super::file::{read, refusal, write};
use super::parameters::Parameters;
use super::{ArticleUNet, Mlp, Network, UNet};
use crate::fields::Fields;
use crate::show::sides;
use crate::{Error, Result};
use serde_json::{Map, Value};
use std::path::Path;
use std::rc::Rc;
use tch::{Kind, Tensor, no_grad_guard};

/// Names that an error lists before it counts the rest.
const LISTED: usize = 4;

/// The field of a file's description that lists the names of the tensors that are frozen.
const FROZEN: &str = "frozen";

impl Parameters {
    /// Writes the weights alone as a safetensors file, which PyTorch opens too: for a network of one's own, of which a
    /// file cannot tell how to make it. The file appears whole or not at all; what is frozen is not part of it.
    ///
    /// # Errors
    /// A path that cannot be written.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let path = std::env::temp_dir().join("noisebook-doc-parameters.safetensors");
    /// let (mlp, other) = (Mlp::builder().build()?, Mlp::builder().seed(1).build()?);
    /// mlp.parameters().save(&path)?;
    /// other.parameters().load(&path)?;
    /// assert_eq!(other.parameters().named(), mlp.parameters().named());
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        write(path.as_ref(), &self.named(), &Map::new())
    }

    /// Takes the weights from a safetensors file, made here or by PyTorch. All of them are checked before one is changed.
    /// What was frozen in a network that [saved](super::UNet::save) itself is frozen here too; what is frozen here stays so.
    ///
    /// # Errors
    /// No such file, or not one of safetensors; weights that it lacks or has beside these; other shapes; numbers that are
    /// not float32.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let mlp = Mlp::builder().build()?;
    /// let error = mlp.parameters().load("no-such.safetensors").unwrap_err();
    /// assert_eq!(error.to_string(), "path = no-such.safetensors: there is no such file");
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn load(&self, path: impl AsRef<Path>) -> Result<()> {
        let (tensors, described) = read(path.as_ref())?;
        self.restore(path.as_ref(), &tensors, &described)
    }

    /// Takes over what was read from `path`, weights and what is said of them: all or nothing.
    fn restore(&self, path: &Path, tensors: &[(String, Tensor)], described: &Map<String, Value>) -> Result<()> {
        let frozen = Fields(described).words(FROZEN)?;
        self.check_parts(&frozen)?;
        self.fill(path, tensors)?;
        self.set_trained_steps(described.get("trained_steps").and_then(Value::as_u64).unwrap_or(0) as usize);
        self.set_frozen(&frozen, true)
    }

    /// Takes over the weights that were read from `path`: all or nothing.
    fn fill(&self, path: &Path, tensors: &[(String, Tensor)]) -> Result<()> {
        let of_file = |name: &str| tensors.iter().find(|(one, _)| one == name).map(|(_, tensor)| tensor);
        let own = |name: &str| self.tensors().iter().any(|(one, _)| one == name);
        let absent = self.tensors().iter().map(|(name, _)| name).filter(|name| of_file(name).is_none());
        let beside = tensors.iter().map(|(name, _)| name).filter(|name| !own(name));
        let (absent, beside): (Vec<&String>, Vec<&String>) = (absent.collect(), beside.collect());
        let mut troubles = Vec::new();
        if !absent.is_empty() {
            troubles.push(format!("lacks {}", listed(&absent)));
        }
        if !beside.is_empty() {
            troubles.push(format!("has {}, which this network has not", listed(&beside)));
        }
        if !troubles.is_empty() {
            return Err(refusal(path, troubles.join("; ")));
        }
        let mut parts = Vec::with_capacity(tensors.len());
        for (name, weight) in self.tensors() {
            let Some(tensor) = of_file(name) else { continue };
            if tensor.size() != weight.size() {
                let (has, wants) = (shape(tensor), shape(weight));
                return Err(refusal(path, format!("{name} is {has}, and this network's is {wants}")));
            }
            if tensor.f_kind()? != Kind::Float {
                return Err(refusal(path, format!("{name} is {:?}: weights are float32", tensor.f_kind()?)));
            }
            parts.push(tensor.f_reshape([-1])?);
        }
        let _guard = no_grad_guard();
        Ok(self.flat().f_copy_(&Tensor::f_cat(&parts, 0)?)?)
    }
}

fn shape(tensor: &Tensor) -> String {
    if tensor.dim() == 0 { "one number".to_string() } else { sides(&tensor.size()) }
}

fn listed(names: &[&String]) -> String {
    let shown: Vec<&str> = names.iter().take(LISTED).map(|name| name.as_str()).collect();
    match names.len().saturating_sub(LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What a file says of a network beside its weights.
pub(crate) fn describe(network: &dyn Network) -> Map<String, Value> {
    let mut map = Map::new();
    if let Ok(Value::Object(description)) = serde_json::from_str(&network.description()) {
        map.insert("network".into(), description.into());
    }
    map.insert("trained_steps".into(), network.parameters().trained_steps().into());
    let frozen = network.parameters().frozen();
    if !frozen.is_empty() {
        map.insert(FROZEN.into(), frozen.into());
    }
    map
}

/// The network that a file describes, with its weights; None where the description is not one of this crate's.
pub(crate) fn build(
    path: &Path,
    tensors: &[(String, Tensor)],
    described: &Map<String, Value>,
) -> Result<Option<Rc<dyn Network>>> {
    let Some(Value::Object(map)) = described.get("network") else { return Ok(None) };
    let fields = Fields(map);
    let network: Rc<dyn Network> = match fields.text("kind")? {
        UNet::KIND => Rc::new(UNet::described(&fields)?),
        ArticleUNet::KIND => Rc::new(ArticleUNet::described(&fields)?),
        Mlp::KIND => Rc::new(Mlp::described(&fields)?),
        _ => return Ok(None),
    };
    network.parameters().restore(path, tensors, described)?;
    Ok(Some(network))
}

/// The description of a network of this kind, if the file has any at all.
fn fields<'a>(path: &Path, described: &'a Map<String, Value>, kind: &str) -> Result<Option<Fields<'a>>> {
    let Some(Value::Object(map)) = described.get("network") else { return Ok(None) };
    let fields = Fields(map);
    match fields.text("kind")? {
        one if one == kind => Ok(Some(fields)),
        other => Err(refusal(path, format!("holds a network of the kind {other}, not {kind}"))),
    }
}

/// What is wrong with a file that has weights alone.
pub(super) fn undescribed(path: &Path) -> Error {
    let rule = "does not say what network it holds: build that network and take parameters().load(path)";
    refusal(path, rule)
}

/// Writes a network that describes itself.
pub(super) fn save(network: &dyn Network, path: &Path) -> Result<()> {
    write(path, &network.parameters().named(), &describe(network))
}

/// The network of a file, where `make` makes one from its description: None in a file of another program.
pub(super) fn load<T: Network>(
    path: &Path,
    kind: &str,
    make: impl FnOnce(Option<Fields>, &[(String, Tensor)]) -> Result<T>,
) -> Result<T> {
    let (tensors, described) = read(path)?;
    let network = make(fields(path, &described, kind)?, &tensors)?;
    network.parameters().restore(path, &tensors, &described)?;
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::TimeEmbedding;
    use crate::net::file::tests::place;
    use serde_json::json;
    use std::fs::remove_file;
    use tch::Device;

    fn mlp(seed: u64) -> Mlp {
        Mlp::builder().hidden(8).layers(1).classes(3).seed(seed).device(Device::Cpu).build().unwrap()
    }

    #[test]
    fn a_network_comes_back_with_its_weights_and_its_steps() {
        let path = place("mlp.safetensors");
        let mlp = Mlp::builder().hidden(8).layers(1).classes(3).dropout(0.25).time_embedding(TimeEmbedding::fourier());
        let mlp = mlp.seed(5).build().unwrap();
        mlp.parameters().set_trained_steps(7);
        mlp.save(&path).unwrap();
        let back = Mlp::load(&path).unwrap();
        assert_eq!(back.parameters().named(), mlp.parameters().named());
        assert_eq!((back.classes(), back.parameters().trained_steps()), (Some(3), 7));
        assert_eq!(back.description(), mlp.description());

        let unet = UNet::builder().channels(2).image_size((6, 5)).base_channels(8).channel_mults([1, 2]).blocks(1);
        let unet = unet.attention_at([3]).heads(2).groups(4).dropout(0.1).time_embedding(TimeEmbedding::fourier());
        let unet = unet.seed(u64::MAX).build().unwrap();
        unet.save(&path).unwrap();
        let back = UNet::load(&path).unwrap();
        assert_eq!((back.parameters().named(), back.description()), (unet.parameters().named(), unet.description()));
        let said = Mlp::load(&path).unwrap_err().to_string();
        assert_eq!(said, format!("path = {}: holds a network of the kind UNet, not Mlp", path.display()));

        let article = UNet::article().channels(1).image_size(16).classes(2).build().unwrap();
        article.save(&path).unwrap();
        let back = ArticleUNet::load(&path).unwrap();
        assert_eq!(back.parameters().named(), article.parameters().named());
        assert_eq!((back.sample_shape(), back.classes()), (vec![1, 16, 16], Some(2)));
        remove_file(path).unwrap();
    }

    #[test]
    fn what_is_frozen_comes_back_frozen() {
        let path = place("frozen.safetensors");
        let parts = ["blocks", "first.bias"];
        let frozen = |network: &dyn Network| network.parameters().frozen_mask().unwrap();
        let mlp = mlp(0);
        mlp.freeze(&parts).unwrap();
        mlp.save(&path).unwrap();
        let back = Mlp::load(&path).unwrap();
        assert!(frozen(&mlp).is_some() && frozen(&back) == frozen(&mlp));
        // What was saved is added to what is frozen.
        let other = self::mlp(1);
        other.freeze(&["last"]).unwrap();
        other.parameters().load(&path).unwrap();
        other.unfreeze(&parts).unwrap();
        assert_eq!(other.parameters().frozen(), ["last.weight", "last.bias"]);
        // Weights alone say nothing of it.
        mlp.parameters().save(&path).unwrap();
        let other = self::mlp(1);
        other.parameters().load(&path).unwrap();
        assert!(frozen(&other).is_none());
        let described = json!({"frozen": ["blocks.0", "blokcs"]});
        write(&path, &mlp.parameters().named(), described.as_object().unwrap()).unwrap();
        let before = self::mlp(2);
        let said = before.parameters().load(&path).unwrap_err().to_string();
        assert!(said.starts_with("part = blokcs: this network has time, classes, first, blocks, last"), "{said}");
        assert_eq!(before.parameters().flat(), self::mlp(2).parameters().flat());
        assert!(frozen(&before).is_none());
        remove_file(path).unwrap();
    }

    #[test]
    fn a_file_of_other_weights_is_refused_and_changes_nothing() {
        let path = place("troubles.safetensors");
        let mlp = mlp(0);
        let before = mlp.parameters().flat().copy();
        type Weights = Vec<(String, Tensor)>;
        let said = |change: &dyn Fn(&mut Weights)| {
            let mut tensors = mlp.parameters().named();
            change(&mut tensors);
            write(&path, &tensors, &Map::new()).unwrap();
            let said = mlp.parameters().load(&path).unwrap_err().to_string();
            assert_eq!(mlp.parameters().flat(), before);
            said.replace(&path.display().to_string(), "FILE")
        };
        // The first of 16 tensors, which differs, would be half of a loaded network.
        let other = |tensors: &mut Weights| tensors[0].1 = tensors[0].1.full_like(9.0);
        assert_eq!(
            said(&|tensors| {
                other(tensors);
                tensors.truncate(5);
                tensors.push(("ema".into(), Tensor::from(1f32)));
            }),
            "path = FILE: lacks first.weight, first.bias, blocks.0.first.weight, blocks.0.first.bias and 6 more; has ema, \
             which this network has not"
        );
        assert_eq!(
            said(&|tensors| {
                other(tensors);
                tensors[3].1 = tensors[3].1.narrow(0, 0, 2);
                tensors[4].1 = Tensor::from(1f32);
            }),
            "path = FILE: time.1.bias is 2, and this network's is 8"
        );
        assert_eq!(
            said(&|tensors| {
                other(tensors);
                tensors[4].1 = tensors[4].1.to_kind(Kind::Double);
            }),
            "path = FILE: classes.weight is Double: weights are float32"
        );
        let weights = mlp.parameters().named();
        write(&path, &weights, &Map::new()).unwrap();
        let error = Mlp::load(&path).unwrap_err().to_string().replace(&path.display().to_string(), "FILE");
        assert_eq!(
            error,
            "path = FILE: does not say what network it holds: build that network and take parameters().load(path)"
        );
        let described = json!({"network": {"kind": "Mlp", "dims": 2, "hidden": "wide"}});
        write(&path, &weights, described.as_object().unwrap()).unwrap();
        assert_eq!(
            Mlp::load(&path).unwrap_err().to_string(),
            "hidden = \"wide\": the file's description needs a whole number here"
        );
        remove_file(path).unwrap();
    }

    /// The article's module in PyTorch told the names and shapes of its state dict (tests/fixtures/article.py). The weights
    /// follow a formula, so that 60 MB need not be kept.
    #[test]
    fn the_articles_checkpoint_opens_here() {
        let path = place("article.safetensors");
        let mut start = 0;
        let tensors: Vec<(String, Tensor)> = include_str!("../../tests/fixtures/article_state.in")
            .lines()
            .map(|line| {
                let (name, shape) = line.split_once(' ').unwrap();
                let shape: Vec<i64> = shape.split(' ').map(|side| side.parse().unwrap()).collect();
                let count = shape.iter().product::<i64>();
                let weight = Tensor::arange_start(start, start + count, (Kind::Double, Device::Cpu)).sin();
                start += count;
                (name.to_string(), weight.to_kind(Kind::Float).view(shape.as_slice()))
            })
            .collect();
        write(&path, &tensors, &Map::new()).unwrap();
        let article = ArticleUNet::load(&path).unwrap();
        assert_eq!((article.sample_shape(), article.classes()), (vec![3, 32, 32], Some(10)));
        assert_eq!(article.parameter_count() as i64, start);
        let named = article.parameters().named();
        for (name, weight) in &tensors {
            assert_eq!(&named.iter().find(|(one, _)| one == name).unwrap().1, weight, "{name}");
        }
        article.save(&path).unwrap();
        let (again, _) = read(&path).unwrap();
        let mut sorted = tensors;
        sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
        assert_eq!(again, sorted);
        remove_file(path).unwrap();
    }
}
