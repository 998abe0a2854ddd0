//! Causal attention over segments, a chunk of query rows at a time.
//!
//! All heads are one batched product; query heads that share a key head are rows of one matrix.
//! The backward pass computes the scores again from the saved log-sum-exp.

use std::ops::Range;

use burn_tensor::{Bool, Int, Tensor};

use super::CHUNK_ELEMENTS;
use crate::kernel::attention::AttentionShape;
use crate::tensor::Matrix;
use crate::tensor::indices::Segments;

/// A score that no softmax sees.
const UNSEEN: f32 = -1e30;

/// What the forward pass left, and the gradient that arrives.
#[derive(Clone, Copy)]
pub(crate) struct Saved<'a> {
    pub(crate) qkv: &'a Matrix,
    pub(crate) out: &'a Matrix,
    /// `[tokens, heads]`.
    pub(crate) lse: &'a Matrix,
    pub(crate) d_out: &'a Matrix,
}

/// The result, `[tokens, heads * head_dim]`, and the log-sum-exp of the scores, `[tokens, heads]`.
pub(crate) fn forward(
    qkv: &Matrix,
    segments: &Segments,
    shape: &AttentionShape,
) -> (Matrix, Matrix) {
    let heads = Heads::new(qkv, *shape);
    let (mut out, mut lse) = (Vec::new(), Vec::new());
    for chunk in chunks(qkv.rows, segments, shape) {
        let scores = heads.scores(&chunk, seen(qkv, segments, &chunk, shape));
        let largest = scores.clone().max_dim(2);
        let powers = (scores - largest.clone()).exp();
        let total = powers.clone().sum_dim(2);
        let attended = heads
            .grouped(powers / total.clone())
            .matmul(heads.v(&chunk));
        out.push(heads.as_rows(attended, chunk.rows.len()));
        let [count, rows, _] = total.dims();
        lse.push((largest + total.log()).reshape([count, rows]).transpose());
    }
    (
        qkv.beside(Tensor::cat(out, 0)),
        qkv.beside(Tensor::cat(lse, 0)),
    )
}

/// The gradient with respect to q, k and v.
pub(crate) fn backward(saved: Saved<'_>, segments: &Segments, shape: &AttentionShape) -> Matrix {
    let qkv = saved.qkv;
    let heads = Heads::new(qkv, *shape);
    let (hd, kv_heads) = (shape.head_dim, shape.kv_heads);
    let zeros = || Tensor::<3>::zeros([kv_heads, qkv.rows, hd], &qkv.tensor.device());
    let (mut d_q, mut d_k, mut d_v) = (Vec::new(), zeros(), zeros());
    for chunk in chunks(qkv.rows, segments, shape) {
        let capped = heads.scores(&chunk, seen(qkv, segments, &chunk, shape));
        let d_out = heads.query_rows(saved.d_out, &chunk.rows);
        let row_sum = (d_out.clone() * heads.query_rows(saved.out, &chunk.rows)).sum_dim(2);
        let d_out = heads.grouped(d_out);
        let d_p = d_out.clone().matmul(heads.v(&chunk).transpose());
        let d_p = d_p.reshape(capped.dims());
        let (p, d_s) = score_gradient(capped, &chunk, (saved.lse, d_p, row_sum), shape);
        let (p, d_s) = (heads.grouped(p), heads.grouped(d_s).mul_scalar(shape.scale));

        d_q.push(heads.as_rows(d_s.clone().matmul(heads.k(&chunk)), chunk.rows.len()));
        let queries = heads.grouped(heads.q(&chunk));
        let keys = [0..kv_heads, chunk.keys.clone(), 0..hd];
        d_k = add_at(d_k, keys.clone(), d_s.transpose().matmul(queries));
        d_v = add_at(d_v, keys, p.transpose().matmul(d_out));
    }
    let as_rows = |heads: Tensor<3>| {
        let heads = heads.swap_dims(0, 1);
        heads.reshape([qkv.rows, kv_heads * hd])
    };
    let parts = vec![Tensor::cat(d_q, 0), as_rows(d_k), as_rows(d_v)];
    qkv.beside(Tensor::cat(parts, 1))
}

/// The result of one more row over the cached `[k heads | v heads]` rows, its own the last.
pub(crate) fn one_more(qkv: &Matrix, cache: &Matrix, shape: &AttentionShape) -> Matrix {
    let (kv_heads, hd) = (shape.kv_heads, shape.head_dim);
    let first = shape
        .window
        .map_or(0, |window| cache.rows.saturating_sub(window));
    let count = cache.rows - first;
    let heads = cache.tensor.clone().narrow(0, first, count);
    let heads = heads.reshape([count, 2 * kv_heads, hd]).swap_dims(0, 1);
    let (k, v) = (
        heads.clone().narrow(0, 0, kv_heads),
        heads.narrow(0, kv_heads, kv_heads),
    );
    let q = qkv.tensor.clone().narrow(1, 0, shape.out_width());
    let q = q.reshape([kv_heads, shape.heads / kv_heads, hd]);
    let scores = capped(q.matmul(k.transpose()), shape);
    let powers = (scores.clone() - scores.max_dim(2)).exp();
    let total = powers.clone().sum_dim(2);
    let attended = (powers / total).matmul(v);
    qkv.beside(attended.reshape([1, shape.out_width()]))
}

/// Scores from products of queries and keys.
fn capped(product: Tensor<3>, shape: &AttentionShape) -> Tensor<3> {
    let scores = product.mul_scalar(shape.scale);
    match shape.softcap {
        None => scores,
        Some(cap) => scores.div_scalar(cap).tanh().mul_scalar(cap),
    }
}

/// Probabilities, and the gradient of the scores before cap and scale, from the capped scores.
fn score_gradient(
    capped: Tensor<3>,
    chunk: &Chunk,
    (lse, d_p, row_sum): (&Matrix, Tensor<3>, Tensor<3>),
    shape: &AttentionShape,
) -> (Tensor<3>, Tensor<3>) {
    let rows = chunk.rows.len();
    let lse = lse.tensor.clone().narrow(0, chunk.rows.start, rows);
    let lse = lse.transpose().reshape([shape.heads, rows, 1]);
    let p = (capped.clone() - lse).exp();
    let d_s = p.clone() * (d_p - row_sum);
    let d_s = match shape.softcap {
        None => d_s,
        Some(cap) => {
            // What is not seen has no gradient, and its stand-in score would overflow here.
            let bounded = capped.clamp(-cap, cap).div_scalar(cap);
            d_s * bounded.square().neg().add_scalar(1.0)
        }
    };
    (p, d_s)
}

fn add_at(sum: Tensor<3>, place: [Range<usize>; 3], addend: Tensor<3>) -> Tensor<3> {
    if addend.dims() == sum.dims() {
        return sum + addend;
    }
    let held = sum.clone().slice(place.clone());
    sum.slice_assign(place, held + addend)
}

/// Query rows whose scores exist at one time, and the keys that any of them sees.
struct Chunk {
    rows: Range<usize>,
    keys: Range<usize>,
}

/// First key that a row sees.
fn first_key(row: usize, segments: &Segments, shape: &AttentionShape) -> usize {
    let window = shape
        .window
        .map_or(0, |window| (row + 1).saturating_sub(window));
    window.max(segments.first()[row])
}

/// Chunks over all rows of a leaf.
fn chunks<'a>(
    rows: usize,
    segments: &'a Segments,
    shape: &'a AttentionShape,
) -> impl Iterator<Item = Chunk> + 'a {
    let at_once = (CHUNK_ELEMENTS / (shape.heads * rows.max(1))).clamp(1, rows.max(1));
    (0..rows).step_by(at_once).map(move |start| {
        let rows = start..(start + at_once).min(rows);
        Chunk {
            keys: first_key(start, segments, shape)..rows.end,
            rows,
        }
    })
}

/// Where a chunk's row does not see a key: `[1, rows, keys]`.
fn seen(
    beside: &Matrix,
    segments: &Segments,
    chunk: &Chunk,
    shape: &AttentionShape,
) -> Tensor<3, Bool> {
    let device = beside.tensor.device();
    let (rows, keys) = (chunk.rows.len(), chunk.keys.len());
    let numbers = |range: &Range<usize>| {
        Tensor::<1, Int>::arange(range.start as i64..range.end as i64, &device)
    };
    let row = numbers(&chunk.rows).reshape([1, rows, 1]);
    let key = numbers(&chunk.keys).reshape([1, 1, keys]);
    let first = segments.first().on_device_of(beside);
    let first = first
        .narrow(0, chunk.rows.start, rows)
        .reshape([1, rows, 1]);
    let later = key.clone().greater(row.clone());
    let foreign = key.clone().lower(first);
    let hidden = later.bool_or(foreign);
    match shape.window {
        None => hidden,
        Some(window) => {
            let distant = key.lower_equal(row.sub_scalar(window as i64));
            hidden.bool_or(distant)
        }
    }
}

/// q, k and v, a matrix a head.
struct Heads {
    /// `[heads + 2 kv_heads, tokens, head_dim]`.
    all: Tensor<3>,
    shape: AttentionShape,
}

impl Heads {
    fn new(qkv: &Matrix, shape: AttentionShape) -> Self {
        let count = shape.heads + 2 * shape.kv_heads;
        let rows = qkv
            .tensor
            .clone()
            .reshape([qkv.rows, count, shape.head_dim]);
        Self {
            all: rows.swap_dims(0, 1),
            shape,
        }
    }

    fn some(&self, first: usize, count: usize, rows: &Range<usize>) -> Tensor<3> {
        let some = self.all.clone().narrow(0, first, count);
        some.narrow(1, rows.start, rows.len())
    }

    fn q(&self, chunk: &Chunk) -> Tensor<3> {
        self.some(0, self.shape.heads, &chunk.rows)
    }

    fn k(&self, chunk: &Chunk) -> Tensor<3> {
        self.some(self.shape.heads, self.shape.kv_heads, &chunk.keys)
    }

    fn v(&self, chunk: &Chunk) -> Tensor<3> {
        let first = self.shape.heads + self.shape.kv_heads;
        self.some(first, self.shape.kv_heads, &chunk.keys)
    }

    /// `[heads, rows, n]` as `[kv_heads, group * rows, n]`.
    fn grouped(&self, heads: Tensor<3>) -> Tensor<3> {
        let [count, rows, n] = heads.dims();
        let kv_heads = self.shape.kv_heads;
        heads.reshape([kv_heads, count / kv_heads * rows, n])
    }

    /// `[kv_heads, group * rows, head_dim]` as `[rows, heads * head_dim]`.
    fn as_rows(&self, grouped: Tensor<3>, rows: usize) -> Tensor<2> {
        let heads = grouped.reshape([self.shape.heads, rows, self.shape.head_dim]);
        heads
            .swap_dims(0, 1)
            .reshape([rows, self.shape.out_width()])
    }

    /// Some rows of a `[tokens, heads * head_dim]` matrix as `[heads, rows, head_dim]`.
    fn query_rows(&self, matrix: &Matrix, rows: &Range<usize>) -> Tensor<3> {
        let some = matrix.tensor.clone().narrow(0, rows.start, rows.len());
        let heads = some.reshape([rows.len(), self.shape.heads, self.shape.head_dim]);
        heads.swap_dims(0, 1)
    }

    /// `cap(scale * Q K^T)` as `[heads, rows, keys]`.
    fn scores(&self, chunk: &Chunk, hidden: Tensor<3, Bool>) -> Tensor<3> {
        let (rows, keys) = (chunk.rows.len(), chunk.keys.len());
        let product = self
            .grouped(self.q(chunk))
            .matmul(self.k(chunk).transpose());
        let scores = capped(product, &self.shape).reshape([self.shape.heads, rows, keys]);
        scores.mask_fill(hidden.expand([self.shape.heads, rows, keys]), UNSEEN)
    }
}
