//! A program that ends together with whatever it started.

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;

/// The leader of a process group of its own; all of the group ends with its owner.
pub(super) struct Group(pub(super) Child);

impl Drop for Group {
    fn drop(&mut self) {
        // None once it was waited for: its number may be another's by then.
        let Some(id) = self.0.id().and_then(|id| i32::try_from(id).ok()) else {
            return;
        };
        if let Some(group) = Pid::from_raw(id) {
            // It may have ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
