//! Facts in, facts out.
//!
//! Rules: a fact's number is one more than that of the one before; a gap is an error, not a guess.

use futures_util::TryStreamExt;
use schliff_scheduler::State;
use schliff_scheduler::fact::Fact;
use schliff_spec::id::JobId;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::rows::{Insert, signed, unsigned};
use super::{Journal, JournalError, Lease};

/// Form of a fact's text; fields are only ever added, so it has not changed yet.
const VERSION: i64 = 1;

const INSERT: Insert = Insert {
    into: "INSERT INTO facts (seq, at_ms, job, kind, version, body)",
    columns: 6,
    on_conflict: "",
};

/// What a journal holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayed {
    /// The state that its facts make.
    pub state: State,
    /// The number of the next fact.
    pub next_seq: u64,
}

/// One entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its number.
    pub seq: u64,
    /// What happened.
    pub fact: Fact,
    /// The same as it is written.
    pub body: String,
}

/// A fact as it is written.
struct Written<'f> {
    seq: u64,
    fact: &'f Fact,
    body: String,
}

impl Journal {
    /// Writes facts, all or none, and gives the number of the next one. Those that are not kept are
    /// left out. When it returns, they are durable.
    ///
    /// # Errors
    /// Nothing was written where the lease is not held any more. After any other error it is unknown
    /// whether they were: the caller's state must be given up.
    pub async fn append(
        &self,
        lease: &Lease,
        first_seq: u64,
        facts: &[Fact],
    ) -> Result<u64, JournalError> {
        let kept = facts.iter().filter(|fact| fact.is_kept());
        let written = (first_seq..).zip(kept).map(|(seq, fact)| {
            let body = serde_json::to_string(fact);
            body.map(|body| Written { seq, fact, body })
        });
        let written: Result<Vec<_>, _> = written.collect();
        let written = written.map_err(|cause| JournalError::Encode {
            what: "a fact",
            cause,
        })?;
        if written.is_empty() {
            return Ok(first_seq);
        }
        let failed = self.failed("write facts");
        let mut transaction = self.fenced(lease, &failed).await?;
        if let Err(cause) = insert(&mut transaction, &written).await {
            // Somebody has written under these numbers, which only a leader can.
            let taken = cause
                .as_database_error()
                .is_some_and(|e| e.is_unique_violation());
            return Err(if taken { self.deposed() } else { failed(cause) });
        }
        self.commit(transaction).await.map_err(&failed)?;
        Ok(first_seq + written.len() as u64)
    }

    /// The newest readable snapshot and all facts since.
    ///
    /// # Errors
    /// A fact cannot be read, or is missing.
    pub async fn load(&self) -> Result<Replayed, JournalError> {
        let mut replayed = self.newest_snapshot().await?.unwrap_or(Replayed {
            state: State::default(),
            next_seq: 1,
        });
        let failed = self.failed("read the facts");
        let from = signed(replayed.next_seq);
        let mut rows =
            sqlx::query("SELECT seq, kind, body FROM facts WHERE seq >= $1 ORDER BY seq")
                .bind(from)
                .fetch(&self.reader);
        while let Some(row) = rows.try_next().await.map_err(&failed)? {
            let entry = self.entry(&row)?;
            if entry.seq != replayed.next_seq {
                return Err(JournalError::Gap {
                    journal: self.url.to_string(),
                    expected: replayed.next_seq,
                    found: entry.seq,
                });
            }
            replayed.state.apply(&entry.fact);
            replayed.next_seq += 1;
        }
        Ok(replayed)
    }

    /// The entries of one job, oldest first.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub async fn history(&self, job: JobId) -> Result<Vec<Entry>, JournalError> {
        let query = "SELECT seq, kind, body FROM facts WHERE job = $1 ORDER BY seq";
        let rows = sqlx::query(query)
            .bind(signed(job.0))
            .fetch_all(&self.reader);
        let rows = rows.await.map_err(self.failed("read a job's facts"))?;
        rows.iter().map(|row| self.entry(row)).collect()
    }

    fn entry(&self, row: &AnyRow) -> Result<Entry, JournalError> {
        let failed = self.failed("read a fact");
        let seq = unsigned(row.try_get(0).map_err(&failed)?);
        let body: String = row.try_get(2).map_err(&failed)?;
        match serde_json::from_str(&body) {
            Ok(fact) => Ok(Entry { seq, fact, body }),
            Err(cause) => Err(JournalError::Entry {
                journal: self.url.to_string(),
                seq,
                kind: row.try_get(1).map_err(&failed)?,
                cause,
            }),
        }
    }

    pub(super) fn deposed(&self) -> JournalError {
        JournalError::Deposed {
            journal: self.url.to_string(),
        }
    }
}

async fn insert(connection: &mut AnyConnection, facts: &[Written<'_>]) -> sqlx::Result<()> {
    let bind = INSERT.run(connection, facts, |statement, written| {
        let job = written.fact.job().map(|job| signed(job.0));
        statement
            .bind(signed(written.seq))
            .bind(signed(written.fact.at.0))
            .bind(job)
            .bind(written.fact.kind())
            .bind(VERSION)
            .bind(written.body.clone())
    });
    bind.await
}
