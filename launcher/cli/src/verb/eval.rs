//! `schliff eval`: loss and perplexity of a text or a data file.

use schliff_spec::request::{EvalInput, Request};
use serde_json::Value;

use crate::answer::Fields;
use crate::args::{EvalArgs, EvalInputArgs};
use crate::outcome::{CliError, Outcome};
use crate::progress::Progress;
use crate::{figures, table, terminal, trainer};

pub(crate) fn eval(args: EvalArgs) -> Outcome {
    let request = Request::Eval {
        base: args.model.base,
        adapter: args.model.adapter,
        input: input(args.input)?,
    };
    let answer = trainer::ask(&request, &mut Progress::new())?;
    if args.output.json {
        terminal::json(&answer.result)?;
    } else {
        terminal::data(&measures(&answer.result))?;
    }
    Ok(answer.exit)
}

/// What the flags name; the grammar lets exactly one of them through.
fn input(args: EvalInputArgs) -> Result<EvalInput, CliError> {
    match args {
        EvalInputArgs {
            text: Some(text), ..
        } => Ok(EvalInput::Text(text)),
        EvalInputArgs {
            data: Some(path),
            format: Some(format),
            ..
        } => Ok(EvalInput::File { path, format }),
        _ => Err(CliError::usage("nothing to measure").hint("--text, or --data with --format")),
    }
}

fn measures(result: &Value) -> String {
    let fields = Fields(result);
    let nll = fields.number("nll");
    let perplexity = fields.number("perplexity").or(nll.map(f64::exp));
    let mut rows = Vec::new();
    let mut row = |name, value: Option<String>| rows.extend(value.map(|value| (name, value)));
    row("tokens", fields.count("tokens").map(figures::count));
    row("nll", nll.map(|nll| format!("{nll:.4} a predicted token")));
    row(
        "perplexity",
        perplexity.map(|perplexity| format!("{perplexity:.4}")),
    );
    row(
        "bits a byte",
        fields
            .number("bits_per_byte")
            .map(|bits| format!("{bits:.4}")),
    );
    table::list(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn perplexity_follows_from_the_loss() {
        insta::assert_snapshot!(measures(&json!({"tokens": 20, "nll": 2.0366})), @r"
        tokens      20
        nll         2.0366 a predicted token
        perplexity  7.6645
        ");
    }
}
