//! The journal's disk: transactions of facts as lines of JSON, and what a crash leaves of them.
//!
//! Rules: a transaction is its facts and then a line that ends it; what follows the last such line was
//! never promised to anybody, and is cut off when the journal is read.

use schliff_scheduler::fact::Fact;
use thiserror::Error;

/// The line that ends a transaction.
const END: &str = "end";

/// A journal that cannot be written or read: a defect.
#[derive(Debug, Error)]
pub enum DiskError {
    /// A fact has no JSON.
    #[error("cannot write a fact to the journal")]
    Write(#[source] serde_json::Error),
    /// A promised line is no fact.
    #[error("cannot read the fact `{line}` from the journal")]
    Read {
        /// It.
        line: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// How much of a transaction reaches the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// All of it.
    Whole,
    /// So many thousandths of its bytes, never all.
    Torn(u64),
}

/// What is on the disk.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    text: String,
}

impl Disk {
    /// Writes a transaction.
    pub(crate) fn append(&mut self, facts: &[Fact], reach: Reach) -> Result<(), DiskError> {
        let mut transaction = String::new();
        for fact in facts {
            transaction += &serde_json::to_string(fact).map_err(DiskError::Write)?;
            transaction.push('\n');
        }
        transaction += END;
        transaction.push('\n');
        if let Reach::Torn(permille) = reach {
            let bytes = transaction.len() as u64 * permille.min(999) / 1_000;
            transaction.truncate(usize::try_from(bytes).unwrap_or(0));
        }
        self.text += &transaction;
        Ok(())
    }

    /// Cuts a torn end off, and reads the rest.
    pub(crate) fn recover(&mut self) -> Result<Vec<Fact>, DiskError> {
        let end = format!("\n{END}\n");
        let kept = self.text.rfind(&end).map_or(0, |at| at + end.len());
        self.text.truncate(kept);
        let lines = self.text.lines().filter(|line| *line != END);
        lines.map(read).collect()
    }
}

/// One line as a fact.
fn read(line: &str) -> Result<Fact, DiskError> {
    serde_json::from_str(line).map_err(|source| DiskError::Read {
        line: line.to_owned(),
        source,
    })
}

/// A fact as it comes back from the disk.
pub(crate) fn reread(fact: &Fact) -> Result<Fact, DiskError> {
    read(&serde_json::to_string(fact).map_err(DiskError::Write)?)
}

#[cfg(test)]
mod tests {
    use schliff_scheduler::fact::What;
    use schliff_scheduler::time::Timestamp;
    use schliff_spec::id::JobId;

    use super::*;

    fn fact(job: u64) -> Fact {
        Fact {
            at: Timestamp(job),
            what: What::Paused { job: JobId(job) },
        }
    }

    #[test]
    fn a_torn_end_is_cut_off_wherever_it_was_torn() {
        for permille in 0..1_000 {
            let mut disk = Disk::default();
            disk.append(&[fact(1), fact(2)], Reach::Whole).unwrap();
            disk.append(&[fact(3), fact(4)], Reach::Torn(permille))
                .unwrap();
            assert_eq!(disk.recover().unwrap(), [fact(1), fact(2)], "{permille}");
            disk.append(&[fact(5)], Reach::Whole).unwrap();
            assert_eq!(disk.recover().unwrap(), [fact(1), fact(2), fact(5)]);
        }
    }
}
