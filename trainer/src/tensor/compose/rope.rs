//! Rotary position embedding.

use burn_tensor::Tensor;

use crate::tensor::Matrix;
use crate::tensor::indices::Indices;

/// Rotates the first `heads` heads of each row by the angles of its position; `sign` is -1 for the
/// way back. `cos` and `sin` hold a row a position, half a head wide.
pub(crate) fn rotate(
    x: Matrix,
    heads: usize,
    (cos, sin): (&Matrix, &Matrix),
    positions: &Indices,
    sign: f32,
) -> Matrix {
    let (rows, cols, half) = (x.rows, x.cols, cos.cols);
    let rotated = 2 * half * heads;
    let positions = positions.on_device_of(&x);
    let angle = |table: &Matrix| {
        let chosen = table.tensor.clone().select(0, positions.clone());
        chosen.reshape([rows, 1, half])
    };
    let (cos, sin) = (angle(cos), angle(sin).mul_scalar(sign));
    x.map(|x| {
        let turning = x.clone().narrow(1, 0, rotated);
        let turning = turning.reshape([rows, heads, 2 * half]);
        let (low, high) = (
            turning.clone().narrow(2, 0, half),
            turning.narrow(2, half, half),
        );
        let turned_low = low.clone() * cos.clone() - high.clone() * sin.clone();
        let turned_high = high * cos + low * sin;
        let turned = Tensor::cat(vec![turned_low, turned_high], 2).reshape([rows, rotated]);
        if rotated == cols {
            return turned;
        }
        Tensor::cat(vec![turned, x.narrow(1, rotated, cols - rotated)], 1)
    })
}
