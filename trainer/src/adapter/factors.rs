//! The adapter's values in the form that a step computes with.
//!
//! Masters are one flat `f32` buffer; after each update the factors are cut out of it anew, so a
//! step's threads share them without locks.

use super::layout::{Kind, Layout, Parameter};
use crate::kernel::rounding::Rounding;
use crate::model::network::HEAD;
use crate::model::projection::Part;
use crate::ops;
use crate::tensor::Matrix;
use crate::tensor::device::Device;

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
    /// `[1, out]`.
    pub(crate) factor: Matrix,
    /// `[1, out]`.
    pub(crate) norm: Matrix,
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
    /// Cuts the factors out of the masters, for work on `device` in the number format of its
    /// products. `norms(module, factors)` gives `|W + s B A|` by row and is asked for DoRA layers
    /// only.
    pub(crate) fn new(
        layout: &'a Layout,
        masters: &[f32],
        (device, rounding): (&Device, Rounding),
        norms: impl Fn(usize, &Factors) -> Matrix,
    ) -> Self {
        let matrices = matrices(layout, masters, device);
        let factors = layout.modules.iter().enumerate().map(|(index, module)| {
            let mut factors = Factors {
                a: ops::rounded(&matrices[module.a], rounding),
                b: ops::rounded(&matrices[module.a + 1], rounding),
                scale: module.scale,
                dora: None,
            };
            if module.dora {
                let norm = norms(index, &factors);
                let factor = ops::rows::quotient(&matrices[module.a + 2], &norm);
                factors.dora = Some(RowScale { factor, norm });
            }
            factors
        });
        let factors = factors.collect();
        let saved = layout.parameters.iter().zip(matrices);
        let saved = saved.map(|(p, matrix)| match p.kind {
            // Of all that is trained in full, products read the head alone.
            Kind::Saved if p.name == HEAD => Some(ops::rounded(&matrix, rounding)),
            Kind::Saved => Some(matrix),
            _ => None,
        });
        let saved = saved.collect();
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

/// One matrix a parameter; another device gets all of them in one go.
fn matrices(layout: &Layout, masters: &[f32], device: &Device) -> Vec<Matrix> {
    let on_device = (!device.is_host())
        .then(|| Matrix::new(1, masters.len(), masters.to_vec()).moved_to(device));
    let matrix = |parameter: &Parameter| {
        let (rows, cols) = parameter.shape;
        match &on_device {
            None => Matrix::new(rows, cols, masters[parameter.range()].to_vec()),
            Some(all) => all.cut(parameter.range(), (rows, cols)),
        }
    };
    layout.parameters.iter().map(matrix).collect()
}

/// `|W + s B A|` row by row.
pub(crate) fn row_norms(weight: &Matrix, part: &Part, factors: &Factors) -> Matrix {
    let squares = part
        .row_squares
        .get_or_init(|| ops::rows::row_squares(weight));
    let Factors { a, b, scale, .. } = factors;
    ops::rows::branch_row_norms(weight, squares, (a, b), *scale)
}
