//! What a job asks of a cluster. Pure.
//!
//! Rules: the wanted shape first, then with half the nodes each, down to what the job can do with;
//! the number of ranks is a power of two in each. A rank takes one GPU, or a node's cores.

use std::collections::BTreeMap;

use schliff_scheduler::ask::Ask;
use schliff_scheduler::shape::{Budget, Shape};
use schliff_spec::id::ClusterName;
use schliff_spec::job::Job;
use schliff_spec::resolved::resolved_toml;
use schliff_spec::world;

use crate::refusal::Refusal;

/// Cores of the largest node of each cluster.
pub(crate) type Cores = BTreeMap<ClusterName, u32>;

/// What a job asks for; its result goes to `out`.
pub(crate) fn ask(job: &Job, out: String, cores: &Cores) -> Result<Ask, Refusal> {
    let (scheduling, governance) = (&job.scheduling, job.governance.as_ref());
    let cluster = match &scheduling.cluster {
        Some(name) => Some(name.parse::<ClusterName>().map_err(|error| {
            Refusal::invalid("job-file", format!("scheduling.cluster: {error}"))
        })?),
        None => None,
    };
    let resources = job.resources.clone().unwrap_or_default();
    let budget = Budget {
        gpu_ms: scheduling.budget_gpu_hours.map(hours_ms),
        core_ms: scheduling.budget_core_hours.map(hours_ms),
    };
    Ok(Ask {
        name: job.name.clone(),
        shapes: shapes(job, cluster.as_ref(), cores)?,
        cluster,
        time_ms: resources
            .time_s
            .map(|seconds| seconds.saturating_mul(1_000)),
        priority: scheduling.priority,
        retries: scheduling.retries,
        budget,
        residency: governance.map_or(Vec::new(), |it| it.residency.clone()),
        wish: scheduling.wish.clone(),
        out,
        document: resolved_toml(job),
    })
}

fn hours_ms(hours: f64) -> u64 {
    // What is larger than any number of milliseconds becomes the largest one.
    (hours * 3_600_000.0).round() as u64
}

fn shapes(job: &Job, cluster: Option<&ClusterName>, cores: &Cores) -> Result<Vec<Shape>, Refusal> {
    let resources = job.resources.clone().unwrap_or_default();
    let count = |key: &str, count: usize| {
        u32::try_from(count).map_err(|_| {
            Refusal::invalid("job-file", format!("resources.{key}: {count} is too many"))
        })
    };
    let gpus_per_node = count("gpus_per_node", resources.gpus_per_node.unwrap_or(0))?;
    let cpus_per_node = match resources.cpus_per_node {
        Some(cpus) => count("cpus_per_node", cpus)?,
        None if gpus_per_node > 0 => gpus_per_node,
        None => largest(cluster, cores),
    };
    let wanted = count("nodes", resources.nodes.unwrap_or(1).max(1))?;
    let least = count("min_nodes", resources.min_nodes.unwrap_or(wanted as usize))?;
    world::power_of_two(resources.ranks())
        .map_err(|error| Refusal::invalid("job-file", format!("resources: {error}")))?;
    let halvings = std::iter::successors(Some(wanted), |nodes| {
        nodes.is_multiple_of(2).then_some(nodes / 2)
    });
    let fit = halvings.take_while(|nodes| *nodes == wanted || *nodes >= least.max(1));
    Ok(fit
        .map(|nodes| Shape {
            nodes,
            gpus_per_node,
            cpus_per_node: cpus_per_node.max(1),
            ranks: nodes.saturating_mul(gpus_per_node.max(1)),
        })
        .collect())
}

/// All cores of the largest node that it may run on; one where none is known.
fn largest(cluster: Option<&ClusterName>, cores: &Cores) -> u32 {
    let may = |(name, _): &(&ClusterName, &u32)| cluster.is_none_or(|only| *name == only);
    let eligible = cores.iter().filter(may).map(|(_, cores)| *cores);
    eligible.max().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use schliff_spec::load::{Options, load_text};

    use super::*;

    fn job(resources: &str) -> Job {
        let text = format!(
            "name = \"a\"\n[model]\nbase = \"gguf:/m.gguf\"\n[data]\nformat = \"messages\"\ntrain = [\"/t.jsonl\"]\n{resources}"
        );
        let options = Options { check_files: false };
        load_text(&text, "job.toml", &[], options)
            .expect("a job")
            .job
    }

    fn asked(resources: &str) -> Ask {
        let cores = [("big", 64), ("small", 8)].map(|(name, cores)| (name.parse().unwrap(), cores));
        ask(&job(resources), "/o".into(), &cores.into()).expect("possible")
    }

    fn told(ask: &Ask) -> Vec<(u32, u32, u32, u32)> {
        let shapes = ask.shapes.iter();
        shapes
            .map(|it| (it.nodes, it.gpus_per_node, it.cpus_per_node, it.ranks))
            .collect()
    }

    #[test]
    fn a_plain_job_takes_a_whole_node_of_the_largest() {
        assert_eq!(told(&asked("")), [(1, 0, 64, 1)]);
        let only = asked("[scheduling]\ncluster = \"small\"");
        assert_eq!(told(&only), [(1, 0, 8, 1)]);
        let none = ask(&job(""), "/o".into(), &Cores::new()).unwrap();
        assert_eq!(told(&none), [(1, 0, 1, 1)]);
    }

    #[test]
    fn nodes_are_halved_down_to_what_it_can_do_with() {
        let all = asked("[resources]\nnodes = 8\nmin_nodes = 2\ngpus_per_node = 4");
        assert_eq!(told(&all), [(8, 4, 4, 32), (4, 4, 4, 16), (2, 4, 4, 8)]);
        let fixed = asked("[resources]\nnodes = 4\ncpus_per_node = 2");
        assert_eq!(told(&fixed), [(4, 0, 2, 4)]);
    }

    #[test]
    fn hours_become_milliseconds() {
        let ask = asked("[scheduling]\nbudget_gpu_hours = 1.5\n[resources]\ntime = \"2h\"");
        assert_eq!(ask.budget.gpu_ms, Some(5_400_000));
        assert_eq!(ask.budget.core_ms, None);
        assert_eq!(ask.time_ms, Some(7_200_000));
        assert_eq!(hours_ms(1e300), u64::MAX);
    }

    #[test]
    fn the_document_is_the_job_with_every_value() {
        let ask = asked("");
        let options = Options { check_files: false };
        let again = load_text(&ask.document, "job.toml", &[], options).unwrap();
        assert_eq!(again.job, job(""));
    }
}
