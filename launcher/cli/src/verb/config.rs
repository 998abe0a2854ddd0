//! `schliff config`: a job with every default filled in.

use schliff_spec::exit::ExitCode;
use schliff_spec::load::LoadedJob;
use schliff_spec::resolved::resolved_toml;

use crate::args::ConfigArgs;
use crate::outcome::Outcome;
use crate::{job, table, terminal};

pub(crate) fn config(args: ConfigArgs) -> Outcome {
    let loaded = job::load(&args.job)?;
    match (args.output.json, args.origin) {
        (true, true) => terminal::json(&loaded.resolved())?,
        (true, false) => terminal::json(&loaded.job)?,
        (false, true) => terminal::data(&with_origins(&loaded))?,
        (false, false) => terminal::data(&resolved_toml(&loaded.job))?,
    }
    Ok(ExitCode::Ok)
}

/// A line a key: the key, its value, and the layer that set it.
fn with_origins(loaded: &LoadedJob) -> String {
    let keys = loaded.resolved();
    let settings: Vec<_> = keys
        .iter()
        .map(|key| format!("{} = {}", key.path, key.value))
        .collect();
    let origins = keys.iter().map(|key| format!("# {}", key.origin));
    table::list(
        &settings
            .iter()
            .map(String::as_str)
            .zip(origins)
            .collect::<Vec<_>>(),
    )
}
