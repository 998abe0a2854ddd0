use std::sync::Arc;
use std::time::{Duration, Instant};

use schliff_wire::metadata;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

use crate::stage::PATIENCE;

/// For a connection, and for an answer.
const CONNECT: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_secs(2);
/// Before the next try, where a refusal does not say.
const PAUSE: Duration = Duration::from_millis(100);

/// Every coordinator, tried in turn until one answers, as agents and the command line do.
#[derive(Clone)]
pub(crate) struct Reach {
    channels: Arc<[(String, Channel)]>,
    at: usize,
    token: MetadataValue<Ascii>,
}

impl Reach {
    pub(crate) fn new(urls: &[String], token: &str) -> Self {
        let channel = |url: &String| (url.clone(), channel(url));
        Self {
            channels: urls.iter().map(channel).collect(),
            at: 0,
            token: bearer(token),
        }
    }

    /// The same connections with another token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self {
            token: bearer(token),
            ..self.clone()
        }
    }

    /// Over the connection to one coordinator only.
    pub(crate) fn only(&self, url: &str) -> Self {
        let channels = self.channels.iter().filter(|(own, _)| own == url);
        Self {
            channels: channels.cloned().collect(),
            at: 0,
            token: self.token.clone(),
        }
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channels[self.at].1.clone()
    }

    pub(crate) fn request<T>(&self, message: T, patience: Duration) -> Request<T> {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        metadata.insert(metadata::AUTHORIZATION, self.token.clone());
        request.set_timeout(patience);
        request
    }

    /// Asks until there is an answer. A refusal that another try would not change is one.
    pub(crate) async fn ask<Q: Clone, A>(
        &mut self,
        question: &Q,
        call: impl AsyncFn(Channel, Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, Status> {
        let begin = Instant::now();
        loop {
            let request = self.request(question.clone(), ANSWER);
            let asked = tokio::time::timeout(ANSWER, call(self.channel(), request)).await;
            let asked = asked.unwrap_or_else(|_| Err(Status::unavailable("no answer in time")));
            match asked {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) if is_for_good(&status) => return Err(status),
                Err(status) if begin.elapsed() > PATIENCE => return Err(status),
                Err(status) => self.turn(&status).await,
            }
        }
    }

    /// To the one that is said to lead, or to the next one.
    async fn turn(&mut self, status: &Status) {
        let told = |key: &str| status.metadata().get(key)?.to_str().ok();
        let leader = told(metadata::LEADER);
        let known = |leader: &str| self.channels.iter().position(|(url, _)| url == leader);
        self.at = leader
            .and_then(known)
            .unwrap_or((self.at + 1) % self.channels.len());
        let pause_ms = told(metadata::PAUSE_MS).and_then(|it| it.parse().ok());
        let pause = pause_ms.map_or(PAUSE, Duration::from_millis);
        tokio::time::sleep(pause).await;
    }
}

/// A coordinator said so, and another one would, too.
fn is_for_good(status: &Status) -> bool {
    let code = status.metadata().get(metadata::CODE);
    let passes = ["standby", "closing", "overload", "journal"];
    code.is_some_and(|code| !passes.iter().any(|pass| code == pass))
}

fn channel(url: &str) -> Channel {
    let endpoint = Endpoint::from_shared(url.to_owned()).expect("a URL");
    endpoint.connect_timeout(CONNECT).connect_lazy()
}

fn bearer(token: &str) -> MetadataValue<Ascii> {
    format!("Bearer {token}").parse().expect("ASCII")
}
