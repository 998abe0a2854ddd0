//! A node's place among those of a job: from flags, Slurm, Kubernetes or MPI. Pure.
//!
//! Rules: flags win; where the environment names two places they must agree; what is missing is
//! asked for by its flag. One agent a node: an environment that speaks of several tasks on a node is
//! refused. Absent on purpose: reading the environment itself.

use thiserror::Error;

use crate::hosts;

/// What the command line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--node`
    pub node: Option<usize>,
    /// `--nodes`
    pub nodes: Option<usize>,
    /// `--ranks-per-node`
    pub ranks_per_node: Option<usize>,
    /// `--leader`
    pub leader: Option<String>,
}

/// A node's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePlace {
    /// This node, from 0; node 0 leads.
    pub node: usize,
    /// Nodes of the job.
    pub nodes: usize,
    /// Ranks on each node, where flags or the environment say so.
    pub ranks_per_node: Option<usize>,
    /// Host of node 0, and its port where that is fixed.
    pub leader: String,
    /// What the batch system calls the job.
    pub job: String,
    /// How often the batch system has started it again.
    pub restart: u64,
}

/// Why no place was found.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PlaceError {
    /// Nothing says it.
    #[error("{what} is not known: give {flag}, or start it with srun")]
    Missing {
        /// What is missing.
        what: &'static str,
        /// The flag that gives it.
        flag: &'static str,
    },
    /// Two sources differ.
    #[error("{first} and {second} disagree on {what}: give {flag}")]
    Disagree {
        /// On what.
        what: &'static str,
        /// One source with its value.
        first: String,
        /// Another.
        second: String,
        /// The flag that decides.
        flag: &'static str,
    },
    /// A variable is no number.
    #[error("{name} is `{value}`, which is no number")]
    NoNumber {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
    },
    /// Several agents were started on a node.
    #[error("{tasks} tasks on {nodes} nodes: start one agent a node (srun --ntasks-per-node=1)")]
    SeveralTasks {
        /// Tasks in all.
        tasks: usize,
        /// Nodes.
        nodes: usize,
    },
    /// The place is not among the nodes.
    #[error("node {node} of {nodes} cannot be: nodes count from 0")]
    Outside {
        /// The node.
        node: usize,
        /// The nodes.
        nodes: usize,
    },
}

/// Variables that give this node's number, each with what else speaks of the same source.
const NODE: &[&str] = &[
    "SLURM_NODEID",
    "JOB_COMPLETION_INDEX",
    "OMPI_COMM_WORLD_RANK",
    "PMIX_RANK",
    "PMI_RANK",
];
const NODES: &[&str] = &[
    "SLURM_STEP_NUM_NODES",
    "SLURM_NNODES",
    "SLURM_JOB_NUM_NODES",
    "SCHLIFF_NODES",
    "OMPI_COMM_WORLD_SIZE",
    "PMI_SIZE",
];
const JOB: &[&str] = &["SLURM_JOB_ID", "SLURM_JOBID", "JOB_NAME", "PMIX_NAMESPACE"];

/// Finds the place from flags and from variables, which `variable` looks up.
///
/// # Errors
/// The place is not known, not one, or cannot be.
pub fn find(
    flags: &Flags,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<NodePlace, PlaceError> {
    let found = Environment(&variable);
    if flags.node.is_none() {
        found.one_task_a_node()?;
    }
    let node = match (flags.node, flags.nodes) {
        (Some(node), _) => Some(node),
        // There is no other, whatever the environment says of an allocation around this one.
        (None, Some(1)) => Some(0),
        (None, _) => found.agreed(NODE, "this node's number", "--node")?,
    };
    let nodes = match flags.nodes {
        Some(nodes) => Some(nodes),
        None => found.first(NODES)?,
    };
    let missing = |what, flag| PlaceError::Missing { what, flag };
    let node = node.ok_or(missing("this node's number", "--node"))?;
    let nodes = nodes.ok_or(missing("the number of nodes", "--nodes"))?;
    if node >= nodes {
        return Err(PlaceError::Outside { node, nodes });
    }
    let leader = flags.leader.clone().or_else(|| found.leader(nodes));
    let ranks_per_node = match flags.ranks_per_node {
        Some(ranks) => Some(ranks),
        None => found.first(&["SLURM_GPUS_ON_NODE", "SCHLIFF_RANKS_PER_NODE"])?,
    };
    Ok(NodePlace {
        node,
        nodes,
        ranks_per_node,
        leader: leader.ok_or(missing("the host of node 0", "--leader"))?,
        job: JOB
            .iter()
            .find_map(|name| variable(name))
            .unwrap_or_default(),
        restart: found.number("SLURM_RESTART_COUNT")?.unwrap_or(0) as u64,
    })
}

struct Environment<'a, V>(&'a V);

impl<V: Fn(&str) -> Option<String>> Environment<'_, V> {
    fn number(&self, name: &'static str) -> Result<Option<usize>, PlaceError> {
        let value = (self.0)(name).filter(|value| !value.is_empty());
        let parsed = |value: String| match value.parse() {
            Ok(number) => Ok(number),
            Err(_) => Err(PlaceError::NoNumber { name, value }),
        };
        value.map(parsed).transpose()
    }

    fn first(&self, names: &[&'static str]) -> Result<Option<usize>, PlaceError> {
        for name in names {
            if let Some(number) = self.number(name)? {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    /// The one number that all variables that are set hold.
    fn agreed(
        &self,
        names: &[&'static str],
        what: &'static str,
        flag: &'static str,
    ) -> Result<Option<usize>, PlaceError> {
        let mut first: Option<(&str, usize)> = None;
        for name in names {
            let Some(number) = self.number(name)? else {
                continue;
            };
            match first {
                Some((other, value)) if value != number => {
                    return Err(PlaceError::Disagree {
                        what,
                        first: format!("{other}={value}"),
                        second: format!("{name}={number}"),
                        flag,
                    });
                }
                _ => first = Some((name, number)),
            }
        }
        Ok(first.map(|(_, number)| number))
    }

    /// Slurm starts a task for each of SLURM_NTASKS; an agent starts its ranks itself.
    fn one_task_a_node(&self) -> Result<(), PlaceError> {
        let step = ["SLURM_STEP_NUM_TASKS", "SLURM_STEP_NUM_NODES"];
        if let (Some(tasks), Some(nodes)) = (self.number(step[0])?, self.number(step[1])?)
            && tasks > nodes
        {
            return Err(PlaceError::SeveralTasks { tasks, nodes });
        }
        Ok(())
    }

    /// The host of node 0.
    fn leader(&self, nodes: usize) -> Option<String> {
        let named = (self.0)("SCHLIFF_LEADER").filter(|host| !host.is_empty());
        let lists = [
            "SLURM_STEP_NODELIST",
            "SLURM_JOB_NODELIST",
            "SLURM_NODELIST",
        ];
        let listed = || lists.iter().find_map(|name| (self.0)(name));
        let alone = (nodes == 1).then(|| "127.0.0.1".to_owned());
        named.or_else(|| hosts::first(&listed()?)).or(alone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(flags: &Flags, set: &[(&str, &str)]) -> Result<NodePlace, PlaceError> {
        find(flags, |name| {
            let own = set.iter().find(|(own, _)| *own == name);
            own.map(|(_, value)| (*value).to_owned())
        })
    }

    const SLURM: &[(&str, &str)] = &[
        ("SLURM_JOB_ID", "4711"),
        ("SLURM_NODEID", "2"),
        ("SLURM_PROCID", "2"),
        ("SLURM_NNODES", "4"),
        ("SLURM_STEP_NUM_NODES", "4"),
        ("SLURM_STEP_NUM_TASKS", "4"),
        ("SLURM_STEP_NODELIST", "n[03,07-09]"),
        ("SLURM_GPUS_ON_NODE", "4"),
        ("SLURM_RESTART_COUNT", "1"),
    ];

    #[test]
    fn slurm_gives_a_whole_place() {
        let place = of(&Flags::default(), SLURM).expect("a place");
        let expected = NodePlace {
            node: 2,
            nodes: 4,
            ranks_per_node: Some(4),
            leader: "n03".into(),
            job: "4711".into(),
            restart: 1,
        };
        assert_eq!(place, expected);
    }

    #[test]
    fn flags_win() {
        let flags = Flags {
            node: Some(0),
            nodes: Some(2),
            ranks_per_node: Some(1),
            leader: Some("here:4000".into()),
        };
        let place = of(&flags, SLURM).expect("a place");
        assert_eq!((place.node, place.nodes), (0, 2));
        assert_eq!(
            (place.ranks_per_node, place.leader.as_str()),
            (Some(1), "here:4000")
        );
    }

    #[test]
    fn kubernetes_and_mpi_are_understood() {
        let pods = [
            ("JOB_COMPLETION_INDEX", "1"),
            ("SCHLIFF_NODES", "2"),
            ("SCHLIFF_LEADER", "job-0.job"),
        ];
        let place = of(&Flags::default(), &pods).expect("a place");
        assert_eq!(
            (place.node, place.nodes, place.leader.as_str()),
            (1, 2, "job-0.job")
        );
        let mpi = [
            ("OMPI_COMM_WORLD_RANK", "0"),
            ("PMIX_RANK", "0"),
            ("OMPI_COMM_WORLD_SIZE", "1"),
        ];
        assert_eq!(
            of(&Flags::default(), &mpi).expect("a place").leader,
            "127.0.0.1"
        );
    }

    #[test]
    fn what_cannot_be_is_told() {
        let told = |set: &[(&str, &str)]| {
            of(&Flags::default(), set)
                .expect_err("no place")
                .to_string()
        };
        assert!(told(&[]).contains("give --node"));
        assert!(told(&[("SLURM_NODEID", "0")]).contains("give --nodes"));
        let leaderless = [("PMI_RANK", "1"), ("PMI_SIZE", "2")];
        assert!(told(&leaderless).contains("give --leader"));
        let torn = [
            ("SLURM_NODEID", "0"),
            ("PMIX_RANK", "1"),
            ("SLURM_NNODES", "2"),
        ];
        assert!(
            told(&torn).contains("SLURM_NODEID=0 and PMIX_RANK=1 disagree"),
            "{}",
            told(&torn)
        );
        assert!(told(&[("SLURM_NODEID", "x")]).contains("`x`"));
        let several = [("SLURM_STEP_NUM_TASKS", "8"), ("SLURM_STEP_NUM_NODES", "2")];
        assert!(told(&several).contains("one agent a node"));
        assert!(told(&[("PMI_RANK", "2"), ("PMI_SIZE", "2")]).contains("node 2 of 2"));
    }

    #[test]
    fn a_single_node_needs_no_number() {
        let flags = Flags {
            nodes: Some(1),
            ..Flags::default()
        };
        for around in [&[][..], &[("SLURM_NODEID", "2")]] {
            let place = of(&flags, around).expect("a place");
            assert_eq!((place.node, place.nodes), (0, 1));
            assert_eq!(place.leader, "127.0.0.1");
        }
    }

    proptest! {
        #[test]
        fn any_words_in_the_environment_give_a_place_or_an_error(
            values in proptest::collection::vec("[0-9a-z\\[\\],-]{0,6}", 9)
        ) {
            let set: Vec<_> = SLURM.iter().zip(&values).map(|((name, _), v)| (*name, v.as_str())).collect();
            if let Ok(place) = of(&Flags::default(), &set) {
                prop_assert!(place.node < place.nodes);
            }
        }
    }
}
