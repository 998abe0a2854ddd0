//! GPUs: what drivers list, and what this build can use of it.

use std::ffi::{OsStr, c_char, c_int, c_uint};
use std::path::PathBuf;

use schliff_spec::finding::{Area, Finding};

use super::shared::{Shared, is_missing};
use crate::tensor::device::Wanted;

const GIB: f64 = 1_073_741_824.0;
/// Room for a GPU's name.
const NAME_BYTES: usize = 256;
/// Where drivers for Vulkan say that they are there.
const VULKAN_DRIVERS: [&str; 3] = [
    "/etc/vulkan/icd.d",
    "/usr/local/share/vulkan/icd.d",
    "/usr/share/vulkan/icd.d",
];

pub(super) fn findings() -> Vec<Finding> {
    let mut findings = nvidia();
    findings.push(vulkan());
    findings.extend(["cuda", "wgpu"].map(backend));
    findings
}

/// What NVIDIA's driver lists.
fn nvidia() -> Vec<Finding> {
    let (area, name) = (Area::Gpus, "NVIDIA");
    let driver = match Shared::open(&["libcuda.so.1", "libcuda.so"]) {
        Ok(driver) => driver,
        Err(said) if is_missing(&said) => {
            let absent = Finding::absent(area, name, "no driver (libcuda.so.1)");
            return vec![absent.hint("install NVIDIA's driver, if there is such a GPU")];
        }
        Err(said) => return vec![Finding::broken(area, name, said).hint("reinstall the driver")],
    };
    match Cards::of(&driver) {
        Ok(cards) if cards.is_empty() => {
            let absent = Finding::absent(area, name, "the driver lists no GPU");
            vec![absent.hint("does nvidia-smi list one? CUDA_VISIBLE_DEVICES may hide it")]
        }
        Ok(cards) => cards.into_iter().map(Card::finding).collect(),
        Err(told) => {
            let hint =
                "does nvidia-smi work? the driver's module and library must be of one version";
            vec![Finding::broken(area, name, told).hint(hint)]
        }
    }
}

/// A GPU as the driver describes it.
struct Card {
    index: c_int,
    name: String,
    bytes: usize,
}

impl Card {
    fn finding(self) -> Finding {
        let told = format!("{}, {:.1} GiB", self.name, self.bytes as f64 / GIB);
        Finding::ok(Area::Gpus, format!("NVIDIA {}", self.index), told)
            .fact("device", self.name)
            .fact("memory_bytes", self.bytes)
    }
}

type Init = unsafe extern "C" fn(c_uint) -> c_int;
type Count = unsafe extern "C" fn(*mut c_int) -> c_int;
type Get = unsafe extern "C" fn(*mut c_int, c_int) -> c_int;
type Name = unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int;
type Memory = unsafe extern "C" fn(*mut usize, c_int) -> c_int;

/// The functions of the driver that are asked.
struct Cards {
    get: Get,
    name: Name,
    memory: Memory,
}

impl Cards {
    fn of(driver: &Shared) -> Result<Vec<Card>, String> {
        // SAFETY: the types are those of cuda.h, and `driver` outlives the calls.
        let functions = unsafe {
            (
                driver.function::<Init>(c"cuInit"),
                driver.function::<Count>(c"cuDeviceGetCount"),
                driver.function::<Get>(c"cuDeviceGet"),
                driver.function::<Name>(c"cuDeviceGetName"),
                driver.function::<Memory>(c"cuDeviceTotalMem_v2"),
            )
        };
        let (Some(init), Some(count), Some(get), Some(name), Some(memory)) = functions else {
            return Err("the driver's library is not whole".into());
        };
        let mut cards = 0;
        // SAFETY: the first takes no address, the second writes one number.
        let status = unsafe {
            match init(0) {
                0 => count(&mut cards),
                failed => failed,
            }
        };
        match status {
            0 => {
                let cards = 0..cards;
                let asked = Self { get, name, memory };
                cards.map(|index| asked.card(index)).collect()
            }
            // No device is not an error of the driver.
            100 => Ok(Vec::new()),
            status => Err(format!("the driver does not start (CUDA error {status})")),
        }
    }

    fn card(&self, index: c_int) -> Result<Card, String> {
        let (mut device, mut bytes) = (0, 0);
        let mut text = [0_u8; NAME_BYTES];
        // SAFETY: a number, at most so many bytes, and a number are written.
        let statuses = unsafe {
            [
                (self.get)(&mut device, index),
                (self.name)(text.as_mut_ptr().cast(), NAME_BYTES as c_int, device),
                (self.memory)(&mut bytes, device),
            ]
        };
        if let Some(status) = statuses.into_iter().find(|status| *status != 0) {
            return Err(format!("GPU {index} does not answer (CUDA error {status})"));
        }
        let name: Vec<u8> = text.into_iter().take_while(|byte| *byte != 0).collect();
        let name = String::from_utf8_lossy(&name).into_owned();
        Ok(Card { index, name, bytes })
    }
}

/// Drivers for Vulkan that are installed; which GPUs they have, only a build with `wgpu` can ask.
fn vulkan() -> Finding {
    let named = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"];
    let named = named.into_iter().find_map(std::env::var_os);
    let files: Vec<PathBuf> = match named {
        Some(files) => std::env::split_paths(&files)
            .filter(|file| file.is_file())
            .collect(),
        None => VULKAN_DRIVERS
            .iter()
            .flat_map(|folder| manifests(folder))
            .collect(),
    };
    let names: Vec<_> = files
        .iter()
        .filter_map(|file| file.file_stem()?.to_str())
        .collect();
    match names.as_slice() {
        [] => Finding::absent(Area::Gpus, "Vulkan", "no driver is installed")
            .hint("for other GPUs: install the vendor's driver (Debian: mesa-vulkan-drivers)"),
        names => Finding::ok(
            Area::Gpus,
            "Vulkan",
            format!("drivers: {}", names.join(", ")),
        )
        .fact("drivers", names.to_vec()),
    }
}

fn manifests(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_manifest = |file: &PathBuf| file.extension() == Some(OsStr::new("json"));
    let mut files: Vec<_> = files.filter(is_manifest).collect();
    files.sort();
    files
}

/// Whether a job could take this backend, as [`Wanted::open`] would answer.
fn backend(name: &'static str) -> Finding {
    let device = format!("SCHLIFF_DEVICE={name}");
    match Wanted::named(name).and_then(Wanted::count) {
        Ok(found) => {
            Finding::ok(Area::Gpus, device, format!("{found} to train on")).fact("devices", found)
        }
        Err(error) => Finding::absent(Area::Gpus, device, error.to_string()).hint(error.hint()),
    }
}
