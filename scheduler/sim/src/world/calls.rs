//! Calls to batch systems: on their way, lost, late, refused, answered.
//!
//! Rules: a site without a queue is on the coordinator's own host: a call has its effect at once. A call
//! to another one may arrive after the coordinator has given it up, for a bounded time.

use schliff_backend::{Launch, LaunchFile};
use schliff_scheduler::action::{Action, Observed, Order};
use schliff_scheduler::allocation::{Estimate, Listing, StopHow, SubmitAnswer};
use schliff_scheduler::time::Timestamp;
use schliff_spec::id::SubmitKey;

use super::mail::Mail;
use super::{Event, World, said};
use crate::fault::Fault;
use crate::guard::Verdict;
use crate::site::{Refusal, Stopped};
use crate::work::FILE;

/// The coordinator gives a call up.
const GIVE_UP_MS: u64 = 20_000;
/// A call that was given up, or whose coordinator died, has no effect after that.
const LATEST_MS: u64 = 8_000;
/// A stale listing is at most so old.
const STALE_MS: u64 = 15_000;
/// The pause between two listings grows up to this while they fail.
const LONGEST_PAUSE_MS: u64 = 60_000;

/// A call on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) epoch: u64,
    pub(super) site: usize,
    pub(super) key: SubmitKey,
    /// The coordinator has given it up, or will not hear the answer.
    is_deaf: bool,
}

/// How a call is answered.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Submit(SubmitAnswer),
    /// When it would start.
    Estimate(Estimate),
    /// A stop, done or not: it is tried again where it had no effect.
    Stop,
    /// A forget, and whether it was done.
    Forget(bool),
}

impl World {
    /// Sends an action on its way.
    pub(super) fn send(&mut self, observed: &mut Observed, action: Action) {
        let (cluster, key) = match &action {
            Action::Submit(order) | Action::Estimate(order) => (&order.cluster, order.key),
            Action::Stop { cluster, key, .. } | Action::Forget { cluster, key, .. } => {
                (cluster, *key)
            }
        };
        let Some(site) = self.sites.iter().position(|site| site.name == *cluster) else {
            return;
        };
        let is_new = match &action {
            Action::Estimate(_) => observed.asked.insert((key.job, cluster.clone())),
            _ => observed.in_flight.insert(key),
        };
        if !is_new {
            return;
        }
        let call = Call {
            epoch: self.epoch,
            site,
            key,
            is_deaf: false,
        };
        match action {
            Action::Submit(order) => self.send_submit(call, &order),
            Action::Estimate(order) => self.send_question(call, &order),
            Action::Stop { how, .. } => {
                let tried = observed.tries.entry(key).or_default();
                match how {
                    StopHow::Gently => tried.gentle_at = Some(self.clock()),
                    StopHow::Now => tried.now_at = Some(self.clock()),
                }
                self.trace
                    .line(self.now_ms, "action", format!("stop {key} {how:?}"));
                let way_ms = self.way_ms(site);
                self.after(way_ms, Event::Stops { call, how });
            }
            Action::Forget { .. } => {
                self.trace
                    .line(self.now_ms, "action", format!("forget {key}"));
                let way_ms = self.way_ms(site);
                self.after(way_ms, Event::Forgets { call });
            }
        }
    }

    fn send_submit(&mut self, call: Call, order: &Order) {
        let key = call.key;
        let on = order.placement.iter().map(|node| node.as_str());
        let on = on.collect::<Vec<_>>().join(",");
        let line = format!("submit {key} to {} [{on}]", order.cluster);
        self.trace.line(self.now_ms, "action", line);
        let launch = Box::new(launch(order));
        let mut call = call;
        if self.befalls(Fault::SubmitLost) {
            return self.give_up(call, GIVE_UP_MS);
        }
        if self.befalls(Fault::SubmitReplyLost) {
            self.give_up(call, GIVE_UP_MS);
            call.is_deaf = true;
        }
        let way_ms = self.way_ms(call.site);
        if way_ms > GIVE_UP_MS {
            self.give_up(call, GIVE_UP_MS);
            call.is_deaf = true;
        }
        self.after(way_ms, Event::Submits { call, launch });
    }

    /// A question binds nobody: all that matters is how and when it is answered.
    fn send_question(&mut self, call: Call, order: &Order) {
        let line = format!("ask {} about {}", order.cluster, call.key);
        self.trace.line(self.now_ms, "action", line);
        let way_ms = self.way_ms(call.site) + self.rng.between(200, 2_000);
        let is_lost = way_ms > GIVE_UP_MS || self.befalls(Fault::EstimateLost);
        let estimate = match is_lost || self.fails(call.site) {
            true => Estimate::Unknown,
            false => self.estimate(call.site, order),
        };
        let what = Answer::Estimate(estimate);
        let after_ms = if is_lost { GIVE_UP_MS } else { way_ms };
        self.after(after_ms, Event::Answered { call, what });
    }

    fn estimate(&mut self, site: usize, order: &Order) -> Estimate {
        if self.befalls(Fault::EstimateRefused) {
            let why = "invalid account".into();
            return Estimate::Refused { why };
        }
        let held = self.sites[site].held().values();
        let ahead = held.filter(|held| !held.is_ended()).count() as u64;
        let limit_ms = order.time_limit_ms.unwrap_or(600_000);
        Estimate::Starts {
            at: self.clock().plus(ahead * limit_ms / 4),
        }
    }

    fn give_up(&mut self, call: Call, after_ms: u64) {
        let why = "no answer in time".to_owned();
        let what = Answer::Submit(SubmitAnswer::Unknown { why });
        self.after(after_ms, Event::Answered { call, what });
    }

    /// For a call to reach a site.
    fn way_ms(&mut self, site: usize) -> u64 {
        let is_slow = self.sites[site].slow_until_ms > self.now_ms;
        match (self.sites[site].is_ours(), is_slow) {
            (true, _) => 0,
            (false, true) => self.rng.between(1_000, GIVE_UP_MS + LATEST_MS),
            (false, false) => self.rng.between(20, 400),
        }
    }

    /// Whether a call that arrives now still means something.
    fn is_meant(&self, call: Call) -> bool {
        let is_ours = self.sites[call.site].is_ours();
        let lag_ms = self.now_ms.saturating_sub(self.crashed_at_ms);
        let is_orphan = call.epoch != self.epoch || self.coordinator.is_none();
        !is_orphan || (!is_ours && lag_ms <= LATEST_MS)
    }

    pub(super) fn submits(&mut self, call: Call, launch: &Launch) -> Verdict {
        if !self.is_meant(call) {
            return Ok(());
        }
        let answer = self.submit_answer(call, launch);
        self.trace.line(
            self.now_ms,
            "site",
            format!("{}: {}", call.key, said(&answer)),
        );
        if !call.is_deaf {
            let back_ms = self.rng.between(5, 200);
            let what = Answer::Submit(answer);
            self.after(back_ms, Event::Answered { call, what });
        }
        self.begin_at(call.site)
    }

    fn submit_answer(&mut self, call: Call, launch: &Launch) -> SubmitAnswer {
        let later = |why: &str| SubmitAnswer::TryLater { why: why.into() };
        if self.sites[call.site].down_until_ms > self.now_ms {
            return later("connection refused");
        }
        if self.befalls(Fault::CallConflict) {
            return later("409");
        }
        if self.befalls(Fault::CallThrottled) {
            return later("429");
        }
        if self.befalls(Fault::SubmitRefused) {
            let why = "invalid account".into();
            return SubmitAnswer::Refused { why };
        }
        let is_broken = self.befalls(Fault::CallBroken);
        if is_broken && self.rng.chance(500) {
            let why = "500".into();
            return SubmitAnswer::Unknown { why };
        }
        match self.sites[call.site].submit(self.now_ms, launch) {
            _ if is_broken => SubmitAnswer::Unknown { why: "500".into() },
            Ok(id) => SubmitAnswer::Accepted { id },
            Err(Refusal::Later(why)) => SubmitAnswer::TryLater { why },
            Err(Refusal::Never(why)) => SubmitAnswer::Refused { why },
        }
    }

    /// Whether a call other than a submit fails.
    fn fails(&mut self, site: usize) -> bool {
        self.sites[site].down_until_ms > self.now_ms
            || self.befalls(Fault::CallThrottled)
            || self.befalls(Fault::CallBroken)
    }

    pub(super) fn stops(&mut self, call: Call, how: StopHow) {
        if !self.is_meant(call) {
            return;
        }
        if !self.fails(call.site) {
            match self.sites[call.site].stop(call.key, how) {
                Stopped::Nothing | Stopped::Withdrawn => {}
                Stopped::Signalled => self.stop_crew(call.key),
                Stopped::Killed => self.kill(call.key, "by the site"),
            }
        }
        let what = Answer::Stop;
        self.after(50, Event::Answered { call, what });
    }

    pub(super) fn forgets(&mut self, call: Call) {
        if !self.is_meant(call) {
            return;
        }
        let is_done = !self.fails(call.site);
        if is_done {
            self.sites[call.site].forget(call.key);
        }
        let what = Answer::Forget(is_done);
        self.after(50, Event::Answered { call, what });
    }

    pub(super) fn answered(&mut self, call: Call, what: Answer) -> Verdict {
        if call.epoch != self.epoch {
            return Ok(());
        }
        let key = call.key;
        match what {
            Answer::Submit(answer) => return self.receive(Mail::Answer { key, answer }),
            Answer::Estimate(estimate) => {
                let (job, cluster) = (key.job, self.sites[call.site].name.clone());
                return self.receive(Mail::Estimate {
                    job,
                    cluster,
                    estimate,
                });
            }
            Answer::Stop | Answer::Forget(_) => {}
        }
        if let Some(coordinator) = &mut self.coordinator {
            coordinator.observed.in_flight.remove(&key);
            if let Answer::Forget(true) = what {
                coordinator.forgotten(&self.sites[call.site].name, key);
            }
        }
        Ok(())
    }

    pub(super) fn observe(&mut self, epoch: u64, site: usize) {
        if epoch != self.epoch || self.coordinator.is_none() {
            return;
        }
        let (asked_at, way_ms) = (self.clock(), self.way_ms(site).min(GIVE_UP_MS));
        self.after(
            way_ms,
            Event::Lists {
                epoch,
                site,
                asked_at,
            },
        );
    }

    pub(super) fn lists(&mut self, epoch: u64, site: usize, asked_at: Timestamp) {
        if epoch != self.epoch {
            return;
        }
        let listing = match self.fails(site) {
            true => None,
            false => Some(Box::new(self.listing(site, asked_at))),
        };
        let back_ms = self.rng.between(5, 200);
        self.after(
            back_ms,
            Event::Listed {
                epoch,
                site,
                listing,
            },
        );
    }

    fn listing(&mut self, site: usize, asked_at: Timestamp) -> Listing {
        // A site without a queue shows things as they are.
        let is_stale = !self.sites[site].is_ours() && self.befalls(Fault::StaleListing);
        let now_ms = self.now_ms;
        let shown = match is_stale {
            true => self.sites[site].showed(now_ms, STALE_MS),
            false => None,
        };
        let mut shown = shown.unwrap_or_else(|| self.sites[site].shows(now_ms));
        let is_complete = !self.befalls(Fault::PartialListing);
        if !is_complete {
            shown.allocations.retain(|_| self.rng.chance(500));
        }
        Listing {
            cluster: self.sites[site].name.clone(),
            asked_at,
            is_complete,
            allocations: shown.allocations,
            nodes: Some(shown.nodes),
        }
    }

    pub(super) fn listed(
        &mut self,
        epoch: u64,
        site: usize,
        listing: Option<Box<Listing>>,
    ) -> Verdict {
        if epoch != self.epoch || self.coordinator.is_none() {
            return Ok(());
        }
        let pause_ms = match (&listing, self.is_peace) {
            (None, false) => self
                .rng
                .between(self.scenario.pace.observe_ms, LONGEST_PAUSE_MS),
            _ => self.scenario.pace.observe_ms,
        };
        self.after(pause_ms, Event::Observe { epoch, site });
        match listing {
            Some(listing) => self.receive(Mail::Listing(listing)),
            None => Ok(()),
        }
    }

    /// A site looks at its queue and its clock.
    pub(super) fn turn(&mut self, site: usize) -> Verdict {
        self.after(2_000, Event::Turn(site));
        if self.sites[site].down_until_ms > self.now_ms {
            return Ok(());
        }
        for key in self.sites[site].overdue(self.now_ms) {
            self.count(Fault::WallTimeEnd, &key.to_string());
            self.times_out(site, key);
            self.kill(key, "its time is over");
        }
        self.sites[site].turn(self.now_ms);
        self.begin_at(site)
    }
}

/// What is started for an order.
fn launch(order: &Order) -> Launch {
    Launch {
        key: order.key,
        name: order.ask.name.clone(),
        shape: order.shape,
        min_nodes: None,
        placement: order.placement.clone(),
        avoid: order.avoid.clone(),
        time_limit_ms: order.time_limit_ms,
        work_ms: order.work_ms,
        wish: order.ask.wish.clone(),
        args: vec!["agent".into()],
        env: Vec::new(),
        files: vec![LaunchFile {
            name: FILE.into(),
            content: order.ask.document.clone().into_bytes(),
            is_secret: false,
        }],
    }
}
