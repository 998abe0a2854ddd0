//! Transposition, tile by tile so that both sides stay in cache.

/// Side of a tile.
const TILE: usize = 32;

/// The `[cols, rows]` transposed of a `[rows, cols]` matrix.
pub(crate) fn transposed(matrix: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    assert_eq!(matrix.len(), rows * cols, "elements of a matrix");
    let mut result = vec![0.0; matrix.len()];
    for top in (0..rows).step_by(TILE) {
        for left in (0..cols).step_by(TILE) {
            for row in top..(top + TILE).min(rows) {
                for col in left..(left + TILE).min(cols) {
                    result[col * rows + row] = matrix[row * cols + col];
                }
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_changes_places() {
        let (rows, cols) = (45, 70);
        let matrix: Vec<f32> = (0..rows * cols).map(|i| i as f32).collect();
        let result = transposed(&matrix, rows, cols);
        for row in 0..rows {
            for col in 0..cols {
                assert_eq!(result[col * rows + row], matrix[row * cols + col]);
            }
        }
    }
}
