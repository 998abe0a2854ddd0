//! The trials of a search, as one array of Slurm's takes them. Pure.
//!
//! Rules: all tasks of an array are alike to Slurm, so trials differ in nothing that it is asked for; one
//! that cannot be is told of here, not on the cluster. Absent on purpose: halving, for which somebody has
//! to compare trials while they run.

use schliff_spec::job::{Job, SweepMethod};
use schliff_spec::resolved::resolved_toml;
use schliff_spec::sweep;

use crate::error_page::ErrorPage;
use crate::outcome::CliError;

/// A search as an array.
pub(super) struct Search {
    /// What the trials have in common.
    pub(super) job_toml: String,
    /// What each has of its own.
    pub(super) sets: Vec<Vec<String>>,
    /// So many at a time, at most.
    pub(super) max_parallel: Option<usize>,
}

/// The search that a job describes, if it describes one.
pub(super) fn search(job: &Job) -> Result<Option<Search>, CliError> {
    let Some(sweep) = &job.sweep else {
        return Ok(None);
    };
    if let SweepMethod::Halving { .. } = sweep.method {
        let error =
            "a search by halving cannot be an array: its trials are compared while they run";
        return Err(CliError::usage(error)
            .hint("'schliff submit' lets a coordinator run it; grid and random can be arrays")
            .see(ErrorPage::Sweep));
    }
    let common = Job {
        sweep: None,
        ..job.clone()
    };
    let job_toml = resolved_toml(&common);
    let mut sets = Vec::new();
    for trial in sweep::children(job) {
        let own = sweep::child(&job_toml, &trial)?;
        if (&own.resources, &own.scheduling) != (&job.resources, &job.scheduling) {
            let error = format!(
                "the trial {} asks for other resources than the search: tasks of an array are alike",
                trial.label
            );
            return Err(CliError::usage(error)
                .hint("leave [resources] out of sweep.parameters, or submit it to a coordinator")
                .see(ErrorPage::Sweep));
        }
        sets.push(trial.sets);
    }
    Ok(Some(Search {
        job_toml,
        sets,
        max_parallel: sweep.max_parallel,
    }))
}
