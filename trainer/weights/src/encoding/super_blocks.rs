//! The 256-weight "K" formats of GGML: a super-block of sub-blocks, whose scales are themselves
//! quantised against the super-block's own.
//!
//! Layouts are those of `ggml-quants.h`; gguf-py's `quants.py` says the same in numpy.

use super::blocks::half_at;

/// Weights in a super-block.
pub(super) const WEIGHTS: usize = 256;

/// 16 scale/minimum nibble pairs, 64 bytes of 2-bit weights, d, dmin.
pub(super) fn q2_k(block: &[u8; 84], out: &mut [f32; WEIGHTS]) {
    let (scale, minimum) = (half_at(block, 80), half_at(block, 82));
    for (sub, weights) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let step = scale * f32::from(block[sub] & 0x0F);
        let least = minimum * f32::from(block[sub] >> 4);
        let (bytes, shift) = two_bits(&block[16..80], sub);
        for (weight, byte) in weights.iter_mut().zip(bytes) {
            *weight = step * f32::from(byte >> shift & 3) - least;
        }
    }
}

/// 32 bytes of third bits, 64 bytes of low pairs, 12 bytes of 6-bit scales, d.
pub(super) fn q3_k(block: &[u8; 110], out: &mut [f32; WEIGHTS]) {
    let scale = half_at(block, 108);
    let packed = &block[96..108];
    for (sub, weights) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let low = packed[sub % 8] >> (sub / 8 * 4) & 0x0F;
        let high = packed[8 + sub % 4] >> (sub / 4 * 2) & 3;
        let step = scale * (i32::from(low | high << 4) - 32) as f32;
        let (bytes, shift) = two_bits(&block[32..96], sub);
        let third = &block[sub % 2 * 16..][..16];
        for (i, weight) in weights.iter_mut().enumerate() {
            // A set third bit means "no offset", a clear one "minus four".
            let offset = if third[i] >> (sub / 2) & 1 == 1 { 0 } else { 4 };
            *weight = step * (i32::from(bytes[i] >> shift & 3) - offset) as f32;
        }
    }
}

/// The sixteen bytes that hold sub-block `sub` of 16, and the shift of its bit pair. Each 32
/// bytes hold eight sub-blocks: two side by side, four on top of each other.
fn two_bits(packed: &[u8], sub: usize) -> (&[u8], usize) {
    let start = sub / 8 * 32 + sub % 2 * 16;
    (&packed[start..start + 16], sub % 8 / 2 * 2)
}

/// d, dmin, 12 bytes of 6-bit scales and minima, 128 bytes of nibbles.
pub(super) fn q4_k(block: &[u8; 144], out: &mut [f32; WEIGHTS]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    for (sub, weights) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (six_scale, six_minimum) = six_bits(&block[4..16], sub);
        let (step, least) = (
            scale * f32::from(six_scale),
            minimum * f32::from(six_minimum),
        );
        let bytes = &block[16 + sub / 2 * 32..][..32];
        let shift = sub % 2 * 4;
        for (weight, byte) in weights.iter_mut().zip(bytes) {
            *weight = step * f32::from(byte >> shift & 0x0F) - least;
        }
    }
}

/// As [`q4_k`], with 32 bytes of fifth bits before the nibbles.
pub(super) fn q5_k(block: &[u8; 176], out: &mut [f32; WEIGHTS]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    let fifth = &block[16..48];
    for (sub, weights) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (six_scale, six_minimum) = six_bits(&block[4..16], sub);
        let (step, least) = (
            scale * f32::from(six_scale),
            minimum * f32::from(six_minimum),
        );
        let bytes = &block[48 + sub / 2 * 32..][..32];
        let shift = sub % 2 * 4;
        for (i, weight) in weights.iter_mut().enumerate() {
            let quantised = bytes[i] >> shift & 0x0F | (fifth[i] >> sub & 1) << 4;
            *weight = step * f32::from(quantised) - least;
        }
    }
}

/// Scale and minimum of sub-block `sub` of 8, six bits each: the first four lie whole in bytes
/// 0..8, the last four have their low nibbles in bytes 8..12 and their upper pairs on top of
/// the first four.
fn six_bits(packed: &[u8], sub: usize) -> (u8, u8) {
    if sub < 4 {
        return (packed[sub] & 0x3F, packed[sub + 4] & 0x3F);
    }
    let low = packed[sub + 4];
    (
        low & 0x0F | packed[sub - 4] >> 2 & 0x30,
        low >> 4 | packed[sub] >> 2 & 0x30,
    )
}

/// 128 bytes of low nibbles, 64 bytes of upper pairs, 16 signed scales, d.
pub(super) fn q6_k(block: &[u8; 210], out: &mut [f32; WEIGHTS]) {
    let scale = half_at(block, 208);
    for (sub, weights) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let step = scale * f32::from(block[192 + sub] as i8);
        // In each half of 128 weights: four groups of 32, nibbles of groups 2 and 3 on top of
        // those of groups 0 and 1, upper pairs all four on top of each other.
        let (side, group, start) = (sub / 8, sub % 8 / 2, sub % 2 * 16);
        let nibbles = &block[side * 64 + group % 2 * 32 + start..][..16];
        let pairs = &block[128 + side * 32 + start..][..16];
        for (i, weight) in weights.iter_mut().enumerate() {
            let low = nibbles[i] >> (group / 2 * 4) & 0x0F;
            let high = pairs[i] >> (group * 2) & 3;
            *weight = step * (i32::from(low | high << 4) - 32) as f32;
        }
    }
}
