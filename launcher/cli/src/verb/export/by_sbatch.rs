//! The script for `sbatch` on a cluster with a profile. Pure.
//!
//! Rules: what the job does not say, the profile does; what a user has to fill in is told by its key.
//! Absent on purpose: asking the cluster, which `schliff clusters check` does.

use schliff_backend::slurm::batch::{ByHand, Trials, by_hand};
use schliff_scheduler::shape::Shape;
use schliff_spec::cluster::{Backend, ClusterProfile, Limits, Slurm};
use schliff_spec::job::{Job, Resources};
use schliff_spec::world;

use super::trials::Search;
use crate::error_page::ErrorPage;
use crate::outcome::CliError;

/// What is to be trained.
pub(super) struct What<'a> {
    pub(super) job: &'a Job,
    /// The resolved job.
    pub(super) job_toml: &'a str,
    /// Folder of the result.
    pub(super) out: &'a str,
    /// The trials, where it is a search.
    pub(super) search: Option<Search>,
}

pub(super) fn script(profile: &ClusterProfile, what: &What<'_>) -> Result<String, CliError> {
    let job = what.job;
    let Backend::Slurm(slurm) = &profile.backend else {
        let error = format!("the cluster {} is this machine", profile.name);
        return Err(
            CliError::usage(error).hint("without --cluster, the script is for this machine")
        );
    };
    complete(profile, slurm, job)?;
    let resources = job.resources.clone().unwrap_or_default();
    let ms = |seconds: u64| seconds.saturating_mul(1_000);
    let limits = [resources.time_s, profile.limits.max_time_s];
    let search = what.search.as_ref();
    let job = ByHand {
        name: &job.name,
        job_toml: search.map_or(what.job_toml, |search| &search.job_toml),
        out: what.out,
        shape: shape(&resources, profile.limits)?,
        min_nodes: resources.min_nodes.map(count).transpose()?,
        time_limit_ms: limits.into_iter().flatten().min().map(ms),
        work_ms: resources.time_s.map(ms),
        wish: &job.scheduling.wish,
        trials: search.map(|search| Trials {
            sets: &search.sets,
            max_parallel: search.max_parallel,
        }),
    };
    by_hand(slurm, &job).map_err(|error| {
        let text = format!("cannot write a script for the cluster {}", profile.name);
        CliError::usage(text).caused_by(schliff_backend::chain(&error))
    })
}

/// Nothing is left that only its user can know.
fn complete(profile: &ClusterProfile, slurm: &Slurm, job: &Job) -> Result<(), CliError> {
    let name = &profile.name;
    // The script has a folder of its own.
    let mut blanks = slurm.blanks();
    blanks.retain(|blank| blank.key != "slurm.folder");
    if let Some(blank) = blanks.first() {
        let error = format!("cannot use the profile of the cluster {name}: {blank}");
        return Err(CliError::usage(error).hint("give --cluster a copy of it that is filled in"));
    }
    if slurm.ask.with(&job.scheduling.wish).lacks_account() {
        let error = format!("the cluster {name} takes no job without an account");
        return Err(CliError::usage(error)
            .hint("say who pays: --set scheduling.account=NAME")
            .see(ErrorPage::JobFile));
    }
    Ok(())
}

fn shape(resources: &Resources, limits: Limits) -> Result<Shape, CliError> {
    let ranks = resources.ranks();
    world::power_of_two(ranks).map_err(|error| CliError::usage(error.to_string()))?;
    let gpus_per_node = count(resources.gpus_per_node.unwrap_or(0))?;
    let cpus_per_node = match resources.cpus_per_node {
        Some(cpus) => count(cpus)?,
        None => share(gpus_per_node, limits),
    };
    Ok(Shape {
        nodes: count(resources.nodes.unwrap_or(1).max(1))?,
        gpus_per_node,
        cpus_per_node: cpus_per_node.max(1),
        ranks: count(ranks)?,
    })
}

fn count(count: usize) -> Result<u32, CliError> {
    u32::try_from(count).map_err(|_| CliError::usage(format!("{count} is too many")))
}

/// The cores that belong to so many of a node's GPUs; all of them where it takes no GPU.
fn share(gpus_per_node: u32, limits: Limits) -> u32 {
    match (limits.cpus_per_node, limits.gpus_per_node) {
        (Some(cpus), Some(gpus)) if gpus_per_node > 0 && gpus > 0 => {
            (cpus / gpus).saturating_mul(gpus_per_node).min(cpus)
        }
        (Some(cpus), _) if gpus_per_node == 0 => cpus,
        _ => gpus_per_node,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(cpus_per_node: Option<u32>, gpus_per_node: Option<u32>) -> Limits {
        Limits {
            cpus_per_node,
            gpus_per_node,
            ..Limits::default()
        }
    }

    #[test]
    fn a_job_takes_the_cores_that_belong_to_its_gpus() {
        assert_eq!(share(1, limits(Some(96), Some(4))), 24);
        assert_eq!(share(4, limits(Some(96), Some(4))), 96);
        assert_eq!(share(0, limits(Some(96), Some(4))), 96);
        assert_eq!(share(4, limits(None, Some(4))), 4);
        assert_eq!(share(0, limits(None, None)), 0, "which becomes one");
    }
}
