//! The processor: cores, instructions, memory.

use schliff_spec::finding::{Area, Finding};

use crate::process::memory::total_memory_bytes;
use crate::{kernel, threads};

const GIB: f64 = 1_073_741_824.0;
/// Below this, even the smallest models leave nothing for activations.
const LEAST_BYTES: u64 = 2 << 30;

pub(super) fn findings() -> Vec<Finding> {
    vec![cores(), instructions(), memory()]
}

fn cores() -> Finding {
    let allowed = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let working = threads();
    let told = match working == allowed {
        true => format!("{allowed} may be used"),
        false => format!("{allowed} may be used; {working} threads work (SCHLIFF_THREADS)"),
    };
    Finding::ok(Area::Processor, "cores", told)
        .fact("allowed", allowed)
        .fact("threads", working)
}

fn instructions() -> Finding {
    let has = instruction_sets();
    let names: Vec<_> = has
        .iter()
        .filter(|(_, has)| *has)
        .map(|(name, _)| *name)
        .collect();
    let chosen = kernel::simd::instruction_set();
    let told = match names.as_slice() {
        [] => format!("none of those that are asked for; kernels use {chosen}"),
        names => format!("{}; kernels use {chosen}", names.join(", ")),
    };
    let finding = Finding::ok(Area::Processor, "instructions", told);
    let finding = finding.fact("kernels", chosen);
    has.iter()
        .fold(finding, |finding, (name, has)| finding.fact(name, *has))
}

/// What the kernels could use, and whether this processor has it.
fn instruction_sets() -> Vec<(&'static str, bool)> {
    #[cfg(target_arch = "x86_64")]
    {
        vec![
            ("avx2", is_x86_feature_detected!("avx2")),
            ("fma", is_x86_feature_detected!("fma")),
            ("avx512f", is_x86_feature_detected!("avx512f")),
            ("avx512bf16", is_x86_feature_detected!("avx512bf16")),
        ]
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        Vec::new()
    }
}

fn memory() -> Finding {
    let total = total_memory_bytes();
    let limit = group_limit_bytes().filter(|limit| *limit < total);
    let usable = limit.unwrap_or(total);
    let told = match limit {
        Some(limit) => format!(
            "{:.1} GiB of {:.1} GiB, by the limit of its control group",
            limit as f64 / GIB,
            total as f64 / GIB
        ),
        None => format!("{:.1} GiB", total as f64 / GIB),
    };
    let finding = match usable {
        0 => Finding::broken(
            Area::Processor,
            "memory",
            "the system does not say how much",
        )
        .hint("schliff check estimates what a job needs"),
        1..LEAST_BYTES => Finding::broken(Area::Processor, "memory", told)
            .hint("too little for most models; schliff check estimates what a job needs"),
        _ => Finding::ok(Area::Processor, "memory", told),
    };
    finding
        .fact("total_bytes", total)
        .fact("usable_bytes", usable)
}

/// What a container or a batch system allows, where it does.
fn group_limit_bytes() -> Option<u64> {
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let root = std::path::Path::new("/sys/fs/cgroup");
    // The narrowest limit on the way up counts.
    let limits = root.join(path);
    let limits = limits
        .ancestors()
        .take_while(|folder| folder.starts_with(root));
    let limit = |folder: &std::path::Path| {
        let text = std::fs::read_to_string(folder.join("memory.max")).ok()?;
        text.trim().parse::<u64>().ok()
    };
    limits.filter_map(limit).min()
}
