//! Rows of weights in memory in the form that saves room, decoded some at a time.
//!
//! Rules: a row is a whole number of blocks; rows have HF's order, whatever file they come from;
//! decoding has the same bits however it is cut. Absent on purpose: products, and any change to a
//! weight.

use std::ops::Range;

use pulp::Arch;

use crate::encoding::Encoding;

/// Rows of one width, in runs of one encoding each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedRows {
    cols: usize,
    runs: Vec<Run>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    rows: Range<usize>,
    encoding: Encoding,
    bytes: Vec<u8>,
}

impl PackedRows {
    /// Takes rows as they are in a file.
    pub(crate) fn new(encoding: Encoding, cols: usize, bytes: Vec<u8>) -> Self {
        let rows = match encoding.bytes_of(cols) {
            None | Some(0) => 0,
            Some(row_bytes) => bytes.len() / row_bytes,
        };
        let runs = vec![Run {
            rows: 0..rows,
            encoding,
            bytes,
        }];
        Self { cols, runs }
    }

    /// Encodes rows of `cols` weights; `None` where a row is no whole number of blocks, or the
    /// encoding is one that is only read.
    pub fn encode(weights: &[f32], cols: usize, encoding: Encoding) -> Option<Self> {
        encoding.bytes_of(cols)?;
        let mut bytes = vec![0; encoding.bytes_of(weights.len())?];
        encoding
            .encode(weights, &mut bytes)
            .then(|| Self::new(encoding, cols, bytes))
    }

    /// Puts other rows of the same width below these.
    ///
    /// # Panics
    /// When the widths differ.
    pub fn append(&mut self, below: Self) {
        assert_eq!(self.cols, below.cols, "width of rows");
        let rows = self.rows();
        for run in below.runs {
            match self.runs.last_mut() {
                Some(last) if last.encoding == run.encoding => {
                    last.rows.end += run.rows.len();
                    last.bytes.extend(run.bytes);
                }
                _ => self.runs.push(Run {
                    rows: rows + run.rows.start..rows + run.rows.end,
                    ..run
                }),
            }
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.runs.last().map_or(0, |run| run.rows.end)
    }

    /// Width of a row.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Bytes that the weights take.
    pub fn bytes(&self) -> usize {
        self.runs.iter().map(|run| run.bytes.len()).sum()
    }

    /// Columns may be cut at multiples of this.
    pub fn column_step(&self) -> usize {
        let steps = self.runs.iter().map(|run| run.encoding.block_weights());
        steps.max().unwrap_or(1)
    }

    /// Decodes a rectangle, row by row, into `out`.
    ///
    /// # Panics
    /// When the rectangle is not all there, is cut between multiples of [`Self::column_step`], or
    /// `out` has another size.
    pub fn decode(&self, rows: Range<usize>, cols: Range<usize>, out: &mut [f32]) {
        assert!(
            rows.end <= self.rows() && cols.end <= self.cols,
            "rectangle outside its weights"
        );
        assert_eq!(out.len(), rows.len() * cols.len(), "size of a rectangle");
        if out.is_empty() {
            return;
        }
        let width = cols.len();
        for run in &self.runs {
            let inside = rows.start.max(run.rows.start)..rows.end.min(run.rows.end);
            if inside.is_empty() {
                continue;
            }
            let target =
                &mut out[(inside.start - rows.start) * width..(inside.end - rows.start) * width];
            run.decode((inside, self.cols), &cols, target);
        }
    }
}

impl Run {
    fn decode(
        &self,
        (rows, row_cols): (Range<usize>, usize),
        cols: &Range<usize>,
        out: &mut [f32],
    ) {
        let bytes_of = |weights: usize| {
            let bytes = self.encoding.bytes_of(weights);
            bytes.unwrap_or_else(|| panic!("{weights} weights are no whole number of blocks"))
        };
        let row_bytes = bytes_of(row_cols);
        let (start, len) = (bytes_of(cols.start), bytes_of(cols.len()));
        let first = (rows.start - self.rows.start) * row_bytes + start;
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for (row, out) in out.chunks_exact_mut(cols.len()).enumerate() {
                    let begin = first + row * row_bytes;
                    self.encoding
                        .decode_inline(&self.bytes[begin..begin + len], out);
                }
            },
        );
    }
}
