//! Libraries that GPUs are reached by, and their versions.

use std::ffi::{CStr, OsString, c_int};

use schliff_spec::finding::{Area, Finding};

use super::shared::{Shared, is_missing};

/// A library, and how it says its version.
struct Wanted {
    name: &'static str,
    /// What the system's loader is asked for, in order.
    files: Vec<OsString>,
    version: fn(&Shared) -> Option<String>,
    /// What to do where it is absent.
    hint: &'static str,
}

type OneNumber = unsafe extern "C" fn(*mut c_int) -> c_int;
type TwoNumbers = unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int;

pub(super) fn findings() -> Vec<Finding> {
    let names = |names: &[&str]| names.iter().map(OsString::from).collect();
    let named = std::env::var_os("SCHLIFF_NCCL_LIBRARY").filter(|name| !name.is_empty());
    let wanted = [
        Wanted {
            name: "libcuda",
            files: names(&["libcuda.so.1", "libcuda.so"]),
            version: cuda,
            hint: "for NVIDIA's GPUs: install NVIDIA's driver; in a container, ask for its GPUs",
        },
        Wanted {
            name: "libnvrtc",
            files: names(&[
                "libnvrtc.so",
                "libnvrtc.so.13",
                "libnvrtc.so.12",
                "libnvrtc.so.11",
            ]),
            version: nvrtc,
            hint: "compiles kernels for SCHLIFF_DEVICE=cuda: install the CUDA toolkit or PyPI's \
                   nvidia-cuda-nvrtc, and put its folder on LD_LIBRARY_PATH",
        },
        Wanted {
            name: "libnccl",
            files: named.map_or_else(|| names(&["libnccl.so.2", "libnccl.so"]), |name| vec![name]),
            version: nccl,
            hint: "for --collective nccl: install it (Debian: libnccl2; PyPI: nvidia-nccl-cu12), or name \
                   its file by SCHLIFF_NCCL_LIBRARY",
        },
        Wanted {
            name: "libvulkan",
            files: names(&["libvulkan.so.1", "libvulkan.so"]),
            version: vulkan,
            hint: "for SCHLIFF_DEVICE=wgpu: install it (Debian: libvulkan1) with a driver",
        },
    ];
    wanted.iter().map(look).collect()
}

fn look(wanted: &Wanted) -> Finding {
    let (area, name) = (Area::Libraries, wanted.name);
    match Shared::open(&wanted.files) {
        Ok(shared) => match (wanted.version)(&shared) {
            Some(version) => Finding::ok(area, name, format!("{version} ({})", shared.name))
                .fact("version", version),
            None => {
                let told = format!("{} does not say its version", shared.name);
                Finding::broken(area, name, told).hint("is it of another kind, or very old?")
            }
        },
        Err(said) if is_missing(&said) => {
            Finding::absent(area, name, "not found").hint(wanted.hint)
        }
        Err(said) => Finding::broken(area, name, said).hint("it is there but cannot be loaded"),
    }
}

/// The number that a function without other arguments writes.
fn number(shared: &Shared, function: &CStr) -> Option<c_int> {
    // SAFETY: all that are asked for here have this type, and `shared` outlives the call.
    let function = unsafe { shared.function::<OneNumber>(function) }?;
    let mut number = 0;
    // SAFETY: one number is written.
    let status = unsafe { function(&mut number) };
    (status == 0).then_some(number)
}

/// The newest CUDA that the driver knows.
fn cuda(shared: &Shared) -> Option<String> {
    let version = number(shared, c"cuDriverGetVersion")?;
    Some(format!("CUDA {}.{}", version / 1000, version % 1000 / 10))
}

fn nvrtc(shared: &Shared) -> Option<String> {
    // SAFETY: it has this type, and `shared` outlives the call.
    let function = unsafe { shared.function::<TwoNumbers>(c"nvrtcVersion") }?;
    let (mut major, mut minor) = (0, 0);
    // SAFETY: two numbers are written.
    let status = unsafe { function(&mut major, &mut minor) };
    (status == 0).then(|| format!("{major}.{minor}"))
}

fn nccl(shared: &Shared) -> Option<String> {
    let version = number(shared, c"ncclGetVersion")?;
    let (major, minor) = (version / 10_000, version / 100 % 100);
    Some(format!("{major}.{minor}.{}", version % 100))
}

fn vulkan(shared: &Shared) -> Option<String> {
    let version = number(shared, c"vkEnumerateInstanceVersion")?;
    let (major, minor) = (version >> 22 & 0x7f, version >> 12 & 0x3ff);
    Some(format!("{major}.{minor}.{}", version & 0xfff))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn libc(version: fn(&Shared) -> Option<String>, files: &[&str]) -> Finding {
        look(&Wanted {
            name: "it",
            files: files.iter().map(OsString::from).collect(),
            version,
            hint: "install it",
        })
    }

    #[test]
    fn a_library_is_there_or_absent_or_broken() {
        use schliff_spec::finding::Status;
        let there = libc(|_| Some("1.2".into()), &["libnowhere.so", "libc.so.6"]);
        assert_eq!(
            (there.status, there.told.as_str()),
            (Status::Ok, "1.2 (libc.so.6)")
        );
        let absent = libc(|_| None, &["libnowhere.so"]);
        assert_eq!(
            (absent.status, absent.hint.as_deref()),
            (Status::Absent, Some("install it"))
        );
        // It has no function of NCCL's.
        assert_eq!(libc(nccl, &["libc.so.6"]).status, Status::Broken);
    }
}
