//! One generation of ranks: what each said and how each ended. Pure.
//!
//! Rules: the first cause is kept; a rank that says it lost its peers is asked no further while the
//! one that left may still show itself; a failure of the job wins over the losses that follow it.

use std::collections::VecDeque;

use schliff_spec::event::{CheckpointNews, Event, Failure};
use schliff_spec::exit::ExitCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use signal_hook::consts::{SIGKILL, SIGTERM};

use crate::cause::{Cause, Ending, Trouble};
use crate::conversation::{Breach, Conversation, End};
use crate::limits::Limits;
use crate::watch::Watch;

/// Lines of a rank's standard error that a report repeats.
const LAST_LINES: usize = 20;
/// A rank that is quiet for longer than signs of life are apart may be what others lost.
const APART_MS: u64 = 3_000;

/// What is heard of a rank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// A line of its protocol.
    Line(String),
    /// A line for people.
    Words(String),
    /// It ended; nothing follows.
    Ended(Ending),
}

/// How a generation stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// It works.
    Going,
    /// It is lost, and may be started again.
    Lost(Cause),
    /// The job failed, or was stopped before its end as asked; starting again would not help.
    Failed {
        /// The rank that says so.
        rank: usize,
        /// Its words.
        failure: Failure,
    },
    /// A rank broke the protocol.
    Breach(Breach),
    /// All ranks ended well; the result is rank 0's.
    Done(Value),
}

/// The ranks of one generation.
#[derive(Debug)]
pub struct Generation {
    members: Vec<Member>,
    watch: Watch,
    limits: Limits,
    standing: Standing,
    /// When a rank first said that it lost its peers.
    lost_peers_ms: Option<u64>,
    /// Ranks were asked to end, and do.
    ending: bool,
    step: usize,
    committed: Option<usize>,
    resumed: Option<usize>,
}

/// One rank.
#[derive(Debug, Default)]
struct Member {
    conversation: Conversation,
    last_lines: VecDeque<String>,
    ending: Option<Ending>,
    /// When it said its last word.
    over_ms: Option<u64>,
}

impl Generation {
    /// Begins with ranks that were started at `now_ms`.
    pub fn new(ranks: usize, limits: Limits, now_ms: u64) -> Self {
        Self {
            members: (0..ranks).map(|_| Member::default()).collect(),
            watch: Watch::new(ranks, limits, now_ms),
            limits,
            standing: Standing::Going,
            lost_peers_ms: None,
            ending: false,
            step: 0,
            committed: None,
            resumed: None,
        }
    }

    /// Takes in what is heard of a rank. Gives the event in it, if there is one.
    pub fn hear(&mut self, rank: usize, news: News, now_ms: u64) -> Option<Event> {
        let member = self.members.get_mut(rank)?;
        match news {
            News::Words(line) => {
                if member.last_lines.len() == LAST_LINES {
                    member.last_lines.pop_front();
                }
                member.last_lines.push_back(line);
                None
            }
            News::Ended(ending) => {
                self.ended(rank, ending, now_ms);
                None
            }
            News::Line(line) => match member.conversation.hear(&line) {
                Ok(event) => {
                    self.said(rank, event.as_ref(), now_ms);
                    event
                }
                Err(breach) => {
                    if self.standing == Standing::Going {
                        self.standing = Standing::Breach(breach);
                    }
                    None
                }
            },
        }
    }

    fn said(&mut self, rank: usize, event: Option<&Event>, now_ms: u64) {
        let member = &mut self.members[rank];
        match event {
            Some(Event::Beat(beat)) => {
                self.step = self.step.max(beat.step);
                self.watch.beat(rank, *beat, now_ms);
            }
            Some(Event::Step(metrics)) => self.step = self.step.max(metrics.step),
            Some(Event::Checkpoint(CheckpointNews::Committed { step, .. })) => {
                self.committed = self.committed.max(Some(*step));
            }
            Some(Event::Checkpoint(CheckpointNews::Resumed { step, .. })) => {
                self.step = self.step.max(*step);
                self.resumed = Some(*step);
            }
            _ => {}
        }
        if member.over_ms.is_none() && member.conversation.end().is_some() {
            member.over_ms = Some(now_ms);
            self.watch.over(rank);
        }
    }

    /// A rank is of no more use, whatever its process does.
    pub fn trouble(&mut self, rank: usize, trouble: Trouble) {
        // Ranks are in step, and not each has told so.
        let step = self.step;
        let cause = Cause {
            rank,
            step,
            trouble,
        };
        match &self.standing {
            Standing::Going => self.standing = Standing::Lost(cause),
            Standing::Lost(kept)
                if kept.trouble.may_be_a_consequence() && !cause.trouble.may_be_a_consequence() =>
            {
                self.standing = Standing::Lost(cause);
            }
            _ => {}
        }
    }

    fn ended(&mut self, rank: usize, ending: Ending, now_ms: u64) {
        let member = &mut self.members[rank];
        if member.ending.is_some() {
            return;
        }
        member.ending = Some(ending);
        self.watch.over(rank);
        match member.conversation.end().cloned() {
            Some(End::Done(_)) => self.settle(),
            Some(End::Failed(failure)) if failure.exit == ExitCode::GroupLost.code() => {
                self.lost_peers_ms.get_or_insert(now_ms);
            }
            // Ranks agreed to stop, and rank 0 may still be writing.
            Some(End::Failed(failure)) if is_stop(&failure) => self.settle(),
            Some(End::Failed(failure)) => self.failed(rank, failure),
            // What a rank does after the result is there harms nobody.
            None if self.result().is_some() => self.settle(),
            None if self.ending && is_ours(ending) => {}
            None => self.trouble(rank, Trouble::Crashed(ending)),
        }
    }

    /// A rank failed by itself. That wins over a loss that is only its consequence.
    fn failed(&mut self, rank: usize, failure: Failure) {
        let first = match &self.standing {
            Standing::Going => true,
            Standing::Lost(cause) => cause.trouble.may_be_a_consequence(),
            _ => false,
        };
        if first {
            self.standing = Standing::Failed { rank, failure };
        }
    }

    /// All ended well, or all stopped as asked.
    fn settle(&mut self) {
        if self.standing != Standing::Going || !self.all_ended() || self.lost_peers_ms.is_some() {
            return;
        }
        if let Some(result) = self.result().cloned() {
            self.standing = Standing::Done(result);
            return;
        }
        let stopped = |member: &Member| match member.conversation.end() {
            Some(End::Failed(failure)) => Some(failure.clone()),
            _ => None,
        };
        let mut members = self.members.iter().enumerate();
        if let Some((rank, failure)) = members.find_map(|(rank, m)| Some((rank, stopped(m)?))) {
            self.standing = Standing::Failed { rank, failure };
        }
    }

    /// Looks at the time: who is silent, hangs, lingers, or lost its peers for good.
    pub fn tick(&mut self, now_ms: u64) {
        if self.standing != Standing::Going {
            return;
        }
        if let Some(since_ms) = self.lost_peers_ms {
            let waited = now_ms.saturating_sub(since_ms) > self.limits.grace_ms;
            if waited || self.all_ended() {
                self.blame(now_ms);
            }
            return;
        }
        if let Some((rank, trouble)) = self.watch.suspect(now_ms) {
            self.trouble(rank, trouble);
        } else if let Some(rank) = self.lingering(now_ms) {
            match self.result().cloned() {
                Some(result) => self.standing = Standing::Done(result),
                None => self.trouble(rank, Trouble::Lingering),
            }
        }
    }

    /// Some rank lost its peers and none of them said why: the quietest did it.
    fn blame(&mut self, now_ms: u64) {
        if let Some((rank, for_ms)) = self.watch.quietest(now_ms, APART_MS) {
            return self.trouble(rank, Trouble::Silent { for_ms });
        }
        let told = |member: &Member| match member.conversation.end() {
            Some(End::Failed(failure)) if failure.exit == ExitCode::GroupLost.code() => {
                let causes = failure.causes.iter().map(String::as_str);
                let words = std::iter::once(failure.error.as_str()).chain(causes);
                Some(words.collect::<Vec<_>>().join(": "))
            }
            _ => None,
        };
        let mut telling = self.members.iter().enumerate();
        if let Some((rank, told)) = telling.find_map(|(rank, m)| Some((rank, told(m)?))) {
            self.trouble(rank, Trouble::LostPeers { told });
        }
    }

    /// A rank that does not end after its last word, or after rank 0's result.
    fn lingering(&self, now_ms: u64) -> Option<usize> {
        let late = |since_ms: u64| now_ms.saturating_sub(since_ms) > self.limits.linger_ms;
        let done_ms = self
            .result()
            .and_then(|_| self.members.first().and_then(|first| first.over_ms));
        self.members.iter().position(|member| {
            let since_ms = member.over_ms.or(done_ms);
            member.ending.is_none() && since_ms.is_some_and(late)
        })
    }

    /// Ranks are asked to end from now on: how they do that is no cause of anything.
    pub fn end(&mut self) {
        self.ending = true;
    }

    /// The watcher itself did not run for so long.
    pub fn forgive(&mut self, slept_ms: u64) {
        self.watch.forgive(slept_ms);
    }

    /// Rank 0's result, once it was said.
    pub fn result(&self) -> Option<&Value> {
        match self.members.first()?.conversation.end()? {
            End::Done(result) => Some(result),
            End::Failed(_) => None,
        }
    }

    /// How it stands.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// All ranks ended.
    pub fn all_ended(&self) -> bool {
        self.members.iter().all(|member| member.ending.is_some())
    }

    /// A rank's process still runs.
    pub fn runs(&self, rank: usize) -> bool {
        self.members
            .get(rank)
            .is_some_and(|member| member.ending.is_none())
    }

    /// A rank has its signal handlers in place.
    pub fn greeted(&self, rank: usize) -> bool {
        self.members
            .get(rank)
            .is_some_and(|member| member.conversation.greeted())
    }

    /// How a rank's process ended.
    pub fn ending(&self, rank: usize) -> Option<Ending> {
        self.members.get(rank)?.ending
    }

    /// The last lines that a rank wrote for people.
    pub fn last_lines(&self, rank: usize) -> Vec<String> {
        let lines = self.members.get(rank).map(|member| &member.last_lines);
        lines.into_iter().flatten().cloned().collect()
    }

    /// The furthest step that a rank has done.
    pub fn step(&self) -> usize {
        self.step
    }

    /// The newest step that this generation committed.
    pub fn committed(&self) -> Option<usize> {
        self.committed
    }

    /// The step that this generation went on from.
    pub fn resumed(&self) -> Option<usize> {
        self.resumed
    }
}

/// An end that our own request or kill may have brought about.
fn is_ours(ending: Ending) -> bool {
    matches!(ending.signal, None | Some(SIGTERM | SIGKILL))
}

/// The rank was asked to stop and did.
fn is_stop(failure: &Failure) -> bool {
    [ExitCode::MoreToDo, ExitCode::Interrupted]
        .iter()
        .any(|exit| exit.code() == failure.exit)
}
