//! NCCL's library, loaded when it is first asked for and kept to the end of the process.
//!
//! cudarc declares its types. cudarc's own loader is not used, for three reasons: it looks for
//! `libnccl.so`, a link that only packages for developers bring, and not for `libnccl.so.2`, the
//! name by which every program finds an installed NCCL; it panics where there is none; and it takes
//! the result codes for a closed list, which a newer library need not keep to. Absent on purpose: a
//! link made in somebody's folder so that a loader finds what it looks for.

use std::ffi::{CStr, OsString, c_char, c_int, c_void};
use std::sync::OnceLock;

use cudarc::nccl::sys::{cudaStream_t, ncclComm_t, ncclConfig_t, ncclUniqueId};
use libloading::Library as Loaded;

use crate::CollectiveError;

/// Names the library's file where the system's loader does not find it.
pub(super) const VARIABLE: &str = "SCHLIFF_NCCL_LIBRARY";
/// What the loader is asked for otherwise: the name that is installed to be run, then the one of
/// packages for developers.
const NAMES: [&str; 2] = ["libnccl.so.2", "libnccl.so"];
/// The first version with communicators that do not block, in the form that is asked for here.
const OLDEST: c_int = 21_800;

/// A result code: 0 is success.
pub(super) type Status = c_int;
pub(super) const SUCCESS: Status = 0;
pub(super) const IN_PROGRESS: Status = 7;
/// `ncclFloat32` and `ncclSum`.
pub(super) const FLOAT32: c_int = 7;
pub(super) const SUM: c_int = 0;

type Get<T> = unsafe extern "C" fn(*mut T) -> Status;
type OfCommunicator = unsafe extern "C" fn(ncclComm_t) -> Status;
type Group = unsafe extern "C" fn() -> Status;
type Words<T> = unsafe extern "C" fn(T) -> *const c_char;
type Start =
    unsafe extern "C" fn(*mut ncclComm_t, c_int, ncclUniqueId, c_int, *mut ncclConfig_t) -> Status;
type Send =
    unsafe extern "C" fn(*const c_void, usize, c_int, c_int, ncclComm_t, cudaStream_t) -> Status;
type Receive =
    unsafe extern "C" fn(*mut c_void, usize, c_int, c_int, ncclComm_t, cudaStream_t) -> Status;
type Gather = unsafe extern "C" fn(
    *const c_void,
    *mut c_void,
    usize,
    c_int,
    ncclComm_t,
    cudaStream_t,
) -> Status;
type Reduce = unsafe extern "C" fn(
    *const c_void,
    *mut c_void,
    usize,
    c_int,
    c_int,
    ncclComm_t,
    cudaStream_t,
) -> Status;

/// The functions that are used.
pub(super) struct Library {
    pub(super) version: Version,
    pub(super) get_unique_id: Get<ncclUniqueId>,
    pub(super) start: Start,
    pub(super) async_error: unsafe extern "C" fn(ncclComm_t, *mut Status) -> Status,
    pub(super) abort: OfCommunicator,
    pub(super) finalize: OfCommunicator,
    pub(super) destroy: OfCommunicator,
    pub(super) group_start: Group,
    pub(super) group_end: Group,
    pub(super) send: Send,
    pub(super) receive: Receive,
    pub(super) all_gather: Gather,
    pub(super) all_reduce: Reduce,
    error_string: Words<Status>,
    last_error: Words<ncclComm_t>,
    /// Never unloaded: it has threads of its own.
    _loaded: Loaded,
}

/// A version as NCCL numbers it: 22602 is 2.26.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version(pub(super) c_int);

impl std::fmt::Display for Version {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(code) = self;
        write!(
            formatter,
            "{}.{}.{}",
            code / 10_000,
            code / 100 % 100,
            code % 100
        )
    }
}

impl Library {
    /// The library of this process.
    pub(super) fn get() -> Result<&'static Self, CollectiveError> {
        static LOADED: OnceLock<Result<Library, String>> = OnceLock::new();
        let loaded = LOADED.get_or_init(|| Self::load(std::env::var_os(VARIABLE)));
        loaded
            .as_ref()
            .map_err(|reason| super::refused(reason.clone()))
    }

    fn load(named: Option<OsString>) -> Result<Self, String> {
        let named = named.filter(|name| !name.is_empty());
        let names = match named {
            Some(name) => vec![name],
            None => NAMES.iter().map(OsString::from).collect(),
        };
        let mut failed = Vec::new();
        for name in &names {
            // SAFETY: loading runs the library's initialisers; this one is NVIDIA's own, or what
            // the user names.
            match unsafe { Loaded::new(name) } {
                Ok(loaded) => return Self::of(loaded),
                Err(error) => failed.push(told(&error)),
            }
        }
        Err(format!(
            "its library is not found ({}); install it (Debian: libnccl2; PyPI: nvidia-nccl-cu12 or \
             -cu13), name its file by {VARIABLE}=/path/to/libnccl.so.2, or take --collective tcp",
            failed.join(", ")
        ))
    }

    fn of(loaded: Loaded) -> Result<Self, String> {
        let get_version: Get<c_int> = symbol(&loaded, c"ncclGetVersion")?;
        let mut version = 0;
        // SAFETY: it writes one number.
        let status = unsafe { get_version(&mut version) };
        if status != SUCCESS || version < OLDEST {
            return Err(format!(
                "the library is of version {}, and {} is the oldest that is known to do",
                Version(version),
                Version(OLDEST)
            ));
        }
        Ok(Self {
            version: Version(version),
            get_unique_id: symbol(&loaded, c"ncclGetUniqueId")?,
            start: symbol(&loaded, c"ncclCommInitRankConfig")?,
            async_error: symbol(&loaded, c"ncclCommGetAsyncError")?,
            abort: symbol(&loaded, c"ncclCommAbort")?,
            finalize: symbol(&loaded, c"ncclCommFinalize")?,
            destroy: symbol(&loaded, c"ncclCommDestroy")?,
            group_start: symbol(&loaded, c"ncclGroupStart")?,
            group_end: symbol(&loaded, c"ncclGroupEnd")?,
            send: symbol(&loaded, c"ncclSend")?,
            receive: symbol(&loaded, c"ncclRecv")?,
            all_gather: symbol(&loaded, c"ncclAllGather")?,
            all_reduce: symbol(&loaded, c"ncclAllReduce")?,
            error_string: symbol(&loaded, c"ncclGetErrorString")?,
            last_error: symbol(&loaded, c"ncclGetLastError")?,
            _loaded: loaded,
        })
    }

    /// A new name for a group.
    pub(super) fn unique_id(&self) -> Result<ncclUniqueId, CollectiveError> {
        let mut id = ncclUniqueId { internal: [0; 128] };
        // SAFETY: it writes one id.
        let status = unsafe { (self.get_unique_id)(&mut id) };
        self.check("making the group's id", status)?;
        Ok(id)
    }

    /// An error where a call failed.
    pub(super) fn check(
        &self,
        operation: &'static str,
        status: Status,
    ) -> Result<(), CollectiveError> {
        match status {
            SUCCESS | IN_PROGRESS => Ok(()),
            status => Err(self.error(operation, status)),
        }
    }

    /// What a failed call is told as.
    pub(super) fn error(&self, operation: &'static str, status: Status) -> CollectiveError {
        // SAFETY: both give a text of the library's own, or nothing; the last error needs no
        // communicator.
        let (error, last) = unsafe {
            (
                words((self.error_string)(status)),
                words((self.last_error)(std::ptr::null_mut())),
            )
        };
        let last = match last.trim() {
            "" => String::new(),
            last => format!(" ({last})"),
        };
        super::refused(format!(
            "{operation} failed: {error}{last}; NCCL_DEBUG=WARN makes it say more"
        ))
    }
}

fn symbol<T: Copy>(loaded: &Loaded, name: &CStr) -> Result<T, String> {
    // SAFETY: the types are those of nccl.h, which has kept them since the oldest version taken.
    let found = unsafe { loaded.get::<T>(name) };
    found
        .map(|symbol| *symbol)
        .map_err(|error| format!("the library is not whole: {}", told(&error)))
}

/// A text of the library.
///
/// # Safety
/// The address is null or that of a text that ends with a zero.
unsafe fn words(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: as the caller says.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_string_lossy().into_owned()
}

/// What the system's loader says.
fn told(error: &libloading::Error) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_not_there_is_told_with_a_way_out() {
        let told = Library::load(Some("/nowhere/libnccl.so.2".into()));
        let told = told.err().expect("nothing is there");
        for words in ["/nowhere/libnccl.so.2", "libnccl2", VARIABLE] {
            assert!(told.contains(words), "{told}");
        }
    }

    #[test]
    fn a_library_that_is_another_is_told() {
        let told = Library::load(Some("libc.so.6".into())).err();
        let told = told.expect("it is not NCCL");
        assert!(told.contains("ncclGetVersion"), "{told}");
    }

    #[test]
    fn versions_are_told_as_they_are_written() {
        assert_eq!(Version(22_602).to_string(), "2.26.2");
        assert_eq!(Version(23_007).to_string(), "2.30.7");
    }
}
