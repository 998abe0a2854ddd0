//! Products with a weight and their gradients.
//!
//! A weight in halves takes the other operand in halves, too, which is what matrix units are fast
//! at; the result comes back in 32 bits.

use std::ops::Range;

use burn_tensor::{DType, FloatDType, Tensor};

use super::columns::{change, part};
use crate::tensor::Matrix;

/// `x w` in the format of `w`, given in 32 bits.
pub(super) fn product(x: Tensor<2>, w: Tensor<2>) -> Tensor<2> {
    let format = match w.dtype() {
        DType::F16 => FloatDType::F16,
        DType::BF16 => FloatDType::BF16,
        _ => return x.matmul(w),
    };
    x.cast(format).matmul(w).cast(FloatDType::F32)
}

/// `x w^T`.
pub(crate) fn linear(x: &Matrix, w: &Matrix) -> Matrix {
    x.beside(product(x.tensor.clone(), w.tensor.clone().transpose()))
}

/// `y[:, columns] += scale * x w^T`.
pub(crate) fn add_linear(
    y: Matrix,
    columns: Range<usize>,
    x: &Matrix,
    w: &Matrix,
    scale: f32,
) -> Matrix {
    let share = linear(x, w).tensor.mul_scalar(scale);
    change(y, columns, |y| y + share)
}

/// `dx += scale * dy[:, columns] w`.
pub(crate) fn add_linear_input_gradient(
    dx: Matrix,
    (dy, columns): (&Matrix, Range<usize>),
    w: &Matrix,
    scale: f32,
) -> Matrix {
    let share = product(part(dy, columns), w.tensor.clone());
    dx.map(|dx| dx + share.mul_scalar(scale))
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
