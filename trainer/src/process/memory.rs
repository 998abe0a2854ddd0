//! Memory of this process, as the system counts it.

/// Largest resident size so far, in bytes; nought where the system does not say.
pub fn peak_rss_bytes() -> u64 {
    // SAFETY: rusage is plain integers, for which all zero bytes are a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is a valid rusage to write to.
    let status = unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    if status != 0 {
        return 0;
    }
    // Linux counts in KiB, macOS in bytes.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    usage.ru_maxrss as u64 * unit
}

/// Memory of this machine, in bytes; nought where the system does not say.
pub fn total_memory_bytes() -> u64 {
    // SAFETY: sysconf takes an integer and has no other precondition.
    let pages = unsafe { libc::sysconf(libc::_SC_PHYS_PAGES) };
    // SAFETY: as above.
    let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(pages).unwrap_or(0) * u64::try_from(page_bytes).unwrap_or(0)
}
