//! The command line's grammar and its help texts.

mod agent;
mod examples;

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args as ClapArgs, Parser, Subcommand, ValueEnum};
use schliff_spec::job::{BaseModel, DataFormat};
use schliff_spec::place::CollectiveKind;
use schliff_spec::request::MergeDtype;

pub(crate) use agent::{AgentArgs, ReportArgs};
use examples::{
    AGENT_EXAMPLES, CHECK_EXAMPLES, CHECKPOINTS_EXAMPLES, CONFIG_EXAMPLES, DATA_EXAMPLES,
    DOCTOR_EXAMPLES, EVAL_EXAMPLES, GENERATE_EXAMPLES, MERGE_EXAMPLES, RUN_EXAMPLES, TOP_EXAMPLES,
};

/// Fine-tunes language models with LoRA, and shows what it did.
#[derive(Debug, Parser)]
#[command(name = "schliff", version, max_term_width = 100, after_help = TOP_EXAMPLES)]
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

/// A base model and what lies on top of it.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Model")]
pub(crate) struct ModelArgs {
    /// Base model: gguf:PATH, a .gguf file, or an HF directory
    #[arg(long, value_name = "BASE", value_parser = base_model)]
    pub(crate) base: BaseModel,
    /// PEFT directory on top of the base model
    #[arg(long, value_name = "DIR")]
    pub(crate) adapter: Option<PathBuf>,
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
pub(crate) struct EvalArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) input: EvalInputArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Exactly one of a text and a data file.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Input")]
#[group(skip)]
#[command(group(ArgGroup::new("input").required(true).args(["text", "data"])))]
pub(crate) struct EvalInputArgs {
    /// Text to measure
    #[arg(long, value_name = "TEXT", conflicts_with = "format")]
    pub(crate) text: Option<String>,
    /// Data file to measure: jsonl, json, csv or parquet
    #[arg(long, value_name = "FILE", requires = "format")]
    pub(crate) data: Option<PathBuf>,
    /// Layout of the samples in the data file
    #[arg(long, value_name = "FORMAT", value_parser = data_format(), requires = "data")]
    pub(crate) format: Option<DataFormat>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct GenerateArgs {
    /// The prompt, or - to read it from standard input
    #[arg(value_name = "PROMPT")]
    pub(crate) prompt: String,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Longest answer, in tokens
    #[arg(
        long,
        value_name = "N",
        default_value_t = 128,
        help_heading = "Generation"
    )]
    pub(crate) max_new_tokens: usize,
    /// Take the prompt as it is, without the model's chat template
    #[arg(long, help_heading = "Generation")]
    pub(crate) raw: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct MergeArgs {
    /// Base model: gguf:PATH, a .gguf file, or an HF directory
    #[arg(long, value_name = "BASE", value_parser = base_model, help_heading = "Model")]
    pub(crate) base: BaseModel,
    /// PEFT directory to add into the base model
    #[arg(long, value_name = "DIR", help_heading = "Model")]
    pub(crate) adapter: PathBuf,
    /// Folder to write; must be empty or absent
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(crate) out: PathBuf,
    /// Number format of the merged weights
    #[arg(long, value_name = "DTYPE", default_value = "bf16", value_parser = merge_dtype())]
    #[arg(help_heading = "Output")]
    pub(crate) dtype: MergeDtype,
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

/// Reads `--base`: `gguf:PATH`, a path that ends in `.gguf`, or a folder.
fn base_model(text: &str) -> Result<BaseModel, String> {
    if let Some(path) = text.strip_prefix("gguf:") {
        return if path.is_empty() {
            Err("gguf: lacks a path".into())
        } else {
            Ok(BaseModel::Gguf(path.into()))
        };
    }
    if let Some((scheme @ ("hf" | "s3"), _)) = text.split_once(':') {
        return Err(format!(
            "{scheme}: addresses are not fetched yet; give a GGUF file or an HF directory on disk"
        ));
    }
    if text.to_ascii_lowercase().ends_with(".gguf") {
        return Ok(BaseModel::Gguf(text.into()));
    }
    Ok(BaseModel::HfDirectory(text.into()))
}

fn data_format() -> impl TypedValueParser<Value = DataFormat> {
    let word = PossibleValue::new;
    named([
        (word("alpaca"), DataFormat::Alpaca),
        (word("messages"), DataFormat::Messages),
        (word("sharegpt"), DataFormat::Sharegpt),
        (
            word("prompt-completion").alias("prompt_completion"),
            DataFormat::PromptCompletion,
        ),
        (word("text"), DataFormat::Text),
        (word("tokens"), DataFormat::Tokens),
    ])
}

fn collective() -> impl TypedValueParser<Value = CollectiveKind> {
    use CollectiveKind::{Mpi, Nccl, Tcp};
    named([Tcp, Mpi, Nccl].map(|kind| (PossibleValue::new(kind.word()), kind)))
}

fn merge_dtype() -> impl TypedValueParser<Value = MergeDtype> {
    let word = PossibleValue::new;
    named([
        (word("f32"), MergeDtype::F32),
        (word("bf16"), MergeDtype::Bf16),
        (word("f16"), MergeDtype::F16),
    ])
}

/// A parser for a closed set of words, as the job file writes them.
fn named<T, const N: usize>(words: [(PossibleValue, T); N]) -> impl TypedValueParser<Value = T>
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

    #[test]
    fn a_format_may_be_written_as_in_the_job_file_or_in_python() {
        for format in ["prompt-completion", "prompt_completion"] {
            let args = [
                "schliff", "eval", "--base", "b", "--data", "d", "--format", format,
            ];
            let Verb::Eval(eval) = Args::try_parse_from(args).expect("parses").verb else {
                panic!("another verb");
            };
            assert_eq!(eval.input.format, Some(DataFormat::PromptCompletion));
        }
    }

    #[test]
    fn a_base_is_a_gguf_file_or_a_folder() {
        assert_eq!(
            base_model("gguf:m/x.bin"),
            Ok(BaseModel::Gguf("m/x.bin".into()))
        );
        assert_eq!(
            base_model("m/x.GGUF"),
            Ok(BaseModel::Gguf("m/x.GGUF".into()))
        );
        assert_eq!(
            base_model("models/qwen"),
            Ok(BaseModel::HfDirectory("models/qwen".into()))
        );
        assert!(base_model("gguf:").is_err());
        assert!(base_model("hf:org/name").is_err());
    }
}
