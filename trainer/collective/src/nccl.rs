//! The group over NVIDIA's NCCL: one process a GPU.
//!
//! Ranks first form a group over TCP. Over it rank 0 hands out the name of NCCL's group, and it stays:
//! small parts go over it, every sum begins with an agreement there, and while NCCL works a rank hears
//! on it that a peer has left or died. A sum is not `ncclAllReduce`, whose order is NCCL's and depends
//! on the number of ranks and on what connects them: shares go out by sends and receives in one
//! group, each rank adds up its own in the tree of every other back-end, and all gather the sums, so
//! the bits are those of TCP. Who would rather have `ncclAllReduce` says so by [`SUMS`], on all ranks.
//!
//! Rules: NC-1 nothing is loaded that is not there, and what is missing is told. NC-2 no wait is
//! without a limit. NC-3 whoever fails says why to all peers, then ends NCCL's group at once. Absent
//! on purpose: sums of what lies on the device. A gradient is in host memory when it is summed, as
//! for TCP and MPI, and the trainer knows no difference.

mod communicator;
mod device;
mod library;
mod sum;

use std::ffi::c_char;

use cudarc::nccl::sys::ncclUniqueId;
use schliff_spec::place::Place;

use self::communicator::{Communicator, Watch};
use self::device::{Device, is_complete};
use self::library::Library;
use self::sum::{Wire, agree, in_tree};
use crate::rendezvous::Limits;
use crate::tcp::Tcp;
use crate::{Collective, CollectiveError};

/// Asks for the order of sums: `fixed`, which is the default, or `fast`.
const SUMS: &str = "SCHLIFF_NCCL_SUMS";

/// One rank's membership by NCCL.
pub(crate) struct Nccl {
    wire: Gpus,
    is_fixed: bool,
}

/// What goes between GPUs, and the connections beside it.
struct Gpus {
    // Dropped first: the device's buffers must outlive what NCCL does with them.
    communicator: Communicator,
    device: Device,
    control: Tcp,
}

/// Whether this machine has what NCCL needs.
pub(crate) fn check() -> Result<(), CollectiveError> {
    Library::get()?;
    is_fixed()?;
    device::index(0).map(drop)
}

/// Brings this rank into NCCL's group of those that `control` connects.
pub(crate) fn join(place: &Place, limits: &Limits, control: Tcp) -> Result<Nccl, CollectiveError> {
    let mut control = control;
    let (library, device, is_fixed) = all_can(place, &mut control)?;
    // From here on a failure is this rank's alone until it is told.
    let mut start = || {
        let id = exchange_id(library, &mut control)?;
        device.bind()?;
        let ranks = (place.rank, place.world_size);
        let mut watch = || control.listen();
        Communicator::start(library, (id, limits.join), ranks, &mut watch)
    };
    let started = start();
    let mut communicator = started.inspect_err(|error| control.give_up(&error.to_string()))?;
    communicator.limit(limits.operation);
    let wire = Gpus {
        communicator,
        device,
        control,
    };
    Ok(Nccl { wire, is_fixed })
}

/// Goes the way of [`join`] as far as a machine without a GPU can: the group's id is made and handed
/// to all, and NCCL is asked to start the group. For tests; gives the version and the id.
///
/// # Errors
/// The ranks do not meet, or the library is missing.
pub fn rehearse(place: &Place, limits: &Limits) -> Result<Rehearsal, CollectiveError> {
    let library = Library::get()?;
    let mut control = crate::rendezvous::meet(place, limits)?;
    agree_on_library(library, &mut control)?;
    let id = exchange_id(library, &mut control)?;
    let ranks = (place.rank, place.world_size);
    let mut watch = || control.listen();
    let started = Communicator::start(library, (id, limits.join), ranks, &mut watch);
    let started = started.map(drop).map_err(|error| error.to_string());
    // Nobody leaves before all have tried, so that each tells its own reason.
    control.barrier()?;
    Ok(Rehearsal {
        version: library.version.to_string(),
        id: id
            .internal
            .iter()
            .map(|byte| format!("{:02x}", *byte as u8))
            .collect(),
        started,
    })
}

/// What a rehearsal came to.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    /// The library's version.
    pub version: String,
    /// The group's id, in hexadecimal digits.
    pub id: String,
    /// Whether NCCL could start the group, or why not.
    pub started: Result<(), String>,
}

/// What this rank starts with, where every rank has it: all learn of the one that has not before any
/// of them waits in NCCL for the others.
fn all_can(
    place: &Place,
    control: &mut Tcp,
) -> Result<(&'static Library, Device, bool), CollectiveError> {
    let own = Library::get().and_then(|library| {
        let device = Device::open(place.local_rank)?;
        Ok((library, device, is_fixed()?))
    });
    let told = own.as_ref().err().map(ToString::to_string);
    let all = control.all_gather(told.unwrap_or_default().as_bytes())?;
    let (library, device, is_fixed) = own?;
    if let Some(rank) = all.iter().position(|told| !told.is_empty()) {
        let told = String::from_utf8_lossy(&all[rank]);
        return Err(refused(format!("rank {rank} cannot: {told}")));
    }
    agree_on_library(library, control)?;
    let order = if is_fixed { "fixed" } else { "fast" };
    agree(control, (SUMS, order))?;
    Ok((library, device, is_fixed))
}

/// Ranks of different versions of NCCL would wait for each other in vain.
fn agree_on_library(library: &Library, control: &mut Tcp) -> Result<(), CollectiveError> {
    let version = library.version.to_string();
    agree(control, ("the version of NCCL", &version))
}

/// The id that rank 0 makes, on every rank.
fn exchange_id(library: &Library, control: &mut Tcp) -> Result<ncclUniqueId, CollectiveError> {
    let mut bytes = Vec::new();
    if control.rank() == 0 {
        let id = library.unique_id()?;
        bytes = id.internal.iter().map(|byte| *byte as u8).collect();
    }
    control.broadcast(0, &mut bytes)?;
    let signed: Vec<_> = bytes.iter().map(|byte| *byte as c_char).collect();
    let internal = signed.try_into();
    let internal = internal.map_err(|_| refused("rank 0 sent no id of a group".into()))?;
    Ok(ncclUniqueId { internal })
}

/// Whether sums are taken in the tree, as the environment says.
fn is_fixed() -> Result<bool, CollectiveError> {
    let wanted = std::env::var(SUMS).unwrap_or_default();
    match wanted.as_str() {
        "" | "fixed" => Ok(true),
        "fast" => Ok(false),
        other => Err(refused(format!(
            "{SUMS}={other} is no order of sums; write fixed, the same bits for any number of ranks, or \
             fast, NCCL's own order"
        ))),
    }
}

fn refused(reason: String) -> CollectiveError {
    CollectiveError::Library {
        library: "NCCL",
        reason,
    }
}

impl Gpus {
    /// Waits until NCCL and the device are through; `len` numbers have come back then.
    fn bring_back(&mut self, operation: &'static str, len: usize) -> Result<(), CollectiveError> {
        let Self {
            communicator,
            device,
            control,
        } = self;
        let watch: Watch<'_> = &mut || control.listen();
        communicator.settle(operation, watch)?;
        let event = device.download(len)?;
        communicator.complete(operation, watch, || is_complete(&event))
    }

    /// A sum in NCCL's own order.
    fn in_any_order(&mut self, data: &mut [f32]) -> Result<(), CollectiveError> {
        let len = data.len();
        self.device.host(len)?.0.copy_from_slice(data);
        let places = self.device.upload(len)?;
        let stream = self.device.stream();
        // SAFETY: both buffers hold `len` numbers, and live until the stream is through.
        unsafe { self.communicator.all_reduce(places, len, stream)? };
        self.bring_back("summing", len)?;
        data.copy_from_slice(self.device.host(len)?.1);
        Ok(())
    }
}

impl Wire for Gpus {
    fn place(&self) -> (usize, usize) {
        (self.control.rank(), self.control.world_size())
    }

    fn buffers(&mut self, len: usize) -> Result<(&mut [f32], &mut [f32]), CollectiveError> {
        self.device.host(len)
    }

    fn all_to_all(&mut self, stride: usize) -> Result<(), CollectiveError> {
        let (rank, world_size) = self.place();
        let len = stride * world_size;
        let places = self.device.upload(len)?;
        let stream = self.device.stream();
        let shape = (stride, rank, world_size);
        // SAFETY: both buffers hold `len` numbers, and live until the stream is through.
        unsafe { self.communicator.all_to_all(places, shape, stream)? };
        self.bring_back("sending shares", len)
    }

    fn all_gather(&mut self, stride: usize) -> Result<(), CollectiveError> {
        let (rank, world_size) = self.place();
        let len = stride * world_size;
        let (out, back) = self.device.upload(len)?;
        let own = out + (rank * stride * size_of::<f32>()) as u64;
        let stream = self.device.stream();
        // SAFETY: the own run lies in the first buffer, the second holds `len` numbers, and both live
        // until the stream is through.
        unsafe { self.communicator.all_gather((own, back), stride, stream)? };
        self.bring_back("gathering sums", len)
    }
}

impl Collective for Nccl {
    fn rank(&self) -> usize {
        self.wire.control.rank()
    }

    fn world_size(&self) -> usize {
        self.wire.control.world_size()
    }

    fn is_fixed(&self) -> bool {
        self.is_fixed
    }

    fn all_reduce(&mut self, data: &mut [f32]) -> Result<(), CollectiveError> {
        self.wire.control.agree_on_sum(data.len())?;
        if data.is_empty() {
            return Ok(());
        }
        let bound = self.wire.device.bind();
        let summed = bound.and_then(|()| match self.is_fixed {
            true => in_tree(&mut self.wire, data),
            false => self.wire.in_any_order(data),
        });
        // Nobody goes on, or away, while another still waits for the end of the sum.
        let ended = summed.and_then(|()| self.wire.control.agree_on_sum(data.len()));
        ended.inspect_err(|error| {
            self.wire.control.give_up(&error.to_string());
            self.wire.communicator.abort();
        })
    }

    fn all_gather(&mut self, part: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError> {
        self.wire.control.all_gather(part)
    }

    fn broadcast(&mut self, root: usize, data: &mut Vec<u8>) -> Result<(), CollectiveError> {
        self.wire.control.broadcast(root, data)
    }

    fn abort(mut self: Box<Self>, reason: &str) {
        self.wire.control.give_up(reason);
        self.wire.communicator.abort();
    }
}
