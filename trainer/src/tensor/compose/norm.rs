//! Root-mean-square norm, and the row norms of DoRA.
//!
//! A matrix row may hold several rows of the norm's width, as heads do.

use burn_tensor::Tensor;

use crate::tensor::Matrix;

/// The rows that the norm sees.
fn narrow_rows(x: &Matrix, width: usize) -> Tensor<2> {
    x.tensor.clone().reshape([x.rows * x.cols / width, width])
}

/// `x / rms(x) * w`, and `1 / rms(x)` of every row.
pub(crate) fn forward(x: &Matrix, w: &Matrix, eps: f32) -> (Matrix, Matrix) {
    let rows = narrow_rows(x, w.cols);
    let mean_square = rows.square().mean_dim(1);
    let inverse_rms = x.beside(mean_square.add_scalar(eps).sqrt().recip());
    (replay(x, w, &inverse_rms), inverse_rms)
}

/// The forward pass again, from the saved `1 / rms(x)`.
pub(crate) fn replay(x: &Matrix, w: &Matrix, inverse_rms: &Matrix) -> Matrix {
    let normed = narrow_rows(x, w.cols) * inverse_rms.tensor.clone() * w.tensor.clone();
    x.beside(normed.reshape([x.rows, x.cols]))
}

/// `dx +=` the gradient that passes through the norm.
pub(crate) fn add_gradient(
    dx: Matrix,
    dy: &Matrix,
    x: &Matrix,
    w: &Matrix,
    inverse_rms: &Matrix,
) -> Matrix {
    let (rows, root) = (narrow_rows(x, w.cols), inverse_rms.tensor.clone());
    let pulled = narrow_rows(dy, w.cols) * w.tensor.clone();
    let mean = (pulled.clone() * rows.clone()).mean_dim(1);
    let cube = root.clone() * root.clone() * root.clone();
    let gradient = root * pulled - rows * (cube * mean);
    let shape = [dx.rows, dx.cols];
    dx.map(|dx| dx + gradient.reshape(shape))
}

/// Gradient with respect to `w`, summed over the rows.
pub(crate) fn weight_gradient(dy: &Matrix, x: &Matrix, inverse_rms: &Matrix) -> Matrix {
    let width = x.rows * x.cols / inverse_rms.rows;
    let normed = narrow_rows(x, width) * inverse_rms.tensor.clone();
    x.beside((narrow_rows(dy, width) * normed).sum_dim(0))
}

/// Sum of squares of each row, as one row.
pub(crate) fn row_squares(x: &Matrix) -> Matrix {
    x.beside(x.tensor.clone().square().sum_dim(1).transpose())
}

/// `|W + s B A|` of each row, as one row, from the squares of `W`'s rows.
pub(crate) fn branch_row_norms(
    weight: &Matrix,
    squares: &Matrix,
    (a, b): (&Matrix, &Matrix),
    scale: f32,
) -> Matrix {
    let (a, b) = (a.tensor.clone(), b.tensor.clone());
    let projected = weight.tensor.clone().matmul(a.clone().transpose());
    let gram = a.clone().matmul(a.transpose());
    let inner =
        projected.mul_scalar(2.0 * scale) + b.clone().matmul(gram).mul_scalar(scale * scale);
    let added = (b * inner).sum_dim(1).transpose();
    let total = squares.tensor.clone() + added;
    weight.beside(total.clamp_min(0.0).sqrt())
}
