//! What the shell keeps and says of what it is told, and how two states are compared.

use schliff_scheduler::State;
use schliff_scheduler::action::{Observed, SubmitTry};
use schliff_scheduler::allocation::SubmitAnswer;
use schliff_scheduler::fact::Fact;
use schliff_scheduler::input::Command;
use schliff_scheduler::job::{Comparison, Vitals};
use schliff_scheduler::rejection::Rejection;
use schliff_scheduler::time::Timestamp;
use schliff_spec::id::SubmitKey;
use serde_json::Value;

use crate::guard::{Verdict, breach};
use crate::world::mail::{Directive, Mail, Reply};
use crate::world::sound;

/// What the shell itself keeps of what it is told.
pub(super) fn remember(observed: &mut Observed, mail: &Mail, now: Timestamp) {
    match mail {
        Mail::Listing(listing) => {
            let name = listing.cluster.clone();
            observed.listings.insert(name, (**listing).clone().into());
        }
        Mail::Estimate { job, cluster, .. } => {
            observed.asked.remove(&(*job, cluster.clone()));
        }
        Mail::Answer { key, answer } => {
            observed.in_flight.remove(key);
            let tried = observed.tries.entry(*key).or_default();
            tried.submit = Some(SubmitTry {
                ended_at: now,
                is_unknown: matches!(answer, SubmitAnswer::Unknown { .. }),
                count: tried.submit.map_or(1, |last| last.count + 1),
            });
        }
        _ => {}
    }
}

pub(super) fn reply(
    state: &State,
    mail: &Mail,
    decided: &Result<Vec<Fact>, Rejection>,
) -> Option<Reply> {
    match mail {
        Mail::Command { client, command } => {
            let job = match &**command {
                Command::Submit(submission) => state.requests.get(&submission.request_id),
                _ => None,
            };
            let result = match decided {
                Ok(_) => Ok(job.copied()),
                Err(rejection) => Err(rejection.code()),
            };
            Some(Reply::Client {
                client: *client,
                result,
            })
        }
        Mail::Report { report, before } => Some(Reply::Agent {
            key: report.key,
            node: report.node,
            before: *before,
            directive: directive(state, report.key),
        }),
        _ => None,
    }
}

fn directive(state: &State, key: SubmitKey) -> Directive {
    let Some(job) = state.jobs.get(&key.job) else {
        return Directive::Abort;
    };
    let live = job.live();
    let is_live = live.is_some_and(|live| live.generation == key.generation);
    match &job.stop {
        _ if !is_live => Directive::Abort,
        Some(stop) if stop.is_now => Directive::Abort,
        Some(_) => Directive::Stop,
        None => Directive::GoOn,
    }
}

/// SCH-9: what was replayed is what was lived, as far as it is kept.
pub(crate) fn same(lived: &State, replayed: &State) -> Verdict {
    let (lived, replayed) = (kept(lived), kept(replayed));
    if lived == replayed {
        return Ok(());
    }
    let other = lived
        .jobs
        .iter()
        .find(|(id, job)| replayed.jobs.get(*id) != Some(*job));
    let what = match other {
        Some((id, job)) => {
            let replayed = replayed.jobs.get(id);
            format!("job {id} is {job:?}, and replayed {replayed:?}")
        }
        None => "something other than jobs is not what is replayed".to_owned(),
    };
    breach("SCH-9", what)
}

/// SCH-9: what was written as a snapshot and read is the same state, and sound.
pub(super) fn snapshot(state: &State) -> Verdict {
    let read = serde_json::to_string(state).and_then(|text| serde_json::from_str(&text));
    match read {
        Ok(read) => {
            sound(&read)?;
            same(state, &read)
        }
        Err(error) => breach("SCH-9", format!("a snapshot cannot be read: {error}")),
    }
}

/// A state without what is not kept.
fn kept(state: &State) -> State {
    let mut state = state.clone();
    state.comparing.clear();
    for job in state.jobs.values_mut() {
        job.comparison = Comparison::default();
    }
    for attempt in state.jobs.values_mut().flat_map(|job| &mut job.attempts) {
        attempt.vitals = Vitals::default();
    }
    for cluster in state.clusters.values_mut() {
        cluster.nodes.clear();
        cluster.observed_at = None;
    }
    state
}

/// What is long, or known, in a fact.
const LEFT_OUT: [&str; 7] = [
    "ask",
    "usage",
    "request_id",
    "owner",
    "deadline",
    "not_before",
    "terms",
];

/// A fact in a trace.
pub(super) fn told(fact: &Fact) -> String {
    let Ok(Value::Object(what)) = serde_json::to_value(&fact.what) else {
        return String::new();
    };
    let name = what.get("fact").and_then(Value::as_str).unwrap_or_default();
    let fields = what
        .iter()
        .filter(|(name, value)| {
            let is_empty = value.as_array().is_some_and(Vec::is_empty);
            let is_left_out = *name == "fact" || LEFT_OUT.contains(&name.as_str());
            !value.is_null() && !is_empty && !is_left_out
        })
        .map(|(name, value)| format!(" {name}={value}"));
    format!("{name}{}", fields.collect::<String>())
}
