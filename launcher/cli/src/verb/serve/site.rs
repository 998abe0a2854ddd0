//! A cluster's profile as a back-end.
//!
//! Rules: whatever is wrong with a profile is told before anything is begun; whether a site answers is
//! found out later, again and again. Absent on purpose: what a back-end does.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use schliff_agent::relay::allowance::Bandwidth;
use schliff_backend::local::{Local, LocalOptions};
use schliff_backend::slurm::{Reach, SlurmBackend, SlurmOptions};
use schliff_coordinator::Site;
use schliff_slurm::channel::Channel;
use schliff_spec::cluster::{self, Backend, ClusterProfile, Reports, Transport};

use super::relayed::{Relayed, drains};
use super::relayer::{Relayer, Storage};
use super::supply::Supply;
use crate::outcome::CliError;
use crate::terminal;

/// The word in the state folder that tells this coordinator's jobs from those of others.
const INSTANCE: &str = "instance";
/// Random bytes of that word.
const INSTANCE_BYTES: usize = 8;

/// The cluster of a profile, for a coordinator with this state folder.
pub(super) fn site(
    profile: &ClusterProfile,
    state: &Path,
) -> Result<(Site, Option<Relayer>), CliError> {
    let (site, relayer) = match &profile.backend {
        Backend::Local(local) => (on_this_host(profile, local, state)?, None),
        Backend::Slurm(slurm) => on_slurm(profile, slurm, state)?,
    };
    let site = Site {
        cost: profile.cost,
        country: profile.site.country.clone(),
        ..site
    };
    Ok((site, relayer))
}

fn on_this_host(
    profile: &ClusterProfile,
    local: &cluster::Local,
    state: &Path,
) -> Result<Site, CliError> {
    let cannot = |error: &(dyn std::error::Error + 'static)| cannot(profile, error);
    let program = std::env::current_exe().map_err(|error| cannot(&error))?;
    let count = |slots: Option<usize>| slots.and_then(|slots| u32::try_from(slots).ok());
    let name = profile.name.clone();
    let options = LocalOptions {
        cpu_slots: count(local.cpu_slots),
        gpu_slots: count(local.gpu_slots),
        max_time_ms: max_time_ms(profile),
        ..LocalOptions::new(name.clone(), state.join(name.as_str()), program)
    };
    let backend = Local::open(options).map_err(|error| cannot(&error))?;
    Ok(Site::new(Arc::new(backend)))
}

fn on_slurm(
    profile: &ClusterProfile,
    slurm: &cluster::Slurm,
    state: &Path,
) -> Result<(Site, Option<Relayer>), CliError> {
    let name = &profile.name;
    if let Some(blank) = slurm.blanks().first() {
        let (key, value) = (blank.key, &blank.value);
        let text = format!("cannot use the cluster {name}: {key} is `{value}`");
        let hint = format!("fill in {key} in its profile; nobody else can know it");
        return Err(CliError::usage(text).hint(hint));
    }
    if slurm.ask.lacks_account() {
        let warning = terminal::yellow("warning:");
        terminal::say(&format!(
            "{warning} the cluster {name} takes no job without an account, and its profile has none: \
             each job must say scheduling.account, or write ask.account"
        ));
    }
    let options = SlurmOptions {
        cluster: name.clone(),
        site: slurm.clone(),
        max_time_ms: max_time_ms(profile),
        instance: instance(state).map_err(|error| cannot(profile, &error))?,
    };
    let reach = Reach::of(slurm).map_err(|error| cannot(profile, &error))?;
    let channel = Arc::clone(reach.channel());
    let backend = Arc::new(SlurmBackend::new(options, reach));
    let (backend, relayer) = relayed(profile, slurm, backend, channel);
    let site = Site {
        observe_every: Duration::from_secs(slurm.observe_every_s.max(1)),
        ..Site::new(backend)
    };
    Ok((site, Some(relayer)))
}

/// The back-end of a cluster some of whose agents may reach nobody, and its relay.
fn relayed(
    profile: &ClusterProfile,
    slurm: &cluster::Slurm,
    backend: Arc<SlurmBackend>,
    channel: Arc<dyn Channel>,
) -> (Arc<dyn schliff_backend::Backend>, Relayer) {
    let (relay, drains) = drains();
    let storage = match slurm.transport {
        Transport::Ssh { .. } => Storage::Behind(channel),
        Transport::Command | Transport::Rest { .. } => Storage::Here,
    };
    let bandwidth = Bandwidth::new(Some(slurm.relay_rate_bytes));
    let supply = Supply::new(
        profile.name.clone(),
        storage.clone(),
        &slurm.folder,
        bandwidth.clone(),
    );
    let relayer = Relayer {
        cluster: profile.name.clone(),
        storage,
        folder: slurm.folder.clone(),
        bandwidth,
        drains,
        is_for_all: slurm.reports == Reports::Spool,
    };
    (Arc::new(Relayed::new(backend, relay, supply)), relayer)
}

fn max_time_ms(profile: &ClusterProfile) -> Option<u64> {
    profile.limits.max_time_s.map(|time_s| time_s * 1_000)
}

fn cannot(profile: &ClusterProfile, error: &(dyn std::error::Error + 'static)) -> CliError {
    let text = format!("cannot use the cluster {}", profile.name);
    CliError::usage(text).caused_by(schliff_backend::chain(error))
}

/// The word, made at the first time. A state folder that is copied takes its word with it: the two
/// coordinators are then one to Slurm.
fn instance(state: &Path) -> std::io::Result<String> {
    let path = state.join(INSTANCE);
    let mut bytes = [0; INSTANCE_BYTES];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    let word: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path);
    match made {
        Ok(mut file) => {
            file.write_all(word.as_bytes())?;
            file.sync_all()?;
            Ok(word)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => known(&path, word),
        Err(error) => Err(error),
    }
}

/// The word that is there; one that was cut off by a crash was never used, and is written anew.
fn known(path: &Path, new: String) -> std::io::Result<String> {
    let known = fs::read_to_string(path)?;
    let known = known.trim();
    let is_whole =
        known.len() == 2 * INSTANCE_BYTES && known.bytes().all(|byte| byte.is_ascii_hexdigit());
    match is_whole {
        true => Ok(known.to_owned()),
        false => fs::write(path, &new).map(|()| new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coordinator_keeps_its_word() {
        let folder = tempfile::tempdir().unwrap();
        let first = instance(folder.path()).unwrap();
        assert_eq!(first.len(), 16);
        assert_eq!(instance(folder.path()).unwrap(), first);
        fs::write(folder.path().join(INSTANCE), "ab").unwrap();
        let new = instance(folder.path()).unwrap();
        assert_ne!(new, first);
        assert_eq!(instance(folder.path()).unwrap(), new);
    }
}
