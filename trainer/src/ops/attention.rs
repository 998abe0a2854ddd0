//! Causal attention over the segments of a leaf, and one more token over cached ones.

use crate::kernel::attention::{self, AttentionShape};
use crate::tensor::Matrix;
use crate::tensor::compose;
use crate::tensor::indices::Segments;

pub(crate) use crate::tensor::compose::attention::Saved;

/// The result, `[tokens, heads * head_dim]`, and the log-sum-exp of the scores, `[tokens, heads]`.
pub(crate) fn forward(
    qkv: &Matrix,
    segments: &Segments,
    shape: &AttentionShape,
) -> (Matrix, Matrix) {
    if !qkv.is_on_host() {
        return compose::attention::forward(qkv, segments, shape);
    }
    let mut lse = vec![0.0; qkv.rows() * shape.heads];
    let out = Matrix::zeros(qkv.rows(), shape.out_width()).updated(|out| {
        attention::forward(out, &mut lse, &qkv.elements(), segments, shape);
    });
    (out, Matrix::new(qkv.rows(), shape.heads, lse))
}

/// The gradient with respect to q, k and v.
pub(crate) fn backward(saved: Saved<'_>, segments: &Segments, shape: &AttentionShape) -> Matrix {
    if !saved.qkv.is_on_host() {
        return compose::attention::backward(saved, segments, shape);
    }
    let (qkv, out) = (saved.qkv.elements(), saved.out.elements());
    let (lse, d_out) = (saved.lse.elements(), saved.d_out.elements());
    let on_host = attention::Saved {
        qkv: &qkv,
        out: &out,
        lse: &lse,
        d_out: &d_out,
    };
    Matrix::zeros(saved.qkv.rows(), saved.qkv.cols())
        .updated(|d_qkv| attention::backward(d_qkv, &on_host, segments, shape))
}
