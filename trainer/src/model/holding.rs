//! How the frozen base is held in memory, decided tensor by tensor as it is read.
//!
//! Rules: one tensor at a time is ever decoded whole; what does not fill whole blocks keeps the
//! precision's own format. Under `q8_0` and `q4_0` the embedding and the head are 8-bit blocks, as
//! in GGUF files; under `nf4` they keep the precision's format, as in QLoRA. Absent on purpose:
//! norms and biases, which stay 32 bits wide.

use std::fmt;

use schliff_spec::job::{Job, Precision, Quantization};
use schliff_weights::encoding::Encoding;
use schliff_weights::{BaseWeights, PackedRows, WeightsError};
use serde::{Deserialize, Serialize};

use crate::frozen::Frozen;
use crate::kernel::rounding::Rounding;
use crate::tensor::Matrix;

/// Number format of products, and storage of the linear weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holding {
    pub(crate) precision: Precision,
    pub(crate) quantization: Quantization,
}

impl Default for Holding {
    /// 32 bits throughout.
    fn default() -> Self {
        Self {
            precision: Precision::F32,
            quantization: Quantization::None,
        }
    }
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.precision {
            Precision::F32 => "f32",
            Precision::Bf16Mixed => "bf16-mixed",
            Precision::Fp16Mixed => "fp16-mixed",
        })?;
        match self.quantization {
            Quantization::None => Ok(()),
            Quantization::AsStored => f.write_str(", quantised as its file is"),
            Quantization::Q8_0 => f.write_str(", quantised to q8-0"),
            Quantization::Q4_0 => f.write_str(", quantised to q4-0"),
            Quantization::Nf4 => f.write_str(", quantised to nf4"),
        }
    }
}

/// What a weight is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A linear layer of a block.
    Layer,
    /// The embedding or the output head.
    Vocabulary,
}

impl Holding {
    /// What a job asks for.
    pub(crate) fn of(job: &Job) -> Self {
        Self {
            precision: job.training.precision,
            quantization: job.model.quantization,
        }
    }

    /// Number format in which values enter products.
    pub(crate) fn rounding(self) -> Rounding {
        match self.precision {
            Precision::F32 => Rounding::None,
            Precision::Bf16Mixed => Rounding::Bf16,
            Precision::Fp16Mixed => Rounding::F16,
        }
    }

    /// Reads matrices of one width, the first on top; plain ones get a transposed copy where
    /// `copy` says so.
    pub(crate) fn read(
        self,
        base: &BaseWeights,
        names: &[String],
        role: Role,
        copy: bool,
    ) -> Result<Frozen, WeightsError> {
        let stored = |name: &String| base.encoding(name).unwrap_or(Encoding::F32);
        if names
            .iter()
            .all(|name| self.wanted(stored(name), role) == Encoding::F32)
        {
            return plain(base, names, copy);
        }
        let mut held: Option<PackedRows> = None;
        for name in names {
            let rows = self.packed(base, name, self.wanted(stored(name), role))?;
            match &mut held {
                None => held = Some(rows),
                Some(held) => held.append(rows),
            }
        }
        match held {
            Some(rows) => Ok(Frozen::packed(rows, self.rounding())),
            None => plain(base, names, copy),
        }
    }

    /// The values of one matrix as products see them, row by row.
    pub(crate) fn values(
        self,
        base: &BaseWeights,
        name: &str,
        role: Role,
    ) -> Result<Vec<f32>, WeightsError> {
        let frozen = self.read(base, &[name.to_owned()], role, false)?;
        Ok(frozen.values(0..frozen.rows()).to_vec())
    }

    fn packed(
        self,
        base: &BaseWeights,
        name: &str,
        wanted: Encoding,
    ) -> Result<PackedRows, WeightsError> {
        if base.encoding(name) == Some(wanted)
            && let Some(rows) = base.packed(name)?
        {
            return Ok(rows);
        }
        let weights = base.read_f32(name)?;
        let cols = base
            .shape(name)
            .and_then(<[usize]>::last)
            .copied()
            .unwrap_or(1);
        let packed = [wanted, self.float(), Encoding::F32]
            .into_iter()
            .find_map(|encoding| PackedRows::encode(&weights, cols, encoding));
        // 32-bit floats fill whole blocks of one, always.
        Ok(packed.unwrap_or_else(|| unreachable!("{name} has no rows")))
    }

    /// The encoding of a weight that the file has as `stored`.
    fn wanted(self, stored: Encoding, role: Role) -> Encoding {
        match (self.quantization, role) {
            (Quantization::None, _) | (Quantization::Nf4, Role::Vocabulary) => self.float(),
            (Quantization::AsStored, _) if stored == Encoding::F32 => self.float(),
            (Quantization::AsStored, _) => stored,
            (Quantization::Q8_0, _) | (Quantization::Q4_0, Role::Vocabulary) => Encoding::Q8_0,
            (Quantization::Q4_0, Role::Layer) => Encoding::Q4_0,
            (Quantization::Nf4, Role::Layer) => Encoding::Nf4,
        }
    }

    /// The precision's own format.
    fn float(self) -> Encoding {
        match self.precision {
            Precision::F32 => Encoding::F32,
            Precision::Bf16Mixed => Encoding::BF16,
            Precision::Fp16Mixed => Encoding::F16,
        }
    }
}

fn plain(base: &BaseWeights, names: &[String], copy: bool) -> Result<Frozen, WeightsError> {
    let mut weight = Vec::new();
    let mut cols = 1;
    for name in names {
        let read = base.read_f32(name)?;
        cols = base
            .shape(name)
            .and_then(<[usize]>::last)
            .copied()
            .unwrap_or(1);
        // A lone tensor is taken as it is, without a second copy.
        if weight.is_empty() {
            weight = read;
        } else {
            weight.extend(read);
        }
    }
    let rows = weight.len() / cols.max(1);
    Ok(Frozen::plain(Matrix::new(rows, cols, weight), copy))
}
