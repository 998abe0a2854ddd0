//! The output head with its loss, over hidden rows wherever they live.
//!
//! The full `[tokens, vocabulary]` logits never exist: both forms go a chunk of rows at a time.

use crate::adapter::layout::Gradients;
use crate::frozen::Frozen;
use crate::kernel::cross_entropy;
use crate::kernel::rounding::Rounding;
use crate::kernel::simd::{max, vectorized};
use crate::ops;
use crate::tensor::Matrix;
use crate::tensor::compose::head as compose;
use crate::tensor::indices::Indices;

/// A linear head `[vocabulary, width]`, with Gemma 2's optional soft cap on its logits.
pub(crate) struct Head {
    pub(crate) weight: Frozen,
    /// Its parameter index where it is trained.
    pub(crate) trained: Option<usize>,
    pub(crate) softcap: Option<f32>,
    /// Number format in which values enter products.
    pub(crate) rounding: Rounding,
}

/// Losses of some rows, summed when somebody asks: a device need not be waited for before.
pub(crate) enum Losses {
    Sum(f64),
    Rows(Box<Matrix>),
}

impl Losses {
    pub(crate) fn sum(self) -> f64 {
        match self {
            Self::Sum(sum) => sum,
            Self::Rows(rows) => rows.to_vec().into_iter().map(f64::from).sum(),
        }
    }
}

impl Head {
    /// Negative log-likelihood of each label, in nats.
    pub(crate) fn losses(&self, hidden: &Matrix, labels: &Indices) -> Vec<f32> {
        if !hidden.is_on_host() {
            return self.composed(|head| head.losses(hidden, labels)).to_vec();
        }
        let hidden = ops::rounded(hidden, self.rounding);
        self.on_host(|head| head.losses(&hidden.elements(), labels))
    }

    /// Losses, and the gradient of `scale` times their sum with respect to the hidden rows; adds
    /// that of the head's weight where it is trained.
    pub(crate) fn losses_and_gradient(
        &self,
        hidden: &Matrix,
        labels: &Indices,
        scale: f32,
        gradients: &mut Gradients<'_>,
    ) -> (Losses, Matrix) {
        if hidden.is_on_host() {
            return self.losses_and_gradient_on_host(hidden, labels, scale, gradients);
        }
        let trained = self.trained.is_some();
        let gradient =
            self.composed(|head| head.losses_and_gradient(hidden, labels, scale, trained));
        if let (Some(index), Some(d_weight)) = (self.trained, &gradient.d_weight) {
            gradients.add(index, d_weight);
        }
        (Losses::Rows(Box::new(gradient.losses)), gradient.d_hidden)
    }

    fn losses_and_gradient_on_host(
        &self,
        hidden: &Matrix,
        labels: &Indices,
        scale: f32,
        gradients: &mut Gradients<'_>,
    ) -> (Losses, Matrix) {
        let mut sum = 0.0;
        let d_hidden = Matrix::zeros(hidden.rows(), hidden.cols()).updated(|d_hidden| {
            let targets = cross_entropy::Gradients {
                d_hidden,
                d_weight: self.trained.map(|index| gradients.slot(index)),
            };
            let hidden = ops::rounded(hidden, self.rounding);
            let hidden = hidden.elements();
            sum = self.on_host(|head| head.loss_and_gradient(&hidden, labels, scale, targets));
        });
        (Losses::Sum(sum), d_hidden)
    }

    /// The likeliest token of each row; on the host, the first of equals.
    pub(crate) fn likeliest(&self, hidden: &Matrix) -> Vec<u32> {
        if !hidden.is_on_host() {
            return self.composed(|head| head.likeliest(hidden));
        }
        let vocabulary = self.weight.rows();
        let mut logits = vec![0.0; hidden.rows() * vocabulary];
        let hidden = ops::rounded(hidden, self.rounding);
        self.on_host(|head| head.logits(&mut logits, &hidden.elements()));
        logits.chunks_exact(vocabulary).map(largest_index).collect()
    }

    fn on_host<R>(&self, work: impl FnOnce(cross_entropy::Head<'_>) -> R) -> R {
        let borrowed = self.weight.borrow();
        work(cross_entropy::Head {
            weight: borrowed.weight(),
            rounding: self.rounding,
            softcap: self.softcap,
        })
    }

    fn composed<R>(&self, work: impl FnOnce(compose::Head<'_>) -> R) -> R {
        let values = || self.weight.values(0..self.weight.rows());
        let weight = self.weight.on_device().cloned().unwrap_or_else(values);
        work(compose::Head {
            weight: &weight,
            softcap: self.softcap,
        })
    }
}

fn largest_index(row: &[f32]) -> u32 {
    let largest = vectorized(
        #[inline(always)]
        || max(row),
    );
    row.iter().position(|&value| value >= largest).unwrap_or(0) as u32
}
