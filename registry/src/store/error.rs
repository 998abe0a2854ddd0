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
        match self {
            Self::Open { .. } => Some(
                "accounts and endpoints come from the environment: AWS_*, AZURE_* and GOOGLE_* \
                 variables",
            ),
            Self::Request { source, .. } => match source.as_ref() {
                E::PermissionDenied { .. } | E::Unauthenticated { .. } => Some(CHECK_ACCOUNT),
                E::Generic { store, source } => hint_of(store, &source.to_string()),
                _ => None,
            },
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

const CHECK_ACCOUNT: &str = "check the account in the environment, such as AWS_ACCESS_KEY_ID";

/// The store's client has no names for these: only its words tell them apart.
fn hint_of(store: &str, words: &str) -> Option<&'static str> {
    /// Where a machine in a cloud finds its own account; asked when no other account is given.
    const OWN_ACCOUNT: &str = "http://169.254.169.254";
    let hints = [
        (
            OWN_ACCOUNT,
            "no account is given in the environment, such as by AWS_ACCESS_KEY_ID and \
                       AWS_SECRET_ACCESS_KEY, and this machine has none of its own",
        ),
        (
            "NoSuchBucket",
            "there is no such bucket: make it, or check the address",
        ),
        (
            "ContainerNotFound",
            "there is no such container: make it, or check the address",
        ),
        (
            "builder error",
            "an endpoint that begins with http:// needs AWS_ALLOW_HTTP=true",
        ),
    ];
    if store == "LocalFileSystem" {
        return None;
    }
    let known = hints.iter().find(|(sign, _)| words.contains(sign));
    Some(known.map_or(
        "check that the store is up, and its endpoint, such as AWS_ENDPOINT_URL",
        |(_, hint)| hint,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_fits_what_went_wrong() {
        let hint = |store, words: &str| {
            StoreError::Request {
                operation: "list",
                key: "manifests".into(),
                uri: "s3://bucket/prefix".into(),
                source: Box::new(object_store::Error::Generic {
                    store,
                    source: words.into(),
                }),
            }
            .hint()
        };
        let s3 = |words| hint("S3", words).expect("a hint");
        assert!(s3("Error performing PUT http://169.254.169.254/latest").contains("no account"));
        assert!(s3("status 404: <Code>NoSuchBucket</Code>").contains("no such bucket"));
        assert!(s3("HTTP error: builder error").contains("AWS_ALLOW_HTTP"));
        assert!(s3("HTTP error: error sending request").contains("AWS_ENDPOINT_URL"));
        assert_eq!(hint("LocalFileSystem", "No space left on device"), None);
    }
}
