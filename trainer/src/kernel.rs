//! Arithmetic on slices of `f32`, for the CPU.
//!
//! Rules: a kernel reads and writes plain row-major slices and knows no tensor library; what it
//! sums, it sums in an order that depends on the shapes alone, so the number of threads never
//! shows in the bits. Parallelism inside a kernel is that of the rayon pool it is called in.
//! Absent on purpose: allocation policy, shapes beyond what an operation needs.

pub(crate) mod attention;
pub(crate) mod cached_attention;
pub(crate) mod cross_entropy;
pub(crate) mod dropout;
pub(crate) mod gate;
pub(crate) mod matmul;
mod panels;
pub(crate) mod rms_norm;
pub(crate) mod rope;
pub(crate) mod rounding;
pub(crate) mod simd;
pub(crate) mod transpose;
pub(crate) mod weight;
