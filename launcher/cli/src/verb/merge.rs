//! `schliff merge`: the adapter added into its base, with a report on what the rounding cost.

use schliff_spec::request::Request;
use serde_json::Value;

use crate::args::MergeArgs;
use crate::outcome::{CliError, Outcome};
use crate::progress::Progress;
use crate::{answer, terminal, trainer};

pub(crate) fn merge(args: MergeArgs) -> Outcome {
    if std::fs::read_dir(&args.out).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(
            CliError::usage(format!("--out {} is not empty", args.out.display()))
                .hint("name a new folder"),
        );
    }
    let (base, adapter, out, dtype) = (args.base, args.adapter, args.out, args.dtype);
    let request = Request::Merge {
        base,
        adapter,
        out,
        dtype,
    };
    let answer = trainer::ask(&request, &mut Progress::new())?;
    if args.output.json {
        terminal::json(&answer.result)?;
    } else {
        terminal::data(&report(&answer.result))?;
    }
    Ok(answer.exit)
}

/// The merge report, plain figures only.
fn report(result: &Value) -> String {
    answer::listing(result.get("report").unwrap_or(result))
}
