//! Arguments of the verbs that speak with the coordinator.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use schliff_spec::id::JobId;

use super::examples::{
    ADOPT_EXAMPLES, CANCEL_EXAMPLES, CLUSTERS_CHECK_EXAMPLES, CLUSTERS_EXAMPLES, EXPLAIN_EXAMPLES,
    EXPORT_EXAMPLES, LIST_EXAMPLES, LOGS_EXAMPLES, NODES_EXAMPLES, RETRY_EXAMPLES, STATUS_EXAMPLES,
    SUBMIT_EXAMPLES, TOP_VIEW_EXAMPLES, WAIT_EXAMPLES,
};
use super::{ConnectionArgs, JobArgs, OutputArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum JobsVerb {
    /// Hand a job to the coordinator, which runs it to its end
    #[command(after_help = SUBMIT_EXAMPLES)]
    Submit(SubmitArgs),
    /// List jobs, the newest first
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Say how a job is doing: phase and reason, progress, attempts, cost
    #[command(after_help = STATUS_EXAMPLES)]
    Status(JobIdArgs),
    /// Print what a job's ranks wrote
    #[command(after_help = LOGS_EXAMPLES)]
    Logs(LogsArgs),
    /// Stop jobs; what they have trained is kept in a checkpoint
    #[command(after_help = CANCEL_EXAMPLES)]
    Cancel(CancelArgs),
    /// Say why a job waits or is as it is
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(JobIdArgs),
    /// Wait until jobs have ended, and end as they did
    #[command(after_help = WAIT_EXAMPLES)]
    Wait(WaitArgs),
    /// Submit a job that failed or was cancelled anew; it goes on from its newest checkpoint
    #[command(after_help = RETRY_EXAMPLES)]
    Retry(JobIdArgs),
    /// Print a shell script that runs a job without a coordinator
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(ExportArgs),
    /// Let the coordinator go on with a job that was submitted to a cluster by hand
    #[command(after_help = ADOPT_EXAMPLES)]
    Adopt(AdoptArgs),
    /// List the clusters, what is free on them and what is wrong with them
    #[command(after_help = CLUSTERS_EXAMPLES)]
    Clusters(ClustersArgs),
    /// List the nodes of the clusters
    #[command(after_help = NODES_EXAMPLES)]
    Nodes(NodesArgs),
    /// Watch jobs in the terminal
    #[command(after_help = TOP_VIEW_EXAMPLES)]
    Top(TopArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    pub(crate) job: JobArgs,
    /// Where it runs, whatever the job file says: a cluster's name, or `any`
    #[arg(long, value_name = "NAME", help_heading = "Job")]
    pub(crate) cluster: Option<String>,
    /// Begin after these jobs have succeeded
    #[arg(long, value_name = "ID", num_args = 1.., help_heading = "Job")]
    pub(crate) after: Vec<JobId>,
    /// Begin after these jobs have ended, however they did
    #[arg(long, value_name = "ID", num_args = 1.., help_heading = "Job")]
    pub(crate) after_any: Vec<JobId>,
    /// Wait for its end, print its result, and end as it did
    #[arg(long, help_heading = "Waiting")]
    pub(crate) wait: bool,
    /// Show its log and its progress on standard error; implies --wait
    #[arg(short, long, help_heading = "Waiting")]
    pub(crate) follow: bool,
    /// Folder of the result [default: chosen by the coordinator]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,
    /// Print what would be submitted, and submit nothing
    #[arg(long, conflicts_with_all = ["wait", "follow"], help_heading = "Output")]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// A phase as the command line writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PhaseWord {
    Queued,
    Allocating,
    Starting,
    Running,
    Recovering,
    Done,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ListArgs {
    /// Only jobs in these phases: queued, allocating, starting, running, recovering, done
    #[arg(
        long,
        value_name = "PHASE",
        value_delimiter = ',',
        hide_possible_values = true
    )]
    #[arg(help_heading = "Selection")]
    pub(crate) phase: Vec<PhaseWord>,
    /// Only jobs with this in their name
    #[arg(long, value_name = "TEXT", help_heading = "Selection")]
    pub(crate) name: Option<String>,
    /// Only jobs of a cluster
    #[arg(long, value_name = "NAME", help_heading = "Selection")]
    pub(crate) cluster: Option<String>,
    /// Only jobs of somebody
    #[arg(long, value_name = "NAME", help_heading = "Selection")]
    pub(crate) owner: Option<String>,
    /// Only the trials of a sweep
    #[arg(long, value_name = "ID", help_heading = "Selection")]
    pub(crate) sweep: Option<JobId>,
    /// Jobs to list, at most
    #[arg(
        long,
        value_name = "N",
        default_value_t = 50,
        help_heading = "Selection"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// A verb that is about one job.
#[derive(Debug, ClapArgs)]
pub(crate) struct JobIdArgs {
    /// Number of the job
    #[arg(value_name = "ID")]
    pub(crate) job: JobId,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct LogsArgs {
    /// Number of the job
    #[arg(value_name = "ID")]
    pub(crate) job: JobId,
    /// Go on with new lines as they come, until the job ends
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only the last lines
    #[arg(long, value_name = "N", help_heading = "Selection")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) tail: Option<u32>,
    /// Only lines of a rank
    #[arg(long, value_name = "R", help_heading = "Selection")]
    pub(crate) rank: Option<u32>,
    /// Only lines that contain this
    #[arg(long, value_name = "TEXT", help_heading = "Selection")]
    pub(crate) grep: Option<String>,
    /// Only lines of an attempt
    #[arg(long, value_name = "G", help_heading = "Selection")]
    pub(crate) attempt: Option<u64>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CancelArgs {
    /// Numbers of the jobs
    #[arg(value_name = "ID", required = true)]
    pub(crate) jobs: Vec<JobId>,
    /// The reason, kept with the job
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) why: String,
    /// At once, without a checkpoint
    #[arg(long)]
    pub(crate) now: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct WaitArgs {
    /// Numbers of the jobs
    #[arg(value_name = "ID", required = true)]
    pub(crate) jobs: Vec<JobId>,
    /// Give up after so long, such as 90s, 5min or 2h; the jobs go on
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub(crate) timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ExportArgs {
    /// Job file, or number of a job that the coordinator knows
    #[arg(value_name = "JOB|ID")]
    pub(crate) job: String,
    /// Override one key of the job file; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", help_heading = "Job")]
    pub(crate) sets: Vec<String>,
    /// Write a script for sbatch on this cluster: a profile, or the name of one in
    /// ~/.config/schliff/clusters or configs/clusters
    #[arg(long, value_name = "PROFILE", help_heading = "Job")]
    pub(crate) cluster: Option<String>,
    /// Folder of the result that the script writes [default: runs/NAME OF THE JOB]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AdoptArgs {
    /// Slurm's number of the job
    #[arg(value_name = "SLURM_JOB_ID")]
    pub(crate) allocation: u32,
    /// Where it is: a cluster of the coordinator's
    #[arg(long, value_name = "NAME", help_heading = "Job")]
    pub(crate) cluster: String,
    /// Name that it gets here [default: that of its job file]
    #[arg(long, value_name = "NAME", help_heading = "Job")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ClustersArgs {
    #[command(subcommand)]
    pub(crate) verb: Option<ClustersVerb>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClustersVerb {
    /// Hold a cluster profile against the live site, and name each difference and the key to change
    #[command(after_help = CLUSTERS_CHECK_EXAMPLES)]
    Check(ClustersCheckArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ClustersCheckArgs {
    /// Cluster profile, or the name of one: NAME.toml in ~/.config/schliff/clusters or configs/clusters
    #[arg(value_name = "PROFILE")]
    pub(crate) profile: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct NodesArgs {
    /// Only the nodes of this cluster
    #[arg(value_name = "CLUSTER")]
    pub(crate) cluster: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct TopArgs {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// Reads a span of time as job files have it; a number alone is seconds.
fn span(text: &str) -> Result<Duration, String> {
    let bare = Some(text).filter(|text| text.bytes().all(|it| it.is_ascii_digit()));
    let seconds = match bare.and_then(|text| text.parse().ok()) {
        Some(seconds) => Some(seconds),
        None => schliff_spec::span::seconds(text),
    };
    let seconds = seconds.ok_or_else(|| "expected a time such as 90s, 5min or 2h".to_owned())?;
    // Farther off than that, the clock itself cannot tell.
    match seconds <= 100 * 365 * 86_400 {
        true => Ok(Duration::from_secs(seconds)),
        false => Err("at most a hundred years".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_the_units_of_the_job_file() {
        for (text, seconds) in [
            ("90s", 90),
            ("7", 7),
            ("5min", 300),
            ("2h", 7_200),
            ("1h30min", 5_400),
            ("1 d", 86_400),
        ] {
            assert_eq!(span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "h",
            "-1s",
            "1.5h",
            "2weeks",
            "99999999999999999999s",
            "9999999d",
        ] {
            span(text).expect_err(text);
        }
    }
}
