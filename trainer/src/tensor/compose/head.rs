//! Output head and cross-entropy together, a chunk of rows at a time.

use burn_tensor::{Int, Tensor};

use super::CHUNK_ELEMENTS;
use super::product::product;
use crate::tensor::Matrix;
use crate::tensor::indices::Indices;

/// A linear head `[vocabulary, width]` with an optional soft cap on its logits.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) weight: &'a Matrix,
    pub(crate) softcap: Option<f32>,
}

/// What one backward pass through the head gives.
pub(crate) struct Gradient {
    /// Loss of each row, `[rows, 1]`.
    pub(crate) losses: Matrix,
    /// With respect to the hidden rows.
    pub(crate) d_hidden: Matrix,
    /// With respect to the head's weight, where it was asked for.
    pub(crate) d_weight: Option<Matrix>,
}

/// Logits of a chunk of rows, and what the losses of their labels are.
struct Chunk {
    logits: Tensor<2>,
    /// `[rows, 1]`.
    labels: Tensor<2, Int>,
    /// `[rows, 1]`.
    lse: Tensor<2>,
}

impl Head<'_> {
    /// The number of the largest logit of each row.
    pub(crate) fn likeliest(&self, hidden: &Matrix) -> Vec<u32> {
        let largest = self.capped_logits(hidden.tensor.clone()).argmax(1);
        largest.into_data().iter::<u32>().collect()
    }

    /// Negative log-likelihood of each label, `[rows, 1]`.
    pub(crate) fn losses(&self, hidden: &Matrix, labels: &Indices) -> Matrix {
        let chunks = self.chunks(hidden).map(|(start, rows)| {
            let chunk = self.chunk(hidden, labels, (start, rows));
            chunk.losses()
        });
        hidden.beside(Tensor::cat(chunks.collect(), 0))
    }

    /// Losses, and the gradient of `scale` times their sum.
    pub(crate) fn losses_and_gradient(
        &self,
        hidden: &Matrix,
        labels: &Indices,
        scale: f32,
        wants_d_weight: bool,
    ) -> Gradient {
        let (mut losses, mut d_hidden, mut d_weight) = (Vec::new(), Vec::new(), None);
        for (start, rows) in self.chunks(hidden) {
            let chunk = self.chunk(hidden, labels, (start, rows));
            losses.push(chunk.losses());
            let d_logits = chunk.gradient(scale, self.softcap);
            d_hidden.push(product(d_logits.clone(), self.weight.tensor.clone()));
            if wants_d_weight {
                let hidden = hidden.tensor.clone().narrow(0, start, rows);
                let share = d_logits.transpose().matmul(hidden);
                d_weight = Some(match d_weight {
                    None => share,
                    Some(sum) => sum + share,
                });
            }
        }
        Gradient {
            losses: hidden.beside(Tensor::cat(losses, 0)),
            d_hidden: hidden.beside(Tensor::cat(d_hidden, 0)),
            d_weight: d_weight.map(|sum| hidden.beside(sum)),
        }
    }

    /// First row and number of rows of each chunk.
    fn chunks(&self, hidden: &Matrix) -> impl Iterator<Item = (usize, usize)> {
        let (rows, at_once) = (hidden.rows, (CHUNK_ELEMENTS / self.weight.rows).max(1));
        (0..rows)
            .step_by(at_once)
            .map(move |start| (start, at_once.min(rows - start)))
    }

    fn chunk(&self, hidden: &Matrix, labels: &Indices, (start, rows): (usize, usize)) -> Chunk {
        let labels = labels.on_device_of(hidden).narrow(0, start, rows);
        let logits = self.capped_logits(hidden.tensor.clone().narrow(0, start, rows));
        let largest = logits.clone().max_dim(1);
        let sum = (logits.clone() - largest.clone()).exp().sum_dim(1);
        Chunk {
            logits,
            labels: labels.reshape([rows, 1]),
            lse: largest + sum.log(),
        }
    }

    fn capped_logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        let logits = product(hidden, self.weight.tensor.clone().transpose());
        match self.softcap {
            None => logits,
            Some(cap) => logits.div_scalar(cap).tanh().mul_scalar(cap),
        }
    }
}

impl Chunk {
    fn losses(&self) -> Tensor<2> {
        let chosen = self.logits.clone().gather(1, self.labels.clone());
        self.lse.clone() - chosen
    }

    /// Gradient of `scale` times the sum of the losses, with respect to the product before its cap.
    fn gradient(self, scale: f32, softcap: Option<f32>) -> Tensor<2> {
        let [_, vocabulary] = self.logits.dims();
        let numbers = Tensor::<1, Int>::arange(0..vocabulary as i64, &self.logits.device());
        let chosen = numbers.reshape([1, vocabulary]).equal(self.labels).float();
        let probability = (self.logits.clone() - self.lse).exp();
        let gradient = (probability - chosen).mul_scalar(scale);
        match softcap {
            None => gradient,
            Some(cap) => {
                let bend = self.logits.div_scalar(cap).square();
                gradient * bend.neg().add_scalar(1.0)
            }
        }
    }
}
