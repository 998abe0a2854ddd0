//! What users, and the coordinator's configuration, want.

use schliff_spec::id::{ClusterName, JobId};

use super::{Draft, adopt};
use crate::ask::Ask;
use crate::cluster::{Cluster, Queue, Terms};
use crate::ending::Outcome;
use crate::fact::What;
use crate::input::{Command, Submission};
use crate::job::{Job, Role, StopWhy};
use crate::policy::MOST_OPEN_JOBS;
use crate::rejection::Rejection;
use crate::shape::Shape;
use crate::state::State;

pub(super) fn decide(draft: &mut Draft<'_>, command: Command) -> Result<(), Rejection> {
    match command {
        Command::Clusters(clusters) => {
            configure(draft, &clusters);
            Ok(())
        }
        Command::Submit(submission) => submit(draft, *submission),
        Command::Adopt(adoption) => adopt::decide(draft, *adoption),
        Command::Cancel {
            job,
            by,
            why,
            is_now,
        } => cancel(draft, job, &StopWhy::Cancelled { by, why }, is_now),
        Command::Retry { job, by } => retry(draft, job, by),
    }
}

/// A cluster on which something lives stays until that has ended.
fn configure(draft: &mut Draft<'_>, clusters: &[(ClusterName, Terms)]) {
    for (cluster, terms) in clusters {
        let known = draft.state.clusters.get(cluster);
        if known.is_none_or(|known| known.terms != *terms) {
            draft.push(What::ClusterAdded {
                cluster: cluster.clone(),
                terms: terms.clone(),
            });
        }
    }
    let is_wanted = |name: &ClusterName| clusters.iter().any(|(wanted, _)| wanted == name);
    let is_used = |name: &ClusterName| {
        let live = draft.state.live.iter();
        live.filter_map(|job| draft.state.jobs.get(job)?.live())
            .any(|attempt| attempt.cluster == *name)
    };
    let known = draft.state.clusters.keys();
    let gone: Vec<_> = known
        .filter(|name| !is_wanted(name) && !is_used(name))
        .cloned()
        .collect();
    for cluster in gone {
        draft.push(What::ClusterRemoved { cluster });
    }
}

fn submit(draft: &mut Draft<'_>, submission: Submission) -> Result<(), Rejection> {
    let state = draft.state;
    let Submission {
        request_id,
        owner,
        ask,
        after,
        sweep,
    } = submission;
    if state.requests.contains_key(&request_id) {
        return Ok(());
    }
    let trials = sweep.as_ref().map_or(0, |(_, trials)| trials.len());
    if sweep.is_some() && trials == 0 {
        return Err(Rejection::EmptySweep);
    }
    may_queue(state, 1 + trials)?;
    if let Some(gone) = after.iter().find(|a| !state.jobs.contains_key(&a.job)) {
        return Err(Rejection::NoJob(gone.job));
    }
    let asks = sweep.iter().flat_map(|(_, trials)| trials);
    for ask in asks.map(|trial| &trial.ask).chain([&ask]) {
        may_ever_run(draft, ask)?;
    }
    let first = state.next_job();
    let (sweep, trials) = sweep.map_or((None, Vec::new()), |(sweep, trials)| (Some(sweep), trials));
    draft.push(What::Submitted {
        job: first,
        request_id,
        owner: owner.clone(),
        ask: Box::new(ask),
        after: after.clone(),
        sweep,
        trial_of: None,
        retry_of: None,
    });
    for (at, trial) in (1..).zip(trials) {
        draft.push(What::Submitted {
            job: JobId(first.0 + at),
            request_id: String::new(),
            owner: owner.clone(),
            ask: Box::new(trial.ask),
            after: after.clone(),
            sweep: None,
            trial_of: Some((first, trial.label)),
            retry_of: None,
        });
    }
    Ok(())
}

/// Refuses what no cluster can ever run, as far as that is known.
pub(super) fn may_ever_run(draft: &Draft<'_>, ask: &Ask) -> Result<(), Rejection> {
    let clusters = &draft.state.clusters;
    let eligible: Vec<&Cluster> = match &ask.cluster {
        Some(name) => {
            let others = || clusters.keys().cloned().collect();
            vec![clusters.get(name).ok_or_else(|| Rejection::NoCluster {
                name: name.clone(),
                others: others(),
            })?]
        }
        None => clusters.values().collect(),
    };
    let allowed = eligible.iter().filter(|cluster| ask.may_lie_on(cluster));
    let allowed: Vec<&Cluster> = allowed.copied().collect();
    if allowed.is_empty() && !eligible.is_empty() {
        return Err(no_residency(ask, &eligible));
    }
    let eligible = allowed;
    let smallest = ask.shapes.last().copied().unwrap_or_else(|| ask.wanted());
    let unknown = eligible.is_empty() || eligible.iter().any(|cluster| may_fit(cluster, smallest));
    if unknown {
        return Ok(());
    }
    let largest: Vec<_> = eligible.iter().map(|cluster| size(cluster)).collect();
    Err(Rejection::TooLarge {
        shape: smallest,
        largest: largest.join("; "),
    })
}

fn no_residency(ask: &Ask, clusters: &[&Cluster]) -> Rejection {
    let where_ = clusters.iter().map(|cluster| match &cluster.terms.country {
        Some(country) => format!("{} stands in {country}", cluster.name),
        None => format!("where {} stands is not told", cluster.name),
    });
    Rejection::NoResidency {
        wanted: ask.residency.join(" or "),
        clusters: where_.collect::<Vec<_>>().join("; "),
    }
}

/// Whether a shape fits a cluster that is empty and whole.
fn may_fit(cluster: &Cluster, shape: Shape) -> bool {
    // After a restart, nodes that are held are there before anybody knows how large they are.
    let is_known = cluster.observed_at.is_some() && !cluster.nodes.is_empty();
    if cluster.terms.queue == Queue::Theirs || !is_known {
        return true;
    }
    let large = cluster.nodes.values().filter(|node| node.fits(shape));
    large.count() >= shape.nodes as usize
}

fn size(cluster: &Cluster) -> String {
    let most = |of: fn(&crate::cluster::Node) -> u32| cluster.nodes.values().map(of).max();
    format!(
        "{} has {} nodes of at most {} GPUs and {} cores",
        cluster.name,
        cluster.nodes.len(),
        most(|node| node.gpus).unwrap_or(0),
        most(|node| node.cpus).unwrap_or(0)
    )
}

fn cancel(draft: &mut Draft<'_>, id: JobId, why: &StopWhy, is_now: bool) -> Result<(), Rejection> {
    let job = draft.state.jobs.get(&id).ok_or(Rejection::NoJob(id))?;
    if job.is_done() {
        return Err(Rejection::Ended(id));
    }
    if let Role::Sweep { trials, .. } = &job.role {
        let open = trials
            .iter()
            .filter_map(|trial| draft.state.jobs.get(trial));
        for trial in open.filter(|trial| !trial.is_done()) {
            stop(draft, trial, why, is_now);
        }
        // It ends when the last of them has.
        if job.stop.is_none() {
            draft.push(What::StopAsked {
                job: id,
                why: why.clone(),
                is_now,
            });
        }
        return Ok(());
    }
    stop(draft, job, why, is_now);
    Ok(())
}

/// Ends a job: at once where nothing of it runs.
fn stop(draft: &mut Draft<'_>, job: &Job, why: &StopWhy, is_now: bool) {
    let StopWhy::Cancelled { by, why: words } = why else {
        return;
    };
    if job.live().is_none() {
        draft.push(What::Finished {
            job: job.id,
            outcome: Outcome::Cancelled {
                by: by.clone(),
                why: words.clone(),
            },
        });
        return;
    }
    let is_asked = job.stop.as_ref().is_some_and(|stop| {
        matches!(stop.why, StopWhy::Cancelled { .. }) && (stop.is_now || !is_now)
    });
    if !is_asked {
        let was_now = job.stop.as_ref().is_some_and(|stop| stop.is_now);
        draft.push(What::StopAsked {
            job: job.id,
            why: why.clone(),
            is_now: is_now || was_now,
        });
    }
}

/// Refuses more jobs than may be open.
pub(super) fn may_queue(state: &State, more: usize) -> Result<(), Rejection> {
    let jobs = state.open_jobs();
    match jobs + more > MOST_OPEN_JOBS {
        true => Err(Rejection::QueueFull {
            jobs,
            most: MOST_OPEN_JOBS,
        }),
        false => Ok(()),
    }
}

/// The job that a chain of retries began with.
fn first_of(state: &State, mut id: JobId) -> JobId {
    while let Some(before) = state.jobs.get(&id).and_then(|job| job.retry_of) {
        id = before;
    }
    id
}

/// An ended job stays ended: a new one goes on from its newest checkpoint.
fn retry(draft: &mut Draft<'_>, id: JobId, by: String) -> Result<(), Rejection> {
    let state = draft.state;
    let job = state.jobs.get(&id).ok_or(Rejection::NoJob(id))?;
    if matches!(job.role, Role::Sweep { .. }) {
        return Err(Rejection::IsSweep(id));
    }
    match job.outcome() {
        None => return Err(Rejection::NotEnded(id)),
        Some(Outcome::Succeeded) => return Err(Rejection::Succeeded(id)),
        Some(_) => {}
    }
    // All of them write to the same folder: one at a time, and none after one that succeeded.
    let own = first_of(state, id);
    let kin = state.jobs.values().filter(|other| other.retry_of.is_some());
    for other in kin.filter(|other| first_of(state, other.id) == own) {
        match other.outcome() {
            None => return Err(Rejection::NotEnded(other.id)),
            Some(Outcome::Succeeded) => return Err(Rejection::Succeeded(other.id)),
            Some(_) => {}
        }
    }
    may_queue(state, 1)?;
    may_ever_run(draft, &job.ask)?;
    draft.push(What::Submitted {
        job: state.next_job(),
        request_id: String::new(),
        owner: by,
        ask: Box::new((*job.ask).clone()),
        after: Vec::new(),
        sweep: None,
        trial_of: None,
        retry_of: Some(id),
    });
    Ok(())
}
