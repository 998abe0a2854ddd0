//! How the C allocator is set up for a program that frees and takes megabytes at every step.

/// Keeps freed memory instead of giving it back to the system at once.
///
/// Without this, every large temporary is mapped and unmapped anew, and a quarter of the run
/// goes into page faults. Call it first thing in `main`, before other threads exist.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const PAD_BYTES: libc::c_int = 64 << 20;
        let settings = [
            (libc::M_MMAP_MAX, 0),
            (libc::M_TRIM_THRESHOLD, libc::c_int::MAX),
            (libc::M_TOP_PAD, PAD_BYTES),
            // One arena: what one thread frees, the next step's threads take.
            (libc::M_ARENA_MAX, 1),
        ];
        for (parameter, value) in settings {
            // SAFETY: mallopt takes two integers and has no other precondition.
            unsafe { libc::mallopt(parameter, value) };
        }
    }
}
