//! What reaches the coordinator, and what it answers.

use schliff_scheduler::allocation::{Estimate, Listing, SubmitAnswer};
use schliff_scheduler::cluster::Terms;
use schliff_scheduler::input::{Command, Input, Report};
use schliff_spec::id::{ClusterName, JobId, SubmitKey};

/// Something for the coordinator.
#[derive(Clone, Debug)]
pub(super) enum Mail {
    /// Its own configuration, first of all.
    Clusters(Vec<(ClusterName, Terms)>),
    /// A user's command.
    Command {
        client: usize,
        command: Box<Command>,
    },
    /// An agent's report, with the number of the news after its last.
    Report { report: Report, before: u64 },
    /// A listing.
    Listing(Box<Listing>),
    /// An answer to a submit.
    Answer {
        key: SubmitKey,
        answer: SubmitAnswer,
    },
    /// When a site would start a job.
    Estimate {
        job: JobId,
        cluster: ClusterName,
        estimate: Estimate,
    },
    /// Time has passed.
    Tick,
}

impl Mail {
    /// As the brain is told.
    pub(super) fn input(&self) -> Input {
        match self {
            Self::Clusters(clusters) => Input::Command(Command::Clusters(clusters.clone())),
            Self::Command { command, .. } => Input::Command((**command).clone()),
            Self::Report { report, .. } => Input::Report(report.clone()),
            Self::Listing(listing) => Input::Observed((**listing).clone()),
            Self::Answer { key, answer } => Input::Answered {
                key: *key,
                answer: answer.clone(),
            },
            Self::Estimate {
                job,
                cluster,
                estimate,
            } => Input::Estimated {
                job: *job,
                cluster: cluster.clone(),
                estimate: estimate.clone(),
            },
            Self::Tick => Input::Tick,
        }
    }
}

/// What the coordinator answers, once it is safe.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// To a user: the job that the request became, or why not.
    Client {
        client: usize,
        result: Result<Option<JobId>, &'static str>,
    },
    /// To an agent.
    Agent {
        key: SubmitKey,
        node: u32,
        before: u64,
        directive: Directive,
    },
}

/// What an agent is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directive {
    /// As before.
    GoOn,
    /// Commit and end.
    Stop,
    /// End at once.
    Abort,
}
