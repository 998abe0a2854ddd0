//! Arguments of the verbs that open a base model.

use std::path::PathBuf;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{ArgGroup, Args as ClapArgs};
use schliff_spec::job::{BaseModel, DataFormat};
use schliff_spec::request::MergeDtype;

use super::{OutputArgs, named};

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

fn merge_dtype() -> impl TypedValueParser<Value = MergeDtype> {
    let word = PossibleValue::new;
    named([
        (word("f32"), MergeDtype::F32),
        (word("bf16"), MergeDtype::Bf16),
        (word("f16"), MergeDtype::F16),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::{Args, Verb};
    use super::*;
    use clap::Parser;

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
