//! Loads the job a verb is about.

use schliff_spec::load::{LoadedJob, load as load_spec};
use schliff_spec::problem::Problems;

use crate::args::JobArgs;
use crate::terminal;

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
