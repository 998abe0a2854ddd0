//! Rotary position embedding, with its tables where the rows are.

use crate::kernel::rope::{RopeTable, Turn, rotate};
use crate::tensor::Matrix;
use crate::tensor::compose;
use crate::tensor::device::Device;
use crate::tensor::indices::Indices;

/// The angles of every position, for rows on one device.
pub(crate) enum Rope {
    Host(RopeTable),
    /// Cosines and sines, `[positions, head_dim / 2]`.
    Device(Box<(Matrix, Matrix)>),
}

impl Rope {
    /// The table, where `device` needs it.
    pub(crate) fn new(table: RopeTable, device: &Device) -> Self {
        if device.is_host() {
            return Self::Host(table);
        }
        let (cos, sin, half) = table.into_parts();
        let send =
            |angles: Vec<f32>| Matrix::new(angles.len() / half, half, angles).moved_to(device);
        Self::Device(Box::new((send(cos), send(sin))))
    }

    /// Rotates the first `heads` heads of each row.
    pub(crate) fn rotate(
        &self,
        x: Matrix,
        heads: usize,
        positions: &Indices,
        turn: Turn,
    ) -> Matrix {
        match self {
            Self::Host(table) => {
                let width = x.cols();
                x.updated(|x| rotate(x, width, heads, (table, positions), turn))
            }
            Self::Device(tables) => {
                let (cos, sin) = tables.as_ref();
                compose::rope::rotate(x, heads, (cos, sin), positions, turn.sign())
            }
        }
    }
}
