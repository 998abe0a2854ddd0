//! Matrix products over strided views: a thin, checked skin over the `gemm` crate.

use gemm::Parallelism;

/// A matrix inside a slice; strides count elements.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> View<'a> {
    /// A row-major `[rows, cols]` matrix whose rows are `stride` apart.
    pub(crate) fn strided(data: &'a [f32], rows: usize, cols: usize, stride: usize) -> Self {
        assert!(
            fits(data.len(), rows, cols, stride),
            "view outside its slice"
        );
        Self {
            data,
            rows,
            cols,
            row_stride: stride,
            col_stride: 1,
        }
    }

    /// A contiguous row-major `[rows, cols]` matrix.
    pub(crate) fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols)
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn cols(&self) -> usize {
        self.cols
    }

    /// The transposed matrix over the same elements.
    pub(crate) fn transposed(self) -> Self {
        Self {
            data: self.data,
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }
}

/// A row-major matrix to write to.
pub(crate) struct ViewMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    cols: usize,
    stride: usize,
}

impl<'a> ViewMut<'a> {
    /// A row-major `[rows, cols]` matrix whose rows are `stride` apart.
    pub(crate) fn strided(data: &'a mut [f32], rows: usize, cols: usize, stride: usize) -> Self {
        assert!(
            fits(data.len(), rows, cols, stride),
            "view outside its slice"
        );
        Self {
            data,
            rows,
            cols,
            stride,
        }
    }

    /// A contiguous row-major `[rows, cols]` matrix.
    pub(crate) fn new(data: &'a mut [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols)
    }

    /// Elements, rows, columns, and the distance of rows.
    pub(super) fn into_parts(self) -> (&'a mut [f32], usize, usize, usize) {
        (self.data, self.rows, self.cols, self.stride)
    }
}

fn fits(len: usize, rows: usize, cols: usize, stride: usize) -> bool {
    rows == 0 || cols == 0 || (cols <= stride && (rows - 1) * stride + cols <= len)
}

/// What becomes of the destination's earlier content.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// It is replaced; it may hold anything.
    Replace,
    /// The product is added to it.
    Add,
}

/// `dst = scale * a b`, or `dst += scale * a b`.
pub(crate) fn matmul(dst: ViewMut<'_>, write: Write, scale: f32, a: View<'_>, b: View<'_>) {
    assert_eq!(
        (dst.rows, dst.cols),
        (a.rows, b.cols),
        "shapes of a product"
    );
    // SAFETY: the destination's view was checked against its slice when it was made, and its
    // elements are initialised.
    unsafe {
        let to = (dst.data.as_mut_ptr(), dst.stride);
        multiply(to, write, scale, (a, b), parallelism(a, b));
    }
}

/// `a b`, in memory that is written once and never cleared.
pub(crate) fn product(a: View<'_>, b: View<'_>) -> Vec<f32> {
    let len = a.rows * b.cols;
    let mut dst = Vec::with_capacity(len);
    if a.cols == 0 {
        dst.resize(len, 0.0);
        return dst;
    }
    // SAFETY: the vector has room for `a.rows` contiguous rows of `b.cols` elements. A product
    // that replaces reads none of them and writes every one, so they are initialised after it.
    unsafe {
        let to = (dst.as_mut_ptr(), b.cols);
        multiply(to, Write::Replace, 1.0, (a, b), parallelism(a, b));
        dst.set_len(len);
    }
    dst
}

/// How a product is spread over threads; the bits are the same either way.
fn parallelism(a: View<'_>, b: View<'_>) -> Parallelism {
    let threads = rayon::current_num_threads();
    // Below about a millisecond of work, waking other threads costs more than it saves.
    let small = a.rows * b.cols * a.cols < 1 << 22;
    if threads == 1 || small {
        Parallelism::None
    } else {
        Parallelism::Rayon(threads)
    }
}

/// The product over a destination of `a.rows` rows of `b.cols` elements, `stride` apart.
///
/// # Safety
/// The destination is valid for those writes, belongs to the caller alone, and is initialised
/// where `write` adds.
pub(super) unsafe fn multiply(
    (dst, stride): (*mut f32, usize),
    write: Write,
    scale: f32,
    (a, b): (View<'_>, View<'_>),
    parallelism: Parallelism,
) {
    assert_eq!(a.cols, b.rows, "shapes of a product");
    if a.rows == 0 || b.cols == 0 {
        return;
    }
    // SAFETY: both operands were checked against their slices when their views were made, the
    // shapes agree by the assertion above, and the caller answers for the destination.
    unsafe {
        gemm::gemm(
            a.rows,
            b.cols,
            a.cols,
            dst,
            1,
            stride as isize,
            write == Write::Add,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            1.0,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(n: usize, step: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * step).sin()).collect()
    }

    #[test]
    fn strided_transposed_and_added_agree_with_a_plain_loop() {
        let (m, n, k) = (7, 5, 9);
        let a = series(m * 12, 0.3);
        let b = series(n * 11, 0.7);
        let mut dst = series(m * 8, 0.1);
        let before = dst.clone();
        matmul(
            ViewMut::strided(&mut dst, m, n, 8),
            Write::Add,
            0.5,
            View::strided(&a, m, k, 12),
            View::strided(&b, n, k, 11).transposed(),
        );
        for i in 0..m {
            for j in 0..8 {
                let product: f32 = (0..k).map(|l| a[i * 12 + l] * b[(j % n) * 11 + l]).sum();
                let expected = before[i * 8 + j] + if j < n { 0.5 * product } else { 0.0 };
                assert!((dst[i * 8 + j] - expected).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn the_number_of_threads_never_shows_in_the_bits() {
        let (m, n, k) = (130, 600, 333);
        let (a, b) = (series(m * k, 0.3), series(n * k, 0.7));
        let product = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("pool");
            pool.install(|| {
                let mut dst = vec![0.0; m * n];
                matmul(
                    ViewMut::new(&mut dst, m, n),
                    Write::Replace,
                    1.0,
                    View::new(&a, m, k),
                    View::new(&b, n, k).transposed(),
                );
                dst.into_iter().map(f32::to_bits).collect::<Vec<_>>()
            })
        };
        let one = product(1);
        for threads in [2, 3, 4] {
            assert!(
                one == product(threads),
                "{threads} threads changed the product"
            );
        }
    }
}
