//! Attention of one more row over cached keys and values.

use std::ops::Range;

use super::attention::AttentionShape;
use super::simd::{dot, exp, max, tanh, vectorized};

/// One query row against a sequence's cache.
pub(crate) fn attend(attended: &mut [f32], qkv: &[f32], cache: &[f32], shape: &AttentionShape) {
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
