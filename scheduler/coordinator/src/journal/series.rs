//! Curves of jobs, read back.

use schliff_scheduler::time::Timestamp;
use schliff_spec::id::{Generation, JobId, Step, SubmitKey};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::rows::{signed, unsigned};
use super::{Checkpoint, Eval, Journal, JournalError, Point};

/// Evenly thinned to at most $3 of them; the last one is always among them.
const POINTS: &str = "SELECT step, generation, at_ms, steps, loss, lr, tokens_per_s, grad_norm FROM \
    (SELECT points.*, ROW_NUMBER() OVER (ORDER BY step) AS place, COUNT(*) OVER () AS places \
     FROM points WHERE job = $1 AND step > $2) AS placed \
    WHERE place * $3 / places > (place - 1) * $3 / places ORDER BY step";

impl Journal {
    /// Steps of a job after `after`, evenly thinned to at most so many.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn points(
        &self,
        job: JobId,
        after: Step,
        most: u32,
    ) -> Result<Vec<Point>, JournalError> {
        let query = sqlx::query(POINTS)
            .bind(signed(job.0))
            .bind(signed(after.0))
            .bind(i64::from(most));
        let rows = query.fetch_all(&self.reader).await;
        self.read("read steps", rows, |row| point(job, row))
    }

    /// The last step of a job that was told of.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn last_point(&self, job: JobId) -> Result<Option<Point>, JournalError> {
        let query = "SELECT step, generation, at_ms, steps, loss, lr, tokens_per_s, grad_norm
            FROM points WHERE job = $1 ORDER BY step DESC LIMIT 1";
        let rows = sqlx::query(query)
            .bind(signed(job.0))
            .fetch_all(&self.reader)
            .await;
        let points = self.read("read the last step", rows, |row| point(job, row))?;
        Ok(points.into_iter().next())
    }

    /// Evaluations of a job.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn evals(&self, job: JobId) -> Result<Vec<Eval>, JournalError> {
        let query = "SELECT step, generation, at_ms, loss, exact_match FROM evals
            WHERE job = $1 ORDER BY step";
        let rows = sqlx::query(query)
            .bind(signed(job.0))
            .fetch_all(&self.reader)
            .await;
        let eval = |row: &AnyRow| -> sqlx::Result<_> {
            let (step, key, at) = place(job, row)?;
            Ok(Eval {
                key,
                step,
                at,
                loss: number(row, 3)?,
                exact_match: some(number(row, 4)?),
            })
        };
        self.read("read evaluations", rows, eval)
    }

    /// Checkpoints of a job.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn checkpoints(&self, job: JobId) -> Result<Vec<Checkpoint>, JournalError> {
        let query = "SELECT step, generation, at_ms, bytes FROM checkpoints
            WHERE job = $1 ORDER BY step";
        let rows = sqlx::query(query)
            .bind(signed(job.0))
            .fetch_all(&self.reader)
            .await;
        let checkpoint = |row: &AnyRow| -> sqlx::Result<_> {
            let (step, key, at) = place(job, row)?;
            let bytes = unsigned(row.try_get(3)?);
            Ok(Checkpoint {
                key,
                step,
                at,
                bytes,
            })
        };
        self.read("read checkpoints", rows, checkpoint)
    }

    fn read<T>(
        &self,
        operation: &'static str,
        rows: sqlx::Result<Vec<AnyRow>>,
        one: impl Fn(&AnyRow) -> sqlx::Result<T>,
    ) -> Result<Vec<T>, JournalError> {
        let all = rows.and_then(|rows| rows.iter().map(one).collect());
        all.map_err(self.failed(operation))
    }
}

/// The columns that all of them begin with.
fn place(job: JobId, row: &AnyRow) -> sqlx::Result<(Step, SubmitKey, Timestamp)> {
    let generation = Generation(unsigned(row.try_get(1)?));
    let step = Step(unsigned(row.try_get(0)?));
    let at = Timestamp(unsigned(row.try_get(2)?));
    Ok((step, SubmitKey { job, generation }, at))
}

fn point(job: JobId, row: &AnyRow) -> sqlx::Result<Point> {
    let (step, key, at) = place(job, row)?;
    Ok(Point {
        key,
        step,
        steps: Step(unsigned(row.try_get(3)?)),
        at,
        loss: number(row, 4)?,
        lr: number(row, 5)?,
        tokens_per_s: number(row, 6)?,
        grad_norm: some(number(row, 7)?),
    })
}

/// SQLite has no NaN and keeps it as null.
fn number(row: &AnyRow, column: usize) -> sqlx::Result<f64> {
    Ok(row.try_get::<Option<f64>, _>(column)?.unwrap_or(f64::NAN))
}

fn some(number: f64) -> Option<f64> {
    (!number.is_nan()).then_some(number)
}
