//! Why a store cannot be used.

use thiserror::Error;

/// An operation on a store failed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The address is none.
    #[error("cannot open the store {uri}: {reason}")]
    Address {
        /// What was given.
        uri: String,
        /// What is wrong with it, with what the user can do.
        reason: String,
    },
    /// The store cannot be set up, as where its settings in the environment are wrong.
    #[error("cannot open the store {uri}")]
    Open {
        /// What was given.
        uri: String,
        /// What is wrong.
        #[source]
        source: Box<object_store::Error>,
    },
    /// A request failed, its repetitions too.
    #[error("cannot {operation} {key} in {uri}")]
    Request {
        /// Such as `write`.
        operation: &'static str,
        /// The object.
        key: String,
        /// The store.
        uri: String,
        /// What the store says.
        #[source]
        source: Box<object_store::Error>,
    },
    /// What was written is not what can be read.
    #[error("{uri} does not give back what was written to {key}: {found}")]
    NotAsWritten {
        /// The object.
        key: String,
        /// The store.
        uri: String,
        /// How it differs.
        found: String,
    },
    /// Threads for talking to the store cannot be started.
    #[error("cannot start threads for the store")]
    Threads(#[source] std::io::Error),
    /// The work on the store was given up, as happens while the process ends.
    #[error("the work on the store was given up")]
    Stopped,
}

impl StoreError {
    /// The message with its cause, in one line.
    pub fn in_words(&self) -> String {
        // The store's errors repeat their causes in their own words.
        match std::error::Error::source(self) {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<&'static str> {
        use object_store::Error as E;
        let (Self::Open { source, .. } | Self::Request { source, .. }) = self else {
            return None;
        };
        match source.as_ref() {
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
                Some("check the account in the environment, such as AWS_ACCESS_KEY_ID")
            }
            E::Generic { .. } => {
                Some("check that the store is up, and its endpoint, such as AWS_ENDPOINT_URL")
            }
            _ => None,
        }
    }

    /// Whether the object of the request is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        use object_store::Error as E;
        let Self::Request { source, .. } = self else {
            return false;
        };
        matches!(**source, E::NotFound { .. })
    }

    /// Whether an object that was to be created is there already.
    pub(crate) fn is_already_there(&self) -> bool {
        use object_store::Error as E;
        let Self::Request { source, .. } = self else {
            return false;
        };
        matches!(**source, E::AlreadyExists { .. } | E::Precondition { .. })
    }
}
