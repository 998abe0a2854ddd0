//! A weight that is never trained, however it is held: its products in both directions, and its
//! values where somebody asks for them.
//!
//! Rules: nobody outside knows how the values are held; a product has the same bits for any number
//! of threads. Absent on purpose: a gradient of the weight.

use std::ops::Range;

use crate::kernel::matmul::{View, product};
use crate::kernel::transpose;
use crate::ops::{self, Columns};
use crate::tensor::device::Device;
use crate::tensor::indices::Indices;
use crate::tensor::{Elements, Matrix};

/// A frozen `[out, in]` weight, in the order of both passes where memory allows.
///
/// A product runs up to a third faster when it reads its weight along the rows: the backward pass
/// reads `weight`, the forward pass its transposed copy.
#[derive(Clone)]
pub(crate) struct Frozen {
    weight: Matrix,
    transposed: Option<Matrix>,
}

impl Frozen {
    /// A weight, with a transposed copy where `copy` says so.
    pub(crate) fn new(weight: Matrix, copy: bool) -> Self {
        let transposed = copy.then(|| {
            let (rows, cols) = (weight.rows(), weight.cols());
            let data = transpose::transposed(&weight.elements(), rows, cols);
            Matrix::new(cols, rows, data)
        });
        Self { weight, transposed }
    }

    /// The weight on `device`; only the host gains by a transposed copy.
    pub(crate) fn moved_to(self, device: &Device) -> Self {
        if device.is_host() {
            return self;
        }
        Self {
            weight: self.weight.moved_to(device),
            transposed: None,
        }
    }

    /// Where it lives.
    pub(crate) fn device(&self) -> &Device {
        self.weight.device()
    }

    pub(crate) fn rows(&self) -> usize {
        self.weight.rows()
    }

    pub(crate) fn cols(&self) -> usize {
        self.weight.cols()
    }

    /// `x w^T`; the same bits with and without the copy.
    pub(crate) fn linear(&self, x: &Matrix) -> Matrix {
        let Some(transposed) = &self.transposed else {
            return ops::linear(x, &self.weight);
        };
        let (x_data, w_data) = (x.elements(), transposed.elements());
        let weight = View::new(&w_data, transposed.rows(), transposed.cols());
        let y = product(View::new(&x_data, x.rows(), x.cols()), weight);
        Matrix::new(x.rows(), transposed.cols(), y)
    }

    /// `x w[rows]^T`.
    pub(crate) fn linear_rows(&self, x: &Matrix, rows: Range<usize>) -> Matrix {
        ops::linear(x, &self.weight.row_view(rows))
    }

    /// `dx += dy w`: the gradient that passes through [`Self::linear`].
    pub(crate) fn add_input_gradient(&self, dx: Matrix, dy: &Matrix) -> Matrix {
        ops::add_linear_input_gradient(dx, &Columns::all(dy), &self.weight, 1.0)
    }

    /// `dx += dy w[rows]`: the gradient that passes through [`Self::linear_rows`].
    pub(crate) fn add_rows_input_gradient(
        &self,
        dx: Matrix,
        dy: &Matrix,
        rows: Range<usize>,
    ) -> Matrix {
        ops::add_linear_input_gradient(dx, &Columns::all(dy), &self.weight.row_view(rows), 1.0)
    }

    /// The values of chosen rows, in the order of `indices`.
    pub(crate) fn gather_rows(&self, indices: &Indices) -> Matrix {
        ops::rows::gather(&self.weight, indices)
    }

    /// The values of some rows.
    pub(crate) fn values(&self, rows: Range<usize>) -> Matrix {
        self.weight.row_view(rows)
    }

    /// All values, for the head's kernel.
    pub(crate) fn elements(&self) -> Elements {
        self.weight.elements()
    }

    /// The transposed copy's elements, where there is one.
    pub(crate) fn transposed(&self) -> Option<Elements> {
        self.transposed.as_ref().map(Matrix::elements)
    }
}
