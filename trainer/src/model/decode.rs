//! Greedy decoding with a cache of keys and values, for many prompts at once.
//!
//! Prompts go through the network one by one; after that every step is one row a prompt that has
//! not ended, so that products stay wide.

use super::batch::Leaf;
use super::network::Network;
use super::projection::Context;
use crate::adapter::factors::Adapter;
use crate::ops::key_values::KeyValues;
use crate::tensor::Matrix;

/// One prompt on its way.
struct Sequence {
    layers: Vec<KeyValues>,
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
        layers.push(KeyValues::new(trace.qkv(), &block.shape));
        x = y;
    }
    let last = x.row_view(prompt.len() - 1..prompt.len());
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
        let layers = sequences.iter_mut().enumerate();
        let mut caches: Vec<_> = layers
            .filter(|(i, _)| active.contains(i))
            .map(|(_, sequence)| &mut sequence.layers[layer])
            .collect();
        let attended = KeyValues::attend(&mut caches, &heads.qkv, &block.shape);
        let no_backward_pass = x.zeros_beside(1, 1);
        x = block
            .finish((x, heads, no_backward_pass), attended, &context)
            .0;
    }
    for (&i, next) in active.iter().zip(greedy(network, &x, &context)) {
        sequences[i].next = next;
        sequences[i].position += 1;
    }
}

/// The likeliest next token of each row.
fn greedy(network: &Network, x: &Matrix, context: &Context<'_>) -> Vec<u32> {
    let (hidden, _) = network.norm.forward(x, context);
    network.head(context).likeliest(&hidden)
}
