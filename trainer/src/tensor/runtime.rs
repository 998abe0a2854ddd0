//! How CubeCL runs in this process.
//!
//! Rules: one queue a process, so that what one thread began another can go on with, and so that
//! sums have one order. The environment's own settings (`CUBECL_*`, `cubecl.toml`) stay in force.

use std::sync::Once;

use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig, streaming::StreamPolicy};

/// Sets the runtime up, before its first device is opened.
pub(super) fn configure() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
        config.streaming.policy = StreamPolicy::Single;
        // Where somebody read the settings before, they stay as they were.
        CubeClRuntimeConfig::try_set(config);
    });
}
