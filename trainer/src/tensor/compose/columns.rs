//! Element by element, on some columns of a matrix.

use std::ops::Range;

use burn_tensor::Tensor;

use crate::tensor::Matrix;

/// Some columns.
pub(super) fn part(matrix: &Matrix, columns: Range<usize>) -> Tensor<2> {
    if columns == (0..matrix.cols) {
        return matrix.tensor.clone();
    }
    let tensor = matrix.tensor.clone();
    tensor.narrow(1, columns.start, columns.len())
}

/// `y[:, columns] = f(y[:, columns])`.
pub(super) fn change(
    y: Matrix,
    columns: Range<usize>,
    f: impl FnOnce(Tensor<2>) -> Tensor<2>,
) -> Matrix {
    if columns == (0..y.cols) {
        return y.map(f);
    }
    let changed = f(part(&y, columns.clone()));
    let rows = 0..y.rows;
    y.map(|y| y.slice_assign([rows, columns], changed))
}

/// A copy of some columns.
pub(crate) fn copy(matrix: &Matrix, columns: Range<usize>) -> Matrix {
    matrix.beside(part(matrix, columns))
}

/// `y[:, columns] = x`.
pub(crate) fn set(y: Matrix, columns: Range<usize>, x: &Matrix) -> Matrix {
    let (rows, x) = (0..y.rows, x.tensor.clone());
    y.map(|y| y.slice_assign([rows, columns], x))
}

/// `y[:, columns] = factor * x`, with one factor a column.
pub(crate) fn set_scaled(y: Matrix, columns: Range<usize>, x: &Matrix, factor: &Matrix) -> Matrix {
    let scaled = x.beside(x.tensor.clone() * factor.tensor.clone());
    set(y, columns, &scaled)
}

/// `y[:, columns] += factor * x`, with one factor a column.
pub(crate) fn add_scaled(y: Matrix, columns: Range<usize>, x: &Matrix, factor: &Matrix) -> Matrix {
    let scaled = x.tensor.clone() * factor.tensor.clone();
    change(y, columns, |y| y + scaled)
}

/// `y[:, columns] -= x`.
pub(crate) fn subtract(y: Matrix, columns: Range<usize>, x: &Matrix) -> Matrix {
    let x = x.tensor.clone();
    change(y, columns, |y| y - x)
}

/// `a + b`; a `b` of one row is added to every row.
pub(crate) fn add(a: Matrix, b: &Matrix) -> Matrix {
    let b = b.tensor.clone();
    a.map(|a| a + b)
}

/// `factor * a`.
pub(crate) fn scale(a: Matrix, factor: f32) -> Matrix {
    a.map(|a| a.mul_scalar(factor))
}

/// `a + offset`.
pub(crate) fn shift(a: Matrix, offset: f32) -> Matrix {
    a.map(|a| a.add_scalar(offset))
}

/// `a / b`, element by element.
pub(crate) fn quotient(a: &Matrix, b: &Matrix) -> Matrix {
    a.beside(a.tensor.clone() / b.tensor.clone())
}

/// `sum over rows of dy * u`, divided by `norm`, a column each.
pub(crate) fn magnitude_gradient(dy: &Matrix, unscaled: &Matrix, norm: &Matrix) -> Matrix {
    let sum = (dy.tensor.clone() * unscaled.tensor.clone()).sum_dim(0);
    dy.beside(sum / norm.tensor.clone())
}
