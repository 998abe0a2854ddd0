//! The threads that talk to the store.
//!
//! Work is handed over and waited for, instead of being driven by the caller's thread: so it does not
//! matter whether the caller has an asynchronous runtime of its own.

use std::future::Future;
use std::sync::mpsc::sync_channel;

use tokio::runtime::{Builder, Runtime};

use super::StoreError;

/// How much these threads yield to those that compute, from 0 to 19. A commit takes some 50 ms of a
/// core, and threads of a step wait for each other: what one of them loses, the step loses.
const NICENESS: i32 = 19;

/// An asynchronous runtime on threads of low priority.
#[derive(Debug)]
pub(super) struct Engine {
    /// Always there until the drop.
    runtime: Option<Runtime>,
}

impl Engine {
    pub(super) fn start() -> Result<Self, StoreError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("store")
            .on_thread_start(yield_to_computation)
            .enable_all()
            .build()
            .map_err(StoreError::Threads)?;
        Ok(Self {
            runtime: Some(runtime),
        })
    }

    pub(super) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (outbox, inbox) = sync_channel(1);
        let runtime = self.runtime.as_ref().ok_or(StoreError::Stopped)?;
        // Nobody listens any more when the caller's thread is gone.
        runtime.spawn(async move { outbox.send(work.await).ok() });
        inbox.recv().map_err(|_| StoreError::Stopped)
    }
}

impl Drop for Engine {
    /// Without waiting for requests that hang: the process may be on its way out.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Lowers the priority of the calling thread.
pub(crate) fn yield_to_computation() {
    // On Linux this is a thread's own value; elsewhere it would be the whole process's.
    #[cfg(target_os = "linux")]
    // A thread may always lower itself, and a system that forbids it costs speed only.
    rustix::process::setpriority_process(None, NICENESS).ok();
}
