//! Stands in for CubeCL's LLVM backend: the names that `cubecl-cuda` needs to compile, and a refusal
//! wherever the backend would be used.
//!
//! `cubecl-cuda` always links that backend, and its build script downloads a prebuilt LLVM. Schliff
//! compiles its kernels through CUDA C++ and NVRTC (`cubecl-cuda`'s feature `cpp`), which is chosen
//! in code, so nothing here runs. Follows `cubecl-llvm` 0.11.3; a change of the names it stands for
//! shows as an error of compilation (`make check-features`).

pub mod nvptx;
pub mod shared;

use std::ffi::c_char;

use cubecl_core::ir::amd::GfxArch;
use cubecl_core::ir::nvidia::SmArch;
use cubecl_core::prelude::KernelDefinition;
use cubecl_environment::backtrace::BackTrace;
use cubecl_runtime::compiler::CompilationError;
use cubecl_runtime::kernel::BufferIOAttr;

use nvptx::ptx_version::PtxVersion;

/// What code is made for.
#[derive(Clone, Copy, Debug, Default)]
pub enum LlvmTarget {
    /// NVIDIA's GPUs.
    #[default]
    Nvptx,
}

/// The compiler that is not here.
#[derive(Clone, Debug, Default)]
pub struct PlironCompiler {
    /// What code is made for.
    pub target: LlvmTarget,
}

/// Its options.
#[derive(Clone, Debug, Default)]
pub struct PlironOptions {
    /// Of AMD's GPUs.
    pub arch: Option<GfxArch>,
    /// Of NVIDIA's GPUs.
    pub sm_arch: Option<SmArch>,
    /// The language's version.
    pub ptx_version: Option<PtxVersion>,
    /// How parameters are passed.
    pub grid_constants: bool,
}

/// What it would make for NVIDIA's GPUs.
#[derive(Clone, Debug)]
pub struct NvptxModule {
    /// PTX, ended by a nought.
    pub ptx: Vec<c_char>,
    /// Name of the kernel.
    pub entrypoint: String,
    /// LLVM's text.
    pub ir: String,
    /// Shared memory of a launch.
    pub shared_memory_size: usize,
    /// Access to each buffer.
    pub io: Vec<BufferIOAttr>,
}

/// What it would make.
#[derive(Clone, Debug)]
pub enum PlironArtifact {
    /// For a processor.
    Jit,
    /// For NVIDIA's GPUs.
    NvptxCode(NvptxModule),
}

impl PlironCompiler {
    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub fn compile(
        &mut self,
        _kernel: KernelDefinition,
        _options: &PlironOptions,
    ) -> Result<PlironArtifact, CompilationError> {
        Err(CompilationError::Generic {
            reason: "this build compiles kernels through CUDA C++ alone".to_owned(),
            backtrace: BackTrace::capture(),
        })
    }

    /// The language it would write.
    pub fn lang_tag(&self) -> &'static str {
        "llvm"
    }
}
