//! What changes something: submit, cancel, retry.

use schliff_scheduler::input::{Command, Input};
use schliff_spec::id::JobId;
use schliff_wire::v1::{CancelRequest, JobView, RetryRequest, SubmitReply, SubmitRequest};
use tokio::sync::oneshot;

use super::{Handle, Leading};
use crate::access::hex;
use crate::edge::shape::Cores;
use crate::edge::submit::submission;
use crate::owner::{Message, Taken};
use crate::refusal::Refusal;
use crate::view::{Look, job};

/// Who is refused because of a full inbox comes back after this.
const PAUSE_MS: u32 = 200;
/// The longest reason of a cancellation.
const LONGEST_WHY: usize = 1_000;

impl Leading {
    /// Tells the owner, and waits until what follows is durable.
    pub(crate) async fn tell(&self, input: Input) -> Result<Taken, Refusal> {
        let (reply, answer) = oneshot::channel();
        let told = self.inbox.try_send(Message::Told { input, reply });
        told.map_err(|_| Refusal::overload("too many requests wait", PAUSE_MS))?;
        match answer.await {
            Ok(taken) => taken.map_err(|rejection| Refusal::of(&rejection)),
            Err(_) => Err(Refusal::closing()),
        }
    }
}

impl Handle {
    /// Submits a job for `owner`.
    ///
    /// # Errors
    /// The job file or what it asks for cannot be; this coordinator is not the one to ask.
    pub async fn submit(
        &self,
        owner: &str,
        mut request: SubmitRequest,
    ) -> Result<SubmitReply, Refusal> {
        let leading = self.leading()?;
        if request.request_id.is_empty() {
            request.request_id = random_id()?;
        }
        let request_id = request.request_id.clone();
        if let Some(job) = self.submitted(&request_id).await? {
            return self.reply(job, true).await;
        }
        let cores = self.look(cores).await?;
        let owner = owner.to_owned();
        // A sweep of a thousand trials takes a while to read.
        let read = tokio::task::spawn_blocking(move || submission(&request, &owner, &cores));
        let submission = read
            .await
            .map_err(|_| Refusal::defect("a job file broke the reader"))??;
        let command = Command::Submit(Box::new(submission));
        let taken = leading.tell(Input::Command(command)).await?;
        match taken.job {
            Some(job) => self.reply(job, false).await,
            // The same request came twice at once, and the other one was first.
            None => match self.submitted(&request_id).await? {
                Some(job) => self.reply(job, true).await,
                None => Err(Refusal::defect("the job was not taken")),
            },
        }
    }

    /// Stops a job.
    ///
    /// # Errors
    /// There is no such job, or it has ended.
    pub async fn cancel(&self, by: &str, request: CancelRequest) -> Result<JobView, Refusal> {
        if request.why.len() > LONGEST_WHY {
            let text = format!("a reason has {LONGEST_WHY} bytes at most");
            return Err(Refusal::invalid("too-long", text));
        }
        let command = Command::Cancel {
            job: JobId(request.job),
            by: by.to_owned(),
            why: request.why,
            is_now: request.now,
        };
        self.leading()?.tell(Input::Command(command)).await?;
        self.view(request.job).await
    }

    /// Goes on with an ended job, as a new one.
    ///
    /// # Errors
    /// There is no such job, it has not ended, or there is nothing to go on with.
    pub async fn retry(&self, by: &str, request: RetryRequest) -> Result<JobView, Refusal> {
        let command = Command::Retry {
            job: JobId(request.job),
            by: by.to_owned(),
        };
        let taken = self.leading()?.tell(Input::Command(command)).await?;
        let job = taken.job.map_or(request.job, |job| job.0);
        self.view(job).await
    }

    async fn submitted(&self, request_id: &str) -> Result<Option<JobId>, Refusal> {
        self.look(|look| look.state.requests.get(request_id).copied())
            .await
    }

    pub(super) async fn reply(
        &self,
        job: JobId,
        repeated_request: bool,
    ) -> Result<SubmitReply, Refusal> {
        let job = Some(self.view(job.0).await?);
        Ok(SubmitReply {
            job,
            repeated_request,
        })
    }

    /// A job as far as the state knows it.
    pub(super) async fn view(&self, id: u64) -> Result<JobView, Refusal> {
        let view = self.look(|look| {
            let found = look.state.jobs.get(&JobId(id));
            found.map(|found| job::full(look, found))
        });
        view.await?.ok_or_else(|| Refusal::no_job(id))
    }
}

pub(super) fn cores(look: Look<'_>) -> Cores {
    let clusters = look.state.clusters.iter();
    let largest = clusters.filter_map(|(name, cluster)| {
        let cores = cluster.nodes.values().map(|node| node.cpus).max()?;
        Some((name.clone(), cores))
    });
    largest.collect()
}

pub(super) fn random_id() -> Result<String, Refusal> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Refusal::defect(error.to_string()))?;
    Ok(hex(&bytes))
}
