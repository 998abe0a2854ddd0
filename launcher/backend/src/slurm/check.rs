//! A profile held against the live site: what fits, what does not, and which key to change. Pure.
//!
//! Rules: CH-1 what the profile does not say is no difference, but it is told what the site says. CH-2
//! what the site does not tell is not guessed: nothing is said of it. CH-3 every difference names the
//! key and what to write. Absent on purpose: asking the site, which [`look`] does, and changing files.

mod limits;
mod look;
mod nodes;
mod place;
mod queue;

#[cfg(test)]
mod tests;

use schliff_slurm::association::Association;
use schliff_slurm::node::{Node, Partition};
use schliff_slurm::scontrol::{Config, Rules};
use schliff_spec::cluster::{ClusterProfile, Limits, Slurm, SlurmAsk};
use serde::Serialize;

pub use look::look;

/// What a site tells of itself; what is `None` it does not tell.
#[derive(Clone, Debug, Default)]
pub struct SiteFacts {
    /// Release of Slurm.
    pub version: String,
    /// Its partitions.
    pub partitions: Vec<Partition>,
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// Who may use its partitions.
    pub rules: Option<Vec<Rules>>,
    /// Accounts and QOS that the user has.
    pub associations: Option<Vec<Association>>,
    /// How Slurm is set up.
    pub config: Option<Config>,
    /// Instruction set of a node of the partition.
    pub architecture: Option<String>,
    /// What `srun --mpi` takes.
    pub mpi: Option<Vec<String>>,
    /// Whether `slurm.folder` can be written, seen from the login node.
    pub folder: Option<FolderThere>,
    /// Whether `slurm.program` is there, seen from the login node.
    pub has_program: Option<bool>,
    /// What `sbatch --test-only` says of a small job with the profile's words.
    pub trial: Option<Result<String, String>>,
}

/// What is found in place of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderThere {
    /// A folder that the user can write.
    Writable,
    /// There is none, but it can be made.
    CanBeMade,
    /// There is none, and it cannot be made.
    Missing,
    /// The user cannot write it.
    NotWritable,
}

/// How a key of the profile stands to the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// They agree.
    Fits,
    /// The profile says nothing, or less than it could.
    Open,
    /// They do not agree.
    Differs,
}

impl Verdict {
    /// The word that tables and JSON use.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fits => "fits",
            Self::Open => "open",
            Self::Differs => "differs",
        }
    }
}

/// One key, held against the site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Key of the profile, such as `limits.max_time`.
    pub key: &'static str,
    /// How it stands.
    pub verdict: Verdict,
    /// What the profile says; empty where it says nothing.
    pub profile: String,
    /// What the site says.
    pub site: String,
    /// What to change, where something is to be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
}

/// Holds a profile against the facts: a finding for each key that the site tells of.
pub fn compare(profile: &ClusterProfile, slurm: &Slurm, facts: &SiteFacts) -> Vec<Finding> {
    let mut comparison = Comparison {
        slurm,
        ask: &slurm.ask,
        limits: profile.limits,
        facts,
        findings: Vec::new(),
    };
    comparison.place(profile.site.architecture);
    comparison.queue();
    comparison.limits();
    comparison.nodes();
    comparison.trial();
    comparison.findings
}

struct Comparison<'a> {
    slurm: &'a Slurm,
    ask: &'a SlurmAsk,
    limits: Limits,
    facts: &'a SiteFacts,
    findings: Vec<Finding>,
}

impl<'a> Comparison<'a> {
    fn fits(&mut self, key: &'static str, profile: impl ToString, site: impl ToString) {
        self.add(key, Verdict::Fits, (profile, site), None);
    }

    fn open(&mut self, key: &'static str, site: impl ToString, change: impl Into<String>) {
        self.add(key, Verdict::Open, ("", site), Some(change.into()));
    }

    fn differs(
        &mut self,
        key: &'static str,
        profile: impl ToString,
        site: impl ToString,
        change: impl Into<String>,
    ) {
        self.add(key, Verdict::Differs, (profile, site), Some(change.into()));
    }

    fn add(
        &mut self,
        key: &'static str,
        verdict: Verdict,
        (profile, site): (impl ToString, impl ToString),
        change: Option<String>,
    ) {
        self.findings.push(Finding {
            key,
            verdict,
            profile: profile.to_string(),
            site: site.to_string(),
            change,
        });
    }

    /// Names of the partitions that jobs go to: the profile's, or the site's default.
    fn partition_names(&self) -> Vec<&'a str> {
        let facts = self.facts;
        match &self.ask.partition {
            Some(names) => names.split(',').collect(),
            None => {
                let default = facts.partitions.iter().find(|it| it.is_default);
                default.map(|it| it.name.as_str()).into_iter().collect()
            }
        }
    }

    /// Those of them that are there.
    fn partitions(&self) -> Vec<&'a Partition> {
        let names = self.partition_names();
        let all = self.facts.partitions.iter();
        all.filter(|it| names.contains(&it.name.as_str())).collect()
    }

    /// The nodes that jobs may get.
    fn nodes_of_partitions(&self) -> Vec<&'a Node> {
        let names = self.partition_names();
        let is_in =
            |node: &&Node| (node.partitions.iter()).any(|own| names.contains(&own.as_str()));
        self.facts.nodes.iter().filter(is_in).collect()
    }
}

/// Names in one line, the first few of many.
fn listed<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    const MOST: usize = 12;
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    let more = names.len().saturating_sub(MOST);
    names.truncate(MOST);
    match more {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

/// `1`: `node`; more: `nodes`.
fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}
