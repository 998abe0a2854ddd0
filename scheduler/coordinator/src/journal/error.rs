//! What can go wrong with the journal.

use std::path::PathBuf;

use thiserror::Error;

/// It.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The database did not do what it was asked.
    #[error("cannot {operation} of the journal {journal}")]
    Database {
        /// What was tried.
        operation: &'static str,
        /// Where.
        journal: String,
        /// Why not.
        #[source]
        cause: sqlx::Error,
    },
    /// A newer program has changed the database.
    #[error(
        "cannot open the journal {journal}: it has form {found}, and this program knows forms up to \
         {known}; use the program that wrote it, or a newer one"
    )]
    Newer {
        /// Where.
        journal: String,
        /// The database's form.
        found: i64,
        /// The newest form that is known.
        known: i64,
    },
    /// An entry cannot be read.
    #[error("cannot read entry {seq} (`{kind}`) of the journal {journal}")]
    Entry {
        /// Where.
        journal: String,
        /// Its number.
        seq: u64,
        /// What it is about.
        kind: String,
        /// Why not.
        #[source]
        cause: serde_json::Error,
    },
    /// Entries are missing.
    #[error(
        "cannot replay the journal {journal}: entry {expected} is missing, the next is {found}"
    )]
    Gap {
        /// Where.
        journal: String,
        /// The number that should follow.
        expected: u64,
        /// The number that follows.
        found: u64,
    },
    /// Something cannot be written as JSON.
    #[error("cannot write {what} as JSON")]
    Encode {
        /// What.
        what: &'static str,
        /// Why not.
        #[source]
        cause: serde_json::Error,
    },
    /// Another coordinator leads, or this one was silent for too long: nothing was written.
    #[error("cannot write to the journal {journal}: this coordinator does not lead any more")]
    Deposed {
        /// Where.
        journal: String,
    },
    /// The file by which one coordinator locks out others cannot be used.
    #[error("cannot lock {path}")]
    Lock {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: std::io::Error,
    },
}
