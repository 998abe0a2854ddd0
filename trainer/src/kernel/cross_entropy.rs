//! Output head and cross-entropy together, a chunk of rows at a time.
//!
//! The full `[tokens, vocabulary]` logits never exist: a chunk's logits become its gradient in
//! place and are used up at once. Rows without a label are not the caller's to pass in.

use super::matmul::{View, ViewMut, Write, matmul};
use super::rounding::Rounding;
use super::simd::{exp, max, sum, tanh, vectorized};
use super::weight::Weight;

/// Rows whose logits exist at one time.
const CHUNK: usize = 128;

/// A linear head `[vocabulary, width]`, with Gemma 2's optional soft cap on its logits.
pub(crate) struct Head<'a> {
    pub(crate) weight: Weight<'a>,
    /// Format of what enters a product; hidden rows come rounded.
    pub(crate) rounding: Rounding,
    pub(crate) softcap: Option<f32>,
}

/// Where [`Head::loss_and_gradient`] leaves its gradients.
pub(crate) struct Gradients<'a> {
    /// Receives the gradient with respect to the hidden rows.
    pub(crate) d_hidden: &'a mut [f32],
    /// Receives, by addition, that of the head's weight where it is trained.
    pub(crate) d_weight: Option<&'a mut [f32]>,
}

impl Head<'_> {
    /// Logits of hidden rows `[rows, width]`, into `[rows, vocabulary]`.
    pub(crate) fn logits(&self, logits: &mut [f32], hidden: &[f32]) {
        let (vocabulary, width) = (self.weight.rows(), self.weight.cols());
        let rows = hidden.len() / width;
        let target = ViewMut::new(logits, rows, vocabulary);
        self.weight
            .linear_into(target, View::new(hidden, rows, width));
        if let Some(cap) = self.softcap {
            vectorized(
                #[inline(always)]
                || logits.iter_mut().for_each(|z| *z = cap * tanh(*z / cap)),
            );
        }
    }

    /// Negative log-likelihood of each label, in nats.
    pub(crate) fn losses(&self, hidden: &[f32], labels: &[usize]) -> Vec<f32> {
        let (vocabulary, width) = (self.weight.rows(), self.weight.cols());
        let mut losses = Vec::with_capacity(labels.len());
        let mut logits = vec![0.0; CHUNK.min(labels.len()) * vocabulary];
        for (hidden, labels) in hidden.chunks(CHUNK * width).zip(labels.chunks(CHUNK)) {
            let logits = &mut logits[..labels.len() * vocabulary];
            self.logits(logits, hidden);
            let rows = logits.chunks_exact(vocabulary).zip(labels);
            vectorized(
                #[inline(always)]
                || {
                    losses.extend(rows.map(|(row, &label)| log_sum_exp(row) - row[label]));
                },
            );
        }
        losses
    }

    /// Sum of the losses, and the gradient of `scale` times that sum.
    pub(crate) fn loss_and_gradient(
        &self,
        hidden: &[f32],
        labels: &[usize],
        scale: f32,
        mut gradients: Gradients<'_>,
    ) -> f64 {
        let (vocabulary, width) = (self.weight.rows(), self.weight.cols());
        let mut total = 0.0;
        let mut logits = vec![0.0; CHUNK.min(labels.len()) * vocabulary];
        let chunks = gradients.d_hidden.chunks_mut(CHUNK * width);
        for ((hidden, labels), d_hidden) in hidden
            .chunks(CHUNK * width)
            .zip(labels.chunks(CHUNK))
            .zip(chunks)
        {
            let rows = labels.len();
            let logits = &mut logits[..rows * vocabulary];
            self.logits(logits, hidden);
            total += self.differentiate(logits, labels, scale);
            self.rounding.apply(logits);
            let d_logits = View::new(logits, rows, vocabulary);
            let target = ViewMut::new(d_hidden, rows, width);
            self.weight.input_gradient(target, Write::Replace, d_logits);
            if let Some(d_weight) = gradients.d_weight.as_deref_mut() {
                let target = ViewMut::new(d_weight, vocabulary, width);
                let hidden = View::new(hidden, rows, width);
                matmul(target, Write::Add, 1.0, d_logits.transposed(), hidden);
            }
        }
        total
    }

    /// Turns logits into the gradient of `scale * loss`; returns the sum of the losses.
    fn differentiate(&self, logits: &mut [f32], labels: &[usize], scale: f32) -> f64 {
        vectorized(
            #[inline(always)]
            || {
                let mut total = 0.0;
                for (row, &label) in logits.chunks_exact_mut(self.weight.rows()).zip(labels) {
                    let lse = log_sum_exp(row);
                    let label_logit = row[label];
                    total += f64::from(lse - label_logit);
                    match self.softcap {
                        None => row.iter_mut().for_each(|z| *z = scale * exp(*z - lse)),
                        Some(cap) => row.iter_mut().for_each(|z| {
                            *z = scale * exp(*z - lse) * (1.0 - (*z / cap) * (*z / cap));
                        }),
                    }
                    let slope = self
                        .softcap
                        .map_or(1.0, |cap| 1.0 - (label_logit / cap).powi(2));
                    row[label] -= scale * slope;
                }
                total
            },
        )
    }
}

/// `ln(sum(exp(row)))`, shifted by the largest element.
#[inline(always)]
fn log_sum_exp(row: &[f32]) -> f32 {
    let largest = max(row);
    largest + sum(row.len(), |i| exp(row[i] - largest)).ln()
}
