//! The adapter's values in the form that a step computes with.
//!
//! Masters are one flat `f32` buffer; after each update the factors are cut out of it anew, so a
//! step's threads share them without locks.

use super::layout::{Kind, Layout};
use crate::kernel::rms_norm::row_squares;
use crate::model::projection::Part;
use crate::ops;
use crate::tensor::Matrix;

/// Factors of one adapted layer.
#[derive(Clone)]
pub(crate) struct Factors {
    /// `[rank, in]`.
    pub(crate) a: Matrix,
    /// `[out, rank]`.
    pub(crate) b: Matrix,
    /// Factor of the branch.
    pub(crate) scale: f32,
    /// DoRA's row factors.
    pub(crate) dora: Option<RowScale>,
}

/// DoRA's `magnitude / |W + s B A|`, row by row; the norm counts as a constant (Liu et al. 2024,
/// section 4.3).
#[derive(Clone)]
pub(crate) struct RowScale {
    pub(crate) factor: Vec<f32>,
    pub(crate) norm: Vec<f32>,
}

/// Everything trained, ready for use.
#[derive(Clone)]
pub(crate) struct Adapter<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) factors: Vec<Factors>,
    /// Values of tensors trained in full, by parameter index.
    saved: Vec<Option<Matrix>>,
}

impl<'a> Adapter<'a> {
    /// Cuts the factors out of the masters. `norms(module, a, b)` gives `|W + s B A|` by row and
    /// is asked for DoRA layers only.
    pub(crate) fn new(
        layout: &'a Layout,
        masters: &[f32],
        norms: impl Fn(usize, &Factors) -> Vec<f32>,
    ) -> Self {
        let matrix = |index: usize| {
            let parameter = &layout.parameters[index];
            let (rows, cols) = parameter.shape;
            Matrix::new(rows, cols, masters[parameter.range()].to_vec())
        };
        let factors = layout.modules.iter().enumerate().map(|(index, module)| {
            let (a, b) = (matrix(module.a), matrix(module.a + 1));
            let mut factors = Factors {
                a,
                b,
                scale: module.scale,
                dora: None,
            };
            if module.dora {
                let norm = norms(index, &factors);
                let magnitude = &masters[layout.parameters[module.a + 2].range()];
                let factor = magnitude.iter().zip(&norm).map(|(m, n)| m / n).collect();
                factors.dora = Some(RowScale { factor, norm });
            }
            factors
        });
        let factors = factors.collect();
        let saved = layout.parameters.iter().enumerate();
        let saved = saved
            .map(|(i, p)| (p.kind == Kind::Saved).then(|| matrix(i)))
            .collect();
        Self {
            layout,
            factors,
            saved,
        }
    }

    /// Value of a tensor trained in full, with its parameter index.
    pub(crate) fn saved(&self, name: &str) -> Option<(usize, &Matrix)> {
        let index = self.layout.saved(name)?;
        self.saved[index].as_ref().map(|value| (index, value))
    }
}

/// `|W + s B A|` row by row, without forming the product: with `C = W A^T` and `G = A A^T`,
/// `|w_i|^2 + 2 s b_i . c_i + s^2 b_i G b_i`.
pub(crate) fn row_norms(weight: &Matrix, part: &Part, factors: &Factors) -> Vec<f32> {
    let Factors { a, b, scale, .. } = factors;
    let projected = ops::linear(weight, a).elements().to_vec();
    let gram = ops::linear(a, a).elements().to_vec();
    let squares = part
        .row_squares
        .get_or_init(|| row_squares(&weight.elements(), weight.cols()));
    let (rank, s) = (a.rows(), f64::from(*scale));
    let b = b.elements();
    let rows = squares
        .iter()
        .zip(projected.chunks_exact(rank))
        .zip(b.chunks_exact(rank));
    rows.map(|((&square, c), b)| {
        let mut total = f64::from(square);
        for (i, &bi) in b.iter().enumerate() {
            let row: f64 = (0..rank)
                .map(|j| f64::from(gram[i * rank + j]) * f64::from(b[j]))
                .sum();
            total += f64::from(bi) * (2.0 * s * f64::from(c[i]) + s * s * row);
        }
        total.max(0.0).sqrt() as f32
    })
    .collect()
}
