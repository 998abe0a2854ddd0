//! Between a job's adapter section, a PEFT folder, and the flat buffer.

use schliff_spec::job::{self, AdapterMethod, Targets};
use schliff_weights::adapter::{AdapterConfig, ModulePattern, TargetModules, matches_saved};
use schliff_weights::{Adapter, BaseWeights, Factors, HostTensor, ModelConfig, WeightsError};
use thiserror::Error;

use super::initial;
use super::layout::{Kind, Layout, Parameter, RankError, Wanted};
use crate::model::load::{linear_layers, norm_tensors};
use crate::model::network::{EMBEDDING, HEAD};

/// Why an adapter cannot be had on this model.
#[derive(Debug, Error)]
pub enum AdapterError {
    /// The targets select nothing.
    #[error("adapter.targets {targets} matches no linear layer of the model; it has {available}")]
    NoTarget {
        /// As written.
        targets: String,
        /// Short names that exist.
        available: String,
    },
    /// A pattern is no regular expression.
    #[error("adapter.targets {pattern:?} is not a regular expression")]
    Pattern {
        /// As written.
        pattern: String,
        /// What the parser says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A setting that makes no sense.
    #[error("adapter.{key}: {problem}")]
    Setting {
        /// The key.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// A rank above a layer's smaller side.
    #[error(transparent)]
    Rank(#[from] RankError),
    /// A module to train in full that is not there, or not trainable in full.
    #[error(
        "adapter.modules_to_save {name:?} names no embedding, output head or norm of the model"
    )]
    NotSavable {
        /// As written.
        name: String,
    },
    /// The factors in a folder are not those of the job or the model.
    #[error("the adapter's tensors do not fit: {module}: {problem}")]
    Misfit {
        /// Module or tensor.
        module: String,
        /// What is wrong.
        problem: String,
    },
    /// The base's own values cannot be read.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

/// The PEFT settings of a job's adapter section.
///
/// # Errors
/// A pattern that is no regular expression, or another setting without sense.
pub fn config_of(adapter: &job::Adapter) -> Result<AdapterConfig, AdapterError> {
    let target_modules = match &adapter.targets {
        Targets::AllLinear => TargetModules::AllLinear,
        Targets::Names(names) => TargetModules::List(names.clone()),
        Targets::Regex(pattern) => {
            TargetModules::Pattern(ModulePattern::new(pattern).map_err(|source| {
                AdapterError::Pattern {
                    pattern: pattern.clone(),
                    source: source.into(),
                }
            })?)
        }
    };
    let config = AdapterConfig {
        r: adapter.rank,
        lora_alpha: adapter.alpha,
        lora_dropout: adapter.dropout,
        use_rslora: adapter.method == AdapterMethod::Rslora,
        use_dora: adapter.method == AdapterMethod::Dora,
        target_modules,
        modules_to_save: adapter.modules_to_save.clone(),
        rank_pattern: adapter.rank_pattern.clone(),
        alpha_pattern: adapter.alpha_pattern.clone(),
        ..AdapterConfig::default()
    };
    config
        .check()
        .map_err(|(key, problem)| AdapterError::Setting { key, problem })?;
    Ok(config)
}

/// The parameters that these settings train on this model.
///
/// # Errors
/// Targets that match nothing, ranks above a layer's size, modules that are not there.
pub fn layout_of(config: &AdapterConfig, model: &ModelConfig) -> Result<Layout, AdapterError> {
    let layers = linear_layers(model);
    let wanted: Vec<Wanted> = layers
        .iter()
        .filter(|layer| config.targets(&layer.name))
        .map(|layer| Wanted {
            name: layer.name.clone(),
            shape: (layer.inputs, layer.outputs),
            rank: config.rank_of(&layer.name),
            scale: config.scaling(&layer.name),
            dora: config.use_dora,
        })
        .collect();
    if wanted.is_empty() {
        let mut available: Vec<&str> = layers
            .iter()
            .filter_map(|layer| layer.name.rsplit('.').next())
            .collect();
        available.sort_unstable();
        available.dedup();
        return Err(AdapterError::NoTarget {
            targets: config.target_modules.to_string(),
            available: available.join(", "),
        });
    }
    Ok(Layout::new(wanted, saved_tensors(config, model)?)?)
}

/// A tensor's name, rows and columns.
type NamedShape = (String, (usize, usize));

/// Tensors of the modules trained in full, with their shapes.
fn saved_tensors(
    config: &AdapterConfig,
    model: &ModelConfig,
) -> Result<Vec<NamedShape>, AdapterError> {
    let table = (model.vocab_size, model.hidden_size);
    let mut savable = vec![(EMBEDDING.to_owned(), table), (HEAD.to_owned(), table)];
    savable.extend(norm_tensors(model).into_iter().map(|name| {
        let per_head = name.ends_with("q_norm.weight") || name.ends_with("k_norm.weight");
        (
            name,
            (
                1,
                if per_head {
                    model.head_dim
                } else {
                    model.hidden_size
                },
            ),
        )
    }));
    let module = |tensor: &str| tensor.trim_end_matches(".weight").to_owned();
    for name in &config.modules_to_save {
        let one = std::slice::from_ref(name);
        let linear = linear_layers(model)
            .iter()
            .any(|layer| matches_saved(one, &layer.name));
        if linear
            || !savable
                .iter()
                .any(|(tensor, _)| matches_saved(one, &module(tensor)))
        {
            return Err(AdapterError::NotSavable { name: name.clone() });
        }
    }
    savable.retain(|(tensor, _)| matches_saved(&config.modules_to_save, &module(tensor)));
    Ok(savable)
}

/// Masters before the first step: seeded factors, the base's own magnitudes and tensors.
///
/// # Errors
/// The base's tensors cannot be read.
pub fn seeded_masters(
    layout: &Layout,
    base: &BaseWeights,
    seed: u64,
) -> Result<Vec<f32>, AdapterError> {
    let mut masters = initial::seeded(layout, seed);
    for parameter in &layout.parameters {
        let values = match parameter.kind {
            Kind::A | Kind::B => continue,
            Kind::Magnitude => {
                let weight = base.read_f32(&format!("{}.weight", parameter.name))?;
                let width = weight.len() / parameter.shape.1;
                let squares = crate::kernel::rms_norm::row_squares(&weight, width);
                squares.into_iter().map(f32::sqrt).collect()
            }
            Kind::Saved if parameter.name == HEAD && base.config().tie_embeddings => {
                base.read_f32(EMBEDDING)?
            }
            Kind::Saved => base.read_f32(&parameter.name)?,
        };
        masters[parameter.range()].copy_from_slice(&values);
    }
    Ok(masters)
}

/// Masters out of a PEFT folder's tensors.
///
/// # Errors
/// A tensor that is missing, of another shape, or not part of the layout.
pub fn masters_of(layout: &Layout, adapter: &Adapter) -> Result<Vec<f32>, AdapterError> {
    let misfit = |module: &str, problem: String| AdapterError::Misfit {
        module: module.to_owned(),
        problem,
    };
    let saved = layout
        .parameters
        .iter()
        .filter(|p| p.kind == Kind::Saved)
        .count();
    let surplus = adapter
        .modules
        .keys()
        .find(|name| layout.module(name).is_none());
    if let Some(name) = surplus {
        return Err(misfit(name, "not adapted under these settings".to_owned()));
    }
    if saved < adapter.saved.len() {
        let name = adapter
            .saved
            .keys()
            .find(|name| layout.saved(name).is_none());
        let name = name.map_or("a saved tensor", String::as_str);
        return Err(misfit(
            name,
            "not trained in full under these settings".to_owned(),
        ));
    }
    let mut masters = vec![0.0; layout.len];
    for parameter in &layout.parameters {
        let values = stored(parameter, adapter)
            .ok_or_else(|| misfit(&parameter.name, "missing".to_owned()))?;
        let slot = &mut masters[parameter.range()];
        if values.len() != slot.len() {
            let (rows, cols) = parameter.shape;
            let problem = format!(
                "{} values where [{rows}, {cols}] are expected",
                values.len()
            );
            return Err(misfit(&parameter.name, problem));
        }
        slot.copy_from_slice(values);
    }
    Ok(masters)
}

/// A parameter's values in a PEFT folder.
fn stored<'a>(parameter: &Parameter, adapter: &'a Adapter) -> Option<&'a [f32]> {
    if parameter.kind == Kind::Saved {
        return adapter
            .saved
            .get(&parameter.name)
            .map(|tensor| tensor.data.as_slice());
    }
    let factors = adapter.modules.get(&parameter.name)?;
    match parameter.kind {
        Kind::A => Some(&factors.a),
        Kind::B => Some(&factors.b),
        _ => factors.magnitude.as_deref(),
    }
}

/// The adapter as a PEFT folder holds it.
pub fn export(layout: &Layout, masters: &[f32], config: &AdapterConfig) -> Adapter {
    let values = |index: usize| masters[layout.parameters[index].range()].to_vec();
    let modules = layout.modules.iter().map(|module| {
        let (a, b) = (
            &layout.parameters[module.a],
            &layout.parameters[module.a + 1],
        );
        let factors = Factors {
            a: values(module.a),
            b: values(module.a + 1),
            r: module.rank,
            inputs: a.shape.1,
            outputs: b.shape.0,
            magnitude: module.dora.then(|| values(module.a + 2)),
        };
        (module.name.clone(), factors)
    });
    let saved = layout
        .parameters
        .iter()
        .filter(|p| p.kind == Kind::Saved)
        .map(|parameter| {
            let (rows, cols) = parameter.shape;
            let shape = if rows == 1 {
                vec![cols]
            } else {
                vec![rows, cols]
            };
            let data = masters[parameter.range()].to_vec();
            (parameter.name.clone(), HostTensor { shape, data })
        });
    Adapter {
        config: config.clone(),
        modules: modules.collect(),
        saved: saved.collect(),
    }
}
