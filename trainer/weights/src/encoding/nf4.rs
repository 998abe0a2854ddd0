//! 4-bit normal floats: quantiles of the normal distribution (Dettmers et al. 2023, QLoRA).
//!
//! Only held in memory, never in a file of ours: a block is its largest magnitude as an `f32`,
//! then the nibbles of 64 weights, the low ones first. Absent on purpose: the second quantisation
//! of the magnitudes, which saves 0.4 bits a weight.

/// Weights in a block.
pub(super) const WEIGHTS: usize = 64;
/// Bytes of a block.
pub(super) const BYTES: usize = 4 + WEIGHTS / 2;

/// The code book of bitsandbytes.
pub(super) const CODE_BOOK: [f32; 16] = [
    -1.0,
    -0.696_192_8,
    -0.525_073_05,
    -0.394_917_5,
    -0.284_441_38,
    -0.184_773_43,
    -0.091_050_036,
    0.0,
    0.079_580_3,
    0.160_930_2,
    0.246_112_3,
    0.337_915_24,
    0.440_709_83,
    0.562_617,
    0.722_956_84,
    1.0,
];

/// Halfway between neighbours of the code book, as bitsandbytes writes them down.
const BOUNDS: [f32; 15] = [
    -0.848_096_4,
    -0.610_632_9,
    -0.459_995_27,
    -0.339_679_43,
    -0.234_607_41,
    -0.137_911_73,
    -0.045_525_018,
    0.039_790_15,
    0.120_255_25,
    0.203_521_25,
    0.292_013_77,
    0.389_312_54,
    0.501_663_4,
    0.642_786_9,
    0.861_478_4,
];

/// Index of the nearest value in the code book.
pub(super) fn nearest(weight: f32) -> u8 {
    BOUNDS.iter().map(|&bound| u8::from(weight > bound)).sum()
}

#[inline(always)]
pub(super) fn decode(block: &[u8; BYTES], out: &mut [f32; WEIGHTS]) {
    let largest = f32::from_le_bytes([block[0], block[1], block[2], block[3]]);
    let (low, high) = out.split_at_mut(WEIGHTS / 2);
    for ((byte, low), high) in block[4..].iter().zip(low).zip(high) {
        *low = CODE_BOOK[usize::from(byte & 0x0F)] * largest;
        *high = CODE_BOOK[usize::from(byte >> 4)] * largest;
    }
}
