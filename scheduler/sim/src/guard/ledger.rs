//! What the journal promised, in short: an account of its own beside the brain's state.

use std::collections::{BTreeMap, BTreeSet};

use schliff_scheduler::action::Order;
use schliff_scheduler::ending::Consequence;
use schliff_scheduler::fact::{Fact, What};
use schliff_scheduler::job::StopWhy;
use schliff_scheduler::shape::Shape;
use schliff_spec::exit::ExitCode;
use schliff_spec::id::{ClusterName, JobId, NodeName, Step, SubmitKey};

use super::{Verdict, breach};

/// It.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    jobs: BTreeMap<JobId, Account>,
    /// Clusters whose allocations go on by themselves.
    chaining: BTreeSet<ClusterName>,
    /// Where clusters stand, if that is told.
    countries: BTreeMap<ClusterName, Option<String>>,
}

/// One job.
#[derive(Debug, Default)]
struct Account {
    shapes: Vec<Shape>,
    retries: u32,
    /// It names its cluster.
    is_bound: bool,
    residency: Vec<String>,
    attempts: Vec<Promise>,
    committed: Option<Step>,
    /// The newest attempt is to be stopped.
    is_asked: bool,
    /// Its agent has said its last words, by which nothing of it should be left.
    has_spoken: bool,
    /// And those are the last of the job, too.
    is_final: bool,
    /// It is stopped for no failure.
    was_asked: bool,
    is_done: bool,
    /// Attempts in a row that failed and gained nothing.
    failures: u32,
}

/// One attempt.
#[derive(Debug)]
struct Promise {
    cluster: ClusterName,
    shape: Shape,
    placement: Vec<NodeName>,
    resume_from: Option<Step>,
    is_accepted: bool,
    is_over: bool,
}

impl Ledger {
    pub(super) fn learn(&mut self, fact: &Fact) -> Verdict {
        if let What::Submitted {
            job, ask, retry_of, ..
        } = &fact.what
        {
            let earlier = retry_of.and_then(|earlier| self.jobs.get(&earlier));
            let account = Account {
                shapes: ask.shapes.clone(),
                retries: ask.retries,
                is_bound: ask.cluster.is_some(),
                residency: ask.residency.clone(),
                committed: earlier.and_then(|earlier| earlier.committed),
                ..Account::default()
            };
            return match self.jobs.insert(*job, account) {
                None => Ok(()),
                Some(_) => breach("SCH-6", format!("job {job} is submitted twice")),
            };
        }
        if let What::ClusterAdded { cluster, terms } = &fact.what {
            let country = terms.country.clone();
            self.countries.insert(cluster.clone(), country);
            match terms.chains {
                true => self.chaining.insert(cluster.clone()),
                false => self.chaining.remove(cluster),
            };
        }
        let Some(job) = fact.job() else { return Ok(()) };
        let Some(account) = self.jobs.get_mut(&job) else {
            return breach("SCH-7", format!("job {job} was never submitted"));
        };
        if account.is_done && !is_of_the_past(&fact.what) {
            return breach("SCH-6", format!("job {job} has ended, and {:?}", fact.what));
        }
        if let What::Planned { cluster, .. } = &fact.what {
            let country = self.countries.get(cluster).cloned().flatten();
            account.may_lie(job, country.as_deref())?;
        }
        account.learn(job, &fact.what, &self.chaining)
    }

    fn promise(&self, key: SubmitKey) -> Option<&Promise> {
        let at = usize::try_from(key.generation.0).ok()?.checked_sub(1)?;
        self.jobs.get(&key.job)?.attempts.get(at)
    }

    pub(super) fn is_planned_as(&self, order: &Order) -> bool {
        self.promise(order.key).is_some_and(|promise| {
            promise.cluster == order.cluster
                && promise.shape == order.shape
                && promise.placement == order.placement
                && promise.resume_from == order.resume_from
        })
    }

    pub(super) fn is_accepted(&self, key: SubmitKey) -> bool {
        self.promise(key).is_some_and(|promise| promise.is_accepted)
    }

    pub(super) fn is_over(&self, key: SubmitKey) -> bool {
        self.promise(key).is_some_and(|promise| promise.is_over)
    }

    /// It ended, or a newer one has begun, or somebody asked; or it has spoken its last words.
    pub(super) fn may_stop(&self, key: SubmitKey) -> bool {
        let account = self.jobs.get(&key.job);
        self.is_over(key) || account.is_some_and(|account| account.is_asked || account.has_spoken)
    }

    /// The next attempt of a job may be this one.
    pub(super) fn may_plan(&self, key: SubmitKey) -> bool {
        let account = self.jobs.get(&key.job).filter(|account| !account.is_done);
        account.is_some_and(|account| {
            let is_free = account.attempts.last().is_none_or(|last| last.is_over);
            is_free && key.generation.0 == account.attempts.len() as u64 + 1
        })
    }

    pub(super) fn may_have(&self, key: SubmitKey, shape: Shape) -> bool {
        let account = self.jobs.get(&key.job);
        account.is_some_and(|account| account.shapes.contains(&shape))
    }

    pub(super) fn resume_from(&self, key: SubmitKey) -> Option<Step> {
        self.promise(key).and_then(|promise| promise.resume_from)
    }
}

/// Facts that may follow the end of a job: what was done before it and is told late.
fn is_of_the_past(what: &What) -> bool {
    matches!(what, What::Committed { .. } | What::Measured { .. })
}

impl Account {
    fn learn(&mut self, job: JobId, what: &What, chaining: &BTreeSet<ClusterName>) -> Verdict {
        match what {
            What::Planned { .. } => return self.planned(job, what),
            What::Accepted { .. } => {
                if let Some(newest) = self.attempts.last_mut() {
                    newest.is_accepted = true;
                }
            }
            What::Committed { step, .. } => {
                if self.committed < Some(*step) {
                    self.failures = 0;
                }
                self.committed = self.committed.max(Some(*step));
            }
            // Nothing of it should be left for long after an agent's last words, unless it goes on by
            // itself.
            What::Spoke { words, .. } => {
                let newest = self.attempts.last();
                let chains = newest.is_some_and(|newest| chaining.contains(&newest.cluster));
                self.has_spoken |= !chains || words.exit_code != ExitCode::MoreToDo.code();
                self.is_final |= words.are_final();
            }
            What::RequeuedInPlace { .. } => self.has_spoken = self.is_final,
            What::StopAsked { why, .. } => {
                self.is_asked = true;
                self.was_asked = !matches!(why, StopWhy::Failed { .. });
            }
            What::Ended { ending, .. } => {
                (self.is_asked, self.has_spoken, self.is_final) = (false, false, false);
                let was_asked = std::mem::take(&mut self.was_asked);
                let gained = self
                    .attempts
                    .last()
                    .is_some_and(|a| self.committed > a.resume_from);
                if let Some(newest) = self.attempts.last_mut() {
                    newest.is_over = true;
                }
                if ending.consequence() == Consequence::Retry && !was_asked && !gained {
                    self.failures += 1;
                }
            }
            What::Finished { .. } => self.is_done = true,
            _ => {}
        }
        Ok(())
    }

    /// SCH-12: data lies only where it may.
    fn may_lie(&self, job: JobId, country: Option<&str>) -> Verdict {
        let is_right = match country {
            _ if self.residency.is_empty() => true,
            Some(country) => self.residency.iter().any(|one| one == country),
            None => self.is_bound,
        };
        match is_right {
            true => Ok(()),
            false => breach("SCH-12", format!("job {job} is planned in {country:?}")),
        }
    }

    fn planned(&mut self, job: JobId, what: &What) -> Verdict {
        let What::Planned {
            generation,
            cluster,
            shape,
            placement,
            resume_from,
            ..
        } = what
        else {
            return Ok(());
        };
        if self.attempts.last().is_some_and(|last| !last.is_over) {
            return breach("SCH-2", format!("job {job} gets a second live attempt"));
        }
        if generation.0 != self.attempts.len() as u64 + 1 {
            return breach("SCH-2", format!("job {job} skips to attempt {generation}"));
        }
        if self.failures > self.retries {
            let (failures, retries) = (self.failures, self.retries);
            let text = format!("job {job} is tried after {failures} failures, {retries} allowed");
            return breach("SCH-5", text);
        }
        if *resume_from < self.committed {
            let (from, newest) = (resume_from, self.committed);
            return breach(
                "SCH-8",
                format!("job {job} goes back to {from:?} from {newest:?}"),
            );
        }
        self.attempts.push(Promise {
            cluster: cluster.clone(),
            shape: *shape,
            placement: placement.clone(),
            resume_from: *resume_from,
            is_accepted: false,
            is_over: false,
        });
        Ok(())
    }
}
