//! Weights that training leaves as they are.
//!
//! What is frozen is told by the tensors themselves, as in PyTorch: they ask for no gradient.

use super::parameters::Parameters;
use crate::show::grouped;
use crate::{Error, Result};
use std::ops::Range;
use tch::{Tensor, no_grad_guard};

impl Parameters {
    /// Freezes the tensors whose names begin with one of `parts` ("down" means "down.0.0.conv1.weight", not "downwards"), or
    /// thaws them.
    pub(crate) fn set_frozen(&self, parts: &[&str], frozen: bool) -> Result<()> {
        self.check_parts(parts)?;
        for (name, tensor) in self.tensors() {
            if parts.iter().any(|part| is_in(name, part)) {
                // It changes the tensor itself; what it returns is one more handle.
                let _ = tensor.f_set_requires_grad(!frozen)?;
            }
        }
        Ok(())
    }

    /// That each of `parts` holds a tensor.
    pub(super) fn check_parts(&self, parts: &[&str]) -> Result<()> {
        for part in parts {
            if !self.tensors().iter().any(|(name, _)| is_in(name, part)) {
                let mut known: Vec<&str> =
                    self.tensors().iter().map(|(name, _)| name.split('.').next().unwrap_or(name)).collect();
                known.dedup();
                let rule = format!(
                    "this network has {}, and parts of them, such as {}",
                    known.join(", "),
                    self.tensors()[0].0
                );
                return Err(Error::argument("part", part, rule));
            }
        }
        Ok(())
    }

    /// The names of the tensors that are frozen.
    pub(super) fn frozen(&self) -> Vec<&str> {
        self.tensors().iter().filter(|(_, tensor)| !tensor.requires_grad()).map(|(name, _)| name.as_str()).collect()
    }

    /// How many numbers training changes: all that are not frozen.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let mlp = Mlp::builder().build()?;
    /// assert_eq!(mlp.parameters().trainable(), mlp.parameters().len()); // unless something was frozen
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn trainable(&self) -> usize {
        self.tensors().iter().filter(|(_, tensor)| tensor.requires_grad()).map(|(_, tensor)| tensor.numel()).sum()
    }

    /// How many of the numbers in this range, in their order, are frozen.
    pub(super) fn frozen_among(&self, range: Range<usize>) -> usize {
        let mut start = 0;
        let count = |(_, tensor): &(String, Tensor)| {
            let first = start;
            start += tensor.numel();
            if tensor.requires_grad() { 0 } else { start.min(range.end).saturating_sub(first.max(range.start)) }
        };
        self.tensors().iter().map(count).sum()
    }

    /// How many parameters there are, in words.
    pub(super) fn counted(&self) -> String {
        let frozen = match self.len() - self.trainable() {
            0 => String::new(),
            frozen => format!(", {} of them frozen", grouped(frozen)),
        };
        format!("{} parameters{frozen}", grouped(self.len()))
    }

    /// Which of all numbers, in one vector, are frozen; None if none is.
    pub(crate) fn frozen_mask(&self) -> Result<Option<Tensor>> {
        if self.trainable() == self.len() {
            return Ok(None);
        }
        let _guard = no_grad_guard();
        let of = |tensor: &Tensor| {
            let frozen = if tensor.requires_grad() { 0.0 } else { 1.0 };
            tensor.f_full_like(frozen)?.f_reshape([-1])
        };
        let parts = self.tensors().iter().map(|(_, tensor)| of(tensor)).collect::<Result<Vec<_>, _>>()?;
        Ok(Some(Tensor::f_cat(&parts, 0)?.f_gt(0.5)?))
    }

    /// Lets `change` move all numbers, in one vector; what is frozen comes out as it went in.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Tensor) -> Result<()>) -> Result<()> {
        let _guard = no_grad_guard();
        let mut flat = self.flat();
        let Some(frozen) = self.frozen_mask()? else { return change(&mut flat) };
        let mut before = flat.f_empty_like()?;
        before.f_copy_(&flat)?;
        change(&mut flat)?;
        let kept = before.f_where_self(&frozen, &flat)?;
        Ok(flat.f_copy_(&kept)?)
    }
}

/// Whether a tensor's name is that of a part, or begins with it.
fn is_in(name: &str, part: &str) -> bool {
    name.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use crate::net::{Mlp, Network};
    use tch::{Device, Kind, Tensor};

    fn mlp() -> Mlp {
        Mlp::builder().hidden(4).layers(1).classes(2).device(Device::Cpu).build().unwrap()
    }

    #[test]
    fn what_is_frozen_has_no_gradient_and_stays() {
        let mlp = mlp();
        mlp.freeze(&["blocks", "first.bias"]).unwrap();
        // blocks.0: first (4 + 1) 4, modulation (4 + 1) 8, last (4 + 1) 4; and 4 of the bias.
        assert_eq!(mlp.parameter_count() - mlp.parameters().trainable(), 20 + 40 + 20 + 4);
        let loss = mlp.parameters().named().iter().map(|(_, w)| (w * 2.0).sum(Kind::Float)).sum::<Tensor>();
        let gradient = mlp.parameters().gradient(&loss).unwrap();
        let frozen = mlp.parameters().frozen_mask().unwrap().unwrap();
        assert_eq!(gradient, frozen.logical_not().to_kind(Kind::Float) * 2.0);

        let before = mlp.parameters().flat().copy();
        mlp.parameters()
            .update(|flat| {
                let _ = flat.f_mul_scalar_(2.0)?;
                Ok(())
            })
            .unwrap();
        assert_eq!(mlp.parameters().flat(), before * (gradient / 2.0 + 1.0));
        assert_eq!(mlp.copy().unwrap().parameters().frozen_mask().unwrap(), Some(frozen));
        mlp.unfreeze(&["blocks", "first"]).unwrap();
        assert!(mlp.parameters().frozen_mask().unwrap().is_none());
        mlp.freeze(&["time", "classes", "first", "blocks", "last"]).unwrap();
        assert_eq!(mlp.parameters().gradient(&loss).unwrap().abs().max().double_value(&[]), 0.0);
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let said = mlp().freeze(&["first", "las"]).unwrap_err().to_string();
        let rule = "this network has time, classes, first, blocks, last, and parts of them, such as time.0.weight";
        assert_eq!(said, format!("part = las: {rule}"));
    }
}
