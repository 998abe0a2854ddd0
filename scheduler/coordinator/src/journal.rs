//! Keeps what has happened, so that a coordinator that dies goes on where it was.
//!
//! Rules: facts are never changed or deleted; a batch of them is written whole or not at all, and only
//! by the coordinator that leads ([`Lease`]). What agents told besides (curves, logs) is counted once
//! however often it is told. One code path serves SQLite and Postgres; where they differ, `Dialect`
//! says so. On SQLite one connection writes, so that nobody ever waits for a lock.
//! Absent on purpose: deciding anything, and the clock of this machine in a lease on Postgres.

mod error;
mod facts;
mod faults;
mod lead;
mod lines;
mod record;
mod rows;
mod schema;
mod series;
mod snapshot;
mod url;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Any, AnyConnection, AnyPool, ConnectOptions, Executor, Transaction};

pub use error::JournalError;
pub use facts::{Entry, Replayed};
pub use faults::{CrashPoint, CrashPointError, Faults};
pub use lead::{LEASE_MS, LeaderInfo, Lease, RENEW_MS};
pub use lines::{FoundLine, LineQuery, Log};
pub use record::{Batch, Checkpoint, Eval, Line, Point, Taken};
pub use url::{JournalUrl, JournalUrlError};

pub(crate) use lines::LINE_BYTES;

use faults::Commits;

/// Connections that read at the same time: pages and logs, which must not wait for each other.
const READERS: u32 = 4;
/// Connections that write on Postgres: facts, what agents told, and the lease.
const WRITERS: u32 = 3;
/// For a free connection.
const ACQUIRE: Duration = Duration::from_secs(10);

/// How a journal is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// What it does wrong on purpose.
    pub faults: Faults,
    /// The newest lines of a job's log that are kept, at least.
    pub lines_per_job: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            faults: Faults::default(),
            lines_per_job: 50_000,
        }
    }
}

/// A journal that is open. Copies share its connections.
#[derive(Clone, Debug)]
pub struct Journal {
    url: JournalUrl,
    dialect: Dialect,
    writer: AnyPool,
    reader: AnyPool,
    commits: Arc<Commits>,
    recording: Arc<tokio::sync::Mutex<()>>,
    lines_per_job: u64,
}

impl Journal {
    /// Opens it, and brings it into the newest form.
    ///
    /// # Errors
    /// It cannot be reached, or a newer program has changed it.
    pub async fn open(url: &JournalUrl, options: Options) -> Result<Self, JournalError> {
        sqlx::any::install_default_drivers();
        let dialect = match url {
            JournalUrl::Sqlite(_) => Dialect::Sqlite,
            JournalUrl::Postgres(_) => Dialect::Postgres,
        };
        let failed = |cause| JournalError::Database {
            operation: "open the database",
            journal: url.to_string(),
            cause,
        };
        let connect = AnyConnectOptions::from_str(&url.for_driver()).map_err(failed)?;
        let connect = connect.disable_statement_logging();
        let writer = dialect.pool(dialect.writers(), dialect.writer_settings());
        let reader = dialect.pool(READERS, dialect.reader_settings());
        let journal = Self {
            url: url.clone(),
            dialect,
            writer: writer.connect_with(connect.clone()).await.map_err(failed)?,
            reader: reader.connect_lazy_with(connect),
            commits: Arc::new(Commits::new(options.faults)),
            recording: Arc::default(),
            lines_per_job: options.lines_per_job.max(1),
        };
        journal.migrate().await?;
        Ok(journal)
    }

    /// Where it is, without a password.
    pub fn url(&self) -> &JournalUrl {
        &self.url
    }

    /// Ends all connections, after what they are doing.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    /// Begins to write.
    async fn begin(&self) -> sqlx::Result<Transaction<'static, Any>> {
        match self.dialect {
            // What is read first in it must not be changed by another process before it writes.
            Dialect::Sqlite => self.writer.begin_with("BEGIN IMMEDIATE").await,
            Dialect::Postgres => self.writer.begin().await,
        }
    }

    /// Begins to write as the leader.
    async fn fenced(
        &self,
        lease: &Lease,
        failed: &impl Fn(sqlx::Error) -> JournalError,
    ) -> Result<Transaction<'static, Any>, JournalError> {
        let mut transaction = self.begin().await.map_err(failed)?;
        let held = lead::fence(&mut transaction, lease, self.dialect).await;
        match held.map_err(failed)? {
            true => Ok(transaction),
            false => Err(self.deposed()),
        }
    }

    /// The one place where what was written becomes durable.
    async fn commit(&self, transaction: Transaction<'static, Any>) -> sqlx::Result<()> {
        let number = self.commits.before();
        transaction.commit().await?;
        self.commits.after(number);
        Ok(())
    }

    /// Makes an error of the database one of the journal.
    fn failed(&self, operation: &'static str) -> impl Fn(sqlx::Error) -> JournalError {
        let journal = self.url.to_string();
        move |cause| JournalError::Database {
            operation,
            journal: journal.clone(),
            cause,
        }
    }
}

/// Where the databases differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    fn writers(self) -> u32 {
        match self {
            Self::Sqlite => 1,
            Self::Postgres => WRITERS,
        }
    }

    fn writer_settings(self) -> &'static str {
        match self {
            // FULL: what is committed is on disk, also after a power cut.
            Self::Sqlite => {
                "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
            }
            // A leader that hangs within a transaction must not keep others from its lease for long.
            Self::Postgres => "SET idle_in_transaction_session_timeout = '3s'",
        }
    }

    fn reader_settings(self) -> &'static str {
        match self {
            Self::Sqlite => "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON;",
            Self::Postgres => "SET default_transaction_read_only = on",
        }
    }

    fn pool(self, most: u32, settings: &'static str) -> AnyPoolOptions {
        let options = AnyPoolOptions::new()
            .max_connections(most)
            .acquire_timeout(ACQUIRE)
            .test_before_acquire(self == Self::Postgres)
            .after_connect(move |connection: &mut AnyConnection, _| {
                Box::pin(async move { connection.execute(settings).await.map(drop) })
            });
        match self {
            Self::Sqlite => options.idle_timeout(None).max_lifetime(None),
            Self::Postgres => options,
        }
    }

    /// The function that finds a text in a text, from 1.
    fn position_of(self) -> &'static str {
        match self {
            Self::Sqlite => "instr",
            Self::Postgres => "strpos",
        }
    }

    /// Keeps a row that was read from being changed until the transaction's end.
    fn hold_row(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR SHARE",
        }
    }
}
