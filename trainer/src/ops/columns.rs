//! Element by element, on some columns of a matrix.

use std::ops::Range;

use super::Columns;
use crate::tensor::Matrix;
use crate::tensor::compose;

/// A copy of some columns.
pub(crate) fn copy(columns: &Columns<'_>) -> Matrix {
    if !columns.matrix.is_on_host() {
        return compose::columns::copy(columns.matrix, columns.range.clone());
    }
    let data = columns.matrix.elements();
    let width = columns.matrix.cols();
    let copied = data
        .chunks_exact(width)
        .flat_map(|row| row[columns.range.clone()].iter().copied());
    Matrix::new(columns.matrix.rows(), columns.range.len(), copied.collect())
}

/// `y[:, columns] = x`.
pub(crate) fn set(y: Matrix, columns: Range<usize>, x: &Matrix) -> Matrix {
    if !y.is_on_host() {
        return compose::columns::set(y, columns, x);
    }
    zip(y, columns, x, |_, x, _| x)
}

/// `y[:, columns] = factor * x`, with one factor a column.
pub(crate) fn set_scaled(y: Matrix, columns: Range<usize>, x: &Matrix, factor: &Matrix) -> Matrix {
    if !y.is_on_host() {
        return compose::columns::set_scaled(y, columns, x, factor);
    }
    let factor = factor.elements();
    zip(y, columns, x, |_, x, j| factor[j] * x)
}

/// `y[:, columns] += factor * x`, with one factor a column.
pub(crate) fn add_scaled(y: Matrix, columns: Range<usize>, x: &Matrix, factor: &Matrix) -> Matrix {
    if !y.is_on_host() {
        return compose::columns::add_scaled(y, columns, x, factor);
    }
    let factor = factor.elements();
    zip(y, columns, x, |y, x, j| y + factor[j] * x)
}

/// `y[:, columns] -= x`.
pub(crate) fn subtract(y: Matrix, columns: Range<usize>, x: &Matrix) -> Matrix {
    if !y.is_on_host() {
        return compose::columns::subtract(y, columns, x);
    }
    zip(y, columns, x, |y, x, _| y - x)
}

/// `y[:, columns] = change(y[:, columns], x)`, element by element.
fn zip(
    y: Matrix,
    columns: Range<usize>,
    x: &Matrix,
    change: impl Fn(f32, f32, usize) -> f32,
) -> Matrix {
    let (width, x_data) = (y.cols(), x.elements());
    y.updated(|y| {
        for (y, x) in y
            .chunks_exact_mut(width)
            .zip(x_data.chunks_exact(columns.len()))
        {
            for (j, (y, &x)) in y[columns.clone()].iter_mut().zip(x).enumerate() {
                *y = change(*y, x, j);
            }
        }
    })
}

/// Adds a bias of one row to every row.
pub(crate) fn add_bias(y: Matrix, bias: &Matrix) -> Matrix {
    if !y.is_on_host() {
        return compose::columns::add(y, bias);
    }
    let bias = bias.elements();
    y.updated(|y| {
        for row in y.chunks_exact_mut(bias.len()) {
            row.iter_mut().zip(bias.iter()).for_each(|(y, b)| *y += b);
        }
    })
}

/// `a + b`.
pub(crate) fn add(a: Matrix, b: &Matrix) -> Matrix {
    if !a.is_on_host() {
        return compose::columns::add(a, b);
    }
    let b = b.elements();
    a.updated(|a| a.iter_mut().zip(b.iter()).for_each(|(a, b)| *a += b))
}

/// `factor * a`.
pub(crate) fn scale(a: Matrix, factor: f32) -> Matrix {
    if factor == 1.0 {
        return a;
    }
    if !a.is_on_host() {
        return compose::columns::scale(a, factor);
    }
    a.updated(|a| a.iter_mut().for_each(|a| *a *= factor))
}

/// `a + offset`.
pub(crate) fn shift(a: Matrix, offset: f32) -> Matrix {
    if offset == 0.0 {
        return a;
    }
    if !a.is_on_host() {
        return compose::columns::shift(a, offset);
    }
    a.updated(|a| a.iter_mut().for_each(|a| *a += offset))
}

/// `sum over rows of dy * u / norm`, as one row: the gradient of DoRA's magnitude, for which the
/// norm counts as a constant.
pub(crate) fn magnitude_gradient(dy: &Matrix, unscaled: &Matrix, norm: &Matrix) -> Matrix {
    if !dy.is_on_host() {
        return compose::columns::magnitude_gradient(dy, unscaled, norm);
    }
    let (dy, unscaled, norm) = (dy.elements(), unscaled.elements(), norm.elements());
    let mut gradient = vec![0.0; norm.len()];
    for (dy, u) in dy
        .chunks_exact(norm.len())
        .zip(unscaled.chunks_exact(norm.len()))
    {
        for ((g, dy), u) in gradient.iter_mut().zip(dy).zip(u) {
            *g += dy * u;
        }
    }
    gradient
        .iter_mut()
        .zip(norm.iter())
        .for_each(|(g, norm)| *g /= norm);
    Matrix::new(1, gradient.len(), gradient)
}
