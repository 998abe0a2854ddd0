//! The 32-weight block formats of GGML.
//!
//! Low nibbles are the first sixteen weights, high nibbles the last sixteen. Scales and minima
//! are little-endian halves at the block's start.

/// Weights in a block.
pub(super) const WEIGHTS: usize = 32;
const HALF: usize = WEIGHTS / 2;

/// A half at byte `at`.
#[inline(always)]
pub(super) fn half_at(block: &[u8], at: usize) -> f32 {
    half::f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

#[inline(always)]
pub(super) fn q4_0(block: &[u8; 18], out: &mut [f32; WEIGHTS]) {
    let scale = half_at(block, 0);
    for (i, byte) in block[2..].iter().enumerate() {
        out[i] = scale * (i32::from(byte & 0x0F) - 8) as f32;
        out[i + HALF] = scale * (i32::from(byte >> 4) - 8) as f32;
    }
}

#[inline(always)]
pub(super) fn q4_1(block: &[u8; 20], out: &mut [f32; WEIGHTS]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    for (i, byte) in block[4..].iter().enumerate() {
        out[i] = scale * f32::from(byte & 0x0F) + minimum;
        out[i + HALF] = scale * f32::from(byte >> 4) + minimum;
    }
}

#[inline(always)]
pub(super) fn q5_0(block: &[u8; 22], out: &mut [f32; WEIGHTS]) {
    let scale = half_at(block, 0);
    for (i, (low, high)) in five_bits(&block[2..]).enumerate() {
        out[i] = scale * (i32::from(low) - 16) as f32;
        out[i + HALF] = scale * (i32::from(high) - 16) as f32;
    }
}

#[inline(always)]
pub(super) fn q5_1(block: &[u8; 24], out: &mut [f32; WEIGHTS]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    for (i, (low, high)) in five_bits(&block[4..]).enumerate() {
        out[i] = scale * f32::from(low) + minimum;
        out[i + HALF] = scale * f32::from(high) + minimum;
    }
}

/// Weights `i` and `i + 16` of a block whose fifth bits are the 32 bits before the nibbles.
#[inline(always)]
fn five_bits(packed: &[u8]) -> impl Iterator<Item = (u8, u8)> + '_ {
    let fifth = u32::from_le_bytes([packed[0], packed[1], packed[2], packed[3]]);
    packed[4..].iter().enumerate().map(move |(i, byte)| {
        let low = (fifth >> i & 1) as u8;
        let high = (fifth >> (i + HALF) & 1) as u8;
        (byte & 0x0F | low << 4, byte >> 4 | high << 4)
    })
}

#[inline(always)]
pub(super) fn q8_0(block: &[u8; 34], out: &mut [f32; WEIGHTS]) {
    let scale = half_at(block, 0);
    for (weight, byte) in out.iter_mut().zip(&block[2..]) {
        *weight = f32::from(*byte as i8) * scale;
    }
}
