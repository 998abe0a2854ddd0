//! Causal attention over segments: each segment sees itself alone, so packing needs no mask.
//!
//! Rows hold `[q heads | k heads | v heads]`. Scores exist for one chunk of query rows at a time;
//! the backward pass computes them again from the saved log-sum-exp (Dao et al. 2022), so memory
//! grows with the length, not with its square. Keys after the chunk's last row are never touched.

use std::ops::Range;

use super::matmul::{View, ViewMut, Write, matmul};
use super::simd::{dot, exp, max, sum, tanh, vectorized};

/// Query rows whose scores exist at one time.
const CHUNK: usize = 64;

/// Sizes and switches of one layer's attention.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct AttentionShape {
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    /// Scores are `scale * q.k`.
    pub(crate) scale: f32,
    /// Scores become `c * tanh(score / c)`.
    pub(crate) softcap: Option<f32>,
    /// Latest positions seen, the present one included.
    pub(crate) window: Option<usize>,
}

impl AttentionShape {
    /// Width of a `[q | k | v]` row.
    pub(crate) fn qkv_width(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }

    /// Width of an output row.
    pub(crate) fn out_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Columns of the key and of the value head that query head `head` reads.
    fn kv_columns(&self, head: usize) -> (usize, usize) {
        let kv = head / (self.heads / self.kv_heads);
        (
            (self.heads + kv) * self.head_dim,
            (self.heads + self.kv_heads + kv) * self.head_dim,
        )
    }

    /// First key of a segment that row `row` sees.
    fn first_key(&self, row: usize) -> usize {
        self.window
            .map_or(0, |window| (row + 1).saturating_sub(window))
    }
}

/// One chunk of query rows of one head: where its operands start.
struct Tile {
    /// Query rows, counted from the segment's start.
    rows: Range<usize>,
    /// Keys that any of them sees.
    keys: Range<usize>,
    q: usize,
    k: usize,
    v: usize,
}

impl Tile {
    fn queries<'a>(&self, qkv: &'a [f32], shape: &AttentionShape) -> View<'a> {
        let width = shape.qkv_width();
        View::strided(&qkv[self.q..], self.rows.len(), shape.head_dim, width)
    }

    fn keys<'a>(&self, qkv: &'a [f32], shape: &AttentionShape) -> View<'a> {
        View::strided(
            &qkv[self.k..],
            self.keys.len(),
            shape.head_dim,
            shape.qkv_width(),
        )
    }

    fn values<'a>(&self, qkv: &'a [f32], shape: &AttentionShape) -> View<'a> {
        View::strided(
            &qkv[self.v..],
            self.keys.len(),
            shape.head_dim,
            shape.qkv_width(),
        )
    }

    /// Keys that the `i`-th row of the tile sees, counted from the tile's first key.
    fn seen(&self, i: usize, shape: &AttentionShape) -> Range<usize> {
        let row = self.rows.start + i;
        shape.first_key(row) - self.keys.start..row + 1 - self.keys.start
    }
}

/// All tiles of one segment, head by head.
fn tiles(segment: &Range<usize>, shape: AttentionShape) -> impl Iterator<Item = (usize, Tile)> {
    let (start, length, width) = (segment.start, segment.len(), shape.qkv_width());
    (0..shape.heads).flat_map(move |head| {
        (0..length).step_by(CHUNK).map(move |first| {
            let rows = first..(first + CHUNK).min(length);
            let keys = shape.first_key(first)..rows.end;
            let (k, v) = shape.kv_columns(head);
            let tile = Tile {
                q: (start + rows.start) * width + head * shape.head_dim,
                k: (start + keys.start) * width + k,
                v: (start + keys.start) * width + v,
                rows,
                keys,
            };
            (head, tile)
        })
    })
}

/// Fills `out` (`[tokens, heads * head_dim]`) and `lse` (`[tokens, heads]`, log-sum-exp of scores).
pub(crate) fn forward(
    out: &mut [f32],
    lse: &mut [f32],
    qkv: &[f32],
    segments: &[Range<usize>],
    shape: &AttentionShape,
) {
    let mut scores = Vec::new();
    for segment in segments {
        for (head, tile) in tiles(segment, *shape) {
            let keys = tile.keys.len();
            fill_scores(&mut scores, &tile, qkv, shape);
            vectorized(
                #[inline(always)]
                || {
                    for (i, row) in scores.chunks_exact_mut(keys).enumerate() {
                        let token = segment.start + tile.rows.start + i;
                        lse[token * shape.heads + head] = softmax(row, tile.seen(i, shape));
                    }
                },
            );
            let first = (segment.start + tile.rows.start) * shape.out_width();
            let start = first + head * shape.head_dim;
            let rows = tile.rows.len();
            let target =
                ViewMut::strided(&mut out[start..], rows, shape.head_dim, shape.out_width());
            let probabilities = View::new(&scores, rows, keys);
            matmul(
                target,
                Write::Replace,
                1.0,
                probabilities,
                tile.values(qkv, shape),
            );
        }
    }
}

/// `scores = cap(scale * Q K^T)` for one tile; entries outside the mask hold anything.
fn fill_scores(scores: &mut Vec<f32>, tile: &Tile, qkv: &[f32], shape: &AttentionShape) {
    let (rows, keys) = (tile.rows.len(), tile.keys.len());
    scores.resize(rows * keys, 0.0);
    let transposed = tile.keys(qkv, shape).transposed();
    let target = ViewMut::new(scores, rows, keys);
    matmul(
        target,
        Write::Replace,
        shape.scale,
        tile.queries(qkv, shape),
        transposed,
    );
    if let Some(cap) = shape.softcap {
        vectorized(
            #[inline(always)]
            || scores.iter_mut().for_each(|s| *s = cap * tanh(*s / cap)),
        );
    }
}

/// Softmax over the seen part of a row, nought elsewhere; returns the log-sum-exp.
#[inline(always)]
fn softmax(row: &mut [f32], seen: Range<usize>) -> f32 {
    row[..seen.start].fill(0.0);
    row[seen.end..].fill(0.0);
    let seen = &mut row[seen];
    let largest = max(seen);
    for value in seen.iter_mut() {
        *value = exp(*value - largest);
    }
    let total = sum(seen.len(), |i| seen[i]);
    let inverse = 1.0 / total;
    for value in seen.iter_mut() {
        *value *= inverse;
    }
    largest + total.ln()
}

/// What the forward pass left, and the gradient that arrives.
pub(crate) struct Saved<'a> {
    pub(crate) qkv: &'a [f32],
    pub(crate) out: &'a [f32],
    pub(crate) lse: &'a [f32],
    pub(crate) d_out: &'a [f32],
}

/// Adds the gradient with respect to q, k and v into `d_qkv`.
pub(crate) fn backward(
    d_qkv: &mut [f32],
    saved: &Saved<'_>,
    segments: &[Range<usize>],
    shape: &AttentionShape,
) {
    let (width, hd) = (shape.qkv_width(), shape.head_dim);
    let (mut p, mut ds) = (Vec::new(), Vec::new());
    for segment in segments {
        for (head, tile) in tiles(segment, *shape) {
            let (rows, keys) = (tile.rows.len(), tile.keys.len());
            let first = (segment.start + tile.rows.start) * shape.out_width() + head * hd;
            let d_out = View::strided(&saved.d_out[first..], rows, hd, shape.out_width());

            fill_scores(&mut p, &tile, saved.qkv, shape);
            ds.resize(rows * keys, 0.0);
            let values = tile.values(saved.qkv, shape).transposed();
            matmul(
                ViewMut::new(&mut ds, rows, keys),
                Write::Replace,
                1.0,
                d_out,
                values,
            );
            score_gradient(&mut p, &mut ds, &tile, saved, (segment.start, head, shape));

            let (p, ds) = (View::new(&p, rows, keys), View::new(&ds, rows, keys));
            let d_v = ViewMut::strided(&mut d_qkv[tile.v..], keys, hd, width);
            matmul(d_v, Write::Add, 1.0, p.transposed(), d_out);
            let queries = tile.queries(saved.qkv, shape);
            let d_k = ViewMut::strided(&mut d_qkv[tile.k..], keys, hd, width);
            matmul(d_k, Write::Add, shape.scale, ds.transposed(), queries);
            let d_q = ViewMut::strided(&mut d_qkv[tile.q..], rows, hd, width);
            matmul(
                d_q,
                Write::Add,
                shape.scale,
                ds,
                tile.keys(saved.qkv, shape),
            );
        }
    }
}

/// Turns scores into probabilities, and the gradient of probabilities into that of scores:
/// `dS = P * (dP - sum(dO * O))`, times the slope of the soft cap.
fn score_gradient(
    p: &mut [f32],
    ds: &mut [f32],
    tile: &Tile,
    saved: &Saved<'_>,
    (segment_start, head, shape): (usize, usize, &AttentionShape),
) {
    let keys = tile.keys.len();
    vectorized(
        #[inline(always)]
        || {
            for (i, (p, ds)) in p
                .chunks_exact_mut(keys)
                .zip(ds.chunks_exact_mut(keys))
                .enumerate()
            {
                let token = segment_start + tile.rows.start + i;
                let start = token * shape.out_width() + head * shape.head_dim;
                let columns = start..start + shape.head_dim;
                let row_sum = dot(&saved.d_out[columns.clone()], &saved.out[columns]);
                let lse = saved.lse[token * shape.heads + head];
                let seen = tile.seen(i, shape);
                for outside in [0..seen.start, seen.end..keys] {
                    p[outside.clone()].fill(0.0);
                    ds[outside].fill(0.0);
                }
                for (p, ds) in p[seen.clone()].iter_mut().zip(&mut ds[seen]) {
                    let slope = shape
                        .softcap
                        .map_or(1.0, |cap| 1.0 - (*p / cap) * (*p / cap));
                    let probability = exp(*p - lse);
                    *ds = probability * (*ds - row_sum) * slope;
                    *p = probability;
                }
            }
        },
    );
}
