//! A brain to talk to: facts are applied at once, and what must never be is looked for each time.

use std::collections::BTreeMap;

use schliff_scheduler::action::{Action, Observed};
use schliff_scheduler::allocation::{
    Allocation, AllocationEnd, AllocationId, AllocationStatus, Listing, NodeReport, SubmitAnswer,
};
use schliff_scheduler::ask::{After, Ask, Halving, Sweep, Trial};
use schliff_scheduler::cluster::{Queue, Terms};
use schliff_scheduler::ending::Outcome;
use schliff_scheduler::fact::Fact;
use schliff_scheduler::input::{Command, Input, News, Report, Submission};
use schliff_scheduler::job::{Job, LastWords};
use schliff_scheduler::rejection::Rejection;
use schliff_scheduler::shape::{Budget, Shape};
use schliff_scheduler::time::Timestamp;
use schliff_scheduler::{State, check, decide, explain, reconcile};
use schliff_spec::id::{Generation, JobId, Step, SubmitKey};

/// It.
pub(crate) struct Desk {
    pub(crate) state: State,
    pub(crate) now: Timestamp,
    /// All kept facts, as the journal has them.
    pub(crate) journal: Vec<Fact>,
    pub(crate) observed: Observed,
}

impl Desk {
    /// A cluster `c` whose queue is ours, with nodes `n0`, `n1` … of 4 GPUs and 8 cores.
    pub(crate) fn with_nodes(nodes: u32) -> Self {
        let mut desk = Self::with_terms(Terms {
            settle_ms: 1_000,
            ..Terms::of(Queue::Ours)
        });
        desk.list_nodes(nodes);
        desk
    }

    pub(crate) fn with_terms(terms: Terms) -> Self {
        let mut desk = Self {
            state: State::default(),
            now: Timestamp(1_000_000),
            journal: Vec::new(),
            observed: Observed::default(),
        };
        desk.observed.since = desk.now;
        let clusters = vec![("c".parse().expect("a name"), terms)];
        desk.tell(Input::Command(Command::Clusters(clusters)));
        desk
    }

    /// Tells the brain something that it takes.
    #[track_caller]
    pub(crate) fn tell(&mut self, input: Input) -> Vec<Fact> {
        self.try_tell(input).expect("taken")
    }

    #[track_caller]
    pub(crate) fn try_tell(&mut self, input: Input) -> Result<Vec<Fact>, Rejection> {
        let facts = decide(&self.state, self.now, input)?;
        for fact in &facts {
            self.state.apply(fact);
            let text = serde_json::to_string(fact).expect("JSON");
            assert_eq!(serde_json::from_str::<Fact>(&text).expect("a fact"), *fact);
        }
        let violations = check(&self.state);
        assert!(violations.is_empty(), "{violations:#?} after {facts:#?}");
        self.journal
            .extend(facts.iter().filter(|fact| fact.is_kept()).cloned());
        Ok(facts)
    }

    pub(crate) fn tick(&mut self) {
        self.tell(Input::Tick);
    }

    /// So much later, after a tick, and another for what follows from the first.
    pub(crate) fn after_ms(&mut self, span_ms: u64) {
        self.now = self.now.plus(span_ms);
        self.tick();
        self.tick();
    }

    #[track_caller]
    pub(crate) fn submit(&mut self, ask: Ask) -> JobId {
        let job = self.state.next_job();
        self.try_submit(ask, Vec::new()).expect("taken");
        job
    }

    pub(crate) fn try_submit(
        &mut self,
        ask: Ask,
        after: Vec<After>,
    ) -> Result<Vec<Fact>, Rejection> {
        self.try_tell(submission(ask, after, None))
    }

    /// A sweep of so many trials; gives them.
    #[track_caller]
    pub(crate) fn sweep(&mut self, trials: u32, sweep: Sweep) -> (JobId, Vec<JobId>) {
        let first = self.state.next_job();
        let trial = |at: u32| Trial {
            label: format!("lr={at}"),
            ask: ask("trial"),
        };
        let trials: Vec<_> = (1..=trials).map(trial).collect();
        let ids = (1..=trials.len() as u64).map(|at| JobId(first.0 + at));
        let ids = ids.collect();
        self.tell(submission(ask("sweep"), Vec::new(), Some((sweep, trials))));
        (first, ids)
    }

    pub(crate) fn job(&self, id: JobId) -> &Job {
        &self.state.jobs[&id]
    }

    pub(crate) fn key(&self, id: JobId) -> SubmitKey {
        self.job(id).key()
    }

    /// The first reason why a job is as it is.
    pub(crate) fn why(&self, id: JobId) -> String {
        let explanation = explain(&self.state, self.now, id).expect("a job");
        explanation.reason.to_string()
    }

    pub(crate) fn outcome(&self, id: JobId) -> Option<&Outcome> {
        self.job(id).outcome()
    }

    /// The batch system took the job's newest attempt.
    pub(crate) fn accept(&mut self, id: JobId) {
        let answer = SubmitAnswer::Accepted {
            id: AllocationId(format!("a{id}")),
        };
        let key = self.key(id);
        self.tell(Input::Answered { key, answer });
    }

    /// Everything up to training: taken, granted, joined, started.
    pub(crate) fn run(&mut self, id: JobId) {
        self.accept(id);
        self.list(&[(id, AllocationStatus::Running)]);
        self.report(id, &[News::Joined, News::Started { resumed_from: None }]);
    }

    pub(crate) fn report(&mut self, id: JobId, news: &[News]) {
        let report = report(self.key(id), news);
        self.tell(report);
    }

    pub(crate) fn commit(&mut self, id: JobId, step: u64) {
        self.report(id, &[News::Committed { step: Step(step) }]);
    }

    /// The agent says its last words, and the batch system says the same.
    pub(crate) fn exit(&mut self, id: JobId, code: i32) {
        let words = LastWords {
            exit_code: code,
            error: String::new(),
            culprit: None,
        };
        self.report(id, &[News::Ended(words)]);
        self.end(id, AllocationEnd::Exited { code });
    }

    pub(crate) fn end(&mut self, id: JobId, end: AllocationEnd) {
        self.list(&[(id, AllocationStatus::Ended { end })]);
    }

    /// A listing with the newest attempts of these jobs; nothing is told of others.
    pub(crate) fn list(&mut self, jobs: &[(JobId, AllocationStatus)]) {
        let listing = self.listing(jobs, false);
        self.tell(Input::Observed(listing));
    }

    /// A listing with all there is.
    pub(crate) fn list_all(&mut self, jobs: &[(JobId, AllocationStatus)]) {
        let listing = self.listing(jobs, true);
        self.observed
            .listings
            .insert(listing.cluster.clone(), listing.clone().into());
        self.tell(Input::Observed(listing));
    }

    pub(crate) fn listing(&self, jobs: &[(JobId, AllocationStatus)], all: bool) -> Listing {
        let allocation = |(id, status): &(JobId, AllocationStatus)| Allocation {
            key: self.key(*id),
            id: AllocationId(format!("a{id}")),
            status: status.clone(),
            nodes: self.job(*id).attempts.last().map_or(Vec::new(), |a| {
                let pending = matches!(status, AllocationStatus::Pending { .. });
                if pending {
                    Vec::new()
                } else {
                    a.placement.clone()
                }
            }),
        };
        Listing {
            cluster: "c".parse().expect("a name"),
            asked_at: self.now,
            is_complete: all,
            allocations: jobs.iter().map(allocation).collect(),
            nodes: None,
        }
    }

    pub(crate) fn list_nodes(&mut self, nodes: u32) {
        let node = |at: u32| NodeReport {
            name: format!("n{at}").parse().expect("a name"),
            is_up: true,
            gpus: 4,
            cpus: 8,
        };
        let mut listing = self.listing(&[], false);
        listing.nodes = Some((0..nodes).map(node).collect());
        self.tell(Input::Observed(listing));
    }

    pub(crate) fn cancel(&mut self, id: JobId) {
        self.tell(cancel(id));
    }

    pub(crate) fn actions(&self) -> Vec<Action> {
        reconcile(&self.state, &self.observed, self.now)
    }

    /// What the journal alone gives.
    pub(crate) fn replayed(&self) -> State {
        let mut state = State::default();
        self.journal.iter().for_each(|fact| state.apply(fact));
        state
    }
}

pub(crate) fn cancel(job: JobId) -> Input {
    Input::Command(Command::Cancel {
        job,
        by: "ada".into(),
        why: "no need".into(),
        is_now: false,
    })
}

pub(crate) fn report(key: SubmitKey, news: &[News]) -> Input {
    Input::Report(Report {
        key,
        node: 0,
        news: news.to_vec(),
    })
}

fn submission(ask: Ask, after: Vec<After>, sweep: Option<(Sweep, Vec<Trial>)>) -> Input {
    Input::Command(Command::Submit(Box::new(Submission {
        request_id: String::new(),
        owner: "ada".into(),
        ask,
        after,
        sweep,
    })))
}

/// One GPU on one node, two retries.
pub(crate) fn ask(name: &str) -> Ask {
    Ask {
        name: name.into(),
        cluster: None,
        shapes: vec![shape(1, 1)],
        time_ms: None,
        priority: 50,
        retries: 2,
        budget: Budget::default(),
        residency: Vec::new(),
        wish: schliff_spec::cluster::BatchWish::default(),
        out: format!("runs/{name}"),
        document: String::new(),
    }
}

pub(crate) fn shape(nodes: u32, gpus_per_node: u32) -> Shape {
    Shape {
        nodes,
        gpus_per_node,
        cpus_per_node: 1,
        ranks: nodes * gpus_per_node,
    }
}

/// An ask in this shape.
pub(crate) fn of_shape(nodes: u32, gpus_per_node: u32) -> Ask {
    Ask {
        shapes: vec![shape(nodes, gpus_per_node)],
        ..ask("job")
    }
}

pub(crate) fn halving(eta: u32, rungs: &[u64]) -> Sweep {
    Sweep {
        max_parallel: None,
        halving: Some(Halving {
            eta,
            rungs: rungs.iter().map(|step| Step(*step)).collect(),
        }),
    }
}

pub(crate) fn alive(step: u64, steps: u64) -> News {
    News::Alive {
        step: Some(Step(step)),
        steps: Some(Step(steps)),
    }
}

pub(crate) fn older(key: SubmitKey) -> SubmitKey {
    SubmitKey {
        generation: Generation(key.generation.0 - 1),
        ..key
    }
}

/// The phases of all jobs, by name.
pub(crate) fn phases(state: &State) -> BTreeMap<u64, &'static str> {
    use schliff_scheduler::job::Phase;
    let word = |job: &Job| match job.phase {
        Phase::Queued => "queued",
        Phase::Allocating => "allocating",
        Phase::Starting { .. } => "starting",
        Phase::Running { .. } => "running",
        Phase::Recovering { .. } => "recovering",
        Phase::Done { .. } => "done",
    };
    let jobs = state.jobs.values();
    jobs.map(|job| (job.id.0, word(job))).collect()
}
