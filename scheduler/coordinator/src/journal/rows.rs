//! Inserts many rows with few statements.
//!
//! Rules: rows go in groups of few fixed sizes, so that each connection prepares few statements. Absent
//! numbers are bound as NaN: a null has no type of its own for the driver, and Postgres would remember
//! a wrong one for the prepared statement.

use std::fmt::Write;

use schliff_spec::id::JobId;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe};

/// An insert whose values are still to come.
pub(super) type Statement = Query<'static, Any, AnyArguments>;

/// Rows of one statement; the product with the columns stays below the databases' limits.
const GROUPS: [usize; 3] = [128, 16, 1];

/// How rows of one table are inserted.
pub(super) struct Insert {
    /// `INSERT INTO table (columns)`.
    pub(super) into: &'static str,
    /// Columns.
    pub(super) columns: usize,
    /// What follows the values.
    pub(super) on_conflict: &'static str,
}

impl Insert {
    /// Inserts them; `bind` gives a row's values in the order of the columns.
    pub(super) async fn run<T>(
        &self,
        connection: &mut AnyConnection,
        mut rows: &[T],
        bind: impl Fn(Statement, &T) -> Statement,
    ) -> sqlx::Result<()> {
        for size in GROUPS {
            while rows.len() >= size {
                let (group, rest) = rows.split_at(size);
                rows = rest;
                let statement = sqlx::query(AssertSqlSafe(self.text(size)));
                let statement = group.iter().fold(statement, &bind);
                statement.execute(&mut *connection).await?;
            }
        }
        Ok(())
    }

    fn text(&self, rows: usize) -> String {
        let mut text = format!("{} VALUES ", self.into);
        for row in 0..rows {
            text.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..self.columns {
                let comma = if column == 0 { "" } else { ", " };
                // Writing to a text cannot fail.
                let _ = write!(text, "{comma}${}", row * self.columns + column + 1);
            }
            text.push(')');
        }
        text.push(' ');
        text.push_str(self.on_conflict);
        text
    }
}

/// The rows of these jobs; `select` is without its condition.
pub(super) async fn of_jobs(
    connection: &mut AnyConnection,
    select: &'static str,
    jobs: &[JobId],
) -> sqlx::Result<Vec<AnyRow>> {
    let mut rows = Vec::new();
    let largest = GROUPS[0];
    for group in jobs.chunks(largest) {
        // The last one fills up the group, so that there are two statements to prepare and not many.
        let size = if group.len() == 1 { 1 } else { largest };
        let places: Vec<_> = (1..=size).map(|place| format!("${place}")).collect();
        let text = format!("{select} WHERE job IN ({})", places.join(", "));
        let ids = (0..size).filter_map(|place| group.get(place).or(group.last()));
        let query = sqlx::query(AssertSqlSafe(text));
        let query = ids.fold(query, |query, job| query.bind(signed(job.0)));
        rows.extend(query.fetch_all(&mut *connection).await?);
    }
    Ok(rows)
}

/// A number as the databases have it: none is beyond nine billion billions.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The same, back.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered_through() {
        let insert = Insert {
            into: "INSERT INTO t (a, b)",
            columns: 2,
            on_conflict: "ON CONFLICT DO NOTHING",
        };
        assert_eq!(
            insert.text(2),
            "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) ON CONFLICT DO NOTHING"
        );
    }

    #[test]
    fn a_group_stays_below_the_limit_of_sqlite() {
        assert!(GROUPS[0] * 16 < 32_766);
    }
}
