//! Products with a matrix that is made a panel at a time.
//!
//! A panel is some columns of the right operand, whole from top to bottom, so that every sum is
//! done at once, in an order that does not depend on the number of threads. From 65 rows on it is
//! the order, and so are the bits, of one product over the whole matrix; for fewer, `gemm` has other
//! ways for narrow products.
//! Panels are worked off by the threads of the pool, each into a buffer of its own. Absent on
//! purpose: panels of sums, which would need less room but add up in another order.

use std::cell::RefCell;
use std::ops::Range;

use gemm::Parallelism;
use rayon::prelude::*;

use super::matmul::{View, ViewMut, Write, multiply};

/// A rest of so few columns is no panel: `gemm` would sum it in another order.
const NARROW: usize = 16;

/// Writes the given columns of the right operand.
pub(super) type Fill<'f> = dyn Fn(Range<usize>, &mut [f32]) + Sync + 'f;

/// A right operand that is made on the way.
pub(super) struct Panels<'f> {
    pub(super) fill: &'f Fill<'f>,
    /// Columns of the operand.
    pub(super) cols: usize,
    /// Columns of a panel.
    pub(super) width: usize,
    /// A panel is written column by column instead of row by row.
    pub(super) by_column: bool,
}

/// `dst = a b`, or `dst += a b`.
pub(super) fn matmul_panels(dst: ViewMut<'_>, write: Write, a: View<'_>, b: &Panels<'_>) {
    let (data, rows, cols, stride) = dst.into_parts();
    assert_eq!((rows, cols), (a.rows(), b.cols), "shapes of a product");
    // SAFETY: the destination's view was checked against its slice when it was made, and its
    // elements are initialised.
    unsafe { multiply_panels((data.as_mut_ptr(), stride), write, a, b) }
}

/// `a b`, in memory that is written once and never cleared.
pub(super) fn product_panels(a: View<'_>, b: &Panels<'_>) -> Vec<f32> {
    let len = a.rows() * b.cols;
    let mut dst = Vec::with_capacity(len);
    if a.cols() == 0 {
        dst.resize(len, 0.0);
        return dst;
    }
    // SAFETY: the vector has room for `a.rows()` contiguous rows of `b.cols` elements. A product
    // that replaces reads none of them and writes every one, so they are initialised after it.
    unsafe {
        multiply_panels((dst.as_mut_ptr(), b.cols), Write::Replace, a, b);
        dst.set_len(len);
    }
    dst
}

/// Where a product goes: threads write different columns of it.
#[derive(Clone, Copy)]
struct Target(*mut f32);

// SAFETY: it is used for writes to columns that belong to one thread each.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

impl Target {
    fn column(self, column: usize) -> *mut f32 {
        self.0.wrapping_add(column)
    }
}

/// # Safety
/// The destination is valid for `a.rows()` rows of `b.cols` elements, `stride` apart, belongs to
/// the caller alone, and is initialised where `write` adds.
unsafe fn multiply_panels(
    (dst, stride): (*mut f32, usize),
    write: Write,
    a: View<'_>,
    b: &Panels<'_>,
) {
    let target = Target(dst);
    let inner = a.cols();
    // A narrow rest goes with the panel before it.
    let count = (b.cols.saturating_sub(NARROW).div_ceil(b.width)).max(1);
    let panel = |index: usize| {
        let start = index * b.width;
        let end = if index + 1 == count {
            b.cols
        } else {
            start + b.width
        };
        let columns = start..end;
        let width = columns.len();
        with_buffer(inner * width, |values| {
            (b.fill)(columns, values);
            let panel = match b.by_column {
                true => View::new(values, width, inner).transposed(),
                false => View::new(values, inner, width),
            };
            let to = (target.column(start), stride);
            // SAFETY: these columns are inside the destination and no other panel's. The product
            // stays on this thread, so that no other work can find the buffer lent out.
            unsafe { multiply(to, write, 1.0, (a, panel), Parallelism::None) }
        });
    };
    if count == 1 || rayon::current_num_threads() == 1 {
        (0..count).for_each(panel);
    } else {
        (0..count).into_par_iter().for_each(panel);
    }
}

thread_local! {
    static BUFFER: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Lends the thread's buffer of `len` values, which may hold anything.
fn with_buffer(len: usize, work: impl FnOnce(&mut [f32])) {
    BUFFER.with_borrow_mut(|buffer| {
        if buffer.len() < len {
            buffer.resize(len, 0.0);
        }
        work(&mut buffer[..len]);
    });
}
