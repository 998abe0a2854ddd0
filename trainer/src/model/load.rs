//! From model files to the network in memory.

use std::sync::{Arc, OnceLock};

use rayon::prelude::*;
use schliff_weights::WeightsError;
use schliff_weights::base::BaseWeights;
use schliff_weights::config::{LayerAttention, ModelConfig, Rope as RopeConfig};

use super::block::{Block, HeadNorms, Norm};
use super::holding::{Holding, Role};
use super::network::{EMBEDDING, HEAD, Network};
use super::projection::{Part, Projection};
use crate::frozen::Frozen;
use crate::kernel::attention::AttentionShape;
use crate::kernel::rope::RopeTable;
use crate::kernel::rounding::Rounding;
use crate::ops::rope::Rope;
use crate::process::memory::total_memory_bytes;
use crate::tensor::Matrix;
use crate::tensor::device::Device;

/// Tensor name of the norm before the head.
const FINAL_NORM: &str = "model.norm.weight";

/// One linear layer of a model: where it is and how large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinearLayer {
    /// Full module name.
    pub name: String,
    /// Width of its input.
    pub inputs: usize,
    /// Width of its output.
    pub outputs: usize,
}

/// Every linear layer but the output head, in the model's order.
pub fn linear_layers(config: &ModelConfig) -> Vec<LinearLayer> {
    (0..config.layers.len())
        .flat_map(|layer| {
            groups(config)
                .into_iter()
                .flatten()
                .map(move |(module, inputs, outputs)| LinearLayer {
                    name: format!("model.layers.{layer}.{module}"),
                    inputs,
                    outputs,
                })
        })
        .collect()
}

/// Names of all norm tensors.
pub fn norm_tensors(config: &ModelConfig) -> Vec<String> {
    let mut names = vec![FINAL_NORM.to_owned()];
    for layer in 0..config.layers.len() {
        let mut block = vec!["input_layernorm", "post_attention_layernorm"];
        if config.sandwich_norms {
            block.extend(["pre_feedforward_layernorm", "post_feedforward_layernorm"]);
        }
        if config.qk_norm {
            block.extend(["self_attn.q_norm", "self_attn.k_norm"]);
        }
        names.extend(
            block
                .iter()
                .map(|norm| format!("model.layers.{layer}.{norm}.weight")),
        );
    }
    names
}

/// Linear layers of one block as (module, in, out), grouped by the input they share.
fn groups(config: &ModelConfig) -> [Vec<(&'static str, usize, usize)>; 4] {
    let (hidden, ffn) = (config.hidden_size, config.intermediate_size);
    let q = config.num_heads * config.head_dim;
    let kv = config.num_kv_heads * config.head_dim;
    [
        vec![
            ("self_attn.q_proj", hidden, q),
            ("self_attn.k_proj", hidden, kv),
            ("self_attn.v_proj", hidden, kv),
        ],
        vec![("self_attn.o_proj", q, hidden)],
        vec![("mlp.gate_proj", hidden, ffn), ("mlp.up_proj", hidden, ffn)],
        vec![("mlp.down_proj", ffn, hidden)],
    ]
}

/// Reads a base model onto `device` in 32 bits, with rotary tables for positions `0..positions`.
///
/// # Errors
/// A tensor that cannot be read.
#[cfg(test)]
pub(crate) fn network(
    base: &BaseWeights,
    positions: usize,
    device: &Device,
) -> Result<Network, WeightsError> {
    held_network(base, positions, Holding::default(), (device, 1))
}

/// [`network`] in the form that `holding` says, where so many ranks on this machine share its
/// memory.
///
/// # Errors
/// A tensor that cannot be read.
pub(crate) fn held_network(
    base: &BaseWeights,
    positions: usize,
    holding: Holding,
    (device, ranks_here): (&Device, usize),
) -> Result<Network, WeightsError> {
    let config = base.config();
    let copy_bytes = base.parameter_count() * size_of::<f32>() as u64 * ranks_here.max(1) as u64;
    let copies = device.is_host() && copy_bytes <= total_memory_bytes() / COPY_SHARE;
    let reader = Reader {
        base,
        config,
        holding,
        copies,
        device,
    };
    let ropes = rope_tables(config, positions, device);
    let layers: Vec<_> = config.layers.iter().zip(ropes).enumerate().collect();
    let blocks: Result<Vec<Block>, WeightsError> = layers
        .into_par_iter()
        .map(|(layer, (attention, rope))| reader.block(layer, attention, rope))
        .collect();
    let (embedding, head) = match config.tie_embeddings {
        true => {
            let tied = reader.matrix(EMBEDDING, reader.copies)?;
            (tied.clone(), tied)
        }
        // Rows are gathered from an embedding; no product reads it.
        false => (
            reader.matrix(EMBEDDING, false)?,
            reader.matrix(HEAD, reader.copies)?,
        ),
    };
    Ok(Network {
        head,
        embedding,
        embedding_scale: config.embedding_scale,
        blocks: blocks?,
        norm: reader.norm(FINAL_NORM.to_owned())?,
        logit_softcap: config.logit_softcap,
        is_tied: config.tie_embeddings,
        // A device without halves has the values of this form, and 32-bit products with them.
        rounding: match device.has(holding.rounding()) {
            true => holding.rounding(),
            false => Rounding::None,
        },
    })
}

/// A second copy of the weights, for speed, may take this share of the machine's memory.
const COPY_SHARE: u64 = 8;

/// Each layer's rotary table; layers that rotate alike share one.
fn rope_tables(config: &ModelConfig, positions: usize, device: &Device) -> Vec<Arc<Rope>> {
    let mut made: Vec<(RopeConfig, Arc<Rope>)> = Vec::new();
    let tables = config.layers.iter().map(|layer| {
        if let Some((_, table)) = made.iter().find(|(rope, _)| *rope == layer.rope) {
            return Arc::clone(table);
        }
        let table = RopeTable::new(&layer.rope, config.head_dim, positions);
        let table = Arc::new(Rope::new(table, device));
        made.push((layer.rope, Arc::clone(&table)));
        table
    });
    tables.collect()
}

struct Reader<'a> {
    base: &'a BaseWeights,
    config: &'a ModelConfig,
    holding: Holding,
    /// Plain weights get a transposed copy.
    copies: bool,
    device: &'a Device,
}

impl Reader<'_> {
    fn block(
        &self,
        layer: usize,
        attention: &LayerAttention,
        rope: Arc<Rope>,
    ) -> Result<Block, WeightsError> {
        let config = self.config;
        let norm = |name: &str| self.norm(format!("model.layers.{layer}.{name}.weight"));
        let [qkv, output, gate_up, down] = groups(config);
        let sandwich = config.sandwich_norms;
        let feed_forward_norm = if sandwich {
            "pre_feedforward_layernorm"
        } else {
            "post_attention_layernorm"
        };
        let after = |name: &str| sandwich.then(|| norm(name)).transpose();
        let head_norms = match config.qk_norm {
            false => None,
            true => Some(HeadNorms {
                q: norm("self_attn.q_norm")?,
                k: norm("self_attn.k_norm")?,
            }),
        };
        Ok(Block {
            shape: AttentionShape {
                heads: config.num_heads,
                kv_heads: config.num_kv_heads,
                head_dim: config.head_dim,
                scale: config.attention_scale,
                softcap: config.attention_softcap,
                window: attention.sliding_window,
            },
            rope,
            activation: config.activation,
            attention_norm: norm("input_layernorm")?,
            qkv: self.projection(layer, &qkv, config.qkv_bias)?,
            head_norms,
            output: self.projection(layer, &output, config.o_bias)?,
            after_attention: after("post_attention_layernorm")?,
            feed_forward_norm: norm(feed_forward_norm)?,
            gate_up: self.projection(layer, &gate_up, config.mlp_bias)?,
            down: self.projection(layer, &down, config.mlp_bias)?,
            after_feed_forward: after("post_feedforward_layernorm")?,
        })
    }

    /// Stacks the weights of layers that share an input.
    fn projection(
        &self,
        layer: usize,
        group: &[(&'static str, usize, usize)],
        has_bias: bool,
    ) -> Result<Projection, WeightsError> {
        let (mut names, mut bias, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        let mut rows = 0;
        for &(module, _, outputs) in group {
            let name = format!("model.layers.{layer}.{module}");
            names.push(format!("{name}.weight"));
            if has_bias {
                bias.extend(self.base.read_f32(&format!("{name}.bias"))?);
            }
            let columns = rows..rows + outputs;
            parts.push(Part {
                name,
                columns,
                row_squares: OnceLock::new(),
            });
            rows += outputs;
        }
        let bias = has_bias.then(|| self.row(bias));
        Ok(Projection {
            frozen: self.frozen(&names, Role::Layer, self.copies)?,
            bias,
            parts,
        })
    }

    fn norm(&self, name: String) -> Result<Norm, WeightsError> {
        let offset = if self.config.norm_plus_one { 1.0 } else { 0.0 };
        let weight = self.base.read_f32(&name)?;
        Ok(Norm {
            name,
            weight: self.row(weight.into_iter().map(|w| w + offset).collect()),
            eps: self.config.rms_norm_eps as f32,
            offset,
        })
    }

    fn matrix(&self, name: &str, copy: bool) -> Result<Frozen, WeightsError> {
        self.frozen(&[name.to_owned()], Role::Vocabulary, copy)
    }

    fn frozen(&self, names: &[String], role: Role, copy: bool) -> Result<Frozen, WeightsError> {
        let frozen = self.holding.read(self.base, names, role, copy)?;
        Ok(frozen.moved_to(self.device))
    }

    /// A vector as a matrix of one row.
    fn row(&self, vector: Vec<f32>) -> Matrix {
        Matrix::new(1, vector.len(), vector).moved_to(self.device)
    }
}
