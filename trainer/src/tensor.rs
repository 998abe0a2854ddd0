//! The one room that knows burn: a matrix on a device, and how its elements are reached.
//!
//! Rules: burn's names appear in this module and below it and nowhere else in the crate, so that
//! an upgrade of burn touches one room. Data is row-major, contiguous and `f32`, but for weights that a device holds in
//! halves. On the host
//! reading and updating elements copies nothing; elements of another device are fetched where
//! somebody says so, and never by accident.

pub(crate) mod compose;
#[cfg(feature = "cuda")]
mod cuda;
pub(crate) mod device;
pub(crate) mod failed;
#[cfg(feature = "wgpu")]
mod graphics;
pub(crate) mod indices;
#[cfg(feature = "gpu")]
mod own;
#[cfg(feature = "gpu")]
mod runtime;

use std::ops::{Deref, Range};

use burn_flex::{Flex, FlexTensor};
use burn_tensor::{DType, FloatDType, Tensor, TensorData};

use crate::kernel::rounding::Rounding;
use device::Device;

/// A `[rows, cols]` matrix. Cloning shares the elements; updating a shared one copies it first.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    tensor: Tensor<2>,
    rows: usize,
    cols: usize,
    device: Device,
}

impl Matrix {
    /// Wraps `data`, which holds `rows * cols` elements, on the host.
    pub(crate) fn new(rows: usize, cols: usize, data: Vec<f32>) -> Self {
        assert_eq!(rows * cols, data.len(), "elements of a matrix");
        let primitive = FlexTensor::from_data(TensorData::new(data, [rows, cols]));
        Self {
            tensor: Tensor::from_primitive::<Flex>(primitive),
            rows,
            cols,
            device: Device::host(),
        }
    }

    /// A matrix of noughts on the host.
    pub(crate) fn zeros(rows: usize, cols: usize) -> Self {
        Self::new(rows, cols, vec![0.0; rows * cols])
    }

    /// A matrix of noughts where this one lives.
    pub(crate) fn zeros_beside(&self, rows: usize, cols: usize) -> Self {
        match self.device.other() {
            None => Self::zeros(rows, cols),
            Some(device) => self.beside(Tensor::zeros([rows, cols], device)),
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    /// Where it lives.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// It lives on the host, where its elements can be reached.
    pub(crate) fn is_on_host(&self) -> bool {
        self.device.is_host()
    }

    /// The same elements on `device`.
    pub(crate) fn moved_to(self, device: &Device) -> Self {
        if self.is_on_host() && device.is_host() {
            return self;
        }
        let (rows, cols) = (self.rows, self.cols);
        let Some(other) = device.other() else {
            return Self::new(rows, cols, self.to_vec());
        };
        let data = TensorData::new(self.to_vec(), [rows, cols]);
        Self {
            tensor: Tensor::from_data(data, other),
            rows,
            cols,
            device: device.clone(),
        }
    }

    /// The same values on their device in a half's format, for products to take; on the host, which
    /// has its own way of holding halves, and without rounding the matrix as it is.
    pub(crate) fn in_halves(self, rounding: Rounding) -> Self {
        match half(rounding).filter(|_| !self.is_on_host()) {
            None => self,
            Some(format) => self.map(|tensor| tensor.cast(format)),
        }
    }

    /// The same values in 32 bits.
    pub(crate) fn in_full(self) -> Self {
        match self.tensor.dtype() {
            DType::F32 => self,
            _ => self.map(|tensor| tensor.cast(FloatDType::F32)),
        }
    }

    /// Bytes of an element.
    pub(crate) fn element_bytes(&self) -> usize {
        self.tensor.dtype().size()
    }

    /// A copy of the elements, which waits for a device that is not the host.
    pub(crate) fn to_vec(&self) -> Vec<f32> {
        if self.is_on_host() {
            return self.elements().to_vec();
        }
        failed::fetch(self.clone().in_full().tensor)
    }

    /// The elements, to read.
    pub(crate) fn elements(&self) -> Elements {
        Elements {
            primitive: primitive(self),
        }
    }

    /// Changes the elements, in place where nobody else holds them.
    pub(crate) fn updated(self, change: impl FnOnce(&mut [f32])) -> Self {
        let (rows, cols) = (self.rows, self.cols);
        let mut held = primitive_of(self);
        if held.layout().num_elements() * size_of::<f32>() != held.bytes().len() {
            held = held.to_contiguous();
        }
        change(held.storage_mut());
        Self {
            tensor: Tensor::from_primitive::<Flex>(held),
            rows,
            cols,
            device: Device::host(),
        }
    }

    /// Some rows, sharing the elements.
    pub(crate) fn row_view(&self, rows: Range<usize>) -> Self {
        let tensor = self.tensor.clone().narrow(0, rows.start, rows.len());
        self.beside(tensor)
    }

    /// The elements of several matrices of one device, one after the other, fetched in one go.
    pub(crate) fn fetch_all<'a>(parts: impl Iterator<Item = &'a Self>) -> Vec<f32> {
        let flat = |part: &Self| part.tensor.clone().reshape([part.rows * part.cols]);
        let flat: Vec<Tensor<1>> = parts.map(flat).collect();
        match flat.is_empty() {
            true => Vec::new(),
            false => failed::fetch(Tensor::cat(flat, 0)),
        }
    }

    /// The rows of several matrices of one device, one below the other.
    pub(crate) fn stacked(parts: &[Self]) -> Option<Self> {
        let first = parts.first()?;
        let tensors = parts.iter().map(|part| part.tensor.clone()).collect();
        Some(first.beside(Tensor::cat(tensors, 0)))
    }

    /// Its rows, and those of `other` below.
    pub(crate) fn followed_by(&self, other: &Self) -> Self {
        self.beside(Tensor::cat(
            vec![self.tensor.clone(), other.tensor.clone()],
            0,
        ))
    }

    /// Some elements of a matrix of one row, in another shape.
    pub(crate) fn cut(&self, range: Range<usize>, (rows, cols): (usize, usize)) -> Self {
        let some = self.tensor.clone().narrow(1, range.start, range.len());
        self.beside(some.reshape([rows, cols]))
    }

    /// A tensor that lives where this matrix does.
    fn beside(&self, tensor: Tensor<2>) -> Self {
        let [rows, cols] = tensor.dims();
        Self {
            tensor,
            rows,
            cols,
            device: self.device.clone(),
        }
    }

    /// The tensor after `change`, on the same device.
    fn map(self, change: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Self {
        let tensor = change(self.tensor);
        let [rows, cols] = tensor.dims();
        Self {
            tensor,
            rows,
            cols,
            device: self.device,
        }
    }
}

/// What burn calls a half's format; none where nothing is rounded.
fn half(rounding: Rounding) -> Option<FloatDType> {
    match rounding {
        Rounding::None => None,
        Rounding::Bf16 => Some(FloatDType::BF16),
        Rounding::F16 => Some(FloatDType::F16),
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

fn primitive(matrix: &Matrix) -> FlexTensor {
    primitive_of(matrix.clone())
}

/// The backend's own tensor. Operations look at where a matrix lives before they ask for its
/// elements, so this cannot fail.
fn primitive_of(matrix: Matrix) -> FlexTensor {
    assert!(matrix.is_on_host(), "elements of a matrix on a device");
    match matrix.tensor.try_into_primitive::<Flex>() {
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
