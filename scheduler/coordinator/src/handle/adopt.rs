//! What was submitted to a batch system by hand becomes a job here.
//!
//! Rules: what cannot be adopted is refused before anything is written down. Asked again, the answer is
//! the same job.

use std::time::Duration;

use schliff_backend::FindError;
use schliff_scheduler::allocation::AllocationId;
use schliff_scheduler::input::{Command, Input};
use schliff_scheduler::policy::CALL_MS;
use schliff_scheduler::rejection::Rejection;
use schliff_spec::id::{ClusterName, JobId};
use schliff_wire::v1::{AdoptRequest, SubmitReply};
use tokio::time::timeout;

use super::Handle;
use super::tell::{cores, random_id};
use crate::edge::adopt::{adoption, check_form, refusal};
use crate::edge::submit::check_protocol;
use crate::refusal::{Refusal, RefusalKind};

/// For a look at it.
const CALL: Duration = Duration::from_millis(CALL_MS);

impl Handle {
    /// Adopts a job of a batch system's for `owner`.
    ///
    /// # Errors
    /// There is no such cluster, or the job cannot be adopted; this coordinator is not the one to ask.
    pub async fn adopt(
        &self,
        owner: &str,
        mut request: AdoptRequest,
    ) -> Result<SubmitReply, Refusal> {
        let leading = self.leading()?;
        check_protocol(request.protocol)?;
        check_form(&request)?;
        if request.request_id.is_empty() {
            request.request_id = random_id()?;
        }
        let cluster = self.cluster(&request.cluster).await?;
        let id = AllocationId(request.allocation.clone());
        if let Some(job) = self.adopted(&request.request_id, &cluster, &id).await? {
            return self.reply(job, true).await;
        }
        let standing = leading.standings.get(&cluster);
        let standing = standing.ok_or_else(|| refusal(&cluster, &FindError::NoWay))?;
        let found = match timeout(CALL, standing.backend.find(&id)).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return Err(refusal(&cluster, &error)),
            Err(_) => {
                let text = format!("{cluster}: no answer within {} s", CALL.as_secs());
                return Err(Refusal::new(RefusalKind::Phase, "cluster", text));
            }
        };
        let cores = self.look(cores).await?;
        let read = adoption(&request, found, owner, cluster.clone(), &cores)?;
        let command = Command::Adopt(Box::new(read));
        let taken = leading.tell(Input::Command(command)).await?;
        match taken.job {
            Some(job) => self.reply(job, false).await,
            // The same request came twice at once, and the other one was first.
            None => match self.adopted(&request.request_id, &cluster, &id).await? {
                Some(job) => self.reply(job, true).await,
                None => Err(Refusal::defect("the job was not taken")),
            },
        }
    }

    /// Whether something adopted is at work on a cluster, or was not forgotten yet: its reports are to
    /// be fetched.
    pub async fn has_adopted(&self, cluster: &ClusterName) -> bool {
        let told = self.look(|look| {
            let live = look
                .state
                .live
                .iter()
                .filter_map(|id| look.state.jobs.get(id));
            let mut attempts = live.filter_map(|job| job.live());
            attempts.any(|it| it.cluster == *cluster && it.adopts.is_some())
        });
        told.await.unwrap_or(false)
    }

    /// Whether an attempt was adopted.
    pub async fn is_adopted(&self, key: schliff_spec::id::SubmitKey) -> bool {
        let told = self.look(|look| {
            let job = look.state.jobs.get(&key.job);
            let mut attempts = job.into_iter().flat_map(|job| &job.attempts);
            attempts.any(|it| it.generation == key.generation && it.adopts.is_some())
        });
        told.await.unwrap_or(false)
    }

    /// The job that a request, or an allocation, has become.
    async fn adopted(
        &self,
        request_id: &str,
        cluster: &ClusterName,
        id: &AllocationId,
    ) -> Result<Option<JobId>, Refusal> {
        self.look(|look| {
            let of_request = look.state.requests.get(request_id).copied();
            of_request.or_else(|| look.state.adopted(cluster, id).map(|job| job.id))
        })
        .await
    }

    async fn cluster(&self, name: &str) -> Result<ClusterName, Refusal> {
        let cluster: ClusterName = name.parse().map_err(|error: schliff_spec::id::IdError| {
            Refusal::invalid("no-such-cluster", error.to_string())
        })?;
        let others: Vec<_> = self
            .look(|look| look.state.clusters.keys().cloned().collect())
            .await?;
        match others.contains(&cluster) {
            true => Ok(cluster),
            false => Err(Refusal::of(&Rejection::NoCluster {
                name: cluster,
                others,
            })),
        }
    }
}
