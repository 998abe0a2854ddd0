//! From `f32` into the formats that a frozen base is held in.
//!
//! Rules: the blocks are bit for bit those of gguf-py's `quantize` (same operations, same order,
//! in `f32`); halves are rounded to nearest, ties to even. NF4 takes the nearest value of its code
//! book, as bitsandbytes does. Absent on purpose: formats that need a search for their scales.

use super::blocks::WEIGHTS;
use super::nf4;

const HALF: usize = WEIGHTS / 2;

pub(super) fn f32(weights: &[f32], out: &mut [u8]) {
    for (weight, raw) in weights.iter().zip(out.as_chunks_mut::<4>().0) {
        *raw = weight.to_le_bytes();
    }
}

pub(super) fn f16(weights: &[f32], out: &mut [u8]) {
    for (weight, raw) in weights.iter().zip(out.as_chunks_mut::<2>().0) {
        *raw = half::f16::from_f32(*weight).to_le_bytes();
    }
}

pub(super) fn bf16(weights: &[f32], out: &mut [u8]) {
    for (weight, raw) in weights.iter().zip(out.as_chunks_mut::<2>().0) {
        *raw = half::bf16::from_f32(*weight).to_le_bytes();
    }
}

pub(super) fn q8_0(weights: &[f32; WEIGHTS], block: &mut [u8; 34]) {
    let largest = weights.iter().fold(0.0_f32, |most, w| most.max(w.abs()));
    let scale = largest / 127.0;
    let inverse = inverse(scale);
    block[..2].copy_from_slice(&half::f16::from_f32(scale).to_le_bytes());
    for (byte, weight) in block[2..].iter_mut().zip(weights) {
        *byte = ((weight * inverse).round() as i8).cast_unsigned();
    }
}

pub(super) fn q4_0(weights: &[f32; WEIGHTS], block: &mut [u8; 18]) {
    // The first of the largest keeps its sign, so that it is met exactly by -8.
    let largest = weights.iter().fold(
        0.0_f32,
        |most, &w| if w.abs() > most.abs() { w } else { most },
    );
    let scale = largest / -8.0;
    let inverse = inverse(scale);
    block[..2].copy_from_slice(&half::f16::from_f32(scale).to_le_bytes());
    let nibble = |weight: f32| (weight * inverse + 8.5).clamp(0.0, 15.0) as u8;
    let (low, high) = weights.split_at(HALF);
    for ((byte, low), high) in block[2..].iter_mut().zip(low).zip(high) {
        *byte = nibble(*low) | nibble(*high) << 4;
    }
}

pub(super) fn nf4(weights: &[f32; nf4::WEIGHTS], block: &mut [u8; nf4::BYTES]) {
    let largest = weights.iter().fold(0.0_f32, |most, w| most.max(w.abs()));
    let inverse = inverse(largest);
    block[..4].copy_from_slice(&largest.to_le_bytes());
    let (low, high) = weights.split_at(nf4::WEIGHTS / 2);
    for ((byte, low), high) in block[4..].iter_mut().zip(low).zip(high) {
        *byte = nf4::nearest(low * inverse) | nf4::nearest(high * inverse) << 4;
    }
}

/// One over a scale; nought where a block holds nothing but noughts.
fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}
