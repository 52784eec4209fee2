//! What a reader gets wrong gives one clear line in the cell, and costs nothing.

use crate::client::Client;

/// Each cell, and all that its error says.
const MISTAKES: [(&str, &str); 6] = [
    ("Schedule::linear(1)?", "levels = 1: a schedule needs at least 2 levels"),
    (
        "UNet::builder().base_channels(20).build()?",
        "base_channels = 20: must be a multiple of the 8 groups of its normalisation",
    ),
    ("Trainer::new(&model).steps(0).fit(&digits)?", "steps = 0: take at least 1 step"),
    ("Trainer::new(&model).batch_size(2_000).fit(&digits)?", "batch_size = 2000: digits holds 1797 images"),
    ("Sampler::ddim(50).labels([10]).sample(&model)?", "label = 10: this model knows the classes 0 to 9"),
    ("Sampler::ddim(0).sample(&model)?", "steps = 0: this schedule has 1000 levels: take 1 to 1000 steps"),
];

pub fn check(client: &Client) {
    client
        .execute(
            "use noisebook::prelude::*;\nlet digits = Dataset::digits()?;\n\
             let unet = UNet::builder().channels(1).image_size(8).base_channels(8).classes(10).build()?;\n\
             let model = Diffusion::new(&unet, &Schedule::cosine(1_000)?, Prediction::V)?;",
        )
        .ok();
    for (code, said) in MISTAKES {
        let run = client.execute(code);
        let (name, value, _) = run.error();
        assert_eq!((name.as_str(), value.as_str()), ("Error", said));
        assert_eq!(run.kinds(), ["execute_input", "error"]);
        assert_eq!(client.execute("digits.len() + model.schedule().levels()").ok().result(), Some("2797"));
    }
}
