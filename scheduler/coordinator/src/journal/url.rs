//! Where a journal is, as a user writes it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A journal's place.
#[derive(Clone, PartialEq, Eq)]
pub enum JournalUrl {
    /// A file of SQLite's.
    Sqlite(PathBuf),
    /// A database of a Postgres server, by its whole URL.
    Postgres(String),
}

/// A text that is no journal's place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read `{text}` as a journal: expected sqlite:PATH or postgres://USER@HOST/DATABASE")]
pub struct JournalUrlError {
    text: String,
}

impl FromStr for JournalUrl {
    type Err = JournalUrlError;

    fn from_str(text: &str) -> Result<Self, JournalUrlError> {
        let refused = || JournalUrlError {
            text: without_password(text),
        };
        let (scheme, rest) = text.split_once(':').ok_or_else(refused)?;
        match scheme {
            "sqlite" => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                let is_file = !path.is_empty() && !path.starts_with(':') && !path.contains('?');
                is_file
                    .then(|| Self::Sqlite(PathBuf::from(path)))
                    .ok_or_else(refused)
            }
            "postgres" | "postgresql" if rest.starts_with("//") && rest.len() > 2 => {
                Ok(Self::Postgres(text.to_owned()))
            }
            _ => Err(refused()),
        }
    }
}

impl fmt::Display for JournalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => f.write_str(&without_password(url)),
        }
    }
}

impl fmt::Debug for JournalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JournalUrl({self})")
    }
}

impl JournalUrl {
    /// As the driver reads it.
    pub(super) fn for_driver(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}?mode=rwc", escaped(path)),
            Self::Postgres(url) => url.clone(),
        }
    }
}

/// The path with everything escaped that means something in a URL.
fn escaped(path: &Path) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    let escape = |byte| match plain(byte) {
        true => char::from(*byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    bytes.map(escape).collect()
}

/// The URL as it may be shown: passwords stand before the host, or in a parameter.
fn without_password(url: &str) -> String {
    let url = url.split('?').next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    match rest.rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{host}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_shown_without_their_password() {
        let shown = |text: &str| text.parse::<JournalUrl>().map(|url| url.to_string());
        assert_eq!(shown("sqlite:a b/c.db").unwrap(), "sqlite:a b/c.db");
        assert_eq!(shown("sqlite:///var/c.db").unwrap(), "sqlite:/var/c.db");
        assert_eq!(
            shown("postgres://me:s:e@cret@db:5432/x?password=secret").unwrap(),
            "postgres://me@db:5432/x"
        );
    }

    #[test]
    fn other_places_are_refused_without_telling_a_password() {
        for text in [
            "",
            "sqlite:",
            "sqlite::memory:",
            "postgres:",
            "mysql://a:secret@b/c",
        ] {
            let error = text.parse::<JournalUrl>().unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn what_means_something_in_a_url_is_escaped() {
        let url = JournalUrl::Sqlite("/a b/c?d#e%.db".into());
        assert_eq!(url.for_driver(), "sqlite:///a%20b/c%3Fd%23e%25.db?mode=rwc");
    }
}
