//! The whole model over one leaf: embedding, blocks, final norm, head and loss.

use super::block::{Block, Norm, Trace};
use super::projection::{BackwardPass, Context, Projection};
use crate::adapter::factors::{Adapter, row_norms};
use crate::adapter::layout::{Gradients, Layout};
use crate::frozen::Frozen;
use crate::kernel::cross_entropy::{self, Head};
use crate::ops;
use crate::tensor::Matrix;

/// Tensor name of the embedding.
pub(crate) const EMBEDDING: &str = "model.embed_tokens.weight";
/// Tensor name of the output head.
pub(crate) const HEAD: &str = "lm_head.weight";

/// The frozen base.
pub(crate) struct Network {
    /// `[vocabulary, hidden]`.
    pub(crate) embedding: Frozen,
    /// Embeddings are multiplied by this.
    pub(crate) embedding_scale: f32,
    pub(crate) blocks: Vec<Block>,
    pub(crate) norm: Norm,
    /// `[vocabulary, hidden]`; the embedding's own table where the two are tied.
    pub(crate) head: Frozen,
    pub(crate) logit_softcap: Option<f32>,
}

/// How a training pass over a leaf is done.
#[derive(Clone, Copy)]
pub(crate) struct LeafPass {
    /// The loss is multiplied by this before differentiation: one over the step's trained tokens.
    pub(crate) scale: f32,
    /// Keeps only each block's input and computes the block again in the backward pass.
    pub(crate) checkpointing: bool,
}

/// What of a block waits for the backward pass.
enum Kept {
    Trace(Box<Trace>),
    Input(Box<Matrix>),
}

impl Network {
    /// Sum of the losses of the leaf's labels; adds the gradient of `scale` times that sum.
    pub(crate) fn leaf_gradient(
        &self,
        context: &Context<'_>,
        pass: LeafPass,
        gradients: &mut Gradients<'_>,
    ) -> f64 {
        if context.leaf.labels.is_empty() {
            return 0.0;
        }
        let mut x = self.embed(context);
        let mut kept = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            if pass.checkpointing {
                kept.push(Kept::Input(Box::new(x.clone())));
            }
            let (y, trace) = block.forward(x, context);
            if !pass.checkpointing {
                kept.push(Kept::Trace(Box::new(trace)));
            }
            x = y;
        }
        let (loss, dx) = self.head_gradient(&x, context, pass.scale, gradients);
        drop(x);
        self.blocks_backward(dx, kept, context, gradients);
        loss
    }

    /// Loss of each label, in the leaf's order.
    pub(crate) fn losses(&self, context: &Context<'_>) -> Vec<f32> {
        let mut x = self.embed(context);
        for block in &self.blocks {
            x = block.forward(x, context).0;
        }
        let hidden = ops::gather_rows(&x, &context.leaf.predicting);
        let (hidden, _) = self.norm.forward(&hidden, context);
        let frozen = self.head_weight(context).0;
        let (weight, transposed) = (frozen.elements(), frozen.transposed());
        self.head(&weight, transposed.as_deref())
            .losses(&hidden.elements(), &context.leaf.labels)
    }

    /// The adapter over this base, cut out of its masters.
    pub(crate) fn adapter<'a>(&self, layout: &'a Layout, masters: &[f32]) -> Adapter<'a> {
        Adapter::new(layout, masters, |module, factors| {
            let name = &layout.modules[module].name;
            let found = self
                .projections()
                .find_map(|projection| projection.part(name));
            found.map_or_else(Vec::new, |(weight, part)| row_norms(&weight, part, factors))
        })
    }

    fn projections(&self) -> impl Iterator<Item = &Projection> {
        self.blocks
            .iter()
            .flat_map(|b| [&b.qkv, &b.output, &b.gate_up, &b.down])
    }

    /// Embedded tokens.
    pub(crate) fn embed(&self, context: &Context<'_>) -> Matrix {
        let trained = context.adapter.and_then(|adapter| adapter.saved(EMBEDDING));
        let rows: Vec<usize> = context
            .leaf
            .tokens
            .iter()
            .map(|&token| token as usize)
            .collect();
        let x = match trained {
            Some((_, table)) => ops::gather_rows(table, &rows),
            None => self.embedding.gather_rows(&rows),
        };
        if self.embedding_scale == 1.0 {
            return x;
        }
        x.updated(|x| x.iter_mut().for_each(|x| *x *= self.embedding_scale))
    }

    /// The head's weight in force, and its parameter index where it is trained.
    pub(crate) fn head_weight(&self, context: &Context<'_>) -> (Frozen, Option<usize>) {
        // As in PEFT, a trained embedding leaves the head on the base's own table.
        match context.adapter.and_then(|adapter| adapter.saved(HEAD)) {
            Some((index, value)) => (Frozen::new(value.clone(), false), Some(index)),
            None => (self.head.clone(), None),
        }
    }

    /// The head over borrowed elements of its weight and of the transposed copy.
    pub(crate) fn head<'a>(&self, weight: &'a [f32], transposed: Option<&'a [f32]>) -> Head<'a> {
        let (vocabulary, width) = (self.embedding.rows(), self.embedding.cols());
        let softcap = self.logit_softcap;
        Head {
            weight,
            transposed,
            vocabulary,
            width,
            softcap,
        }
    }

    /// Loss, and the gradient with respect to the last block's output.
    fn head_gradient(
        &self,
        x: &Matrix,
        context: &Context<'_>,
        scale: f32,
        gradients: &mut Gradients<'_>,
    ) -> (f64, Matrix) {
        let rows = &context.leaf.predicting;
        let gathered = ops::gather_rows(x, rows);
        let (hidden, rms) = self.norm.forward(&gathered, context);
        let (frozen, trained) = self.head_weight(context);
        let (weight, transposed) = (frozen.elements(), frozen.transposed());
        let hidden = hidden.elements();
        let mut loss = 0.0;
        let d_hidden = Matrix::zeros(rows.len(), x.cols()).updated(|d_hidden| {
            let targets = cross_entropy::Gradients {
                d_hidden,
                d_weight: trained.map(|index| gradients.slot(index)),
            };
            let labels = &context.leaf.labels;
            loss = self
                .head(&weight, transposed.as_deref())
                .loss_and_gradient(&hidden, labels, scale, targets);
        });
        let zeros = Matrix::zeros(rows.len(), x.cols());
        let input = (&gathered, rms.as_slice());
        let mut pass = BackwardPass { context, gradients };
        let d_rows = self.norm.backward(zeros, &d_hidden, input, &mut pass);
        (loss, ops::scatter_rows(&d_rows, rows, x.rows()))
    }

    fn blocks_backward(
        &self,
        dx: Matrix,
        kept: Vec<Kept>,
        context: &Context<'_>,
        gradients: &mut Gradients<'_>,
    ) {
        let embedding = context.adapter.and_then(|adapter| adapter.saved(EMBEDDING));
        let mut pass = BackwardPass { context, gradients };
        let mut dx = dx;
        for (index, (block, kept)) in self.blocks.iter().zip(kept).enumerate().rev() {
            let trace = match kept {
                Kept::Trace(trace) => *trace,
                Kept::Input(x) => block.forward(*x, context).1,
            };
            let wants_dx = index > 0 || embedding.is_some();
            match block.backward(dx, trace, &mut pass, wants_dx) {
                Some(next) => dx = next,
                None => return,
            }
        }
        if let Some((parameter, _)) = embedding {
            self.embedding_gradient(&dx, parameter, &mut pass);
        }
    }

    fn embedding_gradient(&self, dx: &Matrix, parameter: usize, pass: &mut BackwardPass<'_, '_>) {
        let (dx, width) = (dx.elements(), self.embedding.cols());
        let slot = pass.gradients.slot(parameter);
        for (row, &token) in dx.chunks_exact(width).zip(&pass.context.leaf.tokens) {
            let target = &mut slot[token as usize * width..(token as usize + 1) * width];
            target
                .iter_mut()
                .zip(row)
                .for_each(|(t, g)| *t += g * self.embedding_scale);
        }
    }
}
