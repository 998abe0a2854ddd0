//! Where matrices live: the host, or another device that burn reaches.
//!
//! Rules: a job uses one device from its beginning to its end. What cannot be had is refused before
//! burn is asked for it, since burn panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use burn_tensor::{Device as BurnDevice, Tensor};
use thiserror::Error;

use super::failed::{fetch, reason};
use super::half;
use crate::kernel::rounding::Rounding;

/// Names the device; the host where it is not set.
const VARIABLE: &str = "SCHLIFF_DEVICE";

/// A device that cannot be had.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum DeviceError {
    #[error("{VARIABLE}={0} names no device")]
    Unknown(String),
    #[error("{VARIABLE} asks for {0}, but this schliff-trainer is built without {0}")]
    NotBuilt(&'static str),
    #[error("no {0} device is found on this machine")]
    NotFound(&'static str),
    #[error("no wgpu device is found on this machine but a driver that computes on the processor")]
    #[cfg(feature = "wgpu")]
    OnlySoftware,
    #[error("{0} is not found, and without it no CUDA kernel can be compiled")]
    #[cfg(feature = "cuda")]
    NoCompiler(&'static str),
    #[error("{backend} device {index} is wanted, but this machine has {found}")]
    TooFew {
        backend: &'static str,
        index: usize,
        found: usize,
    },
    #[error("the {backend} device does not do a first addition: {reason}")]
    Unusable {
        backend: &'static str,
        reason: String,
    },
}

impl DeviceError {
    /// What the user can do.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Unknown(_) => {
                "write flex, cuda, wgpu or wgpu-software, all but the first also with a number: cuda:1"
            }
            Self::NotBuilt("cuda") => {
                "build it with: cargo build --release -p schliff-trainer --features cuda"
            }
            Self::NotBuilt(_) => {
                "build it with: cargo build --release -p schliff-trainer --features wgpu"
            }
            Self::NotFound("cuda") => {
                "is NVIDIA's driver (libcuda.so.1) installed and visible, and does nvidia-smi list a device?"
            }
            Self::NotFound(_) => "is a Vulkan driver installed? vulkaninfo lists its devices",
            #[cfg(feature = "wgpu")]
            Self::OnlySoftware => {
                "install the GPU's Vulkan driver; or ask for the one on the processor: SCHLIFF_DEVICE=wgpu-software"
            }
            #[cfg(feature = "cuda")]
            Self::NoCompiler(_) => {
                "install the CUDA toolkit, or NVIDIA's wheels of NVRTC and the runtime; name the folder above include by CUDA_PATH, put its libraries on LD_LIBRARY_PATH, and beside a bare libnvrtc.so.13 put a link libnvrtc.so"
            }
            Self::TooFew { .. } => {
                "ask for as many ranks a node as it has devices, or for one by number"
            }
            Self::Unusable { .. } => {
                "is its memory taken by another program, and are its driver and libraries of one version?"
            }
        }
    }
}

/// What does the arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backend {
    Flex,
    Wgpu,
    /// A driver for a graphics API that computes on the processor.
    WgpuSoftware,
    Cuda,
}

/// A device as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    backend: Backend,
    index: Option<usize>,
}

impl Wanted {
    /// The device that `SCHLIFF_DEVICE` names.
    ///
    /// # Errors
    /// It names none.
    pub(crate) fn from_environment() -> Result<Self, DeviceError> {
        let text = std::env::var(VARIABLE).unwrap_or_default();
        Self::named(&text)
    }

    /// The device of that name.
    ///
    /// # Errors
    /// It names none.
    pub(crate) fn named(text: &str) -> Result<Self, DeviceError> {
        Self::parse(text)
    }

    /// How many of its kind this machine has.
    ///
    /// # Errors
    /// None, or this build cannot use them.
    pub(crate) fn count(self) -> Result<usize, DeviceError> {
        match self.found()?.len() {
            0 => Err(DeviceError::NotFound(self.backend())),
            found => Ok(found),
        }
    }

    fn parse(text: &str) -> Result<Self, DeviceError> {
        let unknown = || DeviceError::Unknown(text.to_owned());
        let (name, index) = match text.split_once(':') {
            None => (text, None),
            Some((name, index)) => (name, Some(index.parse().map_err(|_| unknown())?)),
        };
        let backend = match name {
            "" | "flex" if index.is_none() => Backend::Flex,
            "wgpu" => Backend::Wgpu,
            "wgpu-software" => Backend::WgpuSoftware,
            "cuda" => Backend::Cuda,
            _ => return Err(unknown()),
        };
        Ok(Self { backend, index })
    }

    pub(crate) fn is_host(self) -> bool {
        self.backend == Backend::Flex
    }

    /// The name of what does the arithmetic.
    pub(crate) fn backend(self) -> &'static str {
        match self.backend {
            Backend::Flex => "flex",
            Backend::Wgpu => "wgpu",
            Backend::WgpuSoftware => "wgpu-software",
            Backend::Cuda => "cuda",
        }
    }

    /// The device itself, for the `local_rank`-th rank of this machine.
    ///
    /// # Errors
    /// The machine or this build does not have it.
    pub(crate) fn open(self, local_rank: usize) -> Result<Device, DeviceError> {
        if self.is_host() {
            return Ok(Device::host());
        }
        let found = self.found()?;
        let index = self.choose(local_rank, found.len())?;
        let device = Device {
            other: found.into_iter().nth(index).map(Arc::new),
        };
        device.tried().map_err(|reason| DeviceError::Unusable {
            backend: self.backend(),
            reason,
        })
    }

    /// Number of the device: the wanted one, else the only one, else one a rank.
    fn choose(self, local_rank: usize, found: usize) -> Result<usize, DeviceError> {
        let backend = self.backend();
        let index = match self.index {
            Some(index) => index,
            // A launcher that shows each rank its own device shows it one.
            None if found == 1 => 0,
            None => local_rank,
        };
        match found {
            0 => Err(DeviceError::NotFound(backend)),
            _ if index < found => Ok(index),
            _ => Err(DeviceError::TooFew {
                backend,
                index,
                found,
            }),
        }
    }

    #[cfg(feature = "gpu")]
    fn found(self) -> Result<Vec<BurnDevice>, DeviceError> {
        super::runtime::configure();
        match self.backend {
            #[cfg(feature = "wgpu")]
            Backend::Wgpu => {
                let gpus = super::graphics::gpus();
                match gpus.is_empty() && !super::graphics::software().is_empty() {
                    true => Err(DeviceError::OnlySoftware),
                    false => Ok(gpus),
                }
            }
            #[cfg(feature = "wgpu")]
            Backend::WgpuSoftware => Ok(super::graphics::software()),
            #[cfg(feature = "cuda")]
            Backend::Cuda => {
                super::cuda::check_libraries()?;
                let found = BurnDevice::enumerate(burn_tensor::DeviceType::Cuda);
                Ok(found.into_iter().collect())
            }
            _ => Err(self.not_built()),
        }
    }

    #[cfg(not(feature = "gpu"))]
    fn found(self) -> Result<Vec<BurnDevice>, DeviceError> {
        Err(self.not_built())
    }

    fn not_built(self) -> DeviceError {
        DeviceError::NotBuilt(match self.backend {
            Backend::WgpuSoftware => "wgpu",
            _ => self.backend(),
        })
    }
}

/// A place that matrices live in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Device {
    other: Option<Arc<BurnDevice>>,
}

impl Device {
    /// The host, which has kernels of its own.
    pub(crate) fn host() -> Self {
        Self { other: None }
    }

    /// What tests compare with the host: the device that the environment names, or burn's own
    /// backend for the CPU, which runs the same compositions on every machine.
    #[cfg(test)]
    pub(crate) fn under_test() -> Self {
        let wanted = Wanted::from_environment().expect("a device");
        if wanted.is_host() {
            return Self {
                other: Some(Arc::new(BurnDevice::flex())),
            };
        }
        wanted.open(0).expect("the device")
    }

    pub(crate) fn is_host(&self) -> bool {
        self.other.is_none()
    }

    /// It has arithmetic in the format that values are rounded to; the host has all of them.
    pub(crate) fn has(&self, rounding: Rounding) -> bool {
        let supports = |(device, format): (&BurnDevice, _)| device.supports_dtype(format);
        let asked = self.other().zip(half(rounding));
        asked.is_none_or(supports)
    }

    /// The device once it has added two numbers: burn opens a device, loads libraries and compiles
    /// kernels when it is first used, and panics where it cannot.
    fn tried(self) -> Result<Self, String> {
        let add = || match self.other() {
            None => Vec::new(),
            Some(device) => fetch(Tensor::<1>::ones([1], device).add_scalar(1.0)),
        };
        match catch_unwind(AssertUnwindSafe(add)) {
            Ok(sum) if self.is_host() || sum == [2.0] => Ok(self),
            Ok(sum) => Err(format!("1 + 1 is {sum:?} on it")),
            Err(thrown) => Err(reason(thrown.as_ref())),
        }
    }

    pub(super) fn other(&self) -> Option<&BurnDevice> {
        self.other.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(text: &str) -> Wanted {
        Wanted::parse(text).expect("a device")
    }

    #[test]
    fn a_device_is_named_with_or_without_a_number() {
        assert!(wanted("").is_host() && wanted("flex").is_host());
        assert_eq!(wanted("cuda").index, None);
        assert_eq!(
            (wanted("wgpu:3").backend(), wanted("wgpu:3").index),
            ("wgpu", Some(3))
        );
        for text in ["gpu", "cuda:", "cuda:one", "flex:0", "cuda:-1"] {
            assert_eq!(
                Wanted::parse(text),
                Err(DeviceError::Unknown(text.to_owned()))
            );
        }
    }

    #[test]
    fn a_rank_takes_its_own_device_or_the_only_one() {
        assert_eq!(wanted("cuda").choose(2, 4), Ok(2));
        assert_eq!(wanted("cuda").choose(2, 1), Ok(0));
        assert_eq!(wanted("cuda:1").choose(2, 4), Ok(1));
        assert_eq!(
            wanted("cuda").choose(0, 0),
            Err(DeviceError::NotFound("cuda"))
        );
        let too_few = DeviceError::TooFew {
            backend: "cuda",
            index: 2,
            found: 2,
        };
        assert_eq!(wanted("cuda").choose(2, 2), Err(too_few));
    }

    #[test]
    fn a_device_that_adds_is_taken() {
        assert!(Device::under_test().tried().is_ok());
    }

    #[cfg(not(feature = "gpu"))]
    #[test]
    fn a_build_without_devices_says_so() {
        for (name, feature) in [
            ("cuda", "cuda"),
            ("wgpu", "wgpu"),
            ("wgpu-software", "wgpu"),
        ] {
            let refused = wanted(name).open(0).expect_err("no device");
            assert!(refused.to_string().contains("built without"), "{refused}");
            assert!(refused.hint().contains(&format!("--features {feature}")));
        }
    }
}
