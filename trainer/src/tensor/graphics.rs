//! GPUs that a graphics API reaches: which APIs are asked, and what counts as a GPU.
//!
//! Rules: an API is named, never left to the runtime, which falls back to OpenGL where Vulkan has no
//! driver and says nothing of it. A driver that computes on the processor, such as Mesa's lavapipe, is
//! no GPU: whoever wants one asks for it by its own name.

use burn_cubecl::CubeDevice;
use burn_tensor::Device as BurnDevice;
use cubecl::device::{WgpuBackend, WgpuDevice, WgpuDeviceKind};

/// The APIs that are asked, the best first.
const APIS: &[WgpuBackend] = if cfg!(target_os = "macos") {
    &[WgpuBackend::Metal]
} else if cfg!(windows) {
    &[WgpuBackend::Vulkan, WgpuBackend::Dx12]
} else {
    &[WgpuBackend::Vulkan]
};

/// Kinds of GPUs, the fastest first.
const GPUS: &[WgpuDeviceKind] = &[
    WgpuDeviceKind::DiscreteGpu(0),
    WgpuDeviceKind::IntegratedGpu(0),
    WgpuDeviceKind::VirtualGpu(0),
    WgpuDeviceKind::Other(0),
];

/// The machine's GPUs on the first API that has one.
pub(super) fn gpus() -> Vec<BurnDevice> {
    first_found(GPUS)
}

/// Drivers that compute on the processor, on the first API that has one.
pub(super) fn software() -> Vec<BurnDevice> {
    first_found(&[WgpuDeviceKind::Cpu])
}

fn first_found(kinds: &[WgpuDeviceKind]) -> Vec<BurnDevice> {
    let on = |api: &WgpuBackend| {
        let of_kind = |kind: &WgpuDeviceKind| {
            let first = CubeDevice::Wgpu(WgpuDevice::new(kind.clone()).on(*api));
            CubeDevice::enumerate(first.to_id())
        };
        let ids = kinds.iter().flat_map(of_kind);
        let devices = ids.map(|id| BurnDevice::new(CubeDevice::from_id(id)));
        devices.collect::<Vec<_>>()
    };
    let found = APIS.iter().map(on).find(|devices| !devices.is_empty());
    found.unwrap_or_default()
}
