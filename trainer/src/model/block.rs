//! One transformer block: attention, gated feed-forward, their norms and residual sums.
//!
//! The forward pass leaves a [`Trace`] of what its backward pass cannot cheaply compute again;
//! norms and the gated activation are replayed from it.

use std::ops::Range;
use std::sync::Arc;

use super::projection::{self, BackwardPass, Context, Projection};
use crate::kernel::attention::{self, AttentionShape, Saved};
use crate::kernel::rope::{RopeTable, Turn, rotate};
use crate::ops;
use crate::tensor::Matrix;
use schliff_weights::config::Activation;

/// The weight of a norm, as it is multiplied (Gemma's `1 + w` is already added).
pub(crate) struct Norm {
    /// Full tensor name, by which a trained copy is found.
    pub(crate) name: String,
    pub(crate) weight: Vec<f32>,
    pub(crate) eps: f32,
    /// Added to a trained copy's values before use: 1 for Gemma, else 0.
    pub(crate) offset: f32,
}

impl Norm {
    /// The weight in force, and its parameter index where it is trained.
    pub(crate) fn weight(&self, context: &Context<'_>) -> (Vec<f32>, Option<usize>) {
        match context
            .adapter
            .and_then(|adapter| adapter.saved(&self.name))
        {
            None => (self.weight.clone(), None),
            Some((index, value)) => (
                value.elements().iter().map(|w| w + self.offset).collect(),
                Some(index),
            ),
        }
    }

    pub(crate) fn forward(&self, x: &Matrix, context: &Context<'_>) -> (Matrix, Vec<f32>) {
        ops::rms_norm(x, &self.weight(context).0, self.eps)
    }

    fn replay(&self, x: &Matrix, inverse_rms: &[f32], context: &Context<'_>) -> Matrix {
        ops::rms_norm_replay(x, &self.weight(context).0, inverse_rms)
    }

    /// `dx +=` the gradient through the norm; the weight's own where it is trained.
    pub(crate) fn backward(
        &self,
        dx: Matrix,
        dy: &Matrix,
        (x, inverse_rms): (&Matrix, &[f32]),
        pass: &mut BackwardPass<'_, '_>,
    ) -> Matrix {
        let (weight, trained) = self.weight(pass.context);
        if let Some(index) = trained {
            pass.gradients
                .add(index, &ops::rms_norm_weight_gradient(dy, x, inverse_rms));
        }
        ops::add_rms_norm_gradient(dx, dy, x, &weight, inverse_rms)
    }
}

/// Norms on each head of q and k (Qwen 3, Gemma 3).
pub(crate) struct HeadNorms {
    pub(crate) q: Norm,
    pub(crate) k: Norm,
}

/// One block of the base model.
pub(crate) struct Block {
    pub(crate) shape: AttentionShape,
    /// Shared by the layers that rotate alike.
    pub(crate) rope: Arc<RopeTable>,
    pub(crate) activation: Activation,
    pub(crate) attention_norm: Norm,
    pub(crate) qkv: Projection,
    pub(crate) head_norms: Option<HeadNorms>,
    pub(crate) output: Projection,
    /// Gemma's norm of the attention's result, before the residual sum.
    pub(crate) after_attention: Option<Norm>,
    pub(crate) feed_forward_norm: Norm,
    pub(crate) gate_up: Projection,
    pub(crate) down: Projection,
    /// Gemma's norm of the feed-forward's result, before the residual sum.
    pub(crate) after_feed_forward: Option<Norm>,
}

/// What the forward pass leaves.
pub(crate) struct Trace {
    x: Matrix,
    attention_rms: Vec<f32>,
    qkv_branches: projection::Trace,
    /// q and k before their head norms, with the inverse roots.
    raw_heads: Option<(Matrix, Matrix, Vec<f32>, Vec<f32>)>,
    qkv: Matrix,
    attended: Matrix,
    lse: Vec<f32>,
    output_branches: projection::Trace,
    after_attention: Option<(Matrix, Vec<f32>)>,
    middle: Matrix,
    feed_forward_rms: Vec<f32>,
    gate_up_branches: projection::Trace,
    gate_up: Matrix,
    down_branches: projection::Trace,
    after_feed_forward: Option<(Matrix, Vec<f32>)>,
}

impl Trace {
    /// q, k and v after rotation.
    pub(crate) fn qkv(&self) -> &Matrix {
        &self.qkv
    }
}

/// q, k and v of some rows, ready for attention.
pub(crate) struct Heads {
    pub(crate) qkv: Matrix,
    rms: Vec<f32>,
    branches: projection::Trace,
    raw: Option<(Matrix, Matrix, Vec<f32>, Vec<f32>)>,
}

impl Block {
    /// Norm, projection, head norms and rotation.
    pub(crate) fn heads(&self, x: &Matrix, context: &Context<'_>) -> Heads {
        let (normed, rms) = self.attention_norm.forward(x, context);
        let (mut qkv, branches) = self.qkv.forward(&normed, context);
        let mut raw = None;
        if let Some(norms) = &self.head_norms {
            let (q_columns, k_columns) = self.head_columns();
            let q = ops::copy_columns(&ops::Columns {
                matrix: &qkv,
                range: q_columns.clone(),
            });
            let k = ops::copy_columns(&ops::Columns {
                matrix: &qkv,
                range: k_columns.clone(),
            });
            let (q_normed, q_rms) = norms.q.forward(&q, context);
            let (k_normed, k_rms) = norms.k.forward(&k, context);
            qkv = ops::zip_columns(qkv, q_columns, &q_normed, |_, q, _| q);
            qkv = ops::zip_columns(qkv, k_columns, &k_normed, |_, k, _| k);
            raw = Some((q, k, q_rms, k_rms));
        }
        let positions = &context.leaf.positions;
        let rotated = self.shape.heads + self.shape.kv_heads;
        let width = self.shape.qkv_width();
        let qkv =
            qkv.updated(|qkv| rotate(qkv, width, rotated, (&self.rope, positions), Turn::Forward));
        Heads {
            qkv,
            rms,
            branches,
            raw,
        }
    }

    /// Rows after the block, and what its backward pass needs.
    pub(crate) fn forward(&self, x: Matrix, context: &Context<'_>) -> (Matrix, Trace) {
        let heads = self.heads(&x, context);
        let mut lse = vec![0.0; x.rows() * self.shape.heads];
        let attended = Matrix::zeros(x.rows(), self.shape.out_width()).updated(|out| {
            let qkv = heads.qkv.elements();
            attention::forward(out, &mut lse, &qkv, &context.leaf.segments, &self.shape);
        });
        self.finish((x, heads, lse), attended, context)
    }

    /// Everything after attention.
    pub(crate) fn finish(
        &self,
        (x, heads, lse): (Matrix, Heads, Vec<f32>),
        attended: Matrix,
        context: &Context<'_>,
    ) -> (Matrix, Trace) {
        let (result, output_branches) = self.output.forward(&attended, context);
        let (middle, after_attention) =
            residual(&x, result, self.after_attention.as_ref(), context);
        let (normed, feed_forward_rms) = self.feed_forward_norm.forward(&middle, context);
        let (gate_up, gate_up_branches) = self.gate_up.forward(&normed, context);
        let active = ops::gate(&gate_up, self.activation);
        let (result, down_branches) = self.down.forward(&active, context);
        let (y, after_feed_forward) =
            residual(&middle, result, self.after_feed_forward.as_ref(), context);
        let trace = Trace {
            x,
            attention_rms: heads.rms,
            qkv_branches: heads.branches,
            raw_heads: heads.raw,
            qkv: heads.qkv,
            attended,
            lse,
            output_branches,
            after_attention,
            middle,
            feed_forward_rms,
            gate_up_branches,
            gate_up,
            down_branches,
            after_feed_forward,
        };
        (y, trace)
    }

    /// Gradient with respect to the block's input; `None` where nothing before it is trained.
    pub(crate) fn backward(
        &self,
        dy: Matrix,
        trace: Trace,
        pass: &mut BackwardPass<'_, '_>,
        wants_dx: bool,
    ) -> Option<Matrix> {
        let d_middle = self.feed_forward_backward(dy, &trace, pass);
        let d_result = through_residual_norm(
            &d_middle,
            (
                self.after_attention.as_ref(),
                trace.after_attention.as_ref(),
            ),
            pass,
        );
        let d_attended = self.output.backward(
            d_result,
            (&trace.attended, &trace.output_branches),
            pass,
            true,
        )?;
        let d_qkv = self.attention_backward(&d_attended, &trace, pass);
        let normed = self
            .attention_norm
            .replay(&trace.x, &trace.attention_rms, pass.context);
        let input = (&normed, &trace.qkv_branches);
        // A trained norm needs the gradient even where nothing before the block does.
        let wants_dx = wants_dx || self.attention_norm.weight(pass.context).1.is_some();
        let d_normed = self.qkv.backward(d_qkv, input, pass, wants_dx)?;
        let input = (&trace.x, trace.attention_rms.as_slice());
        Some(
            self.attention_norm
                .backward(d_middle, &d_normed, input, pass),
        )
    }

    fn feed_forward_backward(
        &self,
        dy: Matrix,
        trace: &Trace,
        pass: &mut BackwardPass<'_, '_>,
    ) -> Matrix {
        let d_result = through_residual_norm(
            &dy,
            (
                self.after_feed_forward.as_ref(),
                trace.after_feed_forward.as_ref(),
            ),
            pass,
        );
        let active = ops::gate(&trace.gate_up, self.activation);
        let input = (&active, &trace.down_branches);
        let d_active = self.down.backward(d_result, input, pass, true);
        drop(active);
        let Some(d_active) = d_active else { return dy };
        let d_gate_up = ops::gate_gradient(&d_active, &trace.gate_up, self.activation);
        drop(d_active);
        let normed =
            self.feed_forward_norm
                .replay(&trace.middle, &trace.feed_forward_rms, pass.context);
        let input = (&normed, &trace.gate_up_branches);
        let Some(d_normed) = self.gate_up.backward(d_gate_up, input, pass, true) else {
            return dy;
        };
        let input = (&trace.middle, trace.feed_forward_rms.as_slice());
        self.feed_forward_norm.backward(dy, &d_normed, input, pass)
    }

    fn attention_backward(
        &self,
        d_attended: &Matrix,
        trace: &Trace,
        pass: &mut BackwardPass<'_, '_>,
    ) -> Matrix {
        let width = self.shape.qkv_width();
        let (qkv, out) = (trace.qkv.elements(), trace.attended.elements());
        let d_out = d_attended.elements();
        let saved = Saved {
            qkv: &qkv,
            out: &out,
            lse: &trace.lse,
            d_out: &d_out,
        };
        let rotated = self.shape.heads + self.shape.kv_heads;
        let positions = &pass.context.leaf.positions;
        let d_qkv = Matrix::zeros(trace.qkv.rows(), width).updated(|d_qkv| {
            attention::backward(d_qkv, &saved, &pass.context.leaf.segments, &self.shape);
            rotate(d_qkv, width, rotated, (&self.rope, positions), Turn::Back);
        });
        let (Some(norms), Some((q, k, q_rms, k_rms))) = (&self.head_norms, &trace.raw_heads) else {
            return d_qkv;
        };
        let (q_columns, k_columns) = self.head_columns();
        let mut through = |d_qkv: Matrix, columns: Range<usize>, norm: &Norm, x, rms| {
            let dy = ops::copy_columns(&ops::Columns {
                matrix: &d_qkv,
                range: columns.clone(),
            });
            let dx = Matrix::zeros(dy.rows(), dy.cols());
            let dx = norm.backward(dx, &dy, (x, rms), pass);
            ops::zip_columns(d_qkv, columns, &dx, |_, d, _| d)
        };
        let d_qkv = through(d_qkv, q_columns, &norms.q, q, q_rms.as_slice());
        through(d_qkv, k_columns, &norms.k, k, k_rms.as_slice())
    }

    fn head_columns(&self) -> (Range<usize>, Range<usize>) {
        let q = self.shape.out_width();
        (0..q, q..q + self.shape.kv_heads * self.shape.head_dim)
    }
}

/// `x + result`, or `x + norm(result)` with what the norm's backward pass needs.
fn residual(
    x: &Matrix,
    result: Matrix,
    norm: Option<&Norm>,
    context: &Context<'_>,
) -> (Matrix, Option<(Matrix, Vec<f32>)>) {
    match norm {
        None => (ops::add(result, x), None),
        Some(norm) => {
            let (normed, rms) = norm.forward(&result, context);
            (ops::add(normed, x), Some((result, rms)))
        }
    }
}

/// The gradient of a sublayer's result, from that of the sum it went into.
fn through_residual_norm(
    dy: &Matrix,
    (norm, saved): (Option<&Norm>, Option<&(Matrix, Vec<f32>)>),
    pass: &mut BackwardPass<'_, '_>,
) -> Matrix {
    match (norm, saved) {
        (Some(norm), Some((x, rms))) => {
            let zeros = Matrix::zeros(dy.rows(), dy.cols());
            norm.backward(zeros, dy, (x, rms), pass)
        }
        _ => dy.clone(),
    }
}
