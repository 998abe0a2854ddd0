//! Which modules a setting means, by PEFT's rules.

use std::fmt;

use regex::Regex;

/// A regular expression over whole module names.
#[derive(Clone, Debug)]
pub struct ModulePattern {
    source: String,
    regex: Regex,
}

impl ModulePattern {
    /// Compiles a pattern that must match the full name, as Python's `re.fullmatch` does.
    /// Look-around and back-references do not exist here; the error says so.
    pub fn new(source: &str) -> Result<Self, regex::Error> {
        let regex = Regex::new(&format!(r"\A(?:{source})\z"))?;
        Ok(Self {
            source: source.to_owned(),
            regex,
        })
    }

    /// The pattern as given.
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl PartialEq for ModulePattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

/// A selection of modules.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetModules {
    /// Names: each means the module itself and all whose name ends in ".name".
    List(Vec<String>),
    /// All whose full name matches.
    Pattern(ModulePattern),
    /// Every linear module but the output head.
    AllLinear,
}

impl TargetModules {
    /// What PEFT makes of text: "all-linear" in any case, otherwise a pattern.
    pub fn from_text(text: &str) -> Result<Self, regex::Error> {
        if text.eq_ignore_ascii_case("all-linear") {
            return Ok(Self::AllLinear);
        }
        ModulePattern::new(text).map(Self::Pattern)
    }
}

impl fmt::Display for TargetModules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(names) => write!(f, "{names:?}"),
            Self::Pattern(pattern) => write!(f, "{:?}", pattern.source),
            Self::AllLinear => write!(f, "all-linear"),
        }
    }
}

/// Does the selection take this module? `module` is a full name without the file's prefix, such
/// as "model.layers.0.self_attn.q_proj".
pub fn matches_target(targets: &TargetModules, module: &str) -> bool {
    match targets {
        TargetModules::List(names) => names.iter().any(|name| is_or_ends_in(module, name)),
        TargetModules::Pattern(pattern) => pattern.regex.is_match(module),
        // In all families that are read, "_proj" ends the names of exactly the linear modules
        // inside the layers.
        TargetModules::AllLinear => module.ends_with("_proj"),
    }
}

/// Does a `modules_to_save` list take this module? PEFT compares bare endings here: "norm" means
/// "input_layernorm" too.
pub fn matches_saved(modules_to_save: &[String], module: &str) -> bool {
    modules_to_save
        .iter()
        .any(|name| module.ends_with(name.as_str()))
}

fn is_or_ends_in(module: &str, name: &str) -> bool {
    module == name
        || module
            .strip_suffix(name)
            .is_some_and(|front| front.ends_with('.'))
}

/// PEFT's `get_pattern_key` for one key: it matches the whole name or all after some dot.
pub(super) fn ending_pattern(key: &str) -> Result<Regex, regex::Error> {
    Regex::new(&format!(r"\A(?:.*\.)?(?:{key})\z"))
}

/// Modules below a `modules_to_save` entry never get factors.
pub(super) fn inside_pattern(key: &str) -> Result<Regex, regex::Error> {
    Regex::new(&format!(r"\A(?:|.*\.){key}(?:\z|\.)"))
}
