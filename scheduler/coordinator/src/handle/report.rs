//! What agents tell.

use prost::Message as _;
use schliff_page::Change;
use schliff_scheduler::input::{Input, Report};
use schliff_scheduler::job::{Job, StopWhy};
use schliff_scheduler::reason::Reason;
use schliff_scheduler::time::Timestamp;
use schliff_spec::id::{Generation, JobId, Step, SubmitKey};
use schliff_wire::v1::{self, Directive, ReportReply, ReportRequest};

use std::sync::PoisonError;

use super::{Handle, Leading};
use crate::clock::now;
use crate::edge::news::{Heard, Known, LONGEST_NODE_BYTES, heard, plain};
use crate::edge::submit::check_protocol;
use crate::journal::{Batch, Checkpoint, Eval, Line, Point, Taken};
use crate::owner::INBOX;
use crate::refusal::Refusal;
use crate::view::{Look, told};

/// Agents are asked to wait so long while much waits.
const BUSY_PAUSE_MS: u32 = 500;

impl Handle {
    /// Takes a report. What follows from it is durable when this returns.
    ///
    /// # Errors
    /// It tells what cannot be, or too much waits.
    pub async fn report(&self, request: ReportRequest) -> Result<ReportReply, Refusal> {
        let handle = self.clone();
        // A task of its own is finished also when the agent hangs up: sent again, the same report must
        // find it taken, or wait for that.
        let take = tokio::spawn(async move { handle.take_report(request).await });
        let taken = take.await;
        taken.unwrap_or_else(|error| Err(Refusal::defect(error.to_string())))
    }

    async fn take_report(&self, request: ReportRequest) -> Result<ReportReply, Refusal> {
        check_protocol(request.protocol)?;
        let leading = self.leading()?;
        let key = SubmitKey {
            job: JobId(request.job),
            generation: Generation(request.generation),
        };
        let (node, bytes) = (request.node, request.encoded_len());
        let name = plain(request.node_name.clone(), LONGEST_NODE_BYTES);
        let turn = leading.intake.turn(key, node, &self.shared.journal).await?;
        let known = self.look(|look| known(look, key, turn.taken)).await?;
        let known = known.ok_or_else(|| Refusal::no_job(key.job.0))?;
        let mut heard = heard(request, &known, now())?;
        let news = std::mem::take(&mut heard.news);
        let report = Report { key, node, news };
        leading.tell(Input::Report(report)).await?;
        // What else there is does no harm when it is told again.
        if heard.has_records() {
            let batch = batch(key, node, &mut heard);
            leading.recorder.record(batch, bytes).await?;
        }
        // Not before: steps that are remembered and not taken would be refused when they are told again.
        leading.remember(key, &name, &heard);
        let taken = heard.taken;
        turn.take(taken);
        self.shared.metrics.reports.inc();
        let _ = self.shared.changes.send(Change::Job { job: key.job.0 });
        let (directive, reason) = self
            .look(|look| directive(look.state.jobs.get(&key.job), key))
            .await?;
        Ok(ReportReply {
            taken,
            directive: directive as i32,
            reason,
            pause_ms: leading.pause_ms(),
        })
    }
}

impl Leading {
    fn remember(&self, key: SubmitKey, node: &str, heard: &Heard) {
        let memory = self.desk.memory.write();
        let mut memory = memory.unwrap_or_else(PoisonError::into_inner);
        memory.hear(key, node, heard, now());
    }

    fn pause_ms(&self) -> u32 {
        match self.inbox.capacity() < INBOX / 2 {
            true => BUSY_PAUSE_MS,
            false => 0,
        }
    }
}

/// What is known of an attempt; `None` where there is no such job.
fn known(look: Look<'_>, key: SubmitKey, taken: u64) -> Option<Known> {
    let job = look.state.jobs.get(&key.job)?;
    let attempt = job
        .attempts
        .iter()
        .rfind(|it| it.generation == key.generation);
    let is_newest = key.generation == job.generation;
    let vitals = attempt.map(|it| &it.vitals).filter(|_| is_newest);
    let recent = look.memory.of(key.job);
    let last = recent.and_then(|recent| recent.last);
    let told = vitals.and_then(|vitals| vitals.steps).map(|steps| steps.0);
    let number = |step: Option<Step>| step.map_or(0, |step| step.0);
    Some(Known {
        shape: attempt.map(|it| it.shape),
        nodes: attempt.map_or(Vec::new(), |it| it.held_nodes().to_vec()),
        crew: attempt.and_then(|it| Some(it.crew.as_ref()?.nodes.clone())),
        is_newest,
        committed: number(job.committed),
        step: recent.map_or(0, |recent| recent.told(key.generation)),
        steps: told.or(last.map(|last| last.steps)).unwrap_or(0),
        taken,
    })
}

/// What the agent is to do.
fn directive(job: Option<&Job>, key: SubmitKey) -> (Directive, Option<v1::Reason>) {
    let over = |text: &str| {
        let reason = v1::Reason {
            code: "attempt-over".into(),
            text: text.into(),
            hint: String::new(),
        };
        (Directive::Abort, Some(reason))
    };
    let Some(job) = job else {
        return over("there is no such job");
    };
    let is_live = job.live().is_some_and(|it| it.generation == key.generation);
    if !is_live {
        return over("this attempt is over");
    }
    let Some(stop) = &job.stop else {
        return (Directive::GoOn, None);
    };
    let reason = told(&Reason::Stopping {
        why: stop.why.clone(),
    });
    match stop.is_now || matches!(stop.why, StopWhy::Failed { .. }) {
        true => (Directive::Abort, Some(reason)),
        false => (Directive::Stop, Some(reason)),
    }
}

/// What the journal keeps of a report. Its lines are taken out: nothing else needs them.
fn batch(key: SubmitKey, node: u32, heard: &mut Heard) -> Batch {
    let at = |at_ms: i64| Timestamp(u64::try_from(at_ms).unwrap_or(0));
    let points = heard.points.iter().map(|it| Point {
        key,
        step: Step(it.step),
        steps: Step(it.steps),
        at: at(it.at_ms),
        loss: it.loss,
        lr: it.lr,
        tokens_per_s: it.tokens_per_s,
        grad_norm: it.grad_norm,
    });
    let evals = heard.evals.iter().map(|it| Eval {
        key,
        step: Step(it.step),
        at: at(it.at_ms),
        loss: it.loss,
        exact_match: it.exact_match,
    });
    let checkpoints = heard.checkpoints.iter().map(|it| Checkpoint {
        key,
        step: Step(it.step),
        at: at(it.at_ms),
        bytes: it.bytes,
    });
    let lines = std::mem::take(&mut heard.lines);
    let lines = lines.into_iter().map(|it| Line {
        key,
        node,
        sequence: it.sequence,
        rank: it.rank,
        at: at(it.at_ms),
        text: it.text,
    });
    let taken = Taken {
        key,
        node,
        sequence: heard.taken,
    };
    Batch {
        points: points.collect(),
        evals: evals.collect(),
        checkpoints: checkpoints.collect(),
        lines: lines.collect(),
        taken: vec![taken],
    }
}
