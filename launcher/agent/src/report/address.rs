//! Where coordinators are, and on which ways a token may go to them.
//!
//! Rules: a token travels over TLS, with a certificate of the given authority, or does not leave
//! this machine; that holds for a coordinator that another one names, too.

use std::net::IpAddr;
use std::time::Duration;

use thiserror::Error;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Uri};

const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(10);
const ALIVE: Duration = Duration::from_secs(20);

/// A coordinator's address that cannot be used.
#[derive(Debug, Error)]
pub enum AddressError {
    /// None is given.
    #[error("no coordinator is given")]
    None,
    /// Not an address.
    #[error(
        "cannot read `{url}` as a coordinator's address: expected http://HOST:PORT or https://HOST:PORT"
    )]
    Malformed {
        /// What was read.
        url: String,
    },
    /// Unencrypted to another machine.
    #[error("cannot send a token to {url}: plain http is for coordinators of this machine alone")]
    Plain {
        /// The address.
        url: String,
    },
    /// TLS without an authority.
    #[error("cannot trust {url}: no certificate authority is given")]
    NoAuthority {
        /// The address.
        url: String,
    },
    /// The authority's certificate is none.
    #[error("cannot use the certificate authority for {url}")]
    Authority {
        /// The address.
        url: String,
        /// Why.
        source: tonic::transport::Error,
    },
}

/// The coordinators of a job: tried in turn, until one leads.
#[derive(Clone)]
pub struct Coordinators {
    endpoints: Vec<Endpoint>,
    authority: Option<Certificate>,
    at: usize,
}

impl std::fmt::Debug for Coordinators {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let urls = self.endpoints.iter().map(Endpoint::uri);
        formatter.debug_list().entries(urls).finish()
    }
}

impl Coordinators {
    /// Checks addresses and the authority's certificate, PEM.
    ///
    /// # Errors
    /// One of them cannot be used.
    pub fn new(urls: &[String], authority: Option<&[u8]>) -> Result<Self, AddressError> {
        let authority = authority.map(Certificate::from_pem);
        let endpoint = |url: &String| endpoint(url, authority.as_ref());
        let endpoints: Vec<_> = urls.iter().map(endpoint).collect::<Result<_, _>>()?;
        match endpoints.is_empty() {
            true => Err(AddressError::None),
            false => Ok(Self {
                endpoints,
                authority,
                at: 0,
            }),
        }
    }

    /// How many are known.
    pub(crate) fn count(&self) -> usize {
        self.endpoints.len()
    }

    /// The one to talk to now.
    pub(crate) fn current(&self) -> Endpoint {
        self.endpoints[self.at].clone()
    }

    /// Turns to the next one.
    pub(crate) fn next(&mut self) {
        self.at = (self.at + 1) % self.endpoints.len();
    }

    /// Turns to the one that leads, as another one says. One that may not be talked to is no leader
    /// for us.
    pub(crate) fn turn_to(&mut self, url: &str) {
        let Ok(leader) = endpoint(url, self.authority.as_ref()) else {
            return self.next();
        };
        let known = self
            .endpoints
            .iter()
            .position(|it| it.uri() == leader.uri());
        self.at = known.unwrap_or_else(|| {
            self.endpoints.push(leader);
            self.endpoints.len() - 1
        });
    }
}

fn endpoint(url: &str, authority: Option<&Certificate>) -> Result<Endpoint, AddressError> {
    let named = || url.to_owned();
    let malformed = |_| AddressError::Malformed { url: named() };
    let uri: Uri = url
        .parse()
        .map_err(|_| AddressError::Malformed { url: named() })?;
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(malformed)?;
    let endpoint = endpoint
        .connect_timeout(CONNECT)
        .timeout(ANSWER)
        .tcp_keepalive(Some(ALIVE));
    match (uri.scheme_str(), uri.host()) {
        (Some("http"), Some(host)) if is_here(host) => Ok(endpoint),
        (Some("http"), Some(_)) => Err(AddressError::Plain { url: named() }),
        (Some("https"), Some(_)) => {
            let authority = authority.ok_or_else(|| AddressError::NoAuthority { url: named() })?;
            let tls = ClientTlsConfig::new().ca_certificate(authority.clone());
            let endpoint = endpoint.tls_config(tls);
            endpoint.map_err(|source| AddressError::Authority {
                url: named(),
                source,
            })
        }
        _ => Err(AddressError::Malformed { url: named() }),
    }
}

/// The host is this machine, whatever a name server says.
fn is_here(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(url: &str) -> Result<Coordinators, AddressError> {
        Coordinators::new(&[url.to_owned()], None)
    }

    #[test]
    fn a_token_leaves_this_machine_encrypted_only() {
        for url in ["http://127.0.0.1:4", "http://[::1]:4", "http://localhost:4"] {
            checked(url).expect(url);
        }
        for url in [
            "http://10.0.0.1:4",
            "http://localhost.example:4",
            "http://127.0.0.1.example:4",
        ] {
            assert!(
                matches!(checked(url), Err(AddressError::Plain { .. })),
                "{url}"
            );
        }
        let refused = checked("https://127.0.0.1:4");
        assert!(matches!(refused, Err(AddressError::NoAuthority { .. })));
        for url in ["", "127.0.0.1:4", "ftp://127.0.0.1", "http://"] {
            assert!(
                matches!(checked(url), Err(AddressError::Malformed { .. })),
                "{url}"
            );
        }
        let none = Coordinators::new(&[], None);
        assert!(matches!(none, Err(AddressError::None)));
    }

    #[test]
    fn all_are_tried_in_turn_and_a_named_leader_is_learned() {
        let urls = ["http://127.0.0.1:1/", "http://127.0.0.1:2/"].map(str::to_owned);
        let mut coordinators = Coordinators::new(&urls, None).expect("addresses");
        let at = |coordinators: &Coordinators| coordinators.current().uri().to_string();
        coordinators.next();
        assert_eq!(at(&coordinators), urls[1]);
        coordinators.turn_to("http://127.0.0.1:3/");
        assert_eq!(at(&coordinators), "http://127.0.0.1:3/");
        coordinators.turn_to("http://10.1.1.1:3/");
        assert_eq!(at(&coordinators), urls[0], "no leader for us");
        coordinators.turn_to(&urls[1]);
        assert_eq!(coordinators.endpoints.len(), 3);
        assert_eq!(at(&coordinators), urls[1]);
    }
}
