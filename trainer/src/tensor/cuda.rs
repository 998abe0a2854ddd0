//! What CUDA needs of a machine, looked for before anything of it is used.
//!
//! Rules: nothing here loads a library that is not there; CubeCL and cudarc would panic.

use cubecl_cuda::install::cuda_path;

use super::device::DeviceError;

/// Refuses a machine without NVIDIA's driver, without NVRTC, or without CUDA's headers.
pub(super) fn check_libraries() -> Result<(), DeviceError> {
    // SAFETY: looking for a library runs its initialisers; these are NVIDIA's own.
    let (driver, compiler) = unsafe {
        (
            cudarc::driver::sys::is_culib_present(),
            cudarc::nvrtc::sys::is_culib_present(),
        )
    };
    // A header that kernels include, as a sign that the folder is one of CUDA's.
    let headers = cuda_path().is_some_and(|cuda| cuda.join("include/cuda_fp16.h").is_file());
    match (driver, compiler, headers) {
        (false, _, _) => Err(DeviceError::NotFound("cuda")),
        (true, false, _) => Err(DeviceError::NoCompiler("NVRTC (libnvrtc.so)")),
        (true, true, false) => Err(DeviceError::NoCompiler("CUDA's include/cuda_fp16.h")),
        (true, true, true) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_a_driver_is_refused_and_nothing_panics() {
        // SAFETY: as above.
        let driver = unsafe { cudarc::driver::sys::is_culib_present() };
        let answer = check_libraries();
        assert!(
            driver || answer == Err(DeviceError::NotFound("cuda")),
            "{answer:?}"
        );
    }
}
