//! The agents and ranks of one allocation: what they are doing, and what they have to tell.
//!
//! Rules: ranks train, commit and go on from the newest checkpoint that is whole; agents start ranks
//! again a few times; news stay with an agent until the coordinator has said that it has them.

use std::collections::VecDeque;

use schliff_backend::Launch;
use schliff_scheduler::allocation::AllocationEnd;
use schliff_scheduler::input::News;
use schliff_scheduler::job::Crew as Regrouped;
use schliff_scheduler::shape::Shape;
use schliff_spec::id::{NodeName, Step, SubmitKey};

use crate::work::Work;

/// Restarts of the ranks within one allocation.
const RESTARTS: u32 = 2;

/// They.
#[derive(Debug)]
pub(crate) struct Crew {
    pub(crate) site: usize,
    pub(crate) key: SubmitKey,
    pub(crate) nodes: Vec<NodeName>,
    pub(crate) shape: Shape,
    pub(crate) work: Work,
    pub(crate) phase: CrewPhase,
    /// Events of another life are of a run of the same key that is over.
    pub(crate) life: u64,
    /// Events of earlier turns are of ranks that are gone.
    pub(crate) turn: u64,
    /// A checkpoint that is being written.
    pub(crate) writing: Option<Step>,
    /// The ranks are to commit and end.
    pub(crate) is_stopping: bool,
    pub(crate) restarts_left: u32,
    /// Each step takes so many times as long.
    pub(crate) slowness: u64,
    /// The next checkpoint is torn.
    pub(crate) tears_next: bool,
    /// The batch system believes that it is over.
    pub(crate) is_zombie: bool,
    /// What the batch system will call the end, whatever the agent says.
    pub(crate) called: Option<AllocationEnd>,
    pub(crate) agents: Vec<CrewAgent>,
}

/// What the ranks do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CrewPhase {
    /// Agents come together.
    Gathering,
    /// Ranks read the model and the data.
    Preparing,
    /// They train, and have done so many steps.
    Training(Step),
    /// One of them stands still.
    Hung(Step),
    /// The agents end with this exit code.
    Leaving(i32),
}

/// An agent.
#[derive(Debug, Default)]
pub(crate) struct CrewAgent {
    pub(crate) has_come: bool,
    /// It never comes.
    pub(crate) is_absent: bool,
    /// It cannot reach the coordinator until then.
    pub(crate) cut_until_ms: u64,
    /// News that the coordinator has not acknowledged, with their numbers.
    pub(crate) outbox: VecDeque<(u64, News)>,
    next: u64,
}

impl CrewAgent {
    /// It has something to tell.
    pub(crate) fn note(&mut self, news: News) {
        self.outbox.push_back((self.next, news));
        self.next += 1;
    }

    /// The coordinator has everything before this number.
    pub(crate) fn acknowledge(&mut self, before: u64) {
        while self
            .outbox
            .front()
            .is_some_and(|(number, _)| *number < before)
        {
            self.outbox.pop_front();
        }
    }

    /// What it leaves to the agent of the next run.
    pub(crate) fn left(self) -> Self {
        Self {
            outbox: self.outbox,
            next: self.next,
            ..Self::default()
        }
    }

    /// The number of the next news.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }
}

impl Crew {
    /// That of an allocation which was granted; `None` where its files say nothing of work.
    pub(crate) fn of(site: usize, launch: &Launch, nodes: Vec<NodeName>) -> Option<Self> {
        Some(Self {
            site,
            key: launch.key,
            shape: launch.shape,
            work: Work::of(launch)?,
            phase: CrewPhase::Gathering,
            life: 0,
            turn: 0,
            writing: None,
            is_stopping: false,
            restarts_left: RESTARTS,
            slowness: 1,
            tears_next: false,
            is_zombie: false,
            called: None,
            agents: nodes.iter().map(|_| CrewAgent::default()).collect(),
            nodes,
        })
    }

    /// All agents have come.
    pub(crate) fn is_whole(&self) -> bool {
        self.agents.iter().all(|agent| agent.has_come)
    }

    /// Half of its nodes, without the last one.
    pub(crate) fn halved(&self) -> Regrouped {
        let nodes = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        Regrouped {
            nodes: (0..nodes / 2).collect(),
            gone: vec![nodes - 1],
        }
    }

    /// It trains or is about to, so that something can befall its ranks.
    pub(crate) fn has_ranks(&self) -> bool {
        !matches!(self.phase, CrewPhase::Gathering | CrewPhase::Leaving(_))
    }

    /// The first agent has something to tell.
    pub(crate) fn note(&mut self, news: News) {
        if let Some(first) = self.agents.first_mut() {
            first.note(news);
        }
    }

    /// Steps done, while that can be told.
    pub(crate) fn step(&self) -> Option<Step> {
        match self.phase {
            CrewPhase::Training(step) | CrewPhase::Hung(step) => Some(step),
            _ => None,
        }
    }

    /// For the next step.
    pub(crate) fn step_ms(&self) -> u64 {
        self.work.step_ms(self.shape.ranks) * self.slowness
    }
}
