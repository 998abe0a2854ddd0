//! How a call to a batch system fails, by what the caller can do.

use std::error::Error;

use schliff_scheduler::allocation::SubmitAnswer;

/// A failed call.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// It certainly had no effect; it may work later.
    #[error("cannot {doing}")]
    Transient {
        /// The failed operation and its object.
        doing: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// It will never be taken as it is: the user must change something.
    #[error("cannot {doing}: {why}")]
    Rejected {
        /// The failed operation and its object.
        doing: String,
        /// Why, in the batch system's words.
        why: String,
    },
    /// It may have had its effect, or not: observe to find out.
    #[error("cannot tell whether it was possible to {doing}")]
    Lost {
        /// The failed operation and its object.
        doing: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl BackendError {
    /// What it says to the brain of a submit.
    pub fn answer(&self) -> SubmitAnswer {
        let why = chain(self);
        match self {
            Self::Transient { .. } => SubmitAnswer::TryLater { why },
            Self::Rejected { .. } => SubmitAnswer::Refused { why },
            Self::Lost { .. } => SubmitAnswer::Unknown { why },
        }
    }
}

/// An error with all its causes, in one line.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
