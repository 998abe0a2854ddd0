//! The batch system around this process, as its variables tell. Pure.

use schliff_agent::place::{Flags, find};
use schliff_spec::finding::{Area, Finding};

/// What a system's jobs have in their environment, and what the system is called.
const SYSTEMS: [(&str, &str); 4] = [
    ("SLURM_JOB_ID", "Slurm"),
    ("JOB_COMPLETION_INDEX", "Kubernetes (an indexed job)"),
    ("OMPI_COMM_WORLD_SIZE", "Open MPI"),
    ("KUBERNETES_SERVICE_HOST", "Kubernetes"),
];

pub(super) fn finding(variable: impl Fn(&str) -> Option<String>) -> Finding {
    let seen = SYSTEMS.iter().find(|(name, _)| variable(name).is_some());
    let Some((name, system)) = seen else {
        let absent = Finding::absent(Area::Batch, "batch system", "none is seen");
        return absent
            .hint("one machine needs none; schliff agent takes its place from one, or from flags");
    };
    match find(&Flags::default(), &variable) {
        Ok(place) => {
            let told = format!(
                "job {}, node {} of {}, led by {}",
                place.job, place.node, place.nodes, place.leader
            );
            Finding::ok(Area::Batch, *system, told)
                .fact("job", place.job)
                .fact("node", place.node)
                .fact("nodes", place.nodes)
                .fact("restart", place.restart)
        }
        // Any pod has this variable; it need not be one of several.
        Err(_) if *name == "KUBERNETES_SERVICE_HOST" => Finding::ok(
            Area::Batch,
            *system,
            "a pod that is not one of several nodes",
        ),
        Err(error) => Finding::broken(Area::Batch, *system, error.to_string())
            .hint("schliff agent needs a place among nodes; schliff run needs none"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schliff_spec::finding::Status;

    fn seen(set: &[(&str, &str)]) -> Finding {
        finding(|name| {
            let found = set.iter().find(|(set, _)| *set == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn systems_are_known_by_their_variables() {
        assert_eq!(seen(&[]).status, Status::Absent);
        let slurm = seen(&[
            ("SLURM_JOB_ID", "77"),
            ("SLURM_NODEID", "1"),
            ("SLURM_NNODES", "2"),
            ("SLURM_NTASKS", "2"),
            ("SLURM_JOB_NODELIST", "gpu[1-2]"),
        ]);
        assert_eq!(slurm.told, "job 77, node 1 of 2, led by gpu1");
        assert_eq!((slurm.name.as_str(), slurm.status), ("Slurm", Status::Ok));
        let pod = seen(&[("KUBERNETES_SERVICE_HOST", "10.0.0.1")]);
        assert_eq!(pod.status, Status::Ok);
        let torn = seen(&[("SLURM_JOB_ID", "77"), ("SLURM_NODEID", "one")]);
        assert_eq!(torn.status, Status::Broken, "{torn:?}");
    }
}
