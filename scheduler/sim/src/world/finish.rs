//! The end of all faults, and what must have come of everything after a while.

use schliff_scheduler::ending::Outcome;
use schliff_scheduler::job::{Job, Role};
use schliff_scheduler::reason::Reason;
use schliff_scheduler::{State, explain};

use super::coordinator::same;
use super::{Event, World};
use crate::coverage::Family;
use crate::guard::{Verdict, breach};
use crate::scenario::BOUND_MS;

/// Between two looks at everything.
const INSPECT_MS: u64 = 10_000;
/// A job may be said to be next for so long, and not begin.
const NEXT_MS: u64 = 60_000;

impl World {
    /// Nothing goes wrong any more.
    pub(super) fn peace(&mut self) -> Verdict {
        self.is_peace = true;
        self.trace.line(self.now_ms, "world", "no more faults");
        for site in &mut self.sites {
            (site.down_until_ms, site.slow_until_ms) = (0, 0);
            for node in site.nodes.values_mut() {
                node.is_drained = false;
                node.foreign_until_ms = 0;
            }
        }
        for crew in self.crews.values_mut() {
            crew.slowness = 1;
            if !crew.is_zombie {
                crew.agents
                    .iter_mut()
                    .for_each(|agent| agent.cut_until_ms = 0);
            }
        }
        self.left_out = None;
        if self.coordinator.is_some() && self.lacks_site {
            self.stop_coordinator();
        }
        Ok(())
    }

    /// It is started anew.
    pub(super) fn stop_coordinator(&mut self) {
        self.coordinator = None;
        self.crashed_at_ms = self.now_ms;
        self.trace.line(self.now_ms, "shell", "is stopped");
        self.after(1_000, Event::Start);
    }

    /// Reasons are asked for, and the end is looked for.
    pub(super) fn inspect(&mut self) -> Verdict {
        self.after(INSPECT_MS, Event::Inspect);
        self.ask_why()?;
        if !self.is_peace {
            return Ok(());
        }
        if self.is_all_over() {
            self.is_over = true;
            return self.conclude();
        }
        if self.now_ms > self.scenario.faults_end_ms + BOUND_MS {
            return breach("LIVE", self.what_is_left());
        }
        Ok(())
    }

    /// SCH-10: every open job has a reason, and none is next for long.
    fn ask_why(&mut self) -> Verdict {
        let now = self.clock();
        let Some(coordinator) = &self.coordinator else {
            self.next_since.clear();
            return Ok(());
        };
        let state = &coordinator.state;
        for job in state.jobs.values().filter(|job| !job.is_done()) {
            let Some(explanation) = explain(state, now, job.id) else {
                return breach("SCH-10", format!("job {} is not explained", job.id));
            };
            let reasons = explanation.because.iter().chain([&explanation.reason]);
            reasons.for_each(|reason| self.coverage.count(Family::Reason, reason.code()));
            let reasons = explanation.because.iter().chain([&explanation.reason]);
            if !reasons.into_iter().any(|reason| *reason == Reason::Next) {
                self.next_since.remove(&job.id);
                continue;
            }
            let since = *self.next_since.entry(job.id).or_insert(self.now_ms);
            if self.now_ms > since + NEXT_MS {
                let text = format!("job {} is said to be next, and does not begin", job.id);
                return breach("SCH-10", text);
            }
        }
        Ok(())
    }

    fn is_all_over(&self) -> bool {
        let is_settled = self.coordinator.as_ref().is_some_and(|c| {
            let mut jobs = c.state.jobs.values();
            c.is_settled() && jobs.all(|job| job.is_done() || self.waits_for_good(&c.state, job))
        });
        let has_acted = self.scenario.acts.iter().all(|(at, _)| *at <= self.now_ms);
        let is_clean = self.sites.iter().all(|site| site.held().is_empty());
        is_settled && has_acted && is_clean && self.crews.is_empty()
    }

    /// It waits for what no site has, and says so; or for such a job.
    fn waits_for_good(&self, state: &State, job: &Job) -> bool {
        let why = explain(state, self.clock(), job.id).map(|why| why.reason);
        match why {
            Some(Reason::Capacity { shape, .. }) => !self.sites.iter().any(|site| {
                let is_other = job
                    .ask
                    .cluster
                    .as_ref()
                    .is_some_and(|own| *own != site.name);
                if is_other {
                    return false;
                }
                let large = site.nodes.values();
                let large = large.filter(|node| node.gpus >= shape.gpus_per_node);
                large.count() >= shape.nodes as usize
            }),
            Some(Reason::Residency { wanted }) => !self.sites.iter().any(|site| {
                let country = site.terms.country.as_ref();
                country.is_some_and(|country| wanted.contains(country))
            }),
            Some(Reason::AfterJobs { jobs }) => jobs.iter().all(|id| {
                let other = state.jobs.get(id);
                other.is_some_and(|other| self.waits_for_good(state, other))
            }),
            Some(Reason::Trials { .. }) => {
                let Role::Sweep { trials, .. } = &job.role else {
                    return false;
                };
                let open = trials.iter().filter_map(|id| state.jobs.get(id));
                open.filter(|trial| !trial.is_done())
                    .all(|trial| self.waits_for_good(state, trial))
            }
            _ => false,
        }
    }

    fn what_is_left(&self) -> String {
        let Some(coordinator) = &self.coordinator else {
            return "there is no coordinator".into();
        };
        let now = self.clock();
        let open = coordinator.state.jobs.values().filter(|job| !job.is_done());
        let jobs = open.map(|job| {
            let why = explain(&coordinator.state, now, job.id);
            let why = why.map_or(String::new(), |why| why.reason.to_string());
            format!("job {}: {why}", job.id)
        });
        let held = self.sites.iter().flat_map(|site| site.held().iter());
        let held = held.map(|(key, held)| format!("{key}: {:?}", held.status));
        let crews = self.crews.keys().map(|key| format!("{key} runs"));
        let left: Vec<_> = jobs.chain(held).chain(crews).take(12).collect();
        format!("after all faults ended: {}", left.join("; "))
    }

    /// What is true at the end of a world that went well.
    fn conclude(&mut self) -> Verdict {
        let Some(coordinator) = &self.coordinator else {
            return Ok(());
        };
        same(&coordinator.state, &self.durable)?;
        for job in self.durable.jobs.values() {
            let is_sweep = matches!(job.role, Role::Sweep { .. });
            let succeeded = job.outcome() == Some(&Outcome::Succeeded);
            if succeeded && !is_sweep && !self.bucket.has_result(&job.ask.out) {
                let text = format!("job {} succeeded and has no result", job.id);
                return breach("SCH-6", text);
            }
            if let Some(step) = job.committed
                && !self.bucket.has(&job.ask.out, step)
            {
                let text = format!("job {} lacks its checkpoint {step}", job.id);
                return breach("SCH-8", text);
            }
        }
        self.promises()
    }

    /// What users were told is still so.
    fn promises(&self) -> Verdict {
        for client in &self.clients {
            let schliff_scheduler::input::Command::Submit(submission) = &client.command else {
                continue;
            };
            let kept = self.durable.requests.get(&submission.request_id).copied();
            if client.job.is_some() && client.job != kept {
                let text = format!(
                    "{} became {kept:?}, not what was said",
                    submission.request_id
                );
                return breach("SCH-9", text);
            }
        }
        Ok(())
    }
}
