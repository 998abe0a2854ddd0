//! Products with a weight and their gradients.

use std::ops::Range;

use super::columns::{change, part};
use crate::tensor::Matrix;

/// `x w^T`.
pub(crate) fn linear(x: &Matrix, w: &Matrix) -> Matrix {
    x.beside(x.tensor.clone().matmul(w.tensor.clone().transpose()))
}

/// `y[:, columns] += scale * x w^T`.
pub(crate) fn add_linear(
    y: Matrix,
    columns: Range<usize>,
    x: &Matrix,
    w: &Matrix,
    scale: f32,
) -> Matrix {
    let product = linear(x, w).tensor.mul_scalar(scale);
    change(y, columns, |y| y + product)
}

/// `dx += scale * dy[:, columns] w`.
pub(crate) fn add_linear_input_gradient(
    dx: Matrix,
    (dy, columns): (&Matrix, Range<usize>),
    w: &Matrix,
    scale: f32,
) -> Matrix {
    let product = part(dy, columns).matmul(w.tensor.clone());
    dx.map(|dx| dx + product.mul_scalar(scale))
}

/// `scale * dy[:, columns]^T x`.
pub(crate) fn linear_weight_gradient(
    (dy, columns): (&Matrix, Range<usize>),
    x: &Matrix,
    scale: f32,
) -> Matrix {
    let product = part(dy, columns).transpose().matmul(x.tensor.clone());
    x.beside(product.mul_scalar(scale))
}
