//! Dropout by key, with the mask of [`crate::kernel::dropout`] to the bit.

use cubecl::prelude::*;

/// Units that work together.
const CUBE_UNITS: u32 = 256;

/// The two constants that SplitMix64 multiplies by, its increment, and the one that spreads the
/// element's number, each as (high, low).
const FIRST: (u32, u32) = (0xBF58_476D, 0x1CE4_E5B9);
const SECOND: (u32, u32) = (0x94D0_49BB, 0x1331_11EB);
const INCREMENT: (u32, u32) = (0x9E37_79B9, 0x7F4A_7C15);
const SPREAD: (u32, u32) = (0xD6E8_FEB8, 0x6659_FD93);

/// How a mask is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    /// Elements of a row.
    pub(crate) width: u32,
    /// An element is kept where its draw falls below this.
    pub(crate) threshold: u32,
    /// Factor of what is kept.
    pub(crate) factor: f32,
}

impl Draw {
    /// Dropout with probability `p`, above 0 and below 1.
    pub(crate) fn new(width: usize, p: f64) -> Self {
        Self {
            width: width as u32,
            threshold: ((1.0 - p) * 4_294_967_296.0) as u32,
            factor: (1.0 / (1.0 - p)) as f32,
        }
    }
}

/// High half of the product of two words of 64 bits, each as (high, low); the low half is the
/// product of the low halves.
#[cube]
fn product_high(a_high: u32, a_low: u32, b_high: u32, b_low: u32) -> u32 {
    a_low.mul_hi(b_low) + a_low * b_high + a_high * b_low
}

/// `y = x * keep / (1 - p)`; `keys` holds a (low, high) pair a row.
#[cube(launch)]
fn dropout(x: &[f32], keys: &[u32], y: &mut [f32], width: u32, threshold: u32, factor: f32) {
    if ABSOLUTE_POS < y.len() {
        let position = ABSOLUTE_POS as u32;
        let row = position / width;
        let column = position - row * width;
        let at = (2 * row) as usize;

        let low = keys[at] ^ (column * SPREAD.1);
        let high = keys[at + 1] ^ product_high(0, column, SPREAD.0, SPREAD.1);
        let next_low = low + INCREMENT.1;
        let carry = select(next_low < low, 1u32, 0u32);
        let next_high = high + INCREMENT.0 + carry;

        let low = next_low ^ ((next_low >> 30) | (next_high << 2));
        let high = next_high ^ (next_high >> 30);
        let next_high = product_high(high, low, FIRST.0, FIRST.1);
        let next_low = low * FIRST.1;

        let low = next_low ^ ((next_low >> 27) | (next_high << 5));
        let high = next_high ^ (next_high >> 27);
        let last = product_high(high, low, SECOND.0, SECOND.1);
        let draw = last ^ (last >> 31);
        y[ABSOLUTE_POS] = select(draw < threshold, x[ABSOLUTE_POS] * factor, 0.0f32);
    }
}

/// The kernel as [`launch`] has it, before any device compiles it.
#[cfg(all(test, feature = "cuda"))]
pub(super) fn defined(target: super::ptx::Target) -> KernelDefinition {
    use cubecl::frontend::BufferCompilationArg;
    let settings = KernelSettings::new(
        CubeDim::new_1d(CUBE_UNITS).into(),
        ExecutionMode::Checked,
        AddressType::U32,
    );
    let buffer = || BufferCompilationArg { inplace: None };
    let (x, keys, y) = (buffer(), buffer(), buffer());
    let (device, lanes) = (target.device, target.lanes);
    dropout::Dropout::new(settings, device, lanes, x, keys, y, (), (), ()).define()
}

/// Buffers of a launch and how many elements each holds.
pub(crate) struct Buffers {
    pub(crate) x: BufferArg,
    pub(crate) keys: BufferArg,
    pub(crate) y: BufferArg,
    pub(crate) elements: usize,
}

/// Puts the kernel into the queue.
pub(crate) fn launch(client: &Client, buffers: Buffers, draw: Draw) {
    let cubes = buffers.elements.div_ceil(CUBE_UNITS as usize) as u32;
    dropout::launch(
        client,
        CubeCount::new_1d(cubes),
        CubeDim::new_1d(CUBE_UNITS),
        buffers.x,
        buffers.keys,
        buffers.y,
        draw.width,
        draw.threshold,
        draw.factor,
    );
}
