//! Starting an allocation's agent so that nothing of its coordinator is needed any more.
//!
//! Rules: it has a session of its own and no terminal; it holds the lock from its birth on, and has
//! written down who it is before it becomes another program; of the environment it sees nothing by
//! which it could take itself for a part of another batch system's job.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::thread::{CpuSet, sched_setaffinity};

use super::place::Place;
use super::stock::Share;
use crate::launch::Launch;

/// Beginnings of names of variables that other launchers set.
const FOREIGN: &[&str] = &[
    "SLURM_",
    "PMI_",
    "PMIX_",
    "OMPI_",
    "PRTE_",
    "PALS_",
    "JOB_COMPLETION_INDEX",
    "JOB_NAME",
    "SCHLIFF_NODES",
    "SCHLIFF_LEADER",
    "SCHLIFF_RANKS_PER_NODE",
];

/// What is started.
pub(super) fn command(program: &Path, launch: &Launch, place: &Place, share: &Share) -> Command {
    let mut command = Command::new(program);
    let folder = place.files();
    for arg in &launch.args {
        command.arg(filled(arg, &folder));
    }
    command.arg("--exit-file").arg(place.exit());
    for (name, _) in std::env::vars_os() {
        if is_foreign(&name) {
            command.env_remove(name);
        }
    }
    command
        .envs(launch.env.iter().map(|(name, value)| (name, value)))
        .env("CUDA_VISIBLE_DEVICES", share.gpus.join(","))
        .current_dir(place.folder());
    command
}

fn is_foreign(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    FOREIGN.iter().any(|foreign| name.starts_with(foreign))
}

/// An argument with the folder and the node's number in it. An argument with the folder in it need
/// not be text, as the folder's name need not be.
fn filled(arg: &str, folder: &Path) -> OsString {
    let mut filled = OsString::new();
    for (at, part) in arg.split("{dir}").enumerate() {
        if at > 0 {
            filled.push(folder);
        }
        filled.push(part.replace("{node}", "0"));
    }
    filled
}

/// Starts it on these cores, or on all where there are none.
pub(super) fn start(
    mut command: Command,
    place: &Place,
    lock: &File,
    cores: &[usize],
) -> io::Result<Child> {
    let words = File::options()
        .create(true)
        .append(true)
        .open(place.output())?;
    command
        .stdin(Stdio::null())
        .stdout(words.try_clone()?)
        .stderr(words);
    prepare(&mut command, place, lock.try_clone()?, cores)?;
    command.spawn()
}

/// What the child does before it becomes the program.
fn prepare(command: &mut Command, place: &Place, lock: File, cores: &[usize]) -> io::Result<()> {
    use std::os::unix::process::CommandExt;

    let birth = File::create(place.birth())?;
    let mut set = CpuSet::new();
    let cores = cores.iter().filter(|core| **core < CpuSet::MAX_CPU);
    let is_bound = cores.map(|core| set.set(*core)).count() > 0;
    let set_up = move || {
        rustix::process::setsid()?;
        // The cores may have become fewer since they were counted: rather unbound than dead.
        if is_bound {
            let _ = sched_setaffinity(None, &set);
        }
        let own = rustix::fs::open(c"/proc/self/stat", OFlags::RDONLY, Mode::empty())?;
        let mut stat = [0_u8; 1024];
        let bytes = rustix::io::read(&own, &mut stat)?;
        rustix::io::write(&birth, &stat[..bytes])?;
        // From here on the program and all that it starts hold the lock.
        fcntl_setfd(&lock, FdFlags::empty())?;
        Ok(())
    };
    // SAFETY: the closure makes system calls only: it takes no lock and no memory, which another
    // thread of the parent might have held or been changing at the fork.
    unsafe { command.pre_exec(set_up) };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_filled_in() {
        let folder = Path::new("/a{node}b");
        let filled = |arg| filled(arg, folder);
        assert_eq!(filled("{dir}/job.toml"), "/a{node}b/job.toml");
        assert_eq!(filled("--node={node}"), "--node=0");
        assert_eq!(filled("{dir}:{dir}{node}"), "/a{node}b:/a{node}b0");
        assert_eq!(filled("{other}"), "{other}");
    }

    #[test]
    fn variables_of_other_launchers_are_foreign() {
        let is_foreign = |name: &str| is_foreign(&name.into());
        assert!(
            ["SLURM_JOB_ID", "PMI_RANK", "OMPI_COMM_WORLD_RANK"]
                .iter()
                .all(|it| is_foreign(it))
        );
        assert!(
            !["PATH", "SCHLIFF_THREADS", "CUDA_HOME"]
                .iter()
                .any(|it| is_foreign(it))
        );
    }
}
