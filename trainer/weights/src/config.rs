//! The shape of a decoder-only transformer, whatever file it came from.
//!
//! One struct covers the Llama, Mistral, Qwen2, Qwen3 and Gemma families: they differ in a
//! handful of switches, and the trainer's block reads those switches, never the family's name.

mod hf;
mod keys;
mod layers;
mod rope;

/// Families that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Llama 1 to 3 and its many descendants, SmolLM2 among them.
    Llama,
    /// Mistral.
    Mistral,
    /// Qwen2 and Qwen2.5.
    Qwen2,
    /// Qwen3 (dense).
    Qwen3,
    /// Gemma 2.
    Gemma2,
    /// Gemma 3 (text).
    Gemma3,
}

/// Activation of the gated feed-forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x * sigmoid(x)`.
    Silu,
    /// GELU in its tanh approximation.
    GeluTanh,
}

/// How rotary frequencies are stretched beyond the trained context.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// Positions divided by a factor.
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// Llama 3's by-wavelength interpolation.
    Llama3 {
        /// The divisor of long wavelengths.
        factor: f64,
        /// Wavelengths above `original / low` are divided.
        low_freq_factor: f64,
        /// Wavelengths below `original / high` are kept.
        high_freq_factor: f64,
        /// Context the frequencies were trained for.
        original_max_positions: usize,
    },
}

/// Rotary position embedding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rope {
    /// Base of the frequencies.
    pub theta: f64,
    /// Stretching.
    pub scaling: RopeScaling,
}

/// What one layer's attention sees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerAttention {
    /// Only so many latest positions, the present one included; all when `None`.
    pub sliding_window: Option<usize>,
    /// Positions of this layer (Gemma 3 has a second base for its local layers).
    pub rope: Rope,
}

/// Everything the forward pass must know besides the weights.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Family, for messages and for writing a config back.
    pub family: Family,
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the gated feed-forward.
    pub intermediate_size: usize,
    /// Query heads.
    pub num_heads: usize,
    /// Key and value heads, a divisor of `num_heads`.
    pub num_kv_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// One entry a layer.
    pub layers: Vec<LayerAttention>,
    /// Epsilon of every RMS norm.
    pub rms_norm_eps: f64,
    /// Longest context.
    pub max_positions: usize,
    /// The output head shares the embedding's weights.
    pub tie_embeddings: bool,
    /// q, k and v carry biases.
    pub qkv_bias: bool,
    /// The attention's output projection carries a bias.
    pub o_bias: bool,
    /// The feed-forward's projections carry biases.
    pub mlp_bias: bool,
    /// Per-head norms on q and k (`q_norm`, `k_norm`).
    pub qk_norm: bool,
    /// Activation of the gate.
    pub activation: Activation,
    /// Norms scale by `1 + w` (Gemma). GGUF readers subtract the one stored there.
    pub norm_plus_one: bool,
    /// Embeddings are multiplied by this (Gemma: sqrt(hidden_size), rounded to the dtype).
    pub embedding_scale: f32,
    /// Norms after attention and feed-forward, before the residual sum (Gemma).
    pub sandwich_norms: bool,
    /// Scores are `q.k * attention_scale`.
    pub attention_scale: f32,
    /// Scores become `c * tanh(scores / c)` (Gemma 2).
    pub attention_softcap: Option<f32>,
    /// Logits become `c * tanh(logits / c)` (Gemma 2).
    pub logit_softcap: Option<f32>,
    /// Beginning-of-sequence token, where the model has one.
    pub bos_token_id: Option<u32>,
    /// Tokens that end a text.
    pub eos_token_ids: Vec<u32>,
}
