//! PEFT adapter folders: `adapter_config.json`, `adapter_model.safetensors`, `README.md`, and where
//! there is something that PEFT has no word for, `schliff.json`.
//!
//! Rules: what is read means what PEFT 0.21 means by it, and what PEFT would compute in a way
//! that this program does not is an error, never ignored; what is written PEFT loads. Absent on
//! purpose: every other PEFT method, adapters on embeddings, pickled weights.

mod config;
mod config_json;
mod fit;
mod modules;
mod read;
mod write;

use std::collections::BTreeMap;

pub use config::AdapterConfig;
pub use modules::{ModulePattern, TargetModules, matches_saved, matches_target};
pub use read::{decode_adapter, read_adapter, read_notes};
pub use write::{
    AdapterFiles, check_adapter_destination, encode_adapter, write_adapter, write_noted_adapter,
};

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
const CARD: &str = "README.md";
/// What the program that trained an adapter has to say beyond PEFT.
pub const NOTES: &str = "schliff.json";
/// In front of every module path in an adapter file.
const PREFIX: &str = "base_model.model.";

/// A dense tensor in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    /// Dimensions, slowest first.
    pub shape: Vec<usize>,
    /// Numbers, last dimension fastest.
    pub data: Vec<f32>,
}

/// The trained factors of one linear module: its weight becomes `W + scaling * B A`.
#[derive(Clone, Debug, PartialEq)]
pub struct Factors {
    /// A, `[r, in]` row by row.
    pub a: Vec<f32>,
    /// B, `[out, r]` row by row.
    pub b: Vec<f32>,
    /// Rank.
    pub r: usize,
    /// Inputs of the module.
    pub inputs: usize,
    /// Outputs of the module.
    pub outputs: usize,
    /// DoRA's magnitude, `[out]`.
    pub magnitude: Option<Vec<f32>>,
}

/// An adapter as it lies in its folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapter {
    /// Settings.
    pub config: AdapterConfig,
    /// Factors by module ("model.layers.0.self_attn.q_proj").
    pub modules: BTreeMap<String, Factors>,
    /// Whole tensors that replace the base's, by HF tensor name ("lm_head.weight").
    pub saved: BTreeMap<String, HostTensor>,
}

impl Adapter {
    /// Numbers in the adapter.
    pub fn parameter_count(&self) -> u64 {
        let factors = self.modules.values().map(|factors| {
            factors.a.len() + factors.b.len() + factors.magnitude.as_ref().map_or(0, Vec::len)
        });
        let saved = self.saved.values().map(|tensor| tensor.data.len());
        factors.chain(saved).map(|numbers| numbers as u64).sum()
    }
}
