//! A job that somebody submitted to a batch system by hand.
//!
//! Rules: it becomes a job whose first attempt is what is there already. The attempt is planned at once:
//! no queue is waited in a second time. Whether the batch system lets it be had is its answer to that.

use schliff_spec::id::{ClusterName, Generation};

use super::Draft;
use super::command::{may_ever_run, may_queue};
use crate::allocation::AllocationId;
use crate::cluster::Queue;
use crate::fact::What;
use crate::input::Adoption;
use crate::job::Job;
use crate::rejection::Rejection;
use crate::state::State;

pub(super) fn decide(draft: &mut Draft<'_>, adoption: Adoption) -> Result<(), Rejection> {
    let state = draft.state;
    let Adoption {
        request_id,
        owner,
        ask,
        cluster,
        allocation,
        shape,
        time_limit_ms,
    } = adoption;
    if state.requests.contains_key(&request_id) {
        return Ok(());
    }
    let known = state.clusters.get(&cluster);
    let known = known.ok_or_else(|| Rejection::NoCluster {
        name: cluster.clone(),
        others: state.clusters.keys().cloned().collect(),
    })?;
    if known.terms.queue == Queue::Ours {
        return Err(Rejection::NoAdoption(cluster));
    }
    if let Some(before) = state.adopted(&cluster, &allocation) {
        return Err(Rejection::Adopted {
            job: before.id,
            allocation,
            cluster,
        });
    }
    may_queue(state, 1)?;
    may_ever_run(draft, &ask)?;
    let job = state.next_job();
    draft.push(What::Submitted {
        job,
        request_id,
        owner,
        ask: Box::new(ask),
        after: Vec::new(),
        sweep: None,
        trial_of: None,
        retry_of: None,
    });
    draft.push(What::Planned {
        job,
        generation: Generation::default().next(),
        cluster,
        shape,
        placement: Vec::new(),
        time_limit_ms,
        resume_from: None,
        adopts: Some(allocation),
    });
    Ok(())
}

impl State {
    /// The job at work that an allocation became.
    pub fn adopted(&self, cluster: &ClusterName, allocation: &AllocationId) -> Option<&Job> {
        let mut live = self.live.iter().filter_map(|id| self.jobs.get(id));
        live.find(|job| {
            job.live().is_some_and(|attempt| {
                attempt.cluster == *cluster && attempt.adopts.as_ref() == Some(allocation)
            })
        })
    }
}
