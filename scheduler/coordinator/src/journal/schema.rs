//! The tables, and how older ones become the newest.
//!
//! Rules: a migration runs once, in the transaction that notes it; one that was released is never
//! changed. Migrations only add, so that a coordinator of the version before can still lead while the
//! next one waits.

use sqlx::{AnyConnection, AssertSqlSafe, Executor, Row};

use super::{Dialect, Journal, JournalError};

/// All migrations; the first makes form 1.
const MIGRATIONS: &[&str] = &[include_str!("../../migrations/0001_journal.sql")];
/// Coordinators that open the same Postgres at the same time take turns.
const TURNS: &str = "SELECT pg_advisory_xact_lock(7270631)";

impl Journal {
    pub(super) async fn migrate(&self) -> Result<(), JournalError> {
        let failed = self.failed("bring the tables into their newest form");
        let mut transaction = self.begin().await.map_err(&failed)?;
        if self.dialect == Dialect::Postgres {
            transaction.execute(TURNS).await.map_err(&failed)?;
        }
        let found = form(&mut transaction).await.map_err(&failed)?;
        let known = MIGRATIONS.len() as i64;
        if found > known {
            return Err(JournalError::Newer {
                journal: self.url.to_string(),
                found,
                known,
            });
        }
        let missing = usize::try_from(found).unwrap_or(0);
        if missing == MIGRATIONS.len() {
            return Ok(());
        }
        for migration in &MIGRATIONS[missing..] {
            let text = self.dialect.tables(migration);
            let run = sqlx::raw_sql(AssertSqlSafe(text));
            run.execute(&mut *transaction).await.map_err(&failed)?;
        }
        let note = sqlx::query("UPDATE form SET form = $1 WHERE id = 1").bind(known);
        note.execute(&mut *transaction).await.map_err(&failed)?;
        transaction.commit().await.map_err(&failed)
    }
}

/// The form that the database has; 0 where it is new.
async fn form(connection: &mut AnyConnection) -> sqlx::Result<i64> {
    let make =
        "CREATE TABLE IF NOT EXISTS form (id BIGINT PRIMARY KEY NOT NULL, form BIGINT NOT NULL)";
    connection.execute(make).await?;
    let first = "INSERT INTO form (id, form) VALUES (1, 0) ON CONFLICT (id) DO NOTHING";
    connection.execute(first).await?;
    let row = connection.fetch_one("SELECT form FROM form WHERE id = 1");
    row.await?.try_get(0)
}

impl Dialect {
    fn tables(self, migration: &str) -> String {
        let clustered = match self {
            Self::Sqlite => "WITHOUT ROWID",
            Self::Postgres => "",
        };
        migration.replace(") CLUSTERED;", &format!(") {clustered};"))
    }
}
