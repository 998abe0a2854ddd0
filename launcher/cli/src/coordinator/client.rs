//! Asks the coordinator, wherever it leads just now.
//!
//! Rules: every call has a bound in time; a coordinator that cannot be reached or does not lead is
//! passed over for the next one, and for the leader that it names; an answer that refuses is final.

use std::collections::VecDeque;
use std::time::Duration;

use schliff_wire::v1::jobs_client::JobsClient;
use schliff_wire::{MAX_MESSAGE_BYTES, metadata};
use tokio::time::{Instant, sleep, timeout};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Response, Status};

use super::address::{Place, checked, is_in_the_clear};
use super::refusal::{self, Refused};
use crate::error_page::ErrorPage;
use crate::outcome::CliError;
use crate::terminal;

/// For a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// For an answer; of a stream, for its beginning.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Sign of life on a connection that is used and silent.
const ALIVE_EVERY: Duration = Duration::from_secs(15);
/// Between two tries; doubles up to the second one.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(3));
/// Addresses kept at most; leaders that were named included.
const MOST_ADDRESSES: usize = 8;

/// The generated client with the token put in.
pub(crate) type Jobs = JobsClient<InterceptedService<Channel, Bearer>>;

/// Shows the token with each request, and says who asks.
#[derive(Clone)]
pub(crate) struct Bearer {
    token: Option<MetadataValue<Ascii>>,
    user: Option<MetadataValue<Ascii>>,
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let told = request.metadata_mut();
        if let Some(token) = &self.token {
            told.insert(metadata::AUTHORIZATION, token.clone());
        }
        if let Some(user) = &self.user {
            told.insert(metadata::USER, user.clone());
        }
        Ok(request)
    }
}

/// Who asks, as the system calls them: for people to read, no proof of anything.
fn user() -> Option<MetadataValue<Ascii>> {
    let names = ["USER", "LOGNAME"].into_iter();
    let name = names
        .filter_map(|name| std::env::var(name).ok())
        .find(|name| !name.is_empty());
    name.and_then(|name| name.parse().ok())
}

/// One address with its connection, which is made when it is first needed.
struct Candidate {
    url: String,
    jobs: Jobs,
}

/// The coordinators, the one that is asked first in front.
pub(crate) struct Coordinator {
    candidates: VecDeque<Candidate>,
    bearer: Bearer,
    ca: Option<Vec<u8>>,
}

impl Coordinator {
    /// Those at these addresses. Belongs into a runtime; connects to none yet.
    pub(crate) fn at(place: Place) -> Result<Self, CliError> {
        let Place { urls, token, ca } = place;
        let token = token.map(|token| format!("Bearer {token}").parse());
        let token = token.transpose().map_err(|_| {
            CliError::usage("the token cannot be sent: it has odd characters").see(ErrorPage::Token)
        })?;
        let mut coordinator = Self {
            candidates: VecDeque::new(),
            bearer: Bearer {
                token,
                user: user(),
            },
            ca,
        };
        for url in urls {
            let candidate = coordinator.candidate(url)?;
            coordinator.candidates.push_back(candidate);
        }
        let open = |candidate: &&Candidate| is_in_the_clear(&candidate.url);
        if coordinator.bearer.token.is_some()
            && let Some(candidate) = coordinator.candidates.iter().find(open)
        {
            let warning = terminal::yellow("warning:");
            terminal::say(&format!(
                "{warning} the token travels unencrypted to {}; https:// protects it",
                candidate.url
            ));
        }
        Ok(coordinator)
    }

    fn candidate(&self, url: String) -> Result<Candidate, CliError> {
        let unusable = |error: tonic::transport::Error| {
            let cause = refusal::causes(&error);
            CliError::usage(format!("cannot use {url} as the coordinator's address"))
                .caused_by(cause)
        };
        let mut endpoint = Endpoint::from_shared(url.clone())
            .map_err(unusable)?
            .connect_timeout(CONNECT_WITHIN)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(ALIVE_EVERY)
            .keep_alive_timeout(ALIVE_EVERY);
        if let Some(ca) = self.ca.as_ref().filter(|_| url.starts_with("https:")) {
            let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
            endpoint = endpoint.tls_config(tls).map_err(unusable)?;
        }
        let channel = endpoint.connect_lazy();
        let jobs = JobsClient::with_interceptor(channel, self.bearer.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        Ok(Candidate { url, jobs })
    }

    /// Asks each coordinator once, until one answers.
    pub(crate) async fn ask<R>(
        &mut self,
        request: impl AsyncFn(&mut Jobs) -> Result<Response<R>, Status>,
    ) -> Result<R, Refused> {
        let mut tried = Vec::new();
        // One more, for a leader that only the last one names.
        for _ in 0..=MOST_ADDRESSES {
            let Some(first) = self.candidates.front_mut() else {
                break;
            };
            if tried.contains(&first.url) {
                break;
            }
            let url = first.url.clone();
            let late = || Status::unavailable("no answer in time");
            let answer = timeout(ANSWER_WITHIN, request(&mut first.jobs)).await;
            let status = match answer.unwrap_or_else(|_| Err(late())) {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => status,
            };
            let refused = Refused::new(url.clone(), status);
            if !refused.is_absent() {
                return Err(refused);
            }
            self.turn_to_next(&refused);
            tried.push(url);
            if self
                .candidates
                .front()
                .is_none_or(|next| tried.contains(&next.url))
            {
                return Err(refused);
            }
        }
        Err(Refused::new(
            String::new(),
            Status::unavailable("no address was tried"),
        ))
    }

    /// As [`Self::ask`], again and again for a while where nobody answers or all are too busy. Only
    /// for requests that do nothing twice.
    pub(crate) async fn ask_for<R>(
        &mut self,
        patience: Duration,
        request: impl AsyncFn(&mut Jobs) -> Result<Response<R>, Status>,
    ) -> Result<R, Refused> {
        let give_up = Instant::now() + patience;
        let (mut pause, longest) = PAUSES;
        loop {
            let refused = match self.ask(&request).await {
                Ok(answer) => return Ok(answer),
                Err(refused) => refused,
            };
            let wait = refused.pause().unwrap_or(pause);
            if !refused.may_pass() || Instant::now() + wait > give_up {
                return Err(refused);
            }
            sleep(wait).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// Puts the one that did not answer last, and the leader that it named first.
    fn turn_to_next(&mut self, refused: &Refused) {
        self.candidates.rotate_left(1);
        let Some(leader) = refused.leader().and_then(|url| checked(&url).ok()) else {
            return;
        };
        let known = self.candidates.iter().position(|it| it.url == leader);
        if let Some(at) = known {
            self.candidates.swap(0, at);
        } else if self.may_trust(&leader)
            && self.candidates.len() < MOST_ADDRESSES
            && let Ok(candidate) = self.candidate(leader)
        {
            self.candidates.push_front(candidate);
        }
    }

    /// The token goes to no address that is less protected than those that the user gave.
    fn may_trust(&self, url: &str) -> bool {
        let given_in_the_clear = || self.candidates.iter().any(|it| is_in_the_clear(&it.url));
        !is_in_the_clear(url) || given_in_the_clear()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coordinator(urls: &[&str]) -> Coordinator {
        Coordinator::at(Place {
            urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            token: None,
            ca: None,
        })
        .expect("addresses")
    }

    fn named(leader: &str) -> Refused {
        let mut status = Status::unavailable("does not lead");
        let leader = leader.parse().expect("ASCII");
        status.metadata_mut().insert(metadata::LEADER, leader);
        Refused::new(String::new(), status)
    }

    fn order(coordinator: &Coordinator) -> Vec<&str> {
        coordinator
            .candidates
            .iter()
            .map(|it| it.url.as_str())
            .collect()
    }

    #[tokio::test]
    async fn the_leader_is_asked_next() {
        let (a, b, c) = (
            "http://127.0.0.1:1",
            "http://127.0.0.1:2",
            "http://127.0.0.1:3",
        );
        let mut three = coordinator(&[a, b, c]);
        three.turn_to_next(&named(c));
        assert_eq!(order(&three), [c, b, a].map(|it| it));
        three.turn_to_next(&named("http://127.0.0.1:4"));
        assert_eq!(order(&three)[0], "http://127.0.0.1:4");
        three.turn_to_next(&named("nonsense"));
        assert_eq!(order(&three).len(), 4);
    }

    #[tokio::test]
    async fn no_token_is_sent_where_others_could_read_it() {
        let mut one = coordinator(&["http://127.0.0.1:1"]);
        one.turn_to_next(&named("http://10.9.8.7:1"));
        assert_eq!(order(&one), ["http://127.0.0.1:1"]);
    }
}
