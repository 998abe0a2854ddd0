use schliff_scheduler::State;
use schliff_scheduler::ask::Ask;
use schliff_scheduler::cluster::{Queue, Terms};
use schliff_scheduler::fact::{Fact, What};
use schliff_scheduler::shape::{Budget, Shape};
use schliff_scheduler::time::Timestamp;
use schliff_spec::id::{Generation, JobId, Step, SubmitKey};

pub(crate) fn at(at: u64, what: What) -> Fact {
    Fact {
        at: Timestamp(at),
        what,
    }
}

pub(crate) fn key(job: u64, generation: u64) -> SubmitKey {
    SubmitKey {
        job: JobId(job),
        generation: Generation(generation),
    }
}

pub(crate) fn shape() -> Shape {
    Shape {
        nodes: 1,
        gpus_per_node: 1,
        cpus_per_node: 2,
        ranks: 1,
    }
}

pub(crate) fn cluster_added(cluster: &str) -> What {
    What::ClusterAdded {
        cluster: cluster.parse().unwrap(),
        terms: Terms {
            max_waiting: Some(3),
            ..Terms::of(Queue::Ours)
        },
    }
}

pub(crate) fn submitted(job: u64, document: &str) -> What {
    What::Submitted {
        job: JobId(job),
        request_id: format!("request-{job}"),
        owner: "ada".into(),
        ask: Box::new(Ask {
            name: format!("job {job}\0€"),
            cluster: None,
            shapes: vec![shape()],
            time_ms: Some(60_000),
            priority: 50,
            retries: 3,
            budget: Budget::default(),
            residency: Vec::new(),
            wish: schliff_spec::cluster::BatchWish::default(),
            out: "/out".into(),
            document: document.into(),
        }),
        after: Vec::new(),
        sweep: None,
        trial_of: None,
        retry_of: None,
    }
}

pub(crate) fn planned(job: u64, generation: u64, node: &str) -> What {
    What::Planned {
        job: JobId(job),
        generation: Generation(generation),
        cluster: "one".parse().unwrap(),
        shape: shape(),
        placement: vec![node.parse().unwrap()],
        time_limit_ms: None,
        resume_from: None,
        adopts: None,
    }
}

pub(crate) fn measured(job: u64, step: u64, loss: f64) -> What {
    What::Measured {
        job: JobId(job),
        step: Step(step),
        loss,
    }
}

/// Facts of a job that trains, one of which is not kept.
pub(crate) fn story() -> Vec<Fact> {
    let heard = What::Heard {
        job: JobId(1),
        generation: Generation(1),
        step: Some(Step(3)),
        steps: None,
    };
    let whats = [
        cluster_added("one"),
        submitted(1, "a = 1"),
        planned(1, 1, "n1"),
        heard,
        measured(1, 3, 0.1 + 0.2),
    ];
    (1_000..)
        .zip(whats)
        .map(|(ms, what)| at(ms, what))
        .collect()
}

pub(crate) fn state_of(facts: &[Fact]) -> State {
    let mut state = State::default();
    for fact in facts {
        state.apply(fact);
    }
    state
}
