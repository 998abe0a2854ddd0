//! A run of a job as the accounting database tells of it in JSON (`/slurmdb/…/jobs`).

use serde::Deserialize;

use super::job::ExitForm;
use super::value::{Number, Text, Words, section};
use crate::job::{Job, JobId};
use crate::parse::{ParseError, told};
use crate::state::{BaseState, JobState};

/// The fields that are read.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Form {
    job_id: Number,
    name: Text,
    #[serde(deserialize_with = "section")]
    comment: CommentForm,
    user: Text,
    partition: Text,
    account: Text,
    qos: Text,
    nodes: Text,
    allocation_nodes: Number,
    #[serde(deserialize_with = "section")]
    array: ArrayForm,
    #[serde(deserialize_with = "section")]
    state: StateForm,
    #[serde(deserialize_with = "section")]
    time: TimeForm,
    exit_code: ExitForm,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CommentForm {
    job: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ArrayForm {
    job_id: Number,
    task_id: Number,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StateForm {
    current: Words,
    reason: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TimeForm {
    submission: Number,
    start: Number,
    end: Number,
    limit: Number,
}

impl Form {
    pub(super) fn into_job(self) -> Result<Job, ParseError> {
        let name = self.name.into_text();
        let broken = |why: &str| ParseError::new("a past job in JSON", &name, why);
        let id = self.job_id.count().filter(|id| *id > 0);
        let id = id.ok_or_else(|| broken("it has no number"))?;
        let words = self.state.current.0.iter().map(String::as_str);
        let state = JobState::of_words(words).map_err(|error| broken(&error.to_string()))?;
        // 22.05 tells of code 0 for every job.
        let (failed, exit) = (state.base == BaseState::Failed, self.exit_code.into_exit());
        let array = self.array.job_id.count().filter(|array| *array > 0);
        let nodes = self.nodes.into_text();
        let has_nodes = told(&nodes).is_some() && nodes != "None assigned";
        Ok(Job {
            id: JobId(id),
            array: array.map(|array| (JobId(array), self.array.task_id.count())),
            comment: self.comment.job.into_text(),
            user: self.user.into_text(),
            partition: self.partition.into_text(),
            account: self.account.into_text(),
            qos: self.qos.into_text(),
            state,
            reason: self.state.reason.into_text(),
            submitted_at: self.time.submission.time(),
            start_at: self.time.start.time(),
            end_at: self.time.end.time(),
            time_limit_min: self.time.limit.minutes(),
            nodes: if has_nodes { nodes } else { String::new() },
            node_count: self.allocation_nodes.count().unwrap_or(0),
            dependency: String::new(),
            exit: exit.filter(|exit| !(failed && exit.code == 0 && exit.signal == 0)),
            restarts: None,
            name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::past;
    use super::*;
    use crate::job::Exit;
    use crate::time::UnixSeconds;

    #[test]
    fn a_run_as_22_05_has_it() {
        let found = past(
            r#"{"jobs":[{"account":"dev","comment":{"job":null},"allocation_nodes":0,
            "array":{"job_id":0,"task_id":null},"time":{"end":1795647255,"start":1795647255,
            "submission":1795647200,"limit":10},"exit_code":{"status":"SUCCESS","return_code":0},
            "job_id":71,"name":"schliff-2-1","nodes":"None assigned","partition":"batch",
            "state":{"current":"CANCELLED","reason":"None"},"user":"root"}]}"#,
        );
        let job = &found.expect("a job")[0];
        assert_eq!((job.id, job.name.as_str()), (JobId(71), "schliff-2-1"));
        assert_eq!((job.state.base, job.array), (BaseState::Cancelled, None));
        assert_eq!((job.nodes.as_str(), job.comment.as_str()), ("", ""));
        assert_eq!(job.submitted_at, Some(UnixSeconds(1_795_647_200)));
        assert_eq!(job.time_limit_min, Some(10));
    }

    #[test]
    fn a_run_as_24_11_has_it() {
        let found = past(
            r#"{"jobs":[{"comment":{"job":"x"},"allocation_nodes":2,"exit_code":{"status":["SIGNALED"],
            "return_code":{"set":true,"infinite":false,"number":0},
            "signal":{"id":{"set":true,"infinite":false,"number":9},"name":"KILL"}},
            "job_id":72,"name":"a","nodes":"n[1-2]","state":{"current":["FAILED"],"reason":"None"},
            "time":{"limit":{"set":true,"infinite":false,"number":3}}}],"warnings":[]}"#,
        );
        let job = &found.expect("a job")[0];
        assert_eq!(job.exit, Some(Exit { code: 0, signal: 9 }));
        assert_eq!((job.nodes.as_str(), job.node_count), ("n[1-2]", 2));
        assert_eq!((job.time_limit_min, job.comment.as_str()), (Some(3), "x"));
    }

    #[test]
    fn a_code_that_cannot_be_is_not_told() {
        let found = past(
            r#"{"jobs":[{"job_id":1,"name":"a","state":{"current":"FAILED"},
            "exit_code":{"status":"SUCCESS","return_code":0}}]}"#,
        );
        assert_eq!(found.expect("a job")[0].exit, None);
    }

    #[test]
    fn a_run_without_a_state_is_named() {
        let error = past(r#"{"jobs":[{"job_id":1,"name":"odd"}]}"#).expect_err("no state");
        assert!(error.to_string().contains("odd"), "{error}");
        assert!(past("{}").is_err());
    }
}
