//! Networks in words: what their files say of them, and back.

use super::article_builder::ArticleUNetBuilder;
use super::file::refusal;
use super::mlp_builder::MlpBuilder;
use super::time::TimeEmbedding;
use super::unet_builder::UNetBuilder;
use super::{ArticleUNet, Mlp, UNet};
use crate::Result;
use crate::fields::Fields;
use serde_json::{Value, json};
use std::path::Path;
use tch::Tensor;

impl TimeEmbedding {
    fn describe(self) -> Value {
        match self {
            Self::Sinusoidal => json!({"kind": "sinusoidal"}),
            Self::Fourier { scale } => json!({"kind": "fourier", "scale": scale}),
        }
    }

    fn described(fields: &Fields) -> Result<Self> {
        match fields.text("kind")? {
            "sinusoidal" => Ok(Self::Sinusoidal),
            "fourier" => Ok(Self::Fourier { scale: fields.number("scale")? }),
            _ => Err(fields.unknown("kind")),
        }
    }
}

impl UNetBuilder {
    pub(super) fn describe(&self) -> Value {
        json!({
            "kind": UNet::KIND,
            "channels": self.channels,
            "height": self.image_size.height,
            "width": self.image_size.width,
            "base_channels": self.base_channels,
            "channel_mults": self.channel_mults,
            "blocks": self.blocks,
            "attention_at": self.attention_at,
            "heads": self.heads,
            "groups": self.groups,
            "dropout": self.dropout,
            "time_embedding": self.time_embedding.describe(),
            "classes": self.classes,
            "seed": self.seed,
        })
    }
}

impl UNet {
    pub(super) const KIND: &'static str = "UNet";

    /// The network of a description, with new weights.
    pub(super) fn described(fields: &Fields) -> Result<Self> {
        let builder = UNetBuilder {
            channels: fields.integer("channels")?,
            image_size: (fields.integer("height")?, fields.integer("width")?).into(),
            base_channels: fields.integer("base_channels")?,
            channel_mults: fields.integers("channel_mults")?,
            blocks: fields.integer("blocks")?,
            attention_at: fields.integers("attention_at")?,
            heads: fields.integer("heads")?,
            groups: fields.integer("groups")?,
            dropout: fields.number("dropout")?,
            time_embedding: TimeEmbedding::described(&fields.object("time_embedding")?)?,
            classes: fields.optional("classes")?,
            seed: fields.count("seed")?,
            channels_last: false,
            device: None,
        };
        builder.build()
    }
}

impl MlpBuilder {
    pub(super) fn describe(&self) -> Value {
        json!({
            "kind": Mlp::KIND,
            "dims": self.dims,
            "hidden": self.hidden,
            "layers": self.layers,
            "dropout": self.dropout,
            "time_embedding": self.time_embedding.describe(),
            "classes": self.classes,
            "seed": self.seed,
        })
    }
}

impl Mlp {
    pub(super) const KIND: &'static str = "Mlp";

    /// The network of a description, with new weights.
    pub(super) fn described(fields: &Fields) -> Result<Self> {
        let builder = MlpBuilder {
            dims: fields.integer("dims")?,
            hidden: fields.integer("hidden")?,
            layers: fields.integer("layers")?,
            dropout: fields.number("dropout")?,
            time_embedding: TimeEmbedding::described(&fields.object("time_embedding")?)?,
            classes: fields.optional("classes")?,
            seed: fields.count("seed")?,
            device: None,
        };
        builder.build()
    }
}

impl ArticleUNetBuilder {
    pub(super) fn describe(&self) -> Value {
        json!({
            "kind": ArticleUNet::KIND,
            "channels": self.channels,
            "image_size": self.image_size,
            "classes": self.classes,
            "seed": self.seed,
        })
    }
}

impl ArticleUNet {
    pub(super) const KIND: &'static str = "ArticleUNet";

    /// The network of a description, with new weights.
    pub(super) fn described(fields: &Fields) -> Result<Self> {
        let builder = ArticleUNetBuilder {
            channels: fields.integer("channels")?,
            image_size: fields.integer("image_size")?,
            classes: fields.optional("classes")?,
            seed: fields.count("seed")?,
            channels_last: false,
            device: None,
        };
        builder.build()
    }

    /// The network of a state dict, with new weights: its channels and classes are sides of two tensors.
    pub(super) fn from_state_dict(path: &Path, tensors: &[(String, Tensor)]) -> Result<Self> {
        let side = |name: &str, dimension: usize| {
            let tensor = tensors.iter().find(|(one, _)| one == name).map(|(_, tensor)| tensor);
            tensor.and_then(|tensor| tensor.size().get(dimension).copied())
        };
        let Some(channels) = side("inc.double_conv.0.weight", 1) else {
            let rule = "does not say what network it holds, and has no inc.double_conv.0.weight, as the article's has";
            return Err(refusal(path, rule));
        };
        let builder = UNet::article().channels(channels);
        match side("label_emb.weight", 0) {
            Some(classes) => builder.classes(classes),
            None => builder,
        }
        .build()
    }
}
