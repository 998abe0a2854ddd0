//! Every kernel of ours, lowered to CUDA C++ and compiled to PTX by NVRTC: tests only, without a GPU.
//!
//! The way is the one of CubeCL's runtime for CUDA: its compiler, then NVRTC with the options that it
//! gives. NVRTC and the headers are looked for in the folder that `SCHLIFF_TEST_NVRTC` names (`lib` must
//! be on `LD_LIBRARY_PATH`), which `make test-cuda-kernels` fetches; without it the test says that it
//! was skipped.

use std::path::Path;
use std::sync::Arc;

use cubecl::features::Features;
use cubecl::ir::{DeviceIdentity, HardwareProperties, MemoryDeviceProperties};
use cubecl::prelude::{DeviceProperties, KernelDefinition, TargetProperties};
use cubecl::profile::TimingMethod;
use cubecl_cuda::{CudaCompilationOptions, CudaCompiler};
use cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};

use super::dropout;

/// What a kernel may know of where it is going to run.
pub(super) struct Target {
    pub(super) device: Arc<DeviceProperties>,
    pub(super) lanes: Arc<TargetProperties>,
}

/// A kernel's entry point and how it is defined.
type Kernel = (&'static str, fn(Target) -> KernelDefinition);

const KERNELS: &[Kernel] = &[("dropout", dropout::defined)];

/// Compute capabilities, and the names that CubeCL's runtime compiles them for: A100, H100, B200.
const ARCHITECTURES: &[(u32, &str)] = &[(80, "sm_80"), (90, "sm_90a"), (100, "sm_100a")];

/// A GPU of such a capability as CubeCL's runtime would describe it, as far as kernels ask.
fn target(capability: u32) -> Target {
    let hardware = HardwareProperties {
        load_width: 128,
        vector_register_count: None,
        plane_size_min: 32,
        plane_size_max: 32,
        max_bindings: 1024,
        max_shared_memory_size: 160 << 10,
        max_cube_count: (i32::MAX as u32, 65_535, 65_535),
        max_units_per_cube: 1024,
        max_cube_dim: (1024, 1024, 64),
        num_streaming_multiprocessors: Some(108),
        num_tensor_cores: Some(4),
        min_tensor_cores_dim: Some(8),
        num_cpu_cores: None,
        last_level_cache_size: None,
        max_vector_size: 16,
        cube_mma_reserved_shared_memory: 0,
    };
    let identity = DeviceIdentity {
        name: "none".to_owned(),
        fingerprint: format!("ptx_sm{capability}"),
        physical: None,
    };
    let memory = MemoryDeviceProperties::new(1 << 30, 512);
    let timing = TimingMethod::Device;
    let device = DeviceProperties::new(Features::default(), memory, hardware, timing, identity);
    let lanes = TargetProperties {
        mma: Default::default(),
    };
    Target {
        device: Arc::new(device),
        lanes: Arc::new(lanes),
    }
}

/// CUDA C++ of a kernel.
fn lowered(define: fn(Target) -> KernelDefinition, capability: u32) -> String {
    use cubecl::Compiler;
    let mut options = CudaCompilationOptions::default();
    options.cpp.supports_features.fast_math = true;
    options.cpp.supports_features.dp4a = true;
    options.cpp.supports_features.grid_constants = true;
    options.cpp.supports_features.fast_tanh = true;
    options.cpp.supports_features.clusters = capability >= 90;
    options.cpp.supports_features.elect_sync = capability >= 90;
    let compiled = CudaCompiler::default().compile(define(target(capability)), &options);
    compiled.expect("CUDA C++").to_string()
}

/// PTX of CUDA C++.
fn compiled(source: &str, architecture: &'static str, cuda: &Path) -> String {
    let include = |folder: &str| cuda.join(folder).display().to_string();
    let options = CompileOptions {
        arch: Some(architecture),
        include_paths: vec![include("include"), include("include/cccl")],
        options: vec!["-lineinfo".to_owned()],
        ..CompileOptions::default()
    };
    match compile_ptx_with_opts(source, options) {
        Ok(ptx) => ptx.to_src(),
        Err(error) => panic!("NVRTC for {architecture}: {error:?}\n{source}"),
    }
}

#[test]
fn every_kernel_compiles_to_ptx() {
    let Some(cuda) = std::env::var_os("SCHLIFF_TEST_NVRTC").filter(|path| !path.is_empty()) else {
        eprintln!(
            "SKIPPED: SCHLIFF_TEST_NVRTC names no NVRTC; `make test-cuda-kernels` fetches it"
        );
        return;
    };
    for (name, define) in KERNELS {
        for (capability, architecture) in ARCHITECTURES {
            let source = lowered(*define, *capability);
            let ptx = compiled(&source, architecture, Path::new(&cuda));
            assert!(ptx.contains(&format!(".target {architecture}")), "{ptx}");
            assert!(ptx.contains(&format!(".entry {name}_")), "{ptx}");
        }
    }
}

#[test]
fn the_list_has_every_kernel() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cube");
    let files = std::fs::read_dir(folder).expect("our kernels");
    let mut launched = 0;
    for file in files {
        let text = std::fs::read_to_string(file.expect("a file").path()).expect("a file");
        launched += text
            .lines()
            .filter(|line| line.starts_with("#[cube(launch"))
            .count();
    }
    assert_eq!(launched, KERNELS.len(), "a kernel is missing in the list");
}
