//! Where numbers stopped being numbers.

use crate::Result;
use crate::accel::{Autocast, Precision};
use crate::denoiser::Denoiser;
use crate::diffusion::{Diffusion, Noised};
use tch::{Tensor, no_grad_guard};

/// What a search found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The samples themselves, before any layer.
    Data,
    /// The weight was broken before the step.
    Weight(String),
    /// The first layer, from the input on, whose output is not finite, by its last weight.
    Output(String),
    /// The first layer, from the loss back, whose gradient is not finite.
    Gradient(String),
}

impl Found {
    pub(super) fn layer(&self) -> Option<String> {
        match self {
            Self::Data => None,
            Self::Weight(name) | Self::Output(name) | Self::Gradient(name) => Some(name.clone()),
        }
    }

    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Data => "a sample of this batch is not finite".to_string(),
            Self::Weight(name) => format!("the weight {name} is not finite"),
            Self::Output(name) => format!("the first output that is not finite is that of {name}"),
            Self::Gradient(name) => {
                format!("the first gradient that is not finite, from the loss back, is that of {name}")
            }
        }
    }
}

/// Looks at the weights, then at the samples, then at the outputs of layers, then at the gradient (in the order of the weights).
pub(super) fn diagnose(
    model: &Diffusion,
    noised: &Noised,
    gradient: &Tensor,
    precision: Precision,
) -> Result<Option<Found>> {
    let _guard = no_grad_guard();
    let network = model.network();
    let named = network.parameters().named();
    for (name, weight) in &named {
        if !finite(weight)? {
            return Ok(Some(Found::Weight(name.clone())));
        }
    }
    if !finite(&noised.xt)? {
        return Ok(Some(Found::Data));
    }
    if let Some(index) = first_broken_output(model, noised, precision)? {
        return Ok(Some(Found::Output(named[index].0.clone())));
    }
    let mut end = gradient.numel() as i64;
    for (name, weight) in named.iter().rev() {
        let count = weight.numel() as i64;
        end -= count;
        if !finite(&gradient.f_narrow(0, end, count)?)? {
            return Ok(Some(Found::Gradient(name.clone())));
        }
    }
    Ok(None)
}

/// The weight whose layer has the first output that is not finite.
///
/// With all weights from the k-th on at 0 the layers that they belong to pass on 0, unless something that is not finite came
/// to them (0 times infinity is no number). So the output is finite up to some k, and from there on it is not; weights are
/// in the order in which layers run.
fn first_broken_output(model: &Diffusion, noised: &Noised, precision: Precision) -> Result<Option<usize>> {
    let probe = model.copy()?;
    let (network, all) = (probe.network(), model.network().parameters().flat());
    let mut starts = vec![0];
    for (_, weight) in network.parameters().named() {
        starts.push(starts.last().copied().unwrap_or(0) + weight.numel() as i64);
    }
    let broken = |kept: usize| -> Result<bool> {
        let mut flat = network.parameters().flat();
        flat.f_copy_(&all)?;
        let _ = flat.f_narrow(0, starts[kept], all.numel() as i64 - starts[kept])?.f_zero_()?;
        let _autocast = Autocast::on(precision, model.device())?;
        Ok(!finite(&probe.predict(noised)?)?)
    };
    let (mut low, mut high) = (0, starts.len() - 1);
    if broken(low)? || !broken(high)? {
        return Ok(None);
    }
    while high - low > 1 {
        let middle = (low + high) / 2;
        if broken(middle)? { high = middle } else { low = middle }
    }
    Ok(Some(high - 1))
}

fn finite(tensor: &Tensor) -> Result<bool> {
    Ok(tensor.f_isfinite()?.f_all()?.f_int64_value(&[])? == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dataset, Mlp, Prediction, Schedule, Trainer, UNet};

    fn set(model: &Diffusion, name: &str, value: f64) {
        let _guard = no_grad_guard();
        let named = model.network().parameters().named();
        let _ = named.iter().find(|(one, _)| one == name).unwrap().1.shallow_clone().fill_(value);
    }

    fn found(model: &Diffusion, data: &Dataset) -> Option<Found> {
        let batch = data.batch(4, 0).unwrap();
        let noised = model.noised(&batch.images, &batch.labels, 0, 0).unwrap();
        let gradient = model.network().parameters().flat().zeros_like();
        diagnose(model, &noised, &gradient, Precision::Float32).unwrap()
    }

    /// Each weight in turn, made so large that its layer's output overflows, is found by its name.
    #[test]
    fn a_layer_whose_output_overflows_is_found() {
        let schedule = Schedule::cosine(100).unwrap();
        let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1, 2]).attention_at([4]);
        let unet = unet.blocks(1).classes(10).build().unwrap();
        let article = UNet::article().channels(1).image_size(8).build().unwrap();
        let digits = Dataset::digits().unwrap();
        for (model, one_in) in [
            (Diffusion::new(&unet, &schedule, Prediction::V).unwrap(), 1),
            (Diffusion::new(&article, &schedule, Prediction::V).unwrap(), 15),
        ] {
            let data = &digits;
            assert_eq!(found(&model, data), None);
            let names: Vec<String> = model.network().parameters().named().into_iter().map(|(name, _)| name).collect();
            // What comes to the other layers may be so small that they pass it on.
            for name in names.iter().filter(|name| name.contains("conv") && name.ends_with("weight")).step_by(one_in) {
                let copy = model.copy().unwrap();
                set(&copy, name, f64::from(f32::MAX));
                assert_eq!(found(&copy, data), Some(Found::Output(name.clone())));
            }
            let copy = model.copy().unwrap();
            set(&copy, &names[0], f64::NAN);
            assert_eq!(found(&copy, data), Some(Found::Weight(names[0].clone())));
        }
    }

    #[test]
    fn a_sample_that_is_not_finite_is_no_fault_of_a_layer() {
        let points = Tensor::from_slice(&[0.0, f64::NAN, 1.0, 2.0, 0.5, 0.5, 1.0, 1.0]).view([4, 2]);
        let dirty = Dataset::unchecked("dirty", &points, None, &[]).unwrap();
        let mlp = Mlp::builder().dims(2).hidden(8).layers(1).build().unwrap();
        let model = Diffusion::new(&mlp, &Schedule::cosine(100).unwrap(), Prediction::V).unwrap();
        assert_eq!(found(&model, &dirty), Some(Found::Data));
        let run = Trainer::new(&model).steps(2).batch_size(4).fit(&dirty).unwrap();
        let stopped = run.stopped().unwrap();
        assert_eq!(stopped.layer, None);
        let said = "loss of step 0 = NaN: training stopped before this step touched the weights; a sample of this batch is \
                    not finite: data.report()? says which, data.clean()?.apply()? leaves them out";
        assert_eq!(stopped.to_string(), said);
    }

    #[test]
    fn a_gradient_is_found_by_name() {
        let mlp = Mlp::builder().dims(2).hidden(8).layers(1).build().unwrap();
        let model = Diffusion::new(&mlp, &Schedule::cosine(100).unwrap(), Prediction::V).unwrap();
        let batch = Dataset::moons(64, 0.1).unwrap().batch(4, 0).unwrap();
        let noised = model.noised(&batch.images, &batch.labels, 0, 0).unwrap();
        let gradient = model.network().parameters().flat().zeros_like();
        let _ = gradient.narrow(0, 0, 3).fill_(f64::NAN);
        let first = model.network().parameters().named().remove(0).0;
        let found = diagnose(&model, &noised, &gradient, Precision::Float32).unwrap();
        assert_eq!(found, Some(Found::Gradient(first)));
    }
}
