//! NCCL's own group, which never waits: every call returns at once, and its end is asked for.
//!
//! Rules: no wait without a limit; while it waits, a rank also listens to its peers, since NCCL does
//! not notice the death of a neighbour with which it shares memory. Absent on purpose: retries.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::thread;
use std::time::{Duration, Instant};

use cudarc::nccl::sys::{cudaStream_t, ncclComm_t, ncclConfig_t, ncclUniqueId};

use super::library::{FLOAT32, IN_PROGRESS, Library, SUCCESS, SUM, Status};
use crate::CollectiveError;

/// Marks a configuration as one (`NCCL_API_MAGIC`).
const MAGIC: u32 = 0xcafe_beef;
/// A setting that is left to NCCL (`NCCL_CONFIG_UNDEF_INT`).
const UNSET: c_int = c_int::MIN;
/// Version of the form of [`configuration`]: what the oldest library that is taken knows.
const FORM: u32 = 21_800;
/// For the last bytes to reach peers when a rank leaves.
const PARTING: Duration = Duration::from_secs(5);
/// Longest pause between two questions.
const LONGEST_PAUSE: Duration = Duration::from_millis(1);

/// What a rank does between two questions: nothing, or it has heard that a peer is gone.
pub(super) type Watch<'a> = &'a mut dyn FnMut() -> Result<(), CollectiveError>;

/// A rank's handle of NCCL's group.
pub(super) struct Communicator {
    library: &'static Library,
    handle: ncclComm_t,
    limit: Duration,
}

// SAFETY: NCCL binds a handle to a device, not to a thread, and one thread at a time uses it, since
// every use takes the owner by `&mut`.
unsafe impl Send for Communicator {}

impl Communicator {
    /// Brings this rank into the group that `id` names. The device's context is the thread's.
    pub(super) fn start(
        library: &'static Library,
        (id, limit): (ncclUniqueId, Duration),
        (rank, world_size): (usize, usize),
        watch: Watch<'_>,
    ) -> Result<Self, CollectiveError> {
        const OPERATION: &str = "starting the group";
        let mut started = Self {
            library,
            handle: ptr::null_mut(),
            limit,
        };
        let mut configuration = configuration();
        // SAFETY: the handle and the configuration outlive the call.
        let status = unsafe {
            (library.start)(
                &mut started.handle,
                count(world_size),
                id,
                count(rank),
                &mut configuration,
            )
        };
        let begun = library.check(OPERATION, status);
        let settled = begun.and_then(|()| match started.handle.is_null() {
            true => Err(super::refused("it gave no handle of the group".into())),
            false => started.settle(OPERATION, watch),
        });
        match settled {
            Ok(()) => Ok(started),
            Err(error) => {
                started.abort();
                Err(error)
            }
        }
    }

    /// How long operations may take from now on.
    pub(super) fn limit(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// Begins to send run `i` of `out` to rank `i`, and to put what comes from it at run `i` of `back`.
    ///
    /// # Safety
    /// Both are addresses on the device of as many runs of `stride` numbers as there are ranks, and
    /// stay so until the stream is through.
    pub(super) unsafe fn all_to_all(
        &mut self,
        (out, back): (u64, u64),
        (stride, rank, world_size): (usize, usize, usize),
        stream: cudaStream_t,
    ) -> Result<(), CollectiveError> {
        const OPERATION: &str = "sending shares";
        let library = self.library;
        // SAFETY: it takes nothing.
        library.check(OPERATION, unsafe { (library.group_start)() })?;
        let mut status = SUCCESS;
        for peer in (0..world_size).filter(|peer| *peer != rank) {
            let run = (peer * stride * size_of::<f32>()) as u64;
            let (out, back) = ((out + run) as *const c_void, (back + run) as *mut c_void);
            let peer = count(peer);
            // SAFETY: runs lie in the buffers, as the caller says.
            status = unsafe { (library.send)(out, stride, FLOAT32, peer, self.handle, stream) };
            if is_failure(status) {
                break;
            }
            // SAFETY: as above.
            status = unsafe { (library.receive)(back, stride, FLOAT32, peer, self.handle, stream) };
            if is_failure(status) {
                break;
            }
        }
        // A group that was begun is ended, whatever was put into it.
        // SAFETY: it takes nothing.
        let ended = unsafe { (library.group_end)() };
        library.check(OPERATION, status)?;
        library.check(OPERATION, ended)
    }

    /// Begins to gather everybody's run of `stride` numbers at `back`, by rank.
    ///
    /// # Safety
    /// `own` is the address on the device of a run, `back` that of as many as there are ranks, and
    /// both stay so until the stream is through.
    pub(super) unsafe fn all_gather(
        &mut self,
        (own, back): (u64, u64),
        stride: usize,
        stream: cudaStream_t,
    ) -> Result<(), CollectiveError> {
        let (own, back) = (own as *const c_void, back as *mut c_void);
        // SAFETY: as the caller says.
        let status =
            unsafe { (self.library.all_gather)(own, back, stride, FLOAT32, self.handle, stream) };
        self.library.check("gathering sums", status)
    }

    /// Begins to sum `len` numbers in an order of NCCL's own.
    ///
    /// # Safety
    /// Both are addresses on the device of `len` numbers, and stay so until the stream is through.
    pub(super) unsafe fn all_reduce(
        &mut self,
        (out, back): (u64, u64),
        len: usize,
        stream: cudaStream_t,
    ) -> Result<(), CollectiveError> {
        let (out, back) = (out as *const c_void, back as *mut c_void);
        // SAFETY: as the caller says.
        let status =
            unsafe { (self.library.all_reduce)(out, back, len, FLOAT32, SUM, self.handle, stream) };
        self.library.check("summing", status)
    }

    /// Waits until NCCL has taken what was begun.
    pub(super) fn settle(
        &mut self,
        operation: &'static str,
        watch: Watch<'_>,
    ) -> Result<(), CollectiveError> {
        let ready = || Ok(self.state(operation)? == SUCCESS);
        wait((operation, self.limit), watch, ready)
    }

    /// Waits until `done` says that the device is through, or NCCL that it never will be.
    pub(super) fn complete(
        &mut self,
        operation: &'static str,
        watch: Watch<'_>,
        mut done: impl FnMut() -> Result<bool, CollectiveError>,
    ) -> Result<(), CollectiveError> {
        let ready = || {
            self.state(operation)?;
            done()
        };
        wait((operation, self.limit), watch, ready)
    }

    /// What NCCL's own threads have come to.
    fn state(&self, operation: &'static str) -> Result<Status, CollectiveError> {
        let mut state = SUCCESS;
        // SAFETY: the handle is live, and one number is written.
        let asked = unsafe { (self.library.async_error)(self.handle, &mut state) };
        self.library.check(operation, asked)?;
        self.library.check(operation, state)?;
        Ok(state)
    }

    /// Ends everything at once, what the device is at as well.
    pub(super) fn abort(&mut self) {
        let handle = std::mem::replace(&mut self.handle, ptr::null_mut());
        if !handle.is_null() {
            // SAFETY: the handle was live, and nobody has it any more. An error changes nothing:
            // the group is given up.
            let _ = unsafe { (self.library.abort)(handle) };
        }
    }
}

impl Drop for Communicator {
    /// Lets what is under way reach the peers, but does not wait long for it.
    fn drop(&mut self) {
        const OPERATION: &str = "leaving the group";
        if self.handle.is_null() {
            return;
        }
        // SAFETY: the handle is live.
        let begun = unsafe { (self.library.finalize)(self.handle) };
        let ready = || Ok(self.state(OPERATION)? == SUCCESS);
        let parted = self.library.check(OPERATION, begun);
        let parted = parted.and_then(|()| wait((OPERATION, PARTING), &mut || Ok(()), ready));
        if parted.is_ok() {
            let handle = std::mem::replace(&mut self.handle, ptr::null_mut());
            // SAFETY: as in `abort`.
            let _ = unsafe { (self.library.destroy)(handle) };
        }
        self.abort();
    }
}

/// Asks until `ready`, for so long.
fn wait(
    (operation, limit): (&'static str, Duration),
    watch: Watch<'_>,
    mut ready: impl FnMut() -> Result<bool, CollectiveError>,
) -> Result<(), CollectiveError> {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_micros(1);
    loop {
        if ready()? {
            return Ok(());
        }
        watch()?;
        if Instant::now() >= deadline {
            return Err(super::refused(format!(
                "{operation} did not end within {} ms; NCCL_DEBUG=WARN makes it say more",
                limit.as_millis()
            )));
        }
        thread::park_timeout(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// A group whose calls do not block, all else as NCCL has it. What came after the oldest version is
/// not told to the library, which then takes its own values, as for every older program.
fn configuration() -> ncclConfig_t {
    ncclConfig_t {
        size: std::mem::offset_of!(ncclConfig_t, trafficClass),
        magic: MAGIC,
        version: FORM,
        blocking: 0,
        cgaClusterSize: UNSET,
        minCTAs: UNSET,
        maxCTAs: UNSET,
        netName: ptr::null(),
        splitShare: UNSET,
        trafficClass: UNSET,
        commName: ptr::null(),
        collnetEnable: UNSET,
        CTAPolicy: UNSET,
        shrinkShare: UNSET,
        nvlsCTAs: UNSET,
        nChannelsPerNetPeer: UNSET,
        nvlinkCentricSched: UNSET,
        graphUsageMode: UNSET,
        numRmaCtx: UNSET,
        maxP2pPeers: UNSET,
    }
}

fn is_failure(status: Status) -> bool {
    !matches!(status, SUCCESS | IN_PROGRESS)
}

/// Ranks are far below this type's end.
fn count(number: usize) -> c_int {
    c_int::try_from(number).unwrap_or(c_int::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Collective;
    use crate::rendezvous::meet;
    use crate::self_test::in_threads_by;
    use crate::tcp::Tcp;

    const LIMIT: Duration = Duration::from_millis(20);

    #[test]
    fn a_wait_ends_when_it_is_ready_or_a_peer_is_gone_or_in_time() {
        let mut asked = 0;
        let ready = || {
            asked += 1;
            Ok(asked == 3)
        };
        wait(("it", Duration::from_secs(60)), &mut || Ok(()), ready).expect("ready");
        assert_eq!(asked, 3);

        let gone = &mut || Err(super::super::refused("rank 1 is gone".into()));
        let told = wait(("it", Duration::from_secs(60)), gone, || Ok(false));
        assert!(told.expect_err("gone").to_string().contains("rank 1"));

        let late = wait(("summing", LIMIT), &mut || Ok(()), || Ok(false));
        let late = late.expect_err("late").to_string();
        assert!(late.contains("summing did not end within 20 ms"), "{late}");
    }

    /// What rank 0 hears in a wait that has no other end, after rank 1 did this.
    fn heard_of(parting: fn(Tcp)) -> CollectiveError {
        let script = |mut control: Tcp| {
            if control.rank() == 1 {
                parting(control);
                return None;
            }
            let limit = ("summing", Duration::from_secs(60));
            wait(limit, &mut || control.listen(), || Ok(false)).err()
        };
        let told = in_threads_by(meet, 2, script).expect("a group of threads");
        told.into_iter().flatten().next().expect("an error")
    }

    #[test]
    fn while_it_waits_a_rank_hears_that_a_peer_has_left_or_is_gone() {
        let left = heard_of(|mut control| control.give_up("the disk is full"));
        let told = left.to_string();
        assert_eq!(told, "rank 1 left the group: the disk is full");
        let gone = heard_of(drop);
        assert!(
            matches!(gone, CollectiveError::PeerLost { rank: 1, .. }),
            "{gone}"
        );
    }
}
