//! An adapter's settings and what they mean for one module.

use std::collections::BTreeMap;

use super::modules::{TargetModules, ending_pattern, inside_pattern, matches_target};

/// The settings of a LoRA adapter that change its numbers. All others of PEFT's are refused when
/// set and written at their defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterConfig {
    /// Where the base model came from.
    pub base_model_name_or_path: Option<String>,
    /// Revision of the base model.
    pub revision: Option<String>,
    /// "CAUSAL_LM", or nothing.
    pub task_type: Option<String>,
    /// Rank.
    pub r: usize,
    /// Numerator of the scaling.
    pub lora_alpha: f64,
    /// Share of the branch's inputs that is dropped in training.
    pub lora_dropout: f64,
    /// Scaling by `alpha / sqrt(r)` instead of `alpha / r`.
    pub use_rslora: bool,
    /// Weight-decomposed: every module has a magnitude too.
    pub use_dora: bool,
    /// Modules that get factors.
    pub target_modules: TargetModules,
    /// Modules that do not, even if targeted.
    pub exclude_modules: Option<TargetModules>,
    /// Modules that are trained whole; they never get factors.
    pub modules_to_save: Vec<String>,
    /// Other ranks, by a pattern over the end of the module's name. The first match counts, in
    /// alphabetical order of the patterns, which is how the file stores them.
    pub rank_pattern: BTreeMap<String, usize>,
    /// Other alphas, likewise.
    pub alpha_pattern: BTreeMap<String, f64>,
    /// How the factors were first filled: `true`, `false` or "gaussian". Kept for the record.
    pub init_lora_weights: serde_json::Value,
}

impl Default for AdapterConfig {
    /// PEFT's defaults for a causal language model, on all linear modules.
    fn default() -> Self {
        Self {
            base_model_name_or_path: None,
            revision: None,
            task_type: Some("CAUSAL_LM".to_owned()),
            r: 8,
            lora_alpha: 8.0,
            lora_dropout: 0.0,
            use_rslora: false,
            use_dora: false,
            target_modules: TargetModules::AllLinear,
            exclude_modules: None,
            modules_to_save: Vec::new(),
            rank_pattern: BTreeMap::new(),
            alpha_pattern: BTreeMap::new(),
            init_lora_weights: serde_json::Value::Bool(true),
        }
    }
}

impl AdapterConfig {
    /// Does this module get factors? Targeted, not excluded, not inside a module that is saved
    /// whole.
    pub fn targets(&self, module: &str) -> bool {
        let excluded = self
            .exclude_modules
            .as_ref()
            .is_some_and(|not| matches_target(not, module));
        let saved = self
            .modules_to_save
            .iter()
            .any(|name| inside_pattern(name).is_ok_and(|pattern| pattern.is_match(module)));
        !excluded && !saved && matches_target(&self.target_modules, module)
    }

    /// The module's rank.
    pub fn rank_of(&self, module: &str) -> usize {
        first_match(&self.rank_pattern, module).unwrap_or(self.r)
    }

    /// The module's alpha.
    pub fn alpha_of(&self, module: &str) -> f64 {
        first_match(&self.alpha_pattern, module).unwrap_or(self.lora_alpha)
    }

    /// What `B A x` is multiplied by in this module.
    pub fn scaling(&self, module: &str) -> f64 {
        let rank = self.rank_of(module) as f64;
        self.alpha_of(module) / if self.use_rslora { rank.sqrt() } else { rank }
    }

    /// The key and the reason of the first setting that makes no sense, such as rank 0 or a
    /// pattern that is no regular expression.
    pub fn check(&self) -> Result<(), (String, String)> {
        let ranks = self
            .rank_pattern
            .iter()
            .map(|(key, rank)| (format!("rank_pattern.{key}"), rank));
        for (key, rank) in ranks.chain([("r".to_owned(), &self.r)]) {
            if *rank == 0 {
                return Err((key, "0, expected at least 1".to_owned()));
            }
        }
        let alphas = self
            .alpha_pattern
            .iter()
            .map(|(key, alpha)| (format!("alpha_pattern.{key}"), alpha));
        for (key, alpha) in alphas.chain([("lora_alpha".to_owned(), &self.lora_alpha)]) {
            if !alpha.is_finite() {
                return Err((key, format!("{alpha}, expected a finite number")));
            }
        }
        if !(0.0..=1.0).contains(&self.lora_dropout) {
            return Err((
                "lora_dropout".to_owned(),
                format!("{}, expected 0 to 1", self.lora_dropout),
            ));
        }
        let patterns = self.rank_pattern.keys().map(|key| ("rank_pattern", key));
        let patterns = patterns.chain(self.alpha_pattern.keys().map(|key| ("alpha_pattern", key)));
        for (key, pattern) in patterns {
            ending_pattern(pattern).map_err(|e| (format!("{key}.{pattern}"), e.to_string()))?;
        }
        for name in &self.modules_to_save {
            inside_pattern(name).map_err(|e| ("modules_to_save".to_owned(), e.to_string()))?;
        }
        Ok(())
    }
}

fn first_match<T: Copy>(patterns: &BTreeMap<String, T>, module: &str) -> Option<T> {
    let matches = |key: &str| ending_pattern(key).is_ok_and(|pattern| pattern.is_match(module));
    patterns
        .iter()
        .find(|(key, _)| matches(key))
        .map(|(_, value)| *value)
}
