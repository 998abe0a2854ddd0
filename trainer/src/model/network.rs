//! The whole model over one leaf: embedding, blocks, final norm, head and loss.

use super::batch::Leaf;
use super::block::{Block, Norm, Trace};
use super::head::{Head, Losses};
use super::projection::{BackwardPass, Context, Projection};
use crate::adapter::factors::{Adapter, row_norms};
use crate::adapter::layout::{Gradients, Layout};
use crate::frozen::Frozen;
use crate::kernel::rounding::Rounding;
use crate::ops;
use crate::tensor::Matrix;
use crate::tensor::device::Device;

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
    /// The head is the embedding's own table, in the same memory.
    pub(crate) is_tied: bool,
    /// Number format in which values enter products.
    pub(crate) rounding: Rounding,
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
        let (losses, dx) = self.head_gradient(&x, context, pass.scale, gradients);
        drop(x);
        self.blocks_backward(dx, kept, context, gradients);
        losses.sum()
    }

    /// Loss of each label, in the leaf's order.
    pub(crate) fn losses(&self, context: &Context<'_>) -> Vec<f32> {
        if context.leaf.labels.is_empty() {
            return Vec::new();
        }
        let mut x = self.embed(context);
        for block in &self.blocks {
            x = block.forward(x, context).0;
        }
        let hidden = ops::rows::gather(&x, &context.leaf.predicting);
        let (hidden, _) = self.norm.forward(&hidden, context);
        self.head(context).losses(&hidden, &context.leaf.labels)
    }

    /// The adapter over this base, cut out of its masters.
    pub(crate) fn adapter<'a>(&self, layout: &'a Layout, masters: &[f32]) -> Adapter<'a> {
        let place = (self.device(), self.rounding);
        Adapter::new(layout, masters, place, |module, factors| {
            let name = &layout.modules[module].name;
            let found = self
                .projections()
                .find_map(|projection| projection.part(name));
            match found {
                Some((weight, part)) => row_norms(&weight, part, factors),
                // A layout is made from the model's own layers.
                None => unreachable!("{name} is no layer of the model"),
            }
        })
    }

    /// Memory that the frozen matrices take as they are held.
    pub(crate) fn frozen_bytes(&self) -> u64 {
        let layers: u64 = self.projections().map(|p| p.frozen.bytes()).sum();
        let head = if self.is_tied { 0 } else { self.head.bytes() };
        layers + self.embedding.bytes() + head
    }

    fn projections(&self) -> impl Iterator<Item = &Projection> {
        self.blocks
            .iter()
            .flat_map(|b| [&b.qkv, &b.output, &b.gate_up, &b.down])
    }

    /// Where the network lives, and every row that passes through it.
    pub(crate) fn device(&self) -> &Device {
        self.embedding.device()
    }

    /// Embedded tokens.
    pub(crate) fn embed(&self, context: &Context<'_>) -> Matrix {
        let trained = context.adapter.and_then(|adapter| adapter.saved(EMBEDDING));
        let x = match trained {
            Some((_, table)) => ops::rows::gather(table, &context.leaf.tokens),
            None => self.embedding.gather_rows(&context.leaf.tokens),
        };
        ops::columns::scale(x, self.embedding_scale)
    }

    /// The head in force.
    pub(crate) fn head(&self, context: &Context<'_>) -> Head {
        // As in PEFT, a trained embedding leaves the head on the base's own table.
        let trained = context.adapter.and_then(|adapter| adapter.saved(HEAD));
        Head {
            weight: match trained {
                Some((_, value)) => Frozen::plain(value.clone(), false),
                None => self.head.clone(),
            },
            trained: trained.map(|(index, _)| index),
            softcap: self.logit_softcap,
            rounding: self.rounding,
        }
    }

    /// Loss, and the gradient with respect to the last block's output.
    fn head_gradient(
        &self,
        x: &Matrix,
        context: &Context<'_>,
        scale: f32,
        gradients: &mut Gradients<'_>,
    ) -> (Losses, Matrix) {
        let Leaf {
            predicting, labels, ..
        } = context.leaf;
        let gathered = ops::rows::gather(x, predicting);
        let (hidden, rms) = self.norm.forward(&gathered, context);
        let head = self.head(context);
        let (losses, d_hidden) = head.losses_and_gradient(&hidden, labels, scale, gradients);
        let zeros = x.zeros_beside(predicting.len(), x.cols());
        let mut pass = BackwardPass { context, gradients };
        let d_rows = self
            .norm
            .backward(zeros, &d_hidden, (&gathered, &rms), &mut pass);
        (losses, ops::rows::scatter(&d_rows, predicting, x.rows()))
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
            self.embedding_gradient(dx, parameter, &mut pass);
        }
    }

    fn embedding_gradient(&self, dx: Matrix, parameter: usize, pass: &mut BackwardPass<'_, '_>) {
        let (tokens, scale) = (&pass.context.leaf.tokens, self.embedding_scale);
        if dx.is_on_host() {
            let slot = pass.gradients.slot(parameter);
            return ops::rows::add_rows(slot, &dx, tokens, scale);
        }
        let dx = ops::columns::scale(dx, scale);
        let table = ops::rows::scatter(&dx, tokens, self.embedding.rows());
        pass.gradients.add(parameter, &table);
    }
}
