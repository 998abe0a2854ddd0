//! What agents tell and the brain does not need: curves, checkpoints, logs, and how much was taken.
//!
//! Rules: counted once however often it is told. A number of a step replaces that of an older attempt;
//! lines of a report that was taken are left out. All lines of one report come in the same batch, and
//! the facts that follow from a report are written before it is noted as taken.

use std::collections::BTreeMap;

use schliff_scheduler::time::Timestamp;
use schliff_spec::id::{JobId, Step, SubmitKey};
use sqlx::{AnyConnection, Row};

use super::rows::{Insert, Statement, signed, unsigned};
use super::{Journal, JournalError, Lease};

/// One step of a training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The attempt that did it.
    pub key: SubmitKey,
    /// Steps done.
    pub step: Step,
    /// Steps in all.
    pub steps: Step,
    /// When.
    pub at: Timestamp,
    /// Mean loss a trained token; NaN where it is none.
    pub loss: f64,
    /// Learning rate.
    pub lr: f64,
    /// Tokens a second.
    pub tokens_per_s: f64,
    /// The gradient's norm before the clip, where it was taken.
    pub grad_norm: Option<f64>,
}

/// A held-out evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Eval {
    /// The attempt that did it.
    pub key: SubmitKey,
    /// Steps done.
    pub step: Step,
    /// When.
    pub at: Timestamp,
    /// Mean loss a trained token; NaN where it is none.
    pub loss: f64,
    /// Share of answers that are exactly right, where that was measured.
    pub exact_match: Option<f64>,
}

/// A checkpoint that is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The attempt that wrote it.
    pub key: SubmitKey,
    /// Steps that it holds.
    pub step: Step,
    /// When.
    pub at: Timestamp,
    /// How large it is.
    pub bytes: u64,
}

/// A line of a rank's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The attempt.
    pub key: SubmitKey,
    /// The agent's node's number.
    pub node: u32,
    /// Of the report that it came in.
    pub sequence: u64,
    /// The rank.
    pub rank: u32,
    /// When.
    pub at: Timestamp,
    /// It, without its end of line.
    pub text: String,
}

/// Reports that were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The attempt.
    pub key: SubmitKey,
    /// The agent's node's number.
    pub node: u32,
    /// All up to this sequence.
    pub sequence: u64,
}

/// What is written together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Steps.
    pub points: Vec<Point>,
    /// Evaluations.
    pub evals: Vec<Eval>,
    /// Checkpoints.
    pub checkpoints: Vec<Checkpoint>,
    /// Lines, in the order of their arrival.
    pub lines: Vec<Line>,
    /// Reports that are taken with it.
    pub taken: Vec<Taken>,
}

impl Batch {
    /// There is nothing in it.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

const POINTS: Insert = Insert {
    into: "INSERT INTO points (job, step, generation, at_ms, steps, loss, lr, tokens_per_s, grad_norm)",
    columns: 9,
    on_conflict: "ON CONFLICT (job, step) DO UPDATE SET generation = excluded.generation, \
        at_ms = excluded.at_ms, steps = excluded.steps, loss = excluded.loss, lr = excluded.lr, \
        tokens_per_s = excluded.tokens_per_s, grad_norm = excluded.grad_norm \
        WHERE excluded.generation >= points.generation",
};
const EVALS: Insert = Insert {
    into: "INSERT INTO evals (job, step, generation, at_ms, loss, exact_match)",
    columns: 6,
    on_conflict: "ON CONFLICT (job, step) DO UPDATE SET generation = excluded.generation, \
        at_ms = excluded.at_ms, loss = excluded.loss, exact_match = excluded.exact_match \
        WHERE excluded.generation >= evals.generation",
};
const CHECKPOINTS: Insert = Insert {
    into: "INSERT INTO checkpoints (job, step, generation, at_ms, bytes)",
    columns: 5,
    on_conflict: "ON CONFLICT (job, step) DO UPDATE SET generation = excluded.generation, \
        at_ms = excluded.at_ms, bytes = excluded.bytes \
        WHERE excluded.generation >= checkpoints.generation",
};
const TAKEN: Insert = Insert {
    into: "INSERT INTO reports (job, generation, node, taken)",
    columns: 4,
    on_conflict: "ON CONFLICT (job, generation, node) DO UPDATE SET taken = excluded.taken \
        WHERE excluded.taken > reports.taken",
};

impl Journal {
    /// Writes a batch, all or nothing.
    ///
    /// # Errors
    /// As [`Self::append`]; the same batch may be written again.
    pub async fn record(&self, lease: &Lease, batch: &Batch) -> Result<(), JournalError> {
        if batch.is_empty() {
            return Ok(());
        }
        let failed = self.failed("write what agents told");
        // Positions of lines are handed out here: one batch at a time.
        let _turn = self.recording.lock().await;
        let mut transaction = self.fenced(lease, &failed).await?;
        let lines_per_job = self.lines_per_job;
        let written = write(&mut transaction, batch, lines_per_job).await;
        written.map_err(&failed)?;
        self.commit(transaction).await.map_err(&failed)
    }

    /// The newest report that was taken of each node of an attempt.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn taken(&self, key: SubmitKey) -> Result<BTreeMap<u32, u64>, JournalError> {
        let failed = self.failed("read which reports were taken");
        let query = "SELECT node, taken FROM reports WHERE job = $1 AND generation = $2";
        let query = sqlx::query(query)
            .bind(signed(key.job.0))
            .bind(signed(key.generation.0));
        let rows = query.fetch_all(&self.reader).await.map_err(&failed)?;
        let pair = |row: &sqlx::any::AnyRow| -> sqlx::Result<_> {
            let node = u32::try_from(row.try_get::<i64, _>(0)?).unwrap_or(u32::MAX);
            Ok((node, unsigned(row.try_get(1)?)))
        };
        rows.iter()
            .map(pair)
            .collect::<Result<_, _>>()
            .map_err(&failed)
    }
}

async fn write(
    connection: &mut AnyConnection,
    batch: &Batch,
    lines_per_job: u64,
) -> sqlx::Result<()> {
    let points = newest(&batch.points, |point| (point.key, point.step));
    let bind = |statement: Statement, point: &&Point| {
        let statement = begin(statement, point.key, point.step, point.at);
        statement
            .bind(signed(point.steps.0))
            .bind(point.loss)
            .bind(point.lr)
            .bind(point.tokens_per_s)
            .bind(point.grad_norm.unwrap_or(f64::NAN))
    };
    POINTS.run(connection, &points, bind).await?;
    let evals = newest(&batch.evals, |eval| (eval.key, eval.step));
    let bind = |statement: Statement, eval: &&Eval| {
        let statement = begin(statement, eval.key, eval.step, eval.at);
        statement
            .bind(eval.loss)
            .bind(eval.exact_match.unwrap_or(f64::NAN))
    };
    EVALS.run(connection, &evals, bind).await?;
    let checkpoints = newest(&batch.checkpoints, |checkpoint| {
        (checkpoint.key, checkpoint.step)
    });
    let bind = |statement: Statement, checkpoint: &&Checkpoint| {
        let (key, step, at) = (checkpoint.key, checkpoint.step, checkpoint.at);
        let statement = begin(statement, key, step, at);
        statement.bind(signed(checkpoint.bytes))
    };
    CHECKPOINTS.run(connection, &checkpoints, bind).await?;
    super::lines::write(connection, &batch.lines, lines_per_job).await?;
    note_taken(connection, batch).await
}

/// The columns that all of them begin with.
fn begin(statement: Statement, key: SubmitKey, step: Step, at: Timestamp) -> Statement {
    statement
        .bind(signed(key.job.0))
        .bind(signed(step.0))
        .bind(signed(key.generation.0))
        .bind(signed(at.0))
}

/// One for each job and step, in their order: a statement must not change a row twice.
fn newest<T>(all: &[T], place: impl Fn(&T) -> (SubmitKey, Step)) -> Vec<&T> {
    let mut newest: BTreeMap<(JobId, Step), &T> = BTreeMap::new();
    for one in all {
        let (key, step) = place(one);
        let kept = newest.entry((key.job, step)).or_insert(one);
        if place(kept).0.generation <= key.generation {
            *kept = one;
        }
    }
    newest.into_values().collect()
}

/// Notes reports as taken, also those that lines came in.
async fn note_taken(connection: &mut AnyConnection, batch: &Batch) -> sqlx::Result<()> {
    let told = batch
        .taken
        .iter()
        .map(|taken| (taken.key, taken.node, taken.sequence));
    let of_lines = batch
        .lines
        .iter()
        .map(|line| (line.key, line.node, line.sequence));
    let mut newest: BTreeMap<(SubmitKey, u32), u64> = BTreeMap::new();
    for (key, node, sequence) in told.chain(of_lines) {
        let kept = newest.entry((key, node)).or_default();
        *kept = sequence.max(*kept);
    }
    let rows: Vec<_> = newest.into_iter().collect();
    let bind = |statement: Statement, ((key, node), sequence): &((SubmitKey, u32), u64)| {
        statement
            .bind(signed(key.job.0))
            .bind(signed(key.generation.0))
            .bind(i64::from(*node))
            .bind(signed(*sequence))
    };
    TAKEN.run(connection, &rows, bind).await
}
