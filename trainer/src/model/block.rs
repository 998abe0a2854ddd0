//! One transformer block: attention, gated feed-forward, their norms and residual sums.
//!
//! The forward pass leaves a [`Trace`] of what its backward pass cannot cheaply compute again;
//! norms and the gated activation are replayed from it.

use std::ops::Range;
use std::sync::Arc;

use super::projection::{self, BackwardPass, Context, Projection};
use crate::kernel::attention::AttentionShape;
use crate::kernel::rope::Turn;
use crate::ops::attention::Saved;
use crate::ops::rope::Rope;
use crate::ops::{self, Columns};
use crate::tensor::Matrix;
use schliff_weights::config::Activation;

/// The weight of a norm, as it is multiplied (Gemma's `1 + w` is already added).
pub(crate) struct Norm {
    /// Full tensor name, by which a trained copy is found.
    pub(crate) name: String,
    /// `[1, width]`.
    pub(crate) weight: Matrix,
    pub(crate) eps: f32,
    /// Added to a trained copy's values before use: 1 for Gemma, else 0.
    pub(crate) offset: f32,
}

impl Norm {
    /// The weight in force, and its parameter index where it is trained.
    pub(crate) fn weight(&self, context: &Context<'_>) -> (Matrix, Option<usize>) {
        match context
            .adapter
            .and_then(|adapter| adapter.saved(&self.name))
        {
            None => (self.weight.clone(), None),
            Some((index, value)) => (ops::columns::shift(value.clone(), self.offset), Some(index)),
        }
    }

    pub(crate) fn forward(&self, x: &Matrix, context: &Context<'_>) -> (Matrix, Matrix) {
        ops::rms_norm(x, &self.weight(context).0, self.eps)
    }

    fn replay(&self, x: &Matrix, inverse_rms: &Matrix, context: &Context<'_>) -> Matrix {
        ops::rms_norm_replay(x, &self.weight(context).0, inverse_rms)
    }

    /// `dx +=` the gradient through the norm; the weight's own where it is trained.
    pub(crate) fn backward(
        &self,
        dx: Matrix,
        dy: &Matrix,
        (x, inverse_rms): (&Matrix, &Matrix),
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
    pub(crate) rope: Arc<Rope>,
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
    attention_rms: Matrix,
    qkv_branches: projection::Trace,
    raw_heads: Option<RawHeads>,
    qkv: Matrix,
    attended: Matrix,
    lse: Matrix,
    output_branches: projection::Trace,
    after_attention: Option<(Matrix, Matrix)>,
    middle: Matrix,
    feed_forward_rms: Matrix,
    gate_up_branches: projection::Trace,
    gate_up: Matrix,
    down_branches: projection::Trace,
    after_feed_forward: Option<(Matrix, Matrix)>,
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
    rms: Matrix,
    branches: projection::Trace,
    raw: Option<RawHeads>,
}

/// q and k before their head norms, with the inverse roots of each.
struct RawHeads {
    q: (Matrix, Matrix),
    k: (Matrix, Matrix),
}

impl Block {
    /// Norm, projection, head norms and rotation.
    pub(crate) fn heads(&self, x: &Matrix, context: &Context<'_>) -> Heads {
        let (normed, rms) = self.attention_norm.forward(x, context);
        let (mut qkv, branches) = self.qkv.forward(&normed, context);
        let mut raw = None;
        if let Some(norms) = &self.head_norms {
            let (q_columns, k_columns) = self.head_columns();
            let through = |qkv: Matrix, columns: Range<usize>, norm: &Norm| {
                let heads = copy(&qkv, columns.clone());
                let (normed, rms) = norm.forward(&heads, context);
                (ops::columns::set(qkv, columns, &normed), (heads, rms))
            };
            let (q, k);
            (qkv, q) = through(qkv, q_columns, &norms.q);
            (qkv, k) = through(qkv, k_columns, &norms.k);
            raw = Some(RawHeads { q, k });
        }
        let positions = &context.leaf.positions;
        let qkv = self
            .rope
            .rotate(qkv, self.rotated(), positions, Turn::Forward);
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
        let (attended, lse) =
            ops::attention::forward(&heads.qkv, &context.leaf.segments, &self.shape);
        self.finish((x, heads, lse), attended, context)
    }

    /// Everything after attention.
    pub(crate) fn finish(
        &self,
        (x, heads, lse): (Matrix, Heads, Matrix),
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
        let input = (&trace.x, &trace.attention_rms);
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
        let input = (&trace.middle, &trace.feed_forward_rms);
        self.feed_forward_norm.backward(dy, &d_normed, input, pass)
    }

    fn attention_backward(
        &self,
        d_attended: &Matrix,
        trace: &Trace,
        pass: &mut BackwardPass<'_, '_>,
    ) -> Matrix {
        let saved = Saved {
            qkv: &trace.qkv,
            out: &trace.attended,
            lse: &trace.lse,
            d_out: d_attended,
        };
        let leaf = pass.context.leaf;
        let d_qkv = ops::attention::backward(saved, &leaf.segments, &self.shape);
        let positions = &leaf.positions;
        let d_qkv = self
            .rope
            .rotate(d_qkv, self.rotated(), positions, Turn::Back);
        let (Some(norms), Some(RawHeads { q, k })) = (&self.head_norms, &trace.raw_heads) else {
            return d_qkv;
        };
        let (q_columns, k_columns) = self.head_columns();
        let mut through =
            |d_qkv: Matrix, columns: Range<usize>, norm: &Norm, raw: &(Matrix, Matrix)| {
                let dy = copy(&d_qkv, columns.clone());
                let dx = dy.zeros_beside(dy.rows(), dy.cols());
                let dx = norm.backward(dx, &dy, (&raw.0, &raw.1), pass);
                ops::columns::set(d_qkv, columns, &dx)
            };
        let d_qkv = through(d_qkv, q_columns, &norms.q, q);
        through(d_qkv, k_columns, &norms.k, k)
    }

    /// Heads that rotate: all of q and k.
    fn rotated(&self) -> usize {
        self.shape.heads + self.shape.kv_heads
    }

    fn head_columns(&self) -> (Range<usize>, Range<usize>) {
        let q = self.shape.out_width();
        (0..q, q..q + self.shape.kv_heads * self.shape.head_dim)
    }
}

fn copy(matrix: &Matrix, range: Range<usize>) -> Matrix {
    ops::columns::copy(&Columns { matrix, range })
}

/// `x + result`, or `x + norm(result)` with what the norm's backward pass needs.
fn residual(
    x: &Matrix,
    result: Matrix,
    norm: Option<&Norm>,
    context: &Context<'_>,
) -> (Matrix, Option<(Matrix, Matrix)>) {
    match norm {
        None => (ops::columns::add(result, x), None),
        Some(norm) => {
            let (normed, rms) = norm.forward(&result, context);
            (ops::columns::add(normed, x), Some((result, rms)))
        }
    }
}

/// The gradient of a sublayer's result, from that of the sum it went into.
fn through_residual_norm(
    dy: &Matrix,
    (norm, saved): (Option<&Norm>, Option<&(Matrix, Matrix)>),
    pass: &mut BackwardPass<'_, '_>,
) -> Matrix {
    match (norm, saved) {
        (Some(norm), Some((x, rms))) => {
            let zeros = dy.zeros_beside(dy.rows(), dy.cols());
            norm.backward(zeros, dy, (x, rms), pass)
        }
        _ => dy.clone(),
    }
}
