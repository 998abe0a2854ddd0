//! Row numbers of a leaf, on the host and, once a device has asked for them, there too.
//!
//! Rules: they never change after they are made, so a copy on a device stays true. Every layer
//! asks for the same ones, and they travel once.

use std::ops::{Deref, Range};
use std::sync::OnceLock;

use burn_tensor::{Int, Tensor, TensorData};

use super::Matrix;

/// Numbers of rows, tokens or positions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Indices {
    values: Vec<usize>,
    sent: OnceLock<Tensor<1, Int>>,
}

impl Indices {
    /// The numbers on the device where `beside` lives.
    pub(super) fn on_device_of(&self, beside: &Matrix) -> Tensor<1, Int> {
        let send = || {
            let values: Vec<i32> = self.values.iter().map(|&value| value as i32).collect();
            let data = TensorData::new(values, [self.values.len()]);
            Tensor::from_data(data, &beside.tensor.device())
        };
        self.sent.get_or_init(send).clone()
    }
}

impl FromIterator<usize> for Indices {
    fn from_iter<I: IntoIterator<Item = usize>>(values: I) -> Self {
        Self {
            values: values.into_iter().collect(),
            sent: OnceLock::new(),
        }
    }
}

impl Deref for Indices {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        &self.values
    }
}

/// Rows of each sample of a leaf; a row sees its own sample alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Segments {
    ranges: Vec<Range<usize>>,
    first: Indices,
}

impl Segments {
    /// The first row of the sample that each row belongs to.
    pub(super) fn first(&self) -> &Indices {
        &self.first
    }
}

impl FromIterator<Range<usize>> for Segments {
    fn from_iter<I: IntoIterator<Item = Range<usize>>>(ranges: I) -> Self {
        let ranges: Vec<_> = ranges.into_iter().collect();
        let first = ranges
            .iter()
            .flat_map(|range| std::iter::repeat_n(range.start, range.len()))
            .collect();
        Self { ranges, first }
    }
}

impl Deref for Segments {
    type Target = [Range<usize>];

    fn deref(&self) -> &[Range<usize>] {
        &self.ranges
    }
}
