//! Rows chosen by number, rows dropped by key, and norms of rows.

use crate::kernel::{dropout, rms_norm};
use crate::tensor::Matrix;
use crate::tensor::compose;
use crate::tensor::indices::Indices;

/// Dropout of each row by its key; its own backward pass.
pub(crate) fn dropout(x: &Matrix, keys: &[u64], p: f64) -> Matrix {
    if !x.is_on_host() {
        return compose::rows::dropout(x, keys, p);
    }
    let data = x.elements();
    Matrix::zeros(x.rows(), x.cols()).updated(|y| dropout::apply(y, &data, keys, p))
}

/// Chosen rows, in the order of `indices`.
pub(crate) fn gather(x: &Matrix, indices: &Indices) -> Matrix {
    if !x.is_on_host() {
        return compose::rows::gather(x, indices);
    }
    let (data, width) = (x.elements(), x.cols());
    let rows = indices
        .iter()
        .flat_map(|&i| data[i * width..(i + 1) * width].iter().copied());
    Matrix::new(indices.len(), width, rows.collect())
}

/// A matrix of `rows` rows, nought but for `x` at `indices`, of which no two are equal.
pub(crate) fn scatter(x: &Matrix, indices: &Indices, rows: usize) -> Matrix {
    if !x.is_on_host() {
        return compose::rows::scatter(x, indices, rows);
    }
    let (data, width) = (x.elements(), x.cols());
    Matrix::zeros(rows, width).updated(|y| {
        for (source, &i) in data.chunks_exact(width).zip(indices.iter()) {
            y[i * width..(i + 1) * width].copy_from_slice(source);
        }
    })
}

/// Adds `scale` times each row of `x` to the row of `table` that `indices` names: how the gradient
/// of gathered rows comes home. On the host alone, in place; a device scatters and adds.
pub(crate) fn add_rows(table: &mut [f32], x: &Matrix, indices: &Indices, scale: f32) {
    let (data, width) = (x.elements(), x.cols());
    for (row, &i) in data.chunks_exact(width).zip(indices.iter()) {
        let target = &mut table[i * width..(i + 1) * width];
        target
            .iter_mut()
            .zip(row)
            .for_each(|(t, g)| *t += g * scale);
    }
}

/// Sum of squares of each row, as one row.
pub(crate) fn row_squares(x: &Matrix) -> Matrix {
    if !x.is_on_host() {
        return compose::norm::row_squares(x);
    }
    let squares = rms_norm::row_squares(&x.elements(), x.cols());
    Matrix::new(1, squares.len(), squares)
}

/// `|W + s B A|` row by row, as one row, without forming the product: with `C = W A^T` and
/// `G = A A^T`, `|w_i|^2 + 2 s b_i . c_i + s^2 b_i G b_i`.
pub(crate) fn branch_row_norms(
    weight: &Matrix,
    squares: &Matrix,
    (a, b): (&Matrix, &Matrix),
    scale: f32,
) -> Matrix {
    if !weight.is_on_host() {
        return compose::norm::branch_row_norms(weight, squares, (a, b), scale);
    }
    let projected = super::linear(weight, a).elements().to_vec();
    let gram = super::linear(a, a).elements().to_vec();
    let (squares, b, rank, s) = (squares.elements(), b.elements(), a.rows(), f64::from(scale));
    let rows = squares
        .iter()
        .zip(projected.chunks_exact(rank))
        .zip(b.chunks_exact(rank));
    let norms = rows.map(|((&square, c), b)| {
        let mut total = f64::from(square);
        for (i, &bi) in b.iter().enumerate() {
            let row: f64 = (0..rank)
                .map(|j| f64::from(gram[i * rank + j]) * f64::from(b[j]))
                .sum();
            total += f64::from(bi) * (2.0 * s * f64::from(c[i]) + s * s * row);
        }
        total.max(0.0).sqrt() as f32
    });
    Matrix::new(1, squares.len(), norms.collect())
}

/// `magnitude / norm`, element by element.
pub(crate) fn quotient(magnitude: &Matrix, norm: &Matrix) -> Matrix {
    if !norm.is_on_host() {
        return compose::columns::quotient(magnitude, norm);
    }
    let (m, n) = (magnitude.elements(), norm.elements());
    let factors = m.iter().zip(n.iter()).map(|(m, n)| m / n).collect();
    Matrix::new(norm.rows(), norm.cols(), factors)
}
