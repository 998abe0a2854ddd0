//! Loads the job a verb is about: from its file, or from a checkpoint of it.

use schliff_registry::{Store, checkpoint};
use schliff_spec::job::Job;
use schliff_spec::load::{LoadedJob, load as load_spec};
use schliff_spec::problem::Problems;
use schliff_spec::sweep;

use crate::args::JobArgs;
use crate::error_page::ErrorPage;
use crate::outcome::CliError;
use crate::terminal;

/// The part of a checkpoint that holds the resolved job.
const PART: &str = "job";

/// The job file with its overrides. Warnings are said, problems are handed back.
pub(crate) fn load(args: &JobArgs) -> Result<LoadedJob, Problems> {
    let loaded = load_spec(&args.path, &args.sets)?;
    for warning in &loaded.warnings {
        let text = warning.to_string();
        let words = text.strip_prefix("warning:").unwrap_or(&text);
        terminal::say(&format!("{}{words}", terminal::yellow("warning:")));
    }
    Ok(loaded)
}

/// The one training that is to run on this machine at once.
pub(crate) fn of_one_run(args: &JobArgs) -> Result<Job, CliError> {
    let loaded = load(args)?;
    if loaded.job.sweep.is_some() {
        return Err(is_a_search(args, &loaded.job));
    }
    let time_s = loaded.job.resources.as_ref().and_then(|it| it.time_s);
    if time_s.is_some() {
        let origin = loaded.origins.get("resources.time");
        let warning = terminal::yellow("warning:");
        terminal::say(&format!(
            "{warning} {origin}: resources.time: no effect where the job runs on this machine at once"
        ));
    }
    Ok(loaded.job)
}

/// Says that a search is no single training.
pub(crate) fn is_a_search(args: &JobArgs, job: &Job) -> CliError {
    let file = args.path.display();
    let trials = sweep::children(job).len();
    CliError::usage(format!(
        "{file} has a [sweep]: it is a search of {trials} trainings, not one"
    ))
    .hint(format!(
        "'schliff submit {file}' lets a coordinator run them"
    ))
    .see(ErrorPage::Sweep)
}

/// The job that the newest good checkpoint under `uri` holds. It goes on writing there.
pub(crate) fn of_checkpoint(uri: &str) -> Result<Job, CliError> {
    let unreadable = |cause: &dyn std::error::Error| {
        CliError::usage(format!("cannot read the job of the checkpoints in {uri}")).caused_by(cause)
    };
    let store = Store::open(uri).map_err(|error| unreadable(&error))?;
    let found = checkpoint::newest(&store, None).map_err(|error| unreadable(&error))?;
    let part = found.checkpoint.as_ref().and_then(|it| it.parts.get(PART));
    let Some(part) = part else {
        let hint = format!("'schliff checkpoints {uri}' says what is there");
        return Err(CliError::usage(format!("{uri} has no good checkpoint")).hint(hint));
    };
    let mut job: Job = serde_json::from_slice(part).map_err(|error| unreadable(&error))?;
    job.checkpoint.uri = Some(uri.to_owned());
    Ok(job)
}
