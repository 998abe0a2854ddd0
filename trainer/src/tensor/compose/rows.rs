//! Rows chosen by number, and elements dropped by key.

use burn_tensor::{IndexingUpdateOp, Tensor};

use crate::kernel::dropout;
use crate::tensor::Matrix;
use crate::tensor::indices::Indices;

/// Chosen rows, in the order of `indices`.
pub(crate) fn gather(x: &Matrix, indices: &Indices) -> Matrix {
    let chosen = x.tensor.clone().select(0, indices.on_device_of(x));
    x.beside(chosen).in_full()
}

/// A matrix of `rows` rows, nought but for the sums of those rows of `x` that `indices` sends
/// to the same place.
pub(crate) fn scatter(x: &Matrix, indices: &Indices, rows: usize) -> Matrix {
    let zeros = Tensor::zeros([rows, x.cols], &x.tensor.device());
    let numbers = indices.on_device_of(x);
    x.beside(zeros.select_assign(0, numbers, x.tensor.clone(), IndexingUpdateOp::Add))
}

/// Dropout of each row by its key. Where there is no kernel of ours the mask comes from the host.
pub(crate) fn dropout(x: &Matrix, keys: &[u64], p: f64) -> Matrix {
    #[cfg(feature = "gpu")]
    {
        let draw = crate::cube::dropout::Draw::new(x.cols, p);
        if let Some(y) = crate::tensor::own::dropout(&x.tensor, keys, draw) {
            return x.beside(y);
        }
    }
    let ones = vec![1.0; x.rows * x.cols];
    let mut mask = vec![0.0; ones.len()];
    dropout::apply(&mut mask, &ones, keys, p);
    let mask = Matrix::new(x.rows, x.cols, mask).moved_to(&x.device);
    x.beside(x.tensor.clone() * mask.tensor)
}
