//! Does an adapter belong to a base model?

use std::collections::BTreeMap;
use std::path::Path;

use super::{Adapter, PREFIX};
use crate::config::ModelConfig;
use crate::error::{TensorProblem, WeightsError};
use crate::expected::expected_tensors;

const EMBEDDING: &str = "model.embed_tokens.weight";
const HEAD: &str = "lm_head.weight";

impl Adapter {
    /// Checks every tensor against the base model: each module exists and has these inputs and
    /// outputs, each saved tensor is one of the base's in name and shape, and no linear module
    /// that the settings target is without factors. `dir` is the adapter's folder, for messages.
    pub fn check_fits(&self, dir: &Path, base: &ModelConfig) -> Result<(), WeightsError> {
        let mut shapes: BTreeMap<String, Vec<usize>> = expected_tensors(base).into_iter().collect();
        // A tied head has no tensor of its own, but it can be targeted or saved.
        shapes
            .entry(HEAD.to_owned())
            .or_insert_with(|| vec![base.vocab_size, base.hidden_size]);
        for (module, factors) in &self.modules {
            let found = vec![factors.outputs, factors.inputs];
            let weight = format!("{module}.weight");
            let expected = shapes.get(&weight).filter(|_| weight != EMBEDDING);
            compare(dir, module, found, expected)?;
        }
        for (name, tensor) in &self.saved {
            compare(dir, name, tensor.shape.clone(), shapes.get(name))?;
        }
        for (name, shape) in &shapes {
            let module = name.strip_suffix(".weight").unwrap_or(name);
            let linear = shape.len() == 2 && name != EMBEDDING;
            if linear && self.config.targets(module) && !self.modules.contains_key(module) {
                let tensor = format!("{PREFIX}{module}.lora_A.weight");
                return Err(WeightsError::tensor(dir, &tensor, TensorProblem::Missing));
            }
        }
        Ok(())
    }
}

fn compare(
    dir: &Path,
    name: &str,
    found: Vec<usize>,
    expected: Option<&Vec<usize>>,
) -> Result<(), WeightsError> {
    let fail = |problem| WeightsError::tensor(dir, &format!("{PREFIX}{name}"), problem);
    match expected {
        None => Err(fail(TensorProblem::Unexpected)),
        Some(expected) if *expected != found => Err(fail(TensorProblem::Shape {
            found,
            expected: expected.clone(),
        })),
        Some(_) => Ok(()),
    }
}
