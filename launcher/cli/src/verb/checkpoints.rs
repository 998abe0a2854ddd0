//! `schliff checkpoints`: what is in a store, and which one a resume would take.

use std::path::Path;
use std::time::SystemTime;

use schliff_registry::checkpoint::{Listed, Said, Verdict, list};
use schliff_registry::{Store, StoreError};
use schliff_spec::exit::ExitCode;
use serde::Serialize;

use crate::args::CheckpointsArgs;
use crate::outcome::{CliError, Outcome};
use crate::{figures, table, terminal};

pub(crate) fn checkpoints(args: CheckpointsArgs) -> Outcome {
    let store = Store::open(&args.uri).map_err(told)?;
    let checkpoints = list(&store, args.verify).map_err(told)?;
    let resume = resumed(&checkpoints).map(|line| line.step);
    if args.output.json {
        let uri = &args.uri;
        terminal::json(&Answer {
            uri,
            resume,
            checkpoints: &checkpoints,
        })?;
    } else {
        terminal::data(&table_of(&checkpoints, SystemTime::now()))?;
        match checkpoints.is_empty() {
            true => terminal::say(&nothing(&args.uri)),
            false => terminal::say(&explanation(&checkpoints, args.verify)),
        }
    }
    Ok(match resume {
        Some(_) => ExitCode::Ok,
        None => ExitCode::JobFailed,
    })
}

/// What `--json` prints; documented in docs/checkpoints.md.
#[derive(Serialize)]
struct Answer<'a> {
    uri: &'a str,
    /// Step that a resume would take.
    resume: Option<u64>,
    checkpoints: &'a [Listed],
}

fn told(error: StoreError) -> CliError {
    let exit = match error {
        StoreError::Address { .. } | StoreError::Open { .. } => ExitCode::Usage,
        _ => ExitCode::JobFailed,
    };
    let mut told = CliError::new(exit, error.to_string());
    if let Some(cause) = std::error::Error::source(&error) {
        told = told.caused_by(cause);
    }
    match error.hint() {
        Some(hint) => told.hint(hint),
        None => told,
    }
}

/// The one that a resume takes, out of a list with the newest first.
fn resumed(checkpoints: &[Listed]) -> Option<&Listed> {
    checkpoints.iter().find(|line| line.verdict.is_good())
}

/// A line a checkpoint, the verdict last because it is a sentence.
fn table_of(checkpoints: &[Listed], now: SystemTime) -> String {
    if checkpoints.is_empty() {
        return String::new();
    }
    let heads = ["step", "age", "size", "job"].map(str::to_owned).to_vec();
    let row = |line: &Listed| match &line.said {
        Some(said) => vec![
            line.step.to_string(),
            figures::span_of(said.age(now)),
            figures::bytes(said.bytes as f64),
            said.job.short(),
        ],
        None => [&line.step.to_string(), "?", "?", "?"]
            .map(str::to_owned)
            .to_vec(),
    };
    let rows: Vec<_> = std::iter::once(heads)
        .chain(checkpoints.iter().map(row))
        .collect();
    let verdicts = checkpoints.iter().map(|line| line.verdict.to_string());
    let verdicts = std::iter::once("verdict".to_owned()).chain(verdicts);
    let lines = table::render(&rows);
    lines
        .lines()
        .zip(verdicts)
        .map(|(line, verdict)| format!("{line}  {verdict}\n"))
        .collect()
}

/// Says that there is none, and where one may be instead.
fn nothing(uri: &str) -> String {
    let told = format!("there is no checkpoint in {uri}");
    let below = Path::new(uri).join("checkpoints");
    if below.is_dir() {
        format!(
            "{told}\nhint: 'schliff checkpoints {}' looks below it",
            below.display()
        )
    } else {
        told
    }
}

/// Which one a resume takes and why not another, in words.
fn explanation(checkpoints: &[Listed], verified: bool) -> String {
    let Some(taken) = resumed(checkpoints) else {
        return "none of these can be resumed from".into();
    };
    let mut words = format!("a resume takes step {}", taken.step);
    for line in checkpoints.iter().take_while(|line| line.step > taken.step) {
        words.push_str(&format!(
            "\nit passes over step {}, which is {}",
            line.step, line.verdict
        ));
    }
    let job = |line: &Listed| line.said.as_ref().map(|said: &Said| said.job);
    let is_other = |line: &&Listed| line.verdict == Verdict::Good && job(line) != job(taken);
    if let Some(other) = checkpoints.iter().find(is_other) {
        words.push_str(&format!(
            "\nstep {} is of another job: a resume takes the newest of its own job",
            other.step
        ));
    }
    if !verified {
        words.push_str("\nsizes were compared; --verify reads every byte");
    }
    words
}
