//! Reading an adapter folder.

use std::collections::BTreeMap;
use std::path::Path;

use super::{
    Adapter, AdapterConfig, AdapterFiles, CONFIG, Factors, HostTensor, NOTES, PREFIX, WEIGHTS,
    config_json,
};
use crate::error::{TensorProblem, WeightsError};
use crate::mapped::MappedFile;
use crate::safetensors_file::spans;

/// Reads a PEFT folder. Half-precision tensors are widened; names, shapes and ranks are checked
/// against each other and against the settings.
pub fn read_adapter(dir: &Path) -> Result<Adapter, WeightsError> {
    let config_path = dir.join(CONFIG);
    let text =
        std::fs::read(&config_path).map_err(|e| WeightsError::io("read", &config_path, e))?;
    let config = config_json::parse(&config_path, &text)?;
    let path = dir.join(WEIGHTS);
    if !path.is_file() && dir.join("adapter_model.bin").is_file() {
        let problem = format!("only a pickled adapter_model.bin is there; save it as {WEIGHTS}");
        return Err(WeightsError::malformed(dir, problem));
    }
    assemble(config, &path, &MappedFile::open(&path)?)
}

/// The file [`NOTES`] of a PEFT folder; `None` where there is none.
///
/// # Errors
/// A file that cannot be read.
pub fn read_notes(dir: &Path) -> Result<Option<Vec<u8>>, WeightsError> {
    let path = dir.join(NOTES);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(WeightsError::io("read", &path, error)),
    }
}

/// Reads an adapter from the bytes of its two files; `origin` stands for them in messages.
///
/// # Errors
/// As [`read_adapter`].
pub fn decode_adapter(origin: &Path, files: &AdapterFiles) -> Result<Adapter, WeightsError> {
    let config = config_json::parse(&origin.join(CONFIG), &files.config)?;
    assemble(config, &origin.join(WEIGHTS), &files.weights)
}

fn assemble(config: AdapterConfig, path: &Path, weights: &[u8]) -> Result<Adapter, WeightsError> {
    let mut parts: BTreeMap<String, Parts> = BTreeMap::new();
    let mut saved = BTreeMap::new();
    for (name, tensor) in read_tensors(path, weights)? {
        let fail =
            |why: &str| WeightsError::tensor(path, &name, TensorProblem::Storage(why.to_owned()));
        let inner = name.strip_prefix(PREFIX);
        let inner = inner.ok_or_else(|| fail("its name does not begin with base_model.model."))?;
        match Part::of(inner) {
            (module, Some(part)) => {
                let slot = parts.entry(module.to_owned()).or_default().slot(part);
                if slot.replace(tensor).is_some() {
                    return Err(fail("stored under two names"));
                }
            }
            (_, None) if inner.contains(".lora_") || inner.contains(".base_layer.") => {
                return Err(fail("this kind of adapter tensor is not supported"));
            }
            (_, None) => {
                saved.insert(inner.replace(".modules_to_save.", "."), tensor);
            }
        }
    }
    let mut modules = BTreeMap::new();
    for (module, parts) in parts {
        let factors = parts.into_factors(path, &module, &config)?;
        modules.insert(module, factors);
    }
    Ok(Adapter {
        config,
        modules,
        saved,
    })
}

fn read_tensors(path: &Path, file: &[u8]) -> Result<BTreeMap<String, HostTensor>, WeightsError> {
    let mut tensors = BTreeMap::new();
    for (name, span) in spans(path, file)? {
        let encoding = span.encoding(path, &name)?;
        let mut data = vec![0.0; span.shape.iter().product()];
        encoding.decode(&file[span.offset..span.offset + span.bytes], &mut data);
        tensors.insert(
            name,
            HostTensor {
                shape: span.shape,
                data,
            },
        );
    }
    Ok(tensors)
}

#[derive(Clone, Copy)]
enum Part {
    A,
    B,
    Magnitude,
}

impl Part {
    /// Module and part of a tensor name; the magnitude has no ".weight" in what PEFT writes now,
    /// but had one.
    fn of(name: &str) -> (&str, Option<Self>) {
        for (ending, part) in [
            (".lora_A.weight", Self::A),
            (".lora_B.weight", Self::B),
            (".lora_magnitude_vector", Self::Magnitude),
            (".lora_magnitude_vector.weight", Self::Magnitude),
        ] {
            if let Some(module) = name.strip_suffix(ending) {
                return (module, Some(part));
            }
        }
        (name, None)
    }
}

#[derive(Default)]
struct Parts {
    a: Option<HostTensor>,
    b: Option<HostTensor>,
    magnitude: Option<HostTensor>,
}

impl Parts {
    fn slot(&mut self, part: Part) -> &mut Option<HostTensor> {
        match part {
            Part::A => &mut self.a,
            Part::B => &mut self.b,
            Part::Magnitude => &mut self.magnitude,
        }
    }

    fn into_factors(
        self,
        path: &Path,
        module: &str,
        config: &AdapterConfig,
    ) -> Result<Factors, WeightsError> {
        let fail = |part: &str, problem| {
            WeightsError::tensor(path, &format!("{PREFIX}{module}.{part}"), problem)
        };
        let (part_a, part_b) = ("lora_A.weight", "lora_B.weight");
        let a = self.a.ok_or_else(|| fail(part_a, TensorProblem::Missing))?;
        let b = self.b.ok_or_else(|| fail(part_b, TensorProblem::Missing))?;
        if !config.targets(module) {
            let why = "target_modules does not name this module";
            return Err(fail(part_a, TensorProblem::Storage(why.to_owned())));
        }
        let rank = config.rank_of(module);
        let inputs = a.shape.get(1).copied().unwrap_or(0);
        let outputs = b.shape.first().copied().unwrap_or(0);
        expect_shape(&a, vec![rank, inputs]).map_err(|problem| fail(part_a, problem))?;
        expect_shape(&b, vec![outputs, rank]).map_err(|problem| fail(part_b, problem))?;
        let part_m = "lora_magnitude_vector";
        match (&self.magnitude, config.use_dora) {
            (None, true) => return Err(fail(part_m, TensorProblem::Missing)),
            (Some(_), false) => return Err(fail(part_m, TensorProblem::Unexpected)),
            (Some(magnitude), true) => {
                expect_shape(magnitude, vec![outputs]).map_err(|problem| fail(part_m, problem))?;
            }
            (None, false) => {}
        }
        let magnitude = self.magnitude.map(|tensor| tensor.data);
        Ok(Factors {
            a: a.data,
            b: b.data,
            r: rank,
            inputs,
            outputs,
            magnitude,
        })
    }
}

fn expect_shape(tensor: &HostTensor, expected: Vec<usize>) -> Result<(), TensorProblem> {
    if tensor.shape == expected && !tensor.data.is_empty() {
        return Ok(());
    }
    Err(TensorProblem::Shape {
        found: tensor.shape.clone(),
        expected,
    })
}
