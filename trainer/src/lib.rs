//! One rank: the base model, the adapter, the step, and the verbs that need tensors.
//!
//! Rules: burn's names stay in `tensor`; arithmetic on slices is in `kernel`; what the model asks
//! of a device is in `ops`. Frozen weights never get a gradient. Absent on purpose: autodiff,
//! several ranks, anything that talks to a scheduler.

pub mod adapter;
pub mod base;
pub mod bench;
#[cfg(feature = "gpu")]
mod cube;
pub mod doctor;
mod evaluation;
pub mod failure;
mod frozen;
mod kernel;
pub mod model;
mod ops;
#[cfg(test)]
mod parity;
pub mod process;
pub mod program;
mod tensor;
pub mod training;
pub mod verb;

use failure::Failure;
use tensor::device::{Device, DeviceError, Wanted};
use training::leaves::Workers;

/// The backend in words: name, instruction set, threads.
pub fn backend() -> String {
    match Wanted::from_environment() {
        Ok(wanted) if !wanted.is_host() => wanted.backend().to_owned(),
        _ => {
            let instructions = kernel::simd::instruction_set();
            format!("flex ({instructions}, {} threads)", threads())
        }
    }
}

/// Threads that work: `SCHLIFF_THREADS`, else one for each core this process may use.
fn threads() -> usize {
    let wanted = std::env::var("SCHLIFF_THREADS")
        .ok()
        .and_then(|text| text.parse().ok());
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    wanted.filter(|&threads| threads > 0).unwrap_or_else(cores)
}

/// The threads of a verb. A device other than the host is fed by one.
fn workers() -> Result<Workers, Failure> {
    let threads = match Wanted::from_environment() {
        Ok(wanted) if !wanted.is_host() => 1,
        _ => threads(),
    };
    Workers::new(threads).map_err(Failure::job)
}

/// The device of the `local_rank`-th rank of this machine.
fn device(local_rank: usize) -> Result<Device, Failure> {
    let refused = |error: DeviceError| {
        let hint = error.hint();
        Failure::usage(error).hint(hint)
    };
    let wanted = Wanted::from_environment().map_err(refused)?;
    wanted.open(local_rank).map_err(refused)
}

/// Does `work` and tells a failure of the device in it.
fn on_device<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    tensor::failed::guarded(work).unwrap_or_else(|failed| {
        let hint = "where its memory is too small, micro-batches with fewer tokens need less";
        Err(Failure::job(failed).hint(hint))
    })
}
