//! What happens to agents and ranks.

use schliff_scheduler::allocation::AllocationEnd;
use schliff_scheduler::input::{News, Report};
use schliff_scheduler::job::LastWords;
use schliff_spec::exit::ExitCode;
use schliff_spec::id::{Step, SubmitKey};

use super::mail::{Directive, Mail};
use super::{Event, World};
use crate::crew::{Crew, CrewPhase};
use crate::fault::Fault;
use crate::guard::Verdict;
use crate::site::Held;

/// Until an agent notices that ranks stand still.
const WATCHDOG_MS: u64 = 60_000;

/// Something that happens to them.
#[derive(Clone, Copy, Debug)]
pub(super) enum CrewEvent {
    /// An agent comes.
    Up { node: usize },
    /// All ranks are about to train.
    Ready { turn: u64 },
    /// A step is done.
    Step { turn: u64 },
    /// A checkpoint is written; then they end with a code, or go on.
    Saved {
        turn: u64,
        step: Step,
        then: Option<i32>,
    },
    /// The agent notices that ranks stand still.
    HangSeen { turn: u64 },
    /// It is time for a report.
    Beat { node: usize },
    /// The wall time is nearly over.
    Warn,
    /// The batch system takes the nodes back.
    Reclaim,
    /// The agents' processes end.
    Exit { code: i32 },
}

impl World {
    /// Agents are started for what was granted.
    pub(super) fn begin_at(&mut self, site: usize) -> Verdict {
        let held = self.sites[site].held().iter();
        let is_new =
            |(key, held): &(&SubmitKey, &Held)| held.is_running() && !self.crews.contains_key(*key);
        let new: Vec<_> = held
            .filter(is_new)
            .map(|(_, held)| (held.launch.clone(), held.nodes.clone()))
            .collect();
        for (launch, nodes) in new {
            let key = launch.key;
            if self.befalls(Fault::CannotStart) {
                let why = "prolog failed".into();
                self.sites[site].end(key, AllocationEnd::NeverStarted { why });
                continue;
            }
            if let Some(mut crew) = Crew::of(site, &launch, nodes) {
                self.lives += 1;
                crew.life = self.lives;
                self.go_on_with_spools(&mut crew);
                self.begin_crew(crew, launch.time_limit_ms)?;
            }
        }
        Ok(())
    }

    fn begin_crew(&mut self, mut crew: Crew, limit_ms: Option<u64>) -> Verdict {
        let (site, key) = (crew.site, crew.key);
        let room = |node: &_| {
            let node = self.sites[site].nodes.get(node);
            node.map_or((0, 0), |node| (node.gpus, node.cpus))
        };
        self.guard.begins(&crew, self.crews.values(), room)?;
        let on: Vec<_> = crew.nodes.iter().map(|node| node.as_str()).collect();
        let line = format!("{key} begins on {}", on.join(","));
        self.trace.line(self.now_ms, "site", line);
        if self.befalls(Fault::AgentAbsent)
            && let Some(last) = crew.agents.last_mut()
        {
            last.is_absent = true;
        }
        let agents = crew.agents.len();
        self.crews.insert(key, crew);
        for node in 0..agents {
            let way_ms = self.rng.between(300, 6_000);
            self.crew_after(key, way_ms, CrewEvent::Up { node });
        }
        let warn_ms = self.scenario.pace.warn_ms;
        if let Some(limit_ms) = limit_ms.filter(|limit_ms| *limit_ms > warn_ms)
            && !self.befalls(Fault::WallTimeUnwarned)
        {
            self.crew_after(key, limit_ms - warn_ms, CrewEvent::Warn);
        }
        Ok(())
    }

    /// Something will happen to the agents and ranks of the run that is under way.
    pub(super) fn crew_after(&mut self, key: SubmitKey, span_ms: u64, event: CrewEvent) {
        if let Some(life) = self.crews.get(&key).map(|crew| crew.life) {
            self.after(span_ms, Event::Crew(key, life, event));
        }
    }

    pub(super) fn crew_event(&mut self, key: SubmitKey, life: u64, event: CrewEvent) -> Verdict {
        let Some(crew) = self.crews.get(&key).filter(|crew| crew.life == life) else {
            return Ok(());
        };
        let is_now = |turn: u64| turn == crew.turn;
        match event {
            CrewEvent::Up { node } => self.agent_comes(key, node),
            CrewEvent::Ready { turn } if is_now(turn) => return self.ready(key),
            CrewEvent::Step { turn } if is_now(turn) => self.step(key),
            CrewEvent::Saved { turn, step, then } if is_now(turn) => self.saved(key, step, then),
            CrewEvent::HangSeen { turn } if is_now(turn) => self.ranks_die(key),
            CrewEvent::Beat { node } => {
                self.report(key, node);
                let report_ms = self.scenario.pace.report_ms;
                self.crew_after(key, report_ms, CrewEvent::Beat { node });
            }
            CrewEvent::Warn => {
                self.count(Fault::WallTimeEnd, &key.to_string());
                self.stop_crew(key);
            }
            CrewEvent::Reclaim => {
                self.taken_back_or(key, AllocationEnd::Preempted);
                self.kill(key, "preempted");
            }
            CrewEvent::Exit { code } => self.exit(key, code),
            _ => {}
        }
        Ok(())
    }

    fn agent_comes(&mut self, key: SubmitKey, node: usize) {
        let Some(crew) = self.crews.get_mut(&key) else {
            return;
        };
        let Some(agent) = crew.agents.get_mut(node).filter(|agent| !agent.is_absent) else {
            return;
        };
        agent.has_come = true;
        agent.note(News::Joined);
        let is_gathered = crew.phase == CrewPhase::Gathering && crew.is_whole();
        self.crew_after(key, 0, CrewEvent::Beat { node });
        if is_gathered {
            self.prepare(key);
        }
    }

    fn prepare(&mut self, key: SubmitKey) {
        if let Some(crew) = self.crews.get_mut(&key) {
            crew.phase = CrewPhase::Preparing;
            crew.turn += 1;
            let (turn, prepare_ms) = (crew.turn, crew.work.prepare_ms);
            self.crew_after(key, prepare_ms, CrewEvent::Ready { turn });
        }
    }

    fn ready(&mut self, key: SubmitKey) -> Verdict {
        let Some(crew) = self.crews.get_mut(&key) else {
            return Ok(());
        };
        let resumed_from = self.bucket.newest(&crew.work.out);
        self.guard.resumes(key, resumed_from)?;
        let step = resumed_from.unwrap_or(Step(0));
        crew.phase = CrewPhase::Training(step);
        crew.note(News::Started { resumed_from });
        let is_done = step.0 >= crew.work.steps;
        let (turn, step_ms, is_stopping) = (crew.turn, crew.step_ms(), crew.is_stopping);
        self.report(key, 0);
        match (is_done, is_stopping) {
            (true, _) => self.save(key, step, Some(ExitCode::Ok.code())),
            (false, true) => self.leave(key, ExitCode::MoreToDo.code()),
            (false, false) => self.crew_after(key, step_ms, CrewEvent::Step { turn }),
        }
        Ok(())
    }

    fn step(&mut self, key: SubmitKey) {
        let Some(crew) = self.crews.get_mut(&key) else {
            return;
        };
        let CrewPhase::Training(before) = crew.phase else {
            return;
        };
        let step = Step(before.0 + 1);
        crew.phase = CrewPhase::Training(step);
        let is_last = step.0 >= crew.work.steps;
        if let Some((at, code)) = crew.work.fails_at
            && step.0 >= at
        {
            self.count(Fault::JobAtFault, &key.to_string());
            return self.leave(key, code);
        }
        if is_last || step.0.is_multiple_of(crew.work.eval_every.max(1)) {
            let loss = crew.work.loss(step);
            crew.note(News::Measured { step, loss });
        }
        let is_due = step.0.is_multiple_of(crew.work.commit_every.max(1));
        let (turn, step_ms) = (crew.turn, crew.step_ms());
        if is_last {
            return self.save(key, step, Some(ExitCode::Ok.code()));
        }
        if crew.is_stopping {
            return self.save(key, step, Some(ExitCode::MoreToDo.code()));
        }
        let is_free = crew.writing.is_none();
        self.crew_after(key, step_ms, CrewEvent::Step { turn });
        if is_due && is_free {
            self.save(key, step, None);
        }
    }

    fn save(&mut self, key: SubmitKey, step: Step, then: Option<i32>) {
        let took_ms = self.rng.between(200, 1_500);
        if let Some(crew) = self.crews.get_mut(&key) {
            crew.writing = Some(step);
            let turn = crew.turn;
            self.crew_after(key, took_ms, CrewEvent::Saved { turn, step, then });
        }
    }

    fn saved(&mut self, key: SubmitKey, step: Step, then: Option<i32>) {
        let Some(crew) = self.crews.get_mut(&key) else {
            return;
        };
        if std::mem::take(&mut crew.tears_next) {
            self.count(Fault::TornCheckpoint, &key.to_string());
            return self.ranks_die(key);
        }
        crew.writing = None;
        crew.note(News::Committed { step });
        self.bucket.commit(&crew.work.out, step);
        if then == Some(ExitCode::Ok.code()) {
            self.bucket.put_result(&crew.work.out);
        }
        match then {
            Some(code) => self.leave(key, code),
            None => self.report(key, 0),
        }
    }

    /// Ranks are gone: they are started again, or the agents give up.
    pub(super) fn ranks_die(&mut self, key: SubmitKey) {
        let Some(crew) = self.crews.get_mut(&key) else {
            return;
        };
        crew.turn += 1;
        if let Some(step) = crew.writing.take() {
            self.bucket.tear(&crew.work.out, step);
        }
        if crew.restarts_left == 0 {
            return self.leave(key, ExitCode::GroupLost.code());
        }
        crew.restarts_left -= 1;
        self.prepare(key);
    }

    /// The ranks stand still.
    pub(super) fn ranks_hang(&mut self, key: SubmitKey) {
        let Some(crew) = self.crews.get_mut(&key) else {
            return;
        };
        if let CrewPhase::Training(step) = crew.phase {
            crew.phase = CrewPhase::Hung(step);
            crew.turn += 1;
            if let Some(step) = crew.writing.take() {
                self.bucket.tear(&crew.work.out, step);
            }
            let turn = crew.turn;
            self.crew_after(key, WATCHDOG_MS, CrewEvent::HangSeen { turn });
        }
    }

    /// They commit at the next step and end.
    pub(super) fn stop_crew(&mut self, key: SubmitKey) {
        let Some(crew) = self.crews.get_mut(&key) else {
            return;
        };
        crew.is_stopping = true;
        if crew.phase == CrewPhase::Gathering {
            self.leave(key, ExitCode::MoreToDo.code());
        }
    }

    /// The agents say their last words and end.
    pub(super) fn leave(&mut self, key: SubmitKey, code: i32) {
        let Some(crew) = self.crews.get_mut(&key) else {
            return;
        };
        crew.turn += 1;
        crew.phase = CrewPhase::Leaving(code);
        if let Some(step) = crew.writing.take() {
            self.bucket.tear(&crew.work.out, step);
        }
        let is_lost = code == ExitCode::GroupLost.code();
        let at_fault = self.rng.below(crew.nodes.len() as u64);
        let culprit = crew.nodes.get(usize::try_from(at_fault).unwrap_or(0));
        crew.note(News::Ended(LastWords {
            exit_code: code,
            error: match code {
                0 | 75 => String::new(),
                _ => format!("ended with {code}"),
            },
            culprit: culprit.filter(|_| is_lost).cloned(),
        }));
        for node in 0..crew.agents.len() {
            self.report(key, node);
        }
        let took_ms = self.rng.between(200, 4_000);
        self.crew_after(key, took_ms, CrewEvent::Exit { code });
    }

    fn exit(&mut self, key: SubmitKey, code: i32) {
        if let Some(crew) = self.crews.remove(&key) {
            let line = format!("{key} ends with {code}");
            self.trace.line(self.now_ms, "agent", line);
            match crew.called.clone() {
                Some(end) => self.ends_or_goes_on(&crew, end),
                None if code == ExitCode::MoreToDo.code() => self.chain_on(&crew, code),
                None => self.sites[crew.site].end(key, AllocationEnd::Exited { code }),
            }
            self.keep_spools(crew);
        }
    }

    /// All its processes are gone at once.
    pub(super) fn kill(&mut self, key: SubmitKey, why: &str) {
        if let Some(crew) = self.crews.remove(&key) {
            if let Some(step) = crew.writing {
                self.bucket.tear(&crew.work.out, step);
            }
            let line = format!("{key} is killed: {why}");
            self.trace.line(self.now_ms, "agent", line);
            self.keep_spools(crew);
        }
    }

    /// An agent tells all that is not acknowledged, and that it lives.
    fn report(&mut self, key: SubmitKey, node: usize) {
        let Some(crew) = self.crews.get(&key) else {
            return;
        };
        let Some(agent) = crew.agents.get(node).filter(|agent| agent.has_come) else {
            return;
        };
        if agent.cut_until_ms > self.now_ms {
            return;
        }
        let mut news: Vec<_> = agent.outbox.iter().map(|(_, news)| news.clone()).collect();
        news.push(News::Alive {
            step: crew.step().filter(|_| node == 0),
            steps: Some(Step(crew.work.steps)),
        });
        let before = agent.next();
        let node = u32::try_from(node).unwrap_or(u32::MAX);
        let report = Report { key, node, news };
        let mut way_ms = self.rng.between(5, 150);
        if self.befalls(Fault::ReorderedReport) {
            way_ms = self.rng.between(5_000, 40_000);
        }
        if self.befalls(Fault::DuplicateReport) {
            let later_ms = self.rng.between(100, 90_000);
            let report = report.clone();
            self.after(
                way_ms + later_ms,
                Event::Arrives(Mail::Report { report, before }),
            );
        }
        self.after(way_ms, Event::Arrives(Mail::Report { report, before }));
    }

    /// An agent hears what the coordinator says.
    pub(super) fn told(&mut self, key: SubmitKey, node: u32, before: u64, directive: Directive) {
        let now_ms = self.now_ms;
        let Some(crew) = self.crews.get_mut(&key) else {
            return;
        };
        let agent = crew.agents.get_mut(node as usize);
        let Some(agent) = agent.filter(|agent| agent.cut_until_ms <= now_ms) else {
            return;
        };
        agent.acknowledge(before);
        if matches!(crew.phase, CrewPhase::Leaving(_)) {
            return;
        }
        match directive {
            Directive::GoOn => {}
            Directive::Stop => self.stop_crew(key),
            Directive::Abort => self.leave(key, ExitCode::Interrupted.code()),
        }
    }
}
