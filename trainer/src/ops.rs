//! What the model asks of a device: products, norms, rotation, attention, gate, loss.
//!
//! Each operation takes and gives [`Matrix`] values; on `flex` it runs a [`crate::kernel`] on the
//! elements in place. Backward passes are operations of their own: the model composes them by
//! hand, so that frozen weights never get a gradient and nothing is kept that is not needed.

use std::ops::Range;

use crate::kernel::matmul::{View, ViewMut, Write, matmul, product};
use crate::kernel::{dropout, gate, rms_norm};
use crate::tensor::Matrix;
use schliff_weights::config::Activation;

/// Some columns of a matrix.
#[derive(Clone)]
pub(crate) struct Columns<'a> {
    pub(crate) matrix: &'a Matrix,
    pub(crate) range: Range<usize>,
}

impl<'a> Columns<'a> {
    pub(crate) fn all(matrix: &'a Matrix) -> Self {
        Self {
            matrix,
            range: 0..matrix.cols(),
        }
    }
}

/// `x w^T` for `w` of `[out, in]`.
pub(crate) fn linear(x: &Matrix, w: &Matrix) -> Matrix {
    let (x_data, w_data) = (x.elements(), w.elements());
    let weight = View::new(&w_data, w.rows(), w.cols()).transposed();
    let y = product(View::new(&x_data, x.rows(), x.cols()), weight);
    Matrix::new(x.rows(), w.rows(), y)
}

/// `y[:, columns] += scale * x w^T`.
pub(crate) fn add_linear(
    y: Matrix,
    columns: Range<usize>,
    x: &Matrix,
    w: &Matrix,
    scale: f32,
) -> Matrix {
    let (rows, width) = (y.rows(), y.cols());
    let (x_data, w_data) = (x.elements(), w.elements());
    y.updated(|y| {
        matmul(
            ViewMut::strided(&mut y[columns.start..], rows, columns.len(), width),
            Write::Add,
            scale,
            View::new(&x_data, rows, x.cols()),
            View::new(&w_data, w.rows(), w.cols()).transposed(),
        );
    })
}

/// `dx += scale * dy w`: the gradient that passes through `x w^T`.
pub(crate) fn add_linear_input_gradient(
    dx: Matrix,
    dy: &Columns<'_>,
    w: &Matrix,
    scale: f32,
) -> Matrix {
    let (dy_data, w_data) = (dy.matrix.elements(), w.elements());
    let (rows, width) = (dx.rows(), dx.cols());
    dx.updated(|dx| {
        let view = View::strided(
            &dy_data[dy.range.start..],
            rows,
            dy.range.len(),
            dy.matrix.cols(),
        );
        let target = ViewMut::new(dx, rows, width);
        matmul(
            target,
            Write::Add,
            scale,
            view,
            View::new(&w_data, w.rows(), w.cols()),
        );
    })
}

/// `scale * dy^T x`: the gradient of `w` in `x w^T`.
pub(crate) fn linear_weight_gradient(dy: &Columns<'_>, x: &Matrix, scale: f32) -> Matrix {
    let (dy_data, x_data) = (dy.matrix.elements(), x.elements());
    let rows = x.rows();
    Matrix::zeros(dy.range.len(), x.cols()).updated(|dw| {
        let view = View::strided(
            &dy_data[dy.range.start..],
            rows,
            dy.range.len(),
            dy.matrix.cols(),
        );
        let target = ViewMut::new(dw, dy.range.len(), x.cols());
        matmul(
            target,
            Write::Replace,
            scale,
            view.transposed(),
            View::new(&x_data, rows, x.cols()),
        );
    })
}

/// A copy of some columns.
pub(crate) fn copy_columns(columns: &Columns<'_>) -> Matrix {
    let data = columns.matrix.elements();
    let width = columns.matrix.cols();
    let copied = data
        .chunks_exact(width)
        .flat_map(|row| row[columns.range.clone()].iter().copied());
    Matrix::new(columns.matrix.rows(), columns.range.len(), copied.collect())
}

/// `y[:, columns] = change(y[:, columns], x)`, element by element.
pub(crate) fn zip_columns(
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

/// Adds `bias` to every row.
pub(crate) fn add_bias(y: Matrix, bias: &[f32]) -> Matrix {
    y.updated(|y| {
        for row in y.chunks_exact_mut(bias.len()) {
            row.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
        }
    })
}

/// `a + b`.
pub(crate) fn add(a: Matrix, b: &Matrix) -> Matrix {
    let b = b.elements();
    a.updated(|a| a.iter_mut().zip(b.iter()).for_each(|(a, b)| *a += b))
}

/// Norm of each row of width `w.len()` (a matrix row may hold several, as heads do), and the
/// inverse roots that its backward pass needs.
pub(crate) fn rms_norm(x: &Matrix, w: &[f32], eps: f32) -> (Matrix, Vec<f32>) {
    let x_data = x.elements();
    let mut inverse_rms = Vec::new();
    let y = Matrix::zeros(x.rows(), x.cols())
        .updated(|y| inverse_rms = rms_norm::forward(y, &x_data, w, eps));
    (y, inverse_rms)
}

/// The norm's output again, from its saved inverse roots.
pub(crate) fn rms_norm_replay(x: &Matrix, w: &[f32], inverse_rms: &[f32]) -> Matrix {
    let x_data = x.elements();
    Matrix::zeros(x.rows(), x.cols()).updated(|y| rms_norm::replay(y, &x_data, w, inverse_rms))
}

/// `dx +=` the gradient that passes through the norm.
pub(crate) fn add_rms_norm_gradient(
    dx: Matrix,
    dy: &Matrix,
    x: &Matrix,
    w: &[f32],
    inverse_rms: &[f32],
) -> Matrix {
    let (dy, x) = (dy.elements(), x.elements());
    dx.updated(|dx| rms_norm::backward(dx, &dy, &x, w, inverse_rms))
}

/// Gradient of a norm's weight.
pub(crate) fn rms_norm_weight_gradient(dy: &Matrix, x: &Matrix, inverse_rms: &[f32]) -> Vec<f32> {
    let width = x.rows() * x.cols() / inverse_rms.len();
    rms_norm::weight_gradient(&dy.elements(), &x.elements(), inverse_rms, width)
}

/// `act(gate) * up` of rows `[gate | up]`.
pub(crate) fn gate(gate_up: &Matrix, activation: Activation) -> Matrix {
    let width = gate_up.cols() / 2;
    let data = gate_up.elements();
    Matrix::zeros(gate_up.rows(), width).updated(|y| gate::forward(y, &data, width, activation))
}

/// Gradient of `[gate | up]`.
pub(crate) fn gate_gradient(dy: &Matrix, gate_up: &Matrix, activation: Activation) -> Matrix {
    let (dy_data, data) = (dy.elements(), gate_up.elements());
    Matrix::zeros(gate_up.rows(), gate_up.cols())
        .updated(|d| gate::backward(d, &dy_data, &data, dy.cols(), activation))
}

/// Dropout of each row by its key; its own backward pass.
pub(crate) fn dropout(x: &Matrix, keys: &[u64], p: f64) -> Matrix {
    let data = x.elements();
    Matrix::zeros(x.rows(), x.cols()).updated(|y| dropout::apply(y, &data, keys, p))
}

/// Chosen rows, in the order of `indices`.
pub(crate) fn gather_rows(x: &Matrix, indices: &[usize]) -> Matrix {
    let (data, width) = (x.elements(), x.cols());
    let rows = indices
        .iter()
        .flat_map(|&i| data[i * width..(i + 1) * width].iter().copied());
    Matrix::new(indices.len(), width, rows.collect())
}

/// A matrix of `rows` rows, nought but for `x` at `indices`.
pub(crate) fn scatter_rows(x: &Matrix, indices: &[usize], rows: usize) -> Matrix {
    let (data, width) = (x.elements(), x.cols());
    Matrix::zeros(rows, width).updated(|y| {
        for (source, &i) in data.chunks_exact(width).zip(indices) {
            y[i * width..(i + 1) * width].copy_from_slice(source);
        }
    })
}
