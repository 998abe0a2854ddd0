//! Connections to the coordinator: users, and agents.

use std::time::{Duration, Instant};

use schliff_spec::id::SubmitKey;
use schliff_wire::PROTOCOL;
use schliff_wire::v1::agents_client::AgentsClient;
use schliff_wire::v1::jobs_client::JobsClient;
use schliff_wire::v1::{
    Beats, JobRequest, Joined, ListRequest, News, RankView, ReportRequest, Started, StepPoint,
    SubmitRequest, news::Body,
};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::BenchError;

/// Ranks of each job: those of one node.
pub(crate) const RANKS: u32 = 8;

/// What every call carries.
#[derive(Clone)]
pub(crate) struct Caller {
    channel: Channel,
    token: MetadataValue<Ascii>,
}

impl Caller {
    pub(crate) async fn connect(url: &str, token: &str) -> Result<Self, BenchError> {
        Ok(Self {
            channel: Endpoint::from_shared(url.to_owned())?.connect().await?,
            token: format!("Bearer {token}").parse()?,
        })
    }

    /// The same connection with another token.
    pub(crate) fn with_token(&self, token: &str) -> Result<Self, BenchError> {
        Ok(Self {
            channel: self.channel.clone(),
            token: format!("Bearer {token}").parse()?,
        })
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request
            .metadata_mut()
            .insert("authorization", self.token.clone());
        request
    }

    /// Submits a job; gives its number and how long that took.
    pub(crate) async fn submit(&self, job_toml: &str, id: &str) -> Result<(u64, Duration), Status> {
        let request = self.request(SubmitRequest {
            protocol: PROTOCOL,
            request_id: id.to_owned(),
            job_toml: job_toml.to_owned(),
            file_name: "bench.toml".into(),
            ..SubmitRequest::default()
        });
        let begin = Instant::now();
        let reply = JobsClient::new(self.channel.clone())
            .submit(request)
            .await?;
        let took = begin.elapsed();
        Ok((reply.into_inner().job.map_or(0, |job| job.id), took))
    }

    pub(crate) async fn explain(&self, job: u64) -> Result<Duration, Status> {
        let request = self.request(JobRequest { job });
        let begin = Instant::now();
        JobsClient::new(self.channel.clone())
            .explain(request)
            .await?;
        Ok(begin.elapsed())
    }

    pub(crate) async fn list(&self) -> Result<Duration, Status> {
        let request = self.request(ListRequest::default());
        let begin = Instant::now();
        JobsClient::new(self.channel.clone()).list(request).await?;
        Ok(begin.elapsed())
    }
}

/// One node's agent, as the coordinator hears it.
pub(crate) struct Agent {
    caller: Caller,
    key: SubmitKey,
    sequence: u64,
    step: u64,
}

impl Agent {
    pub(crate) fn new(caller: Caller, key: SubmitKey) -> Self {
        Self {
            caller,
            key,
            sequence: 1,
            step: 0,
        }
    }

    /// It is there, and its ranks train.
    pub(crate) async fn begin(&mut self) -> Result<Duration, Status> {
        let joined = Joined {
            nodes: 1,
            ranks: RANKS,
            version: "bench".into(),
        };
        self.say(vec![
            Body::Joined(joined),
            Body::Started(Started { resumed_from: None }),
        ])
        .await
    }

    /// A second of training: a step, and a sign of life of each rank.
    pub(crate) async fn second(&mut self, now_ms: i64) -> Result<Duration, Status> {
        self.step += 1;
        let step = StepPoint {
            step: self.step,
            steps: 1_000_000,
            loss: 2.0 / (1.0 + self.step as f64 / 100.0),
            lr: 1e-4,
            tokens_per_s: 10_000.0,
            grad_norm: Some(1.0),
            at_ms: now_ms,
            generation: self.key.generation.0,
        };
        let beat = |rank| RankView {
            rank,
            node: String::new(),
            step: self.step,
            doing: "computing".into(),
            doing_for_ms: 300,
            heard_ms: now_ms,
            step_ms: Some(950.0),
        };
        let ranks = (0..RANKS).map(beat).collect();
        self.say(vec![Body::Step(step), Body::Beats(Beats { ranks })])
            .await
    }

    async fn say(&mut self, bodies: Vec<Body>) -> Result<Duration, Status> {
        let said = bodies.len() as u64;
        let news = bodies.into_iter().map(|body| News {
            at_ms: 0,
            body: Some(body),
        });
        let request = self.caller.request(ReportRequest {
            protocol: PROTOCOL,
            job: self.key.job.0,
            generation: self.key.generation.0,
            node: 0,
            node_name: format!("node-{}", self.key.job),
            first_sequence: self.sequence,
            news: news.collect(),
        });
        let begin = Instant::now();
        AgentsClient::new(self.caller.channel.clone())
            .report(request)
            .await?;
        self.sequence += said;
        Ok(begin.elapsed())
    }
}
