//! Whole states, so that a start need not replay everything.
//!
//! Rules: a snapshot is a shortcut, never the truth: one of another version, or one that cannot be
//! read, is as good as none, since facts are never deleted. It is written in parts, so that facts never
//! wait long for it, and counts once its last row is there.

use schliff_scheduler::State;
use sqlx::Row;

use super::facts::Replayed;
use super::rows::{signed, unsigned};
use super::{Journal, JournalError, Lease};

/// Changes with the state's form in a way that serde does not notice.
const VERSION: i64 = 1;
/// Bytes of a part, at most: a few milliseconds of writing.
const PART_BYTES: usize = 1 << 20;
/// Snapshots that are kept: the newest, and one for the case that it cannot be read.
const KEPT: i64 = 2;

impl Journal {
    /// Keeps `state`, which is that of all facts before `next_seq`.
    ///
    /// # Errors
    /// It cannot be written. Nothing is lost by that.
    pub async fn snapshot(
        &self,
        lease: &Lease,
        state: State,
        next_seq: u64,
    ) -> Result<(), JournalError> {
        // A state of ten thousand jobs takes a while, in which this task would do nothing else.
        let encode = tokio::task::spawn_blocking(move || serde_json::to_string(&state));
        let failed = self.failed("write a snapshot");
        let body = encode
            .await
            .map_err(|_| failed(sqlx::Error::WorkerCrashed))?;
        let body = body.map_err(|cause| JournalError::Encode {
            what: "the state",
            cause,
        })?;
        let seq = signed(next_seq);
        let mut parts = 0;
        for part in pieces(&body) {
            let text = "INSERT INTO snapshot_parts (seq, part, body) VALUES ($1, $2, $3)
                ON CONFLICT (seq, part) DO UPDATE SET body = excluded.body";
            let mut transaction = self.fenced(lease, &failed).await?;
            let insert = sqlx::query(text)
                .bind(seq)
                .bind(parts)
                .bind(part.to_owned());
            insert.execute(&mut *transaction).await.map_err(&failed)?;
            self.commit(transaction).await.map_err(&failed)?;
            parts += 1;
        }
        let mut transaction = self.fenced(lease, &failed).await?;
        let text = "INSERT INTO snapshots (seq, version, parts) VALUES ($1, $2, $3)
            ON CONFLICT (seq) DO UPDATE SET version = excluded.version, parts = excluded.parts";
        let insert = sqlx::query(text).bind(seq).bind(VERSION).bind(parts);
        insert.execute(&mut *transaction).await.map_err(&failed)?;
        for text in [
            "DELETE FROM snapshots WHERE seq <= (SELECT seq FROM snapshots ORDER BY seq DESC LIMIT 1 OFFSET $1)",
            "DELETE FROM snapshot_parts WHERE seq < (SELECT MIN(seq) FROM snapshots) AND $1 > 0",
        ] {
            let delete = sqlx::query(text).bind(KEPT);
            delete.execute(&mut *transaction).await.map_err(&failed)?;
        }
        self.commit(transaction).await.map_err(&failed)
    }

    /// The newest snapshot that can be read.
    pub(super) async fn newest_snapshot(&self) -> Result<Option<Replayed>, JournalError> {
        let failed = self.failed("read a snapshot");
        let query = "SELECT seq, parts FROM snapshots WHERE version = $1 ORDER BY seq DESC";
        let rows = sqlx::query(query).bind(VERSION).fetch_all(&self.reader);
        for row in rows.await.map_err(&failed)? {
            let (seq, parts): (i64, i64) = (
                row.try_get(0).map_err(&failed)?,
                row.try_get(1).map_err(&failed)?,
            );
            let query =
                "SELECT body FROM snapshot_parts WHERE seq = $1 AND part < $2 ORDER BY part";
            let read = sqlx::query_scalar(query).bind(seq).bind(parts);
            let pieces: Vec<String> = read.fetch_all(&self.reader).await.map_err(&failed)?;
            // As long as it takes, the lease must be renewed beside it.
            let parse = tokio::task::spawn_blocking(move || serde_json::from_str(&pieces.concat()));
            let parsed = parse.await;
            match parsed.map_err(|_| failed(sqlx::Error::WorkerCrashed))? {
                Ok(state) => {
                    return Ok(Some(Replayed {
                        state,
                        next_seq: unsigned(seq),
                    }));
                }
                Err(error) => {
                    tracing::warn!(seq, %error, "a snapshot cannot be read; replaying more")
                }
            }
        }
        Ok(None)
    }
}

/// The text in pieces, none of them too long.
fn pieces(mut text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    while !text.is_empty() {
        let (piece, rest) = text.split_at(text.floor_char_boundary(PART_BYTES));
        pieces.push(piece);
        text = rest;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_whole_and_end_between_characters() {
        let text = "aé€".repeat(PART_BYTES / 4);
        let pieces = pieces(&text);
        assert!(pieces.len() > 1 && pieces.iter().all(|piece| piece.len() <= PART_BYTES));
        assert_eq!(pieces.concat(), text);
    }
}
