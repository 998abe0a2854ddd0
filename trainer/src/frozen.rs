//! A weight that is never trained, however it is held: its products in both directions, and its
//! values where somebody asks for them.
//!
//! Rules: nobody outside knows how the values are held; a product has the same bits for any number
//! of threads. Absent on purpose: a gradient of the weight.

use std::ops::Range;
use std::sync::Arc;

use schliff_weights::PackedRows;

use crate::kernel::matmul::{View, ViewMut, Write};
use crate::kernel::rounding::Rounding;
use crate::kernel::transpose;
use crate::kernel::weight::Weight;
use crate::ops::{self, Columns};
use crate::tensor::device::Device;
use crate::tensor::indices::Indices;
use crate::tensor::{Elements, Matrix};

/// A frozen `[out, in]` weight.
#[derive(Clone)]
pub(crate) struct Frozen {
    held: Held,
    /// Number format in which values enter products.
    rounding: Rounding,
    device: Device,
}

#[derive(Clone)]
enum Held {
    /// Plain numbers, in the order of both passes where memory allows: a product runs up to a
    /// third faster when it reads its weight along the rows. The backward pass reads `weight`,
    /// the forward pass its transposed copy.
    Plain(Box<Plain>),
    /// Halves or quantised blocks.
    Packed(Arc<PackedRows>),
}

#[derive(Clone)]
struct Plain {
    weight: Matrix,
    transposed: Option<Matrix>,
}

/// A [`Frozen`] whose elements are borrowed.
pub(crate) enum Borrowed<'a> {
    Plain(Box<PlainElements>),
    Packed(&'a PackedRows, Rounding),
}

pub(crate) struct PlainElements {
    weight: Elements,
    transposed: Option<Elements>,
    cols: usize,
}

impl Borrowed<'_> {
    /// As the kernels take it.
    pub(crate) fn weight(&self) -> Weight<'_> {
        match self {
            Self::Plain(plain) => {
                Weight::plain(&plain.weight, plain.transposed.as_deref(), plain.cols)
            }
            Self::Packed(rows, rounding) => Weight::packed(rows, *rounding),
        }
    }
}

impl Frozen {
    /// Plain numbers, with a transposed copy where `copy` says so.
    pub(crate) fn plain(weight: Matrix, copy: bool) -> Self {
        let transposed = copy.then(|| {
            let (rows, cols) = (weight.rows(), weight.cols());
            let data = transpose::transposed(&weight.elements(), rows, cols);
            Matrix::new(cols, rows, data)
        });
        Self {
            device: weight.device().clone(),
            held: Held::Plain(Box::new(Plain { weight, transposed })),
            rounding: Rounding::None,
        }
    }

    /// Halves or blocks; operands of products are rounded.
    pub(crate) fn packed(rows: PackedRows, rounding: Rounding) -> Self {
        Self {
            held: Held::Packed(Arc::new(rows)),
            rounding,
            device: Device::host(),
        }
    }

    /// The weight on `device`, in halves where that has them and products want them; only the host
    /// gains by a transposed copy, and only the host has products with blocks.
    pub(crate) fn moved_to(self, device: &Device) -> Self {
        if device.is_host() {
            return self;
        }
        let rounding = match device.has(self.rounding) {
            true => self.rounding,
            false => Rounding::None,
        };
        let weight = self.values(0..self.rows()).moved_to(device);
        Self {
            rounding,
            ..Self::plain(weight.in_halves(rounding), false)
        }
    }

    /// Where it lives.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    pub(crate) fn rows(&self) -> usize {
        match &self.held {
            Held::Plain(plain) => plain.weight.rows(),
            Held::Packed(rows) => rows.rows(),
        }
    }

    /// Memory that its values take, copies included.
    pub(crate) fn bytes(&self) -> u64 {
        let bytes = match &self.held {
            Held::Plain(plain) => {
                let copies = 1 + usize::from(plain.transposed.is_some());
                plain.weight.rows() * plain.weight.cols() * plain.weight.element_bytes() * copies
            }
            Held::Packed(rows) => rows.bytes(),
        };
        bytes as u64
    }

    /// Number format in which its values and what they are multiplied with enter a product.
    pub(crate) fn rounding(&self) -> Rounding {
        self.rounding
    }

    /// Its elements, to read.
    pub(crate) fn borrow(&self) -> Borrowed<'_> {
        match &self.held {
            Held::Plain(plain) => Borrowed::Plain(Box::new(PlainElements {
                weight: plain.weight.elements(),
                transposed: plain.transposed.as_ref().map(Matrix::elements),
                cols: plain.weight.cols(),
            })),
            Held::Packed(rows) => Borrowed::Packed(rows, self.rounding),
        }
    }

    /// `x w^T`; the same bits however the values are held.
    pub(crate) fn linear(&self, x: &Matrix) -> Matrix {
        self.linear_rows(x, 0..self.rows())
    }

    /// `x w[rows]^T`.
    pub(crate) fn linear_rows(&self, x: &Matrix, rows: Range<usize>) -> Matrix {
        if let Held::Plain(plain) = &self.held
            && !x.is_on_host()
        {
            return ops::linear(x, &plain.weight.row_view(rows));
        }
        let (x_data, borrowed, outputs) = (x.elements(), self.borrow(), rows.len());
        let weight = borrowed.weight().slice(rows);
        let y = weight.linear(View::new(&x_data, x.rows(), x.cols()));
        Matrix::new(x.rows(), outputs, y)
    }

    /// `dx += dy w`: the gradient that passes through [`Self::linear`].
    pub(crate) fn add_input_gradient(&self, dx: Matrix, dy: &Matrix) -> Matrix {
        self.add_rows_input_gradient(dx, dy, 0..self.rows())
    }

    /// `dx += dy w[rows]`: the gradient that passes through [`Self::linear_rows`].
    pub(crate) fn add_rows_input_gradient(
        &self,
        dx: Matrix,
        dy: &Matrix,
        rows: Range<usize>,
    ) -> Matrix {
        if let Held::Plain(plain) = &self.held
            && !dy.is_on_host()
        {
            let weight = plain.weight.row_view(rows);
            return ops::add_linear_input_gradient(dx, &Columns::all(dy), &weight, 1.0);
        }
        let (dy_data, borrowed) = (dy.elements(), self.borrow());
        let weight = borrowed.weight().slice(rows);
        let (height, width) = (dx.rows(), dx.cols());
        dx.updated(|dx| {
            let dy = View::new(&dy_data, dy.rows(), dy.cols());
            weight.input_gradient(ViewMut::new(dx, height, width), Write::Add, dy);
        })
    }

    /// The values of chosen rows, in the order of `indices`.
    pub(crate) fn gather_rows(&self, indices: &Indices) -> Matrix {
        match &self.held {
            Held::Plain(plain) => ops::rows::gather(&plain.weight, indices),
            Held::Packed(rows) => {
                let width = rows.cols();
                Matrix::zeros(indices.len(), width).updated(|out| {
                    for (out, &index) in out.chunks_exact_mut(width).zip(indices.iter()) {
                        rows.decode(index..index + 1, 0..width, out);
                    }
                })
            }
        }
    }

    /// The weight as a device holds it; nothing where the host holds it in a form of its own.
    pub(crate) fn on_device(&self) -> Option<&Matrix> {
        match &self.held {
            Held::Plain(plain) if !self.device.is_host() => Some(&plain.weight),
            Held::Plain(_) | Held::Packed(_) => None,
        }
    }

    /// The values of some rows as products see them.
    pub(crate) fn values(&self, range: Range<usize>) -> Matrix {
        match &self.held {
            Held::Plain(plain) => plain.weight.row_view(range).in_full(),
            Held::Packed(rows) => Matrix::zeros(range.len(), rows.cols()).updated(|out| {
                rows.decode(range, 0..rows.cols(), out);
                self.rounding.apply(out);
            }),
        }
    }
}
