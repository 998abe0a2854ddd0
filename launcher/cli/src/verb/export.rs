//! `schliff export`: a shell script that runs a job without a coordinator.

mod by_sbatch;
mod trials;

use std::path::Path;

use schliff_spec::exit::ExitCode;
use schliff_spec::id::JobId;
use schliff_spec::job::Job;
use schliff_spec::load::{Options, load_text};
use schliff_spec::resolved::resolved_toml;
use schliff_wire::v1::{JobRequest, JobView};
use serde_json::json;

use super::run::RUNS;
use super::submit::absolute;
use crate::args::{ExportArgs, JobArgs};
use crate::error_page::ErrorPage;
use crate::outcome::{CliError, Outcome};
use crate::script::Script;
use crate::{coordinator, job, profile, terminal};

/// What a search can be exported as.
const WITH_CLUSTER: &str = "with --cluster it becomes an array of Slurm's, a task for each trial; \
     'schliff submit' lets a coordinator run and compare them";

pub(crate) fn export(args: ExportArgs) -> Outcome {
    let number = args.job.parse::<JobId>().ok();
    match number.filter(|_| !Path::new(&args.job).exists()) {
        Some(number) => of_coordinator(&args, number),
        None => of_file(&args),
    }
}

fn of_file(args: &ExportArgs) -> Outcome {
    let of_job = JobArgs {
        path: args.job.clone().into(),
        sets: args.sets.clone(),
    };
    let job = job::load(&of_job)?.job;
    if job.sweep.is_some() && args.cluster.is_none() {
        return Err(job::is_a_search(&of_job, &job).hint(WITH_CLUSTER));
    }
    let job = absolute(job)?;
    print(args, &job, &resolved_toml(&job))
}

/// Its paths are absolute already; whether its files are there is for the machine that runs it.
fn of_coordinator(args: &ExportArgs, number: JobId) -> Outcome {
    if !args.sets.is_empty() {
        let error = "--set changes a job file, not a job that was submitted";
        return Err(CliError::usage(error));
    }
    coordinator::ask(&args.connection, async |mut coordinator| {
        let request = JobRequest { job: number.0 };
        let view: JobView = coordinator
            .ask(async |jobs| jobs.get(request).await)
            .await
            .map_err(|refused| refused.told(&format!("cannot export job {number}")))?;
        if view.sweep && args.cluster.is_none() {
            let error = format!("job {number} is a search, not one training");
            let hint = format!("'schliff list --sweep {number}' lists its trials");
            return Err(CliError::usage(error).hint(hint).see(ErrorPage::Sweep));
        }
        let options = Options { check_files: false };
        let loaded = load_text(&view.job_toml, "job.toml", &[], options)?;
        print(args, &loaded.job, &view.job_toml)
    })
}

fn print(args: &ExportArgs, job: &Job, job_toml: &str) -> Outcome {
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| Path::new(RUNS).join(&job.name));
    let out = out.to_string_lossy();
    let text = match &args.cluster {
        Some(cluster) => {
            let what = by_sbatch::What {
                job,
                job_toml,
                out: &out,
                search: trials::search(job)?,
            };
            by_sbatch::script(&profile::load(cluster)?, &what)?
        }
        None => by_sh(job, job_toml, &out)?,
    };
    match args.output.json {
        true => terminal::json(&json!({ "name": job.name, "script": text }))?,
        false => terminal::data(&text)?,
    }
    Ok(ExitCode::Ok)
}

fn by_sh(job: &Job, job_toml: &str, out: &str) -> Result<String, CliError> {
    let script = Script {
        name: &job.name,
        job_toml,
        out,
        checkpoints: job.checkpoint.uri.as_deref(),
    };
    script
        .render()
        .map_err(|error| CliError::usage(error.to_string()))
}
