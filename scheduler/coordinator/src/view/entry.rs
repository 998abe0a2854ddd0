//! Entries of the journal, in words.

use schliff_scheduler::fact::{Fact, What};
use schliff_scheduler::job::Crew;
use schliff_scheduler::reason::Reason;
use schliff_scheduler::time::{Timestamp, span};
use schliff_spec::id::Step;
use schliff_wire::v1::HistoryEntry;

use crate::clock::wire_ms;

/// An entry; its body without the job file, which is long and told elsewhere.
pub(crate) fn entry(sequence: u64, fact: &Fact) -> HistoryEntry {
    let mut body = serde_json::to_value(fact).unwrap_or_default();
    let kind = body["fact"].as_str().unwrap_or_default().to_owned();
    if let Some(ask) = body.get_mut("ask").and_then(|ask| ask.as_object_mut()) {
        ask.remove("document");
    }
    HistoryEntry {
        sequence,
        at_ms: wire_ms(fact.at),
        kind,
        text: text(&fact.what, fact.at),
        fact_json: body.to_string(),
    }
}

fn text(what: &What, at: Timestamp) -> String {
    match what {
        What::Submitted { owner, .. } => submitted(what, owner),
        What::Planned { .. } => planned(what),
        What::Chosen { offers, .. } => Reason::Chosen {
            offers: offers.clone(),
            at,
        }
        .to_string(),
        What::Accepted { allocation, .. } => format!("the batch system has it as {allocation}"),
        What::Granted { nodes, .. } => {
            let names: Vec<_> = nodes.iter().map(|node| node.as_str()).collect();
            match names.is_empty() {
                true => "nodes were granted".into(),
                false => format!("got {}", names.join(", ")),
            }
        }
        What::RequeuedInPlace { why, .. } if why.is_empty() => "runs again".into(),
        What::RequeuedInPlace { why, .. } => format!("waits to run again: {why}"),
        What::Joined { node, .. } => format!("the agent of node {node} has come"),
        What::Started { resumed_from, .. } => match resumed_from {
            Some(step) => format!("trains, from step {step} on"),
            None => "trains, from the beginning".into(),
        },
        What::Regrouped { crew, .. } => regrouped(crew),
        What::Committed { step, .. } => format!("the checkpoint of step {step} is safe"),
        What::Measured { step, loss, .. } => format!("held-out loss {loss:.4} at step {step}"),
        What::Spoke { words, .. } => match words.error.is_empty() {
            true => format!("its agent ended with exit code {}", words.exit_code),
            false => format!(
                "its agent ended with exit code {}: {}",
                words.exit_code, words.error
            ),
        },
        What::StopAsked { why, .. } => Reason::Stopping { why: why.clone() }.to_string(),
        What::Ended {
            generation, ending, ..
        } => format!("attempt {generation} is over: {ending}"),
        _ => later(what),
    }
}

fn later(what: &What) -> String {
    match what {
        What::Requeued { .. } => "goes back to the queue".into(),
        What::RetryPlanned {
            cause, failures, ..
        } => format!("{cause}; is tried again after a pause (failure {failures})"),
        What::Paused { .. } => "waits for the other trials of its rung".into(),
        What::Promoted { rung, .. } => format!("is among the best of rung {rung}"),
        What::Finished { outcome, .. } => format!("has ended: {outcome}"),
        What::NodeStruck { cluster, node } => format!("a failure is blamed on {node} of {cluster}"),
        What::ClusterAdded { cluster, .. } => format!("the cluster {cluster} is there"),
        What::ClusterRemoved { cluster } => format!("the cluster {cluster} is gone"),
        _ => String::new(),
    }
}

fn regrouped(crew: &Crew) -> String {
    let numbers = |nodes: &[u32]| {
        let numbers: Vec<_> = nodes.iter().map(ToString::to_string).collect();
        let word = if nodes.len() == 1 { "node" } else { "nodes" };
        format!("{word} {}", numbers.join(", "))
    };
    let on = format!("goes on with {}", numbers(&crew.nodes));
    match crew.gone.is_empty() {
        true => on,
        false => format!("{on}, without {}", numbers(&crew.gone)),
    }
}

fn submitted(what: &What, owner: &str) -> String {
    match what {
        What::Submitted {
            retry_of: Some(job),
            ..
        } => format!("submitted by {owner} to go on with job {job}"),
        What::Submitted {
            trial_of: Some((sweep, label)),
            ..
        } => format!("submitted by {owner} as a trial of sweep {sweep}: {label}"),
        _ => format!("submitted by {owner}"),
    }
}

fn planned(what: &What) -> String {
    let What::Planned {
        generation,
        cluster,
        shape,
        time_limit_ms,
        resume_from,
        adopts,
        ..
    } = what
    else {
        return String::new();
    };
    if let Some(allocation) = adopts {
        return format!(
            "attempt {generation}: adopts job {allocation} of {cluster}, which has {shape}"
        );
    }
    let from = resume_from.map_or(String::new(), |Step(step)| format!(", from step {step} on"));
    let limit = time_limit_ms.map_or(String::new(), |ms| format!(", for {}", span(ms)));
    format!("attempt {generation}: {shape} of {cluster}{limit}{from}")
}

#[cfg(test)]
mod tests {
    use schliff_scheduler::time::Timestamp;

    use super::*;

    fn told(json: &str) -> HistoryEntry {
        let fact: Fact = serde_json::from_str(json).expect("a fact");
        assert_eq!(fact.at, Timestamp(5));
        entry(9, &fact)
    }

    #[test]
    fn entries_read_like_sentences() {
        let planned = told(
            r#"{"at":5,"fact":"planned","job":42,"generation":2,"cluster":"local",
            "shape":{"nodes":2,"gpus_per_node":4,"cpus_per_node":8,"ranks":8},"placement":[],
            "time_limit_ms":7200000,"resume_from":40}"#,
        );
        assert_eq!((planned.sequence, planned.kind.as_str()), (9, "planned"));
        assert_eq!(
            planned.text,
            "attempt 2: 4 GPUs on each of 2 nodes of local, for 2 h 00 min, from step 40 on"
        );
        let regrouped = told(
            r#"{"at":5,"fact":"regrouped","job":42,"generation":2,"crew":{"nodes":[0],"gone":[1]}}"#,
        );
        assert_eq!(regrouped.text, "goes on with node 0, without node 1");
        let spoke = told(
            r#"{"at":5,"fact":"spoke","job":42,"generation":2,
            "words":{"exit_code":1,"error":"no data","culprit":null}}"#,
        );
        assert_eq!(spoke.text, "its agent ended with exit code 1: no data");
    }
}
