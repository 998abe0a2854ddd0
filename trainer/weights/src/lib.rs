//! Model files in and out, without a tensor library: GGUF, safetensors, HF configs, PEFT folders.
//!
//! Rules: every tensor has its HF name and HF layout here, whatever the file calls it and however
//! it stores it; a file is checked whole when it is opened, so nothing fails later in training.
//! Absent on purpose: devices, autodiff, burn.

pub mod adapter;
pub mod base;
pub mod config;
pub mod encoding;
pub mod error;
mod expected;
mod folder;
pub mod gguf;
mod mapped;
pub mod merged;
pub mod packed;
mod safetensors_file;

pub use adapter::{
    Adapter, AdapterConfig, AdapterFiles, Factors, HostTensor, TargetModules, decode_adapter,
    encode_adapter, matches_target, read_adapter, write_adapter,
};
pub use base::{BaseFormat, BaseWeights};
pub use config::ModelConfig;
pub use error::{TensorProblem, WeightsError};
pub use expected::expected_tensors;
pub use gguf::GgufVocabulary;
pub use merged::{FloatType, HfModel, write_hf_model};
pub use packed::PackedRows;
