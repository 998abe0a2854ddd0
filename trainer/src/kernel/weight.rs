//! Products with a weight, however it is held, in both directions.
//!
//! A packed weight is decoded a panel at a time into a buffer of the thread, and multiplied at
//! once, see [`super::panels`]. Rules: the bits are the same for any number of threads, and from 65
//! rows on the same as of plain numbers of the same values. Absent on purpose: a gradient of the
//! weight, and the whole decoded weight.

use std::ops::Range;

use schliff_weights::PackedRows;

use super::matmul::{View, ViewMut, Write, matmul, product};
use super::panels::{Fill, Panels, matmul_panels, product_panels};
use super::rounding::Rounding;

/// Widest panel: whole tiles of the product's kernels, whole blocks of every format of 64 or less.
const PANEL: usize = 192;
/// A panel is made narrower where it would hold more weights than this.
const PANEL_WEIGHTS: usize = 1 << 21;

/// Some rows of a weight `[rows, cols]`.
#[derive(Clone)]
pub(crate) struct Weight<'a> {
    held: Held<'a>,
    rows: Range<usize>,
    cols: usize,
}

#[derive(Clone, Copy)]
enum Held<'a> {
    Plain {
        values: &'a [f32],
        /// The weight as `[cols, rows]`, where there is a copy.
        transposed: Option<&'a [f32]>,
    },
    Packed {
        rows: &'a PackedRows,
        /// Decoded values are rounded to this.
        rounding: Rounding,
    },
}

impl<'a> Weight<'a> {
    /// A weight of plain numbers, with its transposed copy where there is one.
    pub(crate) fn plain(values: &'a [f32], transposed: Option<&'a [f32]>, cols: usize) -> Self {
        let rows = 0..values.len() / cols.max(1);
        Self {
            held: Held::Plain { values, transposed },
            rows,
            cols,
        }
    }

    /// A packed weight, whose values enter products rounded.
    pub(crate) fn packed(rows: &'a PackedRows, rounding: Rounding) -> Self {
        Self {
            held: Held::Packed { rows, rounding },
            rows: 0..rows.rows(),
            cols: rows.cols(),
        }
    }

    /// Fewer rows.
    pub(crate) fn slice(self, rows: Range<usize>) -> Self {
        assert!(rows.end <= self.rows.end, "rows of a weight");
        Self { rows, ..self }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    /// `x w^T`, in memory that is written once and never cleared.
    pub(crate) fn linear(&self, x: View<'_>) -> Vec<f32> {
        match self.held {
            Held::Plain { values, transposed } => product(x, self.forward(values, transposed)),
            Held::Packed { rows, rounding } => {
                product_panels(x, &self.row_panels(&self.fill_rows(rows, rounding)))
            }
        }
    }

    /// `y = x w^T`.
    pub(crate) fn linear_into(&self, y: ViewMut<'_>, x: View<'_>) {
        match self.held {
            Held::Plain { values, transposed } => {
                matmul(y, Write::Replace, 1.0, x, self.forward(values, transposed));
            }
            Held::Packed { rows, rounding } => {
                let fill = self.fill_rows(rows, rounding);
                matmul_panels(y, Write::Replace, x, &self.row_panels(&fill));
            }
        }
    }

    /// `dx = dy w` or `dx += dy w`: the gradient that passes through `x w^T`.
    pub(crate) fn input_gradient(&self, dx: ViewMut<'_>, write: Write, dy: View<'_>) {
        match self.held {
            Held::Plain { values, .. } => {
                let values = &values[self.rows.start * self.cols..];
                let weight = View::new(values, self.rows.len(), self.cols);
                matmul(dx, write, 1.0, dy, weight);
            }
            Held::Packed { rows, rounding } => {
                let fill = |columns: Range<usize>, panel: &mut [f32]| {
                    rows.decode(self.rows.clone(), columns, panel);
                    rounding.apply(panel);
                };
                let weight = Panels {
                    fill: &fill,
                    cols: self.cols,
                    width: panel_width(self.rows.len(), rows.column_step()),
                    by_column: false,
                };
                matmul_panels(dx, write, dy, &weight);
            }
        }
    }

    fn forward(&self, values: &'a [f32], transposed: Option<&'a [f32]>) -> View<'a> {
        match transposed {
            Some(copy) => {
                let all = copy.len() / self.cols.max(1);
                View::strided(&copy[self.rows.start..], self.cols, self.rows.len(), all)
            }
            None => {
                let values = &values[self.rows.start * self.cols..];
                View::new(values, self.rows.len(), self.cols).transposed()
            }
        }
    }

    /// Panels of `w^T`: rows of the weight.
    fn row_panels<'f>(&self, fill: &'f Fill<'f>) -> Panels<'f> {
        Panels {
            fill,
            cols: self.rows.len(),
            width: panel_width(self.cols, 1),
            by_column: true,
        }
    }

    fn fill_rows(
        &self,
        rows: &'a PackedRows,
        rounding: Rounding,
    ) -> impl Fn(Range<usize>, &mut [f32]) + Sync + use<'a> {
        let (start, cols) = (self.rows.start, self.cols);
        move |columns, panel| {
            rows.decode(start + columns.start..start + columns.end, 0..cols, panel);
            rounding.apply(panel);
        }
    }
}

/// Width of panels whose other side is `other`, a multiple of `step`.
fn panel_width(other: usize, step: usize) -> usize {
    (PANEL_WEIGHTS / other.max(1))
        .clamp(1, PANEL)
        .next_multiple_of(64)
        .next_multiple_of(step)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schliff_weights::encoding::Encoding;

    use super::*;

    fn series(n: usize, step: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * step).sin()).collect()
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    /// `x w^T`, and `dx + dy w` from a `dx` that is not nought.
    fn both_products(weight: &Weight<'_>, x: &[f32], dy: &[f32]) -> (Vec<u32>, Vec<u32>) {
        let (rows, cols) = (weight.rows(), weight.cols());
        let height = x.len() / cols;
        let y = weight.linear(View::new(x, height, cols));
        let mut again = vec![f32::NAN; y.len()];
        weight.linear_into(
            ViewMut::new(&mut again, height, rows),
            View::new(x, height, cols),
        );
        assert_eq!(bits(&y), bits(&again));
        let mut dx = series(height * cols, 0.11);
        let target = ViewMut::new(&mut dx, height, cols);
        weight.input_gradient(target, Write::Add, View::new(dy, height, rows));
        (bits(&y), bits(&dx))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn panels_have_the_bits_of_one_product_over_the_decoded_weight(
            height in 1_usize..130,
            rows in 1_usize..450,
            blocks in 1_usize..11,
            encoding in prop::sample::select(vec![
                Encoding::BF16, Encoding::F16, Encoding::Q8_0, Encoding::Q4_0, Encoding::Nf4,
            ]),
            rounding in prop::sample::select(vec![Rounding::None, Rounding::Bf16, Rounding::F16]),
            threads in 1_usize..4,
        ) {
            let cols = 64 * blocks;
            let packed = PackedRows::encode(&series(rows * cols, 0.37), cols, encoding).expect("blocks");
            let mut decoded = vec![0.0; rows * cols];
            packed.decode(0..rows, 0..cols, &mut decoded);
            rounding.apply(&mut decoded);
            let (x, dy) = (series(height * cols, 0.7), series(height * rows, 0.3));
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
            let plain = both_products(&Weight::plain(&decoded, None, cols), &x, &dy);
            let weight = Weight::packed(&packed, rounding);
            let found = pool.install(|| both_products(&weight, &x, &dy));
            prop_assert!(found == both_products(&weight, &x, &dy), "threads show");
            if height < 65 {
                return Ok(());
            }
            prop_assert!(plain == found);
            let part = rows / 3..rows;
            let dy = series(height * part.len(), 0.3);
            let plain = Weight::plain(&decoded, None, cols).slice(part.clone());
            let found = pool.install(|| both_products(&weight.slice(part), &x, &dy));
            prop_assert!(both_products(&plain, &x, &dy) == found);
        }
    }
}
