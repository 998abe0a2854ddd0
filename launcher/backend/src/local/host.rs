//! What this host has to give: its name, cores and GPUs.

use std::fs;

use rustix::thread::{CpuSet, sched_getaffinity};
use schliff_spec::id::{IdError, NodeName};

use super::stock;

/// The host's name, or `localhost` where it is no name for a node.
pub(super) fn name() -> Result<NodeName, IdError> {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    host.trim().parse().or_else(|_| "localhost".parse())
}

/// The cores that this process may use, in rising order.
pub(super) fn cores() -> Vec<usize> {
    let allowed = sched_getaffinity(None);
    allowed.map_or_else(
        |_| Vec::new(),
        |set| {
            let all = 0..CpuSet::MAX_CPU;
            all.filter(|core| set.is_set(*core)).collect()
        },
    )
}

/// How many of them to give out: a share of them may be all that this process is allowed to use up.
pub(super) fn cpus() -> u32 {
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The GPUs to give out, as CUDA calls them: so many, or all that are found.
pub(super) fn gpus(wanted: Option<u32>) -> Vec<String> {
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
    let files = fs::read_dir("/dev").into_iter().flatten().flatten();
    let files = files.filter_map(|entry| entry.file_name().into_string().ok());
    stock::gpus(wanted, visible.as_deref(), files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_a_name_and_a_core() {
        assert!(name().is_ok());
        assert!(cpus() >= 1);
        assert!(!cores().is_empty());
    }
}
