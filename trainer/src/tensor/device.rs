//! Where matrices live: the host, or another device that burn reaches.
//!
//! Rules: a job uses one device from its beginning to its end. What cannot be had is refused before
//! burn is asked for it, since burn panics. Elements come back from a device in [`fetch`] alone, and
//! there its earlier failures show.

use std::sync::Arc;

use burn_tensor::{Device as BurnDevice, Tensor};
use thiserror::Error;

/// Names the device; the host where it is not set.
const VARIABLE: &str = "SCHLIFF_DEVICE";

/// A device that cannot be had.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum DeviceError {
    #[error("{VARIABLE}={0} names no device")]
    Unknown(String),
    #[error("{VARIABLE}={0}, but this schliff-trainer is built without {0}")]
    NotBuilt(&'static str),
    #[error("no {0} device is found on this machine")]
    NotFound(&'static str),
    #[error("{0} is not found, and without it no CUDA kernel can be compiled")]
    #[cfg(feature = "cuda")]
    NoCompiler(&'static str),
    #[error("{backend} device {index} is wanted, but this machine has {found}")]
    TooFew {
        backend: &'static str,
        index: usize,
        found: usize,
    },
}

impl DeviceError {
    /// What the user can do.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "write flex, wgpu or cuda, the last two also with a number: cuda:1",
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
            #[cfg(feature = "cuda")]
            Self::NoCompiler(_) => {
                "install the CUDA toolkit or the package nvidia-cuda-nvrtc with its headers, put its library on LD_LIBRARY_PATH, and name its folder by CUDA_PATH"
            }
            Self::TooFew { .. } => {
                "ask for as many ranks a node as it has devices, or for one by number"
            }
        }
    }
}

/// What does the arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backend {
    Flex,
    Wgpu,
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
        Ok(Device {
            other: found.into_iter().nth(index).map(Arc::new),
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
        use burn_tensor::DeviceType;
        let kind = match self.backend {
            #[cfg(feature = "wgpu")]
            Backend::Wgpu => DeviceType::Wgpu,
            #[cfg(feature = "cuda")]
            Backend::Cuda => {
                super::cuda::check_libraries()?;
                DeviceType::Cuda
            }
            _ => return Err(DeviceError::NotBuilt(self.backend())),
        };
        super::runtime::configure();
        Ok(BurnDevice::enumerate(kind).into_iter().collect())
    }

    #[cfg(not(feature = "gpu"))]
    fn found(self) -> Result<Vec<BurnDevice>, DeviceError> {
        Err(DeviceError::NotBuilt(self.backend()))
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

    pub(super) fn other(&self) -> Option<&BurnDevice> {
        self.other.as_deref()
    }
}

/// The elements of a tensor, once its device has computed them.
pub(super) fn fetch<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    match tensor.try_into_vec_as::<f32>() {
        Ok(elements) => elements,
        Err(error) => panic!("the device failed: {error:?}"),
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

    #[cfg(not(feature = "gpu"))]
    #[test]
    fn a_build_without_devices_says_so() {
        for name in ["cuda", "wgpu"] {
            let refused = wanted(name).open(0).expect_err("no device");
            assert!(refused.to_string().contains("built without"), "{refused}");
            assert!(refused.hint().contains(&format!("--features {name}")));
        }
    }
}
