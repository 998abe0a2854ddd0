//! Greedy decoding with a cache of keys and values, for many prompts at once.
//!
//! Prompts go through the network one by one; after that every step is one row a prompt that has
//! not ended, so that products stay wide.

use std::ops::Range;

use super::batch::Leaf;
use super::network::Network;
use super::projection::Context;
use crate::adapter::factors::Adapter;
use crate::kernel::attention::AttentionShape;
use crate::kernel::simd::{dot, exp, max, tanh, vectorized};
use crate::ops;
use crate::tensor::Matrix;

/// Keys and values of one sequence in one layer, a `[k heads | v heads]` row a position.
#[derive(Default)]
struct Cache {
    rows: Vec<f32>,
}

/// One prompt on its way.
struct Sequence {
    layers: Vec<Cache>,
    generated: Vec<u32>,
    next: u32,
    position: usize,
}

/// When a continuation ends.
pub(crate) struct Stop<'a> {
    /// Any of these tokens ends it, and is not part of it.
    pub(crate) tokens: &'a [u32],
    /// So many tokens end it.
    pub(crate) max_new_tokens: usize,
}

/// Continues each prompt greedily; `each` sees every finished round as (prompt, token).
pub(crate) fn generate(
    network: &Network,
    adapter: Option<&Adapter<'_>>,
    prompts: &[Vec<u32>],
    stop: &Stop<'_>,
    mut each: impl FnMut(usize, u32) -> bool,
) -> Vec<Vec<u32>> {
    let mut sequences: Vec<Sequence> = prompts
        .iter()
        .map(|prompt| prefill(network, adapter, prompt))
        .collect();
    for _ in 0..stop.max_new_tokens {
        let mut active = Vec::new();
        for (index, sequence) in sequences.iter_mut().enumerate() {
            let ended =
                sequence.generated.len() >= stop.max_new_tokens || sequence.position == usize::MAX;
            if ended || stop.tokens.contains(&sequence.next) {
                sequence.position = usize::MAX;
                continue;
            }
            sequence.generated.push(sequence.next);
            if !each(index, sequence.next) {
                return sequences
                    .into_iter()
                    .map(|sequence| sequence.generated)
                    .collect();
            }
            active.push(index);
        }
        if active.is_empty() {
            break;
        }
        step(network, adapter, &mut sequences, &active);
    }
    sequences
        .into_iter()
        .map(|sequence| sequence.generated)
        .collect()
}

fn prefill(network: &Network, adapter: Option<&Adapter<'_>>, prompt: &[u32]) -> Sequence {
    let leaf = Leaf::inference([prompt]);
    let context = Context {
        leaf: &leaf,
        adapter,
        dropout: None,
    };
    let mut x = network.embed(&context);
    let mut layers = Vec::with_capacity(network.blocks.len());
    for block in &network.blocks {
        let (y, trace) = block.forward(x, &context);
        let qkv = trace.qkv().elements();
        let (width, kv) = (block.shape.qkv_width(), block.shape.out_width());
        let rows = qkv
            .chunks_exact(width)
            .flat_map(|row| row[kv..].iter().copied())
            .collect();
        layers.push(Cache { rows });
        x = y;
    }
    let last = ops::gather_rows(&x, &[prompt.len() - 1]);
    let next = greedy(network, &last, &context)[0];
    Sequence {
        layers,
        generated: Vec::new(),
        next,
        position: prompt.len(),
    }
}

/// One more token for each active sequence.
fn step(
    network: &Network,
    adapter: Option<&Adapter<'_>>,
    sequences: &mut [Sequence],
    active: &[usize],
) {
    let leaf = Leaf::decoding(
        active
            .iter()
            .map(|&i| (sequences[i].next, sequences[i].position)),
    );
    let context = Context {
        leaf: &leaf,
        adapter,
        dropout: None,
    };
    let mut x = network.embed(&context);
    for (layer, block) in network.blocks.iter().enumerate() {
        let heads = block.heads(&x, &context);
        let (width, out) = (block.shape.qkv_width(), block.shape.out_width());
        let attended = {
            let qkv = heads.qkv.elements();
            for (&i, row) in active.iter().zip(qkv.chunks_exact(width)) {
                sequences[i].layers[layer]
                    .rows
                    .extend_from_slice(&row[out..]);
            }
            Matrix::zeros(x.rows(), out).updated(|attended| {
                let rows = attended.chunks_exact_mut(out).zip(qkv.chunks_exact(width));
                for (&i, (attended, qkv)) in active.iter().zip(rows) {
                    attend(
                        attended,
                        qkv,
                        &sequences[i].layers[layer].rows,
                        &block.shape,
                    );
                }
            })
        };
        x = block.finish((x, heads, Vec::new()), attended, &context).0;
    }
    for (&i, next) in active.iter().zip(greedy(network, &x, &context)) {
        sequences[i].next = next;
        sequences[i].position += 1;
    }
}

/// One query row against a sequence's cache.
fn attend(attended: &mut [f32], qkv: &[f32], cache: &[f32], shape: &AttentionShape) {
    let hd = shape.head_dim;
    let width = 2 * shape.kv_heads * hd;
    let positions = cache.len() / width;
    let first = shape
        .window
        .map_or(0, |window| positions.saturating_sub(window));
    let mut scores = vec![0.0; positions - first];
    for (head, attended) in attended.chunks_exact_mut(hd).enumerate() {
        let kv = head / (shape.heads / shape.kv_heads);
        let query = &qkv[head * hd..(head + 1) * hd];
        let (key, value) = (columns(kv, hd), columns(shape.kv_heads + kv, hd));
        vectorized(
            #[inline(always)]
            || {
                let rows = cache.chunks_exact(width).skip(first);
                for (score, row) in scores.iter_mut().zip(rows.clone()) {
                    let raw = shape.scale * dot(query, &row[key.clone()]);
                    *score = shape.softcap.map_or(raw, |cap| cap * tanh(raw / cap));
                }
                let largest = max(&scores);
                let mut total = 0.0;
                for (&score, row) in scores.iter().zip(rows) {
                    let weight = exp(score - largest);
                    total += weight;
                    for (out, value) in attended.iter_mut().zip(&row[value.clone()]) {
                        *out += weight * value;
                    }
                }
                attended.iter_mut().for_each(|out| *out /= total);
            },
        );
    }
}

fn columns(head: usize, head_dim: usize) -> Range<usize> {
    head * head_dim..(head + 1) * head_dim
}

/// The likeliest next token of each row; the first of equals.
fn greedy(network: &Network, x: &Matrix, context: &Context<'_>) -> Vec<u32> {
    let (hidden, _) = network.norm.forward(x, context);
    let frozen = network.head_weight(context).0;
    let (weight, transposed) = (frozen.elements(), frozen.transposed());
    let head = network.head(&weight, transposed.as_deref());
    let mut logits = vec![0.0; hidden.rows() * head.vocabulary];
    head.logits(&mut logits, &hidden.elements());
    logits
        .chunks_exact(head.vocabulary)
        .map(largest_index)
        .collect()
}

fn largest_index(row: &[f32]) -> u32 {
    let largest = vectorized(
        #[inline(always)]
        || max(row),
    );
    row.iter().position(|&value| value >= largest).unwrap_or(0) as u32
}
