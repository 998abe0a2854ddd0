//! Where the coordinator is and what it is shown: from flags, the environment, the state folder.

use std::path::{Path, PathBuf};

use schliff_spec::exit::ExitCode;
use tonic::transport::Uri;

use crate::args::ConnectionArgs;
use crate::error_page::ErrorPage;
use crate::outcome::CliError;
use crate::state_folder::{self, StateError, StateFolder};

/// Everything that is needed to speak with a coordinator.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Addresses, at least one; the first is tried first.
    pub(crate) urls: Vec<String>,
    /// What is shown; nothing where none was found.
    pub(crate) token: Option<String>,
    /// Certificates for `https://`, PEM.
    pub(crate) ca: Option<Vec<u8>>,
}

/// Looks for it.
pub(crate) fn find(args: &ConnectionArgs) -> Result<Place, CliError> {
    let variable = |name| std::env::var(name).ok().filter(|it| !it.trim().is_empty());
    let urls = match (&*args.coordinator, variable("SCHLIFF_COORDINATOR")) {
        ([], None) => vec![of_state_folder()?],
        ([], Some(urls)) => urls
            .split([',', ' '])
            .filter(|url| !url.is_empty())
            .map(str::to_owned)
            .collect(),
        (urls, _) => urls.to_vec(),
    };
    let urls = urls.iter().map(|url| checked(url));
    let urls = urls.collect::<Result<Vec<_>, _>>()?;
    let named = |flag: &Option<PathBuf>, name| {
        let of_environment = || variable(name).map(PathBuf::from);
        flag.clone().or_else(of_environment)
    };
    let ca = named(&args.ca_file, "SCHLIFF_CA_FILE");
    if ca.is_none() && urls.iter().any(|url| url.starts_with("https:")) {
        let error = "an https:// coordinator needs a certificate that it is trusted by";
        return Err(CliError::usage(error).hint("--ca-file names it, or SCHLIFF_CA_FILE"));
    }
    Ok(Place {
        urls,
        token: token(named(&args.token_file, "SCHLIFF_TOKEN_FILE"))?,
        ca: ca.as_deref().map(certificates).transpose()?,
    })
}

/// The coordinator that `schliff serve` started on this machine.
fn of_state_folder() -> Result<String, CliError> {
    let folder = StateFolder::of_environment()?;
    if let Some(running) = folder.running()? {
        return Ok(running.url);
    }
    let place = folder.path().display();
    Err(
        CliError::new(ExitCode::Unreachable, "no coordinator is known here")
            .caused_by(format!(
                "{place} has no coordinator.json, which 'schliff serve' writes"
            ))
            .hint("start one by 'schliff serve', or name one by --coordinator URL")
            .see(ErrorPage::Unreachable),
    )
}

/// A file that was named must be there; the state folder's need not.
fn token(named: Option<PathBuf>) -> Result<Option<String>, CliError> {
    if let Some(path) = named {
        let token = state_folder::token(&path)?;
        let absent = || {
            let error = format!("there is no token file {}", path.display());
            CliError::usage(error).see(ErrorPage::Token)
        };
        return token.ok_or_else(absent).map(Some);
    }
    match StateFolder::of_environment() {
        Ok(folder) => Ok(state_folder::token(&folder.token_file())?),
        Err(_) => Ok(None),
    }
}

fn certificates(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|error| {
        CliError::usage(format!("cannot read the certificates {}", path.display())).caused_by(error)
    })
}

/// An address as it is dialled.
pub(crate) fn checked(url: &str) -> Result<String, CliError> {
    let plain = crate::plain::line(url);
    let wrong = |why: &str| {
        let error = format!("cannot use {plain} as the coordinator's address: {why}");
        Err(CliError::usage(error).hint("it is such as http://127.0.0.1:7411 or https://host:7411"))
    };
    let Ok(uri) = url.trim_end_matches('/').parse::<Uri>() else {
        return wrong("it is not a URL");
    };
    match uri.scheme_str() {
        Some("http" | "https") => {}
        _ => return wrong("it begins with neither http:// nor https://"),
    }
    if uri.host().is_none_or(str::is_empty) {
        return wrong("it names no host");
    }
    if uri.path() != "/" || uri.query().is_some() {
        return wrong("it has more than a host and a port");
    }
    Ok(url.trim_end_matches('/').to_owned())
}

/// Whether what is sent to this address can be read by others on the way.
pub(crate) fn is_in_the_clear(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return true;
    };
    let host = uri
        .host()
        .unwrap_or("")
        .trim_start_matches('[')
        .trim_end_matches(']');
    let address = host.parse::<std::net::IpAddr>();
    let is_here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    uri.scheme_str() != Some("https") && !is_here
}

impl From<StateError> for CliError {
    fn from(error: StateError) -> Self {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let told = Self::usage(error.to_string());
        let told = match cause {
            Some(cause) => told.caused_by(cause),
            None => told,
        };
        match &error {
            StateError::Open { path, .. } => told
                .hint(format!("chmod 600 {}", path.display()))
                .see(ErrorPage::Token),
            StateError::NoToken { .. } => told.see(ErrorPage::Token),
            StateError::Note { .. } => told.hint("name the coordinator by --coordinator URL"),
            _ => told,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_and_a_host() {
        for (url, dialled) in [
            ("http://127.0.0.1:7411", "http://127.0.0.1:7411"),
            ("https://desk.example:7411/", "https://desk.example:7411"),
            ("http://[::1]:1", "http://[::1]:1"),
        ] {
            assert_eq!(checked(url).ok().as_deref(), Some(dialled));
        }
        for url in [
            "",
            "desk",
            "desk:7411",
            "ftp://desk",
            "http://",
            "http://a/b",
            "http://a?b",
            "http://a\u{1b}[2J",
        ] {
            let told = checked(url).expect_err(url).render();
            assert!(told.contains("as the coordinator's address"), "{told}");
            assert!(!told.contains('\u{1b}'), "{told:?}");
        }
    }

    #[test]
    fn loopback_and_https_are_not_in_the_clear() {
        for url in [
            "http://127.0.0.1:1",
            "http://[::1]:1",
            "http://localhost",
            "https://desk",
        ] {
            assert!(!is_in_the_clear(url), "{url}");
        }
        for url in [
            "http://10.0.0.1:1",
            "http://desk",
            "http://localhost.example",
        ] {
            assert!(is_in_the_clear(url), "{url}");
        }
    }
}
