//! What jobs, their attempts and the places they run at are called.
//!
//! Rules: a number is written one way only (no sign, no leading zero), so that two texts are equal
//! exactly when their ids are. A name is checked when it is made, so that it is safe wherever it
//! is put: in a path, on a command line, in a manifest. Absent on purpose: drawing ids (whoever
//! keeps the journal numbers jobs) and any meaning of a number beyond its order.

mod name;
mod number;

pub use name::{ClusterName, NodeName};
pub use number::{Generation, JobId, Step, SubmitKey};

/// A text that is not the id that it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not a whole number in its one spelling.
    #[error("cannot read `{text}` as a {what}: expected a whole number such as 42")]
    Number {
        /// What it should have been.
        what: &'static str,
        /// What was read.
        text: String,
    },
    /// Not a submit key.
    #[error("cannot read `{text}` as a submit key: expected a name such as schliff-42-3")]
    SubmitKey {
        /// What was read.
        text: String,
    },
    /// A name of the wrong length.
    #[error("cannot use a {what} of {bytes} characters: expected 1 to {most}")]
    NameLength {
        /// What it should have named.
        what: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        most: usize,
    },
    /// A name with a character that some back-end would refuse or misread.
    #[error(
        "cannot use `{text}` as a {what}: expected a letter or digit, then letters, digits, `.`, `_` or `-`"
    )]
    NameCharacter {
        /// What it should have named.
        what: &'static str,
        /// What was read.
        text: String,
    },
}
