//! The GPU of a rank, and the buffers through which numbers go over it.
//!
//! A gradient comes back to the host once, in one flat buffer (docs/adr/0007-devices.md), so sums
//! begin and end in host memory here, as they do over TCP and MPI. That memory is pinned: the device
//! copies from and to it by itself. Rules: one stream; nobody waits for it without a limit.

use std::sync::Arc;

use cudarc::driver::sys::is_culib_present;
use cudarc::driver::{
    CudaContext, CudaEvent, CudaSlice, CudaStream, DevicePtr, DevicePtrMut, DriverError,
    PinnedHostSlice,
};
use cudarc::nccl::sys::cudaStream_t;

use crate::CollectiveError;

/// A rank's GPU.
pub(super) struct Device {
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    buffers: Option<Buffers>,
}

/// What goes out and what comes back, each on the host and on the device.
struct Buffers {
    len: usize,
    out: PinnedHostSlice<f32>,
    back: PinnedHostSlice<f32>,
    out_there: CudaSlice<f32>,
    back_there: CudaSlice<f32>,
}

/// Refuses a machine without NVIDIA's driver; cudarc would panic.
fn check_driver() -> Result<(), CollectiveError> {
    // SAFETY: looking for the library runs its initialisers; it is NVIDIA's own.
    match unsafe { is_culib_present() } {
        true => Ok(()),
        false => Err(super::refused(
            "NVIDIA's driver (libcuda.so.1) is not found, and NCCL needs a GPU for each rank; install \
             the driver, or take --collective tcp"
                .into(),
        )),
    }
}

/// Number of the GPU that the `local_rank`-th rank of this machine takes.
pub(super) fn index(local_rank: usize) -> Result<usize, CollectiveError> {
    check_driver()?;
    let found = CudaContext::device_count().map_err(failed("counting GPUs"))?;
    choose(local_rank, usize::try_from(found).unwrap_or_default())
}

impl Device {
    /// The GPU of the `local_rank`-th rank of this machine.
    pub(super) fn open(local_rank: usize) -> Result<Self, CollectiveError> {
        let index = index(local_rank)?;
        let context = CudaContext::new(index).map_err(failed("opening the GPU"))?;
        let stream = context.new_stream().map_err(failed("making a stream"))?;
        Ok(Self {
            context,
            stream,
            buffers: None,
        })
    }

    /// Makes its context the calling thread's.
    pub(super) fn bind(&self) -> Result<(), CollectiveError> {
        let bound = self.context.bind_to_thread();
        bound.map_err(failed("taking the GPU's context"))
    }

    /// The host's buffers, each of `len` numbers.
    pub(super) fn host(&mut self, len: usize) -> Result<(&mut [f32], &mut [f32]), CollectiveError> {
        let buffers = self.buffers(len)?;
        let reach = failed("reaching pinned memory");
        let out = buffers.out.as_mut_slice().map_err(&reach)?;
        let back = buffers.back.as_mut_slice().map_err(reach)?;
        Ok((&mut out[..len], &mut back[..len]))
    }

    /// Begins to copy all that goes out to the device; the addresses of both buffers there.
    pub(super) fn upload(&mut self, len: usize) -> Result<(u64, u64), CollectiveError> {
        let stream = Arc::clone(&self.stream);
        let buffers = self.buffers(len)?;
        let copied = stream.memcpy_htod(&buffers.out, &mut buffers.out_there);
        copied.map_err(failed("copying to the GPU"))?;
        // The one stream keeps the order, so nothing else is to be remembered about these uses.
        let out = buffers.out_there.device_ptr(&stream).0;
        let back = buffers.back_there.device_ptr_mut(&stream).0;
        Ok((out, back))
    }

    /// Begins to copy what came back to the host; it is there when the event is complete.
    pub(super) fn download(&mut self, len: usize) -> Result<CudaEvent, CollectiveError> {
        let stream = Arc::clone(&self.stream);
        let buffers = self.buffers(len)?;
        let copied = stream.memcpy_dtoh(&buffers.back_there, &mut buffers.back);
        copied.map_err(failed("copying from the GPU"))?;
        stream
            .record_event(None)
            .map_err(failed("marking the stream"))
    }

    /// The stream, as NCCL wants it.
    pub(super) fn stream(&self) -> cudaStream_t {
        self.stream.cu_stream().cast()
    }

    /// Buffers of at least this length. A longer one takes the place of the last.
    fn buffers(&mut self, len: usize) -> Result<&mut Buffers, CollectiveError> {
        let kept = self.buffers.take().filter(|buffers| buffers.len >= len);
        let buffers = match kept {
            Some(buffers) => buffers,
            None => self.allocate(len)?,
        };
        Ok(self.buffers.insert(buffers))
    }

    fn allocate(&self, len: usize) -> Result<Buffers, CollectiveError> {
        let pinned = || {
            // Not write-combined, which cudarc's plain form asks for: the processor reads it, too.
            // SAFETY: it is written as a whole before it is read.
            let memory = unsafe { self.context.alloc_pinned_with_flags::<f32>(len, 0) };
            let mut memory = memory.map_err(failed("pinning memory of the host"))?;
            let slice = memory.as_mut_slice();
            slice.map_err(failed("reaching pinned memory"))?.fill(0.0);
            Ok(memory)
        };
        let there = || {
            let memory = self.stream.alloc_zeros::<f32>(len);
            memory.map_err(failed("reserving memory of the GPU"))
        };
        Ok(Buffers {
            len,
            out: pinned()?,
            back: pinned()?,
            out_there: there()?,
            back_there: there()?,
        })
    }
}

/// Whether the device is through with what the event marks.
pub(super) fn is_complete(event: &CudaEvent) -> Result<bool, CollectiveError> {
    event
        .try_is_complete()
        .map_err(failed("waiting for the GPU"))
}

/// Number of the device: a launcher that shows each rank its own shows it one.
fn choose(local_rank: usize, found: usize) -> Result<usize, CollectiveError> {
    match found {
        0 => Err(super::refused(
            "the driver lists no GPU, and NCCL needs one for each rank; does nvidia-smi list one?"
                .into(),
        )),
        1 => Ok(0),
        found if local_rank < found => Ok(local_rank),
        found => Err(super::refused(format!(
            "rank {local_rank} of this machine wants a GPU of its own, and there are {found}; ask for \
             as many ranks a node as it has GPUs"
        ))),
    }
}

fn failed(operation: &'static str) -> impl Fn(DriverError) -> CollectiveError {
    move |error| super::refused(format!("{operation} failed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_takes_its_own_gpu_or_the_only_one() {
        assert_eq!(choose(2, 4).expect("its own"), 2);
        assert_eq!(choose(2, 1).expect("the only one"), 0);
        for (local_rank, found, words) in [(0, 0, "no GPU"), (2, 2, "as many ranks")] {
            let told = choose(local_rank, found).expect_err("none").to_string();
            assert!(told.contains(words), "{told}");
        }
    }

    #[test]
    fn a_machine_without_a_driver_is_refused_and_nothing_panics() {
        if let Err(told) = check_driver() {
            assert!(told.to_string().contains("libcuda.so.1"), "{told}");
            assert!(Device::open(0).is_err());
        }
    }
}
