//! Processes of an allocation: which they are, and signals to them.
//!
//! Rules: a process is known by its number and its time of birth, and is signalled through a handle
//! that was opened before that was checked, so that no signal reaches a later process of the same
//! number. Of an allocation is who is in its first process's session, or holds its lock. What comes
//! from `/proc` is taken as it is at that moment: a process that is gone is no error.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, getpid, kill_process, pidfd_open, pidfd_send_signal,
};

/// Clock ticks of `/proc` in a second, on every architecture that Rust's Linux targets have.
const TICKS_PER_S: u64 = 100;
/// Looks for processes that were started while others were killed.
const ROUNDS: u32 = 32;

/// Which process it is, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Birth {
    /// Its number.
    pub(super) pid: i32,
    /// When it was born, in ticks since the host was started.
    pub(super) start_ticks: u64,
}

/// What `/proc` tells of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    birth: Birth,
    session: i32,
    is_dead: bool,
}

impl Stat {
    /// Reads the one line of a `stat` file. The program's name in it may contain anything.
    fn parse(line: &str) -> Option<Self> {
        let (pid, _) = line.split_once(" (")?;
        let (_, rest) = line.rsplit_once(") ")?;
        let fields: Vec<_> = rest.split_ascii_whitespace().collect();
        let birth = Birth {
            pid: pid.parse().ok()?,
            start_ticks: fields.get(19)?.parse().ok()?,
        };
        Some(Self {
            birth,
            session: fields.get(3)?.parse().ok()?,
            is_dead: matches!(*fields.first()?, "Z" | "X" | "x"),
        })
    }

    fn of(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }
}

impl Birth {
    /// The process that wrote down its own `stat` line.
    pub(super) fn parse(line: &str) -> Option<Self> {
        Stat::parse(line).map(|stat| stat.birth)
    }

    /// It has its number still, dead or alive.
    fn is_there(self) -> bool {
        Stat::of(self.pid).is_some_and(|stat| stat.birth == self)
    }

    /// How long ago it was born, by the host's own clock, which nobody sets.
    pub(super) fn age_ms(self) -> Option<u64> {
        let text = fs::read_to_string("/proc/uptime").ok()?;
        let (seconds, hundredths) = text.split_ascii_whitespace().next()?.split_once('.')?;
        let (seconds, hundredths): (u64, u64) = (seconds.parse().ok()?, hundredths.parse().ok()?);
        let born_ms = self.start_ticks * 1_000 / TICKS_PER_S;
        Some((seconds * 1_000 + hundredths * 10).saturating_sub(born_ms))
    }

    /// Signals it, where it is still there.
    fn signal(self, signal: Signal) {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return;
        };
        let handle = pidfd_open(pid, PidfdFlags::empty());
        if !self.is_there() {
            return;
        }
        // Either fails where it has just ended.
        let _ = match handle {
            Ok(handle) => pidfd_send_signal(handle, signal),
            // Old kernels have no handles.
            Err(Errno::NOSYS) => kill_process(pid, signal),
            Err(error) => Err(error),
        };
    }
}

/// Asks an allocation's first process to end.
pub(super) fn terminate(birth: Option<Birth>) {
    if let Some(birth) = birth {
        birth.signal(Signal::TERM);
    }
}

/// Kills every process of an allocation.
pub(super) fn kill_all(lock: &Path, birth: Option<Birth>) {
    // Its first process must start no more, and must last: its number is the session's name.
    let first = birth.filter(|birth| birth.is_there());
    if let Some(first) = first {
        first.signal(Signal::STOP);
    }
    let lock = fs::metadata(lock).ok().map(|it| (it.dev(), it.ino()));
    let own = getpid().as_raw_nonzero().get();
    let is_of = |stat: &Stat| {
        let is_in_session = first.is_some_and(|first| first.pid == stat.session);
        is_in_session || lock.is_some_and(|lock| holds(stat.birth.pid, lock))
    };
    let mut killed = BTreeSet::new();
    // One look may fall between a fork and what tells whose child it is: two must find nothing.
    let mut empty = 0;
    for _ in 0..ROUNDS {
        let others = all().filter(|stat| {
            let birth = stat.birth;
            !stat.is_dead && birth.pid != own && Some(birth) != first && !killed.contains(&birth)
        });
        let found: Vec<_> = others.filter(is_of).map(|stat| stat.birth).collect();
        empty = if found.is_empty() { empty + 1 } else { 0 };
        if empty == 2 {
            break;
        }
        for birth in found {
            birth.signal(Signal::KILL);
            killed.insert(birth);
        }
    }
    if let Some(first) = first {
        first.signal(Signal::KILL);
    }
}

/// Every process.
fn all() -> impl Iterator<Item = Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(Stat::of)
}

/// Whether a process holds the lock alone. One that only looks at it has the file open, too, and
/// must not be taken for one of the allocation's.
fn holds(pid: i32, (device, inode): (u64, u64)) -> bool {
    let files = fs::read_dir(format!("/proc/{pid}/fd"));
    files.into_iter().flatten().flatten().any(|file| {
        let is_it =
            fs::metadata(file.path()).is_ok_and(|it| (it.dev(), it.ino()) == (device, inode));
        is_it && {
            let number = file.file_name();
            let info = Path::new("/proc")
                .join(pid.to_string())
                .join("fdinfo")
                .join(number);
            let info = fs::read_to_string(info).unwrap_or_default();
            info.lines().any(is_exclusive_lock)
        }
    })
}

/// Such as `lock: 1: FLOCK  ADVISORY  WRITE 4711 fd:00:42 0 EOF`.
fn is_exclusive_lock(line: &str) -> bool {
    line.starts_with("lock:") && line.contains(" FLOCK ") && line.contains(" WRITE ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str =
        "4711 (a) b (c)) S 1 4700 4699 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 0 0";

    #[test]
    fn a_stat_line_is_read_whatever_the_program_is_called() {
        let stat = Stat::parse(LINE).unwrap();
        let birth = Birth {
            pid: 4711,
            start_ticks: 987_654,
        };
        assert_eq!(
            (stat.birth, stat.session, stat.is_dead),
            (birth, 4699, false)
        );
        assert!(Stat::parse(&LINE.replace(" S ", " Z ")).unwrap().is_dead);
        assert_eq!(Birth::parse(""), None);
        assert_eq!(Birth::parse("4711 (sh) S 1 2"), None);
    }

    #[test]
    fn this_process_is_there_and_young() {
        let own = Stat::of(getpid().as_raw_nonzero().get()).unwrap().birth;
        assert!(own.is_there());
        assert!(own.age_ms().is_some_and(|age| age < 86_400_000));
        let later = Birth {
            start_ticks: own.start_ticks + 1,
            ..own
        };
        assert!(!later.is_there());
        // Harmless, as it is another process's.
        later.signal(Signal::KILL);
    }

    #[test]
    fn only_who_holds_a_lock_alone_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let own = getpid().as_raw_nonzero().get();
        let file = fs::File::create(&path).unwrap();
        let id = file.metadata().map(|it| (it.dev(), it.ino())).unwrap();
        assert!(!holds(own, id));
        file.lock_shared().unwrap();
        assert!(!holds(own, id));
        file.unlock().unwrap();
        file.lock().unwrap();
        assert!(holds(own, id));
    }

    proptest! {
        #[test]
        fn no_line_is_too_odd(line in "\\PC{0,200}") {
            let _ = Stat::parse(&line);
        }
    }
}
