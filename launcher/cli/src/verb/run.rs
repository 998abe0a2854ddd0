//! `schliff run`: trains, and shows the result against the base model.

use std::path::{Path, PathBuf};

use schliff_agent::limits::Limits;
use schliff_agent::shell::Run;
use schliff_spec::job::{Job, Resources};
use schliff_spec::request::Start;
use schliff_spec::world;
use serde_json::Value;

use crate::answer::Fields;
use crate::args::{JobArgs, RunArgs};
use crate::outcome::{CliError, Outcome};
use crate::plot::Size;
use crate::progress::Progress;
use crate::trainer::{self, Answer};
use crate::{figures, job, plot, table, terminal};

/// Folder of results where `--out` is absent.
pub(super) const RUNS: &str = "runs";
/// The loss plot's size.
const PLOT: Size = Size {
    columns: 60,
    rows: 8,
};

pub(crate) fn run(args: RunArgs) -> Outcome {
    let job = job_of(&args)?;
    let of_job = || job.resources.as_ref().map_or(1, Resources::ranks);
    let ranks = args.ranks.unwrap_or_else(of_job);
    world::power_of_two(ranks).map_err(|error| CliError::usage(error.to_string()))?;
    let out = args
        .out
        .unwrap_or_else(|| PathBuf::from(RUNS).join(&job.name));
    may_write(&out, args.force || args.resume.is_some())?;
    let run = Run {
        job: Box::new(job),
        out,
        start: match args.resume {
            Some(uri) => Start::Resume { uri },
            None if args.force => Start::Replace,
            None => Start::Fresh,
        },
        collective: args.group.collective,
        ranks,
        nodes: 1,
        min_nodes: 1,
        max_restarts: args.group.max_restarts,
        limits: Limits::of_hang(args.group.hang_timeout * 1_000),
        stop_after: None,
    };
    let mut progress = Progress::new();
    let answer = trainer::run(&run, &mut progress)?;
    show(&answer, &progress, args.output.json)
}

/// The job of the file, or the one that the checkpoint holds.
fn job_of(args: &RunArgs) -> Result<Job, CliError> {
    match (&args.path, &args.resume) {
        (Some(path), _) => {
            let job = JobArgs {
                path: path.clone(),
                sets: args.sets.clone(),
            };
            job::of_one_run(&job)
        }
        (None, Some(uri)) => job::of_checkpoint(uri),
        (None, None) => Err(CliError::usage("there is no job to run").hint("give a job file")),
    }
}

/// Prints what a run came to.
pub(super) fn show(answer: &Answer, progress: &Progress, json: bool) -> Outcome {
    if json {
        terminal::json(&answer.result)?;
    } else {
        terminal::data(&summary(&answer.result, &progress.losses()))?;
    }
    Ok(answer.exit)
}

/// Refuses to write over an earlier result unless told to.
fn may_write(out: &Path, force: bool) -> Result<(), CliError> {
    if out.exists() && !out.is_dir() {
        return Err(CliError::usage(format!(
            "--out {} is a file, not a folder",
            out.display()
        )));
    }
    if !force && out.join("adapter").exists() {
        return Err(
            CliError::usage(format!("{} holds an earlier result", out.display()))
                .hint("--force replaces it, --out names another folder"),
        );
    }
    Ok(())
}

/// What is printed at the end: measures before and after, the loss curve, the figures.
pub(crate) fn summary(result: &Value, losses: &[f64]) -> String {
    let fields = Fields(result);
    let mut parts = Vec::new();
    let curve = plot::render(losses, PLOT);
    if !curve.is_empty() {
        parts.push(format!("training loss\n{curve}"));
    }
    parts.push(comparison(fields));
    parts.push(table::list(&totals(fields)));
    parts.retain(|part| !part.is_empty());
    let mut text = format!("\n{}", parts.join("\n"));
    if result.get("interrupted").and_then(Value::as_bool) == Some(true) {
        text.push_str(
            "\ninterrupted before the last step; the adapter is that of the last step done\n",
        );
    }
    text
}

/// The table of held-out measures before and after; empty where none were taken.
fn comparison(fields: Fields<'_>) -> String {
    let (before, after) = (fields.object("baseline"), fields.object("final"));
    if before.is_none() && after.is_none() {
        return String::new();
    }
    let row = |name: &str, key: &str, show: fn(f64) -> String| {
        let cell =
            |side: Option<Fields<'_>>| side.and_then(|measures| measures.number(key)).map(show);
        let (before, after) = (cell(before), cell(after));
        (before.is_some() || after.is_some()).then(|| {
            let absent = || "-".to_owned();
            vec![
                name.into(),
                before.unwrap_or_else(absent),
                after.unwrap_or_else(absent),
            ]
        })
    };
    let head = ["held-out", "before", "after"].map(str::to_owned).to_vec();
    let rows = [
        Some(head),
        row("loss", "loss", |loss| format!("{loss:.4}")),
        row("perplexity", "perplexity", |perplexity| {
            format!("{perplexity:.2}")
        }),
        row("bits a byte", "bits_per_byte", |bits| format!("{bits:.3}")),
        row("exact match", "exact_match", figures::percent),
    ];
    table::render(&rows.into_iter().flatten().collect::<Vec<_>>())
}

/// The run's own figures.
fn totals(fields: Fields<'_>) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    let mut row = |name, value: Option<String>| rows.extend(value.map(|value| (name, value)));
    row("steps", fields.count("steps").map(figures::count));
    row(
        "train loss",
        fields
            .number("train_loss_last")
            .map(|loss| format!("{loss:.4}")),
    );
    row(
        "tokens",
        fields
            .count("tokens")
            .map(|tokens| match fields.number("tokens_per_s") {
                Some(speed) => format!(
                    "{} at {} tok/s",
                    figures::count(tokens),
                    figures::rate(speed)
                ),
                None => figures::count(tokens),
            }),
    );
    row("time", fields.number("seconds").map(figures::span));
    row(
        "memory",
        fields
            .number("peak_rss_bytes")
            .map(|peak| format!("{} at most", figures::bytes(peak))),
    );
    row("trained", trained_parameters(fields));
    row("adapter", fields.text("adapter").map(str::to_owned));
    rows
}

/// `2,442,240 of 134,515,008 parameters (1.8 %)`.
pub(crate) fn trained_parameters(fields: Fields<'_>) -> Option<String> {
    let trained = fields.count("trainable_parameters")?;
    Some(match fields.count("base_parameters") {
        Some(base) if base > 0 => format!(
            "{} of {} parameters ({})",
            figures::count(trained),
            figures::count(base),
            figures::percent(trained as f64 / base as f64)
        ),
        _ => format!("{} parameters", figures::count(trained)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_summary_compares_before_and_after() {
        let result = json!({
            "name": "intents", "steps": 250, "tokens": 123_456, "tokens_per_s": 812.4,
            "train_loss_last": 0.21, "seconds": 312.0, "peak_rss_bytes": 2_480_000_000_u64,
            "trainable_parameters": 2_442_240, "base_parameters": 134_515_008,
            "baseline": {"loss": 3.4012, "perplexity": 30.0, "exact_match": 0.0, "bits_per_byte": null},
            "final": {"loss": 0.214, "perplexity": 1.2386, "exact_match": 0.915},
            "adapter": "runs/intents/adapter", "interrupted": false
        });
        let losses: Vec<f64> = (0..250)
            .map(|step| 3.4 / (1.0 + f64::from(step) / 20.0))
            .collect();
        insta::assert_snapshot!(summary(&result, &losses));
    }

    #[test]
    fn a_result_without_evaluation_has_no_comparison() {
        let result = json!({"steps": 1, "baseline": null, "final": null, "interrupted": true});
        insta::assert_snapshot!(summary(&result, &[2.0]));
    }

    #[test]
    fn only_an_earlier_result_is_protected() {
        let folder = tempfile::tempdir().expect("a folder");
        may_write(&folder.path().join("new"), false).expect("absent is fine");
        may_write(folder.path(), false).expect("empty is fine");
        std::fs::create_dir(folder.path().join("adapter")).expect("a folder");
        let refused = may_write(folder.path(), false)
            .expect_err("a result is there")
            .render();
        assert!(refused.contains("--force"), "{refused}");
        may_write(folder.path(), true).expect("told to");
        let file = folder.path().join("file");
        std::fs::write(&file, "").expect("a file");
        may_write(&file, true).expect_err("a file is no folder");
    }
}
