//! Asks a site what it says of itself. A thin shell: what it means is decided elsewhere.
//!
//! Rules: a question that only some sites answer is no error where it is not answered. All of it is a
//! dozen short commands, once. Absent on purpose: waiting, trying again, changing anything there.

use schliff_scheduler::shape::Shape;
use schliff_slurm::association::{self, Association};
use schliff_slurm::channel::Channel;
use schliff_slurm::client::command::PRELUDE;
use schliff_slurm::quote::quote;
use schliff_slurm::scontrol::{self, Config};
use schliff_slurm::{Slurm as Client, SlurmError};
use schliff_spec::cluster::{BatchWish, Limits, Slurm, Transport};
use schliff_spec::id::{Generation, JobId, SubmitKey};

use super::{FolderThere, SiteFacts};
use crate::launch::Launch;
use crate::slurm::Reach;
use crate::slurm::batch::{Attempt, batches};

/// Wall time of the job that is tried, where neither the profile nor the site has a longest one.
const TRIAL_MS: u64 = 3_600_000;

/// Asks a site for all that it tells, and whether it would take a job.
///
/// # Errors
/// The site cannot be reached, or does not tell its partitions and nodes.
pub async fn look(site: &Slurm, limits: Limits, reach: &Reach) -> Result<SiteFacts, SlurmError> {
    let client = reach.slurm().as_ref();
    let mut facts = told(site, client, reach.channel().as_ref()).await?;
    facts.trial = trial(site, limits, &facts, client).await;
    Ok(facts)
}

/// Everything but a trial.
async fn told(
    site: &Slurm,
    client: &dyn Client,
    channel: &dyn Channel,
) -> Result<SiteFacts, SlurmError> {
    let mut facts = SiteFacts {
        version: client.version().await?,
        partitions: client.partitions().await?,
        nodes: client.nodes().await?,
        ..SiteFacts::default()
    };
    let shell = Shell(channel);
    let config = shell.ask("scontrol show config").await;
    facts.config = config.map(|printed| scontrol::config(&printed));
    let rules = shell.ask("scontrol show partition --oneliner").await;
    facts.rules = rules.and_then(|printed| scontrol::partitions(&printed).ok());
    facts.associations = shell.associations(site, facts.config.as_ref()).await;
    facts.architecture = shell.architecture(&facts, site).await;
    facts.folder = shell.folder(&site.folder).await;
    // Where REST leads to Slurm, this machine is no login node.
    if !matches!(site.transport, Transport::Rest { .. }) {
        facts.has_program = shell.has_program(&site.program).await;
        let types = shell.ask("srun --mpi=list 2>&1").await;
        facts.mpi = types.map(|printed| mpi_types(&printed));
    }
    Ok(facts)
}

/// Whether Slurm would take a job of one node with the profile's words. `None` where it cannot be
/// asked yet: something has to be filled in, or a job has to say who pays.
async fn trial(
    site: &Slurm,
    limits: Limits,
    facts: &SiteFacts,
    client: &dyn Client,
) -> Option<Result<String, String>> {
    if !site.blanks().is_empty() || site.ask.lacks_account() {
        return None;
    }
    let attempt = Attempt {
        folder: &format!("{}/check", site.folder),
        nonce: "check",
        instance: "check",
    };
    let launch = launch(site, limits, facts);
    let batch = match batches(site, &launch, attempt) {
        Ok(batches) => batches.into_iter().next()?,
        Err(error) => return Some(Err(crate::chain(&error))),
    };
    Some(match client.test(&batch).await {
        Ok(trial) => Ok(trial.words),
        Err(error) => Err(error.to_string()),
    })
}

fn launch(site: &Slurm, limits: Limits, facts: &SiteFacts) -> Launch {
    let names: Vec<_> = site
        .ask
        .partition
        .iter()
        .flat_map(|it| it.split(','))
        .collect();
    let is_meant = |name: &str, is_default: bool| match names.is_empty() {
        true => is_default,
        false => names.contains(&name),
    };
    let meant = facts.partitions.iter();
    let meant: Vec<_> = meant
        .filter(|it| is_meant(&it.name, it.is_default))
        .collect();
    let is_in = |own: &String| meant.iter().any(|it| it.name == *own);
    let nodes = || {
        facts
            .nodes
            .iter()
            .filter(|it| it.partitions.iter().any(is_in))
    };
    let cap_ms = meant.iter().filter_map(|it| it.max_time_min).min();
    let cap_ms = cap_ms.map(|minutes| u64::from(minutes) * 60_000);
    let own_ms = limits.max_time_s.map(|time_s| time_s * 1_000);
    let gpus = limits.gpus_per_node.or(nodes().map(|it| it.gpus).max());
    let cpus = limits.cpus_per_node.or(nodes().map(|it| it.cpus).min());
    Launch {
        key: SubmitKey {
            job: JobId(0),
            generation: Generation(0),
        },
        name: "check".into(),
        shape: Shape {
            nodes: 1,
            gpus_per_node: gpus.unwrap_or(0),
            cpus_per_node: cpus.unwrap_or(1).max(1),
            ranks: gpus.unwrap_or(0).max(1),
        },
        min_nodes: None,
        placement: Vec::new(),
        avoid: Vec::new(),
        time_limit_ms: Some(own_ms.or(cap_ms).unwrap_or(TRIAL_MS)),
        work_ms: None,
        wish: BatchWish::default(),
        args: Vec::new(),
        env: Vec::new(),
        files: Vec::new(),
    }
}

/// A shell on the login node.
struct Shell<'a>(&'a dyn Channel);

impl Shell<'_> {
    /// What a script prints; `None` where it fails, for whatever reason.
    async fn ask(&self, script: &str) -> Option<String> {
        let output = self.0.run(&format!("{PRELUDE}{script}\n")).await.ok()?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.code == 0).then_some(printed)
    }

    /// `None` where no account has to be named, or where it is not told which there are.
    async fn associations(
        &self,
        site: &Slurm,
        config: Option<&Config>,
    ) -> Option<Vec<Association>> {
        let enforced = config?.get("AccountingStorageEnforce")?;
        if enforced.eq_ignore_ascii_case("none") {
            return None;
        }
        let user = match &site.transport {
            Transport::Rest { user, .. } => quote(user).ok()?,
            _ => "\"$(id -un)\"".to_owned(),
        };
        let mut words = vec!["sacctmgr".to_owned()];
        words.extend(association::ARGUMENTS.iter().map(ToString::to_string));
        if let Some(cluster) = config?.get("ClusterName") {
            words.push(quote(&format!("cluster={cluster}")).ok()?);
        }
        let command = format!("{} user={user}", words.join(" "));
        if let Some(printed) = self.ask(&command).await {
            return association::associations(&printed).ok();
        }
        let command = format!("sshare {}", association::SHARE_ARGUMENTS.join(" "));
        let printed = self.ask(&command).await?;
        association::shares(&printed).ok()
    }

    async fn architecture(&self, facts: &SiteFacts, site: &Slurm) -> Option<String> {
        let names: Vec<_> = site
            .ask
            .partition
            .iter()
            .flat_map(|it| it.split(','))
            .collect();
        let is_in = |own: &String| names.is_empty() || names.contains(&own.as_str());
        let node = facts
            .nodes
            .iter()
            .find(|it| it.partitions.iter().any(is_in))?;
        let name = quote(&node.name).ok()?;
        let printed = self
            .ask(&format!("scontrol show node --oneliner {name}"))
            .await?;
        let mut words = printed.split_whitespace();
        words
            .find_map(|word| word.strip_prefix("Arch="))
            .map(str::to_owned)
    }

    async fn folder(&self, folder: &str) -> Option<FolderThere> {
        let folder = quote(folder).ok()?;
        let script = format!(
            "d={folder}\nif [ -d \"$d\" ]; then\n  [ -w \"$d\" ] && echo writable || echo closed\n  exit 0\nfi\n\
             while [ ! -e \"$d\" ]; do d=$(dirname \"$d\"); done\n\
             [ -d \"$d\" ] && [ -w \"$d\" ] && echo makeable || echo missing"
        );
        match self.ask(&script).await?.trim() {
            "writable" => Some(FolderThere::Writable),
            "closed" => Some(FolderThere::NotWritable),
            "makeable" => Some(FolderThere::CanBeMade),
            "missing" => Some(FolderThere::Missing),
            _ => None,
        }
    }

    async fn has_program(&self, program: &str) -> Option<bool> {
        let program = quote(program).ok()?;
        let script = format!("command -v {program} >/dev/null && echo yes || echo no");
        match self.ask(&script).await?.trim() {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        }
    }
}

/// Reads the list, whose layout changed over the releases: a word a line, and some versions at the end.
fn mpi_types(printed: &str) -> Vec<String> {
    let is_word = |word: &&str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let lines = printed
        .lines()
        .map(|line| line.trim().trim_start_matches("srun: "));
    let lines = lines.map(|line| match line.split_once(" available: ") {
        Some((_, versions)) => versions,
        None => line,
    });
    let words = lines.flat_map(|line| line.split(',').map(str::trim));
    words.filter(is_word).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_of_mpi_types() {
        let new = "MPI plugin types are...\n\tpmix\n\tnone\n\
            specific pmix plugin versions available: pmix_v3,pmix_v4\n";
        assert_eq!(mpi_types(new), ["pmix", "none", "pmix_v3", "pmix_v4"]);
        let old = "srun: MPI types are...\nsrun: none\nsrun: pmi2\n";
        assert_eq!(mpi_types(old), ["none", "pmi2"]);
    }
}
