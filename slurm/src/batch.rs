//! A batch job: what is asked of Slurm, and the script that it runs.
//!
//! Rules: data only here; [`render`] turns it into the script with its `#SBATCH` lines, and slurmrestd's
//! modules turn the same fields into a request. What has no field of its own is not asked for, but
//! for two things that every job gets: its output is appended, so that a job that starts again keeps
//! its log, and nothing of the submitter's environment comes along.

mod directives;
mod script;

pub use script::{BatchError, render};

/// A batch job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// `--job-name`
    pub name: String,
    /// `--comment`
    pub comment: String,
    /// What it asks for.
    pub ask: Ask,
    /// Standard output and error are appended to this file; `%j` is the job's number.
    pub output: String,
    /// `--chdir`; also the place of relative paths. Where it is submitted, if empty.
    pub folder: String,
    /// What bash runs, without the first line and without `#SBATCH` lines.
    pub body: String,
}

/// What a job asks for; what is absent is left to the site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// `--account`
    pub account: Option<String>,
    /// `--partition`; several with commas.
    pub partition: Option<String>,
    /// `--qos`
    pub qos: Option<String>,
    /// `--reservation`
    pub reservation: Option<String>,
    /// `--constraint`
    pub constraint: Option<String>,
    /// `--licenses`
    pub licenses: Option<String>,
    /// `--clusters`: one of several under one database.
    pub cluster: Option<String>,
    /// `--nodes`, at least 1.
    pub nodes: u32,
    /// `--ntasks-per-node`; 1 for one agent a node.
    pub tasks_per_node: u32,
    /// `--cpus-per-task`
    pub cpus_per_task: Option<u32>,
    /// GPUs of each node.
    pub gpus: Option<Gpus>,
    /// `--mem` of each node in MiB; `Some(0)` is all of it.
    pub memory_mib: Option<u64>,
    /// `--exclusive`
    pub is_exclusive: bool,
    /// `--time` in minutes, at least 1.
    pub time_min: Option<u32>,
    /// `--signal=B:NAME@SECONDS`
    pub signal: Option<(String, u32)>,
    /// `--requeue` or `--no-requeue`
    pub may_requeue: bool,
    /// `--no-kill`
    pub no_kill: bool,
    /// `--dependency=afterany:ID`
    pub after_any: Option<u32>,
    /// `--array`, such as `0-7%2`.
    pub array: Option<String>,
    /// `--exclude`, each a node.
    pub exclude: Vec<String>,
    /// `--nice`
    pub nice: Option<i32>,
    /// `--hold`
    pub is_held: bool,
    /// Further options as they are, such as `--hint=nomultithread`.
    pub more: Vec<String>,
}

/// GPUs of each node, and how a site wants them asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpus {
    /// How many.
    pub count: u32,
    /// Their type, such as `h100`; any where absent.
    pub kind: Option<String>,
    /// The option that a site understands.
    pub form: GpuForm,
}

/// How a site wants GPUs asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GpuForm {
    /// `--gres=gpu:4`, understood everywhere.
    #[default]
    Gres,
    /// `--gpus-per-node=4`
    GpusPerNode,
}
