//! Keys and values of a sequence that grows by a row at a time.

use super::columns;
use super::{Columns, Matrix};
use crate::kernel::attention::AttentionShape;
use crate::kernel::cached_attention::attend;
use crate::tensor::compose;

/// Those of one sequence in one layer, a `[k heads | v heads]` row a position.
pub(crate) enum KeyValues {
    Host(Vec<f32>),
    Device(Box<Matrix>),
}

impl KeyValues {
    /// Those of the rows of a sequence's beginning.
    pub(crate) fn new(qkv: &Matrix, shape: &AttentionShape) -> Self {
        let own = own(qkv, shape);
        match own.is_on_host() {
            true => Self::Host(own.to_vec()),
            false => Self::Device(Box::new(own)),
        }
    }

    /// One more row of each sequence: it joins the sequence's own cache, and attends to it.
    pub(crate) fn attend(caches: &mut [&mut Self], qkv: &Matrix, shape: &AttentionShape) -> Matrix {
        let (width, out) = (shape.qkv_width(), shape.out_width());
        if !qkv.is_on_host() {
            let rows = caches.iter_mut().enumerate();
            let rows =
                rows.map(|(i, cache)| cache.attend_on_device(&qkv.row_view(i..i + 1), shape));
            let rows: Vec<_> = rows.collect();
            return Matrix::stacked(&rows).unwrap_or_else(|| qkv.zeros_beside(0, out));
        }
        let data = qkv.elements();
        Matrix::zeros(qkv.rows(), out).updated(|attended| {
            let rows = attended.chunks_exact_mut(out).zip(data.chunks_exact(width));
            for (cache, (attended, row)) in caches.iter_mut().zip(rows) {
                if let Self::Host(cache) = cache {
                    cache.extend_from_slice(&row[out..]);
                    attend(attended, row, cache, shape);
                }
            }
        })
    }

    fn attend_on_device(&mut self, row: &Matrix, shape: &AttentionShape) -> Matrix {
        let own = own(row, shape);
        let cache = match self {
            Self::Host(_) => own,
            Self::Device(before) => before.followed_by(&own),
        };
        let attended = compose::attention::one_more(row, &cache, shape);
        *self = Self::Device(Box::new(cache));
        attended
    }
}

/// The columns of k and v.
fn own(qkv: &Matrix, shape: &AttentionShape) -> Matrix {
    columns::copy(&Columns {
        matrix: qkv,
        range: shape.out_width()..shape.qkv_width(),
    })
}
