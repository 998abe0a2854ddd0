//! How a tensor's numbers lie in a file, and how they become `f32`.
//!
//! Rules: decoding is exact against gguf-py's `dequantize` (same operations, same order, in
//! `f32`); a row is a whole number of blocks. Absent on purpose: the formats that no published
//! model of our families uses (IQ*, TQ*, MXFP4).

mod blocks;
mod encode;
mod nf4;
mod super_blocks;

use half::slice::HalfFloatSliceExt;

/// Storage of one tensor's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// IEEE single.
    F32,
    /// IEEE half.
    F16,
    /// The upper half of an IEEE single.
    BF16,
    /// 4 bits, scale.
    Q4_0,
    /// 4 bits, scale and minimum.
    Q4_1,
    /// 5 bits, scale.
    Q5_0,
    /// 5 bits, scale and minimum.
    Q5_1,
    /// 8 bits, scale.
    Q8_0,
    /// 2 bits, 16 sub-blocks with scale and minimum.
    Q2K,
    /// 3 bits, 16 sub-blocks with scale.
    Q3K,
    /// 4 bits, 8 sub-blocks with scale and minimum.
    Q4K,
    /// 5 bits, 8 sub-blocks with scale and minimum.
    Q5K,
    /// 6 bits, 16 sub-blocks with scale.
    Q6K,
    /// 4-bit normal floats in blocks of 64; in memory alone.
    Nf4,
}

impl Encoding {
    /// The encoding of a `ggml_type` number, `None` when it is not read.
    pub fn from_ggml(kind: u32) -> Option<Self> {
        Some(match kind {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            10 => Self::Q2K,
            11 => Self::Q3K,
            12 => Self::Q4K,
            13 => Self::Q5K,
            14 => Self::Q6K,
            30 => Self::BF16,
            _ => return None,
        })
    }

    /// Weights in one block.
    pub fn block_weights(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => blocks::WEIGHTS,
            Self::Q2K | Self::Q3K | Self::Q4K | Self::Q5K | Self::Q6K => super_blocks::WEIGHTS,
            Self::Nf4 => nf4::WEIGHTS,
        }
    }

    /// Bytes of one block.
    pub fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q2K => 84,
            Self::Q3K => 110,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
            Self::Nf4 => nf4::BYTES,
        }
    }

    /// Bytes of so many weights; `None` when they fill no whole number of blocks or overflow.
    pub fn bytes_of(self, weights: usize) -> Option<usize> {
        let per_block = self.block_weights();
        if !weights.is_multiple_of(per_block) {
            return None;
        }
        (weights / per_block).checked_mul(self.block_bytes())
    }

    /// Decodes whole blocks: `bytes` must be exactly [`Self::bytes_of`] `out.len()`.
    pub(crate) fn decode(self, bytes: &[u8], out: &mut [f32]) {
        self.decode_inline(bytes, out);
    }

    /// [`Self::decode`] inside the caller's choice of vector instructions.
    #[inline(always)]
    pub(crate) fn decode_inline(self, bytes: &[u8], out: &mut [f32]) {
        debug_assert_eq!(self.bytes_of(out.len()), Some(bytes.len()));
        match self {
            Self::F32 => decode_f32(bytes, out),
            Self::F16 => decode_f16(bytes, out),
            Self::BF16 => decode_bf16(bytes, out),
            Self::Q4_0 => each_block(bytes, out, blocks::q4_0),
            Self::Q4_1 => each_block(bytes, out, blocks::q4_1),
            Self::Q5_0 => each_block(bytes, out, blocks::q5_0),
            Self::Q5_1 => each_block(bytes, out, blocks::q5_1),
            Self::Q8_0 => each_block(bytes, out, blocks::q8_0),
            Self::Q2K => each_block(bytes, out, super_blocks::q2_k),
            Self::Q3K => each_block(bytes, out, super_blocks::q3_k),
            Self::Q4K => each_block(bytes, out, super_blocks::q4_k),
            Self::Q5K => each_block(bytes, out, super_blocks::q5_k),
            Self::Q6K => each_block(bytes, out, super_blocks::q6_k),
            Self::Nf4 => each_block(bytes, out, nf4::decode),
        }
    }

    /// Encodes whole blocks into exactly [`Self::bytes_of`] `weights.len()` bytes; `false` where
    /// the encoding is one that is only read.
    pub(crate) fn encode(self, weights: &[f32], out: &mut [u8]) -> bool {
        debug_assert_eq!(self.bytes_of(weights.len()), Some(out.len()));
        match self {
            Self::F32 => encode::f32(weights, out),
            Self::F16 => encode::f16(weights, out),
            Self::BF16 => encode::bf16(weights, out),
            Self::Q4_0 => into_each_block(weights, out, encode::q4_0),
            Self::Q8_0 => into_each_block(weights, out, encode::q8_0),
            Self::Nf4 => into_each_block(weights, out, encode::nf4),
            _ => return false,
        }
        true
    }
}

#[inline(always)]
fn each_block<const BYTES: usize, const WEIGHTS: usize>(
    bytes: &[u8],
    out: &mut [f32],
    decode: impl Fn(&[u8; BYTES], &mut [f32; WEIGHTS]),
) {
    let (encoded, _) = bytes.as_chunks::<BYTES>();
    let (decoded, _) = out.as_chunks_mut::<WEIGHTS>();
    for (block, weights) in encoded.iter().zip(decoded) {
        decode(block, weights);
    }
}

fn into_each_block<const BYTES: usize, const WEIGHTS: usize>(
    weights: &[f32],
    out: &mut [u8],
    encode: impl Fn(&[f32; WEIGHTS], &mut [u8; BYTES]),
) {
    let (decoded, _) = weights.as_chunks::<WEIGHTS>();
    let (encoded, _) = out.as_chunks_mut::<BYTES>();
    for (weights, block) in decoded.iter().zip(encoded) {
        encode(weights, block);
    }
}

#[inline(always)]
fn decode_f32(bytes: &[u8], out: &mut [f32]) {
    for (raw, value) in bytes.as_chunks::<4>().0.iter().zip(out) {
        *value = f32::from_le_bytes(*raw);
    }
}

#[inline(always)]
fn decode_bf16(bytes: &[u8], out: &mut [f32]) {
    for (raw, value) in bytes.as_chunks::<2>().0.iter().zip(out) {
        *value = f32::from_bits(u32::from(u16::from_le_bytes(*raw)) << 16);
    }
}

/// Through a small buffer, because the file's bytes need not be aligned and `half` converts
/// slices with the processor's own instruction.
fn decode_f16(bytes: &[u8], out: &mut [f32]) {
    const AT_ONCE: usize = 256;
    let mut halves = [half::f16::ZERO; AT_ONCE];
    for (raw, values) in bytes.chunks(2 * AT_ONCE).zip(out.chunks_mut(AT_ONCE)) {
        let (pairs, _) = raw.as_chunks::<2>();
        for (pair, value) in pairs.iter().zip(&mut halves) {
            *value = half::f16::from_le_bytes(*pair);
        }
        halves[..values.len()].convert_to_f32_slice(values);
    }
}
