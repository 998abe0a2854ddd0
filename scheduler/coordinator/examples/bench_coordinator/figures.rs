//! Latencies, and what a process uses.

use std::time::Duration;

use serde_json::{Value, json};

/// Percentiles of latencies, in milliseconds.
pub(crate) fn percentiles(mut latencies: Vec<Duration>) -> Value {
    latencies.sort_unstable();
    let at = |share: f64| {
        let place = (latencies.len() as f64 * share) as usize;
        let latency = latencies.get(place.min(latencies.len().saturating_sub(1)));
        latency.map(|latency| (latency.as_secs_f64() * 1e6).round() / 1e3)
    };
    json!({
        "count": latencies.len(), "p50_ms": at(0.5), "p99_ms": at(0.99), "worst_ms": at(1.0),
    })
}

/// Seconds of processor time that a process has used.
pub(crate) fn cpu_s(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    // Linux counts in hundredths for /proc, whatever the kernel's own clock.
    Some((user + system) / 100.0)
}

/// Bytes that a process holds in memory: now (`VmRSS`) or at most so far (`VmHWM`).
pub(crate) fn memory_bytes(pid: u32, which: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(which))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1_024)
}
