//! Kernels of our own for GPUs, in CubeCL: one source for WGSL, CUDA C++ and the others.
//!
//! Rules: a kernel is here only where a composition of tensor operations cannot say it or says it
//! badly. It has a host form in `crate::kernel`, and a test holds both together. Words of 64 bits
//! are pairs of 32, since not every GPU has wider ones. Each is compiled for NVIDIA's GPUs by a test
//! (`ptx`), which needs none of them.

pub(crate) mod dropout;
#[cfg(all(test, feature = "cuda"))]
mod ptx;
