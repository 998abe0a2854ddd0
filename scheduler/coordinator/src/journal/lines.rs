//! Logs of jobs.
//!
//! Rules: a line's position only grows within its job and has no gaps, so that a reader goes on after
//! the last one that it saw. The oldest lines are dropped where a job has too many, and counted.

use std::collections::{BTreeMap, BTreeSet};

use schliff_scheduler::time::Timestamp;
use schliff_spec::id::{Generation, JobId, SubmitKey};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::record::Line;
use super::rows::{Insert, Statement, of_jobs, signed, unsigned};
use super::{Dialect, Journal, JournalError};

/// Bytes of a line that are kept; agents cut theirs so, too.
pub(crate) const LINE_BYTES: usize = 8 << 10;
/// Lines of one answer, at most.
const MOST_LINES: u32 = 10_000;

const INSERT: Insert = Insert {
    into: "INSERT INTO lines (job, position, generation, rank, at_ms, text)",
    columns: 6,
    on_conflict: "",
};

const HEADS: Insert = Insert {
    into: "INSERT INTO logs (job, newest, dropped)",
    columns: 3,
    on_conflict: "ON CONFLICT (job) DO UPDATE SET newest = excluded.newest, \
        dropped = excluded.dropped",
};

/// Which lines of a job's log are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineQuery {
    /// The job.
    pub job: JobId,
    /// Those after this position.
    pub after: u64,
    /// The last ones, instead of the first after `after`.
    pub from_end: bool,
    /// So many at most; there is a limit of ten thousand.
    pub limit: u32,
    /// Of this rank only.
    pub rank: Option<u32>,
    /// Of this attempt only.
    pub generation: Option<Generation>,
    /// Those that contain this text.
    pub contains: String,
}

impl LineQuery {
    /// The first lines of a job.
    pub fn of(job: JobId) -> Self {
        Self {
            job,
            after: 0,
            from_end: false,
            limit: MOST_LINES,
            rank: None,
            generation: None,
            contains: String::new(),
        }
    }
}

/// A line that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundLine {
    /// Its place in the job's log, from 1.
    pub position: u64,
    /// The attempt.
    pub generation: Generation,
    /// The rank.
    pub rank: u32,
    /// When.
    pub at: Timestamp,
    /// It.
    pub text: String,
}

/// A part of a job's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Lines by rising position.
    pub lines: Vec<FoundLine>,
    /// The newest position of the job, whatever was asked for.
    pub newest: u64,
    /// The oldest lines, up to this position, were dropped.
    pub dropped: u64,
}

impl Journal {
    /// Lines of a job's log.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn lines(&self, query: &LineQuery) -> Result<Log, JournalError> {
        let failed = self.failed("read a log");
        let mut connection = self.reader.acquire().await.map_err(&failed)?;
        // Read first, so that a reader who goes on after `newest` misses nothing.
        let heads = heads(&mut connection, &[query.job])
            .await
            .map_err(&failed)?;
        let (newest, dropped) = heads.get(&query.job).copied().unwrap_or_default();
        let order = if query.from_end { "DESC" } else { "ASC" };
        let text = format!(
            "SELECT position, generation, rank, at_ms, text FROM lines {} \
             ORDER BY position {order} LIMIT $7",
            self.dialect.wanted()
        );
        let rows = bound(sqlx::query(AssertSqlSafe(text)), query, newest)
            .bind(i64::from(query.limit.min(MOST_LINES)));
        let rows = rows.fetch_all(&mut *connection).await.map_err(&failed)?;
        let lines: Result<Vec<_>, _> = rows.iter().map(found).collect();
        let mut lines = lines.map_err(&failed)?;
        if query.from_end {
            lines.reverse();
        }
        Ok(Log {
            lines,
            newest,
            dropped,
        })
    }
}

impl Journal {
    /// The position after which the last `count` lines of those come that a query finds.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn before_last(&self, query: &LineQuery, count: u32) -> Result<u64, JournalError> {
        let failed = self.failed("look for the end of a log");
        let text = format!(
            "SELECT position FROM lines {} ORDER BY position DESC LIMIT 1 OFFSET $7",
            self.dialect.wanted()
        );
        let found = bound(sqlx::query(AssertSqlSafe(text)), query, u64::MAX)
            .bind(i64::from(count))
            .fetch_optional(&self.reader);
        match found.await.map_err(&failed)? {
            Some(row) => row.try_get(0).map(unsigned).map_err(&failed),
            None => Ok(query.after),
        }
    }
}

impl Dialect {
    /// Which lines are wanted; [`bound`] says by what.
    fn wanted(self) -> String {
        format!(
            "WHERE job = $1 AND position > $2 AND position <= $3 AND ($4 < 0 OR rank = $4) \
             AND ($5 < 0 OR generation = $5) AND ($6 = '' OR {}(text, $6) > 0)",
            self.position_of()
        )
    }
}

/// The first six values of a statement.
fn bound(statement: Statement, query: &LineQuery, newest: u64) -> Statement {
    let generation = query.generation;
    statement
        .bind(signed(query.job.0))
        .bind(signed(query.after))
        .bind(signed(newest))
        .bind(query.rank.map_or(-1, i64::from))
        .bind(generation.map_or(-1, |generation| signed(generation.0)))
        .bind(query.contains.replace('\0', "\u{fffd}"))
}

fn found(row: &AnyRow) -> sqlx::Result<FoundLine> {
    Ok(FoundLine {
        position: unsigned(row.try_get(0)?),
        generation: Generation(unsigned(row.try_get(1)?)),
        rank: u32::try_from(row.try_get::<i64, _>(2)?).unwrap_or(u32::MAX),
        at: Timestamp(unsigned(row.try_get(3)?)),
        text: row.try_get(4)?,
    })
}

/// The newest position of a job's log, and up to which it was dropped.
type Head = (u64, u64);

/// Writes lines that were not taken yet.
pub(super) async fn write(
    connection: &mut AnyConnection,
    lines: &[Line],
    per_job: u64,
) -> sqlx::Result<()> {
    let jobs: BTreeSet<JobId> = lines.iter().map(|line| line.key.job).collect();
    let jobs: Vec<_> = jobs.into_iter().collect();
    let taken = taken(connection, &jobs).await?;
    let is_new = |line: &&Line| {
        let taken = taken.get(&(line.key, line.node));
        taken.is_none_or(|taken| *taken < line.sequence)
    };
    let before = heads(connection, &jobs).await?;
    let (placed, after) = place(&before, lines.iter().filter(is_new), per_job);
    let bind = |statement: Statement, (position, line): &(u64, &Line)| {
        statement
            .bind(signed(line.key.job.0))
            .bind(signed(*position))
            .bind(signed(line.key.generation.0))
            .bind(i64::from(line.rank))
            .bind(signed(line.at.0))
            .bind(written(&line.text))
    };
    INSERT.run(connection, &placed, bind).await?;
    for (job, (_, dropped)) in &after {
        if before.get(job).is_none_or(|(_, earlier)| earlier < dropped) && *dropped > 0 {
            let delete = sqlx::query("DELETE FROM lines WHERE job = $1 AND position <= $2");
            let delete = delete.bind(signed(job.0)).bind(signed(*dropped));
            delete.execute(&mut *connection).await?;
        }
    }
    let after: Vec<_> = after.into_iter().collect();
    let bind = |statement: Statement, (job, (newest, dropped)): &(JobId, Head)| {
        statement
            .bind(signed(job.0))
            .bind(signed(*newest))
            .bind(signed(*dropped))
    };
    HEADS.run(connection, &after, bind).await
}

/// Gives each line its position, drops those that are too old already, and gives the new heads.
fn place<'l>(
    before: &BTreeMap<JobId, Head>,
    lines: impl Iterator<Item = &'l Line>,
    per_job: u64,
) -> (Vec<(u64, &'l Line)>, BTreeMap<JobId, Head>) {
    let mut after: BTreeMap<JobId, Head> = BTreeMap::new();
    let mut placed = Vec::new();
    for line in lines {
        let job = line.key.job;
        let known = before.get(&job).copied().unwrap_or_default();
        let (newest, _) = after.entry(job).or_insert(known);
        *newest += 1;
        placed.push((*newest, line));
    }
    for (newest, dropped) in after.values_mut() {
        // Some more than wanted are let grow, so that not every batch has to drop a few.
        if *newest - *dropped > per_job + per_job / 8 {
            *dropped = *newest - per_job;
        }
    }
    let dropped = |line: &Line| after.get(&line.key.job).map_or(0, |(_, dropped)| *dropped);
    placed.retain(|(position, line)| *position > dropped(line));
    (placed, after)
}

/// The heads of jobs that have a log.
async fn heads(
    connection: &mut AnyConnection,
    jobs: &[JobId],
) -> sqlx::Result<BTreeMap<JobId, Head>> {
    let rows = of_jobs(connection, "SELECT job, newest, dropped FROM logs", jobs).await?;
    let read = |row: &AnyRow| -> sqlx::Result<_> {
        let head = (unsigned(row.try_get(1)?), unsigned(row.try_get(2)?));
        Ok((JobId(unsigned(row.try_get(0)?)), head))
    };
    rows.iter().map(read).collect()
}

/// The newest report of each attempt and node of jobs that was taken.
async fn taken(
    connection: &mut AnyConnection,
    jobs: &[JobId],
) -> sqlx::Result<BTreeMap<(SubmitKey, u32), u64>> {
    let select = "SELECT job, generation, node, taken FROM reports";
    let rows = of_jobs(connection, select, jobs).await?;
    let read = |row: &AnyRow| -> sqlx::Result<_> {
        let key = SubmitKey {
            job: JobId(unsigned(row.try_get(0)?)),
            generation: Generation(unsigned(row.try_get(1)?)),
        };
        let node = u32::try_from(row.try_get::<i64, _>(2)?).unwrap_or(u32::MAX);
        Ok(((key, node), unsigned(row.try_get(3)?)))
    };
    rows.iter().map(read).collect()
}

/// A line as it is kept: not too long, and without the character that Postgres has no place for.
fn written(text: &str) -> String {
    text[..text.floor_char_boundary(LINE_BYTES)].replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_between_characters_and_have_no_zero() {
        assert_eq!(written("a\0b"), "a\u{fffd}b");
        assert_eq!(written(&"€".repeat(LINE_BYTES)).len(), LINE_BYTES / 3 * 3);
    }
}
