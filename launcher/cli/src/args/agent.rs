//! The arguments of `schliff agent`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args as ClapArgs};
use schliff_spec::id::{Generation, JobId};

use super::{GroupArgs, JobArgs, OutputArgs};

#[derive(Debug, ClapArgs)]
pub(crate) struct AgentArgs {
    #[command(flatten)]
    pub(crate) job: JobArgs,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) group: GroupArgs,
    /// Go on from the newest good checkpoint under another prefix than the job's own
    #[arg(long, value_name = "URI", help_heading = "Job")]
    pub(crate) resume: Option<String>,
    /// Folder of the result [default: runs/NAME OF THE JOB]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

/// This node among others; what is left out is found in the environment.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Place")]
pub(crate) struct PlaceArgs {
    /// This node, from 0; node 0 leads
    #[arg(long, value_name = "I")]
    pub(crate) node: Option<usize>,
    /// Nodes of the job
    #[arg(long, value_name = "N")]
    pub(crate) nodes: Option<usize>,
    /// Go on without nodes that are lost for good: N is halved, never below M [default: N, all are needed]
    #[arg(long, value_name = "M")]
    pub(crate) min_nodes: Option<usize>,
    /// Ranks on each node [default: its GPUs, else gpus_per_node of the job, else 1]
    #[arg(long, value_name = "K")]
    pub(crate) ranks_per_node: Option<usize>,
    /// Node 0's host, and its port where the derived ones do not do
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) leader: Option<String>,
    /// Address of this node on which its ranks listen to others
    #[arg(long, value_name = "IP")]
    pub(crate) listen: Option<IpAddr>,
    /// The job's secret, on storage that all nodes see; node 0 makes it where it is absent
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
}

/// The attempt that it is, and whom it tells; given by a coordinator that starts agents.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Coordinator")]
#[command(group = ArgGroup::new("told").args(["coordinator", "spool"]).multiple(false))]
pub(crate) struct ReportArgs {
    /// Report to this coordinator; may be repeated, the one that leads is found
    #[arg(long, value_name = "URL", requires_all = ["token_file", "job_id", "generation"])]
    pub(crate) coordinator: Vec<String>,
    /// Report into this folder, on storage that a relay sees, and to nobody else: for nodes that reach
    /// no coordinator, and for jobs that one may adopt later, which have no --job
    #[arg(long, value_name = "DIR")]
    pub(crate) spool: Option<PathBuf>,
    /// The allocation's token
    #[arg(long, value_name = "FILE", requires = "coordinator")]
    pub(crate) token_file: Option<PathBuf>,
    /// Certificate authority of a coordinator with https, PEM
    #[arg(long, value_name = "FILE", requires = "coordinator")]
    pub(crate) ca_file: Option<PathBuf>,
    /// The job's number
    #[arg(long = "job", id = "job_id", value_name = "ID", requires_all = ["told", "generation"])]
    pub(crate) job: Option<JobId>,
    /// The attempt's number
    #[arg(long, value_name = "G", requires_all = ["told", "job_id"])]
    pub(crate) generation: Option<Generation>,
    /// Where the job's checkpoints go to a store behind a network, commit them below this folder on
    /// shared storage instead, for a relay to ship
    #[arg(long, value_name = "DIR", help_heading = "Job")]
    pub(crate) stage_checkpoints: Option<PathBuf>,
    /// Wall time of the allocation: ranks are asked to stop some time before
    #[arg(long, value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(crate) time_limit: Option<u64>,
    /// File with a line for each start of this attempt: a line behind --start ends this one, for the job
    /// was started again elsewhere
    #[arg(long, value_name = "FILE", requires = "start")]
    pub(crate) starts: Option<PathBuf>,
    /// This start's own line in that file
    #[arg(long, value_name = "LINE", requires = "starts")]
    pub(crate) start: Option<String>,
    /// Leave the exit code in this file, as the last thing
    #[arg(long, value_name = "FILE")]
    pub(crate) exit_file: Option<PathBuf>,
}
