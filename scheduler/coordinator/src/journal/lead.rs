//! Who may write: one coordinator at a time.
//!
//! Rules: whoever leads has an epoch that only grows, and every write checks it in its own transaction,
//! so that a coordinator that was thought dead can never write again. On Postgres the lease ends by
//! itself, by the server's clock, when it is not renewed. On SQLite it is a lock on a file beside the
//! database, which the system takes back when the process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::rows::unsigned;
use super::{Dialect, Journal, JournalError, JournalUrl};

/// A lease on Postgres ends so long after it was last renewed.
pub const LEASE_MS: u64 = 3_000;
/// It is to be renewed so often.
pub const RENEW_MS: u64 = 1_000;

/// The server's time, also where a statement had to wait.
const SERVER_MS: &str = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";

/// The right to write.
#[derive(Debug)]
pub struct Lease {
    holder: String,
    epoch: i64,
    /// On SQLite, the lock; it ends with it.
    _lock: Option<File>,
    /// When this was made, and how long after it the lease is held for certain.
    since: Instant,
    held_ms: AtomicU64,
}

/// Who leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderInfo {
    /// Its name.
    pub holder: String,
    /// Where it serves.
    pub url: String,
    /// Its process, on its own machine.
    pub pid: u64,
    /// How many led before it.
    pub epoch: u64,
}

impl Lease {
    /// Grows with every leader.
    pub fn epoch(&self) -> u64 {
        unsigned(self.epoch)
    }

    /// Nobody else can lead yet. Where this is false, nothing may be done about the world until the
    /// lease has been renewed.
    pub fn is_held(&self) -> bool {
        let held_ms = self.held_ms.load(Ordering::Relaxed);
        held_ms > u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// One of nobody, that was held for no time.
    #[cfg(test)]
    pub(crate) fn lapsed() -> Self {
        Self {
            holder: String::new(),
            epoch: 0,
            _lock: None,
            since: Instant::now(),
            held_ms: AtomicU64::new(0),
        }
    }

    /// It was renewed by a request that was sent at `asked`.
    pub(crate) fn renewed(&self, asked: Instant) {
        let asked_ms = asked.saturating_duration_since(self.since).as_millis();
        let held_ms = u64::try_from(asked_ms)
            .unwrap_or(u64::MAX)
            .saturating_add(LEASE_MS);
        self.held_ms.store(held_ms, Ordering::Relaxed);
    }
}

impl Journal {
    /// Leads, if nobody does. `url` is where others find the leader.
    ///
    /// # Errors
    /// It cannot be told who leads.
    pub async fn try_lead(&self, holder: &str, url: &str) -> Result<Option<Lease>, JournalError> {
        let lock = match &self.url {
            JournalUrl::Sqlite(_) => match self.lock()? {
                None => return Ok(None),
                lock => lock,
            },
            JournalUrl::Postgres(_) => None,
        };
        let since = Instant::now();
        let text = match self.dialect {
            Dialect::Sqlite => "UPDATE lease SET holder = $1, url = $2, pid = $3, \
                 epoch = epoch + 1 WHERE id = 1 RETURNING epoch"
                .to_owned(),
            Dialect::Postgres => format!(
                "UPDATE lease SET holder = $1, url = $2, pid = $3, epoch = epoch + 1, \
                 expires_ms = {SERVER_MS} + {LEASE_MS} \
                 WHERE id = 1 AND expires_ms <= {SERVER_MS} RETURNING epoch"
            ),
        };
        let take = sqlx::query_scalar(AssertSqlSafe(text))
            .bind(holder.to_owned())
            .bind(url.to_owned())
            .bind(i64::from(std::process::id()));
        let epoch = take.fetch_optional(&self.writer).await;
        let epoch: Option<i64> = epoch.map_err(self.failed("take the lease"))?;
        let held_ms = if lock.is_some() { u64::MAX } else { LEASE_MS };
        Ok(epoch.map(|epoch| Lease {
            holder: holder.to_owned(),
            epoch,
            _lock: lock,
            since,
            held_ms: AtomicU64::new(held_ms),
        }))
    }

    /// Leads on for a while.
    ///
    /// # Errors
    /// [`JournalError::Deposed`] where another leads: nothing may be done any more.
    pub async fn renew(&self, lease: &Lease) -> Result<(), JournalError> {
        let asked = Instant::now();
        let failed = self.failed("renew the lease");
        if self.dialect == Dialect::Sqlite {
            let mut connection = self.reader.acquire().await.map_err(&failed)?;
            let held = fence(&mut connection, lease, self.dialect).await;
            return if held.map_err(&failed)? {
                Ok(())
            } else {
                Err(self.deposed())
            };
        }
        let text = format!(
            "UPDATE lease SET expires_ms = {SERVER_MS} + {LEASE_MS} \
             WHERE id = 1 AND holder = $1 AND epoch = $2"
        );
        let renew = sqlx::query(AssertSqlSafe(text))
            .bind(lease.holder.clone())
            .bind(lease.epoch);
        let done = renew.execute(&self.writer).await.map_err(&failed)?;
        if done.rows_affected() == 0 {
            return Err(self.deposed());
        }
        lease.renewed(asked);
        Ok(())
    }

    /// Leads no more, so that another can at once.
    ///
    /// # Errors
    /// The lease could not be given back; on Postgres it ends by itself.
    pub async fn release(&self, lease: Lease) -> Result<(), JournalError> {
        let text = "UPDATE lease SET holder = '', url = '', pid = 0, expires_ms = 0
            WHERE id = 1 AND holder = $1 AND epoch = $2";
        let give = sqlx::query(text)
            .bind(lease.holder.clone())
            .bind(lease.epoch);
        let given = give.execute(&self.writer).await;
        given.map(drop).map_err(self.failed("give back the lease"))
    }

    /// Who leads now, if anybody does.
    ///
    /// # Errors
    /// It cannot be told.
    pub async fn leader(&self) -> Result<Option<LeaderInfo>, JournalError> {
        let failed = self.failed("read the lease");
        let text = match self.dialect {
            Dialect::Sqlite => {
                "SELECT holder, url, pid, epoch FROM lease WHERE holder <> ''".to_owned()
            }
            Dialect::Postgres => format!(
                "SELECT holder, url, pid, epoch FROM lease WHERE holder <> '' AND expires_ms > {SERVER_MS}"
            ),
        };
        let row = sqlx::query(AssertSqlSafe(text))
            .fetch_optional(&self.reader)
            .await;
        let Some(row) = row.map_err(&failed)? else {
            return Ok(None);
        };
        // The row of one that died is still there: the lock tells.
        if self.dialect == Dialect::Sqlite && self.lock()?.is_some() {
            return Ok(None);
        }
        let number = |at: usize| row.try_get(at).map(unsigned).map_err(&failed);
        Ok(Some(LeaderInfo {
            holder: row.try_get(0).map_err(&failed)?,
            url: row.try_get(1).map_err(&failed)?,
            pid: number(2)?,
            epoch: number(3)?,
        }))
    }

    /// The lock beside a file of SQLite's; `None` where another holds it.
    fn lock(&self) -> Result<Option<File>, JournalError> {
        let JournalUrl::Sqlite(database) = &self.url else {
            return Ok(None);
        };
        let mut path = database.clone().into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        let failed = |cause| JournalError::Lock {
            path: path.clone(),
            cause,
        };
        let open = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        let file = open.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(cause)) => Err(failed(cause)),
        }
    }
}

/// Whether the lease is the newest; on Postgres none can be newer before the transaction's end.
pub(super) async fn fence(
    connection: &mut AnyConnection,
    lease: &Lease,
    dialect: Dialect,
) -> sqlx::Result<bool> {
    let hold = dialect.hold_row();
    let text = format!("SELECT epoch FROM lease WHERE id = 1 AND holder = $1 AND epoch = $2{hold}");
    let check = sqlx::query(AssertSqlSafe(text))
        .bind(lease.holder.clone())
        .bind(lease.epoch);
    Ok(check.fetch_optional(connection).await?.is_some())
}
