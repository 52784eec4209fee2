//! A model in a file: the network, and with it the schedule, the prediction, and how it is trained.

use super::Diffusion;
use crate::accel::Precision;
use crate::denoiser::Denoiser;
use crate::fields::Fields;
use crate::net::{Network, file};
use crate::prediction::{LossWeight, Prediction};
use crate::schedule::{Schedule, TrainingLevels};
use crate::{Error, Result};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::rc::Rc;

impl Diffusion {
    /// Writes the model as a safetensors file: the network's weights under their names, so that PyTorch and the network's
    /// own `load` open it too, and in the header as JSON what the network is, the schedule, the prediction, and how the
    /// model is trained. The file appears whole or not at all.
    ///
    /// Of a [`source`](Self::source) the file holds the name alone.
    ///
    /// # Errors
    /// A path that cannot be written.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let path = std::env::temp_dir().join("noisebook-doc-model-save.safetensors");
    /// # let model = Diffusion::new(&Mlp::builder().build()?, &Schedule::cosine(100)?, Prediction::V)?;
    /// model.save(&path)?;
    /// let network = Mlp::load(&path)?; // the network alone
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        file::write(path.as_ref(), &self.network.parameters().named(), &self.describe())
    }

    /// The model of a file that [`save`](Self::save) wrote, on the best device there is.
    ///
    /// # Errors
    /// No such file, or one that holds no model; a network of one's own, which [`load_into`](Self::load_into) takes; a
    /// bridge, whose source the file has not: load its network, and make the model with the source again.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let path = std::env::temp_dir().join("noisebook-doc-model-load.safetensors");
    /// # let model = Diffusion::new(&Mlp::builder().build()?, &Schedule::cosine(100)?, Prediction::V)?;
    /// model.save(&path)?;
    /// let same = Diffusion::load(&path)?;
    /// assert_eq!(same.network().parameters().named(), model.network().parameters().named());
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let (tensors, described) = file::read(path)?;
        let made = |network| Self::described(path, network, &described);
        match crate::net::build(path, &tensors, &described)? {
            Some(network) => made(network),
            None => {
                let rule = "does not say what network it holds: build that network and take Diffusion::load_into(path, &network)";
                Err(Error::argument("path", path.display(), rule))
            }
        }
    }

    /// The model of a file, with a network that was built by hand: it takes the file's weights, and is shared.
    ///
    /// # Errors
    /// As [`load`](Self::load), but for the network; weights of another network.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// # let path = std::env::temp_dir().join("noisebook-doc-load-into.safetensors");
    /// # Diffusion::new(&Mlp::builder().build()?, &Schedule::cosine(100)?, Prediction::V)?.save(&path)?;
    /// let on_the_cpu = Mlp::builder().device(Device::Cpu).build()?;
    /// let model = Diffusion::load_into(&path, &on_the_cpu)?;
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn load_into(path: impl AsRef<Path>, network: &(impl Network + Clone + 'static)) -> Result<Self> {
        let path = path.as_ref();
        let (_, described) = file::read(path)?;
        let model = Self::described(path, Rc::new(network.clone()), &described)?;
        network.parameters().load(path)?;
        Ok(model)
    }

    /// What its file says of it.
    pub(crate) fn describe(&self) -> Map<String, Value> {
        let mut map = crate::net::describe(&*self.network);
        let model = json!({
            "schedule": self.schedule.to_json(),
            "prediction": self.prediction.to_json(),
            "loss_weight": self.loss_weight.to_json(),
            "training_levels": self.training_levels.to_json(),
            "source": self.source.as_ref().map(|source| source.name()),
            "sample_shape": self.network.sample_shape(),
        });
        map.insert("model".into(), model);
        map
    }

    fn described(path: &Path, network: Rc<dyn Network>, described: &Map<String, Value>) -> Result<Self> {
        let refusal = |rule: String| Error::argument("path", path.display(), rule);
        if !described.contains_key("model") {
            return Err(refusal(
                "holds a network without a schedule: load that, and join them with Diffusion::new".into(),
            ));
        }
        let fields = Fields(described).object("model")?;
        if let Ok(source) = fields.text("source") {
            let rule =
                format!("holds a bridge from {source}: load its network, and call Diffusion::new and source again");
            return Err(refusal(rule));
        }
        let (schedule, prediction) = (fields.object("schedule")?, fields.object("prediction")?);
        let (schedule, prediction) = (Schedule::from_json(&schedule)?, Prediction::from_json(&prediction)?);
        prediction.check(&schedule)?;
        let model = Self {
            network,
            schedule,
            prediction,
            loss_weight: LossWeight::from_json(&fields.object("loss_weight")?)?,
            training_levels: TrainingLevels::from_json(&fields.object("training_levels")?)?,
            precision: Precision::default(),
            passes: Rc::default(),
            source: None,
        };
        model.check()?;
        if fields.integers("sample_shape")? != model.sample_shape() {
            return Err(refusal(format!("its samples have another shape than {:?}", model.sample_shape())));
        }
        Ok(model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;
    use crate::net::file::tests::place;
    use crate::net::{Mlp, UNet};
    use crate::sample::Sampler;
    use crate::show::Show;
    use std::fs::remove_file;

    #[test]
    fn a_model_comes_back_and_says_the_same() {
        let path = place("model.safetensors");
        let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).blocks(1).classes(3);
        let unet = unet.build().unwrap();
        unet.parameters()
            .update(|flat| {
                let _ = flat.f_add_scalar_(0.01)?;
                Ok(())
            })
            .unwrap();
        let schedule = Schedule::edm_between(50, 0.01, 30.0, 5.0).unwrap();
        let model = Diffusion::new(&unet, &schedule, Prediction::Edm { sigma_data: 0.4 }).unwrap();
        let model = model.loss_weight(LossWeight::edm()).training_levels(TrainingLevels::edm());
        model.save(&path).unwrap();
        let back = Diffusion::load(&path).unwrap();
        let text = |model: &Diffusion| model.bundle().unwrap().plain_text().to_string();
        assert_eq!((text(&back), back.describe()), (text(&model), model.describe()));
        let samples = |model: &Diffusion| Sampler::ddim(3).count(2).sample(model).unwrap().images();
        assert_eq!(samples(&back), samples(&model));
        assert_eq!(UNet::load(&path).unwrap().parameters().named(), unet.parameters().named());
        remove_file(path).unwrap();
    }

    #[test]
    fn refusals_name_the_path_and_say_what_to_do() {
        let path = place("no-model.safetensors");
        let said =
            |error: Result<Diffusion>| error.unwrap_err().to_string().replace(&path.display().to_string(), "FILE");
        let mlp = Mlp::builder().hidden(8).layers(1).build().unwrap();
        mlp.save(&path).unwrap();
        let rule = "path = FILE: holds a network without a schedule: load that, and join them with Diffusion::new";
        assert_eq!(said(Diffusion::load(&path)), rule);
        mlp.parameters().save(&path).unwrap();
        assert_eq!(
            said(Diffusion::load(&path)),
            "path = FILE: does not say what network it holds: build that network and take Diffusion::load_into(path, &network)"
        );
        let bridge = Diffusion::new(&mlp, &Schedule::flow(10).unwrap(), Prediction::Flow).unwrap();
        bridge.source(&Dataset::moons(20, 0.1).unwrap()).save(&path).unwrap();
        assert_eq!(
            said(Diffusion::load(&path)),
            "path = FILE: holds a bridge from moons: load its network, and call Diffusion::new and source again"
        );
        let model = Diffusion::new(&mlp, &Schedule::flow(10).unwrap(), Prediction::Flow).unwrap();
        model.save(&path).unwrap();
        let wide = Mlp::builder().hidden(9).layers(1).build().unwrap();
        assert_eq!(
            said(Diffusion::load_into(&path, &wide)),
            "path = FILE: time.0.weight is 8 x 64, and this network's is 9 x 64"
        );
        let solid = Mlp::builder().hidden(8).layers(1).dims(3).build().unwrap();
        assert_eq!(said(Diffusion::load_into(&path, &solid)), "path = FILE: its samples have another shape than [3]");
        let same = Mlp::builder().hidden(8).layers(1).seed(1).build().unwrap();
        let loaded = Diffusion::load_into(&path, &same).unwrap();
        assert_eq!(loaded.network().parameters().named(), mlp.parameters().named());
        assert_eq!(same.parameters().named(), mlp.parameters().named());
        remove_file(path).unwrap();
    }
}
