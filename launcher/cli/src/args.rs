//! The command line's grammar and its help texts.

mod agent;
mod connection;
mod examples;
mod jobs;
mod model;
mod relay;
mod serve;

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use schliff_spec::place::CollectiveKind;

pub(crate) use connection::ConnectionArgs;
pub(crate) use jobs::{
    AdoptArgs, CancelArgs, ClustersArgs, ClustersCheckArgs, ClustersVerb, ExportArgs, JobIdArgs,
    JobsVerb, ListArgs, LogsArgs, NodesArgs, PhaseWord, SubmitArgs, TopArgs, WaitArgs,
};
pub(crate) use model::{EvalArgs, EvalInputArgs, GenerateArgs, MergeArgs};
pub(crate) use relay::RelayArgs;
pub(crate) use serve::ServeArgs;

pub(crate) use agent::{AgentArgs, ReportArgs};
use examples::{
    AGENT_EXAMPLES, CHECK_EXAMPLES, CHECKPOINTS_EXAMPLES, COMPLETION_EXAMPLES, CONFIG_EXAMPLES,
    DATA_EXAMPLES, DOCTOR_EXAMPLES, EVAL_EXAMPLES, GENERATE_EXAMPLES, HELP_EXAMPLES, MAN_EXAMPLES,
    MERGE_EXAMPLES, RELAY_EXAMPLES, RUN_EXAMPLES, SERVE_EXAMPLES, TOP_EXAMPLES,
};

/// Fine-tunes language models with LoRA, and shows what it did.
#[derive(Debug, Parser)]
#[command(name = "schliff", version, max_term_width = 100, after_help = TOP_EXAMPLES)]
#[command(disable_help_subcommand = true)]
pub(crate) struct Args {
    /// Colour: auto, always or never; NO_COLOR is honoured
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    #[arg(hide_possible_values = true, help_heading = "Global options")]
    pub(crate) color: Color,

    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// When output is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Fine-tune as a job file says, and compare with the base model
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Run one node's share of a job: one agent on each node, started by srun or a pod
    #[command(after_help = AGENT_EXAMPLES)]
    Agent(Box<AgentArgs>),
    /// Validate a job file and print the plan, without training
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Examine the data of a job: what is trained, cut, dropped or doubled
    #[command(after_help = DATA_EXAMPLES)]
    Data(DataArgs),
    /// Measure loss and perplexity of a text or a data file
    #[command(after_help = EVAL_EXAMPLES)]
    Eval(EvalArgs),
    /// Answer a prompt, greedily
    #[command(after_help = GENERATE_EXAMPLES)]
    Generate(GenerateArgs),
    /// Add an adapter into its base model and write an HF directory
    #[command(after_help = MERGE_EXAMPLES)]
    Merge(MergeArgs),
    /// Print a job with every default filled in
    #[command(after_help = CONFIG_EXAMPLES)]
    Config(ConfigArgs),
    /// List the checkpoints of a job, and say which one a resume would take
    #[command(after_help = CHECKPOINTS_EXAMPLES)]
    Checkpoints(CheckpointsArgs),
    /// Say what this machine can do, and what to do about what it cannot
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(DoctorArgs),
    /// Coordinate jobs: take them in, run them, keep their records, serve the page
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServeArgs),
    /// Ship reports and checkpoints of nodes without a network, from a log-in node
    #[command(after_help = RELAY_EXAMPLES)]
    Relay(RelayArgs),
    #[command(flatten)]
    Jobs(JobsVerb),
    /// Print a script that completes schliff's verbs and flags in a shell
    #[command(after_help = COMPLETION_EXAMPLES)]
    Completion(CompletionArgs),
    /// Print the manual page, or write one for each verb
    #[command(after_help = MAN_EXAMPLES)]
    Man(ManArgs),
    /// Explain a verb, or an error by its code
    #[command(after_help = HELP_EXAMPLES)]
    Help(HelpArgs),
}

/// A job file with what the command line changes in it.
#[derive(Debug, ClapArgs)]
pub(crate) struct JobArgs {
    /// Job file, TOML or YAML
    #[arg(value_name = "JOB")]
    pub(crate) path: PathBuf,
    /// Override one key of the job file; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", help_heading = "Job")]
    pub(crate) sets: Vec<String>,
}

/// How the result is printed.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Print the result as one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RunArgs {
    /// Job file, TOML or YAML; with --resume it may be left out: the checkpoint holds the job
    #[arg(value_name = "JOB", required_unless_present = "resume")]
    pub(crate) path: Option<PathBuf>,
    /// Override one key of the job file; may be repeated
    #[arg(
        long = "set",
        value_name = "KEY=VALUE",
        requires = "path",
        help_heading = "Job"
    )]
    pub(crate) sets: Vec<String>,
    /// Ranks that train together: 1, 2, 4, 8 ... [default: nodes * gpus_per_node of the job, else 1]
    #[arg(long, value_name = "N", help_heading = "Ranks")]
    pub(crate) ranks: Option<usize>,
    #[command(flatten)]
    pub(crate) group: GroupArgs,
    /// Go on from the newest good checkpoint under a prefix, on any allowed number of ranks
    #[arg(
        long,
        value_name = "URI",
        help_heading = "Job",
        conflicts_with = "force"
    )]
    pub(crate) resume: Option<String>,
    /// Folder of the result [default: runs/NAME OF THE JOB]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,
    /// Replace an earlier result in that folder
    #[arg(long, help_heading = "Output")]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// The ranks of a run, and what becomes of them when one is lost.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Ranks")]
pub(crate) struct GroupArgs {
    /// How ranks exchange sums: tcp, mpi or nccl
    #[arg(long, value_name = "KIND", default_value = "tcp", value_parser = collective())]
    #[arg(hide_possible_values = true)]
    pub(crate) collective: CollectiveKind,
    /// Restarts of a lost group without a new step in between
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) max_restarts: u32,
    /// A step that takes longer, and ten times longer than the ones before, counts as hung
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) hang_timeout: u64,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) job: JobArgs,
    /// Ranks that are to train together [default: nodes * gpus_per_node of the job, else 1]
    #[arg(long, value_name = "N", help_heading = "Ranks")]
    pub(crate) ranks: Option<usize>,
    /// How they are to exchange sums: tcp, mpi or nccl
    #[arg(long, value_name = "KIND", default_value = "tcp", value_parser = collective())]
    #[arg(hide_possible_values = true, help_heading = "Ranks")]
    pub(crate) collective: CollectiveKind,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DataArgs {
    #[command(flatten)]
    pub(crate) job: JobArgs,
    /// Samples to show with their trained tokens marked
    #[arg(long, value_name = "N", default_value_t = 3, help_heading = "Output")]
    pub(crate) samples: usize,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ConfigArgs {
    #[command(flatten)]
    pub(crate) job: JobArgs,
    /// Show where each value comes from: default, file or --set
    #[arg(long, help_heading = "Output")]
    pub(crate) origin: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CheckpointsArgs {
    /// Folder, or prefix in an object store such as s3://bucket/prefix
    #[arg(value_name = "URI")]
    pub(crate) uri: String,
    /// Read every byte and compare digests, not sizes only
    #[arg(long)]
    pub(crate) verify: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DoctorArgs {
    /// Folder of results that is looked at
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub(crate) out: PathBuf,
    /// Object store to try: folder, or prefix such as s3://bucket/prefix
    #[arg(long, value_name = "URI")]
    pub(crate) store: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

fn collective() -> impl TypedValueParser<Value = CollectiveKind> {
    use CollectiveKind::{Mpi, Nccl, Tcp};
    named([Tcp, Mpi, Nccl].map(|kind| (PossibleValue::new(kind.word()), kind)))
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CompletionArgs {
    /// bash, zsh, fish, elvish or powershell
    #[arg(value_name = "SHELL", hide_possible_values = true)]
    pub(crate) shell: Shell,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ManArgs {
    /// Folder that receives a page for each verb
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct HelpArgs {
    /// A verb, an error's code such as E-UNREACHABLE, or 'errors'
    #[arg(value_name = "TOPIC")]
    pub(crate) topic: Option<String>,
}

/// A parser for a closed set of words, as the job file writes them.
pub(super) fn named<T, const N: usize>(
    words: [(PossibleValue, T); N],
) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    let names = words.each_ref().map(|(name, _)| name.clone());
    PossibleValuesParser::new(names).try_map(move |word| {
        let named = words.iter().find(|(name, _)| name.matches(&word, false));
        named
            .map(|(_, value)| *value)
            .ok_or("not one of these words")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_grammar_is_consistent() {
        Args::command().debug_assert();
    }
}
