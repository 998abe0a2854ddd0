//! Where spools lie, as a relay sees it.
//!
//! Rules: a folder holds one folder for each attempt, named by its key, with the attempt's `token` and
//! its `spool` in it. What was submitted by hand has files that bear no attempt's key: they belong to the
//! attempt in whose folder they are. Few calls, each for many files: behind them may be a slow line. Absent on
//! purpose: ssh. Who has a line to a cluster brings a [`Source`] of its own.

use async_trait::async_trait;
use schliff_spec::id::SubmitKey;
use thiserror::Error;

use crate::report::BY_HAND;

/// Folder of the spool files in the folder of an attempt.
pub const SPOOL: &str = "spool";
/// File with the token in the folder of an attempt.
pub const TOKEN: &str = "token";
/// So much of a file's beginning says which file it is.
pub const HEAD_BYTES: usize = 512;
/// Between the key and the number of the node in a file's name.
const NODE: &str = "-node";

/// The spool file of one node's agent in one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpoolFile {
    /// The attempt.
    pub key: SubmitKey,
    /// The node, from 0.
    pub node: u32,
    /// It was begun before a coordinator knew of it.
    pub is_by_hand: bool,
}

impl SpoolFile {
    /// The file in the spool folder of an attempt that is called so; none where it is something else.
    pub fn named(key: SubmitKey, name: &str) -> Option<Self> {
        let (own, node) = name.rsplit_once(NODE)?;
        let own: SubmitKey = own.parse().ok()?;
        let file = Self {
            key,
            node: node.parse().ok()?,
            is_by_hand: own == BY_HAND,
        };
        (file.name() == name).then_some(file)
    }

    /// Its name.
    pub fn name(&self) -> String {
        let own = if self.is_by_hand { BY_HAND } else { self.key };
        format!("{own}{NODE}{}", self.node)
    }

    /// Its path below the folder of all attempts.
    pub fn path(&self) -> String {
        format!("{}/{SPOOL}/{}", self.key, self.name())
    }

    /// The path of its mark below the folder of all attempts.
    pub fn mark(&self) -> String {
        format!("{}{}", self.path(), crate::report::spool::mark::TAKEN)
    }

    /// The path of the token below the folder of all attempts.
    pub fn token(key: SubmitKey) -> String {
        format!("{key}/{TOKEN}")
    }
}

/// A file that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which.
    pub file: SpoolFile,
    /// Its size.
    pub bytes: u64,
}

/// What is to be read of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Which.
    pub file: SpoolFile,
    /// From this byte on.
    pub from: u64,
    /// No more than so many bytes.
    pub most: u64,
}

/// What was read of a file, all of it of the same one, even where another took its place meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    /// Which, from where, and how much at most.
    pub want: Want,
    /// Its first [`HEAD_BYTES`].
    pub head: Vec<u8>,
    /// What was wanted.
    pub bytes: Vec<u8>,
    /// What its mark says.
    pub taken: Option<u64>,
}

/// The spools cannot be seen, or not be marked.
#[derive(Debug, Error)]
#[error("cannot {operation} the spools in {place}: {why}")]
pub struct SourceError {
    /// Such as `list`.
    pub operation: &'static str,
    /// Where they are.
    pub place: String,
    /// Why, in the words of what failed.
    pub why: String,
}

/// A folder of attempts, here or elsewhere.
#[async_trait]
pub trait Source: Send {
    /// All spool files.
    ///
    /// # Errors
    /// The folder cannot be seen; never for a single attempt.
    async fn list(&mut self) -> Result<Vec<Listed>, SourceError>;

    /// Reads files. One that is gone, or that was replaced while it was read, is left out.
    ///
    /// # Errors
    /// The folder cannot be seen.
    async fn read(&mut self, wants: &[Want]) -> Result<Vec<Got>, SourceError>;

    /// Leaves marks: all up to that number were taken. A file whose folder is gone needs none.
    ///
    /// # Errors
    /// Some marks may not be there; they are left again with the next ones.
    async fn mark(&mut self, marks: &[(SpoolFile, u64)]) -> Result<(), SourceError>;

    /// The token of an attempt; none where its file is not there.
    ///
    /// # Errors
    /// The folder cannot be seen.
    async fn token(&mut self, key: SubmitKey) -> Result<Option<String>, SourceError>;
}

#[async_trait]
impl Source for Box<dyn Source> {
    async fn list(&mut self) -> Result<Vec<Listed>, SourceError> {
        (**self).list().await
    }

    async fn read(&mut self, wants: &[Want]) -> Result<Vec<Got>, SourceError> {
        (**self).read(wants).await
    }

    async fn mark(&mut self, marks: &[(SpoolFile, u64)]) -> Result<(), SourceError> {
        (**self).mark(marks).await
    }

    async fn token(&mut self, key: SubmitKey) -> Result<Option<String>, SourceError> {
        (**self).token(key).await
    }
}

/// What a mark's text says.
pub fn taken_of(text: &[u8]) -> Option<u64> {
    crate::report::spool::mark::parse_mark(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths() {
        let key = "schliff-42-3".parse().expect("a key");
        let file = SpoolFile::named(key, "schliff-42-3-node7").expect("a spool");
        assert_eq!(file.path(), "schliff-42-3/spool/schliff-42-3-node7");
        assert_eq!(file.mark(), "schliff-42-3/spool/schliff-42-3-node7.taken");
        assert_eq!(SpoolFile::token(file.key), "schliff-42-3/token");
        let by_hand = SpoolFile::named(key, "schliff-0-0-node7").expect("a spool");
        assert_eq!(by_hand.key, key);
        assert_eq!(by_hand.path(), "schliff-42-3/spool/schliff-0-0-node7");
        for other in [
            "schliff-42-2-node7",
            "schliff-42-3-node7.taken",
            "schliff-42-3-node7.unreadable",
            "schliff-42-3-node07",
            "schliff-42-node7",
            ".tmpQx1",
            "",
        ] {
            assert_eq!(SpoolFile::named(key, other), None, "{other}");
        }
    }
}
