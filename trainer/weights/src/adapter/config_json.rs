//! `adapter_config.json`, both ways.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::config::AdapterConfig;
use super::modules::TargetModules;
use crate::error::WeightsError;

/// The version of PEFT whose form is written.
pub(super) const PEFT_VERSION: &str = "0.21.2";

/// Keys that change nothing about a trained adapter's numbers, whatever their value: how
/// training began, bookkeeping, and parameters of methods that other keys switch on.
/// `fan_in_fan_out` is among them because PEFT ignores it for linear modules.
const INERT: [&str; 12] = [
    "auto_mapping",
    "corda_config",
    "ensure_weight_tying",
    "eva_config",
    "fan_in_fan_out",
    "inference_mode",
    "loftq_config",
    "lora_ga_config",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "runtime_config",
];

const READ: [&str; 15] = [
    "alpha_pattern",
    "base_model_name_or_path",
    "bias",
    "exclude_modules",
    "init_lora_weights",
    "lora_alpha",
    "lora_dropout",
    "modules_to_save",
    "peft_type",
    "r",
    "rank_pattern",
    "revision",
    "target_modules",
    "task_type",
    "use_dora",
];

/// Keys that PEFT 0.21 writes besides those of [`AdapterConfig`], at their defaults.
fn constant_keys() -> [(&'static str, Value); 29] {
    [
        ("alora_invocation_tokens", Value::Null),
        ("arrow_config", Value::Null),
        ("auto_mapping", Value::Null),
        ("bias", json!("none")),
        ("corda_config", Value::Null),
        ("ensure_weight_tying", json!(false)),
        ("eva_config", Value::Null),
        ("fan_in_fan_out", json!(false)),
        ("inference_mode", json!(true)),
        ("kasa_config", Value::Null),
        ("layer_replication", Value::Null),
        ("layers_pattern", Value::Null),
        ("layers_to_transform", Value::Null),
        ("loftq_config", json!({})),
        ("lora_bias", json!(false)),
        ("lora_ga_config", Value::Null),
        ("megatron_config", Value::Null),
        ("megatron_core", json!("megatron.core")),
        ("monteclora_config", Value::Null),
        ("peft_type", json!("LORA")),
        ("peft_version", json!(PEFT_VERSION)),
        ("qalora_group_size", json!(16)),
        ("target_parameters", Value::Null),
        ("trainable_token_indices", Value::Null),
        ("use_bdlora", Value::Null),
        ("use_qalora", json!(false)),
        ("velora_config", Value::Null),
        ("use_rslora", json!(false)),
        ("use_dora", json!(false)),
    ]
}

/// The file's text: 2-space indent, sorted keys, no newline at the end, as Python's `json.dumps`.
pub(super) fn render(config: &AdapterConfig) -> String {
    let mut keys: BTreeMap<&str, Value> = constant_keys().into();
    let whole = |alpha: f64| match alpha.fract() {
        0.0 if alpha.abs() < 1e15 => json!(alpha as i64),
        _ => json!(alpha),
    };
    let alphas: BTreeMap<&String, Value> = config
        .alpha_pattern
        .iter()
        .map(|(key, alpha)| (key, whole(*alpha)))
        .collect();
    let modules_to_save = if config.modules_to_save.is_empty() {
        Value::Null
    } else {
        json!(config.modules_to_save)
    };
    keys.extend([
        ("alpha_pattern", json!(alphas)),
        (
            "base_model_name_or_path",
            json!(config.base_model_name_or_path),
        ),
        (
            "exclude_modules",
            config
                .exclude_modules
                .as_ref()
                .map_or(Value::Null, selection),
        ),
        ("init_lora_weights", config.init_lora_weights.clone()),
        ("lora_alpha", whole(config.lora_alpha)),
        ("lora_dropout", json!(config.lora_dropout)),
        ("modules_to_save", modules_to_save),
        ("r", json!(config.r)),
        ("rank_pattern", json!(config.rank_pattern)),
        ("revision", json!(config.revision)),
        ("target_modules", selection(&config.target_modules)),
        ("task_type", json!(config.task_type)),
        ("use_dora", json!(config.use_dora)),
        ("use_rslora", json!(config.use_rslora)),
    ]);
    // A map of JSON values always serialises.
    serde_json::to_string_pretty(&keys).unwrap_or_default()
}

/// PEFT keeps lists as sets in random order; ours are sorted.
fn selection(modules: &TargetModules) -> Value {
    match modules {
        TargetModules::List(names) => {
            let mut names = names.clone();
            names.sort();
            names.dedup();
            json!(names)
        }
        TargetModules::Pattern(pattern) => json!(pattern.source()),
        TargetModules::AllLinear => json!("all-linear"),
    }
}

/// Reads the file's text and refuses what would change the numbers in a way not supported.
pub(super) fn parse(path: &Path, text: &[u8]) -> Result<AdapterConfig, WeightsError> {
    let parsed: Value = serde_json::from_slice(text)
        .map_err(|e| WeightsError::malformed(path, format!("not JSON: {e}")))?;
    let Value::Object(map) = parsed else {
        return Err(WeightsError::malformed(path, "not a JSON object"));
    };
    let source = Source { path, map: &map };
    source.refuse_unsupported()?;
    let config = AdapterConfig {
        base_model_name_or_path: source.text("base_model_name_or_path")?,
        revision: source.text("revision")?,
        task_type: source.text("task_type")?,
        r: source
            .typed("r", "a whole number", |v| v.as_u64().map(|r| r as usize))?
            .unwrap_or(8),
        lora_alpha: source
            .typed("lora_alpha", "a number", Value::as_f64)?
            .unwrap_or(8.0),
        lora_dropout: source
            .typed("lora_dropout", "a number", Value::as_f64)?
            .unwrap_or(0.0),
        use_rslora: source.flag("use_rslora")?,
        use_dora: source.flag("use_dora")?,
        target_modules: source
            .selection("target_modules")?
            .ok_or_else(|| source.fail("target_modules", "missing"))?,
        exclude_modules: source.selection("exclude_modules")?,
        modules_to_save: source.names("modules_to_save")?.unwrap_or_default(),
        rank_pattern: source.patterns("rank_pattern", |v| v.as_u64().map(|r| r as usize))?,
        alpha_pattern: source.patterns("alpha_pattern", Value::as_f64)?,
        init_lora_weights: map
            .get("init_lora_weights")
            .cloned()
            .unwrap_or(Value::Bool(true)),
    };
    config
        .check()
        .map_err(|(key, problem)| source.fail(&key, problem))?;
    Ok(config)
}

struct Source<'a> {
    path: &'a Path,
    map: &'a Map<String, Value>,
}

impl Source<'_> {
    fn fail(&self, key: &str, problem: impl Into<String>) -> WeightsError {
        WeightsError::setting(self.path, key, problem)
    }

    fn refuse_unsupported(&self) -> Result<(), WeightsError> {
        for (key, only) in [
            ("peft_type", "LORA"),
            ("bias", "none"),
            ("task_type", "CAUSAL_LM"),
        ] {
            let required = key == "peft_type";
            match self.map.get(key).filter(|value| !value.is_null()) {
                Some(found) if found != only => {
                    return Err(self.fail(key, format!("{found}, only {only:?} is supported")));
                }
                None if required => return Err(self.fail(key, "missing")),
                _ => {}
            }
        }
        self.refuse_changed_base()?;
        for (key, value) in self.map {
            let known = READ.contains(&key.as_str()) || INERT.contains(&key.as_str());
            if !known && key != "use_rslora" && is_switched_on(value) {
                return Err(self.fail(key, format!("{value} is not supported")));
            }
        }
        Ok(())
    }

    /// Some initialisations subtract the first factors from the base weights; such an adapter
    /// does not belong to the base model as published.
    fn refuse_changed_base(&self) -> Result<(), WeightsError> {
        const KEY: &str = "init_lora_weights";
        match self.map.get(KEY) {
            None | Some(Value::Null | Value::Bool(_)) => Ok(()),
            Some(Value::String(kind))
                if matches!(kind.as_str(), "gaussian" | "eva" | "orthogonal") =>
            {
                Ok(())
            }
            Some(other) => {
                let problem = format!("{other} is not supported: it changes the base weights");
                Err(self.fail(KEY, problem))
            }
        }
    }

    fn typed<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, WeightsError> {
        let Some(value) = self.map.get(key).filter(|value| !value.is_null()) else {
            return Ok(None);
        };
        read(value)
            .map(Some)
            .ok_or_else(|| self.fail(key, format!("{value}, expected {expected}")))
    }

    fn text(&self, key: &str) -> Result<Option<String>, WeightsError> {
        self.typed(key, "text", |value| value.as_str().map(str::to_owned))
    }

    fn flag(&self, key: &str) -> Result<bool, WeightsError> {
        Ok(self
            .typed(key, "true or false", Value::as_bool)?
            .unwrap_or(false))
    }

    fn names(&self, key: &str) -> Result<Option<Vec<String>>, WeightsError> {
        self.typed(key, "a list of names", |value| {
            let names = value
                .as_array()?
                .iter()
                .map(|name| name.as_str().map(str::to_owned));
            names.collect()
        })
    }

    fn selection(&self, key: &str) -> Result<Option<TargetModules>, WeightsError> {
        let Some(Value::String(text)) = self.map.get(key) else {
            return Ok(self.names(key)?.map(TargetModules::List));
        };
        if text.is_empty() {
            return Ok(None);
        }
        let selection = TargetModules::from_text(text);
        selection
            .map(Some)
            .map_err(|e| self.fail(key, format!("no usable pattern: {e}")))
    }

    fn patterns<T>(
        &self,
        key: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<BTreeMap<String, T>, WeightsError> {
        let entry = |(name, value): (&String, &Value)| Some((name.clone(), read(value)?));
        let whole = |value: &Value| value.as_object()?.iter().map(entry).collect();
        Ok(self
            .typed(key, "an object of numbers", whole)?
            .unwrap_or_default())
    }
}

fn is_switched_on(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::String(text) => !text.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}
