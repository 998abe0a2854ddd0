//! `schliff generate`: a greedy answer to a prompt.

use std::io::Read;

use schliff_spec::request::Request;

use crate::answer::Fields;
use crate::args::GenerateArgs;
use crate::outcome::{CliError, Outcome};
use crate::progress::Progress;
use crate::{terminal, trainer};

pub(crate) fn generate(args: GenerateArgs) -> Outcome {
    let request = Request::Generate {
        base: args.model.base,
        adapter: args.model.adapter,
        prompt: prompt(args.prompt)?,
        raw: args.raw,
        max_new_tokens: args.max_new_tokens,
    };
    let answer = trainer::ask(&request, &mut Progress::new())?;
    if args.output.json {
        terminal::json(&answer.result)?;
        return Ok(answer.exit);
    }
    let text = Fields(&answer.result)
        .text("text")
        .ok_or_else(|| CliError::bug("the trainer's result has no text"))?;
    terminal::data(&format!("{text}\n"))?;
    Ok(answer.exit)
}

/// The words, or standard input for `-`, without the line end that closes it.
fn prompt(words: String) -> Result<String, CliError> {
    if words != "-" {
        return Ok(words);
    }
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| {
            CliError::usage("cannot read the prompt from standard input").caused_by(error)
        })?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}
