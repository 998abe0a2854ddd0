//! What the model asks of a device: products, norms, rotation, attention, gate, loss.
//!
//! Each operation takes and gives [`Matrix`] values; on the host it runs a [`crate::kernel`] on the
//! elements in place, on any other device a composition of tensor operations
//! ([`crate::tensor::compose`]). Backward passes are operations of their own: the model composes
//! them by hand, so that frozen weights never get a gradient and nothing is kept that is not
//! needed. All matrices of an operation live in one place.

#[cfg(test)]
mod agreement;
pub(crate) mod attention;
pub(crate) mod columns;
pub(crate) mod key_values;
pub(crate) mod rope;
pub(crate) mod rows;

use std::ops::Range;

use crate::kernel::matmul::{View, ViewMut, Write, matmul, product};
use crate::kernel::rounding::Rounding;
use crate::kernel::{gate, rms_norm};
use crate::tensor::Matrix;
use crate::tensor::compose;
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
    if !x.is_on_host() {
        return compose::product::linear(x, w);
    }
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
    if !y.is_on_host() {
        return compose::product::add_linear(y, columns, x, w, scale);
    }
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
    if !dx.is_on_host() {
        let dy = (dy.matrix, dy.range.clone());
        return compose::product::add_linear_input_gradient(dx, dy, w, scale);
    }
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
    if !x.is_on_host() {
        let dy = (dy.matrix, dy.range.clone());
        return compose::product::linear_weight_gradient(dy, x, scale);
    }
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

/// `x` with the values that it has in the number format in which it enters a product.
pub(crate) fn rounded(x: &Matrix, rounding: Rounding) -> Matrix {
    match rounding {
        Rounding::None => x.clone(),
        rounding if !x.is_on_host() => x.clone().in_halves(rounding).in_full(),
        rounding => x.clone().updated(|x| rounding.apply(x)),
    }
}

/// Norm of each row of width `w.cols()` (a matrix row may hold several, as heads do), and the
/// inverse roots that its backward pass needs, one a row of the norm.
pub(crate) fn rms_norm(x: &Matrix, w: &Matrix, eps: f32) -> (Matrix, Matrix) {
    if !x.is_on_host() {
        return compose::norm::forward(x, w, eps);
    }
    let (x_data, w) = (x.elements(), w.elements());
    let mut inverse_rms = Vec::new();
    let y = Matrix::zeros(x.rows(), x.cols())
        .updated(|y| inverse_rms = rms_norm::forward(y, &x_data, &w, eps));
    (y, Matrix::new(inverse_rms.len(), 1, inverse_rms))
}

/// The norm's output again, from its saved inverse roots.
pub(crate) fn rms_norm_replay(x: &Matrix, w: &Matrix, inverse_rms: &Matrix) -> Matrix {
    if !x.is_on_host() {
        return compose::norm::replay(x, w, inverse_rms);
    }
    let (x_data, w, inverse_rms) = (x.elements(), w.elements(), inverse_rms.elements());
    Matrix::zeros(x.rows(), x.cols()).updated(|y| rms_norm::replay(y, &x_data, &w, &inverse_rms))
}

/// `dx +=` the gradient that passes through the norm.
pub(crate) fn add_rms_norm_gradient(
    dx: Matrix,
    dy: &Matrix,
    x: &Matrix,
    w: &Matrix,
    inverse_rms: &Matrix,
) -> Matrix {
    if !dx.is_on_host() {
        return compose::norm::add_gradient(dx, dy, x, w, inverse_rms);
    }
    let (dy, x) = (dy.elements(), x.elements());
    let (w, inverse_rms) = (w.elements(), inverse_rms.elements());
    dx.updated(|dx| rms_norm::backward(dx, &dy, &x, &w, &inverse_rms))
}

/// Gradient of a norm's weight, as one row.
pub(crate) fn rms_norm_weight_gradient(dy: &Matrix, x: &Matrix, inverse_rms: &Matrix) -> Matrix {
    if !x.is_on_host() {
        return compose::norm::weight_gradient(dy, x, inverse_rms);
    }
    let inverse_rms = inverse_rms.elements();
    let width = x.rows() * x.cols() / inverse_rms.len();
    let dw = rms_norm::weight_gradient(&dy.elements(), &x.elements(), &inverse_rms, width);
    Matrix::new(1, width, dw)
}

/// `act(gate) * up` of rows `[gate | up]`.
pub(crate) fn gate(gate_up: &Matrix, activation: Activation) -> Matrix {
    if !gate_up.is_on_host() {
        return compose::gate::forward(gate_up, activation);
    }
    let width = gate_up.cols() / 2;
    let data = gate_up.elements();
    Matrix::zeros(gate_up.rows(), width).updated(|y| gate::forward(y, &data, width, activation))
}

/// Gradient of `[gate | up]`.
pub(crate) fn gate_gradient(dy: &Matrix, gate_up: &Matrix, activation: Activation) -> Matrix {
    if !gate_up.is_on_host() {
        return compose::gate::backward(dy, gate_up, activation);
    }
    let (dy_data, data) = (dy.elements(), gate_up.elements());
    Matrix::zeros(gate_up.rows(), gate_up.cols())
        .updated(|d| gate::backward(d, &dy_data, &data, dy.cols(), activation))
}
