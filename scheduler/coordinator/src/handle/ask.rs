//! What changes nothing.

use schliff_backend::chain;
use schliff_scheduler::check;
use schliff_spec::id::{ClusterName, Generation, JobId, Step};
use schliff_wire::v1::{
    CheckpointView, ClustersReply, EvalPoint, Explanation, HistoryReply, JobView, ListReply,
    ListRequest, LogChunk, LogLine, LogsRequest, NodesReply, NodesRequest, SeriesReply,
    SeriesRequest, ServerReply, StepPoint,
};
use schliff_wire::{MAX_MESSAGE_BYTES, PROTOCOL};

use super::Handle;
use crate::clock::wire_ms;
use crate::journal::{Checkpoint, Eval, FoundLine, JournalError, LINE_BYTES, LineQuery, Point};
use crate::refusal::{Refusal, RefusalKind};
use crate::view::{cluster, entry, explanation, list};

/// Points of a curve where nobody says otherwise, and at most.
const USUAL_POINTS: u32 = 1_000;
const MOST_POINTS: u32 = 20_000;
/// Lines of one answer: with the longest lines it stays below the limit of a message.
pub(super) const MOST_LINES: u32 = 500;
/// What a line takes in a message besides its text, at most.
const FRAME_BYTES: usize = 64;
const _: () = assert!(MOST_LINES as usize * (LINE_BYTES + FRAME_BYTES) < MAX_MESSAGE_BYTES);

impl From<JournalError> for Refusal {
    fn from(error: JournalError) -> Self {
        Self::new(RefusalKind::Unavailable, "journal", chain(&error))
    }
}

impl Handle {
    /// The coordinator itself; also on standby.
    ///
    /// # Errors
    /// It is about to end.
    pub async fn server(&self) -> Result<ServerReply, Refusal> {
        let shared = &self.shared;
        let mut reply = ServerReply {
            version: shared.version.clone(),
            protocol: PROTOCOL,
            leader: self.is_leading(),
            leader_url: self.leader(),
            started_ms: shared.started_ms,
            ..ServerReply::default()
        };
        if reply.leader {
            let told = self.look(|look| (look.state.jobs.len() as u64, check(look.state)));
            let (jobs, violations) = told.await?;
            reply.jobs = jobs;
            let told = violations
                .iter()
                .map(|it| format!("{}: {}", it.id, it.text));
            reply.violations = told.collect();
        }
        Ok(reply)
    }

    /// Jobs, the newest first.
    ///
    /// # Errors
    /// This coordinator is not the one to ask.
    pub async fn list(&self, request: &ListRequest) -> Result<ListReply, Refusal> {
        self.look(|look| list::list(look, request)).await
    }

    /// A job with all that is known of it.
    ///
    /// # Errors
    /// There is no such job.
    pub async fn get(&self, id: u64) -> Result<JobView, Refusal> {
        let mut view = self.view(id).await?;
        let checkpoints = self.shared.journal.checkpoints(JobId(id)).await?;
        view.checkpoints = checkpoints.iter().map(checkpoint).collect();
        for attempt in &mut view.attempts {
            let own = view.checkpoints.iter();
            let own = own.filter(|checkpoint| checkpoint.generation == attempt.generation);
            attempt.committed = own.map(|checkpoint| checkpoint.step).max();
        }
        Ok(view)
    }

    /// Why a job is as it is.
    ///
    /// # Errors
    /// There is no such job.
    pub async fn explain(&self, id: u64) -> Result<Explanation, Refusal> {
        let explained = self.look(|look| explanation(look, JobId(id))).await?;
        explained.ok_or_else(|| Refusal::no_job(id))
    }

    /// A job's curves.
    ///
    /// # Errors
    /// There is no such job, or the journal cannot be read.
    pub async fn series(&self, request: &SeriesRequest) -> Result<SeriesReply, Refusal> {
        self.must_exist(request.job).await?;
        let most = match request.points {
            0 => USUAL_POINTS,
            points => points.min(MOST_POINTS),
        };
        let (job, after) = (JobId(request.job), Step(request.after_step));
        let journal = &self.shared.journal;
        let steps = journal.points(job, after, most).await?;
        let evals = journal.evals(job).await?;
        Ok(SeriesReply {
            steps: steps.iter().map(step_point).collect(),
            evals: evals.iter().map(eval_point).collect(),
        })
    }

    /// Lines of a job so far, and the position after which to go on.
    ///
    /// # Errors
    /// There is no such job, or the journal cannot be read.
    pub async fn logs(&self, request: &LogsRequest) -> Result<LogChunk, Refusal> {
        self.must_exist(request.job).await?;
        let (chunk, _) = self.lines(request).await?;
        Ok(chunk)
    }

    pub(super) async fn lines(&self, request: &LogsRequest) -> Result<(LogChunk, u64), Refusal> {
        let query = LineQuery {
            from_end: request.tail > 0,
            limit: match request.tail {
                0 => MOST_LINES,
                tail => tail.min(MOST_LINES),
            },
            ..query(request)
        };
        let log = self.shared.journal.lines(&query).await?;
        let is_full = log.lines.len() >= query.limit as usize && !query.from_end;
        let last = log.lines.last().map(|line| line.position);
        // All that came before the newest was looked at, unless the answer was cut short.
        let next = match (is_full, last) {
            (true, Some(last)) => last,
            _ => log.newest.max(request.after),
        };
        let lines = log.lines.into_iter().map(log_line).collect();
        Ok((LogChunk { lines }, next))
    }

    /// More lines from the end than one answer has are told as all those after a position.
    pub(super) async fn begin_at(&self, request: &mut LogsRequest) -> Result<(), Refusal> {
        if request.tail > MOST_LINES {
            let journal = &self.shared.journal;
            request.after = journal.before_last(&query(request), request.tail).await?;
            request.tail = 0;
        }
        Ok(())
    }

    /// A job's entries of the journal.
    ///
    /// # Errors
    /// There is no such job, or the journal cannot be read.
    pub async fn history(&self, id: u64) -> Result<HistoryReply, Refusal> {
        self.must_exist(id).await?;
        let entries = self.shared.journal.history(JobId(id)).await?;
        let entries = entries.iter().map(|it| entry::entry(it.seq, &it.fact));
        Ok(HistoryReply {
            entries: entries.collect(),
        })
    }

    /// All clusters.
    ///
    /// # Errors
    /// This coordinator is not the one to ask.
    pub async fn clusters(&self) -> Result<ClustersReply, Refusal> {
        let leading = self.leading()?;
        let mut clusters = self
            .look(|look| {
                let all = look.state.clusters.values();
                all.map(|it| cluster::cluster(look, it)).collect::<Vec<_>>()
            })
            .await?;
        for view in &mut clusters {
            let name = view.name.parse::<ClusterName>().ok();
            match name.and_then(|name| leading.standings.get(&name)) {
                Some(standing) => {
                    view.backend = standing.backend.kind().to_owned();
                    (view.calls, view.calls_failed) = standing.backend.calls();
                    let traffic = standing.backend.traffic();
                    (view.rpcs, view.logins) = (traffic.rpcs, traffic.logins);
                    view.trouble = standing.trouble();
                }
                None => view.trouble = "it is configured no more".into(),
            }
        }
        Ok(ClustersReply { clusters })
    }

    /// The nodes of a cluster, or of all.
    ///
    /// # Errors
    /// There is no such cluster.
    pub async fn nodes(&self, request: &NodesRequest) -> Result<NodesReply, Refusal> {
        let wanted = request.cluster.as_str();
        let nodes = self.look(|look| {
            let all = look.state.clusters.values();
            let own = all.filter(|it| wanted.is_empty() || it.name.as_str() == wanted);
            let own: Vec<_> = own.collect();
            let is_known = wanted.is_empty() || !own.is_empty();
            is_known.then(|| {
                own.into_iter()
                    .flat_map(|it| cluster::nodes(look, it))
                    .collect()
            })
        });
        match nodes.await? {
            Some(nodes) => Ok(NodesReply { nodes }),
            None => Err(Refusal::new(
                RefusalKind::Missing,
                "no-such-cluster",
                format!("there is no cluster {wanted}"),
            )),
        }
    }

    pub(super) async fn must_exist(&self, id: u64) -> Result<(), Refusal> {
        let is_there = self.look(|look| look.state.jobs.contains_key(&JobId(id)));
        match is_there.await? {
            true => Ok(()),
            false => Err(Refusal::no_job(id)),
        }
    }
}

fn query(request: &LogsRequest) -> LineQuery {
    LineQuery {
        after: request.after,
        rank: request.rank,
        generation: request.generation.map(Generation),
        contains: request.contains.clone(),
        ..LineQuery::of(JobId(request.job))
    }
}

fn checkpoint(it: &Checkpoint) -> CheckpointView {
    CheckpointView {
        step: it.step.0,
        at_ms: wire_ms(it.at),
        bytes: it.bytes,
        generation: it.key.generation.0,
    }
}

pub(crate) fn step_point(it: &Point) -> StepPoint {
    StepPoint {
        step: it.step.0,
        steps: it.steps.0,
        loss: it.loss,
        lr: it.lr,
        tokens_per_s: it.tokens_per_s,
        grad_norm: it.grad_norm,
        at_ms: wire_ms(it.at),
        generation: it.key.generation.0,
    }
}

fn eval_point(it: &Eval) -> EvalPoint {
    EvalPoint {
        step: it.step.0,
        loss: it.loss,
        exact_match: it.exact_match,
        at_ms: wire_ms(it.at),
    }
}

fn log_line(it: FoundLine) -> LogLine {
    LogLine {
        position: it.position,
        generation: it.generation.0,
        rank: it.rank,
        at_ms: wire_ms(it.at),
        text: it.text,
    }
}
