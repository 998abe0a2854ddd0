use std::time::Duration;

use schliff_wire::PROTOCOL;
use schliff_wire::v1::jobs_client::JobsClient;
use schliff_wire::v1::{
    JobRequest, JobView, ListRequest, LogsRequest, SeriesRequest, SubmitRequest,
};
use tonic::Status;

use crate::reach::Reach;

const JOB: &str = "name = \"desk\"\n[model]\nbase = \"gguf:/m.gguf\"\n[data]\nformat = \"messages\"\ntrain = [\"/t.jsonl\"]\n[resources]\ncpus_per_node = 1\n";
/// For one try of a request.
const TRY: Duration = Duration::from_secs(1);

/// Somebody who asks until there is an answer.
#[derive(Clone)]
pub(crate) struct User(pub(crate) Reach);

impl User {
    /// Submits a job and gives its number.
    pub(crate) async fn submit(&mut self, request_id: &str) -> u64 {
        let request = submission(request_id);
        let reply = self.0.ask(&request, async |channel, request| {
            JobsClient::new(channel).submit(request).await
        });
        let reply = reply.await.expect("submitted");
        reply.job.expect("a job").id
    }

    /// Submits a job where the first coordinator takes it at once.
    pub(crate) async fn try_submit(
        &self,
        request_id: &str,
        patience: Duration,
    ) -> Result<u64, Status> {
        let request = self.0.request(submission(request_id), patience);
        let reply = JobsClient::new(self.0.channel()).submit(request).await?;
        Ok(reply.into_inner().job.map_or(0, |job| job.id))
    }

    /// The same in a second.
    pub(crate) async fn is_taken(&self, request_id: &str) -> Option<u64> {
        let tried = tokio::time::timeout(TRY, self.try_submit(request_id, TRY));
        tried.await.ok()?.ok()
    }

    /// All jobs, as lists show them.
    pub(crate) async fn list(&mut self) -> Vec<JobView> {
        let request = ListRequest {
            limit: 1_000,
            ..ListRequest::default()
        };
        let reply = self.0.ask(&request, async |channel, request| {
            JobsClient::new(channel).list(request).await
        });
        reply.await.expect("a list").jobs
    }

    pub(crate) async fn get(&mut self, job: u64) -> JobView {
        let request = JobRequest { job };
        let view = self.0.ask(&request, async |channel, request| {
            JobsClient::new(channel).get(request).await
        });
        view.await.expect("a view")
    }

    /// The steps of a job's curve, with the generation that did each.
    pub(crate) async fn steps(&mut self, job: u64) -> Vec<(u64, u64)> {
        let request = SeriesRequest {
            job,
            ..SeriesRequest::default()
        };
        let series = self.0.ask(&request, async |channel, request| {
            JobsClient::new(channel).series(request).await
        });
        let steps = series.await.expect("a curve").steps;
        steps.iter().map(|it| (it.step, it.generation)).collect()
    }

    /// A job's log.
    pub(crate) async fn lines(&mut self, job: u64) -> Vec<String> {
        let request = LogsRequest {
            job,
            ..LogsRequest::default()
        };
        let stream = self.0.ask(&request, async |channel, request| {
            JobsClient::new(channel).logs(request).await
        });
        let mut stream = stream.await.expect("a log");
        let mut lines = Vec::new();
        while let Some(chunk) = stream.message().await.expect("a chunk") {
            lines.extend(chunk.lines.into_iter().map(|line| line.text));
        }
        lines
    }
}

fn submission(request_id: &str) -> SubmitRequest {
    SubmitRequest {
        protocol: PROTOCOL,
        request_id: request_id.to_owned(),
        job_toml: JOB.to_owned(),
        ..SubmitRequest::default()
    }
}
