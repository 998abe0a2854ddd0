//! The one room that knows burn: a matrix on a device, and how its elements are reached.
//!
//! Rules: burn's names appear here and nowhere else in the crate, so that an upgrade of burn
//! touches this file. Data is `f32`, row-major and contiguous. On the `flex` backend reading and
//! updating elements copies nothing.

use std::ops::{Deref, Range};

use burn_flex::{Flex, FlexTensor};
use burn_tensor::{Tensor, TensorData};

/// A `[rows, cols]` matrix. Cloning shares the elements; updating a shared one copies it first.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    tensor: Tensor<2>,
    rows: usize,
    cols: usize,
}

impl Matrix {
    /// Wraps `data`, which holds `rows * cols` elements.
    pub(crate) fn new(rows: usize, cols: usize, data: Vec<f32>) -> Self {
        assert_eq!(rows * cols, data.len(), "elements of a matrix");
        let primitive = FlexTensor::from_data(TensorData::new(data, [rows, cols]));
        Self {
            tensor: Tensor::from_primitive::<Flex>(primitive),
            rows,
            cols,
        }
    }

    /// A matrix of noughts.
    pub(crate) fn zeros(rows: usize, cols: usize) -> Self {
        Self::new(rows, cols, vec![0.0; rows * cols])
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    /// The elements, to read.
    pub(crate) fn elements(&self) -> Elements {
        Elements {
            primitive: primitive(self.tensor.clone()),
        }
    }

    /// Changes the elements, in place where nobody else holds them.
    pub(crate) fn updated(self, change: impl FnOnce(&mut [f32])) -> Self {
        let mut held = primitive(self.tensor);
        if held.layout().num_elements() * size_of::<f32>() != held.bytes().len() {
            held = held.to_contiguous();
        }
        change(held.storage_mut());
        Self {
            tensor: Tensor::from_primitive::<Flex>(held),
            rows: self.rows,
            cols: self.cols,
        }
    }

    /// Some rows, sharing the elements.
    pub(crate) fn row_view(&self, rows: Range<usize>) -> Self {
        let tensor = self.tensor.clone().narrow(0, rows.start, rows.len());
        Self {
            tensor,
            rows: rows.len(),
            cols: self.cols,
        }
    }
}

/// Borrowed elements of a [`Matrix`].
pub(crate) struct Elements {
    primitive: FlexTensor,
}

impl Deref for Elements {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        let all: &[f32] = self.primitive.storage();
        match self.primitive.layout().contiguous_offsets() {
            Some((start, end)) => &all[start..end],
            None => unreachable!("a matrix with gaps between its rows"),
        }
    }
}

/// The backend's own tensor; every matrix here was made from one, so this cannot fail.
fn primitive(tensor: Tensor<2>) -> FlexTensor {
    match tensor.try_into_primitive::<Flex>() {
        Ok(primitive) => primitive,
        Err(error) => unreachable!("a matrix of another backend: {error:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updating_a_shared_matrix_leaves_the_other_holder_alone() {
        let first = Matrix::new(2, 2, vec![1.0, 2.0, 3.0, 4.0]);
        let second = first.clone().updated(|data| data[0] = 9.0);
        assert_eq!(first.elements()[0], 1.0);
        assert_eq!(second.elements()[0], 9.0);
    }

    #[test]
    fn a_view_of_rows_shares_them_until_it_is_updated() {
        let whole = Matrix::new(3, 2, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let view = whole.row_view(1..3);
        assert_eq!(view.elements().as_ptr(), &raw const whole.elements()[2]);
        let changed = view.updated(|data| data[0] = 9.0);
        assert_eq!(*changed.elements(), [9.0, 4.0, 5.0, 6.0]);
        assert_eq!(*whole.elements(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn updating_an_unshared_matrix_moves_nothing() {
        let matrix = Matrix::zeros(4, 4);
        let before = matrix.elements().as_ptr();
        let after = matrix.updated(|data| data[3] = 1.0).elements().as_ptr();
        assert_eq!(before, after);
    }
}
